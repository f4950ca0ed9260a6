//! Counts what was elected and why, how checks ended, and what could have moved the writes and rightly did not.

use rolecall::core::event::Evidence;
use rolecall::core::outcome::Outcome;

use super::Referee;
use super::reign::Bar;
use super::told::{State, is_silence};

impl Referee {
    pub fn count_election(&mut self, winner: usize, evidence: &Evidence) {
        let claimed = self
            .holder()
            .is_some_and(|holder| self.told[holder].claims() && holder != winner);
        let reign = self.reign.as_ref();
        let later_branch = reign.is_some_and(|r| r.history != self.facts(winner).replid2);
        let over_descent = reign.is_some_and(|r| r.by_descent && r.lost.is_none());
        let barred = reign.is_some_and(|r| matches!(r.bar, Bar::Above(_)) && r.node != winner);
        let by_run = self
            .votes_of_sentinels(winner)
            .iter()
            .any(|index| self.is_named_by_run(*index));
        let among_several = self.term == 0 && self.contenders().len() > 1;
        let classes = match evidence {
            Evidence::OnlyNode => [Some("elected: only node"), None, None, None],
            Evidence::Demotion => [Some("elected: demotion"), None, None, None],
            Evidence::Descent { .. } => [
                Some("elected: descent"),
                claimed.then_some("elected: descent, incumbent claims"),
                (claimed && later_branch)
                    .then_some("elected: later branch than a restarted primary"),
                None,
            ],
            Evidence::Votes { .. } => [
                Some("elected: votes"),
                claimed.then_some("elected: votes, incumbent claims"),
                over_descent.then_some("elected: votes newer than a descent"),
                None,
            ],
            Evidence::SentinelVotes { .. } => [
                Some("elected: sentinels"),
                claimed.then_some("elected: sentinels, incumbent claims"),
                by_run.then_some("elected: sentinels by run id"),
                barred.then_some("elected: sentinels above the epoch bar"),
            ],
            Evidence::Hold { .. } => [Some("elected: hold"), None, None, None],
            Evidence::AllChecked => [Some("elected: all checked"), None, None, None],
        };
        for class in classes.into_iter().flatten() {
            self.coverage.count(class);
        }
        if among_several {
            self.coverage.count("elected at a cold start among several");
        }
    }

    /// What could have moved the writes here, and rightly did not.
    pub fn count_temptations(&mut self) {
        let contenders = self.contenders();
        let unproven = contenders.iter().any(|node| self.told[*node].unproven);
        if unproven && contenders.len() > 1 {
            self.coverage.count("held back: unproven beside another");
        }
        let Some(holder) = self.holder() else {
            let named = (0..self.told.len()).any(|node| {
                !self.told[node].claims()
                    && self.is_sentinel_majority(self.sentinel_votes(node, None, self.now).len())
            });
            if named && !self.said.is_empty() {
                self.coverage
                    .count("held back: sentinels without a claimant");
            }
            return;
        };
        if self.told[holder].silences > 0 && !self.told[holder].is_gone() {
            self.coverage.count("kept: incumbent that is silent");
        }
        if self
            .reign
            .as_ref()
            .is_some_and(|reign| reign.hands_over.is_some())
        {
            self.coverage.count("kept: writes during a handover");
        }
        if self.reign.as_ref().is_some_and(|reign| reign.by_descent) {
            for other in contenders.iter().filter(|node| **node != holder) {
                let (votes, of) = self.replica_votes(*other, None);
                if votes.len() * 2 > of {
                    self.coverage
                        .count("kept: heir against its ancestor's replicas");
                }
                let named = self.sentinel_votes(*other, None, self.now);
                if !self.said.is_empty() && self.is_sentinel_majority(named.len()) {
                    self.coverage
                        .count("kept: heir against its ancestor's sentinels");
                }
            }
        }
    }

    pub fn count_check(&mut self, node: usize, before: State, outcome: &Outcome) {
        let class = match outcome {
            Outcome::Loading => Some("check: loading"),
            Outcome::Busy => Some("check: busy"),
            Outcome::TooManyClients => Some("check: full"),
            Outcome::NotRedis(_) => Some("check: not redis"),
            Outcome::Denied(..) => Some("check: denied"),
            Outcome::BadReply(_) => Some("check: bad reply"),
            Outcome::Closed => Some("check: closed"),
            Outcome::Refused => Some("check: refused"),
            Outcome::Unreachable(_) => Some("check: unreachable"),
            _ => None,
        };
        let change = match (before, self.told[node].state) {
            (State::Fallen, State::Rising(_)) => Some("node rising"),
            (State::Rising(_), State::Up) => Some("node up again after a rise"),
            (State::Fallen, State::Fallen) => None,
            (_, State::Fallen) if is_silence(outcome) => Some("node fell by silence"),
            _ => None,
        };
        for class in class.into_iter().chain(change) {
            self.coverage.count(class);
        }
    }
}
