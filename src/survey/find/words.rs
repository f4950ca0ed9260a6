//! The sentence of each finding, to go on after what it is about.

use std::sync::Arc;
use std::time::Duration;

use super::kind::{About, Finding, Kind, Limited};
use crate::core::outcome::{Denial, Stage};
use crate::core::time::in_words;

impl Finding {
    /// The whole sentence.
    pub(in crate::survey) fn text(&self) -> String {
        let words = self.kind.words();
        match &self.about {
            About::Node(name) => format!("{name} {words}"),
            About::Group(name) => format!("group {name}: {words}"),
            About::Sentinel(all) if all.contains(", ") => {
                format!("each of the Sentinels {all} {words}")
            }
            About::Sentinel(address) => format!("Sentinel {address} {words}"),
            About::Listener(name) => format!("{name}: {words}"),
        }
    }
}

impl Kind {
    /// After the name of what it is about.
    pub(in crate::survey) fn words(&self) -> String {
        self.of_asking()
            .or_else(|| self.of_node())
            .unwrap_or_else(|| self.of_the_rest())
    }

    fn of_asking(&self) -> Option<String> {
        Some(match self {
            Self::Refused(at) => format!("refused the connection: nobody listens at {at}"),
            Self::Silent(Stage::Connect, waited) => format!(
                "did not accept a connection within {}: its host is down, or a firewall drops what we send",
                in_words(*waited)
            ),
            Self::Silent(Stage::Reply, waited) => format!(
                "accepts connections and does not answer within {}: it hangs, is stopped or is overloaded",
                in_words(*waited)
            ),
            Self::Unreachable(why) => format!("cannot be reached ({why})"),
            Self::AtNoAddress(_, all) => {
                format!("answers at none of the addresses of its name: {all}")
            }
            Self::Unresolved(why) => format!("has a name that cannot be looked up ({why})"),
            Self::Closes => "closes each connection without an answer".to_owned(),
            Self::Denied(Denial::NoAuth, _) => {
                "wants a password, and none is configured".to_owned()
            }
            Self::Denied(Denial::WrongPass, said) => format!("refuses the password ({said})"),
            Self::Denied(Denial::NoPerm, said) => {
                format!("does not let our user run PING and INFO ({said})")
            }
            Self::Denied(Denial::ProtectedMode, _) => "is in protected mode".to_owned(),
            Self::NotRedis(said) => format!("is not Redis: it answered {said}"),
            Self::BadReply(why) => format!("gives answers that make no sense ({why})"),
            Self::TooManyClients => "has reached its maxclients".to_owned(),
            Self::Loading => "is loading its data from disk".to_owned(),
            Self::Busy => "is busy with a long script".to_owned(),
            Self::NotAsked(why) => format!("could not be asked from here ({why})"),
            _ => return None,
        })
    }

    fn of_node(&self) -> Option<String> {
        Some(match self {
            Self::ClusterMode => "runs in cluster mode, which is not supported".to_owned(),
            Self::SentinelAsNode => "is a Sentinel, not a data node".to_owned(),
            Self::OwnListener => "has the address of one of our own listeners".to_owned(),
            Self::SameProcess(other) => format!("is the same process as {other}"),
            Self::SeveralNodes(all) => format!(
                "has a name behind which several processes answer, and one node is one process: {}",
                all.join("; ")
            ),
            Self::LocalAlias(other) => {
                format!("is the same process as {other}, by another address")
            }
            Self::LocalPrimary => {
                "is local and says role:master: it is no replica of the group".to_owned()
            }
            Self::SavesNothing => "cannot save to disk, and refuses writes (-MISCONF)".to_owned(),
            Self::FollowsStranger(place) => {
                format!("is a replica of {place}, which is none of the group's nodes")
            }
            Self::FollowsByOtherAddress(place) => {
                format!("knows the primary as {place}, which is not the address that is configured")
            }
            Self::LinkDown(place, Some(ago)) | Self::Orphaned(place, Some(ago)) => {
                format!("lost its link to {place} {} ago", in_words(*ago))
            }
            Self::LinkDown(place, None) | Self::Orphaned(place, None) => {
                format!("has never been in sync with {place}")
            }
            Self::Syncing(place) => format!("is in a full sync with {place}"),
            Self::OtherHistory(primary) => {
                format!(
                    "holds another history than {primary}: it is no replica of it, or has yet to become one"
                )
            }
            Self::Lagging(bytes, age) => {
                format!("is further behind than max_lag{}", behind(*bytes, *age))
            }
            Self::Stale(age) => format!("is behind{}", behind(None, *age)),
            Self::NoHistories(version, limited) => format!(
                "is Redis {version}, and before 4 nodes do not tell their history: lag is not measured{}",
                match limited {
                    Limited::Yes => ", so max_lag lets it serve no reads",
                    Limited::No => " and a promotion is known by votes only",
                }
            ),
            Self::NoFailover(version) => {
                format!("is Redis {version}: without Sentinel a switchover needs 6.2 or later")
            }
            Self::HandsOver => "is handing its role over".to_owned(),
            _ => return None,
        })
    }

