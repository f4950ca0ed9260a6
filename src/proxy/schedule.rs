//! How the kernel schedules a worker thread: by wake-ups, or in batches.
//!
//! A thread that sleeps until a message comes is woken for each, and pushes aside whoever runs on its core:
//! Redis, or the client that is about to send the next message. With many busy sessions that is waste: left
//! alone for a few microseconds, the others send more, and one wake-up serves it all. Linux calls it
//! `SCHED_BATCH`: the same share of the processor, without pushing in. What it gave is in docs/performance.md.
//!
//! With few sessions there is nothing to gather and each wake-up counts, so it is for busy workers only.
//! How busy a worker is shows in whose messages it relays, and how soon there are 256 of them. A policy that
//! the operator chose for the process (`chrt`, `CPUSchedulingPolicy=`) stays as it is.

use std::cell::Cell;
use std::time::Duration;

use rustix::process::{getpriority_process, setpriority_process};
use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id, thread_schedule_policy,
};

use crate::core::time::Moment;

/// Messages after which it is considered anew.
const ROUND: u32 = 256;

/// A round that takes longer is no reason for batches: many sessions that say little are not busy.
const QUICK: Duration = Duration::from_millis(250);

/// Sessions that took part in a round, from which on a worker is scheduled in batches, and at which it no
/// longer is. Between the two it stays as it is.
const MANY: u32 = 8;
const FEW: u32 = 4;

/// The scheduling of a worker's thread, on which it must be made and all calls too.
pub(super) struct Schedule {
    /// The thread began as threads do, so that its policy is ours to choose.
    ours: bool,
    batch: Cell<bool>,
    round: Cell<u32>,
    begun: Cell<Moment>,
    /// In this round so far.
    messages: Cell<u32>,
    sessions: Cell<u32>,
}

/// The last round in which a session took part; 0 before its first message.
#[derive(Default)]
pub(super) struct Heard(Cell<u32>);

impl Default for Schedule {
    fn default() -> Self {
        Self {
            ours: thread_schedule_policy()
                == Ok(ThreadSchedulePolicy::Normal(
                    NormalThreadSchedulePolicy::Other,
                )),
            batch: Cell::new(false),
            round: Cell::new(1),
            begun: Cell::default(),
            messages: Cell::new(0),
            sessions: Cell::new(0),
        }
    }
}

impl Schedule {
    /// A client has sent something. Cheap: asked for each chunk, and asks the clock at the end of a round.
    pub(super) fn hear(&self, heard: &Heard, clock: impl FnOnce() -> Moment) {
        let last = heard.0.replace(self.round.get());
        // Its first message does not count: connections made for one request gain nothing by waiting.
        if last != 0 && last != self.round.get() {
            self.sessions.set(self.sessions.get() + 1);
        }
        self.messages.set(self.messages.get() + 1);
        if self.messages.get() == ROUND {
            self.settle(clock());
        }
    }

    #[cold]
    fn settle(&self, now: Moment) {
        let quick = now.since(self.begun.replace(now)) <= QUICK;
        self.round.set(self.round.get().wrapping_add(1).max(1));
        self.messages.set(0);
        let sessions = self.sessions.replace(0);
        let enough = if self.batch.get() {
            sessions > FEW
        } else {
            sessions >= MANY
        };
        let batch = quick && enough;
        if batch != self.batch.replace(batch) && self.ours {
            // Not allowed in some sandboxes, and nothing depends on it.
            if let Err(error) = apply(batch) {
                tracing::debug!(target: "rolecall::proxy", %error, "the scheduling policy stays as it is");
            }
        }
    }
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

    /// One round in which so many sessions take turns, and that takes so long.
    fn round_in(schedule: &Schedule, sessions: &[Heard], time: Duration) {
        let end = schedule.begun.get().plus(time);
        let messages = sessions.iter().cycle().take(ROUND as usize);
        messages.for_each(|heard| schedule.hear(heard, || end));
    }

    fn round(schedule: &Schedule, sessions: &[Heard]) {
        round_in(schedule, sessions, QUICK);
    }

    fn sessions(count: usize) -> Vec<Heard> {
        (0..count).map(|_| Heard::default()).collect()
    }

    #[test]
    fn the_thread_follows_the_sessions_and_keeps_its_niceness() {
        let other = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Other);
        let in_batches = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Batch);
        let nice = getpriority_process(None).unwrap();
        let (schedule, all) = (Schedule::default(), sessions(25));
        assert_eq!(policy(), other);
        round(&schedule, &all);
        assert_eq!(policy(), other, "all of them were new");
        for (busy, expected) in [
            (7, other),
            (8, in_batches),
            (5, in_batches),
            (4, other),
            (25, in_batches),
        ] {
            round(&schedule, &all[..busy]);
            assert_eq!(policy(), expected, "with {busy} sessions");
        }
        assert_eq!(getpriority_process(None), Ok(nice));
    }

    #[test]
    fn many_sessions_that_say_little_are_no_reason() {
        let (schedule, all) = (Schedule::default(), sessions(100));
        round(&schedule, &all);
        round_in(&schedule, &all, QUICK * 2);
        assert!(!schedule.batch.get());
        round(&schedule, &all);
        assert!(schedule.batch.get());
        round_in(&schedule, &all, QUICK * 2);
        assert!(!schedule.batch.get());
    }

    #[test]
    fn a_policy_that_was_chosen_for_us_stays() {
        apply(true).unwrap();
        let (schedule, all) = (Schedule::default(), sessions(25));
        for count in [25, 25, 1, 1] {
            round(&schedule, &all[..count]);
        }
        let batch = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Batch);
        assert_eq!(policy(), batch);
    }

    #[test]
    fn connections_for_one_request_are_no_reason() {
        let schedule = Schedule::default();
        (0..10).for_each(|_| round(&schedule, &sessions(256)));
        assert!(!schedule.batch.get());
    }

    #[test]
    fn the_rounds_begin_again_without_a_new_session_in_them() {
        let schedule = Schedule::default();
        schedule.round.set(u32::MAX);
        round(&schedule, &sessions(1));
        assert_eq!(schedule.round.get(), 1);
    }
}
