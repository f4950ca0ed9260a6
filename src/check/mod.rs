//! The shell around the checks: it asks the nodes and tells the core what they said.
//!
//! [`node`] is the task that checks one node: it owns that node's check connection and nothing else.
//! [`sentinel`] is the task that asks and hears one Sentinel. `crew` owns the tasks of a group.
//! `monitor` owns what is known of a group, publishes it and logs what happened. [`wake`] is how others
//! ask for a check now.

mod checker;
mod connection;
mod control;
mod crew;
mod gauges;
mod ids;
mod monitor;
pub mod node;
mod pacing;
mod resolve;
pub mod sentinel;
pub mod wake;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use control::Control;
pub use monitor::{CountSessions, Outlets};

use crate::clock;
use crate::config::model::{Address, Bind, Config, GroupConfig};
use crate::core::alarm::Alarm;
use crate::core::group::{Group, OwnListener, Settings};
use crate::core::health::Thresholds;
use crate::core::lag::LagLimits;
use crate::core::node::NodeSettings;
use crew::Crew;
use gauges::Gauges;
use ids::NodeIds;
use monitor::Monitor;

/// Starts to check all nodes of all groups, until `stop`. Commands go through what it returns. Alarms of the data plane go to the monitors.
/// None of the tasks ends before `stop`: one that does has panicked, and whoever holds them must not go
/// on routing by a view that nobody keeps.
pub fn start(
    config: &Config,
    outlets: &Outlets,
    alarms: mpsc::UnboundedReceiver<Alarm>,
    stop: &CancellationToken,
) -> (JoinSet<()>, Control) {
    let mut tasks = JoinSet::new();
    let control = Control::default();
    let nodes = config.groups.iter().flat_map(|group| &group.nodes);
    let ids = NodeIds::after(nodes.map(|node| node.id));
    let mut ways = Vec::new();
    for group in &config.groups {
        let (alarms_in, alarms) = mpsc::unbounded_channel();
        ways.push(alarms_in);
        let now = clock::now();
        let (commands_in, commands) = mpsc::channel(control::COMMANDS);
        control.add(group.id, commands_in);
        let (crew, reports) = Crew::hire_all(group, stop.child_token());
        let monitor = Monitor {
            group: new_group(config, group, &crew),
            crew,
            reports,
            alarms,
            commands,
            outlets: outlets.clone(),
            gauges: Gauges::new(group, &config.listeners, now),
            ids: ids.clone(),
        };
        tasks.spawn(monitor.run(stop.clone()));
    }
    tasks.spawn(forward(alarms, ways));
    (tasks, control)
}

/// Hands each alarm to every monitor, which knows its own nodes; ends with the data plane.
async fn forward(
    mut alarms: mpsc::UnboundedReceiver<Alarm>,
    ways: Vec<mpsc::UnboundedSender<Alarm>>,
) {
    while let Some(alarm) = alarms.recv().await {
        for way in &ways {
            // A monitor that has ended needs no alarms.
            let _ = way.send(alarm);
        }
    }
}

fn new_group(config: &Config, group: &GroupConfig, crew: &Crew) -> Group {
    let sentinels = crew.sentinels();
    let fresh =
        Group::new(settings(config, group), clock::now()).with_sentinels(sentinels.iter().cloned());
    let discovers = group.sentinel.as_ref().is_some_and(|each| each.discover);
    if discovers {
        fresh.with_discovery(sentinels.len())
    } else {
        fresh
    }
}

/// What the core needs to know of the configuration of a group.
fn settings(config: &Config, group: &GroupConfig) -> Settings {
    let nodes = group.nodes.iter().map(|node| NodeSettings {
        id: node.id,
        name: node.name.clone(),
        address: match &node.address {
            Address::Tcp(host_port) => Some(host_port.clone()),
            Address::Unix(_) => None,
        },
        local: node.local,
        weight: node.weight,
    });
    let own = config.listeners.iter().map(|listener| OwnListener {
        name: listener.name.clone(),
        binds: listener
            .binds
            .iter()
            .filter_map(|bind| match bind {
                Bind::Tcp(address) => Some(*address),
                Bind::Unix(_) => None,
            })
            .collect(),
        reaches: listener.chain.listeners(),
    });
    Settings {
        id: group.id,
        name: group.name.clone(),
        nodes: nodes.collect(),
        limits: Thresholds {
            fall: group.check.fall,
            rise: group.check.rise,
        },
        interval: group.check.interval,
        fast_interval: group.check.fast_interval,
        claim_hold: group.claim_hold,
        stale_reads: group.stale_reads,
        max_lag: group
            .max_lag
            .map_or_else(LagLimits::default, |most| LagLimits {
                bytes: most.bytes,
                age: most.seconds,
            }),
        own: own.collect(),
    }
}
