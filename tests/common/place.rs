//! What the old and the new process of an upgrade have in common.

use std::path::PathBuf;

use tempfile::TempDir;

use super::net::free_address;
use super::redis::RedisNode;
use super::rolecall::Rolecall;
use super::scratch;
use super::topology::Topology;

/// A configuration with an admin socket, in a directory of its own.
pub(crate) struct Place {
    pub(crate) dir: TempDir,
    pub(crate) topology: Topology,
}

impl Place {
    pub(crate) fn new(nodes: &[&RedisNode]) -> Self {
        let dir = scratch();
        let topology = Topology::standard(nodes)
            .socket(&dir.path().join("admin.sock"))
            .admin_at(free_address());
        Self { dir, topology }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("admin.sock")
    }

    pub(crate) fn takeover_socket(&self) -> PathBuf {
        self.dir.path().join("admin.sock.takeover")
    }
}

/// Starts a successor, and waits until the predecessor has let go.
pub(crate) fn take_over(topology: &Topology) -> Rolecall {
    let proxy = topology.clone().argument("--takeover").spawn();
    proxy.wait_log(&["took over: pid"]);
    proxy
}
