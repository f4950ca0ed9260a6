//! Which nodes the Sentinels know beside those that are written down (`discover: true`).
//!
//! A node is learned when more than half of the configured Sentinels list it: one that lies, or watches
//! another group under the same name, teaches us nothing. It is let go when more than half answer, no
//! majority has listed it for [`FORGET_AFTER`], and it was learned; what is written down stays.
//! Sentinels that are away change nothing. A learned node is unknown until checked like any other (R1).

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

    /// What is to be done now. `own` says whether an address is one of our own listeners: a replica
    /// that replicates through us shows at the primary under our address.
    pub(super) fn changes(
        &mut self,
        nodes: &[NodeState],
        own: impl Fn(&HostPort) -> bool,
        now: Moment,
    ) -> Vec<Change> {
        if self.is_off() {
            return Vec::new();
        }
        let wanted = self.listed_by_majority();
        let mut changes = self.follow_missing(nodes, &wanted, now);
        let learned = nodes.iter().filter(|node| node.learned).count();
        let unknown = wanted.iter().filter(|listed| {
            // One that no Sentinel has ever asked may be an address where nobody is.
            listed.run_id.is_some()
                && !own(&listed.address)
                && !nodes.iter().any(|node| is_same(node, listed))
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
        now: Moment,
    ) -> Vec<Change> {
        let majority_answers = self.is_majority(self.lists.iter().flatten().count());
        let mut changes = Vec::new();
        let mut missing = Vec::new();
        for node in nodes.iter().filter(|node| node.learned) {
            let id = node.settings.id;
            if is_alias(nodes, node) {
                if !node.leaving {
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
            let count = lists()
                .filter(|list| list.iter().any(|other| other.address == *address))
                .count();
            let known = wanted.iter().any(|other| other.address == *address);
            if !known && self.is_majority(count) {
                wanted.push(listed.clone());
            }
        }
        wanted
    }

    fn is_majority(&self, count: usize) -> bool {
        count * 2 > self.lists.len()
    }
}

/// Whether it turned out to be another address of a node that is written down.
fn is_alias(nodes: &[NodeState], learned: &NodeState) -> bool {
    let mut written = nodes.iter().filter(|node| !node.learned && !node.leaving);
    learned.run_id().is_some() && written.any(|node| node.run_id() == learned.run_id())
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
mod tests {
    use super::*;
    use crate::core::health::Thresholds;
    use crate::core::node::NodeSettings;
    use crate::core::outcome::Outcome;
    use crate::core::sample::{at, primary, report};

    const LIMITS: Thresholds = Thresholds { fall: 6, rise: 2 };

    fn place(last: u8) -> HostPort {
        HostPort::new(&format!("10.1.1.{last}"), 6379)
    }

    fn node(id: u32, learned: bool) -> NodeState {
        let settings = NodeSettings {
            id: NodeId(id),
            name: format!("redis-{id}").into(),
            address: Some(place(u8::try_from(id).unwrap())),
            local: false,
            weight: 1,
        };
        let mut node = NodeState::new(settings, at(0));
        node.learned = learned;
        node.fold(&report(at(0), Outcome::Refused), LIMITS);
        node
    }

    #[expect(clippy::unnecessary_wraps, reason = "as Sentinels are told of")]
    fn list(places: &[u8]) -> Option<Vec<Listed>> {
        let listed = |last: &u8| Listed {
            address: place(*last),
            run_id: Some(RunId(format!("run at {last}").into())),
        };
        Some(places.iter().map(listed).collect())
    }

    fn told(lists: &[Option<Vec<Listed>>]) -> Discovery {
        let mut discovery = Discovery::new(lists.len());
        for (index, list) in lists.iter().enumerate() {
            discovery.hear(index, list.clone());
        }
        discovery
    }

    fn changes(discovery: &mut Discovery, nodes: &[NodeState], millis: u64) -> Vec<Change> {
        discovery.changes(nodes, |_| false, at(millis))
    }

    #[test]
    fn a_majority_teaches_and_one_alone_does_not() {
        let nodes = [node(1, false)];
        let mut discovery = told(&[list(&[1, 2]), list(&[1, 2, 66]), None]);
        assert_eq!(
            changes(&mut discovery, &nodes, 1),
            [Change::Learn(place(2))]
        );
        let mut discovery = told(&[list(&[1, 2]), None, None]);
        assert_eq!(changes(&mut discovery, &nodes, 1), [], "one of three");
    }

    #[test]
    fn what_is_known_by_address_or_run_or_is_ourselves_is_not_learned() {
        let mut known = node(1, false);
        let facts = primary("run-1", "history");
        known.fold(&report(at(1), Outcome::Answered(Box::new(facts))), LIMITS);
        let behind_nat = Listed {
            address: place(77),
            run_id: Some(RunId("run-1".into())),
        };
        let mut discovery = told(&[Some(vec![behind_nat])]);
        assert_eq!(changes(&mut discovery, &[known.clone()], 2), []);
        let mut discovery = told(&[list(&[1, 9])]);
        let ours = |address: &HostPort| *address == place(9);
        assert_eq!(discovery.changes(&[known], ours, at(2)), []);
    }

    #[test]
    fn before_the_written_nodes_were_heard_and_without_a_run_nothing_is_learned() {
        let mut silent = node(1, false);
        silent.last_check = None;
        let mut discovery = told(&[list(&[1, 2])]);
        assert_eq!(changes(&mut discovery, &[silent], 1), []);
        let nobody = Listed {
            address: place(2),
            run_id: None,
        };
        let mut discovery = told(&[Some(vec![nobody])]);
        assert_eq!(changes(&mut discovery, &[node(1, false)], 1), []);
    }

    #[test]
    fn an_alias_of_a_written_node_goes_at_once() {
        let said = || Outcome::Answered(Box::new(primary("run-1", "history")));
        let (mut written, mut alias) = (node(1, false), node(2, true));
        alias.fold(&report(at(1), said()), LIMITS);
        let mut discovery = told(&[list(&[1, 2])]);
        let nodes = [written.clone(), alias.clone()];
        assert_eq!(changes(&mut discovery, &nodes, 1), []);
        written.fold(&report(at(2), said()), LIMITS);
        let nodes = [written, alias];
        let gone = [Change::Retire(NodeId(2))];
        assert_eq!(changes(&mut discovery, &nodes, 2), gone);
    }

    #[test]
    fn a_learned_node_goes_when_a_majority_has_not_listed_it_for_long() {
        let mut nodes = [node(1, false), node(2, true)];
        let mut discovery = told(&[list(&[1]), list(&[1]), None]);
        assert_eq!(changes(&mut discovery, &nodes, 1000), []);
        assert_eq!(discovery.next_deadline(), Some(at(31_000)));
        assert_eq!(changes(&mut discovery, &nodes, 30_999), []);
        assert_eq!(
            changes(&mut discovery, &nodes, 31_000),
            [Change::Retire(NodeId(2))]
        );
        nodes[1].leaving = true;
        assert_eq!(changes(&mut discovery, &nodes, 31_001), [], "once");
        assert_eq!(discovery.next_deadline(), None);
        discovery.hear(0, list(&[1, 2]));
        discovery.hear(1, list(&[1, 2]));
        assert_eq!(
            changes(&mut discovery, &nodes, 32_000),
            [Change::Return(NodeId(2))]
        );
    }

    #[test]
    fn sentinels_that_are_away_change_nothing() {
        let nodes = [node(1, false), node(2, true)];
        let mut discovery = told(&[list(&[1]), None, None]);
        assert_eq!(changes(&mut discovery, &nodes, 1), []);
        assert_eq!(changes(&mut discovery, &nodes, 60_000), []);
        assert_eq!(discovery.next_deadline(), None);
    }

    #[test]
    fn one_that_is_listed_again_in_time_is_not_missed() {
        let nodes = [node(1, false), node(2, true)];
        let mut discovery = told(&[list(&[1])]);
        changes(&mut discovery, &nodes, 1000);
        discovery.hear(0, list(&[1, 2]));
        assert_eq!(changes(&mut discovery, &nodes, 20_000), []);
        discovery.hear(0, list(&[1]));
        assert_eq!(changes(&mut discovery, &nodes, 40_000), []);
        assert_eq!(discovery.next_deadline(), Some(at(70_000)));
    }

    #[test]
    fn what_a_sentinel_says_does_not_fill_the_memory() {
        let many: Vec<u8> = (0..=255).collect();
        let mut discovery = told(&[list(&many)]);
        let learned = changes(&mut discovery, &[], 1);
        assert_eq!(learned.len(), MOST_LEARNED);
    }
}
