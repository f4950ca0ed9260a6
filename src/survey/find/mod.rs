//! What is wrong, by comparing what was heard with what the configuration says and what a proxy would make
//! of it. Pure, but for the trial of the listeners' addresses in [`listener`].

mod advice;
pub(super) mod kind;
mod listener;
mod node;
mod sentinel;
mod words;

use std::sync::Arc;

use super::answers::{GroupAnswers, NodeAnswer};
use super::foretell::{Foretold, facts_of};
use crate::api::{GroupStatus, ListenerStatus};
use crate::config::model::{Config, GroupConfig};
use crate::core::facts::{Mode, ReplId};
use crate::core::group::Group;
use crate::core::node::NodeState;
use kind::{About, Finding, Kind};
pub(super) use sentinel::meant;

/// One group, from all sides.
#[derive(Clone, Copy)]
pub(super) struct Ground<'a> {
    pub(super) config: &'a GroupConfig,
    pub(super) answers: &'a GroupAnswers,
    pub(super) foretold: &'a Foretold,
    pub(super) status: &'a GroupStatus,
}

/// All findings: of each group its nodes, itself and its Sentinels, then the listeners.
pub(super) fn all(
    config: &Config,
    grounds: &[Ground<'_>],
    listeners: &[ListenerStatus],
) -> Vec<Finding> {
    let mut found = Vec::new();
    for ground in grounds {
        let name = &ground.config.name;
        let mut tell = |about, kind| {
            let group = Some(Arc::clone(name));
            found.push(Finding { group, about, kind });
        };
        for (answer, kinds) in ground.of_nodes() {
            for kind in kinds {
                tell(About::Node(answer.name.clone()), kind);
            }
        }
        for kind in ground.of_group() {
            tell(About::Group(name.clone()), kind);
        }
        for (address, kind) in sentinel::all(ground, config) {
            tell(About::Sentinel(address), kind);
        }
    }
    found.extend(listener::all(config, listeners));
    found
}

impl<'a> Ground<'a> {
    pub(super) fn group(&self) -> &'a Group {
        &self.foretold.group
    }

    /// Each node that is left, what is known of it and what it said.
    pub(super) fn members(&self) -> impl Iterator<Item = (&'a NodeState, &'a NodeAnswer)> {
        let answers = &self.answers.nodes;
        self.group().nodes().iter().filter_map(move |state| {
            let mut all = answers.iter();
            let answer = all.find(|answer| answer.id == state.settings.id)?;
            Some((state, answer))
        })
    }

    /// Who would be the primary.
    pub(super) fn primary(&self) -> Option<&'a NodeState> {
        let holder = self.group().election().holder()?;
        let mut nodes = self.group().nodes().iter();
        nodes.find(|node| node.settings.id == holder.node)
    }

    /// What is wrong with each node.
    pub(super) fn of_nodes(&self) -> impl Iterator<Item = (&'a NodeAnswer, Vec<Kind>)> {
        let ground = *self;
        self.members()
            .map(move |(state, answer)| (answer, node::all(&ground, state, answer)))
    }

    fn of_group(&self) -> Vec<Kind> {
        let mut found = Vec::new();
        let claimants: Vec<Arc<str>> = self
            .members()
            .filter(|(state, _)| state.claims())
            .map(|(state, _)| state.settings.name.clone())
            .collect();
        let primary = self.primary();
        if claimants.len() > 1 {
            let keeps = primary.map(|node| node.settings.name.clone());
            found.push(Kind::TwoPrimaries(claimants, keeps));
        } else if primary.is_none() {
            found.push(Kind::NoPrimary(match claimants.first() {
                None => "no node says role:master: writes would wait".to_owned(),
                Some(_) => self.status.text.clone(),
            }));
            found.extend(self.histories());
        }
        if let Some(node) = primary
            && let Some(facts) = &node.facts
            && facts.looks_unproven()
            && facts.has_keys == Some(false)
        {
            found.push(Kind::Empty(node.settings.name.clone()));
        }
        found.extend(sentinel::disagreement(self));
        found
    }

    /// Several histories, where no primary tells which is the right one.
    fn histories(&self) -> Option<Kind> {
        let mut all: Vec<(&ReplId, Vec<&str>)> = Vec::new();
        for (_, answer) in self.members() {
            let facts = facts_of(answer).filter(|facts| facts.mode == Mode::Standalone);
            let Some(history) = facts.and_then(|facts| facts.replid.as_ref()) else {
                continue;
            };
            match all.iter_mut().find(|(known, _)| *known == history) {
                Some((_, names)) => names.push(&answer.name),
                None => all.push((history, vec![&answer.name])),
            }
        }
        let told = all.iter().map(|(history, names)| {
            let short: String = history.0.chars().take(8).collect();
            format!("{} hold {short}", names.join(" and "))
        });
        (all.len() > 1).then(|| Kind::Histories(told.collect()))
    }
}
