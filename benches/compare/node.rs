//! The Redis behind every side.

use std::net::SocketAddr;
use std::path::Path;

use crate::client::{Client, wait_for};
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
        let directory = directory.join(format!("redis-{}", address.port()));
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
}
