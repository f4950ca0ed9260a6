//! What a proxy that starts now would decide, if everybody went on saying what was said: the answers go
//! through the core's own fold, as a monitor would bring them.
//!
//! Three things are given the time that a proxy would give them. The answers come to one that has been
//! running for long: the core knows no moment before its start, and a link that has been down for an hour
//! would look as if it went down just now. Silence is told as often as `fall` asks for, so that a node is
//! down and not merely unheard. And where time is the only evidence for a claimant (R3 (4), R4) the same
//! answers are told again `claim_hold` later. Pure: no socket, no clock.

use std::time::Duration;

use super::answers::{GroupAnswers, NodeAnswer};
use crate::check::ask::SentinelSaid;
use crate::config::model::{Address, GroupConfig};
use crate::core::discovery::{Change, Listed};
use crate::core::facts::Facts;
use crate::core::group::Group;
use crate::core::node::NodeSettings;
use crate::core::outcome::{Outcome, Report};
use crate::core::sentinel::SentinelReport;
use crate::core::time::Moment;

/// How long the proxy has been running when it hears the answers: longer than any `stale_reads`.
pub(super) const RUNNING: Duration = Duration::from_secs(366 * 24 * 3600);

/// A group as a proxy would see it.
#[derive(Clone, Debug)]
pub(super) struct Foretold {
    /// All that it would know.
    pub(super) group: Group,
    /// How long it would have waited for the election; none: not at all, or nobody is elected.
    pub(super) hold: Option<Duration>,
    /// The moment that it would see.
    pub(super) now: Moment,
}

/// What the Sentinels' lists ask for, before the learned nodes are asked.
pub(super) fn changes(
    mut fresh: Group,
    config: &GroupConfig,
    answers: &GroupAnswers,
) -> Vec<Change> {
    hear(&mut fresh, config, answers, RUNNING);
    fresh.changes(answers.ended.plus(RUNNING))
}

/// Brings all answers to a group of which nothing is known.
pub(super) fn foretell(mut group: Group, config: &GroupConfig, answers: &GroupAnswers) -> Foretold {
    for node in answers.nodes.iter().filter(|node| node.learned) {
        group.learn(settings_of(node), answers.began.plus(RUNNING));
    }
    hear(&mut group, config, answers, RUNNING);
    let mut hold = None;
    let mut shift = RUNNING;
    if group.election().holder().is_none() && group.claimants() > 0 {
        let later = RUNNING + config.claim_hold + Duration::from_millis(1);
        let mut waiting = group.clone();
        hear(&mut waiting, config, answers, later);
        if waiting.election().holder().is_some() {
            (group, hold, shift) = (waiting, Some(config.claim_hold), later);
        }
    }
    for node in &answers.nodes {
        if let Some(again) = &node.again {
            group.report(node.id, &shifted(again, shift));
        }
    }
    let now = answers.ended.plus(shift);
    drop_aliases(&mut group, now);
    group.tick(now);
    Foretold { group, hold, now }
}

/// One round of all answers, so much later than they came. Claimants come first in the second round:
/// replicas are measured by the primary as it is then.
fn hear(group: &mut Group, config: &GroupConfig, answers: &GroupAnswers, shift: Duration) {
    let mut nodes: Vec<&NodeAnswer> = answers.nodes.iter().collect();
    if shift > RUNNING {
        nodes.sort_by_key(|node| !facts_of(node).is_some_and(Facts::claims));
    }
    for node in &nodes {
        let target = node.asked.target.clone();
        group.resolved(node.id, target, answers.began.plus(shift));
    }
    for node in nodes {
        let Ok(report) = &node.asked.report else {
            continue;
        };
        let times = if report.outcome.is_silence() {
            config.check.fall
        } else {
            1
        };
        for _ in 0..times {
            group.report(node.id, &shifted(report, shift));
        }
    }
    let learns = config.sentinel.as_ref().is_some_and(|each| each.discover);
    for (index, said) in answers.sentinels.iter().enumerate() {
        let now = answers.ended.plus(shift);
        group.sentinel(index, said.report.clone(), now);
        if learns {
            group.listed(index, listed(said));
        }
    }
}

/// R1: a learned node that turned out to be another address of a written one goes, as it would.
fn drop_aliases(group: &mut Group, now: Moment) {
    for change in group.changes(now) {
        if let Change::Retire(node) = change {
            group.retire(node, now);
            group.drop_node(node, now);
        }
    }
}

/// All nodes that a Sentinel knows: the replicas, and the primary that it names.
fn listed(said: &SentinelSaid) -> Option<Vec<Listed>> {
    let SentinelReport::Votes(vote) = &said.report else {
        return None;
    };
    let replicas = said.replicas.as_ref()?.iter();
    let mut list: Vec<Listed> = replicas.map(|entry| entry.listed.clone()).collect();
    list.push(Listed {
        address: vote.address.clone(),
        run_id: vote.run_id.clone(),
    });
    Some(list)
}

fn settings_of(node: &NodeAnswer) -> NodeSettings {
    NodeSettings {
        id: node.id,
        name: node.name.clone(),
        address: match &node.address {
            Address::Tcp(place) => Some(place.clone()),
            Address::Unix(_) => None,
        },
        local: node.local,
        weight: 1,
    }
}

fn shifted(report: &Report, shift: Duration) -> Report {
    Report {
        started: report.started.plus(shift),
        finished: report.finished.plus(shift),
        ..report.clone()
    }
}

/// The newest facts of a node; none when it did not give any.
pub(super) fn facts_of(node: &NodeAnswer) -> Option<&Facts> {
    let first = node.asked.report.as_ref().ok();
    match &node.again.as_ref().or(first)?.outcome {
        Outcome::Answered(facts) => Some(facts),
        _ => None,
    }
}
