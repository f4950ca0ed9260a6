//! What happened in a group, for the log and the event list: each change of role, verdict or primary,
//! with its evidence.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::facts::HostPort;
use super::ids::NodeId;
use super::node::Order;
use super::reason::Ineligible;
use super::sentinel::Named;
use super::snapshot::Target;
use super::time::{Moment, in_words};

/// One thing that happened in a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: Moment,
    /// What.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A node changed its role, or told it for the first time.
    Role {
        /// Which node.
        node: NodeId,
        /// Its name.
        name: Arc<str>,
        /// `primary` or `replica of host:port`.
        role: Arc<str>,
    },
    /// A node may serve now, or may no longer.
    Verdict {
        /// Which node.
        node: NodeId,
        /// Its name.
        name: Arc<str>,
        /// What it may take: none of both means that it serves nobody.
        serves: Serves,
        /// Why not more than that.
        reason: Option<Ineligible>,
    },
    /// A node was elected.
    Elected {
        /// Which node.
        node: NodeId,
        /// Its name.
        name: Arc<str>,
        /// The term that begins.
        term: u64,
        /// Why.
        evidence: Evidence,
        /// Whom it replaces.
        replaces: Option<Arc<str>>,
        /// What may have been lost with the process before it.
        loss: Option<Loss>,
    },
    /// The primary lost its election.
    Lost {
        /// Which node.
        node: NodeId,
        /// Its name.
        name: Arc<str>,
        /// Why.
        why: LossReason,
        /// Whom it follows now, if it says that it is a replica.
        follows: Option<HostPort>,
    },
    /// The elected primary does not live any more; nobody else was elected yet.
    Gone {
        /// Which node.
        node: NodeId,
        /// Its name.
        name: Arc<str>,
    },
    /// The elected primary lives again.
    Back {
        /// Which node.
        node: NodeId,
        /// Its name.
        name: Arc<str>,
    },
    /// A node was added to the configuration.
    Added {
        /// Which node.
        node: NodeId,
        /// Its name.
        name: Arc<str>,
    },
    /// A node was learned from Sentinel.
    Learned {
        /// Which node.
        node: NodeId,
        /// Its name.
        name: Arc<str>,
    },
    /// R1: a node is dialled at another address than before: of its name, or after a look-up.
    Moved {
        /// Which node.
        node: NodeId,
        /// Its name.
        name: Arc<str>,
        /// Where it was dialled.
        from: Target,
        /// Where it is dialled now.
        to: Target,
    },
    /// A node is no longer wanted, and is dropped once its last session has gone.
    Leaving {
        /// Which node.
        node: NodeId,
        /// Its name.
        name: Arc<str>,
    },
    /// A node that was leaving is wanted again.
    Returned {
        /// Which node.
        node: NodeId,
        /// Its name.
        name: Arc<str>,
    },
    /// A node that was leaving is gone.
    Dropped {
        /// Which node.
        node: NodeId,
        /// Its name.
        name: Arc<str>,
    },
    /// An operator ordered something for a node.
    Ordered {
        /// Which node.
        node: NodeId,
        /// Its name.
        name: Arc<str>,
        /// What.
        order: Order,
    },
    /// Several claim, and nothing tells who is right.
    Conflict {
        /// Their names.
        claimants: Vec<Arc<str>>,
        /// Who keeps the writes meanwhile.
        incumbent: Option<Arc<str>>,
    },
    /// At most one claims again.
    ConflictOver,
    /// R18: a majority of the Sentinels names another than the elected one.
    Dissent {
        /// The name of the elected one.
        elected: Arc<str>,
        /// Whom they name.
        named: Named,
    },
    /// They no longer do.
    DissentOver,
    /// R17: an operator took the history of a node for the group's.
    HistoryAccepted {
        /// Which node.
        node: NodeId,
        /// Its name.
        name: Arc<str>,
        /// Its `master_replid`.
        history: Arc<str>,
    },
}

/// What a node may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serves {
    /// Writes, as the elected primary.
    Writes,
    /// Reads, as a replica.
    Reads,
    /// Nothing.
    Nothing,
}

