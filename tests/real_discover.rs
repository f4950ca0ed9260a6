//! `discover: true`: nodes that Sentinel knows come and go without a restart.

#[cfg(test)]
#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use std::net::SocketAddr;
use std::time::Duration;

use common::liar::Liar;
use common::net::free_address;
use common::redis::{RedisNode, redis_group};
use common::rolecall::Rolecall;
use common::sentinel::{MASTER_NAME, Sentinel, sentinels};
use common::topology::Topology;
use common::{SOON, eventually, poll, throughout};

const NODES: [&str; 3] = ["redis-1", "redis-2", "redis-3"];

fn discovering(written: &[&RedisNode], sentinels: &[SocketAddr]) -> Topology {
    let quoted: Vec<String> = sentinels.iter().map(|a| format!("\"{a}\"")).collect();
    let all = quoted.join(", ");
    Topology::standard(written).group(&format!(
        "sentinel: {{ name: {MASTER_NAME}, addresses: [{all}], discover: true }}"
    ))
}

fn addresses(sentinels: &[Sentinel]) -> Vec<SocketAddr> {
    sentinels.iter().map(Sentinel::address).collect()
}

/// Waits until a learned node serves reads.
#[track_caller]
fn wait_reads(proxy: &Rolecall, node: &RedisNode) {
    let name = node.address().to_string();
    let labels = [("listener", "redis-ro"), ("node", name.as_str())];
    proxy.wait_metric("rolecall_node_eligible", &labels, 1.0);
}

#[test]
fn one_written_node_is_enough_and_a_failover_goes_to_a_learned_one() {
    let [mut a, b, c] = redis_group(NODES);
    let sentinels = sentinels(3, &a, 2);
    let proxy = discovering(&[&a], &addresses(&sentinels)).start();
    proxy.wait_primary("redis-1");
    for node in [&b, &c] {
        proxy.wait_log(&[&format!("{} was learned from Sentinel", node.address())]);
        wait_reads(&proxy, node);
    }
    a.kill9();
    let promoted = poll(SOON, "a replica is promoted", || {
        [&b, &c].into_iter().find(|node| node.role() == "master")
    });
    proxy.wait_primary(&promoted.address().to_string());
    assert!(proxy.client("redis-rw").cmd(&["SET", "key", "x"]).is_ok());
    assert_eq!(promoted.must(&["GET", "key"]).text(), "x");
}

#[test]
fn a_node_that_the_sentinels_forget_drains_and_is_dropped() {
    let [a, b, _c] = redis_group(NODES);
    let sentinels = sentinels(3, &a, 2);
    let proxy = discovering(&[&a, &b], &addresses(&sentinels)).start();
    // A fourth comes while the proxy runs.
    let late = RedisNode::replica("redis-late", &a);
    wait_reads(&proxy, &late);
    let name = late.address().to_string();
    let mut session = poll(SOON, "a session on the learned node", || {
        let mut client = proxy.client("redis-ro");
        (client.try_node().ok()? == "redis-late").then_some(client)
    });

    // It leaves the group, and the Sentinels forget it.
    late.promote();
    for sentinel in &sentinels {
        let reply = sentinel.cmd(&["SENTINEL", "RESET", MASTER_NAME]);
        assert_eq!(reply.text(), "1");
    }
    let leaves = format!("{name} is taken out");
    eventually(SOON * 4, "it is taken out", || {
        proxy.log().contains(&leaves)
    });
    let gone = format!("{name} is dropped");
    if !session.is_closed() {
        assert!(!proxy.log().contains(&gone), "it has a session");
        drop(session);
    }
    proxy.wait_log(&[&gone]);
    let labels = [("group", "main"), ("node", name.as_str())];
    eventually(SOON, "its series are shown no more", || {
        proxy.metrics().find("rolecall_node_up", &labels).is_none()
    });
    let written = [("group", "main"), ("node", "redis-2")];
    assert_eq!(
        proxy.metrics().find("rolecall_node_up", &written),
        Some(1.0)
    );
}

#[test]
fn one_lying_sentinel_of_three_teaches_nothing() {
    let [a, b, _c] = redis_group(NODES);
    let stranger = RedisNode::primary("stranger");
    let honest = sentinels(2, &a, 2);
    let named = stranger.address();
    let liar = Liar::start(move |epoch| (named, epoch));
    let mut all = addresses(&honest);
    all.push(liar.address);
    let proxy = discovering(&[&a, &b], &all).start();
    proxy.wait_log(&["was learned from Sentinel"]);
    proxy.wait_primary("redis-1");
    let words = format!("{} was learned", stranger.address());
    throughout(Duration::from_secs(3), "the stranger stays unknown", || {
        !proxy.log().contains(&words)
    });
    assert_eq!(proxy.node_of("redis-rw"), "redis-1");
}

#[test]
fn r1_a_replica_that_announces_another_address_keeps_its_sessions_and_is_read_there() {
    let a = RedisNode::primary("redis-1");
    let (old, new) = (free_address(), free_address().ip());
    let both = format!("{} {new}", old.ip());
    let b = RedisNode::builder("redis-2")
        .at(old)
        .option("bind", &both)
        .replica_of(a.address())
        .start();
    b.wait_in_sync();
    let sentinels = sentinels(3, &a, 1);
    let proxy = discovering(&[&a], &addresses(&sentinels)).start();
    wait_reads(&proxy, &b);
    let mut session = proxy.client("redis-ro");
    assert_eq!(session.node(), "redis-2");

    // It announces another address. The Sentinels keep the old one beside it, until one is reset.
    b.must(&["CONFIG", "SET", "replica-announce-ip", &new.to_string()]);
    a.must(&["CLIENT", "KILL", "TYPE", "replica"]);
    for sentinel in &sentinels {
        eventually(SOON, "both addresses are listed", || {
            sentinel.field("num-slaves") == "2"
        });
    }
    let reply = sentinels[0].cmd(&["SENTINEL", "RESET", MASTER_NAME]);
    assert_eq!(reply.text(), "1");
    let new = SocketAddr::new(new, old.port()).to_string();
    let eligible = |node: &str| {
        let labels = [("listener", "redis-ro"), ("node", node)];
        proxy.is("rolecall_node_eligible", &labels, 1.0)
    };
    let leaves = format!("{old} is taken out");
    eventually(SOON * 4, "the new address takes its place", || {
        proxy.log().contains(&leaves) && eligible(&new)
    });
    assert!(!eligible(&old.to_string()));
    assert_eq!(proxy.client("redis-ro").node(), "redis-2");
    assert_eq!(session.node(), "redis-2", "its session is open");
    let gone = format!("{old} is dropped");
    assert!(!proxy.log().contains(&gone), "it has a session");
    drop(session);
    proxy.wait_log(&[&gone]);
    let again = format!("{old} was learned");
    throughout(Duration::from_secs(12), "it is not learned again", || {
        proxy.log().matches(&again).count() == 1
    });
}
