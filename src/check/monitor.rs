//! One monitor a group: the owner of all that is known of it.
//!
//! It brings reports, what Sentinels say, alarms and the time to the core's fold, publishes the view when it has changed,
//! sets the pace of the checks, hires and dismisses their tasks, and hands the events to the journal. It
//! decides nothing.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::control::{Assignment, Command};
use super::crew::{Crew, Reports};
use super::gauges::Gauges;
use super::ids::NodeIds;
use super::node::FromNode;
use super::sentinel::FromSentinel;
use super::settings::{sentinel_names, settings};
use super::wake::By;
use crate::clock;
use crate::config::model::Address;
use crate::core::alarm::{Alarm, AlarmKind};
use crate::core::discovery::Change;
use crate::core::facts::HostPort;
use crate::core::group::Group;
use crate::core::ids::NodeId;
use crate::core::node::NodeSettings;
use crate::core::outcome::Report;
use crate::core::sentinel::{SentinelNews, SentinelReport};
use crate::core::snapshot::Snapshot;
use crate::core::time::{Moment, in_words};
use crate::journal::{Happening, Journal};

/// How often the sessions of a node that leaves are counted.
const COUNT_SESSIONS: Duration = Duration::from_millis(500);

/// How many sessions a node has at present: the data plane knows.
pub type CountSessions = Arc<dyn Fn(NodeId) -> usize + Send + Sync>;

/// Whom the monitors tell, and whom they ask.
#[derive(Clone)]
pub struct Outlets {
    /// Where the views are published.
    pub snapshots: watch::Sender<Arc<Snapshot>>,
    /// Where events go.
    pub journal: Journal,
    /// A node that leaves is dropped when it has no sessions left.
    pub sessions: CountSessions,
}

/// The shell of one [`Group`].
pub(super) struct Monitor {
    pub(super) group: Group,
    pub(super) assignment: Assignment,
    pub(super) crew: Crew,
    pub(super) reports: Reports,
    pub(super) alarms: mpsc::UnboundedReceiver<Alarm>,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) outlets: Outlets,
    pub(super) gauges: Gauges,
    pub(super) ids: NodeIds,
}

impl Monitor {
    /// Runs until `cancel`.
    pub(super) async fn run(mut self, cancel: CancellationToken) {
        self.settle();
        loop {
            let deadline = self.next_deadline(clock::now());
            tokio::select! {
                biased;
                () = cancel.cancelled() => return,
                bug = self.crew.broken() => std::panic::resume_unwind(bug.into_panic()),
                Some(report) = self.reports.nodes.recv() => self.take_in(report),
                Some(said) = self.reports.sentinels.recv() => self.hear(said),
                Some(alarm) = self.alarms.recv() => self.alarm(alarm),
                Some(command) = self.commands.recv() => {
                    self.obey(command);
                    continue;
                }
                () = sleep_until(deadline) => self.group.tick(clock::now()),
            }
            self.settle();
        }
    }

    fn next_deadline(&self, now: Moment) -> Option<Moment> {
        let leaving = self
            .group
            .leaving()
            .next()
            .map(|_| now.plus(COUNT_SESSIONS));
        self.group
            .next_deadline(now)
            .into_iter()
            .chain(leaving)
            .min()
    }

