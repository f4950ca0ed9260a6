//! Nodes that are known by a host name whose address changes, as that of a container that is made anew.
//!
//! The name is looked up by the system's resolver, in a file of the test's own: `nss_wrapper` puts it in the
//! place of /etc/hosts for one process, without any rights.

#![expect(
    clippy::expect_used,
    reason = "a test fails by panicking, in its helpers too"
)]

#[cfg(test)]
#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use common::client::encode;
use common::fake::{Answers, FakeNode};
use common::net::free_address;
use common::redis::RedisNode;
use common::topology::Topology;
use common::{SOON, eventually, scratch};
use tempfile::TempDir;

/// A name is looked up again ten seconds after the last time at the latest; the rest is for slow machines.
const LOOKED_UP_AGAIN: Duration = Duration::from_secs(60);

const NAME: &str = "redis-1.test";

/// A file in the form of /etc/hosts.
struct Hosts {
    dir: TempDir,
    /// `nss_wrapper` reads it again only when this has become later, in whole seconds.
    modified: SystemTime,
}

impl Hosts {
    fn new() -> Self {
        Self {
            dir: scratch(),
            modified: SystemTime::now(),
        }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("hosts")
    }

    /// From now on the name has this address and no other. Whoever reads sees the old file or the new one.
    fn point_at(&mut self, address: SocketAddr) {
        self.modified += Duration::from_secs(5);
        let next = self.dir.path().join("next");
        fs::write(&next, format!("{} {NAME}\n", address.ip())).expect("write the file");
        let file = File::options().write(true).open(&next);
        let dated = file.and_then(|file| file.set_modified(self.modified));
        dated.expect("set the time of the file");
        fs::rename(&next, self.path()).expect("put it in place");
    }

    /// A proxy whose only node is known by the name.
    fn proxy_for(&self, port: u16) -> Topology {
        let hosts = self.path();
        Topology::new()
            .node_at("redis-1", &format!("{NAME}:{port}"))
            .listener("redis-rw", "read-write", "park: { timeout: 120s }")
            .env("LD_PRELOAD", "libnss_wrapper.so")
            .env("NSS_WRAPPER_HOSTS", hosts.to_str().expect("UTF-8"))
    }
}

/// The same port at an address of its own.
fn elsewhere(port: u16) -> SocketAddr {
    SocketAddr::new(free_address().ip(), port)
}

#[test]
fn r1_a_name_that_moves_is_unknown_until_its_new_address_has_been_checked() {
    let old = RedisNode::primary("old");
    let port = old.address().port();
    let silent = FakeNode::start_at(elsewhere(port), Answers::Silence);
    let new = RedisNode::builder("new").at(elsewhere(port)).start();
    for (node, value) in [(&old, "old"), (&new, "new")] {
        node.must(&["SET", "who", value]);
    }
    let mut hosts = Hosts::new();
    hosts.point_at(old.address());
    let proxy = hosts.proxy_for(port).start();
    let mut session = proxy.client("redis-rw");
    assert_eq!(session.cmd(&["GET", "who"]).text(), "old");

    // The old address still answers, and is nobody's any more; what is at the new one is not known yet.
    hosts.point_at(silent.address());
    let primary = [("node", "redis-1")];
    eventually(LOOKED_UP_AGAIN, "whoever is there now is unknown", || {
        proxy.is("rolecall_group_primary", &primary, 0.0)
    });
    proxy.wait_eligible("redis-rw", &["redis-1"], &[]);
    session.wait_closed("R7: the primary is not there any more");
    let mut parked = proxy.client("redis-rw");
    parked.send(&encode(&["GET", "who"])).expect("send");
    proxy.wait_metric("rolecall_listener_parked", &[("listener", "redis-rw")], 1.0);
    eventually(SOON, "it is being checked", || silent.accepted() > 0);
    assert_eq!(old.cmd(&["PING"]).text(), "PONG");

    hosts.point_at(new.address());
    eventually(LOOKED_UP_AGAIN, "the node at the third address", || {
        proxy.is("rolecall_group_primary", &primary, 1.0)
    });
    assert_eq!(parked.read_reply().expect("a reply").text(), "new");
}
