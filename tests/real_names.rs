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
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use common::client::encode;
use common::fake::{Answers, FakeNode};
use common::net::free_address;
use common::redis::RedisNode;
use common::rolecall::Rolecall;
use common::sentinel::{MASTER_NAME, sentinels};
use common::survey::ask;
use common::topology::Topology;
use common::{SOON, eventually, scratch, throughout};
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
        self.point_at_all(&[address.ip()]);
    }

    /// From now on the name has these addresses and no others.
    fn point_at_all(&mut self, all: &[IpAddr]) {
        self.modified += Duration::from_secs(5);
        let next = self.dir.path().join("next");
        let lines = all.iter().map(|ip| format!("{ip} {NAME}\n"));
        fs::write(&next, lines.collect::<Vec<_>>().concat()).expect("write the file");
        let file = File::options().write(true).open(&next);
        let dated = file.and_then(|file| file.set_modified(self.modified));
        dated.expect("set the time of the file");
        fs::rename(&next, self.path()).expect("put it in place");
    }

    /// A proxy whose only node is known by the name.
    fn proxy_for(&self, port: u16) -> Topology {
        self.knows(Topology::new().node_at("redis-1", &format!("{NAME}:{port}")))
    }

    /// The same nodes with a listener, where the name is known.
    fn knows(&self, topology: Topology) -> Topology {
        let hosts = self.path();
        topology
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

/// What the API says of the node, as JSON.
#[track_caller]
fn dialled(proxy: &Rolecall) -> String {
    let answer = proxy.get("/api/status");
    let status: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
    let node = &status["groups"][0]["nodes"][0];
    node["dialled"].as_str().unwrap_or_default().to_owned()
}

const IPV6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

#[test]
fn a_name_with_ipv6_first_reaches_a_node_that_listens_on_ipv4_only() {
    let node = RedisNode::primary("redis-1");
    let mut hosts = Hosts::new();
    hosts.point_at_all(&[IPV6, node.address().ip()]);
    let topology = hosts.proxy_for(node.address().port());
    let proxy = topology.start();
    proxy.wait_primary("redis-1");
    assert!(proxy.client("redis-rw").cmd(&["SET", "key", "x"]).is_ok());
    assert_eq!(dialled(&proxy), node.address().to_string());
    assert_eq!(node.must(&["GET", "key"]).text(), "x");

    let asked = ask(&topology);
    assert_eq!(asked.wrong(), []);
    let seen: serde_json::Value = serde_json::from_str(&asked.json).expect("JSON");
    let at = &seen["groups"][0]["nodes"][0]["dialled"];
    assert_eq!(*at, node.address().to_string());
}

#[test]
fn where_no_address_of_a_name_accepts_each_of_them_is_named() {
    let (gone, port) = (free_address(), free_address().port());
    let mut hosts = Hosts::new();
    hosts.point_at_all(&[IPV6, gone.ip()]);
    let proxy = hosts.proxy_for(port).start();
    let each = [
        format!("[::1]:{port} refused the connection"),
        format!("{}:{port} refused the connection", gone.ip()),
    ];
    proxy.wait_log(&[&each[0], &each[1]]);
    assert_eq!(
        proxy.count("rolecall_checks_total", &[("outcome", "timed_out")]),
        0
    );
    proxy.wait_at_least("rolecall_checks_total", &[("outcome", "refused")], 1);
}

#[test]
fn a_sentinel_behind_a_name_with_ipv6_first_is_asked_at_its_ipv4_address() {
    let node = RedisNode::primary("redis-1");
    let sentinels = sentinels(1, &node, 0);
    let address = sentinels[0].address();
    let mut hosts = Hosts::new();
    hosts.point_at_all(&[IPV6, address.ip()]);
    let named = format!("{NAME}:{}", address.port());
    let group = format!("sentinel: {{ name: {MASTER_NAME}, addresses: [\"{named}\"] }}");
    let topology = hosts.knows(Topology::new().node(&node).group(&group));
    let proxy = topology.start();
    proxy.wait_log(&[&format!(
        "Sentinel {named} names {} as the primary",
        node.address()
    )]);
    assert_eq!(ask(&topology).wrong(), []);
}

#[test]
fn r1_of_several_processes_behind_a_name_the_one_in_use_stays_while_it_answers() {
    let mut first = RedisNode::primary("first");
    let port = first.address().port();
    let second = RedisNode::builder("second").at(elsewhere(port)).start();
    for (node, value) in [(&first, "first"), (&second, "second")] {
        node.must(&["SET", "who", value]);
    }
    let mut hosts = Hosts::new();
    hosts.point_at(first.address());
    let topology = hosts.proxy_for(port);
    let mut proxy = topology.start();
    proxy.wait_primary("redis-1");
    hosts.point_at_all(&[first.address().ip(), second.address().ip()]);
    let asked = ask(&topology);
    assert_eq!(asked.wrong(), [("redis-1", "several-nodes-behind-a-name")]);
    let found = asked.finding("several-nodes-behind-a-name");
    for node in [&first, &second] {
        let run: String = node.info("server", "run_id").chars().take(8).collect();
        let words = format!("{} is a primary, run {run}", node.address());
        assert!(found.text.contains(&words), "{}", found.text);
    }

    let mut session = proxy.client("redis-rw");
    assert_eq!(session.cmd(&["GET", "who"]).text(), "first");
    throughout(Duration::from_secs(12), "the one in use stays", || {
        session.cmd(&["GET", "who"]).text() == "first"
    });
    first.kill9();
    session.wait_closed("R7: that process is gone");
    let at = |node: &RedisNode| node.address().to_string();
    eventually(SOON, "the other is used", || dialled(&proxy) == at(&second));
    proxy.wait_primary("redis-1");
    let mut session = proxy.client("redis-rw");
    assert_eq!(session.cmd(&["GET", "who"]).text(), "second");
    proxy.wait_log(&[&format!(
        "redis-1 is dialled at {}, and no longer at {}",
        at(&second),
        at(&first)
    )]);

    // The first one comes back, and is not used while the other answers.
    first.restart();
    // Nor by checks that begin anew.
    proxy.reload(&topology.group("check: { timeout: 401ms }"));
    throughout(Duration::from_secs(3), "no move back", || {
        session.cmd(&["GET", "who"]).text() == "second"
    });
}

#[test]
fn one_process_behind_two_addresses_of_its_name_is_no_finding() {
    let node = RedisNode::builder("redis-1");
    let (one, port) = (free_address(), free_address().port());
    let two = elsewhere(port);
    let both = format!("{} {}", one.ip(), two.ip());
    let node = node
        .at(SocketAddr::new(one.ip(), port))
        .option("bind", &both)
        .start();
    let mut hosts = Hosts::new();
    hosts.point_at_all(&[one.ip(), two.ip()]);
    let asked = ask(&hosts.proxy_for(node.address().port()));
    assert_eq!(asked.wrong(), []);
}
