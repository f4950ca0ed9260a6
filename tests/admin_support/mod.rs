//! What the tests of the admin server without a proxy share.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use rolecall::admin::Sources;
use rolecall::check::Control;
use rolecall::config;
use rolecall::config::model::InForce;
use rolecall::journal::Journal;
use rolecall::switchover::Director;
use tokio::sync::{mpsc, watch};

/// Of a proxy that does nothing.
pub(crate) fn sources() -> Sources {
    let text = "groups: { main: { nodes: { redis-1: \"127.0.0.1:7001\" } } }\n\
                listeners: { redis-rw: { bind: \"127.0.0.1:6379\", access: read-write } }\n";
    let no_file = |_: &Path| Err(ErrorKind::NotFound.into());
    let config = config::parse(text, "rolecall.yaml", &|_| None, &no_file).unwrap();
    let (_, config) = watch::channel(InForce {
        path: "rolecall.yaml".into(),
        loaded: SystemTime::now(),
        refused: None,
        config: Arc::new(config),
    });
    Sources {
        control: Control::default(),
        journal: Journal::default(),
        loads: Arc::default(),
        in_force: config.clone(),
        draining: Arc::default(),
        reload: mpsc::channel(1).0,
        director: Director {
            control: Control::default(),
            journal: Journal::default(),
            in_force: config,
            busy: Arc::default(),
        },
        set_level: Arc::new(|_| ()),
    }
}
