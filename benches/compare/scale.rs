//! `make bench-scale`: how cost grows, and whether a change is felt.
//!
//! Three tables: sessions against processor time and memory, nodes against the cost of checks, and the
//! longest pause of traffic while snapshots change under thousands of sessions. Only rolecall is here; a
//! pause is held against the longest one of the same traffic without any change.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{Client, PATIENCE};
use crate::figures::{Column, Figures};
use crate::fleet::{Fleet, Front, GROUP, name};
use crate::load::{Load, Request};
use crate::meter::{Cpu, resident};
use crate::node::Node;
use crate::sides::{Running, Side};
use crate::{Result, hold};

/// The largest installation: 20 groups.
const NODES: usize = 100;
const LISTENERS: usize = 50;

/// Threads that use the active sessions: each asks one session after the other.
const ASKERS: usize = 2;

/// How often a replica loses and finds its primary.
const FLIPS: usize = 6;

/// All three tables.
pub(crate) fn run(seconds: f64) -> Result<Value> {
    let directory = tempfile::tempdir()?;
    let sessions = sessions(directory.path(), seconds)?;
    eprintln!("starting {NODES} redis-servers");
    let fleet = Fleet::start(NODES, directory.path())?;
    let nodes = nodes(&fleet, directory.path(), seconds)?;
    let pauses = pauses(&fleet, directory.path(), seconds)?;
    Ok(json!({ "sessions": sessions, "nodes": nodes, "pauses": pauses }))
}

/// Sessions, of which one in ten is active, against the cost of a request.
fn sessions(directory: &Path, seconds: f64) -> Result<Value> {
    let columns = [
        Column::Rate,
        Column::P50,
        Column::P99,
        Column::Cpu,
        Column::Memory,
    ];
    println!("\nsessions, one in ten active (small GET), and the cost of a request");
    println!("  {:>8} {}", "sessions", header(&columns));
    let node = Node::start(directory)?;
    node.fill()?;
    let mut table = Vec::new();
    for count in [1, 100, 1_000, 9_000] {
        let count = hold::most().min(count);
        let running = Running::start(Side::Rolecall, node.address, directory)?;
        let active = count.div_ceil(10);
        let idle = hold::open(running.address, count - active)?;
        let load = Load::new(active, Request::GetSmall);
        let requests = load.requests_in(node.address, seconds / 2.0)?;
        let figures = load.measure(&running, requests)?;
        drop(idle);
        println!("  {count:>8} {}", line(&columns, &figures));
        table.push(json!({ "sessions": count, "figures": figures.json() }));
    }
    Ok(table.into())
}

fn header(columns: &[Column]) -> String {
    let cells: Vec<String> = columns
        .iter()
        .map(|column| format!("{:>12}", column.label()))
        .collect();
    cells.concat()
}

fn line(columns: &[Column], figures: &Figures) -> String {
    let cell = |column: &Column| {
        let value = figures.get(*column).unwrap_or_default();
        format!("{value:>12.*}", column.digits())
    };
    columns.iter().map(cell).collect::<Vec<_>>().concat()
}

/// Nodes, of which each is checked twice a second, against the cost of checks without any traffic.
fn nodes(fleet: &Fleet, directory: &Path, seconds: f64) -> Result<Value> {
    println!("\nnodes, and the cost of their checks (no traffic)");
    println!("  {:>8} {:>14} {:>12}", "nodes", "cpu ms/s", "RSS MB");
    let mut table = Vec::new();
    for count in [3, 30, NODES] {
        let front = fleet.front(count, 0, directory)?;
        let pids = front.pids();
        let (before, begun) = (Cpu::of(&pids), Instant::now());
        thread::sleep(Duration::from_secs_f64(seconds * 2.0));
        let share = Cpu::of(&pids).since(before).total / begun.elapsed().as_secs_f64();
        let memory = resident(&pids) / 1e6;
        println!("  {count:>8} {:>14.2} {memory:>12.1}", share * 1e3);
        table.push(json!({ "nodes": count, "cpu ms/s": share * 1e3, "RSS MB": memory }));
    }
    Ok(table.into())
}

/// The longest pause of traffic: without a change, while eligibility changes, at a change of primary.
fn pauses(fleet: &Fleet, directory: &Path, seconds: f64) -> Result<Value> {
    let front = fleet.front(NODES, LISTENERS, directory)?;
    let count = hold::most().min(9_000);
    let mut idle = front.sessions(count)?;
    let mut active = idle.split_off(count - count / 10);
    let memory = resident(&front.pids()) / 1e6;
    println!(
        "\n{count} sessions, one in ten active, on {NODES} nodes in {} groups, {LISTENERS} listeners; RSS {memory:.1} MB",
        NODES / GROUP
    );
    println!(
        "  {:<48} {:>12} {:>12} {:>10}",
        "longest pause of traffic", "ms", "requests/s", "active"
    );

    let mut table = Vec::new();
    let mut phase = |what: &str, change: &dyn Fn() -> Result<()>| -> Result<()> {
        let askers = Askers::start(std::mem::take(&mut active));
        change()?;
        let (asked, rate) = askers.stop()?;
        active = asked.sessions;
        let pause = asked.longest.as_secs_f64() * 1e3;
        println!(
            "  {what:<48} {pause:>12.1} {rate:>12.0} {:>10}",
            active.len()
        );
        table.push(json!({
            "what": what, "pause ms": pause, "requests/s": rate, "active sessions left": active.len(),
        }));
        Ok(())
    };
    phase("nothing changes", &|| {
        thread::sleep(Duration::from_secs_f64(seconds));
        Ok(())
    })?;
    let last = NODES / GROUP - 1;
    phase("a replica loses and finds its primary, 6 times", &|| {
        flip(fleet, &front, last)
    })?;
    phase("another primary; sessions of its group end", &|| {
        promote(fleet, &front, last)
    })?;
    Ok(json!({ "sessions": count, "RSS MB": memory, "phases": table }))
}

