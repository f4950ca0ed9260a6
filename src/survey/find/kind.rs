//! What can be found, one value a kind: it gives the code for machines and how much it matters.
//! [`super::words`] gives the sentence, [`super::advice`] what to do.

use std::sync::Arc;
use std::time::Duration;

use crate::api::FindingSeverity::{self, Hint, Trouble};
use crate::core::facts::HostPort;
use crate::core::outcome::{Denial, Stage};

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::survey) struct Finding {
    /// Where it was found; none: at a listener.
    pub(in crate::survey) group: Option<Arc<str>>,
    /// At what.
    pub(in crate::survey) about: About,
    /// What.
    pub(in crate::survey) kind: Kind,
}

/// What a finding is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::survey) enum About {
    /// A node, by its name.
    Node(Arc<str>),
    /// The group itself, by its name.
    Group(Arc<str>),
    /// A Sentinel, by its address as written.
    Sentinel(String),
    /// A listener, by its name, or `admin.http`.
    Listener(Arc<str>),
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::survey) enum Kind {
    // Of a node that could not be asked.
    Refused(String),
    Silent(Stage, Duration),
    Unreachable(Arc<str>),
    /// What happened first, and at each address of its name.
    AtNoAddress(&'static str, Arc<str>),
    Unresolved(Arc<str>),
    Closes,
    Denied(Denial, Arc<str>),
    NotRedis(Arc<str>),
    BadReply(Arc<str>),
    TooManyClients,
    Loading,
    Busy,
    /// Something ran out here.
    NotAsked(Arc<str>),
    // Of a node that answered.
    ClusterMode,
    SentinelAsNode,
    OwnListener,
    SameProcess(Arc<str>),
    /// Several processes answer at the addresses of its name: each address, with its role and its run.
    SeveralNodes(Vec<String>),
    /// A local node that is another address of a node of the group.
    LocalAlias(Arc<str>),
    LocalPrimary,
    SavesNothing,
    FollowsStranger(HostPort),
    /// It is in sync with our primary, which it knows by an address that is none of ours.
    FollowsByOtherAddress(HostPort),
    LinkDown(HostPort, Option<Duration>),
    /// The same of one whose primary does not answer us either.
    Orphaned(HostPort, Option<Duration>),
    Syncing(HostPort),
    OtherHistory(Arc<str>),
    Lagging(Option<u64>, Option<Duration>),
    Stale(Option<Duration>),
    /// Before Redis 4; whether `max_lag` asks for what cannot be measured then.
    NoHistories(Arc<str>, Limited),
    NoFailover(Arc<str>),
    HandsOver,
    // Of a group.
    NoPrimary(String),
    /// Who claims, and who would get the writes.
    TwoPrimaries(Vec<Arc<str>>, Option<Arc<str>>),
    Histories(Vec<String>),
    Empty(Arc<str>),
    SentinelsDisagree(Vec<String>),
    // Of a Sentinel.
    SentinelUnreachable(Arc<str>),
    SentinelDenied(Arc<str>),
    NodeAsSentinel(Arc<str>),
    UnknownName(Arc<str>, Vec<String>),
    NamesStranger(HostPort),
    NamesAnother(Arc<str>, &'static str),
    FailingOver,
    /// `discover` is set, and it does not list its replicas.
    ListsNothing,
    ListsStrangers(Vec<String>),
    MissesNodes(Vec<Arc<str>>),
    KnowsMoreSentinels(Vec<String>),
    // Of a listener.
    NobodyServes,
    AddressHeld(String, Option<String>),
    CannotListen(String),
    /// We may not; whoever runs the proxy perhaps may.
    MayNotListen(String),
}

/// Whether `max_lag` is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::survey) enum Limited {
    Yes,
    No,
}

impl Kind {
    /// For machines: never renamed.
    pub(in crate::survey) fn code(&self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::Silent(Stage::Connect, _) => "no-connection",
            Self::Silent(Stage::Reply, _) => "no-answer",
            Self::Unreachable(_) => "unreachable",
            Self::AtNoAddress(code, _) => code,
            Self::Unresolved(_) => "unresolved",
            Self::Closes => "closes",
            Self::Denied(Denial::NoAuth, _) => "password-wanted",
            Self::Denied(Denial::WrongPass, _) => "wrong-password",
            Self::Denied(Denial::NoPerm, _) => "no-permission",
            Self::Denied(Denial::ProtectedMode, _) => "protected-mode",
            Self::NotRedis(_) => "not-redis",
            Self::BadReply(_) => "bad-reply",
            Self::TooManyClients => "too-many-clients",
            Self::Loading => "loading",
            Self::Busy => "busy",
            Self::NotAsked(_) => "not-asked",
            Self::ClusterMode => "cluster-mode",
            Self::SentinelAsNode => "sentinel-as-node",
            Self::OwnListener => "own-listener",
            Self::SameProcess(_) => "same-process",
            Self::SeveralNodes(_) => "several-nodes-behind-a-name",
            Self::LocalAlias(_) => "local-alias",
            Self::LocalPrimary => "local-primary",
            Self::SavesNothing => "misconf",
            Self::FollowsStranger(_) => "follows-stranger",
            Self::FollowsByOtherAddress(_) => "follows-by-other-address",
            Self::LinkDown(..) | Self::Orphaned(..) => "link-down",
            Self::Syncing(_) => "syncing",
            Self::OtherHistory(_) | Self::Histories(_) => "other-history",
            Self::Lagging(..) => "max-lag",
            Self::Stale(_) => "stale",
            Self::NoHistories(..) | Self::NoFailover(_) => "old-version",
            Self::HandsOver => "hands-over",
            Self::NoPrimary(_) => "no-primary",
            Self::TwoPrimaries(..) => "two-primaries",
            Self::Empty(_) => "empty",
            Self::SentinelsDisagree(_) => "sentinels-disagree",
            Self::SentinelUnreachable(_) => "sentinel-unreachable",
            Self::SentinelDenied(_) => "sentinel-denied",
            Self::NodeAsSentinel(_) => "not-a-sentinel",
            Self::UnknownName(..) => "unknown-name",
            Self::NamesStranger(_) => "names-stranger",
            Self::NamesAnother(..) => "names-another",
            Self::FailingOver => "failing-over",
            Self::ListsNothing => "lists-nothing",
            Self::ListsStrangers(_) => "lists-strangers",
            Self::MissesNodes(_) => "misses-nodes",
            Self::KnowsMoreSentinels(_) => "more-sentinels",
            Self::NobodyServes => "nobody-serves",
            Self::AddressHeld(..) => "address-held",
            Self::CannotListen(_) | Self::MayNotListen(_) => "cannot-listen",
        }
    }

    /// A hint goes by itself, or may be meant so.
    pub(in crate::survey) fn severity(&self) -> FindingSeverity {
        match self {
            Self::Loading
            | Self::Busy
            | Self::LocalAlias(_)
            | Self::FollowsByOtherAddress(_)
            | Self::Syncing(_)
            | Self::Stale(_)
            | Self::NoHistories(_, Limited::No)
            | Self::NoFailover(_)
            | Self::HandsOver
            | Self::Empty(_)
            | Self::FailingOver
            | Self::ListsStrangers(_)
            | Self::MissesNodes(_)
            | Self::KnowsMoreSentinels(_)
            | Self::AddressHeld(..)
            | Self::MayNotListen(_) => Hint,
            _ => Trouble,
        }
    }
}

impl About {
    /// The name or the address.
    pub(in crate::survey) fn name(&self) -> &str {
        match self {
            Self::Node(name) | Self::Group(name) | Self::Listener(name) => name,
            Self::Sentinel(address) => address,
        }
    }
}
