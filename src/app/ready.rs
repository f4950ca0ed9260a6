//! When the proxy is ready: what /readyz answers, and when the service manager is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use crate::admin;
use crate::config::model::{Config, InForce, ListenerConfig};
use crate::core::snapshot::Snapshot;
use crate::core::time::in_words;
use crate::notify::Notify;

/// Nobody waits longer for the first verdict of every listener: a node whose packets are swallowed may
/// take longer, and the others have theirs by then.
pub(super) const VERDICT_LIMIT: Duration = Duration::from_secs(10);

/// What /readyz asks.
pub(super) fn readiness(
    in_force: watch::Receiver<InForce>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    draining: &Arc<AtomicBool>,
) -> admin::Readiness {
    // Once ready, ready for good: a node that moves later is unknown for a moment, and no reason to
    // take the proxy out.
    let ready = AtomicBool::new(false);
    let draining = Arc::clone(draining);
    Arc::new(move || {
        if draining.load(Ordering::Relaxed) {
            return vec!["draining: no new connections are accepted".to_owned()];
        }
        if ready.load(Ordering::Relaxed) {
            return Vec::new();
        }
        let listeners = &in_force.borrow().config.listeners;
        let missing = admin::readiness(&snapshots.borrow(), listeners);
        ready.fetch_or(missing.is_empty(), Ordering::Relaxed);
        missing
    })
}

/// Ready is more than listening: whoever is started after us finds a proxy that knows whom to ask.
pub(super) async fn say_ready(
    notify: Notify,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    config: Arc<Config>,
) {
    first_verdicts(snapshots, &config.listeners).await;
    notify.ready();
}

/// Waits until every listener has had a verdict, and no longer than [`VERDICT_LIMIT`].
pub(super) async fn first_verdicts(
    mut snapshots: watch::Receiver<Arc<Snapshot>>,
    listeners: &[ListenerConfig],
) {
    let all = snapshots.wait_for(|snapshot| admin::readiness(snapshot, listeners).is_empty());
    if !matches!(timeout(VERDICT_LIMIT, all).await, Ok(Ok(_))) {
        tracing::warn!(
            "some nodes have had no verdict in {}: going on without",
            in_words(VERDICT_LIMIT)
        );
    }
}
