//! The demo's own applications: a few clients that write and read through the proxy at a steady pace.
//!
//! Every write has a name of its own, and every acknowledgement is noted with the run id of the server
//! that the session is joined to. So it can be said at the end which acknowledged writes are gone, and
//! who had acknowledged them.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::client::{Client, Reply};

/// Longer than the proxy parks a connection (10 s by default).
const CLIENT_PATIENCE: Duration = Duration::from_secs(15);
/// Between two commands of one client, and before a client that was refused tries again.
const PACE: Duration = Duration::from_millis(10);
const WRITERS: u32 = 4;
const READERS_PER_LISTENER: u32 = 2;
/// How many names are used in turn when nothing is to be added up at the end.
const NAMES_IN_TURN: u64 = 10_000;

/// What is remembered of the writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Memory {
    /// Every acknowledgement: memory grows, so only for a while.
    Everything,
    /// Counts only, and names are used again.
    Counts,
}

/// What has happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    /// Writes acknowledged.
    pub(super) writes: u64,
    /// Reads answered.
    pub(super) reads: u64,
    /// Writes that got an error, or whose connection broke before the answer; each was tried again.
    pub(super) failed_writes: u64,
    /// The same of reads.
    pub(super) failed_reads: u64,
    /// Connections that were refused, or ended before their first answer.
    pub(super) refused: u64,
}

/// One acknowledged write.
#[derive(Clone, Debug)]
pub(super) struct Ack {
    /// The key.
    pub(super) key: String,
    /// The run id of the server that acknowledged it.
    pub(super) run: Arc<str>,
}

/// What the writers noted.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// In the order of the acknowledgements; empty with [`Memory::Counts`].
    pub(super) acks: Vec<Ack>,
    /// When each run acknowledged its first write.
    pub(super) first_by_run: BTreeMap<Arc<str>, Instant>,
    /// The longest time in which no write was acknowledged to anybody.
    pub(super) longest_pause: Duration,
    last: Option<Instant>,
}

/// The running clients. They end when this is dropped.
pub(super) struct Traffic {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    writes: AtomicU64,
    reads: AtomicU64,
    failed_writes: AtomicU64,
    failed_reads: AtomicU64,
    refused: AtomicU64,
    slowest_read_micros: AtomicU64,
    ledger: Mutex<Ledger>,
}

/// How one session came to its end.
enum End {
    /// The demo ends.
    Stopped,
    /// Before anything was answered.
    Refused,
    /// Later.
    Broken,
}

impl Traffic {
    /// Starts the clients: four that write at the first of the listeners, two that read at each of the
    /// others.
    pub(super) fn start(listeners: &[SocketAddr], memory: Memory) -> Self {
        let shared = Arc::new(Shared::default());
        let mut threads = Vec::new();
        for (place, address) in listeners.iter().copied().enumerate() {
            let writes = place == 0;
            let count = if writes {
                WRITERS
            } else {
                READERS_PER_LISTENER
            };
            for number in 0..count {
                let shared = Arc::clone(&shared);
                threads.push(thread::spawn(move || {
                    if writes {
                        Writer::new(number, memory).run(&shared, address);
                    } else {
                        read_steadily(&shared, address);
                    }
                }));
            }
        }
        Self { shared, threads }
    }

    /// What has happened so far.
    pub(super) fn totals(&self) -> Totals {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Totals {
            writes: read(&self.shared.writes),
            reads: read(&self.shared.reads),
            failed_writes: read(&self.shared.failed_writes),
            failed_reads: read(&self.shared.failed_reads),
            refused: read(&self.shared.refused),
        }
    }

    /// The longest time that an answered read took.
    pub(super) fn slowest_read(&self) -> Duration {
        Duration::from_micros(self.shared.slowest_read_micros.load(Ordering::Relaxed))
    }

