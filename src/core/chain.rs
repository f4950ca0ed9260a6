//! The chain of a listener: its nodes, its backups in order, then the tiers of its fallback listener,
//! to any depth. Made once from the configuration; the fallback costs no second connection.

use super::ids::{ListenerId, NodeId};
use super::reason::Ineligible;
use super::snapshot::{GroupView, NodeView};

/// What applications may do at a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Writes: the elected primary only (R2).
    ReadWrite,
    /// Reads: replicas in sync (R9).
    ReadOnly,
    /// Reads, the replica on this host first.
    LocalReadOnly,
}

impl Access {
    /// As the configuration spells it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::ReadWrite => "read-write",
            Self::ReadOnly => "read-only",
            Self::LocalReadOnly => "local-read-only",
        }
    }
}

/// Which nodes of the group a tier takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Members {
    /// All that are not local: the default of read-write and read-only.
    NotLocal,
    /// All that are local: the default of local-read-only.
    Local,
    /// The ones that the configuration names.
    Listed(Vec<NodeId>),
}

/// One step of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tier {
    /// Whose tier it is: not the entered listener once the chain has fallen back.
    pub listener: ListenerId,
    /// By which rules its nodes are judged.
    pub access: Access,
    /// Its nodes.
    pub members: Members,
}

/// All steps, best first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Never empty.
    pub tiers: Vec<Tier>,
}

impl Members {
    /// Whether the tier takes this node.
    pub fn contains(&self, node: &NodeView) -> bool {
        match self {
            Self::NotLocal => !node.local,
            Self::Local => node.local,
            Self::Listed(ids) => ids.contains(&node.id),
        }
    }
}

impl Tier {
    /// May this node serve this tier now, and if not, why.
    pub fn verdict(&self, node: &NodeView) -> Result<(), Ineligible> {
        if let Some(looping) = &node.looping
            && looping.barred.contains(&self.listener)
        {
            return Err(Ineligible::WouldLoop(looping.through.clone()));
        }
        match self.access {
            Access::ReadWrite => node.write.clone(),
            Access::ReadOnly | Access::LocalReadOnly => node.read.clone(),
        }
    }

    /// The nodes of the group that belong to this tier.
    pub fn nodes<'a>(&'a self, group: &'a GroupView) -> impl Iterator<Item = &'a NodeView> {
        group
            .nodes
            .iter()
            .filter(|node| self.members.contains(node))
    }
}

impl Chain {
    /// May this node serve this step of the chain now, and if not, why. R19 keeps writers from a primary without
    /// replicas, not clients that came for reads and fell back to it.
    pub fn verdict(&self, tier: &Tier, node: &NodeView) -> Result<(), Ineligible> {
        match tier.verdict(node) {
            Err(Ineligible::NoReplicas) if !self.is_for_writes() => Ok(()),
            verdict => verdict,
        }
    }

    /// The nodes of a step that may serve it now.
    pub fn eligible<'a>(
        &'a self,
        tier: &'a Tier,
        group: &'a GroupView,
    ) -> impl Iterator<Item = &'a NodeView> {
        tier.nodes(group)
            .filter(|node| self.verdict(tier, node).is_ok())
    }

    /// Whether clients come to the entered listener for writes.
    fn is_for_writes(&self) -> bool {
        let entered = self.tiers.first();
        entered.is_some_and(|tier| tier.access == Access::ReadWrite)
    }

    /// Every listener that the chain passes through, the entered one first.
    pub fn listeners(&self) -> Vec<ListenerId> {
        let mut all: Vec<ListenerId> = Vec::new();
        for tier in &self.tiers {
            if !all.contains(&tier.listener) {
                all.push(tier.listener);
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::sample::{elected, group, serving};
    use crate::core::snapshot::Looping;

    fn tier(listener: u32, access: Access, members: Members) -> Tier {
        Tier {
            listener: ListenerId(listener),
            access,
            members,
        }
    }

    fn ids<'a>(nodes: impl Iterator<Item = &'a NodeView>) -> Vec<u32> {
        nodes.map(|node| node.id.0).collect()
    }

    #[test]
    fn a_tier_takes_the_local_nodes_or_the_others_or_the_listed_ones() {
        let local = NodeView {
            local: true,
            ..serving(3)
        };
        let view = group(vec![serving(1), serving(2), local]);
        let taken = |members| ids(tier(0, Access::ReadOnly, members).nodes(&view));
        assert_eq!(taken(Members::NotLocal), [1, 2]);
        assert_eq!(taken(Members::Local), [3]);
        assert_eq!(taken(Members::Listed(vec![NodeId(3), NodeId(1)])), [1, 3]);
    }

    #[test]
    fn r2_r9_writes_are_for_the_primary_and_reads_for_replicas() {
        let view = group(vec![elected(1), serving(2)]);
        let may_serve = |access| {
            let tiers = vec![tier(0, access, Members::NotLocal)];
            let chain = Chain { tiers };
            ids(chain.eligible(&chain.tiers[0], &view))
        };
        assert_eq!(may_serve(Access::ReadWrite), [1]);
        assert_eq!(may_serve(Access::ReadOnly), [2]);
        assert_eq!(may_serve(Access::LocalReadOnly), [2]);
    }

    #[test]
    fn r14_a_node_never_serves_the_listener_that_it_replicates_through() {
        let node = NodeView {
            looping: Some(Looping {
                through: "redis-ro".into(),
                barred: vec![ListenerId(1), ListenerId(0)],
            }),
            ..serving(1)
        };
        let verdict = |listener| tier(listener, Access::ReadOnly, Members::NotLocal).verdict(&node);
        for barred in [0, 1] {
            let why = Ineligible::WouldLoop("redis-ro".into());
            assert_eq!(verdict(barred), Err(why));
        }
        assert_eq!(verdict(2), Ok(()), "redis-local-ro is read by nobody");
    }

    #[test]
    fn a_chain_passes_through_each_listener_once_the_entered_one_first() {
        let tiers =
            [2, 2, 1, 0, 1].map(|listener| tier(listener, Access::ReadOnly, Members::Local));
        let chain = Chain {
            tiers: tiers.to_vec(),
        };
        assert_eq!(
            chain.listeners(),
            [ListenerId(2), ListenerId(1), ListenerId(0)]
        );
    }

    #[test]
    fn access_is_told_as_the_configuration_spells_it() {
        let told = [Access::ReadWrite, Access::ReadOnly, Access::LocalReadOnly].map(Access::label);
        assert_eq!(told, ["read-write", "read-only", "local-read-only"]);
    }
}
