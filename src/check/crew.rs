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

/// Reports that may wait for a monitor; a node has at most two under way.
const REPORTS: usize = 256;

/// The tasks at work.
pub(super) struct Crew {
    nodes: Vec<NodeHandle>,
    /// Addresses as written, in the order of the configuration.
    sentinels: Vec<Arc<str>>,
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
            sentinels: Vec::new(),
            auth: group.auth.clone(),
            check: group.check,
            reports,
            tasks: JoinSet::new(),
            cancel,
        };
        for node in &group.nodes {
            crew.hire(node.id, node.address.clone());
        }
        crew.hire_sentinels(group, &sentinels_in);
        let reports = Reports {
            nodes: from_nodes,
            sentinels: from_sentinels,
        };
        (crew, reports)
    }

    /// Starts to check a node.
    pub(super) fn hire(&mut self, node: NodeId, address: Address) {
        let (pace, pace_seen) = watch::channel(self.check.fast_interval);
        let wake = Arc::new(Wake::default());
        let cancel = self.cancel.child_token();
        let task = NodeTask {
            node,
            address,
            auth: self.auth.clone(),
            timeout: self.check.timeout,
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

    fn hire_sentinels(&mut self, group: &GroupConfig, reports: &mpsc::Sender<FromSentinel>) {
        let Some(sentinel) = &group.sentinel else {
            return;
        };
        for (index, address) in sentinel.addresses.iter().enumerate() {
            self.sentinels.push(address.to_string().into());
            let task = SentinelTask {
                index,
                address: address.clone(),
                group: group.name.clone(),
                master_name: sentinel.name.clone(),
                auth: sentinel.auth.clone(),
                discover: sentinel.discover,
                reports: reports.clone(),
                cancel: self.cancel.child_token(),
            };
            self.tasks.spawn(task.run());
        }
    }

    /// The Sentinels' addresses as written.
    pub(super) fn sentinels(&self) -> &[Arc<str>] {
        &self.sentinels
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
