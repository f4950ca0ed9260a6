//! Descent (R3 (2), R4): which claimant took over the history of another primary.
//!
//! A `master_replid2` alone proves nothing: Redis writes its `master_replid` into every RDB, and a primary that
//! loads one (7.0 and later) shows it. What counts is that the process *received* that history.

use super::ballot;
use super::election::Incumbent;
use super::event::Evidence;
use super::facts::{Facts, ReplId};
use super::node::NodeState;
use super::sentinel::Sentinels;
use super::time::Moment;

/// What is known of whether a process received the history that it branched from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Receipt {
    /// This run was seen as a replica in sync in that history.
    Witnessed,
    /// It is the last primary's own node, restarted: its file is of that history.
    OwnFile,
    /// It says so itself: `total_net_repl_input_bytes` is not 0 (Redis 7.0 and later).
    Told,
    /// It does not say (before Redis 7.0).
    Unknown,
    /// It received nothing: it loaded a copy of a file. Or its word is impossible: it branched where it has not been.
    Nothing,
}

/// What is known of how `node` came by the history that it branched from. `last` is the last elected one.
pub(super) fn receipt(node: &NodeState, last: Option<&Incumbent>) -> Receipt {
    let facts = node.facts.as_ref();
    let branch = facts.and_then(|facts| facts.replid2.as_ref());
    let is_own = last
        .is_some_and(|last| last.node == node.settings.id && node.run_id() != Some(&last.run_id));
    let is_impossible = facts.is_some_and(|facts| {
        let end = facts.offset.saturating_add(1);
        facts.second_offset.is_some_and(|branch| branch > end)
    });
    match facts.and_then(|facts| facts.stream_bytes) {
        _ if is_impossible => Receipt::Nothing,
        _ if branch.is_some() && node.synced.as_ref() == branch => Receipt::Witnessed,
        _ if is_own => Receipt::OwnFile,
        Some(0) => Receipt::Nothing,
        Some(_) => Receipt::Told,
        None => Receipt::Unknown,
    }
}

/// R3 (2): the evidence of descent from the last elected one, if it holds. `gone` says that this one is lost or
/// does not answer.
pub(super) fn from_incumbent(
    nodes: &[NodeState],
    sentinels: &Sentinels,
    node: &NodeState,
    incumbent: &Incumbent,
    gone: bool,
    now: Moment,
) -> Option<Evidence> {
    let facts = node.facts.as_ref()?;
    let branch = facts.replid2.as_ref()?;
    let receipt = receipt(node, Some(incumbent));
    let promoted_since = receipt == Receipt::Witnessed
        && node
            .claims_since
            .is_some_and(|since| since > incumbent.elected_at);
    let qualifies = if incumbent.history.as_ref() == Some(branch) {
        match receipt {
            Receipt::Witnessed => gone || promoted_since,
            Receipt::OwnFile => gone,
            // The node's own word, which a liar gives as well: it counts where no other could contradict.
            Receipt::Told | Receipt::Unknown => {
                gone && !lives_in(nodes, branch, node)
                    && !sentinels.is_majority_against(nodes, node, now)
            }
            Receipt::Nothing => false,
        }
    } else {
        promoted_since && holds_more_than(facts, incumbent.restarted_from.as_ref())
    };
    qualifies.then_some(Evidence::Descent {
        offset: facts.second_offset,
    })
}

/// R4: the contender that took over the history of every other proven one, if there is such a one.
pub(super) fn heir(nodes: &[NodeState]) -> Option<&NodeState> {
    let contenders = || nodes.iter().filter(|node| node.is_contender());
    let mut heirs = contenders().filter(|node| {
        let branch = node.facts.as_ref().and_then(|facts| facts.replid2.as_ref());
        let mut others = contenders()
            .filter(|other| other.settings.id != node.settings.id && !other.unproven)
            .map(|other| other.facts.as_ref().and_then(|facts| facts.replid.as_ref()))
            .peekable();
        !node.unproven
            && branch.is_some()
            && others.peek().is_some()
            && others.all(|history| history == branch)
            && is_plausible(node, contenders())
            && match receipt(node, None) {
                Receipt::Witnessed | Receipt::OwnFile | Receipt::Told => true,
                Receipt::Unknown => !is_behind_a_replica(nodes, node),
                Receipt::Nothing => false,
            }
    });
    // Two that name each other are liars.
    heirs.next().filter(|_| heirs.next().is_none())
}

/// Whether the ancestors, which go on claiming, have reached the offset at which `node` branched.
fn is_plausible<'n>(node: &NodeState, mut others: impl Iterator<Item = &'n NodeState>) -> bool {
    let branch = node.facts.as_ref().and_then(|facts| facts.second_offset);
    others.all(|other| {
        let is_ancestor = other.settings.id != node.settings.id && !other.unproven;
        let reached = other.facts.as_ref().map_or(0, |facts| facts.offset);
        !is_ancestor || branch.is_none_or(|branch| branch <= reached.saturating_add(1))
    })
}

/// Whether a replica of a history, which may vote, lives beside `node`.
fn lives_in(nodes: &[NodeState], history: &ReplId, node: &NodeState) -> bool {
    replicas_of(nodes, history).any(|(other, _)| other.settings.id != node.settings.id)
}

/// Whether a replica of the history that `node` branched from has received more of it than `node`.
fn is_behind_a_replica(nodes: &[NodeState], node: &NodeState) -> bool {
    let Some(facts) = &node.facts else {
        return false;
    };
    facts.replid2.as_ref().is_some_and(|history| {
        replicas_of(nodes, history).any(|(_, offset)| Some(offset) > facts.second_offset)
    })
}

/// The replicas of a history that may vote, and how much of it each has received. R11: a missed check of one must
/// not make a claimant's own word count.
fn replicas_of<'n>(
    nodes: &'n [NodeState],
    history: &'n ReplId,
) -> impl Iterator<Item = (&'n NodeState, u64)> {
    nodes
        .iter()
        .filter(|node| node.takes_part() && ballot::is_heard(node))
        .filter_map(move |node| {
            let facts = node.facts.as_ref()?;
            let link = facts.replica()?;
            (facts.replid.as_ref() == Some(history)).then_some((node, link.offset))
        })
}

/// Whether a promoted replica branched later from the history that the incumbent restarted from.
fn holds_more_than(facts: &Facts, restarted_from: Option<&(ReplId, u64)>) -> bool {
    restarted_from.is_some_and(|(history, offset)| {
        facts.replid2.as_ref() == Some(history)
            && facts
                .second_offset
                .is_some_and(|branched| branched > *offset)
    })
}
