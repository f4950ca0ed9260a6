//! The data plane: listeners, sessions, relay, parking, connection counts.
//!
//! Policy: it serves by the newest snapshot and by nothing else. Which node may serve, and which session
//! must end, is the core's decision; this module asks it and carries it out, in every worker, before
//! another byte passes (R7). It never touches a check, and a check never waits for it.
//!
//! One thread a core, each with its own runtime, its own listening sockets and its own sessions; threads
//! share counts and nothing else. What matters here is system calls and copies a message, wake-ups across
//! threads, and memory a session.
//!
//! Read in this order: `session` (find a node, relay, end), `route` (pick, dial, park), `relay`,
//! `worker` (the view and the judging), `accept` and `listen`, `run` (the threads).

mod accept;
mod descriptors;
mod dial;
mod holder;
mod listen;
mod loads;
mod nodes;
mod park;
mod reject;
mod relay;
mod route;
mod run;
mod session;
mod sniff;
mod stream;
mod table;
mod telemetry;
mod worker;

use std::io;
use std::sync::mpsc as std_mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

pub use holder::Holder;
pub use listen::BindError;
pub use loads::Loads;

use crate::config::model::{Bind, ListenerConfig};
use crate::core::alarm::Alarm;
use crate::core::ids::ListenerId;
use crate::core::snapshot::Snapshot;
use crate::journal::Journal;
use listen::{Acceptor, SocketFile};
use run::{Outfit, Phase};
use telemetry::ListenerMeters;
use worker::{Door, Listener, Shared};

/// How long the threads may take to end after the last session was told to.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// What to listen on, and with how many threads.
#[derive(Debug)]
pub struct ProxySettings {
    /// The listeners, their chains resolved.
    pub listeners: Vec<ListenerConfig>,
    /// Worker threads; 0 counts as 1.
    pub workers: usize,
    /// Descriptors that the rest of the process will need beside those that it has open now.
    pub spare_descriptors: usize,
}

/// Where the data plane learns how to route, and whom it tells what it notices.
#[derive(Debug)]
pub struct Feed {
    /// The published view. When nobody publishes any more, the last one stays.
    pub snapshots: watch::Receiver<Arc<Snapshot>>,
    /// Where mass closes are told.
    pub journal: Journal,
    /// Reasons to check a node now. Unbounded, because a failed dial that is not told strands its client:
    /// it waits for a check that nobody asked for. The queue stays short: a session alarms at most once
    /// a second, a dial once, and whoever listens only marks the node and wakes its check.
    pub alarms: mpsc::UnboundedSender<Alarm>,
}

/// Why the data plane could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address could not be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A thread could not be started.
    #[error(
        "cannot start worker {worker}: {source}; look at the limits of processes and of open files"
    )]
    Worker {
        /// Its number.
        worker: usize,
        /// What the system said.
        source: io::Error,
    },
}

/// The running data plane. Dropped without [`Proxy::shutdown`], it closes all sessions at once.
#[derive(Debug)]
pub struct Proxy {
    bound: Vec<(ListenerId, Bind)>,
    loads: Arc<Loads>,
    phase: watch::Sender<Phase>,
    /// Every open listening socket holds a receiver.
    accepting: watch::Sender<()>,
    files: Mutex<Vec<SocketFile>>,
    threads: Vec<thread::JoinHandle<()>>,
}

