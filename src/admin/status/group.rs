//! One group: who is primary, since when and why, and what that means for writes.

use std::fmt::Write as _;

use super::Picture;
use super::words::{list, moment, parked, since};
use crate::api::{GroupState, GroupStatus, PrimaryStatus, SentinelStatus};
use crate::core::election::{Incumbent, Standing};
use crate::core::facts::Condition;
use crate::core::group::Group;
use crate::core::ids::GroupId;
use crate::core::node::NodeState;
use crate::core::reason::Ineligible;
use crate::core::snapshot::NodeView;

impl Picture<'_> {
    pub(super) fn group(&self, group: &Group) -> GroupStatus {
        let state = state(group);
        let nodes = group.nodes().iter().zip(&group.view().nodes);
        GroupStatus {
            name: group.view().name.to_string(),
            state,
            text: self.group_text(group, state),
            primary: self.primary(group),
            claimants: group.claimants(),
            sentinels: sentinels(group),
            nodes: nodes
                .map(|(state, view)| self.node(group, state, view))
                .collect(),
        }
    }

    fn primary(&self, group: &Group) -> Option<PrimaryStatus> {
        let (holder, primary) = (group.election().holder()?, group.election().primary()?);
        Some(PrimaryStatus {
            node: holder.name.to_string(),
            living: group.has_living_primary(),
            since: moment(holder.elected_at),
            since_seconds: self.now.since(holder.elected_at).as_secs_f64(),
            term: primary.term,
            rule: holder.evidence.rule().to_owned(),
            evidence: holder.evidence.to_string(),
        })
    }

    fn group_text(&self, group: &Group, state: GroupState) -> String {
        let waiting = parked(self.parked(group.view().id));
        let Some(holder) = group.election().holder() else {
            return format!("{}: new writes wait{waiting}", self.why_nobody(group));
        };
        let (name, elected) = (&holder.name, since(holder.elected_at, self.now));
        let why = format!("{} ({})", holder.evidence, holder.evidence.rule());
        let verdict = elected_view(group, holder).map(|view| view.write.clone());
        if group.election().is_handing_over() || verdict == Some(Err(Ineligible::Handover)) {
            return format!(
                "{name}, primary since {elected}, is handing its role over: new writes wait{waiting}"
            );
        }
        match verdict {
            Some(Err(Ineligible::Switchover)) => format!(
                "{name}, primary since {elected}, gives its role to another by an operator's switchover: new \
                 writes wait{waiting}"
            ),
            Some(Err(Ineligible::Draining)) => format!(
                "{name}, primary since {elected}, is being drained: new writes wait until it is ready \
                 again or another is elected{waiting}"
            ),
            Some(Err(reason)) if group.has_living_primary() => format!(
                "{name}, primary since {elected}, takes no new writes: it {}{waiting}",
                reason.explain(self.now)
            ),
            Some(Err(reason)) => format!(
                "no primary: {name}, elected at {elected}, {}: new writes wait until it is back or another \
                 is elected{waiting}",
                reason.explain(self.now)
            ),
            Some(Ok(())) if state == GroupState::Conflict => format!(
                "{} claim to be primary; {name} keeps the writes, primary since {elected}: {why}",
                list(&claimants(group))
            ),
            _ => format!(
                "{name} is primary since {elected}: {why}{}",
                remark(group, holder)
            ),
        }
    }

    /// Nobody holds the election: what became of the last primary, and why nobody follows.
    fn why_nobody(&self, group: &Group) -> String {
        let claimants = claimants(group);
        let mut text = match claimants.len() {
            0 => "no primary".to_owned(),
            1 => format!(
                "no primary: {} claims to be, and waits for evidence",
                claimants[0]
            ),
            _ => format!(
                "no primary: {} claim to be and nothing tells who is right; it is settled when replicas \
                 link to one of them, or REPLICAOF makes the others replicas",
                list(&claimants)
            ),
        };
        if let Some((last, Standing::Lost(why, at))) = group.election().incumbent() {
            let ended = since(*at, self.now);
            let _infallible = write!(text, "; {} lost the election at {ended}: {why}", last.name);
        }
        let others = group.nodes().iter().zip(&group.view().nodes);
        let clauses: Vec<String> = others
            .filter(|(state, _)| !state.settings.local && !state.is_claimant())
            .filter_map(|(_, view)| {
                let reason = view.write.as_ref().err()?;
                Some(format!("{} {}", view.name, reason.explain(self.now)))
            })
            .collect();
        if !clauses.is_empty() {
            let join = if text == "no primary" { ": " } else { "; " };
            let _infallible = write!(text, "{join}{}", clauses.join(", "));
        }
        text
    }

    /// Connections that wait at any listener of the group.
    pub(super) fn parked(&self, group: GroupId) -> usize {
        let listeners = self.config.config.listeners.iter();
        listeners
            .filter(|listener| listener.group == group)
            .map(|listener| self.loads.parked(listener.id))
            .sum()
    }
}

fn state(group: &Group) -> GroupState {
    let Some(holder) = group.election().holder() else {
        return if group.claimants() > 1 {
            GroupState::Conflict
        } else {
            GroupState::NoPrimary
        };
    };
    let verdict = elected_view(group, holder).map(|view| &view.write);
    match verdict {
        _ if group.election().is_handing_over() => GroupState::Handover,
        Some(Err(Ineligible::Handover | Ineligible::Switchover | Ineligible::Draining)) => {
            GroupState::Handover
        }
        Some(Ok(())) if group.claimants() > 1 => GroupState::Conflict,
        Some(Ok(())) => GroupState::Ok,
        _ => GroupState::NoPrimary,
    }
}

fn elected_view<'g>(group: &'g Group, holder: &Incumbent) -> Option<&'g NodeView> {
    group.view().node(holder.node)
}

fn claimants(group: &Group) -> Vec<&str> {
    let claim = group.nodes().iter().filter(|node| node.is_claimant());
    claim.map(|node| &*node.settings.name).collect()
}

/// What is not right although writes go to the primary.
fn remark(group: &Group, holder: &Incumbent) -> String {
    let mut nodes = group.nodes().iter();
    let Some(node) = nodes.find(|node| node.settings.id == holder.node) else {
        return String::new();
    };
    if is_stalled(node) {
        return "; it refuses writes, because it cannot save to disk (-MISCONF)".to_owned();
    }
    match node.health.time_outs() {
        0 => String::new(),
        1 => "; it did not answer its last check".to_owned(),
        silent => format!("; it did not answer its last {silent} checks"),
    }
}

/// R8: it lives, and refuses writes.
pub(super) fn is_stalled(node: &NodeState) -> bool {
    let facts = node.facts.as_ref();
    facts.is_some_and(|facts| facts.claims() && facts.condition == Condition::Misconf)
}

fn sentinels(group: &Group) -> Vec<SentinelStatus> {
    let told = group
        .sentinels()
        .witnesses()
        .map(|(address, vote, answers)| SentinelStatus {
            address: address.to_string(),
            answers,
            names: vote.map(|vote| vote.address.to_string()),
            config_epoch: vote.map(|vote| vote.config_epoch),
        });
    told.collect()
}
