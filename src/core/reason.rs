//! Why. Each decision of the core carries one of these values; the log's words, the metric's label,
//! the status page and `explain` are all made from it, so they cannot contradict each other.

use std::fmt;
use std::sync::Arc;

use super::facts::HostPort;
use super::outcome::Outcome;
use super::time::{Moment, in_words};

/// Why a node may not serve a listener now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ineligible {
    /// R1: no complete check of this run yet.
    Unchecked,
    /// R8: its checks fail, or it answers that it cannot serve.
    NotServing {
        /// How the last check ended.
        outcome: Outcome,
        /// Since when it has been so.
        since: Moment,
    },
    /// R8: down by time-outs, answering again, but fewer than `rise` times yet.
    Rising,
    /// R12: a client's dial failed, and no check has succeeded since.
    DialFailed {
        /// When the dial failed.
        since: Moment,
    },
    /// R1: a node of Redis Cluster.
    ClusterMode,
    /// R1: a Sentinel.
    SentinelMode,
    /// R1: its address is one of our own listeners.
    OwnListener,
    /// R17: its data are of a history that the group never had.
    Foreign {
        /// Whom it replicates from; none for one that claims to be primary.
        follows: Option<HostPort>,
        /// The node of the group that this is.
        member: Option<Arc<str>>,
    },
    /// R17: whether its data are the group's is not known before the other nodes were heard, or the one that it
    /// follows is elected.
    Unplaced,
    /// It replicates from itself.
    FollowsItself,
    /// R19: elected, and it refuses writes because it has too few replicas.
    NoReplicas,
    /// R1: another address of the same process; holds the name of the node that counts.
    SameProcessAs(Arc<str>),
    /// It is the primary; reads reach it by the fallback only.
    IsPrimary,
    /// It claims to be primary and was not elected.
    NotElected,
    /// It is a replica, and this is about writes.
    IsReplica,
    /// `local: true`: never primary.
    Local,
    /// R6: a handover is in progress.
    Handover,
    /// An operator's switchover is under way.
    Switchover,
    /// R9: a full sync is replacing its data.
    FullSync,
    /// R9: it has never been in sync with its primary.
    NeverSynchronised,
    /// R9: its link is down beside a living primary.
    LinkDown,
    /// R9: its link went down longer ago than `stale_reads`.
    LinkDownTooLong,
    /// R8: -MASTERDOWN, it refuses reads while its link is down.
    RefusesStaleReads,
    /// R10: it lags behind `max_lag`.
    Lagging,
    /// An operator drains it: sessions stay, no new ones.
    Draining,
    /// It is no longer configured, or no longer known to the Sentinels: sessions stay, no new ones.
    Removed,
    /// An operator has taken it out: never elected, no vote, no sessions.
    Maintenance,
    /// R14: it replicates through the listener named here, and would read from itself.
    WouldLoop(Arc<str>),
}

impl Ineligible {
    /// The reason as a sentence's end, after the node's name.
    pub fn explain(&self, now: Moment) -> String {
        match self {
            Self::NotServing { outcome, since } => {
                format!("{outcome} ({} ago)", in_words(now.since(*since)))
            }
            Self::DialFailed { since } => {
                format!(
                    "did not accept a client's connection {} ago",
                    in_words(now.since(*since))
                )
            }
            Self::SameProcessAs(other) => format!("is the same process as {other}"),
            Self::Foreign {
                member: Some(name), ..
            } => format!("follows {name} and holds data of a history that this group never had"),
            Self::Foreign {
                follows: Some(master),
                ..
            } => format!(
                "follows {master}, which is none of this group: its data are of another history"
            ),
            Self::WouldLoop(listener) => format!("replicates through our own listener {listener}"),
            other => other.fixed_words().to_owned(),
        }
    }

    /// Whether somebody should look: the others belong to a healthy group.
    pub fn is_trouble(&self) -> bool {
        !matches!(
            self,
            Self::Unchecked
                | Self::Rising
                | Self::IsPrimary
                | Self::IsReplica
                | Self::NotElected
                | Self::Local
                | Self::Unplaced
                | Self::Handover
                | Self::Switchover
                | Self::Draining
                | Self::Removed
                | Self::Maintenance
                | Self::WouldLoop(_)
        )
    }

    fn fixed_words(&self) -> &'static str {
        match self {
            Self::Unchecked => "has not been checked yet",
            Self::Rising => "answers again after time-outs, but not often enough yet",
            Self::ClusterMode => "runs in cluster mode, which is not supported",
            Self::SentinelMode => "is a Sentinel, not a data node: list it under sentinel",
            Self::OwnListener => "has the address of one of our own listeners",
            Self::IsPrimary => "is the primary",
            Self::NotElected => "claims to be primary, but was not elected",
            Self::IsReplica => "is a replica",
            Self::Local => "is local, and never primary",
            Self::Handover => "is handing its role over",
            Self::Switchover => "gives its role to another by an operator's switchover",
            Self::FullSync => "is in a full sync",
            Self::NeverSynchronised => "has never been in sync with its primary",
            Self::LinkDown => "has lost the link to its primary",
            Self::LinkDownTooLong => "lost the link to its primary longer ago than stale_reads",
            Self::RefusesStaleReads => "refuses reads while its link is down (-MASTERDOWN)",
            Self::Lagging => "lags behind max_lag",
            Self::Draining => "is being drained",
            Self::Removed => "has been taken out, and is dropped with its last session",
            Self::Maintenance => "is in maintenance",
            Self::Foreign { follows: None, .. } => {
                "claims to be primary with a history that this group never had"
            }
            Self::Unplaced => "holds data that are not known to be this group's yet",
            Self::FollowsItself => "follows itself: REPLICAOF names its own address",
            Self::NoReplicas => "refuses writes: NOREPLICAS, it has too few replicas",
            Self::Foreign { .. }
            | Self::NotServing { .. }
            | Self::DialFailed { .. }
            | Self::SameProcessAs(_)
            | Self::WouldLoop(_) => "",
        }
    }
}

