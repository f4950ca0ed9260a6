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
use crate::core::ids::{ListenerId, NodeId};
use crate::core::node::NodeState;
use crate::core::outcome::{Outcome, Report};
use crate::core::time::Moment;
use crate::metrics;

/// The values of the label `role` of `rolecall_node_role`.
const ROLES: [&str; 3] = ["primary", "replica", "unknown"];

/// The metrics of one group.
pub(super) struct Gauges {
    nodes: HashMap<NodeId, NodeGauges>,
    listeners: Vec<(ListenerId, Chain, HashMap<NodeId, Gauge>)>,
    claimants: Gauge,
    primary_changes: Counter,
    without_primary: Counter,
    conflict: Counter,
    followed: Moment,
    state: (bool, bool),
}

struct NodeGauges {
    up: Gauge,
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
        let nodes = group
            .nodes
            .iter()
            .map(|node| (node.id, NodeGauges::new(name(), &node.name)))
            .collect();
        let listeners = listeners
            .iter()
            .filter(|listener| listener.group == group.id)
            .map(|listener| {
                let members = group.nodes.iter().map(|node| {
                    let labels = [
                        ("listener", listener.name.to_string()),
                        ("node", node.name.to_string()),
                    ];
                    (node.id, gauge!(metrics::NODE_ELIGIBLE, &labels))
                });
                (listener.id, listener.chain.clone(), members.collect())
            })
            .collect();
        Self {
            nodes,
            listeners,
            claimants: gauge!(metrics::GROUP_CLAIMANTS, "group" => name()),
            primary_changes: counter!(metrics::GROUP_PRIMARY_CHANGES_TOTAL, "group" => name()),
            without_primary: counter!(
                metrics::GROUP_WITHOUT_PRIMARY_SECONDS_TOTAL, "group" => name()
            ),
            conflict: counter!(metrics::GROUP_CONFLICT_SECONDS_TOTAL, "group" => name()),
            followed: now,
            state: (true, false),
        }
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
            let elected = view
                .primary
                .is_some_and(|primary| primary.node == node.settings.id);
            gauges.primary.set(flag(elected && living));
            gauges.up.set(flag(is_up(node)));
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
        for (id, chain, members) in &self.listeners {
            for node in &view.nodes {
                let Some(gauge) = members.get(&node.id) else {
                    continue;
                };
                // Its own tiers only: what it falls back to is told at that listener.
                let serves = chain
                    .tiers
                    .iter()
                    .filter(|tier| tier.listener == *id)
                    .any(|tier| tier.members.contains(node) && tier.verdict(node).is_ok());
                gauge.set(flag(serves));
            }
        }
    }

    fn pass_time(&mut self, group: &Group, now: Moment) {
        let passed: Duration = now.since(self.followed);
        let (without_primary, conflict) = self.state;
        if without_primary {
            metrics::add_seconds(&self.without_primary, passed);
        }
        if conflict {
            metrics::add_seconds(&self.conflict, passed);
        }
        self.followed = now;
        self.state = (!group.has_living_primary(), group.claimants() > 1);
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
            up: gauge!(metrics::NODE_UP, &labels),
            roles: ROLES.map(|role| gauge!(metrics::NODE_ROLE, &with("role", role))),
            primary: gauge!(metrics::GROUP_PRIMARY, &labels),
            lag_bytes: gauge!(metrics::NODE_REPLICATION_LAG_BYTES, &labels),
            lag_seconds: gauge!(metrics::NODE_REPLICATION_LAG_SECONDS, &labels),
            duration: histogram!(metrics::CHECK_DURATION_SECONDS, &labels),
            checks: checks.into_iter().collect(),
        }
    }
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