    fn of_the_rest(&self) -> String {
        match self {
            Self::NoPrimary(why) | Self::CannotListen(why) | Self::MayNotListen(why) => why.clone(),
            Self::NobodyServes => "nobody would serve it: new connections would wait".to_owned(),
            Self::TwoPrimaries(claimants, Some(keeps)) => {
                format!(
                    "{} say role:master; {keeps} would get the writes",
                    list(claimants)
                )
            }
            Self::TwoPrimaries(claimants, None) => format!(
                "{} say role:master, and nothing tells who is right: nobody would get the writes",
                list(claimants)
            ),
            Self::Histories(all) => {
                format!(
                    "its nodes hold {} different histories: {}",
                    all.len(),
                    all.join("; ")
                )
            }
            Self::Empty(node) => format!("{node} holds no keys and has never replicated"),
            Self::SentinelsDisagree(votes) => {
                format!(
                    "its Sentinels name different primaries: {}",
                    votes.join("; ")
                )
            }
            Self::SentinelUnreachable(why) => why.to_string(),
            Self::SentinelDenied(said) => format!("refuses us ({said})"),
            Self::NodeAsSentinel(what) => format!("is no Sentinel: {what}"),
            Self::UnknownName(name, known) if known.is_empty() => {
                format!("watches no group named {name}")
            }
            Self::UnknownName(name, known) => {
                format!(
                    "watches no group named {name}; it watches {}",
                    known.join(", ")
                )
            }
            Self::NamesStranger(place) => {
                format!("names {place} as the primary, which is none of the group's nodes")
            }
            Self::NamesAnother(node, but) => format!("names {node} as the primary, which {but}"),
            Self::FailingOver => "leads a failover just now".to_owned(),
            Self::ListsNothing => "does not list its replicas, as discover needs it".to_owned(),
            Self::ListsStrangers(places) => {
                format!("also knows {}, which is not configured", places.join(", "))
            }
            Self::MissesNodes(names) => format!("does not know {}", list(names)),
            Self::KnowsMoreSentinels(places) => {
                format!(
                    "knows other Sentinels that are not configured: {}",
                    places.join(", ")
                )
            }
            Self::AddressHeld(bind, Some(holder)) => format!("{bind} is held by {holder}"),
            Self::AddressHeld(bind, None) => {
                format!("{bind} is held by a process that cannot be seen from here")
            }
            _ => String::new(),
        }
    }
}

/// `: 12345 bytes, 4.2s`; empty where nothing is known.
fn behind(bytes: Option<u64>, age: Option<Duration>) -> String {
    let bytes = bytes.map(|bytes| format!("{bytes} bytes"));
    let parts: Vec<String> = bytes.into_iter().chain(age.map(in_words)).collect();
    if parts.is_empty() {
        String::new()
    } else {
        format!(": {}", parts.join(", "))
    }
}

/// `a`, `a and b`, `a, b and c`.
fn list(names: &[Arc<str>]) -> String {
    match names {
        [] => String::new(),
        [only] => only.to_string(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
