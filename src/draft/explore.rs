//! Asks the named nodes and Sentinels, and whomever their answers name, in rounds.
//!
//! An address that was only learned is trusted as far as it proves itself: it must answer, and share the
//! history of the node that named it. (A replica that announces 127.0.0.1 would otherwise lead to whatever
//! listens there on this host.) One process is one node: of several addresses the one that was named stays.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use super::{Auth, DraftError, Wanted, sentinels};
use crate::check::ask::{NodeAsker, all};
use crate::config::model::{Address, Credentials};
use crate::core::facts::{Facts, HostPort, Mode};
use crate::core::outcome::{Denial, Outcome};
use crate::core::snapshot::Target;
use crate::redis::product::Product;

/// For one check, and how often a silent node is asked: the defaults of the configuration.
const TIMEOUT: Duration = Duration::from_millis(400);
const TIMES: u32 = 6;

/// More rounds than these have only a chain of replicas behind replicas, or somebody who makes addresses up.
const ROUNDS: usize = 6;

/// More nodes than a group has.
const MOST: usize = 64;

/// All that was found.
#[derive(Clone, Debug, Default)]
pub(super) struct Explored {
    /// Those to write down: named ones in their order, then learned ones by address.
    pub(super) nodes: Vec<Seen>,
    /// Named by somebody and not written down, with why.
    pub(super) left_out: Vec<(Address, String)>,
    /// Sentinels that name the group, named ones first.
    pub(super) sentinels: Vec<Address>,
    /// What they call it.
    pub(super) master_name: Option<String>,
    /// The Sentinels asked for the password.
    pub(super) sentinel_auth: bool,
    /// What was asked for and could not be had.
    pub(super) wrong: Vec<String>,
}

/// A node.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) address: Address,
    pub(super) origin: Origin,
    pub(super) target: Option<Target>,
    /// What it said; an error says why it said nothing of use.
    pub(super) answer: Result<Facts, String>,
    pub(super) product: Option<Product>,
    /// It asked for a password.
    pub(super) auth: bool,
    /// A Sentinel knows it, so it may be promoted.
    pub(super) listed: bool,
    /// The replicas that it lists.
    pub(super) followers: Vec<HostPort>,
    /// It is a data node, or may turn out to be one when it answers.
    pub(super) writable: bool,
}

/// How an address came to be known, the best first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Given,
    OfSentinel(String),
    ReplicaOf(String),
    PrimaryOf(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given => f.write_str("named"),
            Self::OfSentinel(who) => write!(f, "learned from Sentinel {who}"),
            Self::ReplicaOf(who) => write!(f, "learned from its primary {who}"),
            Self::PrimaryOf(who) => write!(f, "learned from its replica {who}"),
        }
    }
}

/// Asks until nobody names anybody new.
pub(super) async fn explore(wanted: &Wanted) -> Result<Explored, DraftError> {
    let mut explored = Explored::default();
    let given = wanted
        .nodes
        .iter()
        .map(|node| (node.clone(), Origin::Given));
    let mut queue: Vec<(Address, Origin)> = given.collect();
    if !wanted.sentinels.is_empty() {
        queue.extend(sentinels::ask(&mut explored, wanted).await?);
    }
    let listed: Vec<Address> = queue
        .iter()
        .filter(|(_, origin)| matches!(origin, Origin::OfSentinel(_)))
        .map(|(address, _)| address.clone())
        .collect();
    let mut asked: Vec<Seen> = Vec::new();
    for _ in 0..ROUNDS {
        let next = fresh(&queue, &asked);
        if next.is_empty() {
            break;
        }
        let auth = wanted.auth.as_ref();
        let seen = all(next
            .into_iter()
            .map(|(address, origin)| ask(address, origin, auth)))
        .await;
        queue = seen.iter().flat_map(names_of).collect();
        asked.extend(seen);
    }
    for seen in &mut asked {
        seen.listed = listed.iter().any(|address| is_at(seen, address));
    }
    explored.sort_out(asked);
    Ok(explored)
}

