//! One group: who is primary, since when and why, and what that means for writes.

use std::fmt::Write as _;

use super::Picture;
use super::words::{list, moment, parked, since};
use crate::api::{GroupState, GroupStatus, PrimaryStatus, SentinelStatus};
use crate::core::election::{Incumbent, Standing};
use crate::core::facts::Condition;
use crate::core::group::Group;
use crate::core::ids::GroupId;
use crate::core::node::{Kin, NodeState};
use crate::core::reason::Ineligible;
use crate::core::snapshot::NodeView;
use crate::core::time::Moment;

/// R17: what is wrong, and what to do.
const WHOLLY_FOREIGN: &str = "every node that answers holds data of a history that this group never had; if that is \
                              meant, accept it with `rolecall ready NODE --accept-history`";

impl Picture<'_> {
    pub(super) fn group(&self, group: &Group) -> GroupStatus {
        let state = state(group, self.now);
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
                 is elected{}{}{waiting}",
                reason.explain(self.now),
                if is_wholly_foreign(group) {
                    format!("; {WHOLLY_FOREIGN}")
                } else {
                    String::new()
                },
                self.named_unseen(group)
                    .map_or_else(String::new, |words| format!("; {words}"))
            ),
            Some(Ok(())) if state == GroupState::Conflict => format!(
                "{} claim to be primary; {name} keeps the writes, primary since {elected}: {why}{}{}",
                list(&claimants(group)),
                remark(group, holder),
                self.reservations(group)
            ),
            _ => format!(
                "{name} is primary since {elected}: {why}{}{}{}",
                lacks(holder),
                remark(group, holder),
                self.reservations(group)
            ),
        }
    }

    /// What will not stay as it is although writes go to the primary: Sentinels that name another, nodes with
    /// another history.
    fn reservations(&self, group: &Group) -> String {
        let mut text = String::new();
        if let Some(named) = group.dissent(self.now) {
            let normal = if group.expects_dissent() {
                ": normal for some seconds after a failover of theirs"
            } else {
                " and are about to make this one a replica: what is written to it until then is lost"
            };
            let _infallible = write!(text, "; {named}{normal}");
        }
        let foreign: Vec<&str> = foreign(group).map(|node| &*node.settings.name).collect();
        if !foreign.is_empty() {
            let _infallible = write!(text, "; {} of another history (R17)", hold(&foreign));
        }
        text
    }

    /// R18: whom the Sentinels name, where that is nobody who answers, and what cures it.
    fn named_unseen(&self, group: &Group) -> Option<String> {
        let named = group.named_unseen(self.now)?;
        let cure = if named.down {
            "have them watch the right one: SENTINEL REMOVE and SENTINEL MONITOR with its address, on each"
        } else {
            "they reach it and this proxy does not: look at the network between"
        };
        Some(format!("{named}; {cure}"))
    }

    /// Nobody holds the election: what became of the last primary, and why nobody follows.
    fn why_nobody(&self, group: &Group) -> String {
        let able = group.nodes().iter().filter(|node| node.is_claimant());
        let claimants: Vec<&str> = able.map(|node| &*node.settings.name).collect();
        let mut text = match claimants.len() {
            0 if is_wholly_foreign(group) => format!("no primary: {WHOLLY_FOREIGN}"),
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
        if let Some(words) = self.named_unseen(group) {
            let _infallible = write!(text, "; {words}");
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

fn foreign(group: &Group) -> impl Iterator<Item = &NodeState> {
    group.nodes().iter().filter(|node| node.kin == Kin::Foreign)
}

/// Every node that answers, and could be primary or serve, holds another history.
fn is_wholly_foreign(group: &Group) -> bool {
    let mut heard = group.nodes().iter().filter(|node| node.fresh).peekable();
    heard.peek().is_some() && heard.all(|node| node.kin == Kin::Foreign)
}

fn hold(names: &[&str]) -> String {
    let verb = if names.len() == 1 { "holds" } else { "hold" };
    format!("{} {verb} data", list(names))
}

fn state(group: &Group, now: Moment) -> GroupState {
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
        Some(Ok(())) if is_degraded(group, holder, now) => GroupState::Degraded,
        Some(Ok(())) => GroupState::Ok,
        _ => GroupState::NoPrimary,
    }
}

/// The primary takes new connections, and somebody should look all the same.
fn is_degraded(group: &Group, holder: &Incumbent, now: Moment) -> bool {
    let mut nodes = group.nodes().iter();
    let node = nodes.find(|node| node.settings.id == holder.node);
    node.is_some_and(|node| stalled(node).is_some())
        || (group.dissent(now).is_some() && !group.expects_dissent())
        || foreign(group).any(|node| node.fresh && node.is_wanted())
}

fn elected_view<'g>(group: &'g Group, holder: &Incumbent) -> Option<&'g NodeView> {
    group.view().node(holder.node)
}

fn claimants(group: &Group) -> Vec<&str> {
    let claim = group.nodes().iter().filter(|node| node.claims());
    claim.map(|node| &*node.settings.name).collect()
}

/// What its data lacked when it was elected.
fn lacks(holder: &Incumbent) -> String {
    holder
        .loss
        .map_or_else(String::new, |loss| format!("; {loss}"))
}

/// What is not right although writes go to the primary.
fn remark(group: &Group, holder: &Incumbent) -> String {
    let mut nodes = group.nodes().iter();
    let Some(node) = nodes.find(|node| node.settings.id == holder.node) else {
        return String::new();
    };
    if let Some(words) = stalled(node) {
        return format!("; it {words}");
    }
    match node.health.time_outs() {
        0 => String::new(),
        1 => "; it did not answer its last check".to_owned(),
        silent => format!("; it did not answer its last {silent} checks"),
    }
}

/// R8, R19: why it refuses writes although it lives.
pub(super) fn stalled(node: &NodeState) -> Option<&'static str> {
    let facts = node.facts.as_ref().filter(|facts| facts.claims())?;
    if facts.condition == Condition::Misconf {
        return Some("refuses writes, because it cannot save to disk (-MISCONF)");
    }
    facts
        .lacks_replicas()
        .then_some("refuses writes: NOREPLICAS, fewer good replicas than min-replicas-to-write")
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
