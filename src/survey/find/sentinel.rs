//! What is wrong with the Sentinels: those that cannot be asked, those that know something else than the
//! configuration says, and those that disagree.

use std::net::IpAddr;
use std::sync::Arc;

use super::Ground;
use super::kind::Kind;
use crate::check::ask::SentinelSaid;
use crate::config::model::{Address, Bind, Config, SentinelConfig};
use crate::core::discovery::Listed;
use crate::core::facts::HostPort;
use crate::core::node::NodeState;
use crate::core::outcome::Outcome;
use crate::core::sentinel::{Phase, SentinelReport, Vote};
use crate::redis::listing::Entry;

/// All findings, with the address of the Sentinel; what several of them say is told once.
pub(super) fn all(ground: &Ground<'_>, config: &Config) -> Vec<(String, Kind)> {
    let mut found: Vec<(String, Kind)> = Vec::new();
    let Some(sentinel) = &ground.config.sentinel else {
        return found;
    };
    let each = sentinel.addresses.iter().zip(&ground.answers.sentinels);
    for (address, said) in each {
        for kind in of_one(ground, config, sentinel, said) {
            match found.iter_mut().find(|(_, known)| *known == kind) {
                Some((who, _)) => *who = format!("{who}, {address}"),
                None => found.push((address.to_string(), kind)),
            }
        }
    }
    found
}

/// Whether those that stand by a primary name different ones.
pub(super) fn disagreement(ground: &Ground<'_>) -> Option<Kind> {
    let mut named: Vec<(String, Vec<String>)> = Vec::new();
    let addresses = ground
        .config
        .sentinel
        .iter()
        .flat_map(|each| &each.addresses);
    for (address, said) in addresses.zip(&ground.answers.sentinels) {
        let SentinelReport::Votes(vote) = &said.report else {
            continue;
        };
        if vote.phase == Phase::FailingOver {
            continue;
        }
        let whom = match meant(ground, vote) {
            Some(node) => node.settings.name.to_string(),
            None => vote.address.to_string(),
        };
        match named.iter_mut().find(|(known, _)| *known == whom) {
            Some((_, by)) => by.push(address.to_string()),
            None => named.push((whom, vec![address.to_string()])),
        }
    }
    let told = named.iter().map(|(whom, by)| {
        let verb = if by.len() == 1 { "names" } else { "name" };
        format!("{} {verb} {whom}", by.join(", "))
    });
    (named.len() > 1).then(|| Kind::SentinelsDisagree(told.collect()))
}

/// The node that a vote means: by address, else by run.
pub(in crate::survey) fn meant<'a>(ground: &Ground<'a>, vote: &Vote) -> Option<&'a NodeState> {
    known(ground, &vote.address, vote.run_id.as_ref()).map(|node| {
        // R1: one run behind two addresses is one node.
        let first = node.same_as.as_ref();
        let mut all = ground.group().nodes().iter();
        let twin = first.and_then(|name| all.find(|other| other.settings.name == *name));
        twin.unwrap_or(node)
    })
}

fn known<'a>(
    ground: &Ground<'a>,
    place: &HostPort,
    run: Option<&crate::core::facts::RunId>,
) -> Option<&'a NodeState> {
    let nodes = || ground.group().nodes().iter();
    let by_run = || nodes().find(|node| run.is_some() && node.run_id() == run);
    nodes().find(|node| node.is_meant_by(place)).or_else(by_run)
}

fn of_one(
    ground: &Ground<'_>,
    config: &Config,
    sentinel: &SentinelConfig,
    said: &SentinelSaid,
) -> Vec<Kind> {
    let vote = match &said.report {
        SentinelReport::Unreachable(why) => return vec![Kind::SentinelUnreachable(why.clone())],
        SentinelReport::Denied(said) => return vec![Kind::SentinelDenied(said.clone())],
        SentinelReport::NotASentinel(what) => return vec![Kind::NodeAsSentinel(what.clone())],
        SentinelReport::UnknownName => {
            let masters = said.masters.iter().flatten();
            let known = masters.map(|entry| entry.name.clone()).collect();
            return vec![Kind::UnknownName(sentinel.name.clone(), known)];
        }
        SentinelReport::Votes(vote) => vote,
    };
    let mut found = Vec::new();
    match (vote.phase, meant(ground, vote)) {
        (Phase::FailingOver, _) => found.push(Kind::FailingOver),
        (Phase::Settled, None) => found.push(Kind::NamesStranger(vote.address.clone())),
        (Phase::Settled, Some(node)) => found.extend(another(ground, node)),
    }
    if sentinel.discover && said.replicas.is_none() {
        found.push(Kind::ListsNothing);
    }
    // One that watches something else lists nothing that would tell us more.
    if meant(ground, vote).is_some() {
        let strangers = strangers(ground, config, said).filter(|_| !sentinel.discover);
        let lists = [strangers, missing(ground, vote, said), more(sentinel, said)];
        found.extend(lists.into_iter().flatten());
    }
    found
}

