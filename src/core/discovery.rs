//! Which nodes the Sentinels know beside those that are written down (`discover: true`).
//!
//! A node is learned when more than half of the configured Sentinels list it: one that lies, or watches
//! another group under the same name, teaches us nothing. It is let go when more than half answer, no
//! majority has listed it for [`FORGET_AFTER`], and it was learned; what is written down stays.
//! Sentinels that are away change nothing. A learned node is unknown until checked like any other (R1).
//!
//! One process that is listed under two addresses is one node (R1). The address that more Sentinels list is
//! kept; of equals the one that holds the election, else the one that was learned first. The other is let
//! go as soon as both are known to be one process. The node that holds the election is not let go: its
//! write sessions would be closed.

use std::cmp::Reverse;
use std::time::Duration;

use super::facts::{HostPort, RunId};
use super::ids::NodeId;
use super::node::NodeState;
use super::time::Moment;

/// How long no majority must have listed a learned node. After `SENTINEL RESET` a Sentinel finds its
/// replicas again within ten seconds, from INFO of the primary.
pub const FORGET_AFTER: Duration = Duration::from_secs(30);

/// How many nodes are learned at most in a group: what a Sentinel says must not fill our memory.
pub const MOST_LEARNED: usize = 64;

/// A node as a Sentinel lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its address, as the Sentinel knows it.
    pub address: HostPort,
    /// The process there; none while the Sentinel has not asked it.
    pub run_id: Option<RunId>,
}

/// What is to be done to the nodes of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A node is to be added at this address.
    Learn(HostPort),
    /// No new sessions for this one; it is dropped once the last one has gone.
    Retire(NodeId),
    /// It is listed again.
    Return(NodeId),
}

/// What all configured Sentinels list; without Sentinels that were told to, nothing.
#[derive(Clone, Debug, Default)]
pub struct Discovery {
    lists: Vec<Option<Vec<Listed>>>,
    /// Learned nodes that no majority lists, and since when.
    missing: Vec<(NodeId, Moment)>,
}

impl Discovery {
    /// Of so many Sentinels, none of which has been asked yet.
    pub fn new(sentinels: usize) -> Self {
        Self {
            lists: vec![None; sentinels],
            missing: Vec::new(),
        }
    }

    /// Whether nothing is learned.
    pub(super) fn is_off(&self) -> bool {
        self.lists.is_empty()
    }

    /// Takes in what one Sentinel lists, none when it does not say. An index that is none is ignored.
    pub(super) fn hear(&mut self, index: usize, list: Option<Vec<Listed>>) {
        if let Some(place) = self.lists.get_mut(index) {
            *place = list;
        }
    }

    /// What is to be done now. `holder` is the node that holds the election. `own` says whether an address is
    /// one of our own listeners: a replica that replicates through us shows at the primary under our address.
    pub(super) fn changes(
        &mut self,
        nodes: &[NodeState],
        holder: Option<NodeId>,
        own: impl Fn(&HostPort) -> bool,
        now: Moment,
    ) -> Vec<Change> {
        if self.is_off() {
            return Vec::new();
        }
        let wanted = self.listed_by_majority();
        let mut changes = self.follow_missing(nodes, &wanted, holder, now);
        let learned = nodes.iter().filter(|node| node.learned).count();
        let unknown = wanted.iter().filter(|listed| {
            // One that no Sentinel has ever asked may be an address where nobody is.
            listed.run_id.is_some()
                && !own(&listed.address)
                && !nodes.iter().any(|node| self.is_known_at(node, listed))
        });
        // Before the written nodes have told who they are, they cannot be recognised by their runs.
        let written = nodes.iter().filter(|node| !node.learned && !node.leaving);
        let unknown = unknown.filter(|_| written.clone().all(was_heard));
        changes.extend(
            unknown
                .take(MOST_LEARNED.saturating_sub(learned))
                .map(|listed| Change::Learn(listed.address.clone())),
        );
        changes
    }

    /// When the next missing node is let go.
    pub(super) fn next_deadline(&self) -> Option<Moment> {
        let all = self
            .missing
            .iter()
            .map(|(_, since)| since.plus(FORGET_AFTER));
        all.min()
    }

