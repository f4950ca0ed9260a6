//! Which addresses of a name are dialled, and for how long: arithmetic, without a socket.
//!
//! The address in use comes first, and stays while the node answers there: at another address there may be
//! another process (R1). One that has answered is given up as R8 gives up a node: at once when it refuses the
//! connection, and by time-outs only after `fall` of them. One that has never answered is given up at once.

use tokio::time::Instant;

use crate::core::outcome::{Outcome, Stage};
use crate::core::snapshot::Target;

/// What the checks have found at the address in use.
#[derive(Debug, Default)]
pub(super) struct Reach {
    /// The address that answered last.
    home: Option<Target>,
    /// Checks in a row that heard nothing there.
    silent: u32,
}

impl Reach {
    /// A node that was known at this address before.
    pub(super) fn of(home: Option<Target>) -> Self {
        Self { home, silent: 0 }
    }

    /// Takes in how a check ended, and where.
    pub(super) fn note(&mut self, target: &Target, outcome: &Outcome) {
        if outcome.is_answer() {
            self.home = Some(target.clone());
        }
        self.silent = if outcome.is_silence() {
            self.silent.saturating_add(1)
        } else {
            0
        };
    }

    /// Whether the other addresses are tried when a dial of the first one ends so.
    pub(super) fn gives_up(&self, target: &Target, outcome: &Outcome, fall: u32) -> bool {
        if outcome.is_answer() {
            return false;
        }
        if !self.is_home(target) {
            return true;
        }
        match outcome {
            Outcome::Refused => true,
            Outcome::TimedOut(Stage::Connect) | Outcome::Unreachable(_) => {
                self.silent.saturating_add(1) >= fall
            }
            _ => false,
        }
    }

    /// Until when the first address is dialled, and until when it may answer, where others follow.
    pub(super) fn limits(
        &self,
        target: &Target,
        fall: u32,
        others: usize,
        deadline: Instant,
    ) -> Limits {
        let share = share(deadline, others + 1);
        let late = Outcome::TimedOut(Stage::Connect);
        match (self.gives_up(target, &late, fall), self.is_home(target)) {
            // It may refuse, which takes no time; else it has all of it.
            (false, _) => Limits::all(deadline),
            (true, true) => Limits {
                accept: share,
                answer: deadline,
            },
            (true, false) => Limits::all(share),
        }
    }

    fn is_home(&self, target: &Target) -> bool {
        self.home.as_ref() == Some(target)
    }
}

/// Until when one address is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// To accept the connection.
    pub(super) accept: Instant,
    /// To answer.
    pub(super) answer: Instant,
}

impl Limits {
    /// The same for both.
    pub(super) fn all(until: Instant) -> Self {
        Self {
            accept: until,
            answer: until,
        }
    }
}

/// Until when one of so many untried addresses may take: an equal share of what is left.
pub(super) fn share(deadline: Instant, untried: usize) -> Instant {
    let now = Instant::now();
    let parts = u32::try_from(untried).unwrap_or(u32::MAX).max(1);
    now + deadline.saturating_duration_since(now) / parts
}

/// What happened at each address, in words.
pub(super) fn in_words<'a>(tried: impl IntoIterator<Item = &'a (Target, Outcome)>) -> String {
    let each = tried
        .into_iter()
        .map(|(target, outcome)| format!("{target} {outcome}"));
    each.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const FALL: u32 = 3;

    fn at(text: &str) -> Target {
        Target::Tcp(text.parse().unwrap())
    }

    fn late() -> Outcome {
        Outcome::TimedOut(Stage::Connect)
    }

    #[test]
    fn r8_an_address_that_has_answered_is_given_up_when_it_refuses_or_after_fall_time_outs() {
        let (a, b) = (at("10.0.0.1:1"), at("10.0.0.2:1"));
        let mut reach = Reach::default();
        assert!(reach.gives_up(&a, &late(), FALL), "it never answered");
        assert!(reach.gives_up(&a, &Outcome::Closed, FALL));
        reach.note(&a, &Outcome::Loading);
        assert!(reach.gives_up(&a, &Outcome::Refused, FALL));
        for outcome in [
            Outcome::Closed,
            Outcome::TimedOut(Stage::Reply),
            Outcome::Busy,
        ] {
            assert!(!reach.gives_up(&a, &outcome, 1), "it accepts: {outcome}");
        }
        reach.note(&a, &Outcome::TimedOut(Stage::Reply));
        assert!(!reach.gives_up(&a, &late(), FALL));
        reach.note(&a, &late());
        assert!(reach.gives_up(&a, &late(), FALL), "the third in a row");
        assert!(reach.gives_up(&a, &Outcome::Unreachable("no route".into()), FALL));
        reach.note(&a, &Outcome::Busy);
        assert!(!reach.gives_up(&a, &late(), FALL), "an answer ends silence");
        assert!(reach.gives_up(&b, &late(), FALL), "another address");
    }

    #[tokio::test(start_paused = true)]
    async fn each_untried_address_has_an_equal_share_of_what_is_left() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        assert_eq!(share(now + 6 * second, 3), now + 2 * second);
        assert_eq!(share(now + 6 * second, 1), now + 6 * second);
        let a = at("10.0.0.1:1");
        let mut reach = Reach::default();
        let limits = reach.limits(&a, FALL, 2, now + 6 * second);
        assert_eq!(limits, Limits::all(now + 2 * second), "not known yet");
        reach.note(&a, &Outcome::Busy);
        let limits = reach.limits(&a, FALL, 2, now + 6 * second);
        assert_eq!(limits, Limits::all(now + 6 * second), "one may time out");
        reach.note(&a, &late());
        reach.note(&a, &late());
        let limits = reach.limits(&a, FALL, 2, now + 6 * second);
        assert_eq!(limits.accept, now + 2 * second);
        assert_eq!(
            limits.answer,
            now + 6 * second,
            "once it accepts it is not left"
        );
    }
}
