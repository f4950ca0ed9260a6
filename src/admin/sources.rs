//! What `/api` is made from: where each fact lives, and whom to ask for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{mpsc, oneshot, watch};

use crate::check::Control;
use crate::config::model::{InForce, LogLevel};
use crate::journal::Journal;
use crate::proxy::Loads;
use crate::switchover::Director;

/// Changes the level of the log from now on.
pub type SetLevel = Arc<dyn Fn(LogLevel) + Send + Sync>;

/// Asks for a reload; answered with what changed, a line each, or with why nothing did.
pub type ReloadRequest = oneshot::Sender<Result<Vec<String>, String>>;

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
    pub in_force: watch::Receiver<InForce>,
    /// No new connections are accepted.
    pub draining: Arc<AtomicBool>,
    /// Whoever reloads hears it there.
    pub reload: mpsc::Sender<ReloadRequest>,
    /// For `/api/switchover`.
    pub director: Director,
    /// For `/api/log-level`.
    pub set_level: SetLevel,
}

impl Sources {
    /// The configuration in force.
    pub(super) fn in_force(&self) -> InForce {
        self.in_force.borrow().clone()
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}
