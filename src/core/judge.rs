//! Keep or close: what a new snapshot means for a session that is open (R7, R8, R16).
//!
//! Pure and complete: each worker asks this for every session that it holds, and a session asks it
//! for itself before it reads on when the snapshot has changed since it last looked.

use std::time::Duration;

use super::answers::Answers;
use super::chain::{Access, Chain, Tier};
use super::ids::NodeId;
use super::pick::{has_better_tier, has_company};
use super::reason::CloseReason;
use super::snapshot::{GroupView, Silence};

/// What a session was given when it was joined to its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The node.
    pub node: NodeId,
    /// The tier of its chain.
    pub tier: usize,
    /// The node's run then.
    pub run: u32,
    /// The group's term then, when the tier was read-write.
    pub term: Option<u64>,
}

impl Held {
    /// What a session is given that dials `node` for `tier` now; none when the view has changed so
    /// that it may not.
    pub fn grant(chain: &Chain, group: &GroupView, node: NodeId, tier: usize) -> Option<Self> {
        let view = group.node(node)?;
        let step = chain.tiers.get(tier)?;
        chain.verdict(step, view).ok()?;
        let term = match step.access {
            Access::ReadWrite => Some(group.primary.filter(|primary| primary.node == node)?.term),
            Access::ReadOnly | Access::LocalReadOnly => None,
        };
        Some(Self {
            node,
            tier,
            run: view.run,
            term,
        })
    }
}

/// Whether the session must end now, and why.
pub fn judge(held: &Held, chain: &Chain, group: &GroupView) -> Option<CloseReason> {
    let Some(node) = group.node(held.node) else {
        return Some(CloseReason::NodeRemoved);
    };
    if let Some(term) = held.term {
        // R7: also for sessions that came by a fallback. A primary that is only silent keeps its term.
        let holds = group
            .primary
            .is_some_and(|p| p.node == held.node && p.term == term);
        return (!holds).then_some(CloseReason::Demoted);
    }
    // A reload may have made the listener read-write: a replica is no place for its sessions.
    let reads = |tier: &Tier| tier.access != Access::ReadWrite;
    if !chain.tiers.iter().any(reads) {
        return Some(CloseReason::Demoted);
    }
    if node.run != held.run {
        return Some(CloseReason::LostData);
    }
    if node.close_reads.is_some() {
        return node.close_reads;
    }
    (node.silence == Silence::Twice && has_company(chain, group, held.node))
        .then_some(CloseReason::NodeSilent)
}

/// R20: what becomes of the answers that the node of a session has sent, when the session ends because the
/// node is no longer the primary.
pub fn answers(held: &Held, group: &GroupView) -> Answers {
    let ended = group.ended.filter(|ended| held.term == Some(ended.term));
    ended.map_or(Answers::Drop, |ended| ended.answers)
}

