//! Keep or close: what a new snapshot means for a session that is open (R7, R8, R16).
//!
//! Pure and complete: each worker asks this for every session that it holds, and a session asks it
//! for itself before it reads on when the snapshot has changed since it last looked.

use std::time::Duration;

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
        step.verdict(view).ok()?;
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