    /// When this run of a server acknowledged its first write.
    pub(super) fn first_write_by(&self, run: &str) -> Option<Instant> {
        self.shared.ledger().first_by_run.get(run).copied()
    }

    /// Ends the clients, waits for what they have under way, and hands out what they noted.
    pub(super) fn finish(mut self) -> (Totals, Ledger) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A client that panicked has noted all that it got until then.
            let _ = thread.join();
        }
        let ledger = std::mem::take(&mut *self.shared.ledger());
        (self.totals(), ledger)
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts the end of a session. False when the demo ends.
    fn goes_on_after(&self, end: &End, failed: &AtomicU64) -> bool {
        match end {
            End::Stopped => return false,
            End::Refused => self.refused.fetch_add(1, Ordering::Relaxed),
            End::Broken => failed.fetch_add(1, Ordering::Relaxed),
        };
        thread::sleep(PACE);
        !self.stopped()
    }
}

struct Writer {
    number: u32,
    next: u64,
    memory: Memory,
}

impl Writer {
    fn new(number: u32, memory: Memory) -> Self {
        Self {
            number,
            next: 0,
            memory,
        }
    }

    fn run(&mut self, shared: &Shared, address: SocketAddr) {
        loop {
            let end = self.session(shared, address);
            if !shared.goes_on_after(&end, &shared.failed_writes) {
                return;
            }
        }
    }

    fn session(&mut self, shared: &Shared, address: SocketAddr) -> End {
        let Ok((mut client, run)) = connect_and_ask(address) else {
            return End::Refused;
        };
        while !shared.stopped() {
            let key = format!("demo:{}:{}", self.number, self.next);
            match client.call(&["SET", &key, "written"]) {
                Ok(Reply::Status(_)) => self.acknowledged(shared, key, &run),
                // The session is joined to a node that does not take writes, or is broken: a new one
                // is tried with the same key, as an application would.
                Ok(_) | Err(_) => return End::Broken,
            }
            thread::sleep(PACE);
        }
        End::Stopped
    }

    fn acknowledged(&mut self, shared: &Shared, key: String, run: &Arc<str>) {
        let now = Instant::now();
        let mut ledger = shared.ledger();
        if let Some(last) = ledger.last.replace(now) {
            let pause = now.saturating_duration_since(last);
            ledger.longest_pause = ledger.longest_pause.max(pause);
        }
        ledger.first_by_run.entry(Arc::clone(run)).or_insert(now);
        self.next += 1;
        match self.memory {
            Memory::Everything => ledger.acks.push(Ack {
                key,
                run: Arc::clone(run),
            }),
            Memory::Counts => self.next %= NAMES_IN_TURN,
        }
        shared.writes.fetch_add(1, Ordering::Relaxed);
    }
}

/// A new session, and which run of a server it is joined to: that stays so for as long as it lives.
fn connect_and_ask(address: SocketAddr) -> io::Result<(Client, Arc<str>)> {
    let mut client = Client::connect(address, CLIENT_PATIENCE)?;
    let run = client.info("server", "run_id")?;
    Ok((client, run.into()))
}

fn read_steadily(shared: &Shared, address: SocketAddr) {
    loop {
        let end = reading_session(shared, address);
        if !shared.goes_on_after(&end, &shared.failed_reads) {
            return;
        }
    }
}

fn reading_session(shared: &Shared, address: SocketAddr) -> End {
    let Ok(mut client) = Client::connect(address, CLIENT_PATIENCE) else {
        return End::Refused;
    };
    let mut answered = false;
    while !shared.stopped() {
        let start = Instant::now();
        match client.call(&["GET", "demo:0:0"]) {
            Ok(Reply::Bulk(_)) => answered = true,
            _ if answered => return End::Broken,
            _ => return End::Refused,
        }
        shared.reads.fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
        shared
            .slowest_read_micros
            .fetch_max(micros, Ordering::Relaxed);
        thread::sleep(PACE);
    }
    End::Stopped
}
