//! What the tests of this module share.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::{mpsc, watch};

use super::{AdminState, Sources};
use crate::check::Control;
use crate::config::model::{Config, InForce};

pub(super) const CONFIG: &str = "
groups:
  main:
    nodes:
      redis-1: 10.1.1.1:6379
      redis-2: 10.1.1.2:6379
      redis-3: 10.1.1.3:6379
      redis-local: { address: 127.0.0.4:6379, local: true }
listeners:
  redis-rw: { bind: \"127.0.0.1:6379\", access: read-write }
  redis-ro: { bind: \"127.0.0.2:6379\", access: read-only, fallback: redis-rw }
  redis-local-ro: { bind: \"127.0.0.3:6379\", access: local-read-only, fallback: redis-ro }
";

pub(super) fn config() -> Config {
    let no_file = |_: &std::path::Path| Err(std::io::ErrorKind::NotFound.into());
    crate::config::parse(CONFIG, "rolecall.yaml", &|_| None, &no_file).expect("a valid file")
}

pub(super) fn in_force() -> InForce {
    InForce {
        path: "rolecall.yaml".into(),
        loaded: SystemTime::now(),
        refused: None,
        config: Arc::new(config()),
    }
}

/// A state of a proxy that does nothing.
pub(super) fn state() -> AdminState {
    let (_, metrics) = crate::metrics::recorder().expect("a recorder");
    let (_, config) = watch::channel(in_force());
    AdminState {
        metrics,
        readiness: Arc::new(Vec::new),
        sources: Sources {
            control: Control::default(),
            journal: crate::journal::Journal::default(),
            loads: Arc::default(),
            in_force: config.clone(),
            draining: Arc::default(),
            reload: mpsc::channel(1).0,
            director: crate::switchover::Director {
                control: Control::default(),
                journal: crate::journal::Journal::default(),
                in_force: config,
                busy: Arc::default(),
            },
            set_level: Arc::new(|_| ()),
        },
    }
}
