//! Applications at work: threads that connect, write one key and leave, over and over, and keep count
//! of all that went wrong.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use super::client::{Client, Reply};
use super::{SOON, eventually};

/// What became of the visits.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Keys whose SET was answered with +OK, in order within each thread.
    pub(crate) acknowledged: Vec<String>,
    /// Connections that were not accepted.
    pub(crate) refused: Vec<String>,
    /// Connections that ended before the reply.
    pub(crate) broken: Vec<String>,
    /// Replies that were errors.
    pub(crate) errors: Vec<String>,
    /// The nodes that answered, by name (readers only).
    pub(crate) nodes: Vec<String>,
}

/// Threads that visit a listener until they are stopped.
pub(crate) struct Traffic {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<Tally>>,
}

impl Traffic {
    /// Starts `threads` writers. Until the first connection is accepted, being refused does not count:
    /// the proxy may not have been started yet.
    pub(crate) fn writers(listener: SocketAddr, threads: usize) -> Self {
        Self::start(listener, threads, |client, key, tally| {
            record(client.try_cmd(&["SET", key, "x"]), key, tally);
        })
    }

    /// Starts `threads` readers, which note the node that answers them.
    pub(crate) fn readers(listener: SocketAddr, threads: usize) -> Self {
        Self::start(listener, threads, |client, key, tally| {
            match client.try_node() {
                Ok(node) => tally.nodes.push(node),
                Err(error) => tally.broken.push(format!("{key}: {error}")),
            }
            record(client.try_cmd(&["GET", "any"]), key, tally);
        })
    }

    fn start(
        listener: SocketAddr,
        threads: usize,
        visit: impl Fn(&mut Client, &str, &mut Tally) + Clone + Send + 'static,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let done = Arc::new(AtomicUsize::new(0));
        let threads = (0..threads)
            .map(|thread| {
                let (stop, done, visit) = (Arc::clone(&stop), Arc::clone(&done), visit.clone());
                thread::spawn(move || {
                    let mut tally = Tally::default();
                    let mut arrived = false;
                    let mut number = 0;
                    while !stop.load(Ordering::Relaxed) {
                        let key = format!("writer-{thread}-{number}");
                        number += 1;
                        match Client::try_connect(listener) {
                            Ok(mut client) => {
                                arrived = true;
                                visit(&mut client, &key, &mut tally);
                                done.fetch_add(1, Ordering::Relaxed);
                            }
                            Err(error) if arrived => tally.refused.push(error.to_string()),
                            Err(_) => thread::yield_now(),
                        }
                    }
                    tally
                })
            })
            .collect();
        Self {
            stop,
            done,
            threads,
        }
    }

    /// Waits until so many more visits have ended.
    #[track_caller]
    pub(crate) fn wait_more(&self, visits: usize) {
        let goal = self.done.load(Ordering::Relaxed) + visits;
        eventually(SOON, &format!("{visits} more visits have ended"), || {
            self.done.load(Ordering::Relaxed) >= goal
        });
    }

    /// Ends all threads after the visits that they are at.
    #[track_caller]
    pub(crate) fn finish(self) -> Tally {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Tally::default();
        for thread in self.threads {
            let tally = thread.join().expect("a thread of the traffic panicked");
            all.acknowledged.extend(tally.acknowledged);
            all.refused.extend(tally.refused);
            all.broken.extend(tally.broken);
            all.errors.extend(tally.errors);
            all.nodes.extend(tally.nodes);
        }
        all
    }
}

fn record(result: std::io::Result<Reply>, key: &str, tally: &mut Tally) {
    match result {
        Ok(Reply::Error(text)) => tally.errors.push(text),
        Ok(_) => tally.acknowledged.push(key.to_owned()),
        Err(error) => tally.broken.push(format!("{key}: {error}")),
    }
}
