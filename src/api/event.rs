//! `/api/events`: the last thousand events, oldest first.

use serde::{Deserialize, Serialize};

/// The whole answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Events {
    /// Oldest first.
    pub events: Vec<Event>,
}

/// One thing that happened. A follower gets one a line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Counts from 1 and never repeats while the process runs: ask for what came `?after=` it.
    pub number: u64,
    /// When.
    pub time: String,
    /// How much it matters.
    pub severity: Severity,
    /// What, for machines: `elected`, `lost`, `gone`, `back`, `conflict`, `conflict-over`, `role`,
    /// `verdict`, `added`, `learned`, `moved`, `leaving`, `returned`, `dropped`, `closed`, `order`, `reload`,
    /// `switchover`, `dissent`, `dissent-over`, `history-accepted`.
    pub kind: String,
    /// The group, where it is about one.
    pub group: Option<String>,
    /// The node, where it is about one.
    pub node: Option<String>,
    /// One sentence.
    pub text: String,
    /// Of `elected`: why.
    pub evidence: Option<Evidence>,
    /// Of `closed`: how many sessions, and why.
    pub closed: Option<ClosedEvent>,
}

/// How much an event matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// A change.
    Info,
    /// Somebody should look.
    Warning,
}

/// Why a node was elected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// By which rule, such as `R3.3`.
    pub rule: String,
    /// The election's number, from 1.
    pub term: u64,
    /// Whom it replaces.
    pub replaces: Option<String>,
    /// Who voted: replicas by name, or Sentinels by address. Empty where nobody did.
    pub voters: Vec<String>,
    /// How many could vote; null where nobody did.
    pub of: Option<usize>,
    /// Where its history branched, in bytes of the common one; null where descent was no evidence.
    pub offset: Option<u64>,
    /// How long it was the only claimant; null where that was no evidence.
    pub held_seconds: Option<f64>,
    /// It holds no keys and no trace of replication, or less of the history than another node had.
    pub may_have_lost_data: bool,
    /// How many bytes of the replication stream another node had beyond its data; null where none are known.
    #[serde(default)]
    pub lacks_bytes: Option<u64>,
}

/// Sessions that were closed in bulk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClosedEvent {
    /// How many, of one worker.
    pub sessions: usize,
    /// Why: a value of the label `reason` of `rolecall_sessions_closed_total`.
    pub reason: String,
    /// Which worker.
    pub worker: usize,
}
