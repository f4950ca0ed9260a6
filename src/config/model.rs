//! The validated configuration. Only `config/` makes these values, so whoever holds one need not check
//! it again: names are unique, chains have no loop, durations are in range, secrets are resolved.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::core::chain::{Access, Chain};
use crate::core::facts::HostPort;
use crate::core::ids::{GroupId, ListenerId, NodeId};

/// A whole configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// At least one.
    pub groups: Vec<GroupConfig>,
    /// At least one.
    pub listeners: Vec<ListenerConfig>,
    /// Where to ask the proxy how it is.
    pub admin: AdminConfig,
    /// Worker threads, at least 1; one per core by default.
    pub workers: usize,
    /// How long sessions may go on after SIGTERM.
    pub grace: Duration,
    /// How to log.
    pub log: LogConfig,
}

/// The configuration in force, and how it came to be.
#[derive(Clone, Debug)]
pub struct InForce {
    /// The configuration.
    pub config: Arc<Config>,
    /// Where it was read from.
    pub path: PathBuf,
    /// When it came into force.
    pub loaded: SystemTime,
    /// What was wrong with a newer file; none when the last attempt succeeded.
    pub refused: Option<Arc<str>>,
}

/// One replication group.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupConfig {
    /// Its number in this process.
    pub id: GroupId,
    /// Its name.
    pub name: Arc<str>,
    /// At least one; names and addresses are unique.
    pub nodes: Vec<NodeConfig>,
    /// For checks; none sends no AUTH.
    pub auth: Option<Credentials>,
    /// How nodes are checked.
    pub check: CheckConfig,
    /// R3 (4): how long a sole claimant waits.
    pub claim_hold: Duration,
    /// R10; none: lag only ranks.
    pub max_lag: Option<MaxLag>,
    /// R9: how long replicas serve reads without a primary.
    pub stale_reads: Duration,
    /// The Sentinels of the group.
    pub sentinel: Option<SentinelConfig>,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeConfig {
    /// Its number in this process.
    pub id: NodeId,
    /// Its name.
    pub name: Arc<str>,
    /// Where it listens, as written.
    pub address: Address,
    /// Never primary, never votes.
    pub local: bool,
    /// 1 to 256.
    pub weight: u32,
}

/// An address to dial, as written: a host name is looked up at each dial.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// `host:port`.
    Tcp(HostPort),
    /// `unix:/path`.
    Unix(PathBuf),
}

/// A user and a password for AUTH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The ACL user (Redis 6 and later); none for the plain AUTH of a password.
    pub username: Option<String>,
    /// Never empty.
    pub password: Secret,
}

/// A text that is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// How nodes are checked (R8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckConfig {
    /// From start to start.
    pub interval: Duration,
    /// The same while anything is in motion.
    pub fast_interval: Duration,
    /// For one whole check.
    pub timeout: Duration,
    /// Time-outs in a row until a node is down.
    pub fall: u32,
    /// Good checks in a row until it is up again after that.
    pub rise: u32,
}

/// R10: how far a replica may lag; at least one is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxLag {
    /// In bytes of the replication stream.
    pub bytes: Option<u64>,
    /// In time.
    pub seconds: Option<Duration>,
}

/// The Sentinels of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SentinelConfig {
    /// The master name that the Sentinels know.
    pub name: Arc<str>,
    /// At least one.
    pub addresses: Vec<Address>,
    /// Learn nodes from Sentinel.
    pub discover: bool,
    /// For the Sentinels themselves.
    pub auth: Option<Credentials>,
}

/// One listener.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListenerConfig {
    /// Its number in this process.
    pub id: ListenerId,
    /// Its name.
    pub name: Arc<str>,
    /// Whose nodes it serves.
    pub group: GroupId,
    /// What applications may do there.
    pub access: Access,
    /// Where it listens; at least one.
    pub binds: Vec<Bind>,
    /// Its tiers, those of its fallback included.
    pub chain: Chain,
    /// The listener that it falls back to.
    pub fallback: Option<ListenerId>,
    /// Sessions at a time; none: as many as descriptors allow.
    pub max_connections: Option<usize>,
    /// Closes sessions that moved no byte for so long; none: never.
    pub idle_timeout: Option<Duration>,
    /// For one dial of a node.
    pub connect_timeout: Duration,
    /// R13.
    pub park: ParkConfig,
    /// R16; none: sessions stay on the tier where they are.
    pub fallback_max_age: Option<Duration>,
}

/// Where a listener listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Bind {
    /// TCP.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

/// R13: connections that wait for a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParkConfig {
    /// How long one waits.
    pub timeout: Duration,
    /// How many wait at a time.
    pub max: usize,
}

/// Where to ask the proxy how it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AdminConfig {
    /// Read only: metrics, readiness, status.
    pub http: Option<SocketAddr>,
    /// Commands.
    pub socket: Option<PathBuf>,
    /// Permission bits of the socket; 0600 by default.
    pub socket_mode: u32,
    /// `user` or `user:group` that the socket is given to.
    pub socket_owner: Option<String>,
}

/// How to log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// Text for people or JSON for machines.
    pub format: LogFormat,
    /// The least important line that is written.
    pub level: LogLevel,
}

/// The shape of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// How important a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Something is wrong and somebody must act.
    Error,
    /// Something is wrong and may heal.
    Warn,
    /// Changes, and the end of each session.
    Info,
    /// Each check, and the beginning of each session.
    Debug,
    /// All there is.
    Trace,
}

impl LogLevel {
    /// The word for it in the configuration.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// For one dial of a node, where a listener says nothing else.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

impl Default for ParkConfig {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            max: 1024,
        }
    }
}

impl ListenerConfig {
    /// A listener with the defaults of what may be left out.
    pub fn new(
        id: ListenerId,
        name: &str,
        group: GroupId,
        access: Access,
        binds: Vec<Bind>,
        chain: Chain,
    ) -> Self {
        Self {
            id,
            name: name.into(),
            group,
            access,
            binds,
            chain,
            fallback: None,
            max_connections: None,
            idle_timeout: None,
            connect_timeout: CONNECT_TIMEOUT,
            park: ParkConfig::default(),
            fallback_max_age: None,
        }
    }
}

impl Secret {
    /// Wraps a text.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself, for the wire and for nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host_port) => host_port.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}
