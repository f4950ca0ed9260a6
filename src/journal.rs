//! What happened: the last events of the process, each logged as one line and kept as data.
//!
//! The log's words and the event list are made from one value here, so they cannot contradict each other.
//! One lock, held for a push or a copy; what happens rarely is recorded, never a session or a check.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use tokio::sync::watch;

use crate::core::event::{EventKind, Serves};
use crate::core::reason::CloseReason;

/// Events that are kept; older ones are forgotten.
pub const KEPT: usize = 1000;

/// One thing that happened.
#[derive(Clone, Debug)]
pub struct Event {
    /// Counts from 1 and never repeats, so that a reader can ask for what came after.
    pub number: u64,
    /// When, by the clock on the wall.
    pub time: SystemTime,
    /// How much it matters.
    pub level: Level,
    /// What.
    pub what: Happening,
}

/// How much an event matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// A change.
    Info,
    /// Somebody should look.
    Warn,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// Something in a group.
    Group {
        /// Its name.
        group: Arc<str>,
        /// What.
        kind: EventKind,
    },
    /// A worker closed sessions in bulk because of what became of their node.
    Closed {
        /// The node's group.
        group: Arc<str>,
        /// The node.
        node: Arc<str>,
        /// How many.
        sessions: usize,
        /// Why.
        reason: CloseReason,
        /// Which worker.
        worker: usize,
    },
    /// A switchover began or ended.
    Switchover {
        /// The group.
        group: Arc<str>,
        /// What happened, as a sentence.
        text: Arc<str>,
    },
    /// Another configuration is in force.
    Reloaded {
        /// What is different, a line each.
        changes: Vec<Arc<str>>,
    },
    /// A configuration was refused; the one before stays in force.
    ReloadRefused {
        /// What is wrong with it.
        why: Arc<str>,
    },
}

/// The event list. Cheap to clone; all clones are one list.
#[derive(Clone, Debug)]
pub struct Journal {
    kept: Arc<Mutex<Kept>>,
    last: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Kept {
    number: u64,
    events: VecDeque<Event>,
}

impl Default for Journal {
    fn default() -> Self {
        Self {
            kept: Arc::default(),
            last: watch::Sender::new(0),
        }
    }
}

impl Journal {
    /// Logs an event and keeps it.
    pub fn record(&self, what: Happening) {
        let level = what.level();
        log(&what);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.number += 1;
        let number = kept.number;
        if kept.events.len() == KEPT {
            kept.events.pop_front();
        }
        kept.events.push_back(Event {
            number,
            time: SystemTime::now(),
            level,
            what,
        });
        drop(kept);
        self.last.send_replace(number);
    }

    /// Everything kept that came after the event with this number, oldest first.
    pub fn after(&self, number: u64) -> Vec<Event> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let later = kept.events.iter().filter(|event| event.number > number);
        later.cloned().collect()
    }

    /// The number of the last event, now and later.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.last.subscribe()
    }
}

impl Happening {
    fn level(&self) -> Level {
        let kind = match self {
            Self::Group { kind, .. } => kind,
            Self::ReloadRefused { .. } => return Level::Warn,
            Self::Closed { .. } | Self::Reloaded { .. } | Self::Switchover { .. } => {
                return Level::Info;
            }
        };
        match kind {
            EventKind::Lost { .. }
            | EventKind::Gone { .. }
            | EventKind::Conflict { .. }
            | EventKind::Dissent { .. }
            | EventKind::Elected { loss: Some(_), .. } => Level::Warn,
            EventKind::Verdict {
                serves: Serves::Nothing,
                reason: Some(reason),
                ..
            } if reason.is_trouble() => Level::Warn,
            _ => Level::Info,
        }
    }
}

impl std::fmt::Display for Happening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Group { kind, .. } => kind.fmt(f),
            Self::Closed {
                node,
                sessions,
                reason,
                ..
            } => {
                let noun = if *sessions == 1 {
                    "session"
                } else {
                    "sessions"
                };
                write!(f, "closed {sessions} {noun} of {node}: {reason}")
            }
            Self::Switchover { text, .. } => f.write_str(text),
            Self::Reloaded { changes } if changes.is_empty() => {
                f.write_str("reloaded: nothing is different")
            }
            Self::Reloaded { changes } => write!(f, "reloaded: {}", changes.join("; ")),
            Self::ReloadRefused { why } => {
                write!(
                    f,
                    "the new configuration is refused, the running one stays: {why}"
                )
            }
        }
    }
}

/// Writes a line with what machines want to select by.
macro_rules! line {
    ($level:expr, $target:literal, $($fields:tt)*) => {
        match $level {
            Level::Info => tracing::info!(target: $target, $($fields)*),
            Level::Warn => tracing::warn!(target: $target, $($fields)*),
        }
    };
}

fn log(what: &Happening) {
    let level = what.level();
    match what {
        Happening::Group { group, kind } => log_group(level, group, kind),
        Happening::Switchover { group, .. } => {
            line!(level, "rolecall::election", group = &**group, "{what}");
        }
        Happening::Reloaded { .. } | Happening::ReloadRefused { .. } => {
            line!(level, "rolecall::config", "{what}");
        }
        Happening::Closed {
            node,
            sessions,
            reason,
            worker,
            ..
        } => line!(
            level, "rolecall::proxy", worker, node = %node, sessions, reason = reason.label(), "{what}"
        ),
    }
}

fn log_group(level: Level, group: &str, what: &EventKind) {
    match what {
        EventKind::Elected {
            name,
            term,
            evidence,
            ..
        } => line!(
            level, "rolecall::election", group, node = %name, term, rule = evidence.rule(), "{what}"
        ),
        EventKind::Lost { name, .. }
        | EventKind::Gone { name, .. }
        | EventKind::Back { name, .. } => {
            line!(level, "rolecall::election", group, node = %name, "{what}");
        }
        EventKind::Conflict { .. }
        | EventKind::ConflictOver
        | EventKind::Dissent { .. }
        | EventKind::DissentOver => {
            line!(level, "rolecall::election", group, "{what}");
        }
        what => {
            let node = what.node().map(tracing::field::display);
            line!(level, "rolecall::check", group, node, "{what}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed(sessions: usize) -> Happening {
        Happening::Closed {
            group: "main".into(),
            node: "redis-1".into(),
            sessions,
            reason: CloseReason::Demoted,
            worker: 0,
        }
    }

    #[test]
    fn the_last_events_are_kept_and_told_from_a_number_on() {
        let journal = Journal::default();
        for sessions in 1..=KEPT + 5 {
            journal.record(closed(sessions));
        }
        let all = journal.after(0);
        assert_eq!((all.len(), all[0].number), (KEPT, 6));
        let later = journal.after(KEPT as u64 + 3);
        let numbers: Vec<u64> = later.iter().map(|event| event.number).collect();
        assert_eq!(numbers, [KEPT as u64 + 4, KEPT as u64 + 5]);
        assert_eq!(later[1].what, closed(KEPT + 5));
    }

    #[test]
    fn who_waits_is_told_of_the_next_event() {
        let journal = Journal::default();
        let mut last = journal.watch();
        assert!(!last.has_changed().unwrap());
        journal.record(closed(1));
        assert!(last.has_changed().unwrap());
        assert_eq!(*last.borrow_and_update(), 1);
    }
}
