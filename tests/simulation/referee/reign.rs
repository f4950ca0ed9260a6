//! Who holds the election, for how long, and who waits for it (R3 to R6), from what was reported.

use std::time::Duration;

use rolecall::core::event::{Evidence, LossReason};
use rolecall::core::facts::{ReplId, RunId};
use rolecall::core::time::Moment;

use super::Referee;

/// R6: how long the sessions of a primary that hands over wait.
const HANDOVER: Duration = Duration::from_secs(5);

/// Who was elected last, and what became of it.
#[derive(Clone, Debug)]
pub struct Reign {
    pub node: usize,
    pub run: RunId,
    /// Its history as it last told it while it claimed.
    pub history: Option<ReplId>,
    pub elected_at: Moment,
    pub by_descent: bool,
    pub by_sentinels: bool,
    /// Its own node restarted from a file: where that branched.
    pub restarted_from: Option<(ReplId, u64)>,
    pub bar: Bar,
    pub hands_over: Option<Moment>,
    /// R19: it was seen with replicas enough in this term, or was given time.
    pub has_replicas: bool,
    /// Time, or the demotion of another, elected it: it may be another group's.
    pub is_guess: bool,
    /// R5: it had no trace of a past when it was elected.
    pub unproven: bool,
    pub lost: Option<(LossReason, Moment)>,
}

/// Which votes of Sentinels are newer than the election.
#[derive(Clone, Copy, Debug)]
pub enum Bar {
    Any,
    Above(u64),
    NoneKnown,
}

impl Referee {
    /// The node that holds the election.
    pub fn holder(&self) -> Option<usize> {
        let reign = self.reign.as_ref()?;
        reign.lost.is_none().then_some(reign.node)
    }

    /// What the incumbent's node says of it now. Tells a loss.
    pub fn follow_reign(&mut self) -> Option<(usize, LossReason)> {
        let now = self.now;
        let highest = self.highest_epoch();
        let takes_part = self.reign.as_ref().is_some_and(|r| self.is_in(r.node));
        let foreign = self.reign.as_ref().is_some_and(|r| self.is_foreign(r.node));
        let patience = self.rules.park_limit;
        let reign = self.reign.as_mut()?;
        if let (Bar::NoneKnown, Some(epoch)) = (reign.bar, highest) {
            reign.bar = Bar::Above(epoch);
        }
        if reign.lost.is_some() {
            return None;
        }
        let told = &self.told[reign.node];
        let waited = now.since(reign.elected_at) >= patience;
        reign.has_replicas |= waited || told.last.as_ref().is_some_and(|f| !f.lacks_replicas());
        let overdue = |since: Moment| now.since(since) >= HANDOVER;
        let why = if !takes_part {
            Some(LossReason::Removed)
        } else if told.run() != Some(&reign.run) {
            Some(LossReason::Restarted)
        } else {
            match told.fresh_facts() {
                Some(facts) if facts.claims() && foreign => Some(LossReason::Foreign),
                Some(facts) if facts.claims() => {
                    reign.hands_over = None;
                    if reign.history != facts.replid {
                        reign.history.clone_from(&facts.replid);
                        reign.restarted_from = None;
                    }
                    None
                }
                Some(facts) if facts.handover => {
                    let since = *reign.hands_over.get_or_insert(now);
                    overdue(since).then_some(LossReason::HandoverTimedOut)
                }
                Some(_) => Some(LossReason::Demoted),
                None => reign
                    .hands_over
                    .is_some_and(overdue)
                    .then_some(LossReason::HandoverTimedOut),
            }
        }?;
        reign.lost = Some((why, now));
        let node = reign.node;
        self.coverage.count(match why {
            LossReason::Demoted => "lost: demoted",
            LossReason::Restarted => "lost: restarted",
            LossReason::HandoverTimedOut => "lost: handover timed out",
            LossReason::Removed => "lost: removed",
            LossReason::Foreign => "lost: foreign",
        });
        Some((node, why))
    }

    /// R3 (4): who has been the only claimant, and since when.
    pub fn follow_sole(&mut self) {
        let now = self.now;
        let contenders = self.contenders();
        let sole = contenders.first().copied().filter(|node| {
            let vacant = self
                .holder()
                .is_none_or(|holder| self.told[holder].is_gone());
            contenders.len() == 1
                && self.told[*node].claims()
                && self.holder() != Some(*node)
                && vacant
        });
        let elsewhere = sole.and_then(|node| self.elsewhere(node, now));
        if let Some(class) = elsewhere {
            self.coverage.count(class);
        } else if sole.is_some_and(|node| self.delay_softly(node, now)) {
            self.coverage
                .count("held back: sentinels name one whom they call down");
        }
        let sole = sole.filter(|_| elsewhere.is_none());
        self.sole = sole.and_then(|node| {
            let run = self.told[node].run()?.clone();
            let since = match &self.sole {
                Some((known, held, since)) if *known == node && *held == run => *since,
                _ => now,
            };
            Some((node, run, since))
        });
    }

    pub fn enthrone(&mut self, winner: usize, evidence: &Evidence) {
        self.count_election(winner, evidence);
        let by_descent = matches!(evidence, Evidence::Descent { .. }) || self.descends(winner);
        let before = self.reign.take();
        let facts = self.facts(winner).clone();
        self.note_primary(&facts, self.told[winner].heard_at);
        let run = facts.run_id.clone();
        let restarted = before
            .as_ref()
            .is_some_and(|old| old.node == winner && old.run != run);
        let by_sentinels = matches!(evidence, Evidence::SentinelVotes { .. });
        let replaced = before.is_some() && matches!(evidence, Evidence::Votes { .. });
        let by_time = matches!(evidence, Evidence::Hold { .. } | Evidence::AllChecked);
        let is_guess = matches!(evidence, Evidence::Hold { .. } | Evidence::Demotion);
        let bar = match self.highest_epoch() {
            _ if !(by_descent || by_sentinels || replaced) => {
                before.as_ref().map_or(Bar::Any, |old| old.bar)
            }
            Some(epoch) => Bar::Above(epoch),
            None => Bar::NoneKnown,
        };
        let branch = facts.replid2.clone().zip(facts.second_offset);
        let has_replicas = !facts.lacks_replicas();
        self.reign = Some(Reign {
            node: winner,
            run,
            history: facts.replid,
            elected_at: self.now,
            by_descent,
            by_sentinels,
            restarted_from: branch.filter(|_| (by_descent && restarted) || by_time),
            bar,
            hands_over: None,
            has_replicas,
            is_guess,
            unproven: self.told[winner].unproven,
            lost: None,
        });
        self.sole = None;
        self.term += 1;
        let told = &mut self.told[winner];
        (told.unproven, told.proven) = (false, true);
    }
}
