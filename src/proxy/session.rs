//! A session: find a node (pick, dial, park), relay, and say in one line how it ended.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::accept::{Admission, ListenerPlace, Place, Ticket};
use super::listener::Listener;
use super::nodes::Node;
use super::reject::{self, CONNECTION_LIMIT};
use super::relay::{Gate, Parted, SharedBuffer, relay};
use super::route::{self, Found};
use super::sniff::{Complaint, complaint, is_replication};
use super::stream::{Peer, Stream};
use super::table::{Entry, Parting, Row, Table};
use super::worker::Worker;
use crate::clock;
use crate::config::model::ListenerConfig;
use crate::core::alarm::AlarmKind;
use crate::core::ids::NodeId;
use crate::core::judge::Held;
use crate::core::reason::CloseReason;
use crate::core::time::Moment;

/// Alarms of one session, at most one in this time.
const COMPLAINT_ALARM_EVERY: Duration = Duration::from_secs(1);

/// A client connection from its first to its last moment. Everything that counts it is a guard in here.
pub(super) struct Connection {
    pub(super) worker: Rc<Worker>,
    row: Row,
    peer: Peer,
    opened: Moment,
    admitted: Option<ListenerPlace>,
    place: Option<Place>,
}

/// Starts serving a connection on this worker.
pub(super) fn begin(worker: &Rc<Worker>, client: Stream, ticket: Ticket) {
    let admitted = match ticket.admission {
        Admission::Admitted(place) => Some(place),
        Admission::Full => None,
    };
    let connection = Connection {
        row: Table::add(&worker.table, Entry::new(ticket.listener)),
        worker: Rc::clone(worker),
        peer: ticket.peer,
        opened: clock::now(),
        admitted,
        place: Some(ticket.place),
    };
    // A panic in there ends this task and no other; the guards in the connection undo their counts.
    tokio::task::spawn_local(serve(connection, client));
}

/// What is alive while a session relays is kept small: this future is what an idle session costs.
/// Finding a node is over soon, so its state is on the heap and given back before the relay begins.
fn serve(connection: Connection, client: Stream) -> impl Future<Output = ()> {
    let search = Box::pin(search(connection, client));
    async {
        // The streams stay where they are: moved out of here they would take their room twice. And
        // nothing that borrows them lives across another wait, which would keep room for it too.
        let (connection, mut found) = search.await;
        // The task's waker, which stays the same: whoever dooms the session wakes it by this.
        poll_fn(|cx| {
            connection.entry().watch(cx.waker());
            Poll::Ready(())
        })
        .await;
        let relayed = match &mut found {
            Found::Node(client, node, sent) => relay(Pass(&connection), client, node, sent.take()),
            Found::Ended(reason) => return connection.end(*reason),
        };
        let parted = relayed.await;
        connection.end(parted.reason);
        if let Some(last) = last_answers(&connection.worker, found, parted) {
            last.await;
        }
    }
}

/// Closes both streams, that of the client not before it has read what it was sent if that is due. On the
/// heap, like the search.
fn last_answers(
    worker: &Rc<Worker>,
    found: Found,
    parted: Parted,
) -> Option<Pin<Box<impl Future<Output = ()> + use<>>>> {
    match found {
        Found::Node(client, _node, _) if parted.gently => {
            let worker = Rc::clone(worker);
            Some(Box::pin(async move {
                reject::see_off(&worker, client, parted.rest).await;
            }))
        }
        Found::Node(..) | Found::Ended(_) => None,
    }
}

async fn search(connection: Connection, client: Stream) -> (Connection, Found) {
    let found = if connection.admitted.is_some() {
        route::find_node(&connection, client).await
    } else {
        reject::reject(&connection.worker, client, CONNECTION_LIMIT).await;
        Found::Ended(CloseReason::ConnectionLimit)
    };
    (connection, found)
}

impl Connection {
    pub(super) fn entry(&self) -> &Entry {
        &self.row.entry
    }

    pub(super) fn peer(&self) -> &Peer {
        &self.peer
    }

    pub(super) fn listener(&self) -> &Arc<Listener> {
        &self.row.entry.listener
    }

    pub(super) fn config(&self) -> Arc<ListenerConfig> {
        self.listener().config()
    }

    /// Gives the node's place free, and says how the session ended.
    fn end(&self, reason: CloseReason) {
        self.listener().meters.ended(reason);
        let node = self.entry().node();
        let held = self.entry().part();
        self.log(reason, node.as_deref(), held);
    }

