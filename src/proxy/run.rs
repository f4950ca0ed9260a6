//! The life of a worker thread: its runtime, its tasks, and its end.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc as std_mpsc;
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use super::accept::{Incoming, accept, take_over};
use super::listen::Acceptor;
use super::listener::Port;
use super::worker::{Order, Shared, Worker};
use crate::clock;
use crate::core::snapshot::Snapshot;

/// The sweep's period, where no time-out is so short that it needs a shorter one.
const SWEEP: Duration = Duration::from_secs(1);

/// What the last words to clients may take after the grace.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How far the proxy has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nobody is served yet: the process that we take over from still does.
    Holding,
    /// Connections are accepted.
    Serving,
    /// Listening sockets are being closed. No worker leaves yet: another may still hand it a connection.
    Closing,
    /// No more connections will come; sessions go on, and a worker without any leaves.
    Draining,
    /// Sessions are closed.
    Ending,
}

/// Connections that other workers hand over.
pub(super) type Handed = mpsc::UnboundedReceiver<Incoming>;

/// What reloads order.
pub(super) type Orders = mpsc::UnboundedReceiver<Order>;

/// What a worker thread is given.
pub(super) struct Outfit {
    pub(super) index: usize,
    pub(super) shared: Arc<Shared>,
    pub(super) feed: watch::Receiver<Arc<Snapshot>>,
    pub(super) handed: Handed,
    /// Listening sockets, each with the port that it is a part of.
    pub(super) sockets: Vec<(Arc<Port>, Acceptor)>,
    pub(super) orders: Orders,
    pub(super) phase: watch::Receiver<Phase>,
    /// Held while sockets accept.
    pub(super) accepting: watch::Receiver<()>,
}

/// Runs a worker on the calling thread until it has ended. Says at the start whether it could.
pub(super) fn run(outfit: Outfit, started: &std_mpsc::Sender<io::Result<()>>) {
    // The receiver waits for each worker's word; if it has gone, so has the whole start.
    let tell = |word| drop(started.send(word));
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default());
    match runtime {
        Err(error) => tell(Err(error)),
        Ok(runtime) => runtime.block_on(async {
            match set_up(outfit) {
                Err(error) => tell(Err(error)),
                Ok((worker, phase)) => {
                    tell(Ok(()));
                    live(Rc::clone(&worker), phase).await;
                    worker.shared.pulse.end(worker.index);
                }
            }
        }),
    }
}

fn set_up(outfit: Outfit) -> io::Result<(Rc<Worker>, watch::Receiver<Phase>)> {
    let Outfit {
        index,
        shared,
        feed,
        handed,
        sockets,
        orders,
        phase,
        accepting,
    } = outfit;
    let worker = Rc::new(Worker::new(index, shared, feed.clone()));
    for (port, socket) in sockets {
        begin_to_accept(&worker, port, socket, &phase, accepting.clone())?;
    }
    // Held by sockets alone: the task below goes on when they are closed.
    drop(accepting);
    tokio::task::spawn_local(obey(Rc::clone(&worker), orders, phase.clone()));
    let judged = Rc::clone(&worker);
    tokio::task::spawn_local(async move {
        supervise("judge", || judge(Rc::clone(&judged), feed.clone())).await;
    });
    let swept = Rc::clone(&worker);
    tokio::task::spawn_local(async move {
        supervise("sweep", || sweep(Rc::clone(&swept))).await;
    });
    tokio::task::spawn_local(take_all(Rc::clone(&worker), handed));
    Ok((worker, phase))
}

/// Starts the task of one listening socket. `accepting` is held while it is open.
fn begin_to_accept(
    worker: &Rc<Worker>,
    port: Arc<Port>,
    socket: Acceptor,
    phase: &watch::Receiver<Phase>,
    accepting: watch::Receiver<()>,
) -> io::Result<()> {
    let socket = Rc::new(socket.register()?);
    let open = port.open.subscribe();
    let (worker, phase) = (Rc::clone(worker), phase.clone());
    tokio::task::spawn_local(async move {
        supervise("accept", || {
            accept(
                Rc::clone(&worker),
                Arc::clone(&port),
                Rc::clone(&socket),
                phase.clone(),
            )
        })
        .await;
        // The socket is closed before anybody is told so.
        drop(socket);
        drop((open, accepting));
    });
    Ok(())
}

/// Does what a reload orders.
async fn obey(worker: Rc<Worker>, mut orders: Orders, phase: watch::Receiver<Phase>) {
    while let Some(order) = orders.recv().await {
        match order {
            Order::Judge => worker.judge_again(),
            Order::Listen(port, socket, accepting) => {
                let begun = begin_to_accept(&worker, port, socket, &phase, accepting);
                if let Err(error) = begun {
                    tracing::error!(
                        target: "rolecall::proxy", worker = worker.index, %error,
                        "cannot watch a new listening socket: restart the proxy to listen there"
                    );
                }
            }
        }
    }
}

/// Serves until the last session has ended after a drain, or the grace has.
async fn live(worker: Rc<Worker>, mut phase: watch::Receiver<Phase>) {
    // Nobody left to change the phase is the end as well.
    let draining = |phase: &Phase| matches!(phase, Phase::Draining | Phase::Ending);
    drop(phase.wait_for(draining).await);
    tokio::select! {
        () = all_gone(&worker) => return,
        _ = phase.wait_for(|phase| *phase == Phase::Ending) => {}
    }
    worker.end_all();
    if timeout(LAST_WORDS, all_gone(&worker)).await.is_err() {
        tracing::warn!(target: "rolecall::proxy", worker = worker.index, "some sessions did not end in time");
    }
}

async fn all_gone(worker: &Worker) {
    loop {
        let ended = worker.ended.notified();
        let connections = &worker.shared.doors[worker.index].connections;
        if connections.load(Ordering::Relaxed) == 0 {
            return;
        }
        ended.await;
    }
}

/// Judges all sessions at each new snapshot.
async fn judge(worker: Rc<Worker>, mut feed: watch::Receiver<Arc<Snapshot>>) {
    while feed.changed().await.is_ok() {
        worker.judge_all();
    }
    worker.judge_last();
}

async fn sweep(worker: Rc<Worker>) {
    loop {
        // A reload may have changed the limits.
        sleep(sweep_period(&worker.shared)).await;
        worker.shared.pulse.beat(worker.index, clock::now());
        worker.sweep();
    }
}

fn sweep_period(shared: &Shared) -> Duration {
    let listeners = shared.listeners.load();
    let configs = listeners.iter().map(|listener| listener.config());
    let limits = configs.flat_map(|config| [config.idle_timeout, config.fallback_max_age]);
    limits
        .flatten()
        .map(|limit| (limit / 4).max(Duration::from_millis(1)))
        .fold(SWEEP, Duration::min)
}

/// Serves what other workers hand over.
async fn take_all(worker: Rc<Worker>, mut handed: Handed) {
    while let Some(incoming) = handed.recv().await {
        take_over(&worker, incoming);
    }
}

/// Runs a task of the worker; one that panics, which is a bug of ours, is begun again.
async fn supervise<F: Future<Output = ()> + 'static>(name: &str, begin: impl Fn() -> F) {
    loop {
        let ended = tokio::task::spawn_local(begin()).await;
        if !ended.is_err_and(|error| error.is_panic()) {
            return;
        }
        tracing::error!(target: "rolecall::proxy", task = name, "a task panicked and is begun again: please report this bug");
    }
}
