//! The signals that end the process or have it read its configuration again. Those for the log's level and
//! for an upgrade have tasks of their own.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that the process answers to.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for what a signal asks for.
    pub(super) async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::End,
            _ = self.interrupt.recv() => Asked::End,
            _ = self.hang_up.recv() => Asked::Reload,
        }
    }

    /// Waits for SIGTERM or SIGINT. `state`: why nothing is reloaded meanwhile.
    pub(super) async fn wait_for_end(&mut self, state: &str) {
        while self.next().await == Asked::Reload {
            tracing::warn!("SIGHUP: {state}, so the configuration is not read again");
        }
    }
}

/// What a signal asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// SIGTERM or SIGINT.
    End,
    /// SIGHUP.
    Reload,
}
