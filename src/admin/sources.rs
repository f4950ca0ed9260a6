//! What `/api` is made from: where each fact lives, and whom to ask for it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use tokio::sync::watch;

use crate::check::Control;
use crate::config::model::{Config, LogLevel};
use crate::journal::Journal;
use crate::proxy::Loads;

/// Changes the level of the log from now on.
pub type SetLevel = Arc<dyn Fn(LogLevel) + Send + Sync>;

/// The configuration in force, and what became of the last attempt to change it.
#[derive(Clone, Debug)]
pub struct ConfigState {
    /// Where it was read from.
    pub path: PathBuf,
    /// When it came into force.
    pub loaded: SystemTime,
    /// What was wrong with a newer file; none when the last attempt succeeded. Holds no secret.
    pub refused: Option<String>,
    /// The configuration itself.
    pub config: Arc<Config>,
}

/// Whom the API asks. Cheap to clone.
#[derive(Clone)]
pub struct Sources {
    /// The monitors: all that is known of the groups, and orders.
    pub control: Control,
    /// The events.
    pub journal: Journal,
    /// Sessions and connections.
    pub loads: Arc<Loads>,
    /// The configuration; whoever applies another one sends it.
    pub config: watch::Receiver<ConfigState>,
    /// No new connections are accepted.
    pub draining: Arc<AtomicBool>,
    /// For `/api/log-level`.
    pub set_level: SetLevel,
}

impl Sources {
    /// The configuration in force.
    pub(super) fn config(&self) -> ConfigState {
        self.config.borrow().clone()
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}