/// Why a session ended, or why the proxy ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// Both sides had finished.
    Finished,
    /// The client's connection broke.
    ClientReset,
    /// The node's connection broke.
    NodeReset,
    /// R7: the node is no longer the elected primary.
    Demoted,
    /// R16: the node died.
    NodeDown,
    /// R8: the node is silent and others are there to serve.
    NodeSilent,
    /// R16: the node lost or is replacing its data.
    LostData,
    /// R16: its link has been down longer than `stale_reads`.
    LinkDown,
    /// The node was taken out of the configuration, or put in maintenance.
    NodeRemoved,
    /// The listener was taken out of the configuration.
    ListenerRemoved,
    /// `fallback_max_age`: a better tier is there again.
    BetterTier,
    /// `idle_timeout` passed.
    Idle,
    /// The proxy is shutting down and the grace has passed.
    Shutdown,
    /// It never got a node: parked until `park.timeout`.
    ParkTimeout,
    /// It never got a node: `park.max` others were parked already.
    ParkFull,
    /// The client left while it was parked.
    ParkLeft,
    /// `max_connections` of the listener was reached.
    ConnectionLimit,
    /// The process has no descriptors left.
    NoDescriptors,
}

impl CloseReason {
    /// Every reason, so that counters start at zero.
    pub const ALL: [Self; 18] = [
        Self::Finished,
        Self::ClientReset,
        Self::NodeReset,
        Self::Demoted,
        Self::NodeDown,
        Self::NodeSilent,
        Self::LostData,
        Self::LinkDown,
        Self::NodeRemoved,
        Self::ListenerRemoved,
        Self::BetterTier,
        Self::Idle,
        Self::Shutdown,
        Self::ParkTimeout,
        Self::ParkFull,
        Self::ParkLeft,
        Self::ConnectionLimit,
        Self::NoDescriptors,
    ];

    /// The metric's label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::ClientReset => "client_reset",
            Self::NodeReset => "node_reset",
            Self::Demoted => "demoted",
            Self::NodeDown => "node_down",
            Self::NodeSilent => "node_silent",
            Self::LostData => "lost_data",
            Self::LinkDown => "link_down",
            Self::NodeRemoved => "node_removed",
            Self::ListenerRemoved => "listener_removed",
            Self::BetterTier => "better_tier",
            Self::Idle => "idle",
            Self::Shutdown => "shutdown",
            Self::ParkTimeout => "park_timeout",
            Self::ParkFull => "park_full",
            Self::ParkLeft => "park_left",
            Self::ConnectionLimit => "connection_limit",
            Self::NoDescriptors => "no_descriptors",
        }
    }

    /// HAProxy's two-letter termination code for the same end. First who ended it: C the client, S the
    /// server or its full queue, D the server was found down, U a better server came up, K the operator, P a
    /// limit of the proxy, R resources, - nobody; c and s the time-outs of either side. Then in which
    /// state: D data, Q queue, C connecting.
    pub const fn haproxy_code(self) -> &'static str {
        match self {
            Self::Finished => "--",
            Self::ClientReset => "CD",
            Self::NodeReset => "SD",
            Self::Demoted | Self::NodeDown | Self::NodeSilent | Self::LostData | Self::LinkDown => {
                "DD"
            }
            Self::NodeRemoved | Self::ListenerRemoved | Self::Shutdown => "KD",
            Self::BetterTier => "UD",
            Self::Idle => "cD",
            Self::ParkTimeout => "sQ",
            Self::ParkFull => "SQ",
            Self::ParkLeft => "CQ",
            Self::ConnectionLimit => "PC",
            Self::NoDescriptors => "RC",
        }
    }

    /// Whether the client was sent away without ever having been served.
    pub const fn is_rejection(self) -> bool {
        matches!(
            self,
            Self::ParkTimeout | Self::ParkFull | Self::ConnectionLimit | Self::NoDescriptors
        )
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Finished => "finished",
            Self::ClientReset => "the client's connection broke",
            Self::NodeReset => "the node's connection broke",
            Self::Demoted => "the node is no longer the elected primary",
            Self::NodeDown => "the node is down",
            Self::NodeSilent => "the node is silent and others can serve",
            Self::LostData => "the node lost or is replacing its data",
            Self::LinkDown => "the node's link has been down longer than stale_reads",
            Self::NodeRemoved => "the node was taken out",
            Self::ListenerRemoved => "the listener was taken out",
            Self::BetterTier => "a better node is there again (fallback_max_age)",
            Self::Idle => "idle_timeout",
            Self::Shutdown => "the proxy is shutting down",
            Self::ParkTimeout => "no node became eligible in park.timeout",
            Self::ParkFull => "park.max connections were parked already",
            Self::ParkLeft => "the client left while parked",
            Self::ConnectionLimit => "max_connections of the listener was reached",
            Self::NoDescriptors => "the process has no descriptors left",
        })
    }
}