/// R16: whether a session of this age should move to a better tier that is there again.
pub fn has_outstayed(
    held: &Held,
    chain: &Chain,
    group: &GroupView,
    age: Duration,
    fallback_max_age: Option<Duration>,
) -> bool {
    fallback_max_age.is_some_and(|limit| age >= limit) && has_better_tier(chain, group, held.tier)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::answers::TermEnd;
    use crate::core::chain::Access::{ReadOnly, ReadWrite};
    use crate::core::reason::Ineligible;
    use crate::core::sample::{chain, elected, group, serving};
    use crate::core::snapshot::{NodeView, PrimaryView};

    fn writes() -> Chain {
        chain(&[(ReadWrite, &[1, 2])])
    }

    /// Replicas first, the primary as the fallback.
    fn reads() -> Chain {
        chain(&[(ReadOnly, &[1, 2]), (ReadWrite, &[1, 2])])
    }

    fn reading(node: u32) -> Held {
        let view = group(vec![serving(node)]);
        Held::grant(&reads(), &view, NodeId(node), 0).unwrap()
    }

    fn silent(id: u32, silence: Silence) -> NodeView {
        NodeView {
            silence,
            ..serving(id)
        }
    }

    #[test]
    fn r7_a_write_session_lives_as_long_as_the_term_it_was_joined_in() {
        let view = group(vec![elected(1), serving(2)]);
        let held = Held::grant(&writes(), &view, NodeId(1), 0).unwrap();
        assert_eq!(held.term, Some(1));
        assert_eq!(judge(&held, &writes(), &view), None);
        let mut later = view.clone();
        let judged = |view: &GroupView| judge(&held, &writes(), view);
        for lost in [
            None,
            Some((2, 2)),
            Some((1, 2)), // Elected again after it had lost.
            Some((2, 1)),
        ] {
            later.primary = lost.map(|(node, term)| PrimaryView {
                node: NodeId(node),
                term,
            });
            assert_eq!(judged(&later), Some(CloseReason::Demoted), "{lost:?}");
        }
    }

    #[test]
    fn r20_only_the_answers_of_the_term_that_ended_last_may_be_delivered() {
        let view = group(vec![elected(1), serving(2)]);
        let held = Held::grant(&writes(), &view, NodeId(1), 0).unwrap();
        assert_eq!(answers(&held, &view), Answers::Drop);
        let ended = |term| GroupView {
            ended: Some(TermEnd {
                term,
                answers: Answers::Deliver,
            }),
            ..view.clone()
        };
        assert_eq!(answers(&held, &ended(1)), Answers::Deliver);
        assert_eq!(answers(&held, &ended(2)), Answers::Drop);
        assert_eq!(
            answers(&reading(2), &ended(1)),
            Answers::Drop,
            "bound to no term"
        );
    }

    #[test]
    fn r7_a_write_session_that_came_by_a_fallback_is_bound_to_the_term_too() {
        let view = group(vec![elected(1)]);
        let held = Held::grant(&reads(), &view, NodeId(1), 1).unwrap();
        let demoted = group(vec![serving(1)]);
        assert_eq!(judge(&held, &reads(), &demoted), Some(CloseReason::Demoted));
    }

    #[test]
    fn r8_a_primary_that_is_only_silent_keeps_its_write_sessions() {
        let view = group(vec![elected(1), serving(2)]);
        let held = Held::grant(&reads(), &view, NodeId(1), 1).unwrap();
        let mut quiet = view;
        quiet.nodes[0].silence = Silence::Twice;
        assert_eq!(judge(&held, &reads(), &quiet), None);
    }

    #[test]
    fn r2_nobody_is_joined_to_a_node_that_may_not_serve_the_tier() {
        let grant = |view: &GroupView, node, tier| Held::grant(&reads(), view, NodeId(node), tier);
        let view = group(vec![elected(1), serving(2)]);
        assert_eq!(grant(&view, 2, 1), None, "a replica takes no writes");
        assert_eq!(
            grant(&view, 1, 0),
            None,
            "reads reach the primary by the fallback"
        );
        assert_eq!(grant(&view, 9, 0), None, "no such node");
        assert_eq!(grant(&view, 1, 9), None, "no such tier");
        let mut without = view;
        without.primary = None;
        assert_eq!(grant(&without, 1, 1), None, "no term to be bound to");
    }

    #[test]
    fn r16_a_read_session_ends_when_its_node_is_gone_or_another_process() {
        let held = reading(1);
        let judged = |node: NodeView| judge(&held, &reads(), &group(vec![node, serving(2)]));
        assert_eq!(judged(serving(1)), None);
        assert_eq!(judged(serving(3)), Some(CloseReason::NodeRemoved));
        let restarted = NodeView {
            run: 2,
            ..serving(1)
        };
        assert_eq!(judged(restarted), Some(CloseReason::LostData));
        let down = NodeView {
            close_reads: Some(CloseReason::NodeDown),
            ..serving(1)
        };
        assert_eq!(judged(down), Some(CloseReason::NodeDown));
    }

    #[test]
    fn r16_a_read_session_stays_on_a_node_that_lags_or_is_promoted() {
        let lags = NodeView {
            read: Err(Ineligible::Lagging),
            ..serving(1)
        };
        for node in [lags, elected(1)] {
            let view = group(vec![node, serving(2)]);
            assert_eq!(judge(&reading(1), &reads(), &view), None);
        }
    }

    #[test]
    fn r8_a_replica_loses_its_sessions_at_the_second_time_out_if_it_has_company() {
        let judged = |nodes| judge(&reading(1), &reads(), &group(nodes));
        let (once, twice) = (silent(1, Silence::Once), silent(1, Silence::Twice));
        assert_eq!(judged(vec![once, serving(2)]), None);
        assert_eq!(
            judged(vec![twice.clone(), serving(2)]),
            Some(CloseReason::NodeSilent)
        );
        assert_eq!(judged(vec![twice]), None, "nobody else could serve");
    }

    #[test]
    fn r16_a_session_of_a_fallback_moves_when_it_is_old_and_a_better_tier_is_back() {
        let limit = Some(Duration::from_secs(60));
        let view = group(vec![elected(1)]);
        let held = Held::grant(&reads(), &view, NodeId(1), 1).unwrap();
        let outstayed = |view: &GroupView, seconds, limit| {
            has_outstayed(&held, &reads(), view, Duration::from_secs(seconds), limit)
        };
        assert!(!outstayed(&view, 61, limit), "there is no better one");
        let back = group(vec![elected(1), serving(2)]);
        assert!(outstayed(&back, 60, limit));
        assert!(!outstayed(&back, 59, limit));
        assert!(!outstayed(&back, 3600, None), "off by default");
    }
}
