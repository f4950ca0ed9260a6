//! The shell around the checks: it asks the nodes and tells the core what they said.
//!
//! [`node`] is the task that checks one node: it owns that node's check connection and nothing else.
//! [`sentinel`] is the task that asks and hears one Sentinel. `crew` owns the tasks of a group.
//! `monitor` owns what is known of a group, publishes it and logs what happened. [`wake`] is how others
//! ask for a check now. [`ask`] asks once, for somebody who waits.

pub mod ask;
mod checker;
mod connection;
mod control;
mod crew;
mod gauges;
mod ids;
mod monitor;
pub mod node;
mod pacing;
mod question;
mod reach;
mod resolve;
pub mod sentinel;
mod settings;
pub mod wake;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

pub use control::Control;
pub use ids::NodeIds;
pub use monitor::{CountSessions, Outlets};
pub use settings::new_group;

use crate::config::model::{Config, GroupConfig, ListenerConfig};
use crate::core::alarm::Alarm;
use crate::core::ids::GroupId;
use crate::{clock, metrics};
use control::Assignment;
use crew::Crew;
use gauges::Gauges;
use monitor::Monitor;

/// All checks of the process: a monitor for each group.
pub struct Checks {
    control: Control,
    outlets: Outlets,
    ids: NodeIds,
    /// Where alarms of the data plane are handed out.
    ways: watch::Sender<Vec<Way>>,
    running: Vec<(GroupId, CancellationToken)>,
    tasks: JoinSet<()>,
    stop: CancellationToken,
}

/// A group and the way for alarms to its monitor.
type Way = (GroupId, mpsc::UnboundedSender<Alarm>);

/// Starts to check all nodes of all groups, until `stop`. Alarms of the data plane go to the monitors.
pub fn start(
    config: &Config,
    outlets: Outlets,
    alarms: mpsc::UnboundedReceiver<Alarm>,
    stop: &CancellationToken,
) -> Checks {
    let nodes = config.groups.iter().flat_map(|group| &group.nodes);
    let ways = watch::Sender::default();
    let mut checks = Checks {
        control: Control::default(),
        outlets,
        ids: NodeIds::after(nodes.map(|node| node.id)),
        running: Vec::new(),
        tasks: JoinSet::new(),
        stop: stop.clone(),
        ways,
    };
    let handed_out = checks.ways.subscribe();
    checks.tasks.spawn(hand_out(alarms, handed_out));
    for group in &config.groups {
        checks.begin(group, &config.listeners);
    }
    checks
}

impl Checks {
    /// The way to the monitors.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Gives numbers to nodes that come.
    pub fn ids(&self) -> NodeIds {
        self.ids.clone()
    }

    /// Waits until a task has panicked, which is a bug of ours: none ends before the end otherwise.
    /// Whoever holds this must not go on routing by a view that nobody keeps.
    pub async fn died(&mut self) -> JoinError {
        loop {
            match self.tasks.join_next().await {
                Some(Err(bug)) => return bug,
                Some(Ok(())) => {}
                None => std::future::pending().await,
            }
        }
    }

    /// Goes on with another configuration, whose things are known by their numbers. Nodes that go leave
    /// with their last session, or when `patience` has passed. When it returns, the views that follow
    /// are published.
    pub async fn reload(&mut self, config: &Config, patience: Duration) {
        let leave_by = clock::now().plus(patience);
        for group in &config.groups {
            if self.running.iter().any(|(id, _)| *id == group.id) {
                let assignment = Assignment {
                    group: group.clone(),
                    listeners: config.listeners.clone(),
                };
                self.control.configure(assignment, leave_by).await;
            } else {
                self.begin(group, &config.listeners);
            }
        }
        let stays = |id: GroupId| config.groups.iter().any(|group| group.id == id);
        let (stay, gone) = std::mem::take(&mut self.running)
            .into_iter()
            .partition(|(id, _)| stays(*id));
        self.running = stay;
        for (id, cancel) in gone {
            self.end(id, &cancel);
        }
    }

    fn begin(&mut self, group: &GroupConfig, listeners: &[ListenerConfig]) {
        let cancel = self.stop.child_token();
        let (alarms_in, alarms) = mpsc::unbounded_channel();
        self.ways
            .send_modify(|ways| ways.push((group.id, alarms_in)));
        let (commands_in, commands) = mpsc::channel(control::COMMANDS);
        self.control.add(group.id, commands_in);
        let (crew, reports) = Crew::hire_all(group, cancel.clone());
        let monitor = Monitor {
            group: new_group(listeners, group, clock::now()),
            assignment: Assignment {
                group: group.clone(),
                listeners: listeners.to_vec(),
            },
            crew,
            reports,
            alarms,
            commands,
            outlets: self.outlets.clone(),
            gauges: Gauges::new(group, listeners, clock::now()),
            ids: self.ids.clone(),
        };
        self.running.push((group.id, cancel.clone()));
        self.tasks.spawn(monitor.run(cancel));
    }

    fn end(&mut self, group: GroupId, cancel: &CancellationToken) {
        cancel.cancel();
        self.control.remove(group);
        self.ways
            .send_modify(|ways| ways.retain(|(id, _)| *id != group));
        let snapshots = &self.outlets.snapshots;
        if let Some(view) = snapshots.borrow().group(group) {
            metrics::hide(&[("group", &view.name)]);
        }
        snapshots.send_modify(|snapshot| *snapshot = Arc::new(snapshot.without(group)));
    }
}

/// Hands each alarm to every monitor, which knows its own nodes; ends with the data plane.
async fn hand_out(mut alarms: mpsc::UnboundedReceiver<Alarm>, ways: watch::Receiver<Vec<Way>>) {
    while let Some(alarm) = alarms.recv().await {
        for (_, way) in ways.borrow().iter() {
            // A monitor that has ended needs no alarms.
            let _ = way.send(alarm);
        }
    }
}
