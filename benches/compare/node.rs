//! The Redis behind every side.

use std::net::SocketAddr;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{Client, PATIENCE, wait_for};
use crate::load::KEYS;
use crate::process::Process;
use crate::{Result, address};

/// A redis-server that writes nothing to disk.
pub(crate) struct Node {
    pub(crate) address: SocketAddr,
    process: Process,
}

impl Node {
    pub(crate) fn start(directory: &Path) -> Result<Self> {
        let address = address::free()?;
        let (ip, port) = (address.ip().to_string(), address.port().to_string());
        let directory = directory.join(format!("redis-{ip}-{port}"));
        std::fs::create_dir(&directory)?;
        let place = directory.to_string_lossy();
        #[rustfmt::skip]
        let words = [
            "redis-server", "--bind", &ip, "--port", &port, "--dir", &place,
            "--save", "", "--appendonly", "no", "--protected-mode", "no",
            "--maxclients", "10000", "--tcp-backlog", "4096",
            "--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0",
            "--rdbcompression", "no", "--rdbchecksum", "no",
            "--client-output-buffer-limit", "replica 0 0 0",
        ];
        let process = Process::start(&words, &directory.join("log"))?;
        wait_for(address)
            .map_err(|error| format!("redis-server: {error}\n{}", process.last_words()))?;
        Ok(Self { address, process })
    }

    pub(crate) fn pids(&self) -> Vec<u32> {
        self.process.pids()
    }

    /// Sets the keys that the load reads.
    pub(crate) fn fill(&self) -> Result<()> {
        let mut client = Client::connect(self.address)?;
        for (key, length) in KEYS {
            client.ask(&[b"SET", key.as_bytes(), &vec![b'x'; length]])?;
        }
        Ok(())
    }

    /// Sets so many values of a mebibyte each.
    pub(crate) fn fill_bulk(&self, values: usize) -> Result<()> {
        let mut client = Client::connect(self.address)?;
        let last = ((1 << 20) - 1).to_string();
        for value in 0..values {
            let key = format!("bench:bulk:{value}");
            // The server fills up with zeros before the last byte.
            client.ask(&[b"SETRANGE", key.as_bytes(), last.as_bytes(), b"x"])?;
        }
        Ok(())
    }

    /// Waits until it has so many replicas that have their dump.
    pub(crate) fn wait_for_replicas(&self, count: usize) -> Result<()> {
        let mut client = Client::connect(self.address)?;
        let deadline = Instant::now() + PATIENCE;
        while client
            .text(&[b"INFO", b"replication"])?
            .matches("state=online")
            .count()
            < count
        {
            if Instant::now() > deadline {
                return Err(format!("fewer than {count} replicas are online").into());
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Makes it a replica of another one.
    pub(crate) fn follow(&self, primary: SocketAddr) -> Result<()> {
        let (ip, port) = (primary.ip().to_string(), primary.port().to_string());
        let mut client = Client::connect(self.address)?;
        client.ask(&[b"REPLICAOF", ip.as_bytes(), port.as_bytes()])?;
        Ok(())
    }
}
