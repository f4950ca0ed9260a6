//! Check state of one node (R8): what its checks amount to, with `fall` and `rise`.
//!
//! Failures differ in kind. A refused connection acts at once, because nobody is there. A time-out
//! does not: a fork of a large Redis is silent for seconds, so `fall` of them in a row are needed, and
//! after that `rise` good checks to come back. An answer of any kind proves life.

use super::outcome::{Outcome, Report};
use super::time::Moment;

/// How many checks it takes to change one's mind about a silent node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Time-outs in a row until a node is down, at least 1.
    pub fall: u32,
    /// Good checks in a row until it is up again after that, at least 1.
    pub rise: u32,
}

/// What the checks of a node amount to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// R1: no complete check yet.
    Unknown,
    /// It answers; a few time-outs may have come since.
    Up,
    /// It answers that it cannot serve now: loading, or no clients left.
    Alive(Outcome),
    /// It talks, but not as a node that we may use: wrong password, not Redis.
    Faulty(Outcome),
    /// It is not there.
    Down {
        /// How the last check ended.
        outcome: Outcome,
        /// It fell by time-outs, so it must rise.
        by_silence: bool,
    },
    /// It was down by time-outs and has answered so many times since.
    Rising(u32),
}

/// The check state of one node.
#[derive(Clone, Debug)]
pub struct Health {
    status: Status,
    since: Moment,
    time_outs: u32,
}

impl Health {
    /// The state of a node that was never checked.
    pub fn unknown(now: Moment) -> Self {
        Self {
            status: Status::Unknown,
            since: now,
            time_outs: 0,
        }
    }

    /// What the checks amount to.
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// Since when the status has been of its kind.
    pub fn since(&self) -> Moment {
        self.since
    }

    /// Time-outs in a row, 0 after any answer.
    pub fn time_outs(&self) -> u32 {
        self.time_outs
    }

    /// Whether the node is down, by whatever kind of failure.
    pub fn is_down(&self) -> bool {
        matches!(self.status, Status::Down { .. })
    }

    /// Whether the node answers in a way that sessions could live with.
    pub fn is_usable(&self) -> bool {
        !matches!(self.status, Status::Down { .. } | Status::Faulty(_))
    }

    /// Whether a decision on this node is still open: it needs quick checks.
    pub fn is_unsettled(&self) -> bool {
        match self.status {
            Status::Unknown | Status::Rising(_) => true,
            Status::Up | Status::Alive(_) | Status::Faulty(_) => self.time_outs > 0,
            Status::Down { .. } => false,
        }
    }

    /// Takes in the end of one check.
    pub fn fold(&mut self, report: &Report, limits: Thresholds) {
        let outcome = &report.outcome;
        let next = match outcome.counts_as() {
            Outcome::Answered(_) => self.after_answer(limits),
            // Alive: everything stays as it is, but silence has ended.
            Outcome::Busy => match self.status {
                Status::Down { .. } | Status::Rising(_) => self.after_answer(limits),
                _ => self.status.clone(),
            },
            Outcome::Loading | Outcome::TooManyClients => Status::Alive(outcome.clone()),
            Outcome::Denied(..) | Outcome::NotRedis(_) | Outcome::BadReply(_) => {
                Status::Faulty(outcome.clone())
            }
            Outcome::Refused => Status::Down {
                outcome: outcome.clone(),
                by_silence: false,
            },
            Outcome::TimedOut(_)
            | Outcome::Unreachable(_)
            | Outcome::Unresolved(_)
            | Outcome::Closed
            // It counts as another outcome.
            | Outcome::AtNoAddress(..) => {
                self.time_outs = self.time_outs.saturating_add(1);
                self.after_silence(outcome, limits)
            }
        };
        if !outcome.is_silence() {
            self.time_outs = 0;
        }
        if std::mem::discriminant(&next) != std::mem::discriminant(&self.status) {
            self.since = report.finished;
        }
        self.status = next;
    }

    fn after_answer(&self, limits: Thresholds) -> Status {
        let good = match self.status {
            Status::Down {
                by_silence: true, ..
            } => 1,
            Status::Rising(good) => good + 1,
            _ => return Status::Up,
        };
        if good >= limits.rise {
            Status::Up
        } else {
            Status::Rising(good)
        }
    }

