//! What the two processes say: one JSON object a line. The binaries differ, that is what a takeover is
//! for, so a field is never renamed and a new one has a default.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::model::Bind;

/// Grows when an older binary could not understand a newer one.
pub(super) const PROTOCOL: u32 = 1;

/// The first word of the new process.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Hello {
    pub(super) protocol: u32,
    pub(super) pid: u32,
    pub(super) version: String,
    /// How long the old process may keep its sessions.
    limit_ms: u64,
}

/// What the old process says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub(super) enum Answer {
    /// A descriptor for each of `owned` follows.
    Sockets {
        pid: u32,
        version: String,
        /// Whether the socket has a file that goes with it.
        owned: Vec<bool>,
        /// Those that take writes there.
        #[serde(default)]
        primaries: Vec<Primary>,
        /// What operators have ordered there.
        #[serde(default)]
        orders: Vec<NodeOrder>,
    },
    /// No.
    Refused { why: String },
    /// It has stopped accepting and has let go of everything.
    Released {
        /// What operators have ordered there by then.
        #[serde(default)]
        orders: Vec<NodeOrder>,
    },
}

/// The elected primary of a group, by which the new process knows whether it has come to the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Primary {
    /// The group's name.
    pub group: String,
    /// The node's name.
    pub node: String,
    /// Where it is dialled.
    pub address: String,
}

/// What an operator has ordered for a node, which is to stay so under the new process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeOrder {
    /// The group's name.
    pub group: String,
    /// The node's name.
    pub node: String,
    /// `drain` or `maintenance`; a newer binary may know others.
    pub order: String,
}

impl NodeOrder {
    /// Whether both are for the same node.
    pub fn is_for(&self, other: &Self) -> bool {
        self.group == other.group && self.node == other.node
    }
}

impl Primary {
    /// Whether both mean one node; it may have been given another name, or another address.
    pub fn is(&self, other: &Self) -> bool {
        self.group == other.group && (self.node == other.node || self.address == other.address)
    }
}

/// The last word of the new process: it accepts.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Ready {
    taken: Vec<String>,
}

impl Hello {
    pub(super) fn new(limit: Duration) -> Self {
        Self {
            protocol: PROTOCOL,
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            limit_ms: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX),
        }
    }

    pub(super) fn limit(&self) -> Duration {
        Duration::from_millis(self.limit_ms)
    }
}

impl Ready {
    pub(super) fn new(taken: &[Bind]) -> Self {
        Self {
            taken: taken.iter().map(Bind::to_string).collect(),
        }
    }

    /// Those of `all` that were taken.
    pub(super) fn taken(&self, all: Vec<Bind>) -> Vec<Bind> {
        all.into_iter()
            .filter(|bind| self.taken.contains(&bind.to_string()))
            .collect()
    }
}
