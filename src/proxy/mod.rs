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
mod inherit;
mod listen;
mod loads;
mod nodes;
mod park;
mod pulse;
mod reject;
mod relay;
mod route;
mod run;
mod session;
mod sniff;
mod socket_file;
mod stream;
mod table;
mod telemetry;
mod worker;

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc as std_mpsc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

pub use holder::Holder;
pub use inherit::{FileOwner, Inherited};
pub use listen::BindError;
pub use loads::Loads;
pub use pulse::Pulse;
pub use socket_file::SocketFile;

use crate::clock;
use crate::config::model::{Bind, ListenerConfig};
use crate::core::alarm::Alarm;
use crate::core::ids::ListenerId;
use crate::core::snapshot::Snapshot;
use crate::journal::Journal;
use run::{Handle, Outfit, Phase};
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
    /// Listening sockets that are open already; those that no listener wants are closed.
    pub inherited: Vec<Inherited>,
    /// When to accept.
    pub begin: Begin,
    /// Whether another process may be given the listening sockets: that costs a second descriptor of each.
    pub may_hand_over: bool,
}

/// When the data plane begins to accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// As soon as it is there.
    AtOnce,
    /// After [`Proxy::serve`].
    WhenTold,
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
    pulse: Pulse,
    phase: watch::Sender<Phase>,
    /// Every open listening socket holds a receiver.
    accepting: watch::Sender<()>,
    open: Listening,
    threads: Vec<thread::JoinHandle<()>>,
}

/// An open bind, as far as it can be handed over.
#[derive(Debug)]
struct Open {
    bind: Bind,
    /// It was open already when we came.
    inherited: bool,
    /// A second descriptor of each of its sockets.
    originals: Vec<Inherited>,
    file: Option<SocketFile>,
    /// Another process goes on with its sockets.
    given: Arc<AtomicBool>,
}

impl Open {
    /// Leaves its sockets, and what waits there, to another process.
    fn give(&mut self) {
        self.given.store(true, Ordering::Relaxed);
        if let Some(file) = &mut self.file {
            file.set_ours(false);
        }
    }
}

/// The listening sockets of a proxy, none of them after its end. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Listening(Arc<Mutex<Vec<Open>>>);

impl Listening {
    /// A second descriptor of each socket. While a descriptor of one is open anywhere, the kernel
    /// completes connections there: keep them no longer than it takes to send them.
    pub fn sockets(&self) -> io::Result<Vec<Inherited>> {
        let open = self.lock();
        let originals = open.iter().flat_map(|each| &each.originals);
        originals.map(Inherited::another).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Open>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Binds all addresses and starts the worker threads. Returns when all of them accept; on an error
/// nothing is left behind.
pub fn start(settings: ProxySettings, feed: Feed) -> Result<Proxy, StartError> {
    let workers = settings.workers.max(1);
    let (bound, mut opened, sockets) = open_all(&settings.listeners, workers, settings.inherited)?;
    if !settings.may_hand_over {
        for each in &mut opened {
            each.originals.clear();
        }
    }
    let loads = Arc::new(Loads::new(settings.listeners.iter().map(|each| each.id)));
    let (doors, handed): (Vec<_>, Vec<_>) = (0..workers)
        .map(|_| {
            let (hand, handed) = mpsc::unbounded_channel();
            let connections = AtomicUsize::new(0);
            (Door { connections, hand }, handed)
        })
        .unzip();
    let pulse = Pulse::new(workers, clock::now());
    let shared = Arc::new(Shared {
        pulse: pulse.clone(),
        listeners: settings.listeners.into_iter().map(Listener::new).collect(),
        loads: Arc::clone(&loads),
        alarms: feed.alarms,
        journal: feed.journal,
        most_connections: descriptors::connections(
            settings.spare_descriptors + descriptors::of_workers(workers, bound.len()),
        ),
        doors,
    });
    let (phase, watched) = watch::channel(match settings.begin {
        Begin::AtOnce => Phase::Serving,
        Begin::WhenTold => Phase::Holding,
    });
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
        pulse,
        phase,
        accepting,
        open: Listening(Arc::new(Mutex::new(opened))),
        threads,
    })
}

/// All binds, what can be handed over of them, and the sockets of each worker.
type Opening = (Vec<(ListenerId, Bind)>, Vec<Open>, Vec<Vec<Handle>>);

fn open_all(
    listeners: &[ListenerConfig],
    workers: usize,
    mut inherited: Vec<Inherited>,
) -> Result<Opening, BindError> {
    let mut sockets: Vec<Vec<Handle>> = (0..workers).map(|_| Vec::new()).collect();
    let (mut bound, mut open) = (Vec::new(), Vec::new());
    for (listener, config) in listeners.iter().enumerate() {
        for bind in &config.binds {
            let before = inherited.len();
            let opened = listen::open(&config.name, bind, workers, &mut inherited)?;
            let given = Arc::new(AtomicBool::new(false));
            bound.push((config.id, opened.bind.clone()));
            for (place, socket) in opened.acceptors.into_iter().enumerate() {
                sockets[place % workers].push(Handle {
                    listener,
                    socket,
                    given: Arc::clone(&given),
                });
            }
            open.push(Open {
                bind: opened.bind,
                inherited: inherited.len() < before,
                originals: opened.originals,
                file: opened.file,
                given,
            });
        }
    }
    for unwanted in inherited {
        tracing::warn!(target: "rolecall::proxy", "no listener of ours has {}, a socket that was handed to us: closed here", unwanted.bind);
    }
    Ok((bound, open, sockets))
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

    /// Whether the workers move.
    pub fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }

    /// Begins to accept, where that was put off ([`Begin::WhenTold`]).
    pub fn serve(&self) {
        self.advance(Phase::Holding, Phase::Serving);
    }

    /// Whoever had the inherited sockets has let go of them: their files are ours to remove at the end.
    pub fn own(&self) {
        for file in self
            .open
            .lock()
            .iter_mut()
            .filter_map(|each| each.file.as_mut())
        {
            file.set_ours(true);
        }
    }

    /// The binds that were open already when it started.
    pub fn adopted(&self) -> Vec<Bind> {
        let open = self.open.lock();
        let adopted = open.iter().filter(|each| each.inherited);
        adopted.map(|each| each.bind.clone()).collect()
    }

    /// The listening sockets, for another process.
    pub fn listening(&self) -> Listening {
        self.open.clone()
    }

    /// Stops accepting as [`Proxy::drain`] does, but for these binds, with which another process goes on:
    /// what waits there is left to it.
    pub async fn hand_over(&self, taken: &[Bind]) {
        for each in self.open.lock().iter_mut() {
            if taken.contains(&each.bind) {
                each.give();
            }
        }
        self.drain().await;
    }

    /// Stops accepting. Returns when every listening socket has been closed; what the kernel had
    /// completed before is served. Sessions go on.
    pub async fn drain(&self) {
        // Ours first: a socket that a second descriptor keeps open would go on taking connections
        // after its worker has looked for the last time.
        for each in self.open.lock().iter_mut() {
            each.originals.clear();
        }
        self.advance(Phase::Holding, Phase::Closing);
        self.advance(Phase::Serving, Phase::Closing);
        self.accepting.closed().await;
        self.open.lock().clear();
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
