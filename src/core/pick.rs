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
            let nodes: Vec<_> = chain
                .eligible(step, group)
                .filter(|node| admit(node))
                .collect();
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
        least_connections(chain, step, group, admit, sessions, rotation)
            .map(|node| Choice { node, tier })
    })
}

fn least_connections(
    chain: &Chain,
    tier: &Tier,
    group: &GroupView,
    admit: &dyn Fn(&NodeView) -> bool,
    sessions: &dyn Fn(NodeId) -> usize,
    rotation: usize,
) -> Option<NodeId> {
    let mut best: Vec<(&NodeView, usize)> = Vec::new();
    for node in chain.eligible(tier, group).filter(|node| admit(node)) {
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
        chain
            .eligible(tier, group)
            .any(|other| other.id != node && other.silence == Silence::None)
    })
}

/// Whether a tier better than `tier` could serve now (R16, `fallback_max_age`).
pub fn has_better_tier(chain: &Chain, group: &GroupView, tier: usize) -> bool {
    chain.tiers.iter().take(tier).any(|better| {
        chain
            .eligible(better, group)
            .any(|node| node.silence == Silence::None)
    })
}

/// Why nobody can serve: one clause a node, for the error line of R13 and for `explain`.
pub fn explain_none(chain: &Chain, group: &GroupView, now: Moment) -> String {
    let mut told: Vec<NodeId> = Vec::new();
    let mut clauses: Vec<String> = Vec::new();
    for tier in &chain.tiers {
        for node in tier.nodes(group) {
            let Err(reason) = chain.verdict(tier, node) else {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::chain::Access::{ReadOnly, ReadWrite};
    use crate::core::reason::Ineligible;
    use crate::core::sample::{at, chain, elected, group, serving};

    fn silent(id: u32) -> NodeView {
        NodeView {
            silence: Silence::Once,
            ..serving(id)
        }
    }

    fn lagging(id: u32) -> NodeView {
        NodeView {
            read: Err(Ineligible::Lagging),
            ..serving(id)
        }
    }

    /// Who is picked, and in which tier, when `redis-N` has `sessions[N]` open.
    fn picked(
        chain: &Chain,
        nodes: Vec<NodeView>,
        sessions: &[usize],
        rotation: usize,
    ) -> Option<(u32, usize)> {
        let open = |id: NodeId| sessions.get(id.0 as usize).copied().unwrap_or(0);
        let choice = pick(chain, &group(nodes), |_| false, open, rotation)?;
        Some((choice.node.0, choice.tier))
    }

    #[test]
    fn r12_the_fewest_sessions_for_the_weight_win() {
        let reads = chain(&[(ReadOnly, &[1, 2])]);
        let heavy = || NodeView {
            weight: 3,
            ..serving(2)
        };
        for (sessions, expected) in [([0, 2, 5], 2), ([0, 2, 7], 1), ([0, 1, 4], 1)] {
            for nodes in [vec![serving(1), heavy()], vec![heavy(), serving(1)]] {
                assert_eq!(picked(&reads, nodes, &sessions, 0), Some((expected, 0)));
            }
        }
    }

    #[test]
    fn r12_ties_take_turns_and_a_loaded_node_has_none() {
        let reads = chain(&[(ReadOnly, &[1, 2, 3])]);
        let nodes = || vec![serving(1), serving(2), serving(3)];
        let turns = |sessions: &[usize]| -> Vec<u32> {
            let turn = |rotation| Some(picked(&reads, nodes(), sessions, rotation)?.0);
            (0..4).filter_map(turn).collect()
        };
        assert_eq!(turns(&[0, 4, 4, 4]), [1, 2, 3, 1]);
        assert_eq!(turns(&[0, 4, 5, 4]), [1, 3, 1, 3]);
        assert_eq!(turns(&[0, 5, 5, 4]), [3, 3, 3, 3]);
    }

    #[test]
    fn r12_a_node_whose_dial_failed_is_not_tried_again() {
        let reads = chain(&[(ReadOnly, &[1, 2])]);
        let view = group(vec![serving(1), serving(2)]);
        let others = |refused: &[u32]| {
            let choice = pick(&reads, &view, |node| refused.contains(&node.id.0), |_| 0, 0);
            choice.map(|choice| choice.node.0)
        };
        assert_eq!((others(&[1]), others(&[1, 2])), (Some(2), None));
    }

    #[test]
    fn r10_a_stale_node_ranks_last_in_its_tier_and_before_the_next() {
        let stale = || NodeView {
            stale: true,
            ..serving(1)
        };
        let reads = chain(&[(ReadOnly, &[1, 2]), (ReadWrite, &[3])]);
        let both = vec![stale(), serving(2), elected(3)];
        assert_eq!(picked(&reads, both, &[0, 0, 900], 0), Some((2, 0)));
        let alone = vec![stale(), lagging(2), elected(3)];
        assert_eq!(picked(&reads, alone, &[0, 9, 0], 0), Some((1, 0)));
    }

    #[test]
    fn r8_a_silent_node_is_passed_over_while_anyone_in_the_chain_can_serve() {
        let reads = chain(&[(ReadOnly, &[1]), (ReadWrite, &[2])]);
        let with_primary = vec![silent(1), elected(2)];
        assert_eq!(picked(&reads, with_primary, &[], 0), Some((2, 1)));
        let alone = vec![silent(1), lagging(2)];
        assert_eq!(picked(&reads, alone, &[], 0), Some((1, 0)));
    }

    #[test]
    fn r16_the_best_tier_with_an_eligible_node_serves() {
        let reads = chain(&[(ReadOnly, &[1]), (ReadOnly, &[2]), (ReadWrite, &[3])]);
        let all = vec![serving(1), serving(2), elected(3)];
        assert_eq!(picked(&reads, all, &[0, 99, 0, 0], 0), Some((1, 0)));
        let backup = vec![lagging(1), serving(2), elected(3)];
        assert_eq!(picked(&reads, backup, &[], 0), Some((2, 1)));
        let primary = vec![lagging(1), lagging(2), elected(3)];
        assert_eq!(picked(&reads, primary, &[], 0), Some((3, 2)));
        let nobody = vec![lagging(1), lagging(2), lagging(3)];
        assert_eq!(picked(&reads, nobody, &[], 0), None);
    }

    #[test]
    fn r8_company_is_another_node_of_the_chain_that_answers() {
        let reads = chain(&[(ReadOnly, &[1, 2]), (ReadWrite, &[3])]);
        let company = |nodes| has_company(&reads, &group(nodes), NodeId(1));
        assert!(company(vec![silent(1), serving(2)]));
        assert!(company(vec![silent(1), elected(3)]), "the primary included");
        assert!(!company(vec![serving(1), lagging(2)]), "itself is none");
        assert!(!company(vec![silent(1), silent(2)]));
        assert!(!company(vec![silent(1), serving(4)]), "not of the chain");
    }

    #[test]
    fn r16_a_better_tier_is_one_before_with_a_node_that_answers() {
        let reads = chain(&[(ReadOnly, &[1]), (ReadOnly, &[2]), (ReadWrite, &[3])]);
        let view = group(vec![lagging(1), serving(2), elected(3)]);
        let better = |tier| has_better_tier(&reads, &view, tier);
        assert_eq!([better(0), better(1), better(2)], [false, false, true]);
        let view = group(vec![silent(1), serving(2)]);
        assert!(!has_better_tier(&reads, &view, 1));
    }

    #[test]
    fn r13_the_error_says_of_each_node_once_why_it_cannot_serve() {
        let reads = chain(&[(ReadOnly, &[1, 2]), (ReadWrite, &[2])]);
        let told = |nodes| explain_none(&reads, &group(nodes), at(0));
        assert_eq!(
            told(vec![lagging(1), lagging(2)]),
            "group main has no primary: redis-1 lags behind max_lag, redis-2 lags behind max_lag"
        );
        assert_eq!(
            told(vec![serving(1), lagging(2), elected(3)]),
            "group main has no eligible node: redis-2 lags behind max_lag"
        );
    }
}