    fn follow_missing(
        &mut self,
        nodes: &[NodeState],
        wanted: &[Listed],
        holder: Option<NodeId>,
        now: Moment,
    ) -> Vec<Change> {
        let majority_answers = self.is_majority(self.lists.iter().flatten().count());
        let mut changes = Vec::new();
        let mut missing = Vec::new();
        for node in nodes.iter().filter(|node| node.learned) {
            let id = node.settings.id;
            if self.is_superseded(nodes, node, holder) {
                if !node.leaving && holder != Some(id) {
                    changes.push(Change::Retire(id));
                }
                continue;
            }
            if wanted.iter().any(|listed| is_same(node, listed)) {
                if node.leaving {
                    changes.push(Change::Return(id));
                }
                continue;
            }
            let known = self.missing.iter().find(|(known, _)| *known == id);
            let since = known.map_or(now, |(_, since)| *since);
            if node.leaving || (known.is_none() && !majority_answers) {
                continue;
            }
            if majority_answers && now.since(since) >= FORGET_AFTER {
                changes.push(Change::Retire(id));
            } else {
                missing.push((id, since));
            }
        }
        self.missing = missing;
        changes
    }

    /// Each address that more than half of the Sentinels list, once.
    fn listed_by_majority(&self) -> Vec<Listed> {
        let lists = || self.lists.iter().flatten();
        let mut wanted: Vec<Listed> = Vec::new();
        for listed in lists().flatten() {
            let address = &listed.address;
            let known = wanted.iter().any(|other| other.address == *address);
            if !known && self.is_majority(self.count(address)) {
                wanted.push(listed.clone());
            }
        }
        wanted
    }

    fn is_majority(&self, count: usize) -> bool {
        count * 2 > self.lists.len()
    }

    /// How many Sentinels list this address.
    fn count(&self, address: &HostPort) -> usize {
        let lists = self.lists.iter().flatten();
        lists
            .filter(|list| list.iter().any(|listed| listed.address == *address))
            .count()
    }

    /// Whether nothing is to be learned at a listed address: a node is there, or a node is the same process
    /// at an address that is as good. A learned one that does not answer, or that fewer Sentinels list, is
    /// at no such address.
    fn is_known_at(&self, node: &NodeState, listed: &Listed) -> bool {
        let as_good = || {
            let own = node.settings.address.as_ref();
            let own = own.map_or(0, |address| self.count(address));
            !node.learned || (!node.is_gone() && own >= self.count(&listed.address))
        };
        node.is_at(&listed.address) || (is_same(node, listed) && as_good())
    }

    /// Whether a learned node is another address of a process that has a better one: one that is written
    /// down, or a learned one that answers and ranks before it.
    fn is_superseded(
        &self,
        nodes: &[NodeState],
        learned: &NodeState,
        holder: Option<NodeId>,
    ) -> bool {
        let is_before = |other: &NodeState| {
            // In the order in which they were learned.
            let place = |node: &NodeState| {
                let mut all = nodes.iter();
                all.position(|known| known.settings.id == node.settings.id)
            };
            let rank = |node: &NodeState| {
                let address = node.settings.address.as_ref();
                let listed = address.map_or(0, |address| self.count(address));
                let holds = holder == Some(node.settings.id);
                (
                    node.leaving,
                    node.is_gone(),
                    Reverse(listed),
                    !holds,
                    place(node),
                )
            };
            rank(other) < rank(learned)
        };
        let mut others = nodes.iter().filter(|other| !other.leaving);
        learned.run_id().is_some()
            && others.any(|other| {
                other.settings.id != learned.settings.id
                    && other.run_id() == learned.run_id()
                    && (!other.learned || (!other.is_gone() && is_before(other)))
            })
    }
}

/// Whether a check of it has come to an end, whatever it brought.
fn was_heard(node: &NodeState) -> bool {
    node.last_check.is_some()
}

/// By address, else by run: announced addresses differ from ours behind NAT.
fn is_same(node: &NodeState, listed: &Listed) -> bool {
    let same_run = || listed.run_id.is_some() && node.run_id() == listed.run_id.as_ref();
    node.is_at(&listed.address) || same_run()
}

#[cfg(test)]
mod tests;
