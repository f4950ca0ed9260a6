//! What `rolecall check --connect` found, as its `--json` prints it.

use serde::{Deserialize, Serialize};

use super::status::{ListenerStatus, NodeRole, Serves};

/// All nodes and Sentinels of a configuration, asked once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Survey {
    /// Every listener could be served, and nothing is wrong: the exit code is 0. Hints do not count.
    pub ok: bool,
    /// The configuration file.
    pub config: String,
    /// How long it took.
    pub took_seconds: f64,
    /// How long it could have taken at most.
    pub deadline_seconds: f64,
    /// The groups, in the order of the configuration.
    pub groups: Vec<SurveyGroup>,
    /// Who would get new connections at each listener: what `/api/status` would say of a proxy that had
    /// just started, which has no connections.
    pub listeners: Vec<ListenerStatus>,
    /// What is wrong, what wants to be looked at, and what to do.
    pub findings: Vec<Finding>,
}

/// One group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SurveyGroup {
    /// Its name.
    pub name: String,
    /// Who would be elected primary; null: nobody.
    pub primary: Option<String>,
    /// By which rule, such as `R3.3`; null when nobody is.
    pub rule: Option<String>,
    /// After how long: 0, or `claim_hold` where time is the only evidence.
    pub after_seconds: f64,
    /// All this as a sentence.
    pub text: String,
    /// How many nodes say role:master.
    pub claimants: usize,
    /// Its nodes, in the order of the configuration; those that Sentinels made known follow.
    pub nodes: Vec<SurveyNode>,
    /// Its Sentinels, in the order of the configuration.
    pub sentinels: Vec<SurveySentinel>,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SurveyNode {
    /// Its name.
    pub name: String,
    /// Where it is, as written.
    pub address: String,
    /// The address that was dialled; null when its name could not be looked up.
    pub dialled: Option<String>,
    /// `local: true`.
    pub local: bool,
    /// It was learned from Sentinel.
    pub learned: bool,
    /// A value of the label `outcome` of `rolecall_checks_total`; `not_asked` when it could not be asked
    /// for want of something here.
    pub outcome: String,
    /// The role that it reports.
    pub role: NodeRole,
    /// `redis`, `valkey` or `dragonfly`; null when it did not answer.
    pub product: Option<String>,
    /// Its version; null when it did not answer.
    pub version: Option<String>,
    /// Whom it replicates from, as `host:port`; null for others than replicas.
    pub follows: Option<String>,
    /// Its link to that is up; null for others than replicas.
    pub link_up: Option<bool>,
    /// A full sync is replacing its data.
    pub syncing: bool,
    /// How many bytes of the replication stream it lacks; null when unknown.
    pub lag_bytes: Option<u64>,
    /// How long ago the primary was where it is; null when unknown.
    pub lag_seconds: Option<f64>,
    /// What it could take.
    pub serves: Serves,
    /// How it is, in a few words.
    pub text: String,
}

/// One Sentinel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SurveySentinel {
    /// Its address as written.
    pub address: String,
    /// The address that was dialled; null when none accepted.
    pub dialled: Option<String>,
    /// It named a primary.
    pub answers: bool,
    /// Whom, as `host:port`.
    pub names: Option<String>,
    /// The node that this is; null when it is none of ours.
    pub node: Option<String>,
    /// The version of its configuration.
    pub config_epoch: Option<u64>,
    /// How many replicas it knows; null when it did not say.
    pub replicas: Option<usize>,
    /// How many other Sentinels it knows; null when it did not say.
    pub sentinels: Option<usize>,
    /// How it is, in a few words.
    pub text: String,
}

/// Something that is wrong, or wants to be looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How much it matters.
    pub severity: FindingSeverity,
    /// Which kind, for machines: such as `wrong-password` or `two-primaries`.
    pub kind: String,
    /// The group, where it is about one.
    pub group: Option<String>,
    /// What it is about: the name of a node, of a group or of a listener, or the address of a Sentinel.
    pub about: String,
    /// One sentence.
    pub text: String,
    /// What to do.
    pub advice: String,
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingSeverity {
    /// It is wrong: the exit code is 1.
    Trouble,
    /// It may be meant so, or goes by itself.
    Hint,
}
