//! SIGUSR1 raises the log's level to debug, and the next one takes it back: for an operator who wants
//! to see the checks of the next minute and cannot restart the proxy for that.

use tokio::signal::unix::{SignalKind, signal};

use crate::telemetry::Switch;

/// Starts to listen for the signal, which would otherwise end the process.
pub(super) fn obey_signal(switch: Switch) -> std::io::Result<()> {
    let mut signals = signal(SignalKind::user_defined1())?;
    tokio::spawn(async move {
        while signals.recv().await.is_some() {
            let level = switch.toggle();
            // An operator wants to see that the signal arrived, whatever the level is now.
            tracing::error!(
                level = level.label(),
                "SIGUSR1: the log's level is now {}",
                level.label()
            );
        }
    });
    Ok(())
}
