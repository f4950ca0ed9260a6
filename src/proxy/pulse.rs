//! Signs of life: each worker leaves the time at each sweep, so that a watchdog can tell one that hangs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::core::time::Moment;

/// Left by a worker that has ended well: nobody waits for it.
const ENDED: u64 = u64::MAX;

/// When each worker was last seen to move. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Pulse {
    /// Milliseconds since the origin of the clock, written by the worker itself.
    beats: Arc<[AtomicU64]>,
}

impl Pulse {
    /// All workers are as good as seen now.
    pub(super) fn new(workers: usize, now: Moment) -> Self {
        let beats = (0..workers).map(|_| AtomicU64::new(millis(now)));
        Self {
            beats: beats.collect(),
        }
    }

    pub(super) fn beat(&self, worker: usize, now: Moment) {
        self.beats[worker].store(millis(now), Ordering::Relaxed);
    }

    pub(super) fn end(&self, worker: usize) {
        self.beats[worker].store(ENDED, Ordering::Relaxed);
    }

    /// The workers that have not moved for so long, by number; those that have ended well not counted.
    pub fn silent(&self, now: Moment, limit: Duration) -> Vec<usize> {
        let latest = now.minus(limit);
        let beats = self.beats.iter().enumerate();
        beats
            .filter(|(_, beat)| beat.load(Ordering::Relaxed) < millis(latest))
            .map(|(worker, _)| worker)
            .collect()
    }
}

fn millis(moment: Moment) -> u64 {
    u64::try_from(moment.since_origin().as_millis()).unwrap_or(ENDED - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_hangs_is_told_from_one_that_has_ended() {
        let at = |seconds| Moment::at(Duration::from_secs(seconds));
        let pulse = Pulse::new(3, at(0));
        let limit = Duration::from_secs(5);
        assert_eq!(pulse.silent(at(5), limit), Vec::<usize>::new());
        pulse.beat(0, at(7));
        pulse.end(2);
        assert_eq!(pulse.silent(at(10), limit), [1]);
        pulse.beat(1, at(11));
        assert_eq!(pulse.silent(at(12), limit), Vec::<usize>::new());
        assert_eq!(pulse.silent(at(17), limit), [0, 1]);
    }
}
