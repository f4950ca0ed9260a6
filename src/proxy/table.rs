//! The session table of a worker: what its judge and its sweep have to know of each connection, where
//! they find it in one pass.
//!
//! An entry belongs to one thread, so its fields are cells; no byte that is relayed costs an atomic
//! operation. The connection's own task writes them, but for `doomed`, which the judge and the sweep
//! set.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;

use super::listener::Listener;
use super::nodes::{Claim, Node};
use super::schedule::Heard;
use crate::core::answers::Answers;
use crate::core::judge::Held;
use crate::core::reason::CloseReason;
use crate::core::time::Moment;
use crate::redis::scan::Replies;

/// What a worker keeps of one connection.
pub(super) struct Entry {
    /// Whose connection it is.
    pub(super) listener: Arc<Listener>,
    /// What it was given at its node, and by which version of the view that was judged last.
    seat: Cell<Option<Seat>>,
    node: RefCell<Option<Claim>>,
    doomed: Cell<Option<Parting>>,
    waker: RefCell<Option<Waker>>,
    /// Bytes relayed to and from the node.
    pub(super) sent: Cell<u64>,
    pub(super) received: Cell<u64>,
    flushed_sent: Cell<u64>,
    flushed_received: Cell<u64>,
    /// When the sweep last saw bytes move; the time of joining at first.
    active: Cell<Moment>,
    /// When it was last joined to a node.
    joined: Cell<Moment>,
    /// When it last alarmed the monitor.
    pub(super) alarmed: Cell<Option<Moment>>,
    /// R14: it is a replica at work.
    pub(super) replicates: Cell<bool>,
    /// Chunks of the client that are still looked into for that.
    pub(super) looks: Cell<u8>,
    pub(super) heard: Heard,
    /// Of a session that came for writes: the node's replies, followed for one that refuses a command.
    replies: Cell<Replies>,
    /// The client has sent something since the last complete reply. With a pipeline more may be to come.
    awaits: Cell<bool>,
    /// R20: the client has not taken all answers that were read for it.
    behind: Cell<bool>,
    /// R20: the time for answers is up.
    late: Cell<bool>,
}

/// How a session ends: why, and what becomes of the answers that its node has sent (R20).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parting {
    pub(super) reason: CloseReason,
    pub(super) answers: Answers,
}

impl Parting {
    /// Of a session whose answers do not matter or are not certain.
    pub(super) fn at_once(reason: CloseReason) -> Self {
        Self {
            reason,
            answers: Answers::Drop,
        }
    }
}

/// A session's place at a node.
#[derive(Clone, Copy)]
pub(super) struct Seat {
    pub(super) held: Held,
    /// The worker's version of the view by which it was allowed last.
    pub(super) version: u64,
}

/// First commands of a client that may show that it is a replica.
const LOOKS: u8 = 3;

impl Entry {
    /// Of a connection that has no node yet.
    pub(super) fn new(listener: Arc<Listener>) -> Self {
        Self {
            listener,
            seat: Cell::new(None),
            node: RefCell::default(),
            doomed: Cell::new(None),
            waker: RefCell::default(),
            sent: Cell::default(),
            received: Cell::default(),
            flushed_sent: Cell::default(),
            flushed_received: Cell::default(),
            active: Cell::default(),
            joined: Cell::default(),
            alarmed: Cell::new(None),
            replicates: Cell::new(false),
            looks: Cell::new(LOOKS),
            heard: Heard::default(),
            replies: Cell::new(Replies::lost()),
            awaits: Cell::new(false),
            behind: Cell::new(false),
            late: Cell::new(false),
        }
    }

    /// Joins it to a node; from now on it is judged.
    pub(super) fn join(&self, claim: Claim, seat: Seat, now: Moment) {
        claim.node().meters.sessions_total.increment(1);
        self.node.replace(Some(claim));
        self.seat.set(Some(seat));
        self.replies.set(match seat.held.term {
            Some(_) => Replies::default(),
            // On a read session a refusal is the client's own mistake.
            None => Replies::lost(),
        });
        self.active.set(now);
        self.joined.set(now);
    }

    /// Gives the node's place free; what was relayed stays counted.
    pub(super) fn part(&self) -> Option<Held> {
        self.flush();
        self.node.replace(None);
        self.seat.take().map(|seat| seat.held)
    }

    pub(super) fn seat(&self) -> Option<Seat> {
        self.seat.get()
    }

    /// Notes that it is allowed by this version of the view too.
    pub(super) fn allow(&self, version: u64) {
        if let Some(seat) = self.seat.get() {
            self.seat.set(Some(Seat { version, ..seat }));
        }
    }

    pub(super) fn node(&self) -> Option<Rc<Node>> {
        self.node
            .borrow()
            .as_ref()
            .map(|claim| Rc::clone(claim.node()))
    }

    pub(super) fn doomed(&self) -> Option<Parting> {
        self.doomed.get()
    }

    /// Decides its end; the first reason stands. It ends when it is polled next: see [`Entry::wake`].
    pub(super) fn doom(&self, parting: Parting) {
        if self.doomed.get().is_none() {
            self.doomed.set(Some(parting));
        }
    }

    /// R20: takes in what becomes of the answers of a session that lingers. Returns whether that is news.
    pub(super) fn decide(&self, answers: Answers) -> bool {
        match self.doomed.get() {
            Some(parting) if !self.late.get() && parting.answers != answers => {
                self.doomed.set(Some(Parting { answers, ..parting }));
                true
            }
            _ => false,
        }
    }

