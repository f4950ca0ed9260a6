//! One node: its role, what it may take, and why not more.

use super::Picture;
use super::group::stalled;
use super::words::moment;
use crate::api::{LastCheck, NodeOrder, NodeRole, NodeStatus, Serves};
use crate::core::facts::Facts;
use crate::core::group::Group;
use crate::core::health::Status;
use crate::core::lag::Lag;
use crate::core::node::{NodeState, Order};
use crate::core::reason::Ineligible;
use crate::core::snapshot::{NodeView, Silence};

impl Picture<'_> {
    pub(super) fn node(&self, group: &Group, state: &NodeState, view: &NodeView) -> NodeStatus {
        let role = role(state);
        let link = state.facts.as_ref().and_then(Facts::replica);
        let link = link.filter(|_| role == NodeRole::Replica);
        let lag = link.map(|_| state.lag);
        let (serves, reason, trouble) = self.verdict(group, state, view);
        let facts = state.facts.as_ref();
        NodeStatus {
            name: state.settings.name.to_string(),
            address: self.address(state),
            dialled: state.target.as_ref().map(ToString::to_string),
            local: state.settings.local,
            weight: state.settings.weight,
            learned: state.learned,
            order: order(state),
            up: is_up(state),
            role,
            follows: link.map(|link| link.master.to_string()),
            link_up: link.map(|link| link.link_up),
            serves,
            reason,
            trouble,
            since: moment(state.verdict_since),
            since_seconds: self.now.since(state.verdict_since).as_secs_f64(),
            lag_bytes: lag.and_then(Lag::bytes),
            lag_seconds: lag
                .and_then(|lag| lag.age(self.now))
                .map(|age| age.as_secs_f64()),
            sessions: self.loads.sessions(state.settings.id),
            version: facts.map(|facts| facts.version.to_string()),
            run_id: facts.map(|facts| facts.run_id.to_string()),
            last_check: state.last_check.as_ref().map(|last| LastCheck {
                outcome: last.outcome.to_owned(),
                text: last.words.clone(),
                age_seconds: self.now.since(last.finished).as_secs_f64(),
                took_seconds: last.took.as_secs_f64(),
            }),
        }
    }

    /// As written in the configuration, or as it was learned.
    fn address(&self, state: &NodeState) -> String {
        let groups = self.config.config.groups.iter();
        let written = groups
            .flat_map(|group| &group.nodes)
            .find(|node| node.id == state.settings.id);
        match (written, &state.settings.address, &state.target) {
            (Some(node), _, _) => node.address.to_string(),
            (None, Some(address), _) => address.to_string(),
            (None, None, Some(target)) => target.to_string(),
            (None, None, None) => "unknown".to_owned(),
        }
    }

    /// What it may take, why not more, and whether somebody should look.
    fn verdict(
        &self,
        group: &Group,
        state: &NodeState,
        view: &NodeView,
    ) -> (Serves, Option<String>, bool) {
        let silent = match view.silence {
            Silence::None => None,
            Silence::Once => Some("did not answer its last check".to_owned()),
            Silence::Twice => Some(format!(
                "did not answer its last {} checks",
                state.health.time_outs()
            )),
        };
        if view.write.is_ok() {
            if let Some(words) = stalled(state) {
                return (Serves::Writes, Some(words.to_owned()), true);
            }
            let trouble = silent.is_some();
            return (Serves::Writes, silent, trouble);
        }
        if view.read.is_ok() {
            let (reason, trouble) = match silent {
                Some(words) => (Some(words), true),
                None if view.stale => (
                    Some("is stale: it has been behind for more than 15s, and ranks last".into()),
                    true,
                ),
                None => (None, false),
            };
            let looping = view
                .looping
                .as_ref()
                .map(|looping| format!("replicates through our own listener {}", looping.through));
            return (Serves::Reads, reason.or(looping), trouble);
        }
        let claims = state.facts.as_ref().is_some_and(Facts::claims);
        let reason = if claims && !state.settings.local {
            &view.write
        } else {
            &view.read
        };
        let reason = reason.as_ref().err();
        // A claimant that nobody believes is a rival of the primary, or waits for evidence.
        let trouble = reason.is_some_and(|reason| match reason {
            Ineligible::NotElected => group.claimants() > 1,
            other => other.is_trouble(),
        });
        let words = reason.map(|reason| reason.explain(self.now));
        (Serves::Nothing, words, trouble)
    }
}

fn order(state: &NodeState) -> NodeOrder {
    if state.leaving {
        return NodeOrder::Leaving;
    }
    match state.order {
        Order::Ready => NodeOrder::Ready,
        Order::Drain => NodeOrder::Drain,
        Order::Maintenance => NodeOrder::Maintenance,
    }
}

/// The same as `rolecall_node_up`.
fn is_up(state: &NodeState) -> bool {
    matches!(
        state.health.status(),
        Status::Up | Status::Alive(_) | Status::Rising(_)
    )
}

/// The same as `rolecall_node_role`.
fn role(state: &NodeState) -> NodeRole {
    match &state.facts {
        Some(facts) if !state.health.is_down() => {
            if facts.claims() {
                NodeRole::Primary
            } else {
                NodeRole::Replica
            }
        }
        _ => NodeRole::Unknown,
    }
}
