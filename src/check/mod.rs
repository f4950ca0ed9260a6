//! The shell around the checks: it asks the nodes and tells the core what they said.
//!
//! [`node`] is the task that checks one node: it owns that node's check connection and nothing else.
//! [`sentinel`] is the task that asks and hears one Sentinel.
//! `monitor` owns what is known of a group, publishes it and logs what happened. [`wake`] is how others
//! ask for a check now.

mod checker;
mod connection;
mod gauges;
mod monitor;
pub mod node;
mod pacing;
mod resolve;
pub mod sentinel;
pub mod wake;

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::config::model::{Address, Bind, Config, GroupConfig};
use crate::core::alarm::Alarm;
use crate::core::group::{Group, OwnListener, Settings};
use crate::core::health::Thresholds;
use crate::core::ids::NodeId;
use crate::core::lag::LagLimits;
use crate::core::node::NodeSettings;
use crate::core::snapshot::Snapshot;
use gauges::Gauges;
use monitor::{Monitor, NodeHandle};
use node::NodeTask;
use sentinel::{FromSentinel, SentinelTask};
use wake::Wake;

/// Reports that may wait for a monitor; a node has at most two under way.
const REPORTS: usize = 256;

/// Starts to check all nodes of all groups, until `stop`. Views are published to `snapshots`; alarms of
/// the data plane go to the monitor of their node. None of the tasks ends before `stop`: one that does
/// has panicked, and whoever holds them must not go on routing by a view that nobody keeps.
pub fn start(
    config: &Config,
    snapshots: &watch::Sender<Arc<Snapshot>>,
    alarms: mpsc::UnboundedReceiver<Alarm>,
    stop: &CancellationToken,
) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    let mut ways = HashMap::new();
    for group in &config.groups {
        let (alarms_in, group_alarms) = mpsc::unbounded_channel();
        ways.extend(group.nodes.iter().map(|node| (node.id, alarms_in.clone())));
        start_group(
            &mut tasks,
            config,
            group,
            snapshots.clone(),
            group_alarms,
            stop,
        );
    }
    tasks.spawn(forward(alarms, ways));
    tasks
}

/// Hands each alarm to the monitor of its node; ends with the data plane.
async fn forward(
    mut alarms: mpsc::UnboundedReceiver<Alarm>,
    ways: HashMap<NodeId, mpsc::UnboundedSender<Alarm>>,
) {
    while let Some(alarm) = alarms.recv().await {
        if let Some(way) = ways.get(&alarm.node) {
            // A monitor that has ended needs no alarms.
            let _ = way.send(alarm);
        }
    }
}

fn start_group(
    tasks: &mut JoinSet<()>,
    config: &Config,
    group: &GroupConfig,
    snapshots: watch::Sender<Arc<Snapshot>>,
    alarms: mpsc::UnboundedReceiver<Alarm>,
    stop: &CancellationToken,
) {
    let (reports_in, reports) = mpsc::channel(REPORTS);
    let mut nodes = Vec::new();
    for node in &group.nodes {
        let (pace, pace_seen) = watch::channel(group.check.fast_interval);
        let wake = Arc::new(Wake::default());
        let task = NodeTask {
            node: node.id,
            address: node.address.clone(),
            auth: group.auth.clone(),
            timeout: group.check.timeout,
            pace: pace_seen,
            wake: Arc::clone(&wake),
            reports: reports_in.clone(),
            cancel: stop.clone(),
        };
        tasks.spawn(task.run());
        nodes.push(NodeHandle {
            id: node.id,
            pace,
            wake,
        });
    }
    let (sentinels_in, from_sentinels) = mpsc::channel(REPORTS);
    let sentinels = sentinel_tasks(group, &sentinels_in, stop);
    let names: Vec<Arc<str>> = sentinels
        .iter()
        .map(|task| task.address.to_string().into())
        .collect();
    for task in sentinels {
        tasks.spawn(task.run());
    }
    let now = clock::now();
    let monitor = Monitor {
        group: Group::new(settings(config, group), now).with_sentinels(names),
        nodes,
        reports,
        sentinels: from_sentinels,
        alarms,
        snapshots,
        gauges: Gauges::new(group, &config.listeners, now),
    };
    tasks.spawn(monitor.run(stop.clone()));
}

fn sentinel_tasks(
    group: &GroupConfig,
    reports: &mpsc::Sender<FromSentinel>,
    stop: &CancellationToken,
) -> Vec<SentinelTask> {
    let Some(sentinel) = &group.sentinel else {
        return Vec::new();
    };
    let addresses = sentinel.addresses.iter().enumerate();
    addresses
        .map(|(index, address)| SentinelTask {
            index,
            address: address.clone(),
            group: group.name.clone(),
            master_name: sentinel.name.clone(),
            auth: sentinel.auth.clone(),
            reports: reports.clone(),
            cancel: stop.clone(),
        })
        .collect()
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