/// Those of the queue that were not asked yet, once.
fn fresh(queue: &[(Address, Origin)], asked: &[Seen]) -> Vec<(Address, Origin)> {
    let mut next: Vec<(Address, Origin)> = Vec::new();
    for (address, origin) in queue {
        let known = asked.iter().any(|seen| is_at(seen, address))
            || next.iter().any(|(other, _)| other == address);
        if !known && asked.len() + next.len() < MOST {
            next.push((address.clone(), origin.clone()));
        }
    }
    next
}

fn is_at(seen: &Seen, address: &Address) -> bool {
    let as_dialled = match (&seen.target, address) {
        (Some(Target::Tcp(target)), Address::Tcp(place)) => {
            let ip = place.host.parse::<std::net::IpAddr>();
            target.port() == place.port && ip.is_ok_and(|ip| ip == target.ip())
        }
        _ => false,
    };
    seen.address == *address || as_dialled
}

/// Whom an answer names: the primary of a replica, and the replicas of anybody.
fn names_of(seen: &Seen) -> Vec<(Address, Origin)> {
    let Ok(facts) = &seen.answer else {
        return Vec::new();
    };
    let who = seen.address.to_string();
    let primary = facts.replica().filter(|link| link.master.port > 0);
    let primary = primary.map(|link| {
        let origin = Origin::PrimaryOf(who.clone());
        (Address::Tcp(link.master.clone()), origin)
    });
    let replicas = seen.followers.iter().map(|place| {
        let origin = Origin::ReplicaOf(who.clone());
        (Address::Tcp(place.clone()), origin)
    });
    primary.into_iter().chain(replicas).collect()
}

/// Asks one node: without a password, and with it where it wants one.
fn ask(
    address: Address,
    origin: Origin,
    auth: Option<&Auth>,
) -> impl Future<Output = Seen> + Send + use<> {
    let auth = auth.map(|auth| auth.credentials.clone());
    async move {
        let (mut asker, mut outcome) = try_as(&address, None).await;
        let refused = matches!(&outcome, (_, Ok(Outcome::Denied(denial, _))) if *denial != Denial::ProtectedMode);
        let mut with_password = false;
        if let Some(auth) = auth.filter(|_| refused) {
            (asker, outcome) = try_as(&address, Some(auth)).await;
            with_password = true;
        }
        let (target, outcome) = outcome;
        let (answer, writable) = judge(outcome, refused && !with_password);
        Seen {
            address,
            origin,
            target,
            answer,
            product: asker.product(),
            auth: with_password,
            listed: false,
            followers: asker.followers(),
            writable,
        }
    }
}

async fn try_as(
    address: &Address,
    auth: Option<Credentials>,
) -> (NodeAsker, (Option<Target>, Result<Outcome, String>)) {
    let mut asker = NodeAsker::new(address, auth);
    let asked = asker.insist(TIMEOUT, TIMES).await;
    let outcome = match asked.report {
        Ok(report) => Ok(report.outcome),
        Err(why) => Err(format!("could not be asked from here ({why})")),
    };
    (asker, (asked.target, outcome))
}

/// What an outcome is good for, and whether it may still be a node.
fn judge(outcome: Result<Outcome, String>, wants_password: bool) -> (Result<Facts, String>, bool) {
    match outcome {
        Err(why) => (Err(why), true),
        Ok(Outcome::Answered(facts)) => match facts.mode {
            Mode::Standalone => (Ok(*facts), true),
            Mode::Cluster => (
                Err("runs in cluster mode, which is not supported".into()),
                false,
            ),
            Mode::Sentinel => (Err("is a Sentinel: name it with --sentinel".into()), false),
        },
        Ok(Outcome::Denied(..)) if wants_password => {
            let words =
                "wants a password: set REDIS_PASSWORD, or give --password-file and perhaps --user";
            (Err(words.into()), true)
        }
        Ok(Outcome::Denied(Denial::WrongPass, _)) => (
            Err("refuses the password: correct REDIS_PASSWORD, --password-file or --user".into()),
            true,
        ),
        Ok(other @ (Outcome::NotRedis(_) | Outcome::BadReply(_))) => {
            (Err(other.to_string()), false)
        }
        Ok(other) => (Err(other.to_string()), true),
    }
}