/// R3, R4: why a claimant was elected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// R4: it is the only node that can be primary.
    OnlyNode,
    /// R3 (1): the incumbent says that it is no master.
    Demotion,
    /// R3 (2): its history branched from the incumbent's.
    Descent {
        /// Where it branched, in bytes of the common history.
        offset: Option<u64>,
    },
    /// R3 (3): more than half of the replicas are linked to it.
    Votes {
        /// Who is linked to it.
        voters: Vec<Arc<str>>,
        /// How many replicas could vote.
        of: usize,
    },
    /// R3 (3): more than half of the configured Sentinels name it.
    SentinelVotes {
        /// Who names it, by address as written.
        sentinels: Vec<Arc<str>>,
        /// How many are configured.
        of: usize,
    },
    /// R3 (4): it was the only claimant for `claim_hold`.
    Hold {
        /// For how long.
        held: Duration,
    },
    /// R4: every node has been checked, and it is the only claimant.
    AllChecked,
}

/// What the data of a new primary lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// R5: it holds no keys and no trace of replication.
    NoKeys,
    /// It was restarted from a file, or promoted, and lacks so many bytes of the history that another node had.
    Older {
        /// In bytes of the replication stream.
        bytes: u64,
    },
}

/// Why a primary lost its election.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LossReason {
    /// It says that it is a replica.
    Demoted,
    /// Another process answers at its address.
    Restarted,
    /// R6: the handover that it began took longer than 5 s.
    HandoverTimedOut,
    /// It was taken out of the configuration, or put in maintenance.
    Removed,
    /// R17: it claims with a history that the group never had.
    Foreign,
}

impl EventKind {
    /// The name of the node that it is about; none where it is about several.
    pub const fn node(&self) -> Option<&Arc<str>> {
        match self {
            Self::Role { name, .. }
            | Self::Verdict { name, .. }
            | Self::Elected { name, .. }
            | Self::Lost { name, .. }
            | Self::Gone { name, .. }
            | Self::Back { name, .. }
            | Self::Added { name, .. }
            | Self::Learned { name, .. }
            | Self::Moved { name, .. }
            | Self::Leaving { name, .. }
            | Self::Returned { name, .. }
            | Self::Dropped { name, .. }
            | Self::HistoryAccepted { name, .. }
            | Self::Ordered { name, .. } => Some(name),
            Self::Conflict { .. }
            | Self::ConflictOver
            | Self::Dissent { .. }
            | Self::DissentOver => None,
        }
    }
}

impl Evidence {
    /// The rule, for `explain` and the event list.
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::OnlyNode | Self::AllChecked => "R4",
            Self::Demotion => "R3.1",
            Self::Descent { .. } => "R3.2",
            Self::Votes { .. } | Self::SentinelVotes { .. } => "R3.3",
            Self::Hold { .. } => "R3.4",
        }
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OnlyNode => f.write_str("it is the only node that can be primary"),
            Self::Demotion => f.write_str("the primary before it says that it is a replica now"),
            Self::Descent {
                offset: Some(offset),
            } => {
                write!(
                    f,
                    "its history branched from the last primary's at offset {offset}"
                )
            }
            Self::Descent { offset: None } => {
                f.write_str("its history branched from the last primary's")
            }
            Self::Votes { voters, of } => {
                write!(
                    f,
                    "{} of {of} replicas are linked to it ({})",
                    voters.len(),
                    voters.join(", ")
                )
            }
            Self::SentinelVotes { sentinels, of } => {
                write!(
                    f,
                    "{} of {of} Sentinels name it ({})",
                    sentinels.len(),
                    sentinels.join(", ")
                )
            }
            Self::Hold { held } => {
                write!(f, "it has been the only claimant for {}", in_words(*held))
            }
            Self::AllChecked => f.write_str("every node was checked and it alone claims"),
        }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoKeys => f.write_str("it holds no keys: data may have been lost"),
            Self::Older { bytes } => write!(
                f,
                "its data end {bytes} bytes before what another node had of the same history: writes may have been \
                 lost"
            ),
        }
    }
}

