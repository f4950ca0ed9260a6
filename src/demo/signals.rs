//! Ctrl-C, SIGTERM and a closed terminal must not leave servers behind: they set a flag that every wait
//! of the demo looks at, and the demo then ends in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use tokio::signal::unix::{SignalKind, signal};

use super::error::DemoError;

/// Whether somebody asked the demo to end.
#[derive(Clone, Debug, Default)]
pub(super) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// A flag that SIGINT, SIGTERM and SIGHUP set.
    pub(super) fn on_signals() -> Result<Self, DemoError> {
        let doing = "listen for signals";
        let stop = Self::default();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(DemoError::system(doing))?;
        let streams = {
            let _inside = runtime.enter();
            [
                SignalKind::interrupt(),
                SignalKind::terminate(),
                SignalKind::hangup(),
            ]
            .map(signal)
        };
        let [interrupt, terminate, hangup] = streams;
        let mut interrupt = interrupt.map_err(DemoError::system(doing))?;
        let mut terminate = terminate.map_err(DemoError::system(doing))?;
        let mut hangup = hangup.map_err(DemoError::system(doing))?;
        let flag = stop.clone();
        thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                    _ = hangup.recv() => {}
                }
            });
            flag.0.store(true, Ordering::SeqCst);
        });
        Ok(stop)
    }

    /// Whether somebody asked the demo to end.
    pub(super) fn requested(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// An error once somebody asked the demo to end.
    pub(super) fn check(&self) -> Result<(), DemoError> {
        if self.requested() {
            Err(DemoError::Interrupted)
        } else {
            Ok(())
        }
    }
}
