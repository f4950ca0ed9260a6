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
//! `worker` (the view and the judging), `linger` (the last answers), `accept` and `listen`, `run` (the threads).

mod accept;
mod descriptors;
mod dial;
mod holder;
mod inherit;
mod linger;
mod listen;
mod listener;
mod loads;
mod nodes;
mod park;
mod plain;
mod ports;
mod pulse;
mod reject;
mod relay;
mod reload;
mod route;
mod run;
mod schedule;
mod session;
mod sniff;
mod socket_file;
mod stream;
mod table;
mod telemetry;
mod worker;

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc as std_mpsc;
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

pub use holder::Holder;
pub use inherit::{FileOwner, Inherited};
pub use listen::{BindError, try_bind};
pub use loads::Loads;
#[doc(hidden)]
pub use plain::relay_plainly;
pub use ports::Listening;
pub use pulse::Pulse;
pub use socket_file::SocketFile;

use crate::clock;
use crate::config::model::{Bind, ListenerConfig};
use crate::core::alarm::Alarm;
use crate::core::ids::ListenerId;
use crate::core::snapshot::Snapshot;
use crate::journal::Journal;
use listen::Acceptor;
use listener::{Listener, Port};
use ports::OpenPort;
use run::{Handed, Orders, Outfit, Phase};
use worker::{Door, Shared};

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
pub struct Proxy {
    shared: Arc<Shared>,
    ports: Listening,
    /// Whether a second descriptor of each socket is kept.
    may_hand_over: bool,
    phase: watch::Sender<Phase>,
    /// Every open listening socket holds a receiver.
    accepting: watch::Sender<()>,
    threads: Vec<thread::JoinHandle<()>>,
}

/// Binds all addresses and starts the worker threads. Returns when all of them accept; on an error
/// nothing is left behind.
pub fn start(settings: ProxySettings, feed: Feed) -> Result<Proxy, StartError> {
    let workers = settings.workers.max(1);
    let loads = Arc::new(Loads::new(workers));
    let opening = open_all(settings, workers, &loads)?;
    let Opening {
        listeners,
        ports,
        sockets,
        ..
    } = opening;
    let doors = (0..workers).map(|index| door(loads.worker(index)));
    let (doors, ways): (Vec<_>, Vec<_>) = doors.unzip();
    let spare = opening.spare_descriptors + descriptors::of_workers(workers, ports.len());
    let shared = Arc::new(Shared {
        listeners: ArcSwap::from_pointee(listeners),
        loads,
        alarms: feed.alarms,
        journal: feed.journal,
        most_connections: AtomicUsize::new(descriptors::connections(spare)),
        pulse: Pulse::new(workers, clock::now()),
        doors,
    });
    let (phase, watched) = watch::channel(match opening.begin {
        Begin::AtOnce => Phase::Serving,
        Begin::WhenTold => Phase::Holding,
    });
    let (accepting, open) = watch::channel(());
    let outfits = sockets.into_iter().zip(ways).enumerate();
    let outfits = outfits.map(|(index, (sockets, (handed, orders)))| Outfit {
        index,
        shared: Arc::clone(&shared),
        feed: feed.snapshots.clone(),
        handed,
        sockets,
        orders,
        phase: watched.clone(),
        accepting: open.clone(),
    });
    let threads = spawn(outfits.collect())?;
    Ok(Proxy {
        shared,
        ports: Listening::of(ports),
        may_hand_over: opening.may_hand_over,
        phase,
        accepting,
        threads,
    })
}

/// All binds, open, and the sockets of each worker.
struct Opening {
    listeners: Vec<Arc<Listener>>,
    ports: Vec<OpenPort>,
    sockets: Vec<Vec<(Arc<Port>, Acceptor)>>,
    spare_descriptors: usize,
    begin: Begin,
    may_hand_over: bool,
}

fn open_all(settings: ProxySettings, workers: usize, loads: &Loads) -> Result<Opening, BindError> {
    let mut inherited = settings.inherited;
    let mut opening = Opening {
        listeners: Vec::new(),
        ports: Vec::new(),
        sockets: (0..workers).map(|_| Vec::new()).collect(),
        spare_descriptors: settings.spare_descriptors,
        begin: settings.begin,
        may_hand_over: settings.may_hand_over,
    };
    for config in settings.listeners {
        let listener = Arc::new(Listener::new(config, loads));
        let config = listener.config();
        for bind in &config.binds {
            let before = inherited.len();
            let opened = listen::open(&config.name, bind, workers, &mut inherited)?;
            let (mut open, acceptors) =
                OpenPort::new(&listener, bind, opened, settings.may_hand_over);
            open.inherited = inherited.len() < before;
            for (place, acceptor) in acceptors.into_iter().enumerate() {
                opening.sockets[place % workers].push((Arc::clone(&open.port), acceptor));
            }
            opening.ports.push(open);
        }
        opening.listeners.push(listener);
    }
    for unwanted in inherited {
        tracing::warn!(target: "rolecall::proxy", "no listener of ours has {}, a socket that was handed to us: closed here", unwanted.bind);
    }
    Ok(opening)
}

/// A worker's door, and what comes in by it.
fn door(connections: Arc<AtomicUsize>) -> (Door, (Handed, Orders)) {
    let (hand, handed) = mpsc::unbounded_channel();
    let (orders, ordered) = mpsc::unbounded_channel();
    let door = Door {
        connections,
        hand,
        orders,
    };
    (door, (handed, ordered))
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

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proxy")
            .field("bound", &self.bound())
            .finish_non_exhaustive()
    }
}

impl Proxy {
    /// Where it listens, with the real port where the configuration says port 0.
    pub fn bound(&self) -> Vec<(ListenerId, Bind)> {
        let ports = self.ports.lock();
        let bound = ports.iter();
        bound
            .map(|open| (open.port.listener.load().config().id, open.bound.clone()))
            .collect()
    }

    /// Who carries how much, now and later.
    pub fn loads(&self) -> Arc<Loads> {
        Arc::clone(&self.shared.loads)
    }

    /// Whether the workers move.
    pub fn pulse(&self) -> Pulse {
        self.shared.pulse.clone()
    }

    /// Begins to accept, where that was put off ([`Begin::WhenTold`]).
    pub fn serve(&self) {
        self.advance(Phase::Holding, Phase::Serving);
    }

    /// Stops accepting. Returns when every listening socket has been closed; what the kernel had
    /// completed before is served. Sessions go on.
    pub async fn drain(&self) {
        // Ours first: a socket that a second descriptor keeps open would go on taking connections
        // after its worker has looked for the last time.
        self.ports.let_go();
        self.advance(Phase::Holding, Phase::Closing);
        self.advance(Phase::Serving, Phase::Closing);
        self.accepting.closed().await;
        self.ports.lock().clear();
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
