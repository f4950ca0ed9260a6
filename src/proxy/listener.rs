//! A listener as the data plane keeps it: its configuration, which a reload may replace, its counts and its
//! metrics; and the addresses at which it is open.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::loads::{ListenerLoad, Loads};
use super::telemetry::ListenerMeters;
use crate::config::model::ListenerConfig;
use crate::metrics;

/// One listener, shared by all workers and by each of its connections.
pub(super) struct Listener {
    config: ArcSwap<ListenerConfig>,
    pub(super) meters: ListenerMeters,
    pub(super) load: Arc<ListenerLoad>,
    removed: AtomicBool,
}

/// One address at which a listener is open, in all workers.
pub(super) struct Port {
    /// Whose connections come in there; a reload may give it to another listener.
    pub(super) listener: ArcSwap<Listener>,
    /// Told when it is to be closed.
    pub(super) closing: CancellationToken,
    /// Another process goes on with its sockets.
    given: AtomicBool,
    /// Each open socket holds a receiver.
    pub(super) open: watch::Sender<()>,
}

impl Listener {
    /// One that has no connections yet.
    pub(super) fn new(config: ListenerConfig, loads: &Loads) -> Self {
        metrics::show(&[("listener", &config.name)]);
        Self {
            meters: ListenerMeters::new(&config.name),
            load: loads.listener(config.id),
            config: ArcSwap::from_pointee(config),
            removed: AtomicBool::new(false),
        }
    }

    /// Its configuration now.
    pub(super) fn config(&self) -> Arc<ListenerConfig> {
        self.config.load_full()
    }

    /// Gives it another configuration: its connections follow it from their next look on.
    pub(super) fn configure(&self, config: ListenerConfig) {
        self.config.store(Arc::new(config));
    }

    /// Takes it out: its connections end, and it is shown no more.
    pub(super) fn remove(&self) {
        self.removed.store(true, Ordering::Release);
        metrics::hide(&[("listener", &self.config.load().name)]);
    }

    /// Whether it was taken out.
    pub(super) fn is_removed(&self) -> bool {
        self.removed.load(Ordering::Acquire)
    }
}

impl Port {
    /// An address that is given to a listener.
    pub(super) fn new(listener: Arc<Listener>) -> Arc<Self> {
        Arc::new(Self {
            listener: ArcSwap::new(listener),
            closing: CancellationToken::new(),
            given: AtomicBool::new(false),
            open: watch::Sender::new(()),
        })
    }

    /// From its closing on, what waits at its sockets is another process's.
    pub(super) fn give(&self) {
        self.given.store(true, Ordering::Release);
    }

    /// Whether another process goes on with its sockets.
    pub(super) fn is_given(&self) -> bool {
        self.given.load(Ordering::Acquire)
    }

    /// Closes it: what the kernel had completed is served. Returns when the sockets are closed.
    pub(super) async fn close(&self) {
        self.closing.cancel();
        self.open.closed().await;
    }
}
