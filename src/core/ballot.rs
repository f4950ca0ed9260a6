//! Votes (R3 (3)) and the proviso of the hold (R3 (4)): what the replicas' links say about who is
//! primary.
//!
//! A replica that is not local votes for the node it is linked to: its link names the node's address,
//! and both tell the same `master_replid`, which a replica takes over from the primary that it is in
//! sync with (Redis 4 and later). An address that is none of ours (behind NAT) is matched by the
//! history alone. A replica that replicates through one of our own listeners repeats
//! our own decision back to us, so it has no vote.

use std::sync::Arc;

use super::facts::ReplicaFacts;
use super::health::Status;
use super::lineage::is_kin;
use super::node::NodeState;
use super::time::Moment;

/// The replicas that vote for one claimant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) voters: Vec<Arc<str>>,
    pub(super) of: usize,
}

impl Count {
    /// More than half of those who could vote, and at least one.
    pub(super) fn is_majority(&self) -> bool {
        self.voters.len() * 2 > self.of
    }
}

/// Counts the votes for a claimant; with `newer_than`, only of replicas that were
/// seen to turn to another primary after that moment: one that merely links again to the primary that
/// it followed before repeats an old vote.
pub(super) fn count(
    nodes: &[NodeState],
    claimant: &NodeState,
    newer_than: Option<Moment>,
) -> Count {
    count_among(nodes, claimant, newer_than, |voter| voter.fresh)
}

/// Whether it had the votes of a majority when each voter was last heard: one missed check must not end what
/// they speak for (R11).
pub(super) fn had_majority(nodes: &[NodeState], claimant: &NodeState) -> bool {
    count_among(nodes, claimant, None, |_| true).is_majority()
}

fn count_among(
    nodes: &[NodeState],
    claimant: &NodeState,
    newer_than: Option<Moment>,
    counts: impl Fn(&NodeState) -> bool,
) -> Count {
    let electorate: Vec<(&NodeState, &ReplicaFacts)> = voters(nodes).collect();
    let voters = electorate
        .iter()
        .filter(|(voter, link)| counts(voter) && votes_for(nodes, voter, link, claimant))
        .filter(|(voter, _)| {
            let turned = voter.follows.as_ref().and_then(|(_, turned)| *turned);
            newer_than.is_none() || turned > newer_than
        })
        .map(|(voter, _)| voter.settings.name.clone())
        .collect();
    Count {
        voters,
        of: electorate.len(),
    }
}

/// Whether a node was not heard in any way yet: at a cold start the first replica to answer must not
/// decide before the others have had a chance. One that is silent has had it after its first time-out.
pub(super) fn is_anyone_unheard(nodes: &[NodeState]) -> bool {
    nodes.iter().any(NodeState::is_unheard)
}

/// The proviso of the hold: a replica is linked to a node that does not answer us, which may well be
/// alive elsewhere.
pub(super) fn follows_another_unseen(nodes: &[NodeState], claimant: &NodeState) -> bool {
    voters(nodes).any(|(voter, link)| {
        link.link_up
            && !votes_for(nodes, voter, link, claimant)
            && !nodes.iter().any(|node| {
                // One that an operator or a reload has taken out may well go on as primary.
                node.is_at(&link.master) && node.fresh && node.is_wanted()
            })
    })
}

/// Whether a replica tells of a history that has nothing to do with the claimant's: the claimant may be another
/// group's, or one that lost all. A missed check does not take that back (R11).
pub(super) fn is_of_another_history(nodes: &[NodeState], claimant: &NodeState) -> bool {
    let Some(claim) = &claimant.facts else {
        return false;
    };
    nodes
        .iter()
        .filter(|node| node.takes_part() && is_heard(node))
        .filter_map(|node| node.facts.as_ref())
        .any(|facts| facts.replica().is_some() && !is_kin(facts, claim))
}

/// Those that could vote. One that is silent just now is of them, though it convinces nobody: a missed
/// check must not make a majority of a minority (R11).
fn voters(nodes: &[NodeState]) -> impl Iterator<Item = (&NodeState, &ReplicaFacts)> {
    nodes
        .iter()
        .filter(|node| node.takes_part() && node.looping.is_none())
        .filter(|node| is_heard(node))
        .filter_map(|node| Some((node, node.facts.as_ref()?.replica()?)))
}

/// It answers, or has missed no more than a check or two.
pub(super) fn is_heard(node: &NodeState) -> bool {
    node.fresh || matches!(node.health.status(), Status::Up)
}

fn votes_for(
    nodes: &[NodeState],
    voter: &NodeState,
    link: &ReplicaFacts,
    claimant: &NodeState,
) -> bool {
    if !link.link_up {
        return false;
    }
    let history = |node: &NodeState| node.facts.as_ref().and_then(|facts| facts.replid.clone());
    let same_history = match (history(voter), history(claimant)) {
        (Some(of_voter), Some(of_claimant)) => Some(of_voter == of_claimant),
        _ => None,
    };
    match nodes.iter().find(|node| node.is_meant_by(&link.master)) {
        // The address alone may mean the process that was there before.
        Some(named) => is_same(named, claimant) && same_history != Some(false),
        None => same_history == Some(true),
    }
}

/// R1: one run behind two addresses is one node.
fn is_same(named: &NodeState, claimant: &NodeState) -> bool {
    named.settings.id == claimant.settings.id
        || named.same_as.as_ref() == Some(&claimant.settings.name)
}
