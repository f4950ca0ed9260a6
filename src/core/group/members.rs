//! Which nodes belong to a group while the process runs: those that are learned come, those that are no
//! longer wanted leave when their last session has gone.

use std::sync::Arc;

use super::{Group, NodeId, NodeSettings, NodeState, Order, Sentinels, Settings};
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

    /// Parks new write connections until a moment at the latest, or no longer. Another election ends it.
    pub fn hold_writes(&mut self, until: Option<Moment>, now: Moment) {
        self.hold = until;
        self.tick(now);
    }

    /// Whether new write connections are parked for a switchover.
    pub fn holds_writes(&self, now: Moment) -> bool {
        self.hold.is_some_and(|until| now < until)
    }

    /// What is to be done to the nodes, by what the Sentinels list. Whoever asks carries it out:
    /// [`Group::learn`], [`Group::retire`], [`Group::keep`].
    pub fn changes(&mut self, now: Moment) -> Vec<Change> {
        let own = &self.settings.own;
        let holder = self.election.holder().map(|holder| holder.node);
        self.discovery.changes(
            &self.nodes,
            holder,
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

    /// Goes on with another configuration. Nodes are known by their numbers: of those that stay all is
    /// remembered, and those that are no longer there leave, with their last session or at `leave_by`.
    pub fn configure(&mut self, settings: Settings, leave_by: Moment, now: Moment) {
        let mut before = std::mem::take(&mut self.nodes);
        for node in &settings.nodes {
            let known = before.iter().position(|state| state.settings.id == node.id);
            let state = known.map_or_else(
                || NodeState::new(node.clone(), now),
                |place| NodeState {
                    settings: node.clone(),
                    learned: false,
                    leaving: false,
                    leave_by: None,
                    ..before.remove(place)
                },
            );
            self.election.rename(node.id, &node.name);
            if known.is_none() {
                let (node, name) = (node.id, node.name.clone());
                self.tell(EventKind::Added { node, name }, now);
            }
            self.nodes.push(state);
        }
        let stays = self.nodes.len();
        self.nodes.append(&mut before);
        self.settings = settings;
        let keeps_learned = !self.discovery.is_off();
        // All of them before any conclusion is drawn: one that leaves must not replace another.
        for state in self.nodes.iter_mut().skip(stays) {
            if state.leaving || (state.learned && keeps_learned) {
                continue;
            }
            state.leaving = true;
            state.leave_by = Some(leave_by);
            state.order = Order::Ready;
            let (node, name) = (state.settings.id, state.settings.name.clone());
            let kind = EventKind::Leaving { node, name };
            self.events.push(Event { at: now, kind });
        }
        self.tick(now);
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

    /// Its Sentinels are others now, by their addresses as written; of the former ones nothing is
    /// remembered. Learned nodes stay until those have been asked.
    pub fn ask_others(&mut self, names: impl IntoIterator<Item = Arc<str>>, discovers: bool) {
        let names: Vec<Arc<str>> = names.into_iter().collect();
        self.discovery = Discovery::new(if discovers { names.len() } else { 0 });
        self.sentinels = Sentinels::new(names);
    }

    /// The nodes that leave, and when at the latest.
    pub fn leaving(&self) -> impl Iterator<Item = (NodeId, Option<Moment>)> {
        let leaving = self.nodes.iter().filter(|node| node.leaving);
        leaving.map(|node| (node.settings.id, node.leave_by))
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
        state.leave_by = None;
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
