//! The place of one HTTP connection: whether it is at work, and since when it is not.
//!
//! Places are few. Whoever sits idle on one (a keep-alive connection, a client that sends nothing) gives it up
//! when somebody else comes, the longest idle one first, so idlers cannot keep a scrape out.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// One connection. Its task and the accept loop share it.
pub(super) struct Seat {
    requests: AtomicUsize,
    idle_since: Mutex<Instant>,
    evicted: CancellationToken,
}

/// A request in progress; its end is the drop.
pub(super) struct Engaged(Arc<Seat>);

impl Seat {
    /// A connection that has asked for nothing yet.
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            requests: AtomicUsize::new(0),
            idle_since: Mutex::new(Instant::now()),
            evicted: CancellationToken::new(),
        })
    }

    /// A request begins.
    pub(super) fn engage(self: &Arc<Self>) -> Engaged {
        self.requests.fetch_add(1, Ordering::Relaxed);
        Engaged(Arc::clone(self))
    }

    pub(super) fn is_engaged(&self) -> bool {
        self.requests.load(Ordering::Relaxed) > 0
    }

    fn idle_since(&self) -> Instant {
        *self
            .idle_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until somebody else needs the place.
    pub(super) async fn evicted(&self) {
        self.evicted.cancelled().await;
    }
}

impl Drop for Engaged {
    fn drop(&mut self) {
        let Self(seat) = self;
        *seat
            .idle_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Instant::now();
        seat.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

/// All places that are taken.
#[derive(Default)]
pub(super) struct Seats(Vec<Arc<Seat>>);

impl Seats {
    /// Takes a place.
    pub(super) fn take(&mut self) -> Arc<Seat> {
        let seat = Seat::new();
        self.0.push(Arc::clone(&seat));
        seat
    }

    /// How many are taken, by connections that have not ended and were not told to.
    pub(super) fn taken(&mut self) -> usize {
        // Nobody but this list holds the seat of a connection that has ended.
        self.0
            .retain(|seat| Arc::strong_count(seat) > 1 && !seat.evicted.is_cancelled());
        self.0.len()
    }

    /// Has the longest idle connection end; false when all are at work.
    pub(super) fn evict(&mut self) -> bool {
        let idle = self.0.iter().filter(|seat| !seat.is_engaged());
        let Some(longest) = idle.min_by_key(|seat| seat.idle_since()) else {
            return false;
        };
        longest.evicted.cancel();
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_longest_idle_one_goes_and_none_at_work() {
        let mut seats = Seats::default();
        let pass = || tokio::time::advance(Duration::from_secs(1));
        let first = seats.take();
        pass().await;
        let second = seats.take();
        pass().await;
        let at_work = first.engage();
        assert!(seats.evict());
        assert!(second.evicted.is_cancelled() && !first.evicted.is_cancelled());
        assert_eq!(seats.taken(), 1);
        assert!(!seats.evict(), "the other one is at work");
        drop(at_work);
        let third = seats.take();
        pass().await;
        drop(third.engage());
        assert!(seats.evict());
        assert!(
            first.evicted.is_cancelled(),
            "idle for longer than the third"
        );
        drop(third);
        assert_eq!(seats.taken(), 0);
    }
}
