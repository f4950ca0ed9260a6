//! The life of a worker thread: its runtime, its tasks, and its end.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc as std_mpsc;
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::accept::{Ear, Incoming, accept, take_over};
use super::listen::Acceptor;
use super::worker::{Shared, Worker};
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

/// A listening socket on its way to its worker.
pub(super) struct Handle {
    /// The listener's place in the configuration.
    pub(super) listener: usize,
    pub(super) socket: Acceptor,
    /// Set before the end when another process goes on with the socket.
    pub(super) given: Arc<AtomicBool>,
}

/// What a worker thread is given.
pub(super) struct Outfit {
    pub(super) index: usize,
    pub(super) shared: Arc<Shared>,
    pub(super) feed: watch::Receiver<Arc<Snapshot>>,
    pub(super) handed: mpsc::UnboundedReceiver<Incoming>,
    pub(super) sockets: Vec<Handle>,
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
        phase,
        accepting,
    } = outfit;
    let worker = Rc::new(Worker::new(index, shared, feed.clone()));
    for handle in sockets {
        let ear = Rc::new(Ear {
            listener: handle.listener,
            socket: handle.socket.register()?,
            given: handle.given,
        });
        let (worker, phase, accepting) = (Rc::clone(&worker), phase.clone(), accepting.clone());
        tokio::task::spawn_local(async move {
            supervise("accept", || {
                accept(Rc::clone(&worker), Rc::clone(&ear), phase.clone())
            })
            .await;
            // The socket is closed before anybody is told so.
            drop(ear);
            drop(accepting);
        });
    }
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
    let mut ticks = interval(sweep_period(&worker.shared));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        worker.shared.pulse.beat(worker.index, clock::now());
        worker.sweep();
    }
}

fn sweep_period(shared: &Shared) -> Duration {
    let limits = shared.listeners.iter().flat_map(|listener| {
        [
            listener.config.idle_timeout,
            listener.config.fallback_max_age,
        ]
    });
    limits
        .flatten()
        .map(|limit| (limit / 4).max(Duration::from_millis(1)))
        .fold(SWEEP, Duration::min)
}

/// Serves what other workers hand over.
async fn take_all(worker: Rc<Worker>, mut handed: mpsc::UnboundedReceiver<Incoming>) {
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
