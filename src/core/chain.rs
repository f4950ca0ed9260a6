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

    /// The nodes of the tier that may serve it now.
    pub fn eligible<'a>(&'a self, group: &'a GroupView) -> impl Iterator<Item = &'a NodeView> {
        self.nodes(group).filter(|node| self.verdict(node).is_ok())
    }
}

impl Chain {
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
