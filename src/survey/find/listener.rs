//! What is wrong with the listeners: nobody to serve them, or an address that cannot be listened on.
//!
//! An address that another program holds is no fault: side by side with HAProxy it is what one wants.

use std::io::ErrorKind;
use std::sync::Arc;

use super::kind::{About, Finding, Kind};
use crate::api::ListenerStatus;
use crate::config::model::{Bind, Config};
use crate::proxy::{BindError, try_bind};

/// What a running proxy is called among processes, at least to begin with.
const OURSELVES: &str = "rolecall";

/// All findings about listeners.
pub(super) fn all(config: &Config, listeners: &[ListenerStatus]) -> Vec<Finding> {
    let at = |name: &Arc<str>, kind| Finding {
        group: None,
        about: About::Listener(Arc::clone(name)),
        kind,
    };
    let mut found = Vec::new();
    for (listener, status) in config.listeners.iter().zip(listeners) {
        if status.serving.is_empty() {
            found.push(at(&listener.name, Kind::NobodyServes));
        }
        let binds = listener.binds.iter();
        let wrong = binds.filter_map(|bind| trial(&listener.name, bind));
        found.extend(wrong.map(|kind| at(&listener.name, kind)));
    }
    if let Some(http) = config.admin.http {
        let name: Arc<str> = "admin.http".into();
        found.extend(trial(&name, &Bind::Tcp(http)).map(|kind| at(&name, kind)));
    }
    found
}

/// Whether it could be listened on; a running rolecall is what it is for.
fn trial(name: &Arc<str>, bind: &Bind) -> Option<Kind> {
    let error = try_bind(name, bind).err()?;
    let sentence = error.to_string();
    let start = format!("listener {name} ");
    let words = sentence
        .strip_prefix(&start)
        .unwrap_or(&sentence)
        .to_owned();
    match error {
        BindError::InUse { holder, .. } => {
            let ours = holder
                .as_ref()
                .is_some_and(|holder| holder.command.starts_with(OURSELVES));
            let holder = holder.map(|holder| holder.to_string());
            (!ours).then(|| Kind::AddressHeld(bind.to_string(), holder))
        }
        BindError::Io { source, .. } => {
            let elsewhere = [ErrorKind::PermissionDenied, ErrorKind::NotFound];
            Some(if elsewhere.contains(&source.kind()) {
                Kind::MayNotListen(words)
            } else {
                Kind::CannotListen(words)
            })
        }
        BindError::NotASocket { .. } => Some(Kind::CannotListen(words)),
    }
}
