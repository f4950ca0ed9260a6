//! Role changes made by hand on living nodes: who gets the writes, and what happens to the sessions.

#[cfg(test)]
#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use common::client::Client;
use common::net::free_address;
use common::redis::{RedisNode, redis_group};
use common::topology::Topology;
use common::traffic::Traffic;
use common::{SOON, eventually, throughout};
use std::time::{Duration, Instant};

const NODES: [&str; 3] = ["redis-1", "redis-2", "redis-3"];

fn counter(node: &RedisNode) -> String {
    node.must(&["GET", "counter"]).text()
}

#[test]
fn r7_demotion_closes_every_write_session_and_no_later_write_gets_through() {
    // It would take writes as a replica too: nothing but the proxy protects it.
    let a = RedisNode::builder("redis-1")
        .option("replica-read-only", "no")
        .start();
    let b = RedisNode::replica("redis-2", &a);
    // Readers come to the primary by one fallback and by two.
    let proxy = Topology::new()
        .node(&a)
        .node(&b)
        .node_at("gone", &free_address().to_string())
        .local_at("local-gone", free_address())
        .listener("redis-rw", "read-write", "park: { timeout: 60s }")
        .listener("redis-ro", "read-only", "nodes: [gone], fallback: redis-rw")
        .listener("redis-local-ro", "local-read-only", "fallback: redis-ro")
        .start();
    proxy.wait_primary("redis-1");
    let listeners = [("redis-rw", 20), ("redis-ro", 5), ("redis-local-ro", 5)];
    let mut sessions: Vec<Client> = Vec::new();
    for (listener, count) in listeners {
        for _ in 0..count {
            let mut client = proxy.client(listener);
            client.cmd(&["INCR", "counter"]);
            sessions.push(client);
        }
    }
    assert_eq!(counter(&a), "30");

    let demoted = Instant::now();
    a.replicate_address(free_address());
    for session in &mut sessions {
        session.wait_closed("a write session on the demoted node is closed");
    }
    println!("closed {:?} after the demotion", demoted.elapsed());
    for (listener, count) in listeners {
        let labels = [("listener", listener), ("reason", "demoted")];
        let closed = proxy.count("rolecall_sessions_closed_total", &labels);
        assert_eq!(closed, count, "{listener}");
    }

    // Who comes now waits, by whichever listener, and what it sends does not reach the old primary.
    let mut waiting: Vec<Client> = Vec::new();
    for (listener, _) in listeners {
        let mut client = proxy.client(listener);
        client.send(b"INCR counter\r\n").expect("send");
        waiting.push(client);
    }
    proxy.wait_metric("rolecall_listener_parked", &[], 3.0);
    throughout(
        Duration::from_secs(1),
        "nothing is written at redis-1",
        || counter(&a) == "30",
    );

    b.promote();
    for client in &mut waiting {
        client.read_reply().expect("a reply after the promotion");
        assert_eq!(client.node(), "redis-2");
    }
    assert_eq!((counter(&a), counter(&b)), ("30".into(), "33".into()));
}

#[test]
fn r11_a_demotion_is_known_at_the_first_refused_write() {
    let [a, b] = redis_group(["redis-1", "redis-2"]);
    // Without that alarm the next check would be a minute away.
    let proxy = Topology::standard(&[&a, &b])
        .group("check: { interval: 60s, fast_interval: 50ms, timeout: 4s, fall: 6, rise: 2 }")
        .start();
    proxy.wait_primary("redis-1");
    let mut writer = proxy.client("redis-rw");
    assert!(writer.cmd(&["SET", "key", "1"]).is_ok());
    proxy.wait_eligible("redis-ro", &["redis-2"], &["redis-2"]);

    // Not by CLIENT KILL, so that the check connection stays: REPLICAOF closes no client.
    a.replicate_address(free_address());
    let refused = writer.try_cmd(&["SET", "key", "2"]);
    if let Ok(reply) = refused {
        let error = reply.error().map(str::to_owned);
        assert!(
            error.is_some_and(|e| e.starts_with("READONLY")),
            "{reply:?}"
        );
    }
    writer.wait_closed("the session of the refused writer is closed");
}

#[test]
fn r3_promotion_of_a_replica_beside_a_living_primary_moves_the_writes() {
    let [a, b, c] = redis_group(NODES);
    let proxy = Topology::standard(&[&a, &b, &c]).start();
    proxy.wait_primary("redis-1");
    proxy.wait_eligible("redis-ro", &NODES, &["redis-2", "redis-3"]);
    let mut old = proxy.client("redis-rw");
    assert_eq!(old.node(), "redis-1");
    let mut readers: Vec<Client> = (0..4).map(|_| proxy.client("redis-ro")).collect();
    let nodes: Vec<String> = readers.iter_mut().map(Client::node).collect();

    let promoted = Instant::now();
    b.promote();
    proxy.wait_node_of("redis-rw", "redis-2");
    println!("writes moved {:?} after the promotion", promoted.elapsed());
    old.wait_closed("the session on the old primary is closed");

    // redis-1 goes on claiming, and redis-3 goes on following it: old votes, which count no more.
    let traffic = Traffic::writers(proxy.listener("redis-rw"), 4);
    traffic.wait_more(500);
    let held = Duration::from_secs(2);
    throughout(held, "writes stay at redis-2", || {
        proxy.node_of("redis-rw") == "redis-2"
    });
    let tally = traffic.finish();
    assert!(
        tally.errors.is_empty() && tally.refused.is_empty(),
        "{tally:?}"
    );
    assert!(tally.broken.is_empty(), "{:?}", tally.broken);
    assert_eq!(
        a.must(&["DBSIZE"]).text(),
        "0",
        "no write at the old primary"
    );
    proxy.wait_metric("rolecall_group_claimants", &[], 2.0);

    for (reader, node) in readers.iter_mut().zip(nodes) {
        assert_eq!(reader.node(), node, "R16: read sessions stay");
    }

    a.replicate(&b);
    c.replicate(&b);
    proxy.wait_eligible("redis-ro", &NODES, &["redis-1", "redis-3"]);
}

