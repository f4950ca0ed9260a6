//! What is wrong with one node.

use std::sync::Arc;
use std::time::Duration;

use super::Ground;
use super::kind::{Kind, Limited};
use crate::check::ask::Asked;
use crate::config::model::Address;
use crate::core::facts::{Condition, Facts, Mode, ReplicaFacts};
use crate::core::node::NodeState;
use crate::core::outcome::Outcome;
use crate::core::reason::Ineligible;
use crate::core::snapshot::Target;
use crate::redis::product::{Product, major_minor};
use crate::survey::answers::{NodeAnswer, waits};
use crate::survey::foretell::facts_of;

/// From here on a replica can be told to take over (`FAILOVER`).
const FAILOVER: (u32, u32) = (6, 2);

/// From here on nodes tell their history.
const HISTORIES: (u32, u32) = (4, 0);

/// All that is wrong with it; one thing where that explains the rest.
pub(super) fn all(ground: &Ground<'_>, state: &NodeState, answer: &NodeAnswer) -> Vec<Kind> {
    let report = match &answer.asked.report {
        Ok(report) => report,
        Err(why) => return vec![Kind::NotAsked(why.clone())],
    };
    let unasked = of_outcome(report.outcome.clone(), answer, waits(ground.config));
    match (unasked, facts_of(answer)) {
        (Some(kind), _) => vec![kind],
        (None, Some(facts)) => answered(ground, state, answer, facts),
        (None, None) => Vec::new(),
    }
}

/// What an outcome is found to be; none for an answer.
fn of_outcome(outcome: Outcome, answer: &NodeAnswer, waited: Duration) -> Option<Kind> {
    match outcome {
        Outcome::Answered(_) => None,
        Outcome::Loading => Some(Kind::Loading),
        Outcome::Busy => Some(Kind::Busy),
        Outcome::TooManyClients => Some(Kind::TooManyClients),
        Outcome::TimedOut(stage) => Some(Kind::Silent(stage, waited)),
        Outcome::Refused => Some(Kind::Refused(place(&answer.address))),
        Outcome::Unreachable(why) => Some(Kind::Unreachable(why)),
        Outcome::Unresolved(why) => Some(Kind::Unresolved(why)),
        Outcome::Closed => Some(Kind::Closes),
        Outcome::Denied(denial, said) => Some(Kind::Denied(denial, said)),
        Outcome::NotRedis(said) => Some(Kind::NotRedis(said)),
        Outcome::BadReply(why) => Some(Kind::BadReply(why)),
        Outcome::AtNoAddress(first, all) => {
            let first = of_outcome(*first, answer, waited)?;
            Some(Kind::AtNoAddress(first.code(), all))
        }
    }
}

/// Several processes behind its name: each address, with its role and its run.
fn several(answer: &NodeAnswer, facts: &Facts) -> Option<Kind> {
    let told = |target: &Target, facts: &Facts| {
        let role = if facts.claims() { "primary" } else { "replica" };
        let run: String = facts.run_id.0.chars().take(8).collect();
        format!("{target} is a {role}, run {run}")
    };
    let answered = |asked: &Asked| match (&asked.target, &asked.report) {
        (Some(target), Ok(report)) => match &report.outcome {
            Outcome::Answered(facts) => Some((target.clone(), facts.clone())),
            _ => None,
        },
        _ => None,
    };
    let others: Vec<_> = answer.elsewhere.iter().filter_map(answered).collect();
    let differs = |(_, other): &(Target, Box<Facts>)| other.run_id != facts.run_id;
    if !others.iter().any(differs) {
        return None;
    }
    let own = answer
        .asked
        .target
        .iter()
        .map(|target| told(target, facts) + " (the one that is used)");
    let others = others.iter().map(|(target, facts)| told(target, facts));
    Some(Kind::SeveralNodes(own.chain(others).collect()))
}

fn place(address: &Address) -> String {
    match address {
        Address::Tcp(place) => place.to_string(),
        Address::Unix(path) => format!("the socket {}", path.display()),
    }
}

