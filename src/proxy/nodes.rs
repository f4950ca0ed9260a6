//! A worker's view of the nodes: their shared session counts, their metrics, and when the monitor was
//! last alarmed about each.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::loads::Loads;
use super::telemetry::NodeMeters;
use crate::core::ids::NodeId;
use crate::core::snapshot::Snapshot;
use crate::core::time::Moment;

/// Alarms about nodes that part from their clients, at most one in this time.
const PARTING_ALARM_EVERY: Duration = Duration::from_millis(20);

/// What a worker knows of one node.
pub(super) struct Node {
    pub(super) id: NodeId,
    pub(super) group: Arc<str>,
    pub(super) name: Arc<str>,
    pub(super) meters: NodeMeters,
    sessions: Arc<AtomicUsize>,
    alarmed: Cell<Option<Moment>>,
}

/// All nodes that this worker has ever heard of.
#[derive(Default)]
pub(super) struct Nodes(RefCell<HashMap<NodeId, Rc<Node>>>);

/// One session on a node, counted until dropped.
pub(super) struct Claim {
    node: Rc<Node>,
}

impl Nodes {
    /// Registers the nodes that are new in a snapshot, and forgets those that have gone from it with
    /// their last session.
    pub(super) fn learn(&self, snapshot: &Snapshot, loads: &Loads) {
        let mut known = self.0.borrow_mut();
        for group in &snapshot.groups {
            for node in &group.nodes {
                // Sessions from before a reload that renamed it count under its old name.
                if known
                    .get(&node.id)
                    .is_some_and(|known| known.name != node.name)
                {
                    known.remove(&node.id);
                }
                known.entry(node.id).or_insert_with(|| {
                    Rc::new(Node {
                        id: node.id,
                        group: Arc::clone(&group.name),
                        name: Arc::clone(&node.name),
                        meters: NodeMeters::new(&group.name, &node.name),
                        sessions: loads.node(node.id),
                        alarmed: Cell::new(None),
                    })
                });
            }
        }
        let present: usize = snapshot.groups.iter().map(|group| group.nodes.len()).sum();
        if known.len() > present {
            let is_there = |id| snapshot.groups.iter().any(|group| group.node(id).is_some());
            known.retain(|id, node| is_there(*id) || Rc::strong_count(node) > 1);
        }
    }

    /// A node, once a snapshot has named it.
    pub(super) fn get(&self, id: NodeId) -> Option<Rc<Node>> {
        self.0.borrow().get(&id).cloned()
    }
}

impl Node {
    /// Open sessions of all workers.
    pub(super) fn sessions(&self) -> usize {
        self.sessions.load(Ordering::Acquire)
    }

    /// Counts a session in, if the count is still what the choice was made by: of two workers that
    /// saw the same minimum only one gets it, and the other chooses again (R12).
    pub(super) fn claim(self: &Rc<Self>, seen: usize) -> Option<Claim> {
        self.sessions
            .compare_exchange(seen, seen + 1, Ordering::AcqRel, Ordering::Acquire)
            .ok()?;
        self.meters.sessions.increment(1.0);
        Some(Claim {
            node: Rc::clone(self),
        })
    }

    /// Whether an alarm about a parting is due; then the next one is not for a while.
    pub(super) fn parting_is_news(&self, now: Moment) -> bool {
        let due = self
            .alarmed
            .get()
            .is_none_or(|last| now.since(last) >= PARTING_ALARM_EVERY);
        if due {
            self.alarmed.set(Some(now));
        }
        due
    }
}

impl Claim {
    /// Whose session it is.
    pub(super) fn node(&self) -> &Rc<Node> {
        &self.node
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.node.sessions.fetch_sub(1, Ordering::AcqRel);
        self.node.meters.sessions.decrement(1.0);
    }
}
