//! R3 (2) and R4: which claimant descends from which, and whether it has received what it claims to have.

use rolecall::core::facts::{Facts, ReplId};
use rolecall::core::time::Moment;

use super::Referee;

/// What is known of a claimant's having received its second history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// This run was seen in sync with it.
    Witnessed,
    /// It is the last elected one's own node, with another run.
    Own,
    /// It says itself that it received something.
    Told,
    Unknown,
    None,
}

/// R4: the runs that different evidence speaks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradiction {
    runs: Vec<String>,
    since: Moment,
}

impl Referee {
    pub fn receipt(&self, node: usize) -> Receipt {
        let (told, facts) = (&self.told[node], self.facts(node));
        let own = self
            .reign
            .as_ref()
            .is_some_and(|reign| reign.node == node && Some(&reign.run) != told.run());
        let impossible = facts.second_offset > Some(facts.offset.saturating_add(1));
        match facts.stream_bytes {
            _ if impossible => Receipt::None,
            _ if told.synced.is_some() && told.synced == facts.replid2 => Receipt::Witnessed,
            _ if own => Receipt::Own,
            Some(0) => Receipt::None,
            Some(_) => Receipt::Told,
            None => Receipt::Unknown,
        }
    }

    /// R3 (2).
    pub fn descends(&self, node: usize) -> bool {
        let Some(reign) = &self.reign else {
            return false;
        };
        let (told, facts) = (&self.told[node], self.facts(node));
        let since_then = told.claims_since.is_some_and(|at| at > reign.elected_at);
        let gone = reign.lost.is_some() || self.told[reign.node].is_gone();
        let receipt = self.receipt(node);
        if facts.replid2.is_some() && facts.replid2 == reign.history {
            return match receipt {
                Receipt::Witnessed => gone || since_then,
                Receipt::Own => gone,
                Receipt::Told | Receipt::Unknown => {
                    gone && !self.is_contradicted(node, reign.history.as_ref())
                }
                Receipt::None => false,
            };
        }
        receipt == Receipt::Witnessed
            && since_then
            && reign.restarted_from.as_ref().is_some_and(|(history, at)| {
                facts.replid2.as_ref() == Some(history) && facts.second_offset > Some(*at)
            })
    }

    /// One that still has the history, or the Sentinels, can say better than a node's own word.
    fn is_contradicted(&self, node: usize, history: Option<&ReplId>) -> bool {
        let living = (0..self.told.len()).any(|other| {
            let facts = self.told[other].last.as_ref();
            other != node
                && self.takes_part(other)
                && self.is_heard(other)
                && facts.is_some_and(|f| !f.claims() && f.replid.as_ref() == history)
        });
        living || self.sentinels_name_another(node)
    }

    /// R4: all other proven claimants are its ancestors.
    pub fn descends_from_all_others(&self, node: usize) -> bool {
        let facts = self.facts(node);
        let from = facts.replid2.as_ref();
        let mut others = self.contenders();
        others.retain(|other| *other != node && !self.told[*other].unproven);
        let received = match self.receipt(node) {
            Receipt::Witnessed | Receipt::Told => true,
            Receipt::Unknown => !self.has_a_replica_beyond(from, facts.second_offset),
            Receipt::Own | Receipt::None => false,
        };
        received
            && !self.told[node].unproven
            && from.is_some()
            && !others.is_empty()
            && others.iter().all(|other| {
                let ancestor = self.facts(*other);
                let reached = Some(ancestor.offset.saturating_add(1));
                ancestor.replid.as_ref() == from && facts.second_offset <= reached
            })
    }

    fn has_a_replica_beyond(&self, history: Option<&ReplId>, branch: Option<u64>) -> bool {
        (0..self.told.len()).any(|other| {
            let facts = self.told[other].last.as_ref();
            let beyond = |facts: &Facts| {
                let offset = facts.replica().map(|link| link.offset);
                facts.replid.as_ref() == history && offset.is_some() && offset > branch
            };
            self.takes_part(other) && self.is_heard(other) && facts.is_some_and(beyond)
        })
    }

    /// R4: the claimant that descends from all others.
    pub fn heir(&self) -> Option<usize> {
        let contenders = self.contenders();
        let mut heirs = contenders
            .iter()
            .filter(|n| self.descends_from_all_others(**n));
        let heir = heirs.next().copied();
        heir.filter(|_| heirs.next().is_none())
    }

    /// R4: votes speak against descent, or those of the replicas against those of the Sentinels. An heir that has
    /// votes itself is believed.
    pub fn follow_contradiction(&mut self) {
        let heir = self.heir();
        let mut rivals = self.contenders();
        rivals.retain(|node| Some(*node) != heir && self.had_votes(*node));
        rivals.extend(heir);
        if self.term > 0 || heir.is_some_and(|heir| self.has_votes(heir)) {
            rivals.clear();
        }
        let mut runs: Vec<String> = rivals
            .iter()
            .filter_map(|node| Some(self.told[*node].run()?.to_string()))
            .collect();
        runs.sort();
        if runs.len() < 2 {
            self.contradiction = None;
            return;
        }
        self.coverage.count(match heir {
            Some(_) => "held back: votes against descent",
            None => "held back: replicas against Sentinels",
        });
        let since = match &self.contradiction {
            Some(known) if known.runs == runs => known.since,
            _ => self.now,
        };
        self.contradiction = Some(Contradiction { runs, since });
    }

    /// R4: the votes decide after all; those of the Sentinels, who will act by them, first.
    pub fn outlasts_the_others(&self, node: usize) -> bool {
        let long = |against: &Contradiction| self.now.since(against.since) >= self.rules.claim_hold;
        let named = self.contenders().iter().any(|other| self.is_named(*other));
        let decides = if named {
            self.is_named(node)
        } else {
            self.is_voted_for(node)
        };
        decides && self.contradiction.as_ref().is_some_and(long)
    }
}