    fn take_in(&mut self, from: FromNode) {
        match from {
            FromNode::Checked(node, report) => {
                self.tell_check(node, &report);
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

    /// Each check, for whoever has raised the log's level.
    fn tell_check(&self, node: NodeId, report: &Report) {
        if !tracing::enabled!(target: "rolecall::check", tracing::Level::DEBUG) {
            return;
        }
        let (name, outcome) = (self.name(node), &report.outcome);
        tracing::debug!(
            target: "rolecall::check",
            group = %self.group.view().name, node = %name,
            duration = in_words(report.finished.since(report.started)), dialled = report.dialled,
            "{name} {outcome}"
        );
    }

    /// What a Sentinel announces is a reason to check now.
    fn hear(&mut self, said: FromSentinel) {
        match said {
            FromSentinel::Report(index, report) => {
                tracing::debug!(target: "rolecall::check", sentinel = index, said = ?report, "a Sentinel was asked");
                if !matches!(report, SentinelReport::Votes(_)) {
                    self.group.listed(index, None);
                }
                self.group.sentinel(index, report, clock::now());
            }
            FromSentinel::Lists(index, list) => self.group.listed(index, list),
            FromSentinel::News(news) => {
                if let SentinelNews::Promotes(place) = news {
                    self.group.promotes(&place, clock::now());
                }
                self.crew.call_all(By::Connection);
            }
        }
    }

    /// R11, R12: what the data plane noticed is a reason to check now.
    fn alarm(&mut self, alarm: Alarm) {
        tracing::debug!(target: "rolecall::check", node = %self.name(alarm.node), kind = ?alarm.kind, "an alarm of a session");
        self.group.alarm(alarm);
        self.crew.call(
            alarm.node,
            match alarm.kind {
                AlarmKind::DialFailed => By::Dial,
                AlarmKind::Suspicious => By::Connection,
            },
        );
    }

    /// Whoever commands waits until the views that follow are published.
    fn obey(&mut self, command: Command) {
        match command {
            Command::Look(answer) => {
                self.group.tick(clock::now());
                self.settle();
                // Whoever asked may have gone.
                let _ = answer.send(self.group.clone());
            }
            Command::Configure(assignment, leave_by, done) => {
                self.configure(*assignment, leave_by, clock::now());
                self.settle();
                let _ = done.send(());
            }
            Command::HoldWrites(until, done) => {
                self.group.hold_writes(until, clock::now());
                self.settle();
                let _ = done.send(());
            }
            Command::AcceptHistory(node, done) => {
                let accepted = self.group.accept_history(node, clock::now());
                self.settle();
                let _ = done.send(accepted);
            }
            Command::Order(node, order, done) => {
                self.group.order(node, order, clock::now());
                self.settle();
                let _ = done.send(());
            }
        }
    }

    /// Carries out what follows from what was just taken in.
    fn settle(&mut self) {
        // First of all: whoever routes must know.
        self.publish();
        let now = clock::now();
        for change in self.group.changes(now) {
            self.change(change, now);
        }
        if self.group.leaving().next().is_some() {
            self.drop_empty(now);
        }
        self.publish();
        for event in self.group.take_events() {
            self.gauges.happened(&event);
            self.outlets.journal.record(Happening::Group {
                group: self.group.view().name.clone(),
                kind: event.kind,
            });
        }
        self.gauges.follow(&self.group, now);
        self.crew.pace(|node| self.group.pace(node));
        if self.group.has_undecided_answers() {
            // R20: clients wait for this.
            self.crew.call_all(By::Connection);
        }
    }

    fn publish(&self) {
        let view = self.group.view();
        self.outlets.snapshots.send_if_modified(|snapshot| {
            let known = snapshot
                .group(view.id)
                .is_some_and(|known| **known == *view);
            if !known {
                *snapshot = Arc::new(snapshot.with(view.clone()));
            }
            !known
        });
    }

    /// Goes on with another configuration; what stays the same is not disturbed.
    fn configure(&mut self, assignment: Assignment, leave_by: Moment, now: Moment) {
        let before = std::mem::replace(&mut self.assignment, assignment);
        let Assignment { group, listeners } = &self.assignment;
        let learned: Vec<(NodeId, Address)> = self
            .group
            .nodes()
            .iter()
            .filter(|node| node.learned)
            .filter_map(|node| {
                Some((
                    node.settings.id,
                    Address::Tcp(node.settings.address.clone()?),
                ))
            })
            .collect();
        for node in &group.nodes {
            self.gauges.add(node.id, &node.name);
        }
        self.gauges.listen(group.id, listeners);
        let nodes = self.group.nodes();
        let target = |id: NodeId| {
            let mut known = nodes.iter().filter(|node| node.settings.id == id);
            known.next()?.target.clone()
        };
        let sentinels = self.crew.configure(group, &before.group, &learned, target);
        if let Some(reports) = sentinels {
            self.reports.sentinels = reports;
            let discovers = group.sentinel.as_ref().is_some_and(|each| each.discover);
            self.group.ask_others(sentinel_names(group), discovers);
        }
        self.group
            .configure(settings(listeners, group), leave_by, now);
    }

    fn change(&mut self, change: Change, now: Moment) {
        match change {
            Change::Learn(address) => self.learn(address, now),
            Change::Retire(node) => self.group.retire(node, now),
            Change::Return(node) => self.group.keep(node, now),
        }
    }

    /// A node that Sentinels know: its name is its address, and a local one is only ever written down.
    fn learn(&mut self, address: HostPort, now: Moment) {
        let settings = NodeSettings {
            id: self.ids.next(),
            name: address.to_string().into(),
            address: Some(address.clone()),
            local: false,
            weight: 1,
        };
        self.gauges.add(settings.id, &settings.name);
        self.crew.hire(settings.id, Address::Tcp(address), None);
        self.group.learn(settings, now);
    }

    fn drop_empty(&mut self, now: Moment) {
        let leaving = self.group.leaving();
        let empty: Vec<NodeId> = leaving
            .filter(|(node, by)| {
                by.is_some_and(|by| by <= now) || (self.outlets.sessions)(*node) == 0
            })
            .map(|(node, _)| node)
            .collect();
        for node in empty {
            self.group.drop_node(node, now);
            self.crew.dismiss(node);
            self.gauges.remove(node);
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

async fn sleep_until(deadline: Option<Moment>) {
    match deadline {
        Some(deadline) => tokio::time::sleep(deadline.since(clock::now())).await,
        None => std::future::pending().await,
    }
}