impl fmt::Display for LossReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Demoted => "it says that it is a replica",
            Self::Restarted => "it was restarted, and must earn the election again",
            Self::HandoverTimedOut => "its handover took longer than 5s",
            Self::Removed => "it was taken out",
            Self::Foreign => "its data are of a history that this group never had (R17)",
        })
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Role { name, role, .. } => write!(f, "{name} is {role}"),
            Self::Verdict {
                name,
                serves,
                reason,
                ..
            } => verdict(f, name, *serves, reason.as_ref()),
            Self::Elected {
                name,
                evidence,
                replaces,
                loss,
                ..
            } => {
                write!(f, "{name} is elected primary")?;
                if let Some(before) = replaces {
                    write!(f, " after {before}")?;
                }
                write!(f, ": {evidence} ({})", evidence.rule())?;
                match loss {
                    None => Ok(()),
                    Some(loss) => write!(f, "; {loss}"),
                }
            }
            Self::Lost {
                name,
                why,
                follows: Some(master),
                ..
            } => write!(
                f,
                "{name} is no longer primary: {why}; it follows {master} now"
            ),
            Self::Lost { name, why, .. } => write!(f, "{name} is no longer primary: {why}"),
            Self::Conflict {
                claimants,
                incumbent: Some(holds),
            } => {
                write!(
                    f,
                    "{} claim to be primary; {holds} keeps the writes",
                    claimants.join(" and ")
                )
            }
            Self::Conflict {
                claimants,
                incumbent: None,
            } => write!(
                f,
                "{} claim to be primary and nothing tells who is right: writes wait until replicas \
                 link to one of them, or REPLICAOF makes the others replicas",
                claimants.join(" and ")
            ),
            Self::Gone { name, .. } => write!(
                f,
                "{name}, the elected primary, is gone: writes wait until it is back or another is elected"
            ),
            Self::Back { name, .. } => write!(f, "{name}, the elected primary, is back"),
            Self::Added { name, .. } => write!(f, "{name} was added to the configuration"),
            Self::Learned { name, .. } => write!(f, "{name} was learned from Sentinel"),
            Self::Moved { name, from, to, .. } => write!(
                f,
                "{name} is dialled at {to}, and no longer at {from}: it is unknown until it was checked there"
            ),
            Self::Leaving { name, .. } => write!(
                f,
                "{name} is taken out: no new sessions, and it is dropped with the last one"
            ),
            Self::Returned { name, .. } => write!(f, "{name} is wanted again"),
            Self::Dropped { name, .. } => write!(f, "{name} is dropped: it has no sessions left"),
            Self::Ordered { name, order, .. } => write!(f, "{name} {}", ordered(*order)),
            Self::ConflictOver => f.write_str("at most one node claims to be primary again"),
            Self::Dissent { elected, named } => write!(
                f,
                "{named}, and not {elected}, which was elected: they are about to make it a replica, \
                 and what is written to it until then is lost. Make the Sentinels agree (SENTINEL FAILOVER), or \
                 undo the promotion of {elected}"
            ),
            Self::DissentOver => f.write_str("the Sentinels name no other primary any more"),
            Self::HistoryAccepted { name, history, .. } => write!(
                f,
                "an operator accepts the history of {name} ({history}) as the group's: other histories are foreign \
                 from now on (R17)"
            ),
        }
    }
}

/// What a node may take, and why no more.
fn verdict(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    serves: Serves,
    reason: Option<&Ineligible>,
) -> fmt::Result {
    match (serves, reason) {
        (Serves::Writes, _) => write!(f, "{name} serves writes"),
        (Serves::Reads, _) => write!(f, "{name} serves reads"),
        (Serves::Nothing, None) => write!(f, "{name} serves nobody"),
        (Serves::Nothing, Some(Ineligible::NotServing { outcome, .. })) => {
            write!(f, "{name} serves nobody: it {outcome}")
        }
        (Serves::Nothing, Some(Ineligible::DialFailed { .. })) => {
            write!(
                f,
                "{name} serves nobody: it did not accept a client's connection"
            )
        }
        (Serves::Nothing, Some(reason)) => write!(
            f,
            "{name} serves nobody: it {}",
            reason.explain(Moment::default())
        ),
    }
}

/// What an operator did to a node.
const fn ordered(order: Order) -> &'static str {
    match order {
        Order::Ready => "is made ready by an operator",
        Order::Drain => "is drained by an operator: open sessions stay, no new ones",
        Order::Maintenance => {
            "is put in maintenance by an operator: no sessions, no election, no vote"
        }
    }
}
