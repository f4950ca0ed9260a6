//! Who of the claimants is to be believed, and why (R3 to R5): one look at all of them, for
//! [`super::election`], which remembers.

use std::time::Duration;

use super::ballot;
use super::descent;
use super::election::{Election, EpochBar, Incumbent, Standing};
use super::event::{Evidence, LossReason};
use super::facts::{Facts, HostPort, RunId};
use super::node::{self, Kin, NodeState, Order};
use super::sentinel::{Sentinels, Veto};
use super::time::Moment;

/// One look at all claimants.
pub(super) struct Field<'n, 'e> {
    pub(super) nodes: &'n [NodeState],
    pub(super) sentinels: &'e Sentinels,
    pub(super) election: &'e Election,
    pub(super) claim_hold: Duration,
    pub(super) now: Moment,
}

/// How strong evidence is where several qualify: votes, else the later branch of the history.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Strength {
    Other,
    Descent,
    Votes,
}

impl<'n> Field<'n, '_> {
    /// The claimant that replaces the incumbent, if any; and whether it descends from that one.
    pub(super) fn winner(&self) -> Option<(&'n NodeState, Evidence, bool)> {
        let qualified: Vec<(&'n NodeState, Evidence)> = self
            .contenders()
            .filter(|node| !self.election.holds(node))
            .filter_map(|node| Some((node, self.evidence(node)?)))
            .collect();
        let rank = |(node, _): &(&NodeState, Evidence)| {
            let strength = match self.votes(node) {
                Some(_) => Strength::Votes,
                None if self.descent(node).is_some() => Strength::Descent,
                None => Strength::Other,
            };
            (
                strength,
                node.facts.as_ref().and_then(|facts| facts.second_offset),
            )
        };
        let best = qualified.iter().map(rank).max()?;
        let mut leaders = qualified.iter().filter(|candidate| rank(candidate) == best);
        // Two that are equal in all that counts: nobody is believed (R4).
        let (node, evidence) = leaders.next().filter(|_| leaders.next().is_none())?;
        // The best one may be silent just now: nobody less good is taken for that.
        let by_descent =
            matches!(evidence, Evidence::Descent { .. }) || self.descent(node).is_some();
        node.is_claimant()
            .then(|| (*node, evidence.clone(), by_descent))
    }

    fn contenders(&self) -> impl Iterator<Item = &'n NodeState> {
        self.nodes.iter().filter(|node| node.is_contender())
    }

    fn is_sole(&self) -> bool {
        self.contenders().count() == 1
    }

    /// The first evidence that holds for a claimant, in the order of R3.
    fn evidence(&self, node: &NodeState) -> Option<Evidence> {
        if node::only(self.nodes) == Some(node.settings.id) {
            return Some(Evidence::OnlyNode);
        }
        if self.election.incumbent().is_none() && self.is_anyone_unheard() {
            return self.held(node);
        }
        if node.needs_votes {
            // R17: nothing but votes; R5: also one that began with nothing, alone.
            let may = !node.unproven || self.is_sole();
            return may.then(|| self.votes(node)).flatten();
        }
        if node.unproven {
            // R5: never against another claimant; alone by votes or after the hold.
            return self
                .is_sole()
                .then(|| self.votes(node).or_else(|| self.held(node)))
                .flatten();
        }
        match self.election.incumbent() {
            None => self.cold_start(node),
            Some((_, standing)) => self
                .demotion(node, standing)
                .or_else(|| self.descent(node))
                .or_else(|| self.votes(node))
                .or_else(|| self.held(node)),
        }
    }

    /// R4. Before all were heard nothing but time decides, so no order of the replies does.
    fn is_anyone_unheard(&self) -> bool {
        ballot::is_anyone_unheard(self.nodes) || self.sentinels.is_undecided(self.now)
    }

    /// R4. Where descent and votes, or the votes of replicas and of Sentinels, speak for different ones, all wait
    /// for `claim_hold` at most: in the middle of a failover the replicas still follow the ancestor and most
    /// Sentinels name it, but not for long.
    fn cold_start(&self, node: &NodeState) -> Option<Evidence> {
        if self.contradiction().is_some() {
            return if self.is_contradiction_over() {
                self.decisive_votes(node)
            } else {
                None
            };
        }
        match descent::heir(self.nodes) {
            Some(heir) if heir.settings.id == node.settings.id => {
                let offset = node.facts.as_ref().and_then(|facts| facts.second_offset);
                Some(Evidence::Descent { offset })
            }
            Some(_) => None,
            None => self
                .votes(node)
                .or_else(|| self.all_checked(node))
                .or_else(|| self.held(node)),
        }
    }

    /// R4: it alone claims, and nothing that was heard speaks for another.
    fn all_checked(&self, node: &NodeState) -> Option<Evidence> {
        let everyone_checked = self
            .nodes
            .iter()
            .filter(|node| !node.settings.local && node.order != Order::Maintenance)
            .all(NodeState::was_checked);
        let elsewhere = ballot::follows_another_unseen(self.nodes, node)
            || self.veto(node) != Veto::None
            || ballot::is_of_another_history(self.nodes, node);
        (everyone_checked && self.is_sole() && !elsewhere).then_some(Evidence::AllChecked)
    }

    /// R4: the runs between which nothing decides yet: an heir without votes and those that have some, or
    /// several that have votes of one electorate each.
    pub(super) fn contradiction(&self) -> Option<Vec<RunId>> {
        let heir = descent::heir(self.nodes);
        if heir.is_some_and(|heir| self.votes(heir).is_some()) {
            return None;
        }
        let mut rivals: Vec<&NodeState> = self
            .contenders()
            .filter(|node| heir.is_none_or(|heir| heir.settings.id != node.settings.id))
            .filter(|node| self.had_votes(node))
            .chain(heir)
            .collect();
        rivals.sort_by_key(|node| node.run_id());
        let runs = rivals.iter().filter_map(|node| node.run_id().cloned());
        (rivals.len() > 1).then(|| runs.collect())
    }

    /// R11: also the votes of those that missed a check just now.
    fn had_votes(&self, node: &NodeState) -> bool {
        ballot::had_majority(self.nodes, node)
            || self.sentinels.had_majority(self.nodes, node, self.now)
    }

    /// The votes of the Sentinels, who will act by them; those of the replicas where the Sentinels name nobody.
    fn decisive_votes(&self, node: &NodeState) -> Option<Evidence> {
        let named = self
            .contenders()
            .any(|node| self.sentinel_votes(node).is_some());
        if named {
            self.sentinel_votes(node)
        } else {
            self.replica_votes(node)
        }
    }

    fn is_contradiction_over(&self) -> bool {
        let since = self
            .election
            .contradiction
            .as_ref()
            .map(|(_, since)| *since);
        since.is_some_and(|since| self.now.since(since) >= self.claim_hold)
    }

    fn veto(&self, node: &NodeState) -> Veto {
        self.sentinels
            .veto(self.nodes, node, self.claim_hold, self.now)
    }

    /// R3 (1). A demoted primary says whom it follows. While that one has not been heard since, or is
    /// linked and does not answer us, an unrelated claimant does not take the writes, for `claim_hold`
    /// at most.
    fn demotion(&self, node: &NodeState, standing: &Standing) -> Option<Evidence> {
        use LossReason::{Demoted, HandoverTimedOut};
        let Standing::Lost(Demoted | HandoverTimedOut, at) = *standing else {
            return None;
        };
        let (incumbent, _) = self.election.incumbent()?;
        let former = self
            .nodes
            .iter()
            .find(|other| other.settings.id == incumbent.node);
        // R11: Sentinel closes our check connection just when it demotes a node.
        let link = former
            .filter(|former| !former.is_gone() && former.kin != Kin::Foreign)
            .and_then(|former| former.facts.as_ref())
            .and_then(Facts::replica)
            .filter(|link| !node.is_at(&link.master));
        let waits = link.is_some_and(|link| {
            self.is_yet_to_be_heard(&link.master, at)
                || (link.link_up && !self.is_heard(&link.master))
        });
        let patient = self.now.since(at) < self.claim_hold;
        (!waits || !patient).then_some(Evidence::Demotion)
    }

    fn is_heard(&self, place: &HostPort) -> bool {
        self.nodes
            .iter()
            .any(|node| node.is_at(place) && node.fresh)
    }

    fn is_yet_to_be_heard(&self, place: &HostPort, since: Moment) -> bool {
        self.nodes
            .iter()
            .any(|node| node.is_at(place) && !node.health.is_down() && node.answered_at <= since)
    }

    /// R3 (2).
    fn descent(&self, node: &NodeState) -> Option<Evidence> {
        let (incumbent, standing) = self.election.incumbent()?;
        let gone = self.is_incumbent_gone(incumbent, standing);
        descent::from_incumbent(self.nodes, self.sentinels, node, incumbent, gone, self.now)
    }

    fn is_incumbent_gone(&self, incumbent: &Incumbent, standing: &Standing) -> bool {
        if matches!(standing, Standing::Lost(..)) {
            return true;
        }
        let node = self
            .nodes
            .iter()
            .find(|node| node.settings.id == incumbent.node);
        node.is_none_or(NodeState::is_gone)
    }

    /// R3 (3): of the replicas, or of the Sentinels.
    fn votes(&self, node: &NodeState) -> Option<Evidence> {
        self.replica_votes(node)
            .or_else(|| self.sentinel_votes(node))
    }

    fn replica_votes(&self, node: &NodeState) -> Option<Evidence> {
        // Against an incumbent that descends from the one before, old votes are votes for the ancestor;
        // against one that the Sentinels chose, the two electorates would play the writes to and fro.
        let newer_than = self
            .election
            .holder()
            .filter(|incumbent| {
                incumbent.by_descent || matches!(incumbent.evidence, Evidence::SentinelVotes { .. })
            })
            .map(|incumbent| incumbent.elected_at);
        let count = ballot::count(self.nodes, node, newer_than);
        count.is_majority().then_some(Evidence::Votes {
            voters: count.voters,
            of: count.of,
        })
    }

    fn sentinel_votes(&self, node: &NodeState) -> Option<Evidence> {
        let newer_than = match self.election.incumbent() {
            // The ancestor does not return by old votes when its heir is lost either; the heir's own
            // next run is nobody older.
            Some((incumbent, _)) if incumbent.node != node.settings.id => match incumbent.bar {
                EpochBar::Open => None,
                EpochBar::Above(epoch) => Some(epoch),
                EpochBar::Unknown => return None,
            },
            _ => None,
        };
        let majority = self
            .sentinels
            .majority_for(self.nodes, node, newer_than, self.now)?;
        Some(Evidence::SentinelVotes {
            sentinels: majority.sentinels,
            of: majority.of,
        })
    }

    /// R3 (4).
    fn held(&self, node: &NodeState) -> Option<Evidence> {
        let (id, _, since) = self.election.hold.as_ref()?;
        let held = self.now.since(*since);
        let is_over = held >= self.claim_hold && self.veto(node) == Veto::None;
        (*id == node.settings.id && is_over).then_some(Evidence::Hold { held })
    }
}