/// Binds all addresses and starts the worker threads. Returns when all of them accept; on an error
/// nothing is left behind.
pub fn start(settings: ProxySettings, feed: Feed) -> Result<Proxy, StartError> {
    let workers = settings.workers.max(1);
    let mut sockets: Vec<Vec<(usize, Acceptor)>> = (0..workers).map(|_| Vec::new()).collect();
    let (mut bound, mut files) = (Vec::new(), Vec::new());
    for (place, listener) in settings.listeners.iter().enumerate() {
        for bind in &listener.binds {
            let opened = listen::open(&listener.name, bind, workers)?;
            bound.push((listener.id, opened.bind));
            files.extend(opened.file);
            for (worker, acceptor) in sockets.iter_mut().zip(opened.acceptors) {
                worker.push((place, acceptor));
            }
        }
    }
    let listeners = settings.listeners.iter().map(|each| each.id);
    let loads = Arc::new(Loads::new(listeners, workers));
    let (doors, handed): (Vec<_>, Vec<_>) = (0..workers)
        .map(|index| {
            let (hand, handed) = mpsc::unbounded_channel();
            let connections = loads.worker(index);
            (Door { connections, hand }, handed)
        })
        .unzip();
    let shared = Arc::new(Shared {
        listeners: settings.listeners.into_iter().map(Listener::new).collect(),
        loads: Arc::clone(&loads),
        alarms: feed.alarms,
        journal: feed.journal,
        most_connections: descriptors::connections(
            settings.spare_descriptors + descriptors::of_workers(workers, bound.len()),
        ),
        doors,
    });
    let (phase, watched) = watch::channel(Phase::Serving);
    let (accepting, open) = watch::channel(());
    let outfits = sockets.into_iter().zip(handed).enumerate();
    let outfits = outfits.map(|(index, (sockets, handed))| Outfit {
        index,
        shared: Arc::clone(&shared),
        feed: feed.snapshots.clone(),
        handed,
        sockets,
        phase: watched.clone(),
        accepting: open.clone(),
    });
    let threads = spawn(outfits.collect())?;
    Ok(Proxy {
        bound,
        loads,
        phase,
        accepting,
        files: Mutex::new(files),
        threads,
    })
}

/// Starts the threads and waits until each says that it is ready.
fn spawn(outfits: Vec<Outfit>) -> Result<Vec<thread::JoinHandle<()>>, StartError> {
    let mut threads = Vec::with_capacity(outfits.len());
    for outfit in outfits {
        let worker = outfit.index;
        let (started, word) = std_mpsc::channel();
        let thread = thread::Builder::new()
            .name(format!("worker-{worker}"))
            .spawn(move || run::run(outfit, &started))
            .map_err(|source| StartError::Worker { worker, source })?;
        word.recv()
            .unwrap_or_else(|_| Err(io::Error::other("its thread died")))
            .map_err(|source| StartError::Worker { worker, source })?;
        threads.push(thread);
    }
    Ok(threads)
}

impl Listener {
    fn new(config: ListenerConfig) -> Self {
        Self {
            meters: ListenerMeters::new(&config.name),
            config,
        }
    }
}

impl Proxy {
    /// Where it listens, with the real port where the configuration says port 0.
    pub fn bound(&self) -> Vec<(ListenerId, Bind)> {
        self.bound.clone()
    }

    /// Who carries how much, now and later.
    pub fn loads(&self) -> Arc<Loads> {
        Arc::clone(&self.loads)
    }

    /// Stops accepting. Returns when every listening socket has been closed; what the kernel had
    /// completed before is served. Sessions go on.
    pub async fn drain(&self) {
        self.advance(Phase::Serving, Phase::Closing);
        self.accepting.closed().await;
        self.files
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        self.advance(Phase::Closing, Phase::Draining);
    }

    /// Drains, lets the sessions go on for up to `grace`, closes the rest, and ends the threads.
    pub async fn shutdown(self, grace: Duration) {
        self.drain().await;
        if timeout(grace, self.phase.closed()).await.is_err() {
            self.phase.send_replace(Phase::Ending);
            if timeout(LAST_WAIT, self.phase.closed()).await.is_err() {
                tracing::warn!(target: "rolecall::proxy", "some workers did not end in time and are left behind");
                return;
            }
        }
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!(target: "rolecall::proxy", "a worker thread had panicked: please report this bug");
            }
        }
    }

    fn advance(&self, from: Phase, to: Phase) {
        self.phase.send_if_modified(|phase| {
            let moves = *phase == from;
            if moves {
                *phase = to;
            }
            moves
        });
    }
}
