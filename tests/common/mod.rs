//! The harness of the integration tests: real redis-server and rolecall processes on loopback
//! addresses, a small RESP client, and the poll helpers.
//!
//! Each process listens on an address that no other test process uses, ports are picked by binding
//! port 0, and everything ends with the value that owns it. Waiting is polling with a deadline: the
//! only sleep of all tests is here, and no test may pass because something was quick.

pub(crate) mod browser;
pub(crate) mod cli;
pub(crate) mod client;
pub(crate) mod desk;
pub(crate) mod drafted;
pub(crate) mod fake;
pub(crate) mod liar;
pub(crate) mod manager;
pub(crate) mod metrics;
pub(crate) mod monitoring;
pub(crate) mod net;
pub(crate) mod place;
pub(crate) mod process;
pub(crate) mod promql;
pub(crate) mod redis;
pub(crate) mod rolecall;
pub(crate) mod scripted;
pub(crate) mod sentinel;
pub(crate) mod survey;
pub(crate) mod topology;
pub(crate) mod traffic;
pub(crate) mod wire;

use std::time::{Duration, Instant};

/// How long anything may take that should come at once: generous, for slow machines.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A directory that goes with its owner.
pub(crate) fn scratch() -> tempfile::TempDir {
    tempfile::TempDir::new().expect("a temporary directory")
}

/// Polls until `probe` gives a value; panics at the deadline with what was waited for.
#[track_caller]
pub(crate) fn poll<T>(deadline: Duration, what: &str, probe: impl FnMut() -> Option<T>) -> T {
    poll_every(Duration::from_millis(5), deadline, what, probe)
}

/// The same at another pace.
#[track_caller]
pub(crate) fn poll_every<T>(
    step: Duration,
    deadline: Duration,
    what: &str,
    mut probe: impl FnMut() -> Option<T>,
) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = probe() {
            return value;
        }
        assert!(
            start.elapsed() < deadline,
            "waited {deadline:?} in vain: {what}"
        );
        std::thread::sleep(step);
    }
}

/// Waits until `condition` holds; panics at the deadline with what was waited for.
#[track_caller]
pub(crate) fn eventually(deadline: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    poll(deadline, what, || condition().then_some(()));
}

/// Checks again and again for a whole while that `condition` holds; panics when it does not.
#[track_caller]
pub(crate) fn throughout(while_long: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    poll_every(Duration::from_millis(50), while_long + SOON, what, || {
        let so_far = start.elapsed();
        assert!(condition(), "no longer true after {so_far:?}: {what}");
        (so_far >= while_long).then_some(())
    });
}
