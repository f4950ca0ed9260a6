//! The published view: what the data plane needs to route, and nothing that changes with each check.
//!
//! A monitor builds one [`GroupView`] after each report and publishes it only when it differs from the
//! last one. Figures that move all the time (lag, ages) travel apart, for admin alone.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use super::answers::TermEnd;
use super::ids::{GroupId, ListenerId, NodeId};
use super::reason::{CloseReason, Ineligible};

/// Where to dial a node: its address after the name was looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// TCP.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// The immutable view of all groups.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// One view a group, each replaced as a whole by its monitor.
    pub groups: Vec<Arc<GroupView>>,
}

/// What routing knows of one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupView {
    /// Which group.
    pub id: GroupId,
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// R2: at most one.
    pub primary: Option<PrimaryView>,
    /// R20: the last term that ended, and what becomes of its answers.
    pub ended: Option<TermEnd>,
    /// All nodes, in the order of the configuration.
    pub nodes: Vec<NodeView>,
}

/// Who holds the election.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrimaryView {
    /// The elected node.
    pub node: NodeId,
    /// Counts elections: a session of an earlier term is closed, even on the same node (R7).
    pub term: u64,
}

/// What routing knows of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeView {
    /// Which node.
    pub id: NodeId,
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// Where to dial it; none while its name could not be looked up.
    pub target: Option<Target>,
    /// `local: true`.
    pub local: bool,
    /// Share of sessions relative to others, 1 to 256.
    pub weight: u32,
    /// Grows when the process or its data was replaced: read sessions of earlier runs are closed (R16).
    pub run: u32,
    /// Grows when a check has succeeded after a failed dial: whoever saw the dial fail may try again
    /// (R12).
    pub redeemed: u32,
    /// May it take new write connections: only the elected primary ever may.
    pub write: Result<(), Ineligible>,
    /// May it take new read connections as a replica.
    pub read: Result<(), Ineligible>,
    /// R16: its read sessions must go, for this reason.
    pub close_reads: Option<CloseReason>,
    /// R8: time-outs in a row, counted to two.
    pub silence: Silence,
    /// R10: stale without a limit configured: ranks last in its tier.
    pub stale: bool,
    /// R14: listeners that it may not serve, because it replicates through one of them.
    pub looping: Option<Looping>,
}

/// R8: how long a node has been silent, as far as it matters to replicas with company.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Silence {
    /// It answered its last check.
    None,
    /// One time-out: passed over where there is company.
    Once,
    /// Two or more: loses its read sessions where there is company.
    Twice,
}

/// R14: the listener that a node replicates through, and all that this listener falls back to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looping {
    /// The name of the listener, for words.
    pub through: Arc<str>,
    /// The listeners that may not use the node.
    pub barred: Vec<ListenerId>,
}

impl Snapshot {
    /// The view of a group, if it is there.
    pub fn group(&self, id: GroupId) -> Option<&Arc<GroupView>> {
        self.groups.iter().find(|group| group.id == id)
    }

    /// This snapshot with one group's view replaced or added.
    #[must_use]
    pub fn with(&self, view: GroupView) -> Self {
        let mut groups = self.groups.clone();
        let view = Arc::new(view);
        match groups.iter_mut().find(|group| group.id == view.id) {
            Some(place) => *place = view,
            None => groups.push(view),
        }
        Self { groups }
    }
}

impl Snapshot {
    /// This snapshot without a group.
    #[must_use]
    pub fn without(&self, group: GroupId) -> Self {
        let others = self.groups.iter().filter(|view| view.id != group);
        Self {
            groups: others.cloned().collect(),
        }
    }
}

impl GroupView {
    /// The view of a node, if it belongs to the group.
    pub fn node(&self, id: NodeId) -> Option<&NodeView> {
        self.nodes.iter().find(|node| node.id == id)
    }
}
