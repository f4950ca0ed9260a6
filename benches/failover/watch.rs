//! The truth about roles: each node is asked directly, about each millisecond, and each change is noted.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::wire::Conn;

/// A node said something else than before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim {
    pub(crate) at: Instant,
    /// When the question was sent whose answer was the last that said otherwise; of a first answer, `at`.
    since: Instant,
    pub(crate) node: usize,
    /// Counts the node's starts.
    run: u32,
    pub(crate) is_primary: bool,
}

/// From this moment on, this node is the rightful primary.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Promotion {
    /// The first answer that said so.
    pub(crate) at: Instant,
    /// It may have been so since then: a write that it took in between is right as well.
    pub(crate) since: Instant,
    pub(crate) node: usize,
}

/// Asks all nodes until it is dropped.
pub(crate) struct Watch {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    stop: AtomicBool,
    runs: Vec<AtomicU32>,
    claims: Mutex<Vec<Claim>>,
}

impl Watch {
    pub(crate) fn start(nodes: &[SocketAddr]) -> Self {
        let shared = Arc::new(Shared {
            stop: AtomicBool::new(false),
            runs: nodes.iter().map(|_| AtomicU32::new(0)).collect(),
            claims: Mutex::new(Vec::new()),
        });
        let threads = nodes
            .iter()
            .enumerate()
            .map(|(node, &address)| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || shared.watch(node, address))
            })
            .collect();
        Self { shared, threads }
    }

    /// To be called before a node is started again.
    pub(crate) fn restarted(&self, node: usize) {
        self.shared.runs[node].fetch_add(1, Ordering::SeqCst);
    }

    /// All changes so far.
    pub(crate) fn claims(&self) -> Vec<Claim> {
        self.shared.lock().clone()
    }

    /// All promotions so far. A node is promoted when a run of it that was a replica says that it is the
    /// primary; one that merely comes back saying so is not.
    pub(crate) fn promotions(&self) -> Vec<Promotion> {
        let claims = self.claims();
        let was_replica = |claim: &Claim| {
            claims.iter().any(|c| {
                c.node == claim.node && c.run == claim.run && !c.is_primary && c.at < claim.at
            })
        };
        claims
            .iter()
            .filter(|claim| claim.is_primary && was_replica(claim))
            .map(|claim| Promotion {
                at: claim.at,
                since: claim.since,
                node: claim.node,
            })
            .collect()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A watcher has nothing that could panic.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Claim>> {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watch(&self, node: usize, address: SocketAddr) {
        let mut last = None;
        let mut since = Instant::now();
        while !self.stop.load(Ordering::Relaxed) {
            // A Sentinel closes all connections of a node that it reconfigures: then it is asked at once.
            if let Ok(mut conn) = Conn::open(address, Duration::from_millis(200)) {
                while !self.stop.load(Ordering::Relaxed) {
                    let run = self.runs[node].load(Ordering::SeqCst);
                    let sent = Instant::now();
                    let Some(is_primary) = says_primary(&mut conn) else {
                        break;
                    };
                    let at = Instant::now();
                    if last != Some((run, is_primary)) {
                        let since = if last.is_some() { since } else { at };
                        last = Some((run, is_primary));
                        self.lock().push(Claim {
                            at,
                            since,
                            node,
                            run,
                            is_primary,
                        });
                    }
                    since = sent;
                    thread::sleep(Duration::from_millis(1));
                }
            } else {
                thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

fn says_primary(conn: &mut Conn) -> Option<bool> {
    let reply = conn.ask(&["ROLE"]).ok()?;
    match reply.items().first()?.text()? {
        "master" => Some(true),
        "slave" => Some(false),
        _ => None,
    }
}