    fn after_silence(&self, outcome: &Outcome, limits: Thresholds) -> Status {
        match self.status {
            // A node that had begun to rise falls at once: it has not earned the patience of `fall`.
            Status::Rising(_) => Status::Down {
                outcome: outcome.clone(),
                by_silence: true,
            },
            Status::Down { by_silence, .. } => Status::Down {
                outcome: outcome.clone(),
                by_silence,
            },
            _ if self.time_outs >= limits.fall => Status::Down {
                outcome: outcome.clone(),
                by_silence: true,
            },
            _ => self.status.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::core::outcome::{Denial, Stage};
    use crate::core::sample;

    const LIMITS: Thresholds = Thresholds { fall: 3, rise: 2 };

    fn after(outcomes: &[Outcome]) -> Health {
        let mut health = Health::unknown(Moment::default());
        for (second, outcome) in outcomes.iter().enumerate() {
            let at = Moment::at(Duration::from_secs(second as u64 + 1));
            health.fold(&sample::report(at, outcome.clone()), LIMITS);
        }
        health
    }

    fn answered() -> Outcome {
        Outcome::Answered(Box::new(sample::primary("run-a", "hist-a")))
    }

    const SILENT: Outcome = Outcome::TimedOut(Stage::Reply);

    #[test]
    fn r1_a_node_is_unknown_until_a_complete_check() {
        assert_eq!(*after(&[]).status(), Status::Unknown);
        assert_eq!(*after(&[SILENT, Outcome::Busy]).status(), Status::Unknown);
        assert_eq!(*after(&[answered()]).status(), Status::Up);
    }

    #[test]
    fn r8_a_refused_connection_acts_at_once_and_needs_no_rise() {
        assert!(after(&[answered(), Outcome::Refused]).is_down());
        let nowhere = |first| Outcome::AtNoAddress(Box::new(first), "a refused, b refused".into());
        assert!(after(&[answered(), nowhere(Outcome::Refused)]).is_down());
        let silent = after(&[answered(), nowhere(SILENT)]);
        assert!(!silent.is_down() && silent.time_outs() == 1);
        assert_eq!(
            *after(&[answered(), Outcome::Refused, answered()]).status(),
            Status::Up
        );
    }

    #[test]
    fn r8_time_outs_need_fall_and_then_rise() {
        let two = after(&[answered(), SILENT, SILENT]);
        assert_eq!((two.status().clone(), two.time_outs()), (Status::Up, 2));
        assert!(after(&[answered(), SILENT, SILENT, SILENT]).is_down());
        let rising = [answered(), SILENT, SILENT, SILENT, answered()];
        assert_eq!(*after(&rising).status(), Status::Rising(1));
        let up = [answered(), SILENT, SILENT, SILENT, answered(), answered()];
        assert_eq!(*after(&up).status(), Status::Up);
        let fell_again = [answered(), SILENT, SILENT, SILENT, answered(), SILENT];
        assert!(after(&fell_again).is_down());
    }

    #[test]
    fn r8_an_answer_between_time_outs_starts_the_count_again() {
        let health = after(&[answered(), SILENT, SILENT, Outcome::Busy, SILENT, SILENT]);
        assert_eq!(
            (health.status().clone(), health.time_outs()),
            (Status::Up, 2)
        );
    }

    #[test]
    fn r8_silence_after_a_refusal_keeps_the_node_down_without_rise() {
        let health = after(&[answered(), Outcome::Refused, SILENT, answered()]);
        assert_eq!(*health.status(), Status::Up);
    }

    #[test]
    fn r8_silence_after_a_refusal_never_asks_for_rise_however_long_it_lasts() {
        let refused = [answered(), Outcome::Refused];
        let silent = vec![SILENT; LIMITS.fall as usize + 1];
        let down = after(&[&refused[..], &silent].concat());
        let last = Status::Down {
            outcome: SILENT,
            by_silence: false,
        };
        assert_eq!(*down.status(), last, "and it says how the last check ended");
        let back = after(&[&refused[..], &silent, &[answered()]].concat());
        assert_eq!(*back.status(), Status::Up);
    }

    #[test]
    fn r8_busy_is_an_answer_to_a_node_that_must_rise() {
        let fell = [answered(), SILENT, SILENT, SILENT];
        let rising = after(&[&fell[..], &[Outcome::Busy]].concat());
        assert_eq!(*rising.status(), Status::Rising(1));
        let up = after(&[&fell[..], &[Outcome::Busy, Outcome::Busy]].concat());
        assert_eq!(*up.status(), Status::Up);
    }

    #[test]
    fn r8_rise_is_counted_to_its_end() {
        let mut health = after(&[answered(), SILENT, SILENT, SILENT]);
        let limits = Thresholds { rise: 3, ..LIMITS };
        let seen = [(); 3].map(|()| {
            health.fold(&sample::report(Moment::default(), answered()), limits);
            health.status().clone()
        });
        assert_eq!(seen, [Status::Rising(1), Status::Rising(2), Status::Up]);
    }

    #[test]
    fn r8_alive_but_unable_and_faulty_are_told_apart() {
        assert_eq!(
            *after(&[Outcome::Loading]).status(),
            Status::Alive(Outcome::Loading)
        );
        let denied = Outcome::Denied(Denial::WrongPass, Arc::from("-WRONGPASS"));
        assert_eq!(
            *after(&[answered(), denied.clone()]).status(),
            Status::Faulty(denied)
        );
    }

    #[test]
    fn since_is_the_moment_of_the_last_change_of_kind() {
        let health = after(&[answered(), answered(), Outcome::Refused, Outcome::Refused]);
        assert_eq!(health.since(), Moment::at(Duration::from_secs(3)));
    }

    #[test]
    fn unsettled_means_that_a_decision_is_open() {
        assert!(after(&[]).is_unsettled());
        assert!(after(&[answered(), SILENT]).is_unsettled());
        assert!(!after(&[answered()]).is_unsettled());
        assert!(!after(&[answered(), Outcome::Refused]).is_unsettled());
    }
}
