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
    pub(crate) node: usize,
    /// Counts the node's starts.
    run: u32,
    pub(crate) is_primary: bool,
}

/// From this moment on, this node is the rightful primary.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Promotion {
    pub(crate) at: Instant,
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
        while !self.stop.load(Ordering::Relaxed) {
            // A Sentinel closes all connections of a node that it reconfigures.
            if let Ok(mut conn) = Conn::open(address, Duration::from_millis(200)) {
                while !self.stop.load(Ordering::Relaxed) {
                    let run = self.runs[node].load(Ordering::SeqCst);
                    let Ok(reply) = conn.ask(&["ROLE"]) else {
                        break;
                    };
                    let word = reply.items().first().and_then(|item| item.text());
                    let is_primary = match word {
                        Some("master") => true,
                        Some("slave") => false,
                        _ => break,
                    };
                    if last != Some((run, is_primary)) {
                        last = Some((run, is_primary));
                        self.lock().push(Claim {
                            at: Instant::now(),
                            node,
                            run,
                            is_primary,
                        });
                    }
                    thread::sleep(Duration::from_millis(1));
                }
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}
