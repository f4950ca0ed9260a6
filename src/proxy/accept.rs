//! Accepting: connections come in, are counted, and go to the worker that has room.
//!
//! The loop survives everything: a connection that broke before it was accepted is skipped, and when
//! descriptors run out it pauses and says so, while the sessions go on.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use super::listen::Listening;
use super::listener::{Listener, Port};
use super::run::Phase;
use super::session;
use super::stream::{Peer, RawStream, Stream, is_exhaustion};
use super::worker::{Shared, Worker};
use crate::clock;

/// The pause after an error that would come again at once.
const PAUSE: Duration = Duration::from_millis(100);

/// Connections accepted before sessions get their turn.
const ACCEPTS_PER_TURN: usize = 32;

/// Errors in a row after which they are not taken for single broken connections.
const ERRORS_IN_A_ROW: usize = 16;

/// A connection that another worker has accepted.
pub(super) struct Incoming {
    pub(super) stream: RawStream,
    pub(super) ticket: Ticket,
}

/// What is known of a connection when it is accepted, and what counts it.
pub(super) struct Ticket {
    pub(super) listener: Arc<Listener>,
    pub(super) peer: Peer,
    pub(super) place: Place,
    pub(super) admission: Admission,
}

/// Whether the listener had room.
pub(super) enum Admission {
    /// Counted among the listener's connections until dropped.
    Admitted(ListenerPlace),
    /// `max_connections` are there already.
    Full,
}

/// A connection, counted at its listener until dropped.
pub(super) struct ListenerPlace {
    listener: Arc<Listener>,
}

/// A connection, counted at its worker until dropped.
pub(super) struct Place(Arc<AtomicUsize>);

/// Accepts while the proxy serves and the port stays, then once more what the kernel has completed
/// already: closing the socket would reset it. One that another process has as well is left to that
/// process.
pub(super) async fn accept(
    worker: Rc<Worker>,
    port: Arc<Port>,
    socket: Rc<Listening>,
    mut phase: watch::Receiver<Phase>,
) {
    let begun = tokio::select! {
        begun = phase.wait_for(|phase| *phase != Phase::Holding) => begun.is_ok(),
        () = port.closing.cancelled() => false,
    };
    if !begun {
        // It ends before it was told to serve: what waits here is not for us.
        return;
    }
    tokio::select! {
        biased;
        _ = phase.wait_for(|phase| *phase != Phase::Serving) => {}
        () = port.closing.cancelled() => {}
        () = accept_for_ever(&worker, &port, &socket) => {}
    }
    if port.is_given() {
        return;
    }
    let Ok(socket) = socket.raw() else { return };
    while let Ok((stream, peer)) = socket.accept() {
        if let Ok(stream) = stream.register() {
            admit(&worker, &port, stream, peer);
        }
    }
}

async fn accept_for_ever(worker: &Rc<Worker>, port: &Port, socket: &Listening) {
    let mut errors = 0;
    loop {
        for _ in 0..ACCEPTS_PER_TURN {
            if is_crowded(&worker.shared) {
                tell(worker, port, "no open files are left for another session");
                pause(worker).await;
                continue;
            }
            match socket.accept().await {
                Ok((stream, peer)) => {
                    errors = 0;
                    admit(worker, port, stream, peer);
                }
                Err(error) => {
                    errors += 1;
                    if is_exhaustion(&error) || errors >= ERRORS_IN_A_ROW {
                        tell(worker, port, &error.to_string());
                        pause(worker).await;
                    }
                }
            }
        }
        tokio::task::yield_now().await;
    }
}

/// Whether another connection would need descriptors that are not there.
fn is_crowded(shared: &Shared) -> bool {
    let open: usize = shared
        .doors
        .iter()
        .map(|door| door.connections.load(Ordering::Relaxed))
        .sum();
    open >= shared.most_connections.load(Ordering::Relaxed)
}

/// Says what is wrong and what to do, once for each time of trouble.
fn tell(worker: &Worker, port: &Port, error: &str) {
    if worker.trouble.begins(clock::now()) {
        tracing::error!(
            target: "rolecall::proxy",
            listener = %port.listener.load().config().name, %error,
            "cannot accept connections now; sessions go on, and it is tried again: raise the limit \
             of open files (LimitNOFILE in systemd, ulimit -n), or set max_connections"
        );
    }
}

async fn pause(worker: &Worker) {
    tokio::select! {
        () = sleep(PAUSE) => {}
        () = worker.ended.notified() => {}
    }
}

/// Counts a connection and gives it to this worker, or to one that clearly has less to do.
fn admit(worker: &Rc<Worker>, port: &Port, stream: Stream, peer: Peer) {
    let shared = &worker.shared;
    let listener = port.listener.load_full();
    listener.meters.connections_total.increment(1);
    let admission = ListenerPlace::take(&listener);
    let chosen = choose_worker(shared, worker.index);
    let ticket = Ticket {
        listener,
        peer,
        place: Place::take(shared, chosen),
        admission,
    };
    if chosen == worker.index {
        session::begin(worker, stream, ticket);
    } else if let Ok(stream) = stream.into_raw()
        && let Err(returned) = shared.doors[chosen].hand.send(Incoming { stream, ticket })
    {
        // That worker is gone; ours is not.
        let Incoming { stream, mut ticket } = returned.0;
        ticket.place = Place::take(shared, worker.index);
        take_over(worker, Incoming { stream, ticket });
    }
}

/// Serves a connection that another worker has accepted.
pub(super) fn take_over(worker: &Rc<Worker>, incoming: Incoming) {
    match incoming.stream.register() {
        Ok(stream) => session::begin(worker, stream, incoming.ticket),
        Err(error) => tracing::warn!(
            target: "rolecall::proxy",
            client = %incoming.ticket.peer, %error, "dropped a connection that cannot be watched"
        ),
    }
}

/// R12 for workers: redis connections are few and live long, so the kernel's hash alone would leave
/// one core busy and another idle. Small differences are left alone: handing over has a price too.
fn choose_worker(shared: &Shared, own: usize) -> usize {
    let connections = |worker: usize| shared.doors[worker].connections.load(Ordering::Relaxed);
    let least = (0..shared.doors.len())
        .min_by_key(|worker| connections(*worker))
        .unwrap_or(own);
    if connections(own) > connections(least) + connections(least) / 4 {
        least
    } else {
        own
    }
}

impl ListenerPlace {
    fn take(listener: &Arc<Listener>) -> Admission {
        if !listener.load.enter(listener.config().max_connections) {
            return Admission::Full;
        }
        listener.meters.connections.increment(1.0);
        Admission::Admitted(Self {
            listener: Arc::clone(listener),
        })
    }
}

impl Drop for ListenerPlace {
    fn drop(&mut self) {
        self.listener.meters.connections.decrement(1.0);
        self.listener.load.leave();
    }
}

impl Place {
    fn take(shared: &Shared, worker: usize) -> Self {
        let connections = &shared.doors[worker].connections;
        connections.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(connections))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Self(connections) = self;
        connections.fetch_sub(1, Ordering::Relaxed);
    }
}
