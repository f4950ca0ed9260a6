//! What the scenes are played on: a primary and two replicas, rolecall, Prometheus, and clients that come
//! again and again.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::common::client::Client;
use super::common::desk::Desk;
use super::common::redis::{RedisNode, redis_group};
use super::common::rolecall::Rolecall;
use super::common::topology::Topology;
use super::common::wire::Wire;
use super::common::{SOON, eventually};
use super::prometheus::Prometheus;
use super::scenes::Scene;

pub(crate) const NODES: [&str; 3] = ["redis-1", "redis-2", "redis-3"];

/// All that is up.
pub(crate) struct Stage {
    pub(crate) prometheus: Prometheus,
    pub(crate) desk: Desk,
    pub(crate) topology: Topology,
    pub(crate) nodes: [RedisNode; 3],
    /// A second instance, where a scene wants one.
    pub(crate) extra: Option<Rolecall>,
    /// Other servers and connections that a scene holds.
    pub(crate) others: Vec<RedisNode>,
    pub(crate) held: Vec<Client>,
    pub(crate) wire: Option<Wire>,
    _clients: Clients,
}

/// Threads that write and read; they end with this value.
struct Clients {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Stage {
    pub(crate) fn set() -> Self {
        let prometheus = Prometheus::start();
        let nodes = redis_group(NODES);
        let [a, b, c] = &nodes;
        // Waits are short, so that clients are refused and reads end soon.
        let park = "park: { timeout: 1s, max: 64 }";
        let topology = Topology::new()
            .node(a)
            .node(b)
            .node(c)
            .group("claim_hold: 500ms")
            .group("stale_reads: 2s")
            .listener("redis-rw", "read-write", park)
            .listener(
                "redis-ro",
                "read-only",
                &format!("fallback: redis-rw, {park}"),
            )
            .listener("strict-ro", "read-only", park)
            .log("{ format: text, level: warn }");
        let desk = Desk::start(&topology);
        prometheus.scrape(&[desk.proxy.admin()]);
        let clients = Clients::start(&desk.proxy);
        Self {
            prometheus,
            desk,
            topology,
            nodes,
            extra: None,
            others: Vec::new(),
            held: Vec::new(),
            wire: None,
            _clients: clients,
        }
    }

    pub(crate) fn proxy(&self) -> &Rolecall {
        &self.desk.proxy
    }

    /// Plays a scene: its alerts fire, then they resolve. Gives their names.
    pub(crate) fn play(&mut self, scene: &Scene) -> &'static [&'static str] {
        let began = Instant::now();
        (scene.make)(self);
        for name in scene.alerts {
            let summary = self.prometheus.wait_firing(name, || (scene.keep_up)(self));
            println!(
                "  {:5.1} s  {name}: {summary}",
                began.elapsed().as_secs_f64()
            );
        }
        (scene.undo)(self);
        let undone = Instant::now();
        for name in scene.alerts {
            self.prometheus.wait_resolved(name);
            println!(
                "  {:5.1} s  {name} resolved",
                undone.elapsed().as_secs_f64()
            );
        }
        scene.alerts
    }

    /// Has Prometheus scrape the proxy and these others.
    pub(crate) fn scrape_also(&self, others: &[SocketAddr]) {
        let mut all = vec![self.proxy().admin()];
        all.extend(others);
        self.prometheus.scrape(&all);
        self.prometheus.wait_up(all.len());
    }

    /// The place of the elected primary.
    pub(crate) fn primary(&self) -> usize {
        let metrics = self.proxy().metrics();
        let is =
            |node: &str| metrics.find("rolecall_group_primary", &[("node", node)]) == Some(1.0);
        let place = NODES.iter().position(|node| is(node));
        place.expect("a primary")
    }

    /// Makes this node the primary of the others, and waits until all is well.
    pub(crate) fn regroup(&self, primary: usize) {
        self.nodes[primary].promote();
        for (place, node) in self.nodes.iter().enumerate() {
            if place != primary {
                node.replicate(&self.nodes[primary]);
            }
        }
        let others: Vec<&str> = (0..3).filter(|n| *n != primary).map(|n| NODES[n]).collect();
        self.proxy().wait_primary(NODES[primary]);
        self.proxy().wait_eligible("redis-ro", &NODES, &others);
        eventually(SOON, "one claimant is left", || {
            self.proxy().metrics().find("rolecall_group_claimants", &[]) == Some(1.0)
        });
    }

    /// The node that follows in the list.
    pub(crate) fn next(place: usize) -> usize {
        (place + 1) % NODES.len()
    }
}

impl Clients {
    fn start(proxy: &Rolecall) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let listeners = ["redis-rw", "redis-rw", "redis-ro", "strict-ro"];
        let threads = listeners.map(|listener| {
            let (address, stop) = (proxy.listener(listener), Arc::clone(&stop));
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    visit(address, listener);
                    thread::sleep(Duration::from_millis(20));
                }
            })
        });
        Self {
            stop,
            threads: threads.into(),
        }
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ended = thread.join();
        }
    }
}

/// Some commands on one connection. Whatever goes wrong is what the metrics are about.
fn visit(address: SocketAddr, listener: &str) {
    let Ok(mut client) = Client::try_connect(address) else {
        return;
    };
    for _ in 0..10 {
        let words: &[&str] = match listener {
            "redis-rw" => &["INCR", "visits"],
            _ => &["GET", "visits"],
        };
        if client.try_cmd(words).is_err() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
}
