//! How long the machine itself stood still: a thread that wants to wake each millisecond notes how late it
//! was. A client cannot have been served faster than that, whoever stood between.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

const STEP: Duration = Duration::from_millis(1);

/// Measures until it is dropped.
pub(crate) struct Hiccup {
    stop: Arc<AtomicBool>,
    worst_us: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Hiccup {
    pub(crate) fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let worst_us = Arc::new(AtomicU64::new(0));
        let (stopped, worst) = (Arc::clone(&stop), Arc::clone(&worst_us));
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let start = Instant::now();
                thread::sleep(STEP);
                let late = start.elapsed().saturating_sub(STEP).as_micros();
                worst.fetch_max(u64::try_from(late).unwrap_or(u64::MAX), Ordering::Relaxed);
            }
        });
        Self {
            stop,
            worst_us,
            thread: Some(thread),
        }
    }

    /// The longest delay so far.
    pub(crate) fn worst(&self) -> Duration {
        Duration::from_micros(self.worst_us.load(Ordering::Relaxed))
    }
}

impl Drop for Hiccup {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It has nothing that could panic.
            let _ = thread.join();
        }
    }
}
