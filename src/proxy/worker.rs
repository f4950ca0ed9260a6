//! The state of one worker: its view of the groups, its sessions, and the judging of them (R7, R8, R16).
//!
//! Everything here belongs to one thread. A new snapshot is noticed in two ways that cannot miss each
//! other: the judge task is woken and goes through the whole table in one pass, and each session looks
//! for itself, before it passes a client's bytes on, whether it has been judged by the newest view.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, mpsc, watch};

use super::accept::Incoming;
use super::linger::Linger;
use super::listen::Acceptor;
use super::listener::{Listener, Port};
use super::loads::Loads;
use super::nodes::Nodes;
use super::pulse::Pulse;
use super::relay::{BUFFER_SIZE, SharedBuffer};
use super::schedule::Schedule;
use super::table::{Entry, Parting, Table};
use crate::clock;
use crate::core::alarm::{Alarm, AlarmKind};
use crate::core::answers::Answers;
use crate::core::ids::{ListenerId, NodeId};
use crate::core::judge::{Held, answers, has_outstayed, judge};
use crate::core::reason::CloseReason;
use crate::core::snapshot::Snapshot;
use crate::core::time::Moment;
use crate::journal::{Happening, Journal};

/// What all workers share.
pub(super) struct Shared {
    /// As configured now.
    pub(super) listeners: ArcSwap<Vec<Arc<Listener>>>,
    pub(super) loads: Arc<Loads>,
    pub(super) alarms: mpsc::UnboundedSender<Alarm>,
    pub(super) journal: Journal,
    /// As many as descriptors allow.
    pub(super) most_connections: AtomicUsize,
    /// Where each worker says that it lives.
    pub(super) pulse: Pulse,
    /// One for each worker.
    pub(super) doors: Vec<Door>,
}

/// What a reload tells a worker.
pub(super) enum Order {
    /// Accept here too. The last part is held while the socket accepts.
    Listen(Arc<Port>, Acceptor, watch::Receiver<()>),
    /// Listeners have another configuration: judge all sessions by it.
    Judge,
}

/// How other workers see a worker.
pub(super) struct Door {
    /// Its connections; whoever gives it one counts it in before it arrives.
    pub(super) connections: Arc<AtomicUsize>,
    /// Where connections are handed over.
    pub(super) hand: mpsc::UnboundedSender<Incoming>,
    /// Where it is told what a reload has changed.
    pub(super) orders: mpsc::UnboundedSender<Order>,
}

/// One worker.
pub(super) struct Worker {
    pub(super) index: usize,
    pub(super) shared: Arc<Shared>,
    feed: RefCell<watch::Receiver<Arc<Snapshot>>>,
    snapshot: RefCell<Arc<Snapshot>>,
    /// Counts the snapshots that this worker has taken.
    version: Cell<u64>,
    pub(super) nodes: Nodes,
    pub(super) table: Rc<Table>,
    pub(super) buffer: SharedBuffer,
    rotation: Cell<usize>,
    /// Rung at each new snapshot and at the end of the grace: parked connections look again.
    pub(super) changed: Notify,
    /// Rung at the end of each connection.
    pub(super) ended: Notify,
    ending: Cell<bool>,
    /// Descriptors are used up.
    pub(super) trouble: Trouble,
    pub(super) schedule: Schedule,
    pub(super) linger: Rc<Linger>,
    /// Sessions that snapshots have closed since it was last told, by node and reason.
    toll: RefCell<HashMap<(NodeId, CloseReason), usize>>,
}

impl Shared {
    /// The name of a listener that is configured now.
    pub(super) fn name_of(&self, listener: ListenerId) -> Option<Arc<str>> {
        let listeners = self.listeners.load();
        let mut configs = listeners.iter().map(|listener| listener.config());
        let config = configs.find(|config| config.id == listener)?;
        Some(config.name.clone())
    }
}

