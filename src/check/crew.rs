//! The tasks of one group: one for each node and each Sentinel. Its monitor owns it, hires a task when a
//! node comes and dismisses it when the node has gone.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::node::{FromNode, NodeTask};
use super::sentinel::{FromSentinel, SentinelTask};
use super::wake::{By, Wake};
use crate::config::model::{Address, CheckConfig, Credentials, GroupConfig};
use crate::core::ids::NodeId;
use crate::core::snapshot::Target;

/// Reports that may wait for a monitor; a node has at most two under way.
const REPORTS: usize = 256;

/// The tasks at work.
pub(super) struct Crew {
    nodes: Vec<NodeHandle>,
    sentinel_reports: mpsc::Sender<FromSentinel>,
    sentinel_cancel: CancellationToken,
    auth: Option<Credentials>,
    check: CheckConfig,
    reports: mpsc::Sender<FromNode>,
    tasks: JoinSet<()>,
    cancel: CancellationToken,
}

/// What comes from the tasks.
pub(super) struct Reports {
    pub(super) nodes: mpsc::Receiver<FromNode>,
    pub(super) sentinels: mpsc::Receiver<FromSentinel>,
}

/// The way to the task that checks one node.
struct NodeHandle {
    id: NodeId,
    pace: watch::Sender<Duration>,
    wake: Arc<Wake>,
    cancel: CancellationToken,
}

impl Crew {
    /// Starts a task for each node and each Sentinel of the configuration, until `cancel`.
    pub(super) fn hire_all(group: &GroupConfig, cancel: CancellationToken) -> (Self, Reports) {
        let (reports, from_nodes) = mpsc::channel(REPORTS);
        let (sentinels_in, from_sentinels) = mpsc::channel(REPORTS);
        let mut crew = Self {
            nodes: Vec::new(),
            sentinel_reports: sentinels_in,
            sentinel_cancel: cancel.child_token(),
            auth: group.auth.clone(),
            check: group.check,
            reports,
            tasks: JoinSet::new(),
            cancel,
        };
        for node in &group.nodes {
            crew.hire(node.id, node.address.clone(), None);
        }
        crew.hire_sentinels(group);
        let reports = Reports {
            nodes: from_nodes,
            sentinels: from_sentinels,
        };
        (crew, reports)
    }

    /// Starts to check a node, which was known at `present`.
    pub(super) fn hire(&mut self, node: NodeId, address: Address, present: Option<Target>) {
        let (pace, pace_seen) = watch::channel(self.check.fast_interval);
        let wake = Arc::new(Wake::default());
        let cancel = self.cancel.child_token();
        let task = NodeTask {
            node,
            address,
            present,
            auth: self.auth.clone(),
            timeout: self.check.timeout,
            fall: self.check.fall,
            pace: pace_seen,
            wake: Arc::clone(&wake),
            reports: self.reports.clone(),
            cancel: cancel.clone(),
        };
        self.tasks.spawn(task.run());
        self.nodes.push(NodeHandle {
            id: node,
            pace,
            wake,
            cancel,
        });
    }

    /// Checks a node no more.
    pub(super) fn dismiss(&mut self, node: NodeId) {
        if let Some(place) = self.nodes.iter().position(|handle| handle.id == node) {
            self.nodes.swap_remove(place).cancel.cancel();
        }
    }

    fn hire_sentinels(&mut self, group: &GroupConfig) {
        let Some(sentinel) = &group.sentinel else {
            return;
        };
        for (index, address) in sentinel.addresses.iter().enumerate() {
            let task = SentinelTask {
                index,
                address: address.clone(),
                group: group.name.clone(),
                master_name: sentinel.name.clone(),
                auth: sentinel.auth.clone(),
                discover: sentinel.discover,
                reports: self.sentinel_reports.clone(),
                cancel: self.sentinel_cancel.clone(),
            };
            self.tasks.spawn(task.run());
        }
    }

    /// Goes on with another configuration: tasks of what is unchanged go on undisturbed, `learned` nodes
    /// included. A node whose task is replaced stays at its `target`. Nodes that are no longer there are
    /// still checked, until they are dismissed. Returns what the new Sentinels tell, where they are others.
    pub(super) fn configure(
        &mut self,
        group: &GroupConfig,
        before: &GroupConfig,
        learned: &[(NodeId, Address)],
        target: impl Fn(NodeId) -> Option<Target>,
    ) -> Option<mpsc::Receiver<FromSentinel>> {
        let asks_otherwise = group.auth != before.auth
            || group.check.timeout != before.check.timeout
            || group.check.fall != before.check.fall;
        self.auth.clone_from(&group.auth);
        self.check = group.check;
        let written = group
            .nodes
            .iter()
            .map(|node| (node.id, node.address.clone()));
        for (node, address) in written.chain(learned.iter().cloned()) {
            let known = self.nodes.iter().any(|handle| handle.id == node);
            if known && asks_otherwise {
                self.dismiss(node);
            }
            if !known || asks_otherwise {
                self.hire(node, address, target(node));
            }
        }
        if group.sentinel == before.sentinel {
            return None;
        }
        self.sentinel_cancel.cancel();
        self.sentinel_cancel = self.cancel.child_token();
        // What the former ones still say must not be taken for words of the new ones.
        let (reports, from_sentinels) = mpsc::channel(REPORTS);
        self.sentinel_reports = reports;
        self.hire_sentinels(group);
        Some(from_sentinels)
    }

    /// Asks for a check of one node now.
    pub(super) fn call(&self, node: NodeId, by: By) {
        if let Some(handle) = self.nodes.iter().find(|handle| handle.id == node) {
            handle.wake.call(by);
        }
    }

    /// Asks for a check of every node now.
    pub(super) fn call_all(&self, by: By) {
        for handle in &self.nodes {
            handle.wake.call(by);
        }
    }

    /// Sets how often each node is checked.
    pub(super) fn pace(&self, pace: impl Fn(NodeId) -> Duration) {
        for handle in &self.nodes {
            let pace = pace(handle.id);
            handle.pace.send_if_modified(|current| {
                let changed = *current != pace;
                *current = pace;
                changed
            });
        }
    }

    /// Waits for a task that has panicked, which is a bug of ours; others may end as they like.
    pub(super) async fn broken(&mut self) -> JoinError {
        loop {
            match self.tasks.join_next().await {
                Some(Err(error)) if error.is_panic() => return error,
                Some(_) => {}
                None => std::future::pending().await,
            }
        }
    }
}
