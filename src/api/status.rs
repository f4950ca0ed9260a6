//! `/api/status`: the whole proxy at one moment.

use serde::{Deserialize, Serialize};

/// The whole answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// What is running.
    pub build: Build,
    /// When this answer was made.
    pub time: String,
    /// How long the process has been running.
    pub uptime_seconds: f64,
    /// It accepts no new connections: SIGTERM, or a newer process has taken over.
    pub draining: bool,
    /// The configuration in force.
    pub config: ConfigStatus,
    /// The worker threads.
    pub workers: Vec<WorkerStatus>,
    /// The groups, in the order of the configuration.
    pub groups: Vec<GroupStatus>,
    /// The listeners, in the order of the configuration.
    pub listeners: Vec<ListenerStatus>,
}

/// What is running.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// Of rolecall.
    pub version: String,
    /// The process.
    pub pid: u32,
    /// The operating system and the processor: `linux x86_64`.
    pub platform: String,
}

/// The configuration in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigStatus {
    /// Where it was read from.
    pub path: String,
    /// When it came into force.
    pub loaded: String,
    /// What was wrong with a newer file that was refused; null when the last attempt succeeded.
    pub refused: Option<String>,
}

/// One worker thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerStatus {
    /// From 0.
    pub index: usize,
    /// Client connections that it serves.
    pub connections: usize,
}

/// One group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupStatus {
    /// Its name.
    pub name: String,
    /// How it is.
    pub state: GroupState,
    /// The same as a sentence, with who and why.
    pub text: String,
    /// The elected primary; null while nobody is.
    pub primary: Option<PrimaryStatus>,
    /// How many nodes say role:master.
    pub claimants: usize,
    /// Its Sentinels; empty when none is configured.
    pub sentinels: Vec<SentinelStatus>,
    /// Its nodes, in the order of the configuration; learned ones follow.
    pub nodes: Vec<NodeStatus>,
}

/// How a group is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GroupState {
    /// An elected primary lives and takes new writes, and nobody else claims.
    Ok,
    /// The same, and yet the group lacks something: the primary refuses writes (MISCONF, NOREPLICAS), Sentinels
    /// name another one, or a node holds data of another history.
    Degraded,
    /// The primary hands its role over, an operator's switchover is under way, or an operator drains it.
    Handover,
    /// Several claim to be primary; an elected one still gets the writes if there is one.
    Conflict,
    /// Nobody is elected, the elected one is gone, or it takes no new writes: they wait.
    NoPrimary,
}

/// The elected primary.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PrimaryStatus {
    /// The node's name.
    pub node: String,
    /// It answers its checks (or has been silent for less than `fall` of them).
    pub living: bool,
    /// When it was elected.
    pub since: String,
    /// How long ago that was.
    pub since_seconds: f64,
    /// Counts elections from 1.
    pub term: u64,
    /// By which rule, such as `R3.3`.
    pub rule: String,
    /// Why, in words.
    pub evidence: String,
}

/// One Sentinel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentinelStatus {
    /// Its address as written.
    pub address: String,
    /// It answered the last question.
    pub answers: bool,
    /// Whom it named last, as `host:port`; null while it has named nobody.
    pub names: Option<String>,
    /// The version of its configuration then.
    pub config_epoch: Option<u64>,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a contract of independent facts"
)]
pub struct NodeStatus {
    /// Its name.
    pub name: String,
    /// Where it is, as written.
    pub address: String,
    /// The address that is dialled, once the name was looked up; null before.
    pub dialled: Option<String>,
    /// `local: true`.
    pub local: bool,
    /// 1 to 256.
    pub weight: u32,
    /// It was learned from Sentinel.
    pub learned: bool,
    /// What was ordered.
    pub order: NodeOrder,
    /// It answers its checks.
    pub up: bool,
    /// The role that it reported last.
    pub role: NodeRole,
    /// Whom it replicates from, as `host:port`; null for others than replicas.
    pub follows: Option<String>,
    /// Its link to that is up; null for others than replicas.
    pub link_up: Option<bool>,
    /// What it may take now.
    pub serves: Serves,
    /// Why not more than that; null when there is nothing to say.
    pub reason: Option<String>,
    /// Somebody should look: the reason does not belong to a healthy group.
    pub trouble: bool,
    /// Since when it may take that, and no more.
    pub since: String,
    /// How long ago that was.
    pub since_seconds: f64,
    /// How many bytes of the replication stream it lacks; null when unknown.
    pub lag_bytes: Option<u64>,
    /// How long ago the primary was where it is; null when unknown.
    pub lag_seconds: Option<f64>,
    /// Open sessions.
    pub sessions: usize,
    /// `redis_version`; null before the first complete check.
    pub version: Option<String>,
    /// `run_id`; null before the first complete check.
    pub run_id: Option<String>,
    /// The last check; null before the first.
    pub last_check: Option<LastCheck>,
}

/// What was ordered for a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeOrder {
    /// Take part.
    Ready,
    /// No new sessions; open ones stay.
    Drain,
    /// No sessions, no election, no vote.
    Maintenance,
    /// It is no longer configured or known to Sentinel, and goes with its last session.
    Leaving,
}

/// The role that a node reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeRole {
    /// It says role:master.
    Primary,
    /// It says role:slave.
    Replica,
    /// It has not said, or is down.
    Unknown,
}

/// What a node may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Serves {
    /// Writes, as the elected primary.
    Writes,
    /// Reads, as a replica.
    Reads,
    /// Nothing.
    Nothing,
}

/// The last check of a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LastCheck {
    /// A value of the label `outcome` of `rolecall_checks_total`.
    pub outcome: String,
    /// The same in words, after the node's name.
    pub text: String,
    /// How long ago it ended.
    pub age_seconds: f64,
    /// How long it took.
    pub took_seconds: f64,
}

/// One listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenerStatus {
    /// Its name.
    pub name: String,
    /// Its group.
    pub group: String,
    /// `read-write`, `read-only` or `local-read-only`.
    pub access: String,
    /// Where it listens.
    pub binds: Vec<String>,
    /// The listener that it falls back to.
    pub fallback: Option<String>,
    /// Open client connections, parked ones included.
    pub connections: usize,
    /// Connections that wait for a node.
    pub parked: usize,
    /// `max_connections`, if set.
    pub max_connections: Option<usize>,
    /// Who gets new connections now; empty: they are parked.
    pub serving: Vec<String>,
    /// The same as a sentence, with why when they are parked.
    pub text: String,
    /// Its chain, best tier first.
    pub chain: Vec<TierStatus>,
}

/// One tier of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TierStatus {
    /// Whose tier it is: not the listener itself once the chain has fallen back.
    pub listener: String,
    /// By which rules its nodes are judged: `read-write`, `read-only` or `local-read-only`.
    pub access: String,
    /// New connections go to this tier now.
    pub serves: bool,
    /// Its nodes.
    pub nodes: Vec<TierNode>,
}

/// One node of a tier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TierNode {
    /// Its name.
    pub node: String,
    /// It may serve this tier now.
    pub eligible: bool,
    /// New connections go to it now, or to another of `serving` with fewer sessions.
    pub chosen: bool,
    /// Why it is not eligible, or why it is eligible and passed over; null when it is chosen.
    pub reason: Option<String>,
}