#[test]
fn r16_a_read_session_on_the_promoted_replica_stays_and_stays_when_it_is_demoted_again() {
    let [a, b] = redis_group(["redis-1", "redis-2"]);
    let proxy = Topology::standard(&[&a, &b]).start();
    proxy.wait_node_of("redis-ro", "redis-2");
    let mut reader = proxy.client("redis-ro");
    assert_eq!(reader.node(), "redis-2");
    b.promote();
    proxy.wait_primary("redis-2");
    a.replicate(&b);
    a.wait_in_sync();
    proxy.wait_node_of("redis-ro", "redis-1");
    assert_eq!(reader.node(), "redis-2", "reads are right there");
}

#[test]
fn r3_a_replica_that_links_again_to_the_restarted_ancestor_is_no_new_vote() {
    let [mut a, b, c] = redis_group(NODES);
    let proxy = Topology::standard(&[&a, &b, &c]).start();
    proxy.wait_primary("redis-1");
    // It comes back with its data and its history, so that it does not look like a new node (R5).
    a.must(&["SET", "old", "x"]);
    b.wait_caught_up(&a);
    eventually(SOON, "the data is on the disk", || a.cmd(&["SAVE"]).is_ok());
    a.kill9();
    b.promote();
    proxy.wait_primary("redis-2");
    // redis-3 was told nothing yet: its link comes back as soon as redis-1 does.
    a.restart();
    c.wait_in_sync();
    proxy.wait_metric("rolecall_group_claimants", &[], 2.0);
    let traffic = Traffic::writers(proxy.listener("redis-rw"), 2);
    throughout(Duration::from_secs(2), "writes stay at redis-2", || {
        proxy.node_of("redis-rw") == "redis-2"
    });
    let tally = traffic.finish();
    let keys = a.must(&["DBSIZE"]).text();
    assert_eq!(keys, "1", "no new write at the ancestor");
    assert!(
        tally.broken.is_empty() && tally.errors.is_empty(),
        "{tally:?}"
    );
}

#[test]
fn r2_writes_follow_the_role_round_and_round() {
    let nodes = redis_group(NODES);
    let all: Vec<&RedisNode> = nodes.iter().collect();
    let proxy = Topology::standard(&all).start();
    proxy.wait_primary("redis-1");
    for round in 1..=6 {
        let (old, new) = (all[(round - 1) % 3], all[round % 3]);
        let bystander = all[(round + 1) % 3];
        new.promote();
        proxy.wait_primary(new.name());
        old.replicate(new);
        bystander.replicate(new);
        let key = format!("round-{round}");
        let mut writer = proxy.client("redis-rw");
        assert!(writer.cmd(&["SET", &key, "x"]).is_ok());
        assert_eq!(writer.node(), new.name());
        old.wait_in_sync();
        bystander.wait_in_sync();
        old.wait_caught_up(new);
        bystander.wait_caught_up(new);
        let readers = [old.name(), bystander.name()];
        proxy.wait_eligible("redis-ro", &NODES, &readers);
    }
    for node in &all {
        assert_eq!(node.must(&["DBSIZE"]).text(), "6", "{}", node.name());
    }
}

#[test]
fn r3_a_handover_command_moves_the_writes_without_an_error() {
    let [a, b] = redis_group(["redis-1", "redis-2"]);
    if !a
        .must(&["INFO", "replication"])
        .text()
        .contains("master_failover_state")
    {
        println!("FAILOVER needs Redis 6.2");
        return;
    }
    let proxy = Topology::standard(&[&a, &b]).start();
    proxy.wait_primary("redis-1");
    let mut session = proxy.client("redis-rw");
    assert!(session.cmd(&["SET", "before", "1"]).is_ok());
    a.must(&["FAILOVER"]);
    proxy.wait_primary("redis-2");
    session.wait_closed("the session on the old primary is closed");
    let mut after = proxy.client("redis-rw");
    assert!(after.cmd(&["SET", "after", "1"]).is_ok());
    assert_eq!(after.node(), "redis-2");
    eventually(SOON, "both writes are on both nodes", || {
        [&a, &b]
            .iter()
            .all(|node| node.must(&["DBSIZE"]).text() == "2")
    });
}
