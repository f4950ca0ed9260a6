//! What was reported of one node, kept without the core's help, and what the rules make of it alone.

use std::time::Duration;

use rolecall::core::facts::{Facts, HostPort, ReplId, RunId};
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
    /// A check of it has ended.
    pub tried: bool,
    /// The last check was answered, or said -BUSY after one that was.
    pub fresh: bool,
    pub heard_at: Moment,
    /// The last answer of any process here, at an earlier address too.
    heard_here: Option<Moment>,
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
    /// The history that this run was last in sync with, as a replica.
    pub synced: Option<ReplId>,
    /// R17: the history that this run began, or drew anew, as a primary of the group.
    pub born: Option<ReplId>,
    /// R17: this run started after the last word of the one before it at this address.
    pub restarted: bool,
    /// R17: as of the last step it was none of another group.
    pub native: bool,
    /// R17: the run and the history that were last found to be the group's.
    pub native_as: Option<(RunId, ReplId)>,
    /// R17: the same, found to be another group's.
    pub foreign_as: Option<(RunId, ReplId)>,
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
            tried: false,
            fresh: false,
            heard_at: Moment::default(),
            heard_here: None,
            runs: 0,
            was_replica: false,
            claims_since: None,
            unproven: false,
            proven: false,
            follows: None,
            turned_at: None,
            link_down: None,
            behind: Behind::Unmeasured,
            synced: None,
            born: None,
            restarted: false,
            native: false,
            native_as: None,
            foreign_as: None,
        }
    }

    /// R1: at another address it is a stranger.
    pub fn moves_to(&mut self, target: HostPort) {
        *self = Self {
            out: self.out,
            runs: self.runs + 1,
            heard_here: self.heard_here,
            ..Self::new(self.written.clone(), target, self.local)
        };
    }

    pub fn take_in(&mut self, report: &Report, rules: &Rules) {
        let outcome = &report.outcome;
        self.tried = true;
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
        if self.run() == Some(&facts.run_id) {
            self.compare_with_the_last_answer(facts);
        } else {
            self.begin_run(facts, now);
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
                if link.link_up || link.link_down_for.is_some() {
                    self.synced.clone_from(&facts.replid);
                }
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
        self.heard_here = Some(now);
        self.fresh = true;
    }

    fn begin_run(&mut self, facts: &Facts, now: Moment) {
        self.runs += 1;
        (self.was_replica, self.unproven, self.proven) = (false, false, false);
        (self.claims_since, self.link_down) = (None, None);
        self.behind = Behind::Unmeasured;
        self.synced = None;
        let first_of_all = facts.looks_unproven();
        self.born = facts.replid.clone().filter(|_| first_of_all);
        let was_ours = self.native;
        self.restarted = was_ours
            && self.heard_here.is_some_and(|heard| {
                let silence = now.since(heard) + Duration::from_secs(1);
                // One that does not tell may be anything at another address.
                facts.uptime.map_or(self.last.is_some(), |up| up <= silence)
            });
    }

    /// The same run says more.
    fn compare_with_the_last_answer(&mut self, facts: &Facts) {
        let Some(last) = &self.last else { return };
        if facts.replid == last.replid {
            return;
        }
        if facts.claims() {
            // `repl-backlog-ttl`: it draws a new name for the same data.
            if last.claims() && self.native && facts.replid2.is_none() && facts.tells_branch {
                self.born.clone_from(&facts.replid);
            }
        } else if facts.tells_branch
            && facts.replid.is_some()
            && last.replid.is_some()
            && facts.replid2 != last.replid
        {
            // R16, R17: a full sync was not seen, and replaced its data all the same.
            self.runs += 1;
        }
    }

    /// R17: this very run told the history that it branched from, as one of the group.
    pub fn branched_from_its_own(&self, facts: &Facts) -> bool {
        self.native_as.as_ref().is_some_and(|(run, history)| {
            *run == facts.run_id && facts.replid2.as_ref() == Some(history)
        })
    }

    /// R17: it was in sync in this run.
    pub fn was_in_sync(&self) -> bool {
        let link = self.last.as_ref().and_then(Facts::replica);
        link.is_some_and(|link| link.link_up || link.link_down_for.is_some())
    }

    /// No check of it has ended yet, however.
    pub fn is_unheard(&self) -> bool {
        !self.tried
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
