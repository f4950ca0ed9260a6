//! What to do about each finding.

use super::kind::{About, Finding, Kind, Limited};
use crate::core::outcome::{Denial, Stage};

impl Finding {
    /// What to do about it.
    pub(in crate::survey) fn advice(&self) -> String {
        match &self.about {
            About::Sentinel(_) | About::Listener(_) => of_others(&self.kind),
            About::Node(_) | About::Group(_) => {
                let group = self.group.as_deref().unwrap_or("main");
                of_node(&self.kind, group).unwrap_or_else(|| of_group(&self.kind))
            }
        }
    }
}

/// Of a node; none for what is about a group.
fn of_node(kind: &Kind, group: &str) -> Option<String> {
    let text = match kind {
        Kind::Refused(_) => "start it, or correct its address".to_owned(),
        Kind::Silent(Stage::Connect, _) => {
            "look at the host, the address and the firewall".to_owned()
        }
        Kind::Silent(Stage::Reply, _) => {
            "look at the process (a T in ps means stopped) and at its log".to_owned()
        }
        Kind::Unreachable(_) => "correct its address, or the route to it".to_owned(),
        Kind::AtNoAddress(..) => {
            "start it, or correct its address: getent ahosts NAME shows what the name stands for"
                .to_owned()
        }
        Kind::Unresolved(_) => "correct the name, or ask the name server for it".to_owned(),
        Kind::Closes => {
            "look at its log; a port that wants TLS does so, and a proxy without servers".to_owned()
        }
        Kind::Denied(Denial::NoAuth, _) => format!(
            "set auth of group {group}: {{ password: \"${{REDIS_PASSWORD}}\" }}, or password_file"
        ),
        Kind::Denied(Denial::WrongPass, said) if said.contains("wrong number of arguments") => {
            format!(
                "it is older than Redis 6 and knows no users: take username out of auth of group {group}"
            )
        }
        Kind::Denied(Denial::WrongPass, _) => format!(
            "correct auth of group {group}: the password of requirepass, or user and password of an ACL"
        ),
        Kind::Denied(Denial::NoPerm, _) => {
            "ACL SETUSER for the user of auth: +ping +info; without auth, set one".to_owned()
        }
        Kind::Denied(Denial::ProtectedMode, _) => {
            "set a password there, or protected-mode no behind a firewall".to_owned()
        }
        Kind::NotRedis(_) => "correct its address: another program listens there".to_owned(),
        Kind::BadReply(_) => "correct its address, or look at what answers there".to_owned(),
        Kind::TooManyClients => "raise maxclients there, or find out who holds so many".to_owned(),
        Kind::Loading | Kind::Busy | Kind::HandsOver => "wait, and ask again".to_owned(),
        Kind::NotAsked(_) => "raise the limit of open files (ulimit -n)".to_owned(),
        Kind::ClusterMode => "take it out: Redis Cluster clients route by themselves".to_owned(),
        Kind::SentinelAsNode => {
            "list it under sentinel.addresses, and the data node here".to_owned()
        }
        Kind::OwnListener => "write where Redis itself listens".to_owned(),
        Kind::SameProcess(_) => "take one of the two out: one process is one node".to_owned(),
        Kind::SeveralNodes(_) => {
            "list each process by a name of its own (of a StatefulSet: pod-0.svc), or name the Sentinels with \
             discover: true"
                .to_owned()
        }
        Kind::LocalAlias(_) => {
            "nothing, if this is meant: while that node is primary, local reads fall back"
                .to_owned()
        }
        Kind::LocalPrimary => {
            "REPLICAOF there, or take local: true away if it may be primary".to_owned()
        }
        Kind::SavesNothing => {
            "look at its disk and its log, or at stop-writes-on-bgsave-error".to_owned()
        }
        Kind::FollowsStranger(place) => {
            format!("add {place} to the nodes, or REPLICAOF the primary of the group")
        }
        Kind::FollowsByOtherAddress(_) => {
            "nothing: it is known by its history. The same address everywhere is easier to follow"
                .to_owned()
        }
        Kind::LinkDown(place, _) => {
            format!("look at its log, masterauth and whether it reaches {place}")
        }
        Kind::Orphaned(..) => "see to its primary, or have another promoted".to_owned(),
        Kind::Syncing(_) => "wait: it serves reads when it is in sync".to_owned(),
        Kind::OtherHistory(primary) => format!("REPLICAOF {primary}, or take it out of the group"),
        Kind::Lagging(..) => "find out what holds it up, or raise max_lag".to_owned(),
        Kind::Stale(_) => {
            "find out what holds it up; max_lag would keep reads away from it".to_owned()
        }
        Kind::NoHistories(_, Limited::Yes) => "take max_lag out, or upgrade it".to_owned(),
        Kind::NoHistories(_, Limited::No) | Kind::NoFailover(_) => {
            "upgrade it when you can".to_owned()
        }
        _ => return None,
    };
    Some(text)
}

fn of_group(kind: &Kind) -> String {
    match kind {
        Kind::NoPrimary(_) => {
            "correct what is wrong with the nodes; else have Sentinel promote, or REPLICAOF NO ONE"
        }
        Kind::TwoPrimaries(..) => {
            "ask again: Sentinel demotes the old one some 10s after a failover; else REPLICAOF there"
        }
        Kind::Histories(_) => "one data set is one group: take the others out",
        Kind::Empty(_) => "nothing, if it is new; else look for its data before clients write",
        Kind::SentinelsDisagree(_) => "ask again after a failover has ended; else SENTINEL RESET on the wrong one",
        _ => "",
    }
    .to_owned()
}

fn of_others(kind: &Kind) -> String {
    match kind {
        Kind::SentinelUnreachable(_) => {
            "start it, correct its address or take it out: a majority of all is asked for"
        }
        Kind::SentinelDenied(_) => "correct auth under sentinel",
        Kind::NodeAsSentinel(_) => {
            "correct its address: a Sentinel is a process of its own, on port 26379"
        }
        Kind::UnknownName(_, known) if known.is_empty() => {
            "have it monitor the group, or correct sentinel.name"
        }
        Kind::UnknownName(..) => "correct sentinel.name",
        Kind::NamesStranger(_) => {
            "add that node, or correct sentinel.name: it may watch another group"
        }
        Kind::NamesAnother(..) => {
            "wait for the end of a failover and ask again; else look at its log"
        }
        Kind::FailingOver => "wait, and ask again",
        Kind::ListsNothing => {
            "upgrade it (SENTINEL REPLICAS came with Redis 5), or let its user ask"
        }
        Kind::ListsStrangers(_) => {
            "add it to the nodes, or discover: true; SENTINEL RESET if it is gone for good"
        }
        Kind::MissesNodes(_) => {
            "nothing, if they are not to be failed over; else REPLICAOF the primary"
        }
        Kind::KnowsMoreSentinels(_) => "add them: a majority of the configured ones is what counts",
        Kind::NobodyServes => {
            "correct what is wrong with the nodes; a fallback helps where there is none"
        }
        Kind::AddressHeld(..) => "stop that process before rolecall starts",
        Kind::CannotListen(_) => "correct bind",
        Kind::MayNotListen(_) => "nothing, if the user or the service that runs rolecall may",
        _ => "",
    }
    .to_owned()
}
