//! Replicas, as far as a proxy sees them: they ask for everything (PSYNC), and then read as fast as they
//! can. They throw away what they read, so that the figures are the proxy's and not those of loading.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::Result;
use crate::client::Client;
use crate::figures::{Column, Figures};
use crate::meter::{Cpu, resident};
use crate::node::Node;
use crate::sides::Running;

/// What a full synchronisation moves: values of a mebibyte each.
pub(crate) const BULK: usize = 512;

/// Replicas that read at once.
const READERS: usize = 10;

/// Bytes that the slowest reader may be behind the writer: enough to keep all pipes full.
const AHEAD: u64 = 16 << 20;

/// What the primary writes after a diskless dump, and announces before it.
const MARK: usize = 40;

/// A replica that is about to receive a dump.
struct Replica {
    client: Client,
    mark: Vec<u8>,
    buffer: Vec<u8>,
}

impl Replica {
    /// Shakes hands; returns when the dump begins.
    fn connect(address: SocketAddr) -> Result<Self> {
        let mut client = Client::connect(address)?;
        client.ping()?;
        client.ask(&[b"REPLCONF", b"listening-port", b"1"])?;
        client.ask(&[b"REPLCONF", b"capa", b"eof", b"capa", b"psync2"])?;
        client.ask(&[b"PSYNC", b"?", b"-1"])?;
        // The primary sends empty lines while it prepares the dump.
        let head = loop {
            let line = client.line()?;
            if !line.is_empty() {
                break line;
            }
        };
        let mark = head.strip_prefix("$EOF:").filter(|mark| mark.len() == MARK);
        let mark = mark
            .ok_or_else(|| format!("no diskless dump: {head}"))?
            .as_bytes()
            .to_vec();
        Ok(Self {
            client,
            mark,
            buffer: vec![0; 256 << 10],
        })
    }

    /// Reads the dump to its end and returns its length. Nothing follows before an acknowledgement.
    fn read_dump(&mut self) -> Result<u64> {
        let mut total = 0;
        let mut tail: Vec<u8> = Vec::new();
        while tail != self.mark {
            let length = self.read()?;
            total += length as u64;
            let chunk = &self.buffer[..length];
            tail.extend_from_slice(&chunk[length.saturating_sub(MARK)..]);
            tail.drain(..tail.len().saturating_sub(MARK));
        }
        Ok(total)
    }

    fn read(&mut self) -> Result<usize> {
        match self.client.read(&mut self.buffer)? {
            0 => Err("the primary closed a replica's connection".into()),
            length => Ok(length),
        }
    }

    /// From now on the primary sends what is written.
    fn acknowledge(&mut self) -> Result<()> {
        self.client.send(&[b"REPLCONF", b"ACK", b"0"])
    }
}

/// Full synchronisations, one after the other.
pub(crate) fn measure_bulk(side: &Running, seconds: f64) -> Result<Figures> {
    let pids = side.pids();
    let before = Cpu::of(&pids);
    let (mut bytes, mut taken) = (0, Duration::ZERO);
    while taken.as_secs_f64() < seconds {
        let mut replica = Replica::connect(side.address)?;
        let begun = Instant::now();
        bytes += replica.read_dump()?;
        taken += begun.elapsed();
    }
    Ok(figures(&pids, before, bytes, taken.as_secs_f64()))
}

/// Ten replicas that follow a primary which is written to as fast as the slowest of them can read.
pub(crate) fn measure_many(side: &Running, node: &Node, seconds: f64) -> Result<Figures> {
    let stop = Arc::new(AtomicBool::new(false));
    let mut readers = Vec::new();
    for number in 0..READERS {
        let mut replica = Replica::connect(side.address)?;
        replica.read_dump()?;
        // An acknowledgement that comes before the primary has noticed the end of its dump is lost.
        node.wait_for_replicas(number + 1)?;
        replica.acknowledge()?;
        readers.push(Reader::start(replica, &stop));
    }
    let pids = side.pids();
    let before = Cpu::of(&pids);
    let start: Vec<u64> = readers.iter().map(Reader::bytes).collect();
    let begun = Instant::now();
    write(node, &readers, seconds)?;
    let taken = begun.elapsed().as_secs_f64();
    let moved = readers
        .iter()
        .zip(start)
        .map(|(reader, start)| reader.bytes() - start);
    let moved: Vec<u64> = moved.collect();
    let mut figures = figures(&pids, before, moved.iter().sum(), taken);
    let slowest = moved.into_iter().min().unwrap_or_default() as f64;
    figures.set(Column::Slowest, slowest * 8.0 / 1e6 / taken);
    stop.store(true, Ordering::Relaxed);
    // The last write reaches all readers, and each of them sees that it is over.
    Client::connect(node.address)?.ask(&[b"SET", b"bench:last", b"x"])?;
    for reader in readers {
        let ended = reader.thread.join();
        ended
            .map_err(|_| "a replica's thread died")?
            .map_err(|error| format!("a replica: {error}"))?;
    }
    Ok(figures)
}

fn write(node: &Node, readers: &[Reader], seconds: f64) -> Result<()> {
    let slowest = || readers.iter().map(Reader::bytes).min().unwrap_or_default();
    let mut client = Client::connect(node.address)?;
    let value = vec![b'x'; 64 << 10];
    let (begun, start) = (Instant::now(), slowest());
    let mut written = 0;
    while begun.elapsed().as_secs_f64() < seconds {
        if readers.iter().any(|reader| reader.thread.is_finished()) {
            return Err("a replica was cut off".into());
        }
        if written > slowest() - start + AHEAD {
            thread::sleep(Duration::from_micros(200));
            continue;
        }
        client.ask(&[b"SET", b"bench:stream", &value])?;
        written += value.len() as u64;
    }
    Ok(())
}

fn figures(pids: &[u32], before: Cpu, bytes: u64, seconds: f64) -> Figures {
    let mut figures = Figures::default();
    figures.set(Column::Throughput, bytes as f64 / 1e6 / seconds);
    if !pids.is_empty() {
        let cpu = Cpu::of(pids).since(before).total;
        figures.set(Column::CpuPerGb, cpu / (bytes as f64 / 1e9));
        figures.set(Column::Memory, resident(pids) / 1e6);
    }
    figures
}

/// A replica on a thread of its own.
struct Reader {
    bytes: Arc<AtomicU64>,
    thread: JoinHandle<std::result::Result<(), String>>,
}

impl Reader {
    fn start(mut replica: Replica, stop: &Arc<AtomicBool>) -> Self {
        let bytes = Arc::new(AtomicU64::new(0));
        let (counted, stop) = (Arc::clone(&bytes), Arc::clone(stop));
        let thread = thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let length = replica.read().map_err(|error| error.to_string())?;
                counted.fetch_add(length as u64, Ordering::Relaxed);
            }
            Ok(())
        });
        Self { bytes, thread }
    }

    fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}
