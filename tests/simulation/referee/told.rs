//! What was reported of one node, kept without the core's help, and what the rules make of it alone.

use rolecall::core::facts::{Facts, HostPort, RunId};
use rolecall::core::outcome::{Outcome, Report};
use rolecall::core::time::Moment;

use super::Rules;
use super::reads::Behind;

/// R8, from the reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Unknown,
    Up,
    /// It fell by silence, and has answered so many times since.
    Rising(u32),
    Fallen,
    Refused,
    Loading,
    Full,
    Faulty,
}

#[derive(Clone, Debug)]
pub struct Told {
    pub written: HostPort,
    pub target: HostPort,
    pub local: bool,
    /// In maintenance.
    pub out: bool,
    pub state: State,
    pub silences: u32,
    pub last: Option<Facts>,
    /// The last check was answered, or said -BUSY after one that was.
    pub fresh: bool,
    pub heard_at: Moment,
    /// Processes that were seen here, and moves.
    pub runs: u32,
    pub was_replica: bool,
    pub claims_since: Option<Moment>,
    pub unproven: bool,
    pub proven: bool,
    follows: Option<HostPort>,
    /// When it was seen to turn to another primary.
    pub turned_at: Option<Moment>,
    pub link_down: Option<Option<Moment>>,
    pub behind: Behind,
}

impl Told {
    pub fn new(written: HostPort, target: HostPort, local: bool) -> Self {
        Self {
            written,
            target,
            local,
            out: false,
            state: State::Unknown,
            silences: 0,
            last: None,
            fresh: false,
            heard_at: Moment::default(),
            runs: 0,
            was_replica: false,
            claims_since: None,
            unproven: false,
            proven: false,
            follows: None,
            turned_at: None,
            link_down: None,
            behind: Behind::Unmeasured,
        }
    }

    /// R1: at another address it is a stranger.
    pub fn moves_to(&mut self, target: HostPort) {
        *self = Self {
            out: self.out,
            runs: self.runs + 1,
            ..Self::new(self.written.clone(), target, self.local)
        };
    }

    pub fn take_in(&mut self, report: &Report, rules: &Rules) {
        let outcome = &report.outcome;
        if is_silence(outcome) {
            self.silences += 1;
        } else {
            self.silences = 0;
        }
        self.state = self.next_state(outcome, rules);
        match outcome {
            Outcome::Answered(facts) => self.learn(facts, report.finished),
            Outcome::Busy => {}
            _ => self.fresh = false,
        }
    }

    fn next_state(&self, outcome: &Outcome, rules: &Rules) -> State {
        match outcome {
            Outcome::Answered(_) | Outcome::Busy => match self.state {
                State::Fallen | State::Rising(_) => {
                    let good = match self.state {
                        State::Rising(good) => good + 1,
                        _ => 1,
                    };
                    if good >= rules.rise {
                        State::Up
                    } else {
                        State::Rising(good)
                    }
                }
                other if *outcome == Outcome::Busy => match other {
                    // It answers again; whether that is enough depends on what it said before.
                    State::Refused => State::Up,
                    other => other,
                },
                _ => State::Up,
            },
            Outcome::Loading => State::Loading,
            Outcome::TooManyClients => State::Full,
            Outcome::Denied(..) | Outcome::NotRedis(_) | Outcome::BadReply(_) => State::Faulty,
            Outcome::Refused => State::Refused,
            _ => match self.state {
                State::Rising(_) => State::Fallen,
                State::Refused => State::Refused,
                _ if self.silences >= rules.fall => State::Fallen,
                other => other,
            },
        }
    }

    fn learn(&mut self, facts: &Facts, now: Moment) {
        if self.run() != Some(&facts.run_id) {
            self.runs += 1;
            (self.was_replica, self.unproven, self.proven) = (false, false, false);
            (self.claims_since, self.link_down) = (None, None);
            self.behind = Behind::Unmeasured;
        }
        match facts.replica() {
            None => {
                self.claims_since.get_or_insert(now);
                self.unproven |= facts.looks_unproven() && !self.proven;
                self.link_down = None;
            }
            Some(link) => {
                let claimed = self.claims_since.take().is_some();
                self.was_replica = true;
                let turns = self
                    .follows
                    .as_ref()
                    .map_or(claimed, |known| claimed || *known != link.master);
                if turns {
                    self.turned_at = Some(now);
                } else if self.follows.is_none() {
                    self.turned_at = None;
                }
                self.follows = Some(link.master.clone());
                if link.link_up {
                    (self.unproven, self.proven) = (false, true);
                    self.link_down = None;
                } else {
                    let since = link.link_down_for.map(|ago| now.minus(ago));
                    if self.link_down.flatten().is_none() || since.is_none() {
                        self.link_down = Some(since);
                    }
                }
            }
        }
        self.last = Some(facts.clone());
        self.heard_at = now;
        self.fresh = true;
    }

    pub fn run(&self) -> Option<&RunId> {
        self.last.as_ref().map(|facts| &facts.run_id)
    }

    pub fn fresh_facts(&self) -> Option<&Facts> {
        self.last.as_ref().filter(|_| self.fresh)
    }

    pub fn claims(&self) -> bool {
        self.fresh_facts().is_some_and(Facts::claims)
    }

    pub fn is_down(&self) -> bool {
        matches!(self.state, State::Fallen | State::Refused)
    }

    /// Nobody is there who could have the data.
    pub fn is_gone(&self) -> bool {
        self.is_down() || self.state == State::Loading
    }

    pub fn is_at(&self, place: &HostPort) -> bool {
        self.written == *place || self.target == *place
    }
}

pub fn is_silence(outcome: &Outcome) -> bool {
    matches!(
        outcome,
        Outcome::TimedOut(_) | Outcome::Unreachable(_) | Outcome::Unresolved(_) | Outcome::Closed
    )
}
