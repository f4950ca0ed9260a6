//! The survey in the words of [`crate::api`].

use std::time::Duration;

use super::answers::{GroupAnswers, NodeAnswer, deadline};
use super::find::kind::{Finding, Kind};
use super::find::{self, Ground};
use super::foretell::{Foretold, facts_of};
use crate::api::{
    self, FindingSeverity, GroupStatus, ListenerStatus, NodeStatus, Serves, SurveyGroup,
    SurveyNode, SurveySentinel,
};
use crate::check::ask::SentinelSaid;
use crate::config::model::{Address, Config, InForce};
use crate::core::facts::{Facts, Mode};
use crate::core::sentinel::{Phase, SentinelReport};
use crate::core::time::in_words;

/// All that is known, and what a proxy would say of it.
pub(super) struct Scene<'a> {
    config: &'a Config,
    answers: &'a [GroupAnswers],
    foretold: &'a [Foretold],
    path: String,
    groups: Vec<GroupStatus>,
    listeners: Vec<ListenerStatus>,
}

impl<'a> Scene<'a> {
    pub(super) fn new(
        config: &'a Config,
        answers: &'a [GroupAnswers],
        foretold: &'a [Foretold],
        in_force: &InForce,
    ) -> Self {
        let (groups, listeners) = super::status(foretold, in_force);
        Self {
            config,
            answers,
            foretold,
            path: in_force.path.display().to_string(),
            groups,
            listeners,
        }
    }

    pub(super) fn survey(self, took: Duration) -> api::Survey {
        let grounds: Vec<Ground<'_>> = self
            .config
            .groups
            .iter()
            .zip(self.answers.iter().zip(self.foretold))
            .zip(&self.groups)
            .map(|((config, (answers, foretold)), status)| Ground {
                config,
                answers,
                foretold,
                status,
            })
            .collect();
        let findings = find::all(self.config, &grounds, &self.listeners);
        let groups = grounds.iter().map(group).collect();
        let trouble = |finding: &Finding| finding.kind.severity() == FindingSeverity::Trouble;
        api::Survey {
            ok: !findings.iter().any(trouble),
            config: self.path,
            took_seconds: took.as_secs_f64(),
            deadline_seconds: deadline(self.config).as_secs_f64(),
            groups,
            findings: findings.iter().map(told).collect(),
            listeners: self.listeners,
        }
    }
}

fn told(finding: &Finding) -> api::Finding {
    api::Finding {
        severity: finding.kind.severity(),
        kind: finding.kind.code().to_owned(),
        group: finding.group.as_ref().map(ToString::to_string),
        about: finding.about.name().to_owned(),
        text: finding.text(),
        advice: finding.advice(),
    }
}

fn group(ground: &Ground<'_>) -> SurveyGroup {
    let holder = ground.group().election().holder();
    let addresses = ground
        .config
        .sentinel
        .iter()
        .flat_map(|each| &each.addresses);
    let sentinels = addresses.zip(&ground.answers.sentinels);
    SurveyGroup {
        name: ground.config.name.to_string(),
        primary: holder.map(|holder| holder.name.to_string()),
        rule: holder.map(|holder| holder.evidence.rule().to_owned()),
        after_seconds: ground.foretold.hold.unwrap_or_default().as_secs_f64(),
        text: sentence(ground),
        claimants: ground.group().claimants(),
        nodes: nodes(ground),
        sentinels: sentinels
            .map(|(address, said)| sentinel(ground, address, said))
            .collect(),
    }
}

fn sentence(ground: &Ground<'_>) -> String {
    let Some(holder) = ground.group().election().holder() else {
        return ground.status.text.clone();
    };
    let (name, rule) = (&holder.name, holder.evidence.rule());
    match ground.foretold.hold {
        None => format!("{name} would be the primary: {} ({rule})", holder.evidence),
        Some(hold) => format!(
            "{name} would be the primary after claim_hold, {}: nobody else says role:master ({rule})",
            in_words(hold)
        ),
    }
}

fn nodes(ground: &Ground<'_>) -> Vec<SurveyNode> {
    let told = ground.of_nodes().filter_map(|(answer, kinds)| {
        let mut all = ground.status.nodes.iter();
        let status = all.find(|status| status.name == *answer.name)?;
        Some(node(answer, status, &kinds))
    });
    told.collect()
}

fn node(answer: &NodeAnswer, status: &NodeStatus, kinds: &[Kind]) -> SurveyNode {
    let facts = facts_of(answer);
    let outcome = answer.asked.report.as_ref();
    let is_data = facts.is_some_and(|facts| facts.mode != Mode::Sentinel);
    let words: Vec<String> = kinds.iter().map(Kind::words).collect();
    SurveyNode {
        name: status.name.clone(),
        address: status.address.clone(),
        dialled: status.dialled.clone(),
        local: status.local,
        learned: status.learned,
        outcome: outcome
            .map_or("not_asked", |report| report.outcome.label())
            .to_owned(),
        role: if is_data {
            status.role
        } else {
            api::NodeRole::Unknown
        },
        product: facts.and(answer.product).map(|product| product.to_string()),
        version: facts.map(|facts| facts.version.to_string()),
        follows: status.follows.clone().filter(|_| is_data),
        link_up: status.link_up.filter(|_| is_data),
        syncing: facts
            .and_then(Facts::replica)
            .is_some_and(|link| link.syncing),
        lag_bytes: status.lag_bytes,
        lag_seconds: status.lag_seconds,
        serves: status.serves,
        text: if words.is_empty() {
            at_its_best(status)
        } else {
            words.join("; ")
        },
    }
}

/// Nothing is wrong with it.
fn at_its_best(status: &NodeStatus) -> String {
    match (status.serves, &status.reason) {
        (Serves::Writes, _) => "takes writes".to_owned(),
        (Serves::Reads, _) => "standing by".to_owned(),
        (Serves::Nothing, Some(reason)) => reason.clone(),
        (Serves::Nothing, None) => "serves nobody".to_owned(),
    }
}

fn sentinel(ground: &Ground<'_>, address: &Address, said: &SentinelSaid) -> SurveySentinel {
    let vote = match &said.report {
        SentinelReport::Votes(vote) => Some(vote),
        _ => None,
    };
    let node = vote.and_then(|vote| find::meant(ground, vote));
    let name = node.map(|node| node.settings.name.to_string());
    SurveySentinel {
        address: address.to_string(),
        dialled: said.target.as_ref().map(ToString::to_string),
        answers: vote.is_some(),
        names: vote.map(|vote| vote.address.to_string()),
        config_epoch: vote.map(|vote| vote.config_epoch),
        replicas: said.replicas.as_ref().map(Vec::len),
        sentinels: said.sentinels.as_ref().map(Vec::len),
        text: match (&said.report, &name) {
            (SentinelReport::Votes(vote), _) if vote.phase == Phase::FailingOver => {
                "leads a failover".to_owned()
            }
            (SentinelReport::Votes(_), Some(name)) => format!("names {name}"),
            (SentinelReport::Votes(vote), None) => {
                format!("names {}, which is none of the nodes", vote.address)
            }
            (SentinelReport::UnknownName, _) => "does not know the name of the group".to_owned(),
            (SentinelReport::NotASentinel(what), _) => format!("is no Sentinel: {what}"),
            (SentinelReport::Denied(said), _) => format!("refuses us ({said})"),
            (SentinelReport::Unreachable(why), _) => why.to_string(),
        },
        node: name,
    }
}