fn answered(
    ground: &Ground<'_>,
    state: &NodeState,
    answer: &NodeAnswer,
    facts: &Facts,
) -> Vec<Kind> {
    match facts.mode {
        Mode::Sentinel => return vec![Kind::SentinelAsNode],
        Mode::Cluster => return vec![Kind::ClusterMode],
        Mode::Standalone => {}
    }
    if state.own_listener {
        return vec![Kind::OwnListener];
    }
    let mut found = Vec::from_iter(several(answer, facts));
    if let Some(other) = &state.same_as {
        found.push(Kind::SameProcess(other.clone()));
        return found;
    }
    let alias = alias(ground, state);
    match facts.replica() {
        Some(link) => found.extend(replica(ground, state, facts, link)),
        None if state.settings.local && alias.is_none() => found.push(Kind::LocalPrimary),
        None if facts.condition == Condition::Misconf => found.push(Kind::SavesNothing),
        None => {}
    }
    found.extend(alias.map(Kind::LocalAlias));
    if facts.handover {
        found.push(Kind::HandsOver);
    }
    found.extend(version(ground, state, answer, facts));
    found
}

/// The node of the group that a local one is another address of.
fn alias(ground: &Ground<'_>, state: &NodeState) -> Option<Arc<str>> {
    let mut others = ground.group().nodes().iter();
    let twin = others.find(|other| {
        state.settings.local && !other.settings.local && other.run_id() == state.run_id()
    });
    twin.map(|other| other.settings.name.clone())
}

fn replica(
    ground: &Ground<'_>,
    state: &NodeState,
    facts: &Facts,
    link: &ReplicaFacts,
) -> Option<Kind> {
    let primary = ground.primary();
    let of_primary = primary.and_then(|node| node.facts.as_ref());
    let common = of_primary.map(|primary| is_common(facts, primary));
    let place = link.master.clone();
    let mut nodes = ground.group().nodes().iter();
    let known = state.looping.is_some() || nodes.any(|node| node.is_at(&place));
    let by_history = link.link_up && common == Some(true);
    if !known && !by_history {
        return Some(Kind::FollowsStranger(place));
    }
    if link.syncing {
        return Some(Kind::Syncing(place));
    }
    if !link.link_up {
        let mut nodes = ground.group().nodes().iter();
        let silent = nodes.any(|node| node.is_at(&place) && !node.fresh);
        let kind = if silent {
            Kind::Orphaned
        } else {
            Kind::LinkDown
        };
        return Some(kind(place, link.link_down_for));
    }
    if common == Some(false)
        && let Some(primary) = primary
    {
        return Some(Kind::OtherHistory(primary.settings.name.clone()));
    }
    let age = || state.lag.age(ground.foretold.now);
    let view = ground.group().view().node(state.settings.id);
    match view {
        Some(view) if view.read == Err(Ineligible::Lagging) => {
            return Some(Kind::Lagging(state.lag.bytes(), age()));
        }
        Some(view) if view.stale => return Some(Kind::Stale(age())),
        _ => {}
    }
    (!known).then_some(Kind::FollowsByOtherAddress(place))
}

/// Whether a replica holds the primary's history; nodes that tell none (before Redis 4) are believed.
fn is_common(replica: &Facts, primary: &Facts) -> bool {
    match (&replica.replid, &primary.replid) {
        (Some(own), Some(common)) => own == common || Some(own) == primary.replid2.as_ref(),
        _ => true,
    }
}

/// What its version cannot do.
fn version(
    ground: &Ground<'_>,
    state: &NodeState,
    answer: &NodeAnswer,
    facts: &Facts,
) -> Option<Kind> {
    let known = major_minor(&facts.version).filter(|_| answer.product == Some(Product::Redis))?;
    let limited = match ground.config.max_lag {
        Some(_) => Limited::Yes,
        None => Limited::No,
    };
    let several = ground
        .config
        .nodes
        .iter()
        .filter(|node| !node.local)
        .count()
        > 1;
    match known {
        _ if known < HISTORIES => Some(Kind::NoHistories(facts.version.clone(), limited)),
        _ if known < FAILOVER && several && !state.settings.local => ground
            .config
            .sentinel
            .is_none()
            .then(|| Kind::NoFailover(facts.version.clone())),
        _ => None,
    }
}