/// Takes a replica out and in again. Every change is a snapshot by which all sessions are judged.
fn flip(fleet: &Fleet, front: &Front, group: usize) -> Result<()> {
    let replica = fleet.node(group, 1);
    // Nobody listens on port 1.
    let nobody = SocketAddr::new(replica.address.ip(), 1);
    for _ in 0..FLIPS {
        replica.follow(nobody)?;
        wait_for_metric(front, &eligible(group, 1), "0")?;
        replica.follow(fleet.node(group, 0).address)?;
        wait_for_metric(front, &eligible(group, 1), "1")?;
    }
    Ok(())
}

fn eligible(group: usize, number: usize) -> [String; 3] {
    // The read listener of a group is one round of listeners after its write listener.
    let listener = group + NODES / GROUP;
    [
        "rolecall_node_eligible{".to_owned(),
        format!("listener=\"l{listener}\""),
        format!("node=\"{}\"", name(group, number)),
    ]
}

/// A promotion by hand: sessions with the old primary are closed.
fn promote(fleet: &Fleet, front: &Front, group: usize) -> Result<()> {
    let mut client = Client::connect(fleet.node(group, 2).address)?;
    client.ask(&[b"REPLICAOF", b"NO", b"ONE"])?;
    let primary = [
        "rolecall_group_primary{".to_owned(),
        format!("node=\"{}\"", name(group, 2)),
    ];
    wait_for_metric(front, &primary, "1")?;
    // The old primary's sessions are closed as fast as they can be; this is the time to feel it.
    thread::sleep(Duration::from_millis(500));
    Ok(())
}

/// Waits until the line of /metrics that has all these words has this value.
fn wait_for_metric(front: &Front, words: &[String], value: &str) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let page = get(front.admin, "/metrics")?;
        let mut lines = page.lines().filter(|line| !line.starts_with('#'));
        let line = lines.find(|line| words.iter().all(|word| line.contains(word)));
        if line.is_some_and(|line| line.ends_with(&format!(" {value}"))) {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(format!("{words:?} is not {value}: {line:?}").into());
        }
        thread::sleep(Duration::from_millis(50));
    }
}

fn get(address: SocketAddr, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n"
    )?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

/// Threads that use sessions without a break, and note the longest wait for an answer.
struct Askers {
    stop: Arc<AtomicBool>,
    begun: Instant,
    threads: Vec<JoinHandle<Asked>>,
}

#[derive(Default)]
struct Asked {
    longest: Duration,
    requests: usize,
    /// Those that were not closed.
    sessions: Vec<Client>,
}

impl Askers {
    fn start(mut sessions: Vec<Client>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let share = sessions.len().div_ceil(ASKERS);
        let threads = (0..ASKERS).map(|_| {
            let own = sessions.split_off(sessions.len().saturating_sub(share));
            let stop = Arc::clone(&stop);
            thread::spawn(move || ask(own, &stop))
        });
        Self {
            threads: threads.collect(),
            stop,
            begun: Instant::now(),
        }
    }

    /// Ends them; returns the sum, and requests a second.
    fn stop(self) -> Result<(Asked, f64)> {
        self.stop.store(true, Ordering::Relaxed);
        let mut sum = Asked::default();
        for thread in self.threads {
            let asked = thread.join().map_err(|_| "a thread that asks died")?;
            sum.longest = sum.longest.max(asked.longest);
            sum.requests += asked.requests;
            sum.sessions.extend(asked.sessions);
        }
        let rate = sum.requests as f64 / self.begun.elapsed().as_secs_f64();
        Ok((sum, rate))
    }
}

fn ask(mut sessions: Vec<Client>, stop: &AtomicBool) -> Asked {
    let (mut longest, mut requests) = (Duration::ZERO, 0);
    while !stop.load(Ordering::Relaxed) && !sessions.is_empty() {
        sessions.retain_mut(|client| {
            if stop.load(Ordering::Relaxed) {
                return true;
            }
            let begun = Instant::now();
            let answered = client.ping().is_ok();
            if answered {
                longest = longest.max(begun.elapsed());
                requests += 1;
            }
            answered
        });
    }
    Asked {
        longest,
        requests,
        sessions,
    }
}