    fn log(&self, reason: CloseReason, node: Option<&Node>, held: Option<Held>) {
        let config = self.config();
        let tier = held.and_then(|held| config.chain.tiers.get(held.tier));
        // Which listener's tier served: another one's after a fallback.
        let via = tier.and_then(|tier| self.worker.shared.name_of(tier.listener));
        let (view, _) = self.worker.view();
        let group = || view.group(config.group).map(|group| &*group.name);
        let group = node.map(|node| &*node.group).or_else(group);
        let duration = clock::now().since(self.opened);
        tracing::info!(
            target: "rolecall::session",
            listener = %config.name,
            client = %self.peer,
            group = group.unwrap_or("-"),
            node = node.map_or("-", |node| &node.name),
            tier = held.map(|held| held.tier),
            via = via.as_deref().unwrap_or("-"),
            duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
            bytes_in = self.entry().sent.get(),
            bytes_out = self.entry().received.get(),
            reason = reason.label(),
            code = reason.haproxy_code(),
            "{reason}"
        );
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        drop(self.admitted.take());
        drop(self.place.take());
        self.worker.ended.notify_waiters();
    }
}

/// The gate of a session's relay: the fence of R7, the counts, and the few looks at what passes.
struct Pass<'a>(&'a Connection);

impl Gate for Pass<'_> {
    fn buffer(&self) -> &SharedBuffer {
        &self.0.worker.buffer
    }

    fn verdict(&self) -> Option<Parting> {
        self.0.worker.verdict(self.0.entry())
    }

    fn sent(&self, chunk: &[u8]) {
        let entry = self.0.entry();
        entry.sent.set(entry.sent.get() + chunk.len() as u64);
        entry.ask();
        self.0.worker.schedule.hear(&entry.heard, clock::now);
        let looks = entry.looks.get();
        if looks > 0 {
            entry.looks.set(looks - 1);
            if is_replication(chunk) {
                entry.replicate();
                entry.looks.set(0);
            }
        }
    }

    fn received(&self, chunk: &[u8]) -> usize {
        let entry = self.0.entry();
        entry
            .received
            .set(entry.received.get() + chunk.len() as u64);
        if chunk[0] == b'-' {
            self.hear(chunk);
        }
        match entry.follow(chunk) {
            None => chunk.len(),
            Some(before) => {
                self.refused(entry);
                before
            }
        }
    }

    fn abandoned(&self) {
        if let Some(node) = self.0.entry().node()
            && node.parting_is_news(clock::now())
        {
            self.0.worker.alarm(node.id, AlarmKind::Suspicious);
        }
    }

    fn awaits(&self) -> bool {
        self.0.entry().awaits()
    }

    fn linger(&self) {
        self.0.worker.linger.add(&self.0.row.entry);
    }

    fn keeps_up(&self, all_taken: bool) {
        self.0.entry().keep_up(all_taken);
    }

    fn is_late(&self) -> bool {
        self.0.entry().is_late()
    }
}

impl Pass<'_> {
    /// R20: the node does not execute what this session came for: it is a replica now.
    #[cold]
    fn refused(&self, entry: &Entry) {
        if let Some(seat) = entry.seat() {
            self.alarm_seldom(entry, seat.held.node, AlarmKind::Suspicious);
        }
    }

    /// R11: the node says that it cannot do what it was chosen for.
    #[cold]
    fn hear(&self, chunk: &[u8]) {
        let entry = self.0.entry();
        let Some(held) = entry.seat().map(|seat| seat.held) else {
            return;
        };
        // On a read session -READONLY is the client's own mistake.
        let kind = match complaint(chunk) {
            Some(Complaint::ReadOnly) if held.term.is_none() => return,
            Some(Complaint::ReadOnly | Complaint::Unable) => AlarmKind::Suspicious,
            // R8: as good as a refused dial, so no new sessions before a new connection is accepted.
            Some(Complaint::Full) => AlarmKind::DialFailed,
            None => return,
        };
        self.alarm_seldom(entry, held.node, kind);
    }

    fn alarm_seldom(&self, entry: &Entry, node: NodeId, kind: AlarmKind) {
        let now = clock::now();
        let due = entry
            .alarmed
            .get()
            .is_none_or(|last| now.since(last) >= COMPLAINT_ALARM_EVERY);
        if due {
            entry.alarmed.set(Some(now));
            self.0.worker.alarm(node, kind);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_future<A, B, F>(_: impl Fn(A, B) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn an_idle_session_is_small() {
        let future = size_of_future(serve);
        let entry = size_of::<Entry>();
        // With what tokio adds the task takes 384 bytes (its objects come in steps of 128), and the entry
        // with its counts 224.
        assert!(future <= 280, "the future takes {future} bytes");
        assert!(entry <= 208, "the entry takes {entry} bytes");
    }
}
