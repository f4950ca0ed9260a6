//! R15: whoever stops reading for half a minute keeps its session, and loses no byte.

#[cfg(test)]
#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use common::client::encode;
use common::redis::{RedisNode, redis_group};
use common::topology::Topology;
use common::{SOON, eventually, throughout};
use std::time::Duration;

const STALL: Duration = Duration::from_secs(30);

#[test]
fn r15_a_client_that_stops_reading_keeps_its_session() {
    let node = RedisNode::primary("redis-1");
    node.must(&["SET", "large", &"v".repeat(1 << 20)]);
    let proxy = Topology::new()
        .node(&node)
        .listener("redis-rw", "read-write", "")
        .start();
    let mut stalled = proxy.client("redis-rw");
    let mut other = proxy.client("redis-rw");
    assert_eq!(stalled.node(), "redis-1");
    stalled
        .send(&encode(&["GET", "large"]).repeat(64))
        .expect("send");

    throughout(STALL, "the session is there, and others are served", || {
        let sessions = proxy.count("rolecall_listener_connections", &[]);
        sessions == 2 && other.cmd(&["PING"]).text() == "PONG"
    });
    for number in 0..64 {
        let reply = stalled.read_reply().expect("a whole reply");
        assert_eq!(reply.text().len(), 1 << 20, "reply {number}");
    }
    assert_eq!(stalled.cmd(&["PING"]).text(), "PONG");
}

#[test]
fn r14_r15_a_replica_that_stops_reading_keeps_its_stream() {
    let [a, b] = redis_group(["redis-1", "redis-2"]);
    let proxy = Topology::standard(&[&a, &b]).start();
    proxy.wait_eligible("redis-ro", &["redis-1", "redis-2"], &["redis-2"]);
    let local = RedisNode::builder("redis-local")
        .replica_of(proxy.listener("redis-ro"))
        .start();
    local.wait_in_sync();
    let syncs =
        |node: &RedisNode| ["sync_full", "sync_partial_ok"].map(|field| node.info("stats", field));
    let before = (syncs(&a), syncs(&b));

    local.stop();
    // More than the kernel buffers of both connections hold.
    let value = "v".repeat(1 << 20);
    let mut writer = proxy.client("redis-rw");
    for number in 0..24 {
        let key = format!("key-{number}");
        assert!(writer.cmd(&["SET", &key, &value]).is_ok());
    }
    let labels = [("listener", "redis-ro")];
    throughout(STALL, "the replica's session is there", || {
        proxy.count("rolecall_listener_connections", &labels) == 1
    });
    local.cont();

    local.wait_in_sync();
    eventually(SOON, "the replica has all that was written", || {
        local.must(&["DBSIZE"]).text() == "24"
    });
    assert_eq!((syncs(&a), syncs(&b)), before, "the link never broke");
    assert_eq!(
        proxy.count("rolecall_listener_connections_total", &labels),
        1
    );
}
