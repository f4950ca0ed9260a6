//! Replication facts: what one complete check of a node said, in types.
//!
//! Filled by `redis/info.rs` from PING, INFO replication and INFO server. Nothing here judges.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The 40 hexadecimal digits that a server process draws at its start (`run_id` of INFO server).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub Arc<str>);

/// The name of a replication history (`master_replid`). A replica carries its primary's; a promoted
/// replica draws a new one and keeps the old as `master_replid2` (Redis 4 and later, "PSYNC2").
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplId(pub Arc<str>);

/// A host and a port as a node names them: a name or a literal address, not looked up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPort {
    /// The host as written, without brackets.
    pub host: Arc<str>,
    /// The TCP port.
    pub port: u16,
}

/// What one complete check of a node said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Which process answered.
    pub run_id: RunId,
    /// `redis_version` (or `valkey_version`), for people.
    pub version: Arc<str>,
    /// `redis_mode`: anything but standalone is a configuration error (R1).
    pub mode: Mode,
    /// The role and what belongs to it.
    pub role: Role,
    /// `master_replid`; none before Redis 4.
    pub replid: Option<ReplId>,
    /// `master_replid2`: the history that this one branched from; none when it is all zeros.
    pub replid2: Option<ReplId>,
    /// It tells `master_replid2` at all, be it zeros: Redis 4 and later do, Dragonfly does not. Without it a new
    /// `master_replid` cannot be told from one that a promotion has drawn (R17).
    pub tells_branch: bool,
    /// `second_repl_offset`: where it branched; none when it is -1.
    pub second_offset: Option<u64>,
    /// `master_repl_offset`, in bytes.
    pub offset: u64,
    /// `master_failover_state` is something else than `no-failover` (Redis 6.2 and later).
    pub handover: bool,
    /// What the reply to PING said beside +PONG.
    pub condition: Condition,
    /// Whether the node holds keys; asked (INFO keyspace) only of a primary that looks new (R5).
    pub has_keys: Option<bool>,
    /// `total_net_repl_input_bytes` of INFO stats (Redis 7.0 and later), in bytes: what this process has
    /// received of replication streams. 0 at a primary that loaded a copy of a dump. Asked only of a primary
    /// with a `master_replid2` (R3 (2)); none otherwise, and where the product does not tell it.
    pub stream_bytes: Option<u64>,
    /// `min_slaves_good_slaves`: replicas that are connected and not behind `min-slaves-max-lag`. None where
    /// no minimum is set (R19).
    pub good_replicas: Option<u32>,
    /// `uptime_in_seconds` of INFO server, as told when the check connection was opened.
    pub uptime: Option<Duration>,
}

/// `redis_mode` of INFO server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The only mode that is proxied.
    Standalone,
    /// A node of Redis Cluster, which routes by key and is no business of ours.
    Cluster,
    /// A Sentinel given as a node.
    Sentinel,
}

/// What PING was answered with, when the node is alive and INFO was answered too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// +PONG.
    Normal,
    /// -MISCONF: it cannot save to disk and refuses writes.
    Misconf,
    /// -MASTERDOWN: a replica with `replica-serve-stale-data no` and a broken link refuses reads.
    MasterDown,
}

/// The role that a node claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// `role:master`.
    Primary {
        /// `connected_slaves`.
        connected_replicas: u32,
    },
    /// `role:slave`, and its dialects.
    Replica(ReplicaFacts),
}

/// What a replica says of its link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaFacts {
    /// `master_host` and `master_port`.
    pub master: HostPort,
    /// `master_link_status` is `up`.
    pub link_up: bool,
    /// `master_link_down_since_seconds` while the link is down; none when it never was up: the
    /// field is -1 then, and before Redis 6.2 a Unix time.
    pub link_down_for: Option<Duration>,
    /// `master_sync_in_progress`: a full sync is replacing its data.
    pub syncing: bool,
    /// `slave_repl_offset`, in bytes.
    pub offset: u64,
    /// `master_last_io_seconds_ago`; none when it is -1.
    pub last_io: Option<Duration>,
}

impl Facts {
    /// Whether the node claims to be primary.
    pub fn claims(&self) -> bool {
        matches!(self.role, Role::Primary { .. })
    }

    /// The replica's side of the facts, if it says that it is one.
    pub fn replica(&self) -> Option<&ReplicaFacts> {
        match &self.role {
            Role::Replica(replica) => Some(replica),
            Role::Primary { .. } => None,
        }
    }

    /// R19: a primary with `min-slaves-to-write` set that answers each write with -NOREPLICAS.
    pub fn lacks_replicas(&self) -> bool {
        self.claims() && self.good_replicas == Some(0)
    }

    /// R5: a primary with no trace of ever having replicated: offset 0, no earlier history, no
    /// replicas connected.
    pub fn looks_unproven(&self) -> bool {
        matches!(
            self.role,
            Role::Primary {
                connected_replicas: 0
            }
        ) && self.offset == 0
            && self.replid2.is_none()
    }
}

impl HostPort {
    /// Builds one from its parts.
    pub fn new(host: &str, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
        }
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ReplId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