/// It names a node that would not be the primary.
fn another(ground: &Ground<'_>, node: &NodeState) -> Option<Kind> {
    let elected = ground.primary();
    if elected.is_some_and(|elected| elected.settings.id == node.settings.id) {
        return None;
    }
    let mut members = ground.members();
    let answer = members.find(|(state, _)| state.settings.id == node.settings.id);
    let report = answer.and_then(|(_, answer)| answer.asked.report.as_ref().ok());
    if report.is_some_and(|report| matches!(report.outcome, Outcome::Denied(..))) {
        // That it is our password that is wrong is said of the node.
        return None;
    }
    let but = match node.fresh_facts() {
        None => "does not answer",
        Some(facts) if facts.claims() => "would not be elected",
        Some(_) => "is a replica",
    };
    Some(Kind::NamesAnother(node.settings.name.clone(), but))
}

/// Replicas that are not configured. One that replicates through us is known under our address.
fn strangers(ground: &Ground<'_>, config: &Config, said: &SentinelSaid) -> Option<Kind> {
    let unknown = said.replicas.iter().flatten().filter(|entry| {
        let Listed { address, run_id } = &entry.listed;
        known(ground, address, run_id.as_ref()).is_none() && !is_ours(config, address)
    });
    let places: Vec<String> = unknown
        .map(|entry| entry.listed.address.to_string())
        .collect();
    (!places.is_empty()).then_some(Kind::ListsStrangers(places))
}

/// Replicas of the group that it does not know, and would leave with the old primary.
fn missing(ground: &Ground<'_>, vote: &Vote, said: &SentinelSaid) -> Option<Kind> {
    let replicas = said.replicas.as_ref()?;
    let lists = |node: &NodeState| {
        let is_it = |listed: &Listed| {
            node.is_at(&listed.address)
                || (listed.run_id.is_some() && node.run_id() == listed.run_id.as_ref())
        };
        replicas.iter().any(|entry: &Entry| is_it(&entry.listed))
    };
    let named = meant(ground, vote).map(|node| node.settings.id);
    let missed = ground.members().filter(|(node, _)| {
        let replica = node
            .fresh_facts()
            .is_some_and(|facts| facts.replica().is_some());
        replica && node.takes_part() && named != Some(node.settings.id) && !lists(node)
    });
    let names: Vec<Arc<str>> = missed.map(|(node, _)| node.settings.name.clone()).collect();
    (!names.is_empty()).then_some(Kind::MissesNodes(names))
}

/// Other Sentinels that are not configured; not told where names make that uncertain.
fn more(sentinel: &SentinelConfig, said: &SentinelSaid) -> Option<Kind> {
    let literal = |address: &Address| match address {
        Address::Tcp(place) => place.host.parse::<IpAddr>().is_ok(),
        Address::Unix(_) => false,
    };
    if !sentinel.addresses.iter().all(literal) {
        return None;
    }
    let configured = |place: &HostPort| {
        let mut all = sentinel.addresses.iter();
        all.any(|address| matches!(address, Address::Tcp(known) if known == place))
    };
    let others = said.sentinels.iter().flatten();
    let unknown = others.filter(|entry| !configured(&entry.listed.address));
    let places: Vec<String> = unknown
        .map(|entry| entry.listed.address.to_string())
        .collect();
    (!places.is_empty()).then_some(Kind::KnowsMoreSentinels(places))
}

fn is_ours(config: &Config, place: &HostPort) -> bool {
    let mut binds = config.listeners.iter().flat_map(|listener| &listener.binds);
    binds.any(|bind| match bind {
        Bind::Tcp(bind) => {
            let ip = place.host.parse::<IpAddr>();
            bind.port() == place.port && ip.is_ok_and(|ip| ip == bind.ip())
        }
        Bind::Unix(_) => false,
    })
}
