//! Which node serves a new connection (R12): the best tier that has an eligible node, and in it the
//! one with the fewest sessions for its weight.

use std::cmp::Ordering;

use super::chain::{Chain, Tier};
use super::ids::NodeId;
use super::snapshot::{GroupView, NodeView, Silence};
use super::time::Moment;

/// A node for a new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Whom to dial.
    pub node: NodeId,
    /// Which tier of the chain it serves.
    pub tier: usize,
}

/// Picks a node, or none when the whole chain has no eligible one.
///
/// `refused` says which nodes this connection must not try (its dial failed there already);
/// `sessions` counts the open sessions of a node; `rotation` is any number that changes from call to
/// call, so that ties take turns.
pub fn pick(
    chain: &Chain,
    group: &GroupView,
    refused: impl Fn(&NodeView) -> bool,
    sessions: impl Fn(NodeId) -> usize,
    rotation: usize,
) -> Option<Choice> {
    // R8: a node that was silent once is passed over while anyone else in the whole chain can serve.
    let answering = |node: &NodeView| node.silence == Silence::None && !refused(node);
    first_tier(chain, group, &answering, &sessions, rotation)
        .or_else(|| first_tier(chain, group, &|node| !refused(node), &sessions, rotation))
}

/// Who takes new connections now: the tier, and its nodes among which [`pick`] chooses by their sessions.
/// None when the whole chain has no eligible node.
pub fn takers<'g>(chain: &'g Chain, group: &'g GroupView) -> Option<(usize, Vec<&'g NodeView>)> {
    let within = |admit: &dyn Fn(&NodeView) -> bool| {
        let tiers = chain.tiers.iter().enumerate();
        let mut tiers = tiers.map(|(tier, step)| {
            let nodes: Vec<_> = step.eligible(group).filter(|node| admit(node)).collect();
            (tier, nodes)
        });
        tiers.find(|(_, nodes)| !nodes.is_empty())
    };
    let answering = |node: &NodeView| node.silence == Silence::None;
    let (tier, mut nodes) = within(&answering).or_else(|| within(&|_| true))?;
    if nodes.iter().any(|node| !node.stale) {
        nodes.retain(|node| !node.stale);
    }
    Some((tier, nodes))
}

fn first_tier(
    chain: &Chain,
    group: &GroupView,
    admit: &dyn Fn(&NodeView) -> bool,
    sessions: &dyn Fn(NodeId) -> usize,
    rotation: usize,
) -> Option<Choice> {
    chain.tiers.iter().enumerate().find_map(|(tier, step)| {
        least_connections(step, group, admit, sessions, rotation).map(|node| Choice { node, tier })
    })
}

fn least_connections(
    tier: &Tier,
    group: &GroupView,
    admit: &dyn Fn(&NodeView) -> bool,
    sessions: &dyn Fn(NodeId) -> usize,
    rotation: usize,
) -> Option<NodeId> {
    let mut best: Vec<(&NodeView, usize)> = Vec::new();
    for node in tier.eligible(group).filter(|node| admit(node)) {
        let candidate = (node, sessions(node.id));
        match best.first().map(|leader| compare(candidate, *leader)) {
            Some(Ordering::Greater) => {}
            Some(Ordering::Equal) => best.push(candidate),
            Some(Ordering::Less) | None => best = vec![candidate],
        }
    }
    match best.len() {
        0 => None,
        ties => Some(best[rotation % ties].0.id),
    }
}

/// Less is better: fresh before stale (R10), then fewer sessions for the weight.
fn compare(a: (&NodeView, usize), b: (&NodeView, usize)) -> Ordering {
    let scaled = |sessions: usize, other: &NodeView| sessions as u128 * u128::from(other.weight);
    a.0.stale
        .cmp(&b.0.stale)
        .then_with(|| scaled(a.1, b.0).cmp(&scaled(b.1, a.0)))
}

/// Whether another node than this one could serve the chain now without having been silent (R8's
/// "company").
pub fn has_company(chain: &Chain, group: &GroupView, node: NodeId) -> bool {
    chain.tiers.iter().any(|tier| {
        tier.eligible(group)
            .any(|other| other.id != node && other.silence == Silence::None)
    })
}

/// Whether a tier better than `tier` could serve now (R16, `fallback_max_age`).
pub fn has_better_tier(chain: &Chain, group: &GroupView, tier: usize) -> bool {
    chain.tiers.iter().take(tier).any(|better| {
        better
            .eligible(group)
            .any(|node| node.silence == Silence::None)
    })
}

/// Why nobody can serve: one clause a node, for the error line of R13 and for `explain`.
pub fn explain_none(chain: &Chain, group: &GroupView, now: Moment) -> String {
    let mut told: Vec<NodeId> = Vec::new();
    let mut clauses: Vec<String> = Vec::new();
    for tier in &chain.tiers {
        for node in tier.nodes(group) {
            let Err(reason) = tier.verdict(node) else {
                continue;
            };
            if !told.contains(&node.id) {
                told.push(node.id);
                clauses.push(format!("{} {}", node.name, reason.explain(now)));
            }
        }
    }
    let what = if group.primary.is_none() {
        "no primary"
    } else {
        "no eligible node"
    };
    format!("group {} has {what}: {}", group.name, clauses.join(", "))
}
