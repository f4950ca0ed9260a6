//! R17 on real servers: data of another group under a known address.

#[cfg(test)]
#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use std::time::Duration;

use common::client::Client;
use common::desk::Desk;
use common::redis::{RedisNode, redis_group};
use common::rolecall::Rolecall;
use common::sentinel::{MASTER_NAME, Sentinel, sentinels};
use common::topology::Topology;
use common::{SOON, eventually, poll, throughout};
use rolecall::api::GroupState;

const NODES: [&str; 3] = ["redis-1", "redis-2", "redis-3"];

/// A primary of another group, with other data.
fn stranger() -> RedisNode {
    let stranger = RedisNode::primary("stranger");
    stranger.must(&["SET", "whose", "theirs"]);
    stranger
}

fn group() -> [RedisNode; 3] {
    let nodes = redis_group(NODES);
    nodes[0].must(&["SET", "whose", "ours"]);
    for replica in &nodes[1..] {
        replica.wait_caught_up(&nodes[0]);
    }
    nodes
}

fn is_foreign(proxy: &Rolecall, node: &str) -> bool {
    proxy.is("rolecall_node_foreign", &[("node", node)], 1.0)
}

/// What a new reader gets; an empty text when it gets nothing now.
fn whose(proxy: &Rolecall, listener: &str) -> String {
    let mut client = proxy.client(listener);
    let read = client.try_cmd(&["GET", "whose"]);
    read.map_or_else(|_| String::new(), |reply| reply.text())
}

#[test]
fn r17_a_replica_that_is_sent_to_a_stranger_is_read_no_more() {
    let [a, b, c] = group();
    let other = stranger();
    let desk = Desk::start(&Topology::standard(&[&a, &b, &c]));
    let proxy = &desk.proxy;
    proxy.wait_eligible("redis-ro", &NODES, &["redis-2", "redis-3"]);
    let mut session = poll(SOON, "a reader at redis-2", || {
        let mut client = proxy.client("redis-ro");
        (client.try_node().ok()? == "redis-2").then_some(client)
    });
    b.replicate(&other);
    session.wait_closed("a session on data that were replaced");
    b.wait_in_sync();
    eventually(SOON, "it is foreign", || is_foreign(proxy, "redis-2"));
    let place = other.address().to_string();
    proxy.wait_log(&[
        "redis-2 serves nobody: it follows",
        &place,
        "none of this group",
    ]);
    for _ in 0..50 {
        assert_eq!(whose(proxy, "redis-ro"), "ours");
    }
    eventually(SOON, "the state says so", || {
        desk.state() == GroupState::Degraded
    });
    let status = desk.run(&["status"]);
    assert_eq!(status.code, Some(1), "{}", status.said);
    assert!(status.said.contains("another history"), "{}", status.said);
    // Alone it serves nobody either: reads fall back.
    let alone = Topology::new().node(&a).node(&b).usual_listeners().start();
    for _ in 0..20 {
        assert_eq!(whose(&alone, "redis-ro"), "ours");
    }
    b.replicate(&a);
    proxy.wait_eligible("redis-ro", &NODES, &["redis-2", "redis-3"]);
    assert!(!is_foreign(proxy, "redis-2"));
}