/// A time of trouble: it lasts until nothing has gone wrong for a while, and is told once.
#[derive(Default)]
pub(super) struct Trouble(Cell<Option<Moment>>);

/// How long nothing must go wrong until the next trouble is news.
const QUIET: Duration = Duration::from_secs(10);

impl Trouble {
    /// Notes that something went wrong; true when that is news.
    pub(super) fn begins(&self, now: Moment) -> bool {
        let last = self.0.replace(Some(now));
        last.is_none_or(|last| now.since(last) >= QUIET)
    }
}

impl Worker {
    /// A worker that has taken the first snapshot.
    pub(super) fn new(
        index: usize,
        shared: Arc<Shared>,
        mut feed: watch::Receiver<Arc<Snapshot>>,
    ) -> Self {
        let snapshot = feed.borrow_and_update().clone();
        let nodes = Nodes::default();
        nodes.learn(&snapshot, &shared.loads);
        Self {
            index,
            shared,
            feed: RefCell::new(feed),
            snapshot: RefCell::new(snapshot),
            version: Cell::new(0),
            nodes,
            table: Rc::default(),
            buffer: RefCell::new(vec![0; BUFFER_SIZE].into_boxed_slice()),
            // Workers begin at different places, or each would give its first session to the same node.
            rotation: Cell::new(index),
            changed: Notify::new(),
            ended: Notify::new(),
            ending: Cell::new(false),
            trouble: Trouble::default(),
            schedule: Schedule::default(),
            linger: Rc::default(),
            toll: RefCell::default(),
        }
    }

    /// Takes the newest snapshot, if there is one that was not taken yet: one atomic load when not.
    pub(super) fn refresh(&self) {
        // An error means that nobody publishes any more: the last view stays.
        if self.feed.borrow().has_changed().unwrap_or(false) {
            self.take_newest();
        }
    }

    fn take_newest(&self) {
        let newest = self.feed.borrow_mut().borrow_and_update().clone();
        self.nodes.learn(&newest, &self.shared.loads);
        self.snapshot.replace(newest);
        self.version.set(self.version.get() + 1);
    }

    /// The view as last taken, and its version.
    pub(super) fn view(&self) -> (Arc<Snapshot>, u64) {
        (Arc::clone(&self.snapshot.borrow()), self.version.get())
    }

    /// A number that changes from call to call.
    pub(super) fn rotation(&self) -> usize {
        self.rotation.replace(self.rotation.get().wrapping_add(1))
    }

    /// The fence of R7: whether this session may go on by the newest view, and if not, how it ends.
    pub(super) fn verdict(&self, entry: &Entry) -> Option<Parting> {
        if let Some(parting) = entry.doomed() {
            return Some(parting);
        }
        self.refresh();
        let seat = entry.seat()?;
        if seat.version == self.version.get() {
            return None;
        }
        self.judge(entry)
    }

    /// Judges a session by the view as last taken, and dooms it when it must end.
    fn judge(&self, entry: &Entry) -> Option<Parting> {
        let seat = entry.seat()?;
        let config = entry.listener.config();
        let snapshot = self.snapshot.borrow();
        let group = snapshot.group(config.group);
        let reason = match group {
            _ if entry.listener.is_removed() => Some(CloseReason::ListenerRemoved),
            Some(group) => judge(&seat.held, &config.chain, group),
            None => Some(CloseReason::NodeRemoved),
        };
        let Some(reason) = reason else {
            entry.allow(self.version.get());
            return None;
        };
        let answers = match group {
            // What a replica is sent are no answers.
            Some(group) if reason == CloseReason::Demoted && !entry.replicates.get() => {
                answers(&seat.held, group)
            }
            _ => Answers::Drop,
        };
        let parting = Parting { reason, answers };
        entry.doom(parting);
        let key = (seat.held.node, reason);
        *self.toll.borrow_mut().entry(key).or_default() += 1;
        Some(parting)
    }

