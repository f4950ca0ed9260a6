//! R14: a replica that replicates through a read listener.

#[cfg(test)]
#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use common::SOON;
use common::eventually;
use common::net::free_address;
use common::redis::{RedisNode, redis_group};
use common::topology::Topology;

const NODES: [&str; 3] = ["redis-1", "redis-2", "redis-3"];

/// The seed topology: the local node is a replica of the listener redis-ro.
fn seed(nodes: [&RedisNode; 3]) -> (Topology, common::redis::RedisBuilder) {
    let (local_at, ro) = (free_address(), free_address());
    let topology = nodes
        .into_iter()
        .fold(Topology::new(), Topology::node)
        .local_at("redis-local", local_at)
        .listener("redis-rw", "read-write", "park: { timeout: 60s }")
        .listener_at("redis-ro", ro, "read-only", "fallback: redis-rw")
        .listener("redis-local-ro", "local-read-only", "fallback: redis-ro");
    let local = RedisNode::builder("redis-local")
        .at(local_at)
        .replica_of(ro);
    (topology, local)
}

/// Which of the nodes serves a replica now.
fn upstream<'a>(nodes: &[&'a RedisNode]) -> Option<&'a RedisNode> {
    let serves = |node: &&RedisNode| {
        node.must(&["INFO", "replication"])
            .text()
            .contains("slave0:")
    };
    nodes.iter().copied().find(serves)
}

#[test]
fn r14_full_sync_and_stream_run_through_the_proxy() {
    let [a, b, c] = redis_group(NODES);
    a.must(&["DEBUG", "POPULATE", "20000", "key", "1000"]);
    // DEBUG POPULATE is not replicated: the replicas fetch everything anew.
    for node in [&b, &c] {
        node.promote();
        node.replicate(&a);
    }
    eventually(SOON, "the replicas hold the keys", || {
        [&b, &c]
            .iter()
            .all(|node| node.must(&["DBSIZE"]).text() == "20000")
    });
    let (topology, local) = seed([&a, &b, &c]);
    let proxy = topology.start();
    proxy.wait_eligible("redis-ro", &NODES, &["redis-2", "redis-3"]);
    let local = local.start();
    local.wait_in_sync();
    assert_eq!(local.must(&["DBSIZE"]).text(), "20000");
    assert!(
        upstream(&[&b, &c]).is_some(),
        "it follows a replica, not the primary"
    );
    proxy.wait_node_of("redis-local-ro", "redis-local");

    let mut writer = proxy.client("redis-rw");
    for number in 0..500 {
        assert!(writer.cmd(&["SET", &format!("new-{number}"), "x"]).is_ok());
    }
    eventually(SOON, "the stream arrives", || {
        local.must(&["DBSIZE"]).text() == "20500"
    });
}

#[test]
fn r14_it_survives_the_death_of_the_node_that_it_replicated_from() {
    let [a, mut b, mut c] = redis_group(NODES);
    let (topology, local) = seed([&a, &b, &c]);
    let proxy = topology.start();
    proxy.wait_eligible("redis-ro", &NODES, &["redis-2", "redis-3"]);
    let local = local.start();
    local.wait_in_sync();
    proxy.wait_node_of("redis-local-ro", "redis-local");
    let mut writer = proxy.client("redis-rw");
    assert!(writer.cmd(&["SET", "first", "x"]).is_ok());

    for key in ["second", "third"] {
        let dying = upstream(&[&b, &c])
            .expect("a replica serves it")
            .name()
            .to_owned();
        if dying == "redis-2" {
            b.kill9();
        } else {
            c.kill9();
        }
        assert!(
            writer.cmd(&["SET", key, "x"]).is_ok(),
            "the primary is not concerned"
        );
        eventually(SOON, "the local replica follows another node", || {
            !local.must(&["GET", key]).is_nil()
        });
        local.wait_in_sync();
        if dying == "redis-2" {
            b.restart();
        } else {
            c.restart();
        }
        let both = ["redis-2", "redis-3"];
        proxy.wait_eligible("redis-ro", &both, &both);
    }
    assert_eq!(local.must(&["DBSIZE"]).text(), "3");
    proxy.wait_node_of("redis-local-ro", "redis-local");
}

#[test]
fn r14_it_survives_a_failover_of_the_whole_group() {
    let [mut a, b, c] = redis_group(NODES);
    let (topology, local) = seed([&a, &b, &c]);
    let proxy = topology.start();
    proxy.wait_eligible("redis-ro", &NODES, &["redis-2", "redis-3"]);
    let local = local.start();
    local.wait_in_sync();

    a.kill9();
    let mut writer = proxy.client("redis-rw");
    writer.send(b"SET key value\r\n").expect("send");
    b.promote();
    c.replicate(&b);
    assert!(writer.read_reply().expect("a reply").is_ok());
    eventually(SOON, "the local replica has the write", || {
        !local.must(&["GET", "key"]).is_nil()
    });
}

#[test]
fn r14_a_node_that_replicates_through_a_listener_never_serves_that_listener() {
    let a = RedisNode::primary("redis-1");
    let chained_at = free_address();
    let ro = free_address();
    // A mistake of an operator: the node behind redis-ro is also listed as one of its nodes.
    let proxy = Topology::new()
        .node(&a)
        .node_at("chained", &chained_at.to_string())
        .listener("redis-rw", "read-write", "")
        .listener_at("redis-ro", ro, "read-only", "fallback: redis-rw")
        .group("claim_hold: 500ms")
        .start();
    proxy.wait_primary("redis-1");
    let chained = RedisNode::builder("chained")
        .at(chained_at)
        .replica_of(ro)
        .start();
    chained.wait_in_sync();
    let labels = [("node", "chained"), ("outcome", "answered")];
    proxy.wait_at_least("rolecall_checks_total", &labels, 3);
    for _ in 0..20 {
        assert_eq!(proxy.node_of("redis-ro"), "redis-1");
    }
    assert_eq!(
        proxy.count(
            "rolecall_node_eligible",
            &[("listener", "redis-ro"), ("node", "chained")]
        ),
        0
    );
    a.must(&["SET", "key", "value"]);
    eventually(SOON, "it replicates all the same", || {
        !chained.must(&["GET", "key"]).is_nil()
    });
}
