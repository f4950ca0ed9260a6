//! One listener: who gets new connections now, and for everybody else why not.

use std::sync::Arc;

use super::Picture;
use super::words::{list, parked};
use crate::api::{ListenerStatus, TierNode, TierStatus};
use crate::config::model::ListenerConfig;
use crate::core::chain::Tier;
use crate::core::ids::{GroupId, ListenerId, NodeId};
use crate::core::pick::{explain_none, takers};
use crate::core::snapshot::{GroupView, NodeView, Silence};

/// Who takes new connections at a listener now.
struct Taking {
    tier: usize,
    nodes: Vec<NodeId>,
}

impl Picture<'_> {
    pub(super) fn listener(&self, listener: &ListenerConfig) -> ListenerStatus {
        let view = self.view(listener.group);
        let taking = view.and_then(|view| {
            let (tier, nodes) = takers(&listener.chain, view)?;
            let nodes = nodes.iter().map(|node| node.id).collect();
            Some(Taking { tier, nodes })
        });
        let serving: Vec<String> = match (view, &taking) {
            (Some(view), Some(taking)) => names(view, &taking.nodes),
            _ => Vec::new(),
        };
        let chain = listener.chain.tiers.iter().enumerate();
        let chain = chain.map(|(place, tier)| self.tier(view, place, tier, taking.as_ref()));
        ListenerStatus {
            name: listener.name.to_string(),
            group: self.group_name(listener.group),
            access: listener.access.label().to_owned(),
            binds: listener.binds.iter().map(ToString::to_string).collect(),
            fallback: listener.fallback.map(|id| self.listener_name(id)),
            connections: self.loads.connections(listener.id),
            parked: self.loads.parked(listener.id),
            max_connections: listener.max_connections,
            text: self.listener_text(listener, view, taking.as_ref(), &serving),
            serving,
            chain: chain.collect(),
        }
    }

    fn listener_text(
        &self,
        listener: &ListenerConfig,
        view: Option<&GroupView>,
        taking: Option<&Taking>,
        serving: &[String],
    ) -> String {
        if self.draining {
            return "no new connections are accepted: the proxy is draining".to_owned();
        }
        let connections = self.loads.connections(listener.id);
        let is_full = listener
            .max_connections
            .is_some_and(|most| connections >= most);
        let waiting = parked(self.loads.parked(listener.id));
        let Some(view) = view else {
            return format!(
                "nobody can serve: the group is not known yet; new connections wait{waiting}"
            );
        };
        let Some(taking) = taking else {
            return format!(
                "nobody can serve, new connections wait: {}{waiting}",
                explain_none(&listener.chain, view, self.now)
            );
        };
        if is_full {
            return format!(
                "full: {connections} connections are open, as many as max_connections allows; further \
                 ones are refused"
            );
        }
        let names: Vec<&str> = serving.iter().map(String::as_str).collect();
        let to = list(&names);
        let step = listener.chain.tiers.get(taking.tier);
        match step.filter(|_| taking.tier > 0) {
            None => format!("new connections go to {to}{waiting}"),
            Some(step) => {
                let way = if step.listener == listener.id {
                    "as backup".to_owned()
                } else {
                    format!("by the fallback {}", self.listener_name(step.listener))
                };
                let better = self.why_not_better(listener, view, taking.tier);
                format!("new connections go to {to}, {way}{better}{waiting}")
            }
        }
    }

    /// Why the tiers before this one do not serve.
    fn why_not_better(&self, listener: &ListenerConfig, view: &GroupView, tier: usize) -> String {
        let better = listener.chain.tiers.iter().take(tier);
        let mut clauses: Vec<String> = Vec::new();
        for (step, node) in better.flat_map(|step| step.nodes(view).map(move |node| (step, node))) {
            let why = match step.verdict(node) {
                Err(reason) => reason.explain(self.now),
                Ok(()) => passed_over(node).to_owned(),
            };
            let clause = format!("{} {why}", node.name);
            if !clauses.contains(&clause) {
                clauses.push(clause);
            }
        }
        if clauses.is_empty() {
            return String::new();
        }
        format!(": {}", clauses.join(", "))
    }

    fn tier(
        &self,
        view: Option<&GroupView>,
        place: usize,
        tier: &Tier,
        taking: Option<&Taking>,
    ) -> TierStatus {
        let nodes = view.into_iter().flat_map(|view| tier.nodes(view));
        TierStatus {
            listener: self.listener_name(tier.listener),
            access: tier.access.label().to_owned(),
            serves: taking.is_some_and(|taking| taking.tier == place),
            nodes: nodes
                .map(|node| self.tier_node(place, tier, node, taking))
                .collect(),
        }
    }

    fn tier_node(
        &self,
        place: usize,
        tier: &Tier,
        node: &NodeView,
        taking: Option<&Taking>,
    ) -> TierNode {
        let verdict = tier.verdict(node);
        let serves = taking.is_some_and(|taking| taking.tier == place);
        let chosen = serves && taking.is_some_and(|taking| taking.nodes.contains(&node.id));
        let reason = match &verdict {
            _ if chosen => None,
            Err(reason) => Some(reason.explain(self.now)),
            Ok(()) if serves || node.silence != Silence::None => Some(passed_over(node).to_owned()),
            Ok(()) => Some("is eligible, and a better tier serves".to_owned()),
        };
        TierNode {
            node: node.name.to_string(),
            eligible: verdict.is_ok(),
            chosen,
            reason,
        }
    }

    fn view(&self, group: GroupId) -> Option<&GroupView> {
        let mut views = self.groups.iter().map(crate::core::group::Group::view);
        views.find(|view| view.id == group)
    }

    pub(super) fn group_name(&self, group: GroupId) -> String {
        let mut groups = self.config.config.groups.iter();
        let found = groups.find(|known| known.id == group);
        found.map_or_else(|| "?".to_owned(), |group| group.name.to_string())
    }

    fn listener_name(&self, listener: ListenerId) -> String {
        let mut listeners = self.config.config.listeners.iter();
        let found = listeners.find(|known| known.id == listener);
        found.map_or_else(|| "?".to_owned(), |listener| listener.name.to_string())
    }
}

fn names(view: &GroupView, nodes: &[NodeId]) -> Vec<String> {
    let known = nodes.iter().filter_map(|node| view.node(*node));
    known
        .map(|node| Arc::clone(&node.name).to_string())
        .collect()
}

/// Why a node gets nothing although it may serve its tier, and no better tier does.
fn passed_over(node: &NodeView) -> &'static str {
    match (node.silence, node.stale) {
        (Silence::None, true) => "is stale and ranks last: it has been behind for more than 15s",
        (Silence::None, false) => "is eligible, and others serve",
        (Silence::Once | Silence::Twice, _) => "did not answer its last check, and others serve",
    }
}
