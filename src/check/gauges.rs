//! The metrics of one group, fed by its monitor. All series exist from the start; their labels come
//! from the configuration.

use std::collections::HashMap;
use std::time::Duration;

use ::metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

use crate::config::model::{GroupConfig, ListenerConfig};
use crate::core::chain::Chain;
use crate::core::event::{Event, EventKind};
use crate::core::group::Group;
use crate::core::health::Status;
use crate::core::ids::{GroupId, ListenerId, NodeId};
use crate::core::node::{Kin, NodeState};
use crate::core::outcome::{Outcome, Report};
use crate::core::time::Moment;
use crate::metrics;

/// The values of the label `role` of `rolecall_node_role`.
const ROLES: [&str; 3] = ["primary", "replica", "unknown"];

/// The metrics of one group.
pub(super) struct Gauges {
    group: String,
    nodes: HashMap<NodeId, NodeGauges>,
    listeners: Vec<ListenerGauges>,
    claimants: Gauge,
    primary_changes: Counter,
    without_primary: Counter,
    conflict: Counter,
    dissenting: Gauge,
    dissent: Counter,
    followed: Moment,
    state: (bool, bool, bool),
}

/// Which nodes one listener may use.
struct ListenerGauges {
    id: ListenerId,
    name: String,
    chain: Chain,
    eligible: HashMap<NodeId, Gauge>,
    /// The labels of its series of `rolecall_listener_info`.
    info: [(&'static str, String); 4],
}

struct NodeGauges {
    name: String,

    up: Gauge,
    foreign: Gauge,
    roles: [Gauge; 3],
    primary: Gauge,
    lag_bytes: Gauge,
    lag_seconds: Gauge,
    duration: Histogram,
    checks: HashMap<&'static str, Counter>,
}

impl Gauges {
    /// Registers all series of the group.
    pub(super) fn new(group: &GroupConfig, listeners: &[ListenerConfig], now: Moment) -> Self {
        let name = || group.name.to_string();
        metrics::show(&[("group", &group.name)]);
        let mut gauges = Self {
            group: name(),
            nodes: HashMap::new(),
            listeners: Vec::new(),
            claimants: gauge!(metrics::GROUP_CLAIMANTS, "group" => name()),
            primary_changes: counter!(metrics::GROUP_PRIMARY_CHANGES_TOTAL, "group" => name()),
            without_primary: counter!(
                metrics::GROUP_WITHOUT_PRIMARY_SECONDS_TOTAL, "group" => name()
            ),
            conflict: counter!(metrics::GROUP_CONFLICT_SECONDS_TOTAL, "group" => name()),
            dissenting: gauge!(metrics::GROUP_DISSENTING_SENTINELS, "group" => name()),
            dissent: counter!(metrics::GROUP_DISSENT_SECONDS_TOTAL, "group" => name()),
            followed: now,
            state: (true, false, false),
        };
        for node in &group.nodes {
            gauges.add(node.id, &node.name);
        }
        gauges.listen(group.id, listeners);
        gauges
    }

    /// Registers the series of a node that comes; one that is there already stays.
    pub(super) fn add(&mut self, node: NodeId, name: &str) {
        match self.nodes.get(&node) {
            Some(known) if known.name == name => return,
            // A reload has renamed it.
            Some(_) => self.remove(node),
            None => {}
        }
        metrics::show(&[("group", &self.group), ("node", name)]);
        self.nodes
            .insert(node, NodeGauges::new(self.group.clone(), name));
        for listener in &mut self.listeners {
            listener.add(node, name);
        }
    }

    /// Shows no more of a node that has gone.
    pub(super) fn remove(&mut self, node: NodeId) {
        let Some(NodeGauges { name, .. }) = self.nodes.remove(&node) else {
            return;
        };
        // A node that came at another address has the same name, and the same series.
        if self.nodes.values().any(|other| other.name == name) {
            return;
        }
        metrics::hide(&[("group", &self.group), ("node", &name)]);
        for listener in &mut self.listeners {
            listener.eligible.remove(&node);
            metrics::hide(&[("listener", &listener.name), ("node", &name)]);
        }
    }

    /// Shows who may serve these listeners, as far as they are of the group.
    pub(super) fn listen(&mut self, group: GroupId, listeners: &[ListenerConfig]) {
        for gone in &self.listeners {
            metrics::hide(&gone.info());
            for node in self.nodes.values() {
                metrics::hide(&[("listener", &gone.name), ("node", &node.name)]);
            }
        }
        let own = listeners.iter().filter(|each| each.group == group);
        self.listeners = own
            .map(|listener| {
                let mut gauges = ListenerGauges::new(&self.group, listener, listeners);
                for (id, node) in &self.nodes {
                    gauges.add(*id, &node.name);
                }
                gauges
            })
            .collect();
    }

    /// Counts one check.
    pub(super) fn checked(&self, node: NodeId, report: &Report) {
        let Some(gauges) = self.nodes.get(&node) else {
            return;
        };
        gauges
            .duration
            .record(report.finished.since(report.started));
        if let Some(counter) = gauges.checks.get(report.outcome.label()) {
            counter.increment(1);
        }
    }

    /// Counts elections that replaced a primary.
    pub(super) fn happened(&self, event: &Event) {
        if matches!(
            &event.kind,
            EventKind::Elected {
                replaces: Some(_),
                ..
            }
        ) {
            self.primary_changes.increment(1);
        }
    }

    /// Shows the present state of the group.
    pub(super) fn follow(&mut self, group: &Group, now: Moment) {
        self.pass_time(group, now);
        let view = group.view();
        let living = group.has_living_primary();
        self.claimants.set(f64::from(
            u32::try_from(group.claimants()).unwrap_or(u32::MAX),
        ));
        for node in group.nodes() {
            let Some(gauges) = self.nodes.get(&node.settings.id) else {
                continue;
            };
            let mut others = group.nodes().iter();
            if node.leaving && others.any(|other| is_heir(other, node)) {
                continue;
            }
            let elected = view
                .primary
                .is_some_and(|primary| primary.node == node.settings.id);
            gauges.primary.set(flag(elected && living));
            gauges.up.set(flag(is_up(node)));
            gauges.foreign.set(flag(node.kin == Kin::Foreign));
            // Unknown is no number: NaN shows as a gap instead of as "no lag".
            let lag_bytes = node.lag.bytes().map_or(f64::NAN, figure);
            let lag_seconds = node.lag.age(now).map_or(f64::NAN, |age| age.as_secs_f64());
            gauges.lag_bytes.set(if elected { 0.0 } else { lag_bytes });
            gauges
                .lag_seconds
                .set(if elected { 0.0 } else { lag_seconds });
            for (label, gauge) in ROLES.iter().zip(&gauges.roles) {
                gauge.set(flag(*label == role(node)));
            }
        }
        for listener in &self.listeners {
            for node in &view.nodes {
                let Some(gauge) = listener.eligible.get(&node.id) else {
                    continue;
                };
                // Its own tiers only: what it falls back to is told at that listener.
                let serves = listener
                    .chain
                    .tiers
                    .iter()
                    .filter(|tier| tier.listener == listener.id)
                    .any(|tier| tier.members.contains(node) && tier.verdict(node).is_ok());
                gauge.set(flag(serves));
            }
        }
    }

    fn pass_time(&mut self, group: &Group, now: Moment) {
        let passed: Duration = now.since(self.followed);
        let (without_primary, conflict, dissent) = self.state;
        if without_primary {
            metrics::add_seconds(&self.without_primary, passed);
        }
        if conflict {
            metrics::add_seconds(&self.conflict, passed);
        }
        if dissent {
            metrics::add_seconds(&self.dissent, passed);
        }
        let named = group.dissent(now).map_or(0, |named| named.sentinels.len());
        self.dissenting
            .set(f64::from(u32::try_from(named).unwrap_or(u32::MAX)));
        self.followed = now;
        self.state = (
            !group.has_living_primary(),
            group.claimants() > 1,
            named > 0,
        );
    }
}

impl ListenerGauges {
    /// `all` has the listener that it falls back to.
    fn new(group: &str, listener: &ListenerConfig, all: &[ListenerConfig]) -> Self {
        let name = |id| all.iter().find(|other| other.id == id);
        let fallback = listener.fallback.and_then(name);
        let gauges = Self {
            id: listener.id,
            name: listener.name.to_string(),
            chain: listener.chain.clone(),
            eligible: HashMap::new(),
            info: [
                ("listener", listener.name.to_string()),
                ("group", group.to_owned()),
                ("access", listener.access.label().to_owned()),
                (
                    "fallback",
                    fallback.map_or_else(String::new, |other| other.name.to_string()),
                ),
            ],
        };
        metrics::show(&gauges.info());
        gauge!(metrics::LISTENER_INFO, &gauges.info).set(1.0);
        gauges
    }

    fn info(&self) -> [(&'static str, &str); 4] {
        self.info
            .each_ref()
            .map(|(key, value)| (*key, value.as_str()))
    }

    fn add(&mut self, node: NodeId, name: &str) {
        metrics::show(&[("listener", &self.name), ("node", name)]);
        let labels = [("listener", self.name.clone()), ("node", name.to_owned())];
        let gauge = gauge!(metrics::NODE_ELIGIBLE, &labels);
        self.eligible.insert(node, gauge);
    }
}

impl NodeGauges {
    fn new(group: String, node: &str) -> Self {
        let labels = [("group", group), ("node", node.to_owned())];
        let with = |key: &'static str, value: &str| {
            let [group, node] = labels.clone();
            [group, node, (key, value.to_owned())]
        };
        let checks = Outcome::LABELS.map(|outcome| {
            (
                outcome,
                counter!(metrics::CHECKS_TOTAL, &with("outcome", outcome)),
            )
        });
        Self {
            name: node.to_owned(),
            up: gauge!(metrics::NODE_UP, &labels),
            foreign: gauge!(metrics::NODE_FOREIGN, &labels),
            roles: ROLES.map(|role| gauge!(metrics::NODE_ROLE, &with("role", role))),
            primary: gauge!(metrics::GROUP_PRIMARY, &labels),
            lag_bytes: gauge!(metrics::NODE_REPLICATION_LAG_BYTES, &labels),
            lag_seconds: gauge!(metrics::NODE_REPLICATION_LAG_SECONDS, &labels),
            duration: histogram!(metrics::CHECK_DURATION_SECONDS, &labels),
            checks: checks.into_iter().collect(),
        }
    }
}

/// A node that was moved has its series at the new address.
fn is_heir(other: &NodeState, leaving: &NodeState) -> bool {
    !other.leaving && other.settings.name == leaving.settings.name
}

fn flag(set: bool) -> f64 {
    if set { 1.0 } else { 0.0 }
}

/// Whether the node answers its checks, whatever it answers.
fn is_up(node: &NodeState) -> bool {
    matches!(
        node.health.status(),
        Status::Up | Status::Alive(_) | Status::Rising(_)
    )
}

fn role(node: &NodeState) -> &'static str {
    match &node.facts {
        Some(facts) if !node.health.is_down() => {
            if facts.claims() {
                "primary"
            } else {
                "replica"
            }
        }
        _ => "unknown",
    }
}

/// Offsets stay far below 2^53, up to which a float holds every whole number.
#[expect(clippy::cast_precision_loss, reason = "a metric is a float")]
fn figure(bytes: u64) -> f64 {
    bytes as f64
}