    /// R20: its time is up. What was not decided is dropped; one that was refused and not fenced ends now.
    pub(super) fn expire(&self) {
        if let Some(parting) = self.doomed.get()
            && parting.answers == Answers::Undecided
        {
            self.doomed.set(Some(Parting::at_once(parting.reason)));
        }
        self.late.set(true);
        self.doom(Parting {
            reason: CloseReason::Demoted,
            answers: Answers::Deliver,
        });
    }

    pub(super) fn is_late(&self) -> bool {
        self.late.get()
    }

    pub(super) fn is_behind(&self) -> bool {
        self.behind.get()
    }

    /// Whether the client has taken all answers that were read for it.
    pub(super) fn keep_up(&self, all_taken: bool) {
        self.behind.set(!all_taken);
    }

    /// The client has sent something to the node.
    pub(super) fn ask(&self) {
        self.awaits.set(true);
    }

    /// Whether an answer is due.
    pub(super) fn awaits(&self) -> bool {
        self.awaits.get()
    }

    /// Follows what the node has sent: see [`Replies::follow`].
    pub(super) fn follow(&self, chunk: &[u8]) -> Option<usize> {
        let mut replies = self.replies.get();
        let refusal = replies.follow(chunk);
        self.awaits.set(!replies.is_between() && !replies.is_lost());
        self.replies.set(replies);
        refusal
    }

    /// R14: it is a replica at work, and what the node sends are no replies.
    pub(super) fn replicate(&self) {
        self.replicates.set(true);
        self.replies.set(Replies::lost());
    }

    /// Remembers whom to wake.
    pub(super) fn watch(&self, waker: &Waker) {
        let mut known = self.waker.borrow_mut();
        if !known.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *known = Some(waker.clone());
        }
    }

    pub(super) fn wake(&self) {
        if let Some(waker) = self.waker.borrow().as_ref() {
            waker.wake_by_ref();
        }
    }

    /// Hands what was relayed since the last time to the metrics. Returns whether there was any.
    fn flush(&self) -> bool {
        let sent = self.sent.get() - self.flushed_sent.replace(self.sent.get());
        let received = self.received.get() - self.flushed_received.replace(self.received.get());
        let node = self.node.borrow();
        let Some(claim) = node.as_ref() else {
            return false;
        };
        if sent > 0 {
            claim.node().meters.sent.increment(sent);
        }
        if received > 0 {
            claim.node().meters.received.increment(received);
        }
        sent + received > 0
    }

    /// Once a second: hands the counts on. Returns since when nothing has moved.
    pub(super) fn sweep(&self, now: Moment) -> Moment {
        if self.flush() {
            self.active.set(now);
        }
        self.active.get()
    }

    /// When it was joined to its node.
    pub(super) fn joined(&self) -> Moment {
        self.joined.get()
    }
}

/// All connections of a worker.
#[derive(Default)]
pub(super) struct Table {
    rows: RefCell<Vec<Option<Rc<Entry>>>>,
    free: RefCell<Vec<usize>>,
}

/// A connection's row, given back on drop.
pub(super) struct Row {
    table: Rc<Table>,
    place: usize,
    pub(super) entry: Rc<Entry>,
}

impl Table {
    /// Adds a connection.
    pub(super) fn add(self: &Rc<Self>, entry: Entry) -> Row {
        let entry = Rc::new(entry);
        let mut rows = self.rows.borrow_mut();
        let place = self.free.borrow_mut().pop().unwrap_or(rows.len());
        match rows.get_mut(place) {
            Some(row) => *row = Some(Rc::clone(&entry)),
            None => rows.push(Some(Rc::clone(&entry))),
        }
        Row {
            table: Rc::clone(self),
            place,
            entry,
        }
    }

    /// Visits every connection. The visitor must not add or remove one.
    pub(super) fn each(&self, mut visit: impl FnMut(&Rc<Entry>)) {
        for entry in self.rows.borrow().iter().flatten() {
            visit(entry);
        }
    }
}

impl Drop for Row {
    fn drop(&mut self) {
        self.entry.part();
        if let Some(row) = self.table.rows.borrow_mut().get_mut(self.place) {
            *row = None;
        }
        self.table.free.borrow_mut().push(self.place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::ListenerConfig;
    use crate::core::chain::{Access, Chain};
    use crate::core::ids::{GroupId, ListenerId};
    use crate::proxy::loads::Loads;

    fn entry(listener: &str) -> Entry {
        let chain = Chain { tiers: Vec::new() };
        let config = ListenerConfig::new(
            ListenerId(0),
            listener,
            GroupId(0),
            Access::ReadOnly,
            Vec::new(),
            chain,
        );
        Entry::new(Arc::new(Listener::new(config, &Loads::default())))
    }

    #[test]
    fn rows_are_used_again() {
        let table = Rc::new(Table::default());
        let (first, second) = (table.add(entry("a")), table.add(entry("b")));
        drop(first);
        let third = table.add(entry("c"));
        let mut seen = Vec::new();
        table.each(|entry| seen.push(entry.listener.config().name.to_string()));
        assert_eq!(seen, ["c", "b"]);
        drop((second, third));
        assert_eq!(table.rows.borrow().len(), 2);
    }

    #[test]
    fn the_first_reason_stands() {
        let entry = entry("a");
        entry.doom(Parting::at_once(CloseReason::Demoted));
        entry.doom(Parting::at_once(CloseReason::Idle));
        let first = entry.doomed().map(|parting| parting.reason);
        assert_eq!(first, Some(CloseReason::Demoted));
    }
}
