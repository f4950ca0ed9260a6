//! The way to the monitors: whoever wants to know all of a group, or orders something, asks its owner.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};

use crate::config::model::{GroupConfig, ListenerConfig};
use crate::core::group::{AcceptRefusal, Group};
use crate::core::ids::{GroupId, NodeId};
use crate::core::node::Order;
use crate::core::time::Moment;

/// Commands that may wait for a monitor; one is carried out in microseconds.
pub(super) const COMMANDS: usize = 64;

/// What a monitor may be asked.
pub(super) enum Command {
    /// A copy of all that is known.
    Look(oneshot::Sender<Group>),
    /// An operator's order for a node.
    Order(NodeId, Order, oneshot::Sender<()>),
    /// The history of a node is the group's from now on (R17).
    AcceptHistory(NodeId, oneshot::Sender<Result<(), AcceptRefusal>>),
    /// New write connections are parked until then at the latest, or no longer.
    HoldWrites(Option<Moment>, oneshot::Sender<()>),
    /// Another configuration. Nodes that go leave at that moment at the latest.
    Configure(Box<Assignment>, Moment, oneshot::Sender<()>),
}

/// What a monitor is to do: a group, and all listeners of the process.
#[derive(Clone)]
pub(super) struct Assignment {
    pub(super) group: GroupConfig,
    pub(super) listeners: Vec<ListenerConfig>,
}

/// A group and the way to its monitor.
type Monitors = Vec<(GroupId, mpsc::Sender<Command>)>;

/// Speaks to the monitors of all groups. Cheap to clone.
#[derive(Clone, Default)]
pub struct Control {
    monitors: Arc<Mutex<Monitors>>,
}

impl Control {
    pub(super) fn add(&self, group: GroupId, commands: mpsc::Sender<Command>) {
        self.with(|monitors| monitors.push((group, commands)));
    }

    /// A copy of all that is known of each group, in the order of the configuration. A group whose
    /// monitor has ended is left out.
    pub async fn look(&self) -> Vec<Group> {
        let mut all = Vec::new();
        for (_, monitor) in self.with(|monitors| monitors.clone()) {
            let (answer, asked) = oneshot::channel();
            if monitor.send(Command::Look(answer)).await.is_ok() {
                all.extend(asked.await.ok());
            }
        }
        all
    }

    /// Orders something for a node. When it returns, the view that follows from it is published. False
    /// when the monitor has ended.
    pub async fn order(&self, group: GroupId, node: NodeId, order: Order) -> bool {
        let (done, asked) = oneshot::channel();
        self.send(group, Command::Order(node, order, done)).await && asked.await.is_ok()
    }

    /// R17: takes the history of a node for the group's. When it returns, the view that follows is published. None
    /// when the monitor has ended.
    ///
    /// # Errors
    /// Why it is not accepted.
    pub async fn accept_history(
        &self,
        group: GroupId,
        node: NodeId,
    ) -> Option<Result<(), AcceptRefusal>> {
        let (done, asked) = oneshot::channel();
        if !self.send(group, Command::AcceptHistory(node, done)).await {
            return None;
        }
        asked.await.ok()
    }

    /// Parks new write connections of a group until then at the latest, or no longer. When it returns, the
    /// view that follows is published. False when the monitor has ended.
    pub async fn hold_writes(&self, group: GroupId, until: Option<Moment>) -> bool {
        let (done, asked) = oneshot::channel();
        self.send(group, Command::HoldWrites(until, done)).await && asked.await.is_ok()
    }

    pub(super) async fn configure(&self, assignment: Assignment, leave_by: Moment) {
        let (done, asked) = oneshot::channel();
        let group = assignment.group.id;
        let command = Command::Configure(Box::new(assignment), leave_by, done);
        if self.send(group, command).await {
            // A monitor that has ended ends the process.
            let _ = asked.await;
        }
    }

    pub(super) fn remove(&self, group: GroupId) {
        self.with(|monitors| monitors.retain(|(id, _)| *id != group));
    }

    async fn send(&self, group: GroupId, command: Command) -> bool {
        let monitor = self.with(|monitors| {
            let mut all = monitors.iter();
            all.find(|(id, _)| *id == group).map(|(_, way)| way.clone())
        });
        match monitor {
            Some(monitor) => monitor.send(command).await.is_ok(),
            None => false,
        }
    }

    fn with<T>(&self, see: impl FnOnce(&mut Monitors) -> T) -> T {
        see(&mut self.monitors.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