#[test]
fn r17_where_the_primary_is_sent_to_a_stranger_nobody_serves_until_it_is_accepted() {
    let [a, b, c] = group();
    let other = stranger();
    let desk = Desk::start(&Topology::standard(&[&a, &b, &c]));
    let proxy = &desk.proxy;
    proxy.wait_eligible("redis-ro", &NODES, &["redis-2", "redis-3"]);
    a.replicate(&other);
    for name in NODES {
        eventually(SOON, "all are foreign", || is_foreign(proxy, name));
    }
    proxy.wait_log(&[
        "redis-1 is no longer primary",
        "it follows",
        &other.address().to_string(),
    ]);
    let mut parked: Vec<Client> = (0..4).map(|_| proxy.client("redis-ro")).collect();
    for client in &mut parked {
        client.send(b"GET whose\r\n").expect("send");
    }
    proxy.wait_metric("rolecall_listener_parked", &[("listener", "redis-ro")], 4.0);
    let status = desk.run(&["status"]).said;
    assert!(status.contains("--accept-history"), "{status}");
    // Promoted, with replicas that vote for it: not either, until it is accepted.
    a.promote();
    throughout(Duration::from_secs(2), "nobody is elected", || {
        proxy.is("rolecall_group_primary", &[("node", "redis-1")], 0.0)
    });
    let refused = desk.run(&["maintenance", "redis-1", "--accept-history"]);
    assert_eq!(refused.code, Some(2), "it goes with ready");
    let accepted = desk.run(&["ready", "redis-1", "--accept-history"]);
    assert_eq!(accepted.code, Some(0), "{}", accepted.said);
    for client in &mut parked {
        assert_eq!(client.read_reply().expect("a reply").text(), "theirs");
    }
    proxy.wait_primary("redis-1");
    let events = desk.run(&["events"]).said;
    assert!(
        events.contains("accepts the history of redis-1"),
        "{events}"
    );
    let again = desk.run(&["ready", "redis-1", "--accept-history"]);
    assert_eq!(again.code, Some(1), "{}", again.said);
}

#[test]
fn r17_an_address_of_another_groups_replica_is_not_elected_though_our_sentinels_promote_it() {
    let [mut a, mut b, mut c] = group();
    let other = stranger();
    let all = sentinels(3, &a, 2);
    let proxy = with_sentinels(&[&a, &b, &c], &all)
        .group("claim_hold: 1s")
        .start();
    proxy.wait_primary("redis-1");
    proxy.wait_eligible("redis-ro", &NODES, &["redis-2", "redis-3"]);
    let address = b.address();
    c.kill9();
    b.kill9();
    let taken = RedisNode::builder("redis-taken")
        .at(address)
        .replica_of(other.address())
        .start();
    taken.wait_in_sync();
    eventually(SOON, "the node is foreign", || {
        is_foreign(&proxy, "redis-2")
    });
    // Before the Sentinels correct it, the primary dies, and nobody else is left to promote.
    a.kill9();
    eventually(SOON, "it is promoted", || taken.role() == "master");
    let mut waiting = proxy.client("redis-rw");
    waiting.send(b"SET whose mixed\r\n").expect("send");
    throughout(Duration::from_secs(4), "it is not elected", || {
        proxy.is("rolecall_group_primary", &[("node", "redis-2")], 0.0)
    });
    assert_eq!(taken.must(&["GET", "whose"]).text(), "theirs");
}

fn with_sentinels(nodes: &[&RedisNode], all: &[Sentinel]) -> Topology {
    let quoted: Vec<String> = all.iter().map(|s| format!("\"{}\"", s.address())).collect();
    Topology::standard(nodes).group(&format!(
        "sentinel: {{ name: {MASTER_NAME}, addresses: [{}], discover: true }}",
        quoted.join(", ")
    ))
}

#[test]
fn r17_chains_through_nodes_that_are_not_configured_stay_possible() {
    let [a, b, c] = group();
    let middle = RedisNode::replica("middle", &b);
    c.replicate(&middle);
    c.wait_in_sync();
    let proxy = Topology::standard(&[&a, &c]).start();
    proxy.wait_eligible("redis-ro", &["redis-1", "redis-3"], &["redis-3"]);
    assert!(!is_foreign(&proxy, "redis-3"));
    // Also through a promotion at the far end.
    let far = Topology::standard(&[&a, &b, &c]).start();
    far.wait_primary("redis-1");
    b.promote();
    far.wait_primary("redis-2");
    far.wait_eligible("redis-ro", &NODES, &["redis-3"]);
}

#[test]
fn a_node_that_follows_itself_says_so() {
    let [a, b, c] = group();
    let proxy = Topology::standard(&[&a, &b, &c]).start();
    proxy.wait_primary("redis-1");
    b.replicate(&b);
    proxy.wait_log(&["redis-2 serves nobody: it follows itself"]);
}
