//! An operator says that another history is the group's from now on (R17): a deliberate migration.

use std::fmt;
use std::sync::Arc;

use super::Group;
use crate::core::event::{Event, EventKind};
use crate::core::facts::Facts;
use crate::core::ids::NodeId;
use crate::core::node::{Kin, NodeState};
use crate::core::time::Moment;

/// Why a history is not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AcceptRefusal {
    /// There is no such node any more.
    NoSuchNode,
    /// It has not told a history.
    Untold(Arc<str>),
    /// Its history is the group's already.
    Native(Arc<str>),
    /// This node still answers and holds the group's history: with the other accepted, it would be foreign.
    OthersHold(Arc<str>),
}

impl Group {
    /// Takes the history of a node for the group's; what the group had before is foreign from then on.
    ///
    /// # Errors
    /// While any node that takes part answers and still holds the group's history, which would be given up by it.
    pub fn accept_history(&mut self, node: NodeId, now: Moment) -> Result<(), AcceptRefusal> {
        let found = self.nodes.iter().find(|state| state.settings.id == node);
        let state = found.ok_or(AcceptRefusal::NoSuchNode)?;
        let name = state.settings.name.clone();
        let facts = state.facts.clone().filter(|facts| facts.replid.is_some());
        let facts = facts.ok_or_else(|| AcceptRefusal::Untold(name.clone()))?;
        if state.kin != Kin::Foreign {
            return Err(AcceptRefusal::Native(name));
        }
        if let Some(holder) = self.nodes.iter().find(|other| holds_another(other, &facts)) {
            return Err(AcceptRefusal::OthersHold(holder.settings.name.clone()));
        }
        self.lineage.accept(&facts);
        self.nodes.iter_mut().for_each(NodeState::forget_kin);
        let history = facts.replid.map(|history| history.0);
        let kind = EventKind::HistoryAccepted {
            node,
            name,
            history: history.unwrap_or_default(),
        };
        self.events.push(Event { at: now, kind });
        self.tick(now);
        Ok(())
    }
}

/// It lives, its data are the group's as far as they are anything, and they are not of the history that is accepted.
fn holds_another(node: &NodeState, accepted: &Facts) -> bool {
    let living = node.facts.as_ref().filter(|_| !node.is_gone());
    let has_data = living.is_some_and(|facts| {
        let link = facts.replica();
        let is_same = facts.replid.is_some() && facts.replid == accepted.replid;
        !is_same && link.is_none_or(|link| link.link_up || link.link_down_for.is_some())
    });
    node.kin != Kin::Foreign && has_data && node.is_wanted()
}

impl fmt::Display for AcceptRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchNode => f.write_str("the node is no longer there"),
            Self::Untold(node) => write!(f, "{node} has not told a replication history yet"),
            Self::Native(node) => write!(
                f,
                "{node} holds this group's own history: there is nothing to accept"
            ),
            Self::OthersHold(other) => write!(
                f,
                "{other} answers and still holds this group's history, which would be given up: put it in \
                 maintenance or make it a replica of the new primary first"
            ),
        }
    }
}
