//! Which nodes belong to a group while the process runs: those that are learned come, those that are no
//! longer wanted leave when their last session has gone.

use super::{Group, NodeId, NodeSettings, NodeState, Order};
use crate::core::discovery::{Change, Discovery, Listed};
use crate::core::event::{Event, EventKind};
use crate::core::time::Moment;

impl Group {
    /// The same group, which learns nodes from what so many Sentinels list.
    #[must_use]
    pub fn with_discovery(mut self, sentinels: usize) -> Self {
        self.discovery = Discovery::new(sentinels);
        self
    }

    /// Takes in which nodes the Sentinel with that index (from 0, as configured) lists; none when it
    /// does not say.
    pub fn listed(&mut self, index: usize, list: Option<Vec<Listed>>) {
        self.discovery.hear(index, list);
    }

    /// What is to be done to the nodes, by what the Sentinels list. Whoever asks carries it out:
    /// [`Group::learn`], [`Group::retire`], [`Group::keep`].
    pub fn changes(&mut self, now: Moment) -> Vec<Change> {
        let own = &self.settings.own;
        self.discovery.changes(
            &self.nodes,
            |address| own.iter().any(|listener| listener.is_at(address)),
            now,
        )
    }

    /// Adds a node that was learned. It serves nobody before its first complete check (R1).
    pub fn learn(&mut self, settings: NodeSettings, now: Moment) {
        let (node, name) = (settings.id, settings.name.clone());
        let mut state = NodeState::new(settings, now);
        state.learned = true;
        self.nodes.push(state);
        self.tell(EventKind::Learned { node, name }, now);
        self.tick(now);
    }

    /// Takes a node out for new sessions, elections and votes. Open sessions stay, under the same rules as
    /// before; it is to be dropped ([`Group::drop_node`]) when the last one has gone.
    pub fn retire(&mut self, node: NodeId, now: Moment) {
        self.change_leaving(node, true, now);
    }

    /// A node that was leaving stays after all.
    pub fn keep(&mut self, node: NodeId, now: Moment) {
        self.change_leaving(node, false, now);
    }

    /// Drops a node that was leaving. Sessions that it still has are closed.
    pub fn drop_node(&mut self, node: NodeId, now: Moment) {
        let Some(place) = self.place_of(node) else {
            return;
        };
        let name = self.nodes.remove(place).settings.name;
        self.roles.retain(|(known, _)| *known != node);
        self.bursts.retain(|(known, _)| *known != node);
        self.tell(EventKind::Dropped { node, name }, now);
        self.tick(now);
    }

    /// The nodes that leave.
    pub fn leaving(&self) -> impl Iterator<Item = NodeId> {
        let leaving = self.nodes.iter().filter(|node| node.leaving);
        leaving.map(|node| node.settings.id)
    }

    fn change_leaving(&mut self, node: NodeId, leaving: bool, now: Moment) {
        let Some(place) = self.place_of(node) else {
            return;
        };
        let Some(state) = self.nodes.get_mut(place) else {
            return;
        };
        if state.leaving == leaving {
            return;
        }
        state.leaving = leaving;
        // An order was for the node as it was.
        state.order = Order::Ready;
        let name = state.settings.name.clone();
        let kind = if leaving {
            EventKind::Leaving { node, name }
        } else {
            EventKind::Returned { node, name }
        };
        self.tell(kind, now);
        self.tick(now);
    }

    fn place_of(&self, node: NodeId) -> Option<usize> {
        let mut all = self.nodes.iter();
        all.position(|state| state.settings.id == node)
    }

    fn tell(&mut self, kind: EventKind, now: Moment) {
        self.events.push(Event { at: now, kind });
    }
}