    /// Takes the newest snapshot and judges every session by it: all are marked before any is woken.
    pub(super) fn judge_all(&self) {
        self.refresh();
        let mut concerned = Vec::new();
        self.table.each(|entry| {
            let Some(seat) = entry.seat() else { return };
            let is_concerned = match entry.doomed() {
                Some(parting) => self.decides_answers(entry, &seat.held, parting),
                None => seat.version != self.version.get() && self.judge(entry).is_some(),
            };
            if is_concerned {
                concerned.push(Rc::clone(entry));
            }
        });
        for entry in concerned {
            entry.wake();
        }
        self.tell_toll();
        self.changed.notify_waiters();
    }

    /// R20: whether the view says something new about the answers of a session that lingers.
    fn decides_answers(&self, entry: &Entry, held: &Held, parting: Parting) -> bool {
        if parting.answers == Answers::Drop {
            return false;
        }
        let snapshot = self.snapshot.borrow();
        let group = snapshot.group(entry.listener.config().group);
        entry.decide(group.map_or(Answers::Drop, |group| answers(held, group)))
    }

    /// Judges every session anew, by the view as it is and by what a reload has changed.
    pub(super) fn judge_again(&self) {
        self.version.set(self.version.get() + 1);
        self.judge_all();
    }

    /// Takes what was published last by somebody who publishes no more.
    pub(super) fn judge_last(&self) {
        self.take_newest();
        self.judge_all();
    }

    fn tell_toll(&self) {
        for ((node, reason), sessions) in self.toll.borrow_mut().drain() {
            let Some(node) = self.nodes.get(node) else {
                continue;
            };
            self.shared.journal.record(Happening::Closed {
                group: node.group.clone(),
                node: node.name.clone(),
                sessions,
                reason,
                worker: self.index,
            });
        }
    }

    /// The round that replaces a timer in each session: counts are handed to the metrics, idle
    /// sessions and those that outstayed on a fallback are closed.
    pub(super) fn sweep(&self) {
        self.refresh();
        let now = clock::now();
        let snapshot = self.snapshot.borrow();
        let mut doomed = Vec::new();
        self.table.each(|entry| {
            let Some(seat) = entry.seat() else { return };
            let active = entry.sweep(now);
            // R14: a replica at work is left alone.
            if entry.replicates.get() {
                return;
            }
            let config = entry.listener.config();
            let idle = config
                .idle_timeout
                .is_some_and(|limit| now.since(active) >= limit);
            let age = now.since(entry.joined());
            let outstayed = || {
                snapshot.group(config.group).is_some_and(|group| {
                    let limit = config.fallback_max_age;
                    has_outstayed(&seat.held, &config.chain, group, age, limit)
                })
            };
            let reason = if idle {
                Some(CloseReason::Idle)
            } else {
                outstayed().then_some(CloseReason::BetterTier)
            };
            if let Some(reason) = reason {
                entry.doom(Parting::at_once(reason));
                doomed.push(Rc::clone(entry));
            }
        });
        for entry in doomed {
            entry.wake();
        }
    }

    /// The grace has passed: all sessions end, parked clients are told.
    pub(super) fn end_all(&self) {
        self.ending.set(true);
        let parting = Parting::at_once(CloseReason::Shutdown);
        self.table.each(|entry| entry.doom(parting));
        self.table.each(|entry| entry.wake());
        self.changed.notify_waiters();
    }

    /// Whether the grace has passed.
    pub(super) fn is_ending(&self) -> bool {
        self.ending.get()
    }

    /// Asks the monitor to look at a node now.
    pub(super) fn alarm(&self, node: NodeId, kind: AlarmKind) {
        let alarm = Alarm {
            node,
            at: clock::now(),
            kind,
        };
        if self.shared.alarms.send(alarm).is_err() {
            tracing::debug!(target: "rolecall::proxy", ?alarm, "the monitor has ended");
        }
    }
}
