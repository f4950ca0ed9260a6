//! One monitor a group: the owner of all that is known of it.
//!
//! It brings reports, what Sentinels say, alarms and the time to the core's fold, publishes the view when it has changed,
//! sets the pace of the checks, and writes the events to the log. It decides nothing.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::gauges::Gauges;
use super::node::FromNode;
use super::sentinel::FromSentinel;
use super::wake::{By, Wake};
use crate::clock;
use crate::core::alarm::{Alarm, AlarmKind};
use crate::core::event::{Event, EventKind, Serves};
use crate::core::group::Group;
use crate::core::ids::NodeId;
use crate::core::sentinel::SentinelNews;
use crate::core::snapshot::Snapshot;

/// The way to the task that checks one node.
pub(super) struct NodeHandle {
    pub(super) id: NodeId,
    pub(super) pace: watch::Sender<std::time::Duration>,
    pub(super) wake: Arc<Wake>,
}

/// The shell of one [`Group`].
pub(super) struct Monitor {
    pub(super) group: Group,
    pub(super) nodes: Vec<NodeHandle>,
    pub(super) reports: mpsc::Receiver<FromNode>,
    pub(super) sentinels: mpsc::Receiver<FromSentinel>,
    pub(super) alarms: mpsc::UnboundedReceiver<Alarm>,
    pub(super) snapshots: watch::Sender<Arc<Snapshot>>,
    pub(super) gauges: Gauges,
}

impl Monitor {
    /// Runs until `cancel`.
    pub(super) async fn run(mut self, cancel: CancellationToken) {
        self.publish();
        loop {
            let deadline = self.group.next_deadline(clock::now());
            tokio::select! {
                biased;
                () = cancel.cancelled() => return,
                Some(report) = self.reports.recv() => self.take_in(report),
                Some(said) = self.sentinels.recv() => self.hear(said),
                Some(alarm) = self.alarms.recv() => self.alarm(alarm),
                () = sleep_until(deadline) => self.group.tick(clock::now()),
            }
            self.publish();
        }
    }

    fn take_in(&mut self, from: FromNode) {
        match from {
            FromNode::Checked(node, report) => {
                self.gauges.checked(node, &report);
                self.group.report(node, &report);
            }
            FromNode::Resolved(node, target, trouble) => {
                if let Some(why) = trouble {
                    let name = self.name(node);
                    tracing::warn!(target: "rolecall::check", node = %name, "{name}: {why}");
                }
                self.group.resolved(node, target, clock::now());
            }
        }
    }

    /// What a Sentinel announces is a reason to check now.
    fn hear(&mut self, said: FromSentinel) {
        match said {
            FromSentinel::Report(index, report) => {
                self.group.sentinel(index, report, clock::now());
            }
            FromSentinel::News(news) => {
                if let SentinelNews::Promotes(place) = news {
                    self.group.promotes(&place, clock::now());
                }
                for node in &self.nodes {
                    node.wake.call(By::Connection);
                }
            }
        }
    }

    /// R11, R12: what the data plane noticed is a reason to check now.
    fn alarm(&mut self, alarm: Alarm) {
        self.group.alarm(alarm);
        if let Some(node) = self.nodes.iter().find(|node| node.id == alarm.node) {
            node.wake.call(match alarm.kind {
                AlarmKind::DialFailed => By::Dial,
                AlarmKind::Suspicious => By::Connection,
            });
        }
    }

    fn publish(&mut self) {
        let view = self.group.view();
        self.snapshots.send_if_modified(|snapshot| {
            let known = snapshot
                .group(view.id)
                .is_some_and(|known| **known == *view);
            if !known {
                *snapshot = Arc::new(snapshot.with(view.clone()));
            }
            !known
        });
        for event in self.group.take_events() {
            self.gauges.happened(&event);
            self.log(&event);
        }
        self.gauges.follow(&self.group, clock::now());
        for node in &self.nodes {
            let pace = self.group.pace(node.id);
            node.pace.send_if_modified(|current| {
                let changed = *current != pace;
                *current = pace;
                changed
            });
        }
    }

    fn log(&self, event: &Event) {
        let group = &*self.group.view().name;
        let what = &event.kind;
        match what {
            EventKind::Elected {
                name,
                term,
                evidence,
                ..
            } => tracing::info!(
                target: "rolecall::election", group, node = %name, term, rule = evidence.rule(), "{what}"
            ),
            EventKind::Lost { name, .. } | EventKind::Gone { name, .. } => tracing::warn!(
                target: "rolecall::election", group, node = %name, "{what}"
            ),
            EventKind::Conflict { .. } => tracing::warn!(
                target: "rolecall::election", group, "{what}"
            ),
            EventKind::Back { name, .. } => tracing::info!(
                target: "rolecall::election", group, node = %name, "{what}"
            ),
            EventKind::ConflictOver => tracing::info!(
                target: "rolecall::election", group, "{what}"
            ),
            EventKind::Verdict {
                name,
                serves: Serves::Nothing,
                reason: Some(reason),
                ..
            } if reason.is_trouble() => {
                tracing::warn!(target: "rolecall::check", group, node = %name, "{what}");
            }
            EventKind::Verdict { name, .. } | EventKind::Role { name, .. } => tracing::info!(
                target: "rolecall::check", group, node = %name, "{what}"
            ),
        }
    }

    fn name(&self, node: NodeId) -> Arc<str> {
        let known = self
            .group
            .nodes()
            .iter()
            .find(|state| state.settings.id == node);
        known.map_or_else(|| "?".into(), |state| state.settings.name.clone())
    }
}

async fn sleep_until(deadline: Option<crate::core::time::Moment>) {
    match deadline {
        Some(deadline) => tokio::time::sleep(deadline.since(clock::now())).await,
        None => std::future::pending().await,
    }
}
