//! The first seconds: nobody is routed before the roles are known, and who is primary when several claim it.

#[cfg(test)]
#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use common::SOON;
use common::fake::{Answers, FakeNode};
use common::net::free_address;
use common::redis::{RedisNode, redis_group};
use common::topology::Topology;
use common::traffic::Traffic;
use common::{eventually, throughout};
use std::time::Duration;

const NODES: [&str; 3] = ["redis-1", "redis-2", "redis-3"];

#[test]
fn r1_not_one_early_connection_lands_on_a_wrong_node() {
    let [a, b, c] = redis_group(NODES);
    for _ in 0..5 {
        let (rw, ro) = (free_address(), free_address());
        // The clients knock before the proxy is there.
        let writers = Traffic::writers(rw, 4);
        let readers = Traffic::readers(ro, 4);
        let proxy = Topology::new()
            .node(&b)
            .node(&c)
            .node(&a)
            .listener_at("redis-rw", rw, "read-write", "")
            .listener_at("redis-ro", ro, "read-only", "")
            .spawn();
        writers.wait_more(200);
        readers.wait_more(200);
        let (written, read) = (writers.finish(), readers.finish());
        for tally in [&written, &read] {
            assert!(tally.errors.is_empty(), "{:?}", tally.errors);
            assert!(tally.refused.is_empty(), "{:?}", tally.refused);
            assert!(tally.broken.is_empty(), "{:?}", tally.broken);
        }
        assert!(written.acknowledged.len() >= 200);
        let strange: Vec<_> = read
            .nodes
            .iter()
            .filter(|node| *node == "redis-1")
            .collect();
        assert!(strange.is_empty(), "{} reads at the primary", strange.len());
        drop(proxy);
    }
}

#[test]
fn r1_a_node_that_never_answers_serves_nobody() {
    let [a, b] = redis_group(["redis-1", "redis-2"]);
    let silent = FakeNode::start(Answers::Silence);
    let proxy = Topology::new()
        .node_at("redis-0", &silent.address().to_string())
        .node(&a)
        .node(&b)
        .listener("redis-rw", "read-write", "")
        .listener("redis-ro", "read-only", "")
        .spawn();
    let traffic = Traffic::readers(proxy.listener("redis-ro"), 4);
    traffic.wait_more(300);
    let tally = traffic.finish();
    assert!(tally.nodes.iter().all(|node| node == "redis-2"));
    assert_eq!((tally.errors.len(), tally.broken.len()), (0, 0));
    assert_eq!(
        proxy.node_of("redis-rw"),
        "redis-1",
        "the vote of redis-2 is enough"
    );
}

#[test]
fn r4_two_claimants_from_the_start_a_replicas_vote_decides() {
    let pretender = RedisNode::primary("pretender");
    let [a, b] = redis_group(["redis-1", "redis-2"]);
    let proxy = Topology::standard(&[&pretender, &a, &b]).start();
    let traffic = Traffic::writers(proxy.listener("redis-rw"), 4);
    traffic.wait_more(300);
    let tally = traffic.finish();
    assert!(
        tally.errors.is_empty() && tally.broken.is_empty(),
        "{tally:?}"
    );
    assert_eq!(proxy.node_of("redis-rw"), "redis-1");
    proxy.wait_metric("rolecall_group_claimants", &[], 2.0);
    assert_eq!(
        pretender.must(&["DBSIZE"]).text(),
        "0",
        "no write went astray"
    );
    assert_eq!(
        proxy.count("rolecall_group_primary", &[]),
        1,
        "R2: one at most"
    );
}

#[test]
fn r4_two_claimants_without_evidence_nobody_is_elected_and_it_is_told_why() {
    let (a, b) = (RedisNode::primary("redis-1"), RedisNode::primary("redis-2"));
    let proxy = Topology::new()
        .node(&a)
        .node(&b)
        .group("claim_hold: 500ms")
        .listener("redis-rw", "read-write", "park: { timeout: 2s, max: 100 }")
        .start();
    let mut first = proxy.client("redis-rw");
    first.send(b"SET key value\r\n").expect("send");
    proxy.wait_metric("rolecall_listener_parked", &[("listener", "redis-rw")], 1.0);

    let reply = first.read_reply().expect("an error line, not a reset");
    let text = reply.error().unwrap_or_else(|| panic!("{reply:?}"));
    assert!(text.starts_with("MASTERDOWN rolecall: "), "{text}");
    assert!(
        text.contains("redis-1") && text.contains("redis-2"),
        "{text}"
    );
    first.wait_closed("the proxy closes after the error line");

    for node in [&a, &b] {
        assert_eq!(node.must(&["DBSIZE"]).text(), "0", "{}", node.name());
    }
    let labels = [("listener", "redis-rw"), ("reason", "park_timeout")];
    proxy.wait_metric("rolecall_sessions_closed_total", &labels, 1.0);
    proxy.wait_metric("rolecall_listener_rejected_total", &labels, 1.0);
    proxy.wait_log(&[r#"group="main" node="-""#, r#"reason="park_timeout""#]);
    assert_eq!(proxy.count("rolecall_group_primary", &[]), 0);

    // The evidence comes: one of them becomes the other's replica.
    let mut second = proxy.client("redis-rw");
    b.replicate(&a);
    assert!(second.cmd(&["SET", "key", "value"]).is_ok());
    assert_eq!(second.node(), "redis-1");
}

#[test]
fn r13_the_lot_has_an_end() {
    let (a, b) = (RedisNode::primary("redis-1"), RedisNode::primary("redis-2"));
    let proxy = Topology::new()
        .node(&a)
        .node(&b)
        .listener("redis-rw", "read-write", "park: { timeout: 60s, max: 3 }")
        .start();
    let labels = [("listener", "redis-rw")];
    let parked: Vec<_> = (0..3).map(|_| proxy.client("redis-rw")).collect();
    proxy.wait_metric("rolecall_listener_parked", &labels, 3.0);
    let mut fourth = proxy.client("redis-rw");
    let reply = fourth.cmd(&["PING"]);
    assert!(
        reply
            .error()
            .is_some_and(|e| e.starts_with("MASTERDOWN rolecall")),
        "{reply:?}"
    );

    b.replicate(&a);
    for mut client in parked {
        assert_eq!(client.node(), "redis-1", "the parked ones are served");
    }
    proxy.wait_metric("rolecall_listener_parked", &labels, 0.0);
}

#[test]
fn r3_an_old_primary_that_comes_back_claiming_it_gets_no_write() {
    let [mut a, b, c] = redis_group(NODES);
    let proxy = Topology::standard(&[&a, &b, &c]).start();
    proxy.wait_primary("redis-1");
    a.kill9();
    b.promote();
    c.replicate(&b);
    proxy.wait_primary("redis-2");
    let changes = proxy.count("rolecall_group_primary_changes_total", &[]);
    let mut session = proxy.client("redis-rw");
    assert_eq!(session.node(), "redis-2");

    let traffic = Traffic::writers(proxy.listener("redis-rw"), 4);
    a.restart();
    assert_eq!(a.role(), "master");
    proxy.wait_metric("rolecall_group_claimants", &[], 2.0);
    traffic.wait_more(500);
    let tally = traffic.finish();
    assert!(tally.errors.is_empty(), "{:?}", tally.errors);
    assert!(
        tally.refused.is_empty() && tally.broken.is_empty(),
        "{tally:?}"
    );
    assert_eq!(
        a.must(&["DBSIZE"]).text(),
        "0",
        "no write went to the old primary"
    );
    for key in &tally.acknowledged {
        assert_eq!(b.must(&["EXISTS", key]).text(), "1", "{key} is lost");
    }
    assert_eq!(session.node(), "redis-2", "the session was not touched");
    assert_eq!(
        proxy.count("rolecall_group_primary_changes_total", &[]),
        changes
    );

    a.replicate(&b);
    proxy.wait_eligible("redis-ro", &NODES, &["redis-1", "redis-3"]);
    proxy.wait_metric("rolecall_group_claimants", &[], 1.0);
}

#[test]
fn r3_the_hold_elects_the_only_claimant_when_the_incumbent_is_gone() {
    let mut a = RedisNode::primary("redis-1");
    let b = RedisNode::primary("redis-2");
    let proxy = Topology::new()
        .node(&a)
        .node(&b)
        .group("claim_hold: 1s")
        .listener("redis-rw", "read-write", "")
        .start();
    b.replicate(&a);
    proxy.wait_primary("redis-1");
    // b is replaced by a process without any history: it is no descendant of a.
    let at = b.address();
    drop(b);
    a.kill9();
    let b = RedisNode::builder("redis-2").at(at).start();
    proxy.wait_primary("redis-2");
    assert_eq!(proxy.node_of("redis-rw"), "redis-2");
    drop(b);
}

#[test]
fn clients_wait_for_a_group_that_is_not_up_yet() {
    let (at, ro_at) = (free_address(), free_address());
    let proxy = Topology::new()
        .node_at("redis-1", &at.to_string())
        .node_at("redis-2", &ro_at.to_string())
        .group("claim_hold: 1s")
        .listener("redis-rw", "read-write", "park: { timeout: 60s }")
        .start_unready();
    let mut early = proxy.client("redis-rw");
    early.send(b"SET early bird\r\n").expect("send");
    proxy.wait_metric("rolecall_listener_parked", &[], 1.0);
    throughout(Duration::from_secs(1), "it stays parked", || {
        !early.is_closed()
    });

    let node = RedisNode::builder("redis-1").at(at).start();
    assert!(early.read_reply().expect("a reply").is_ok());
    assert_eq!(early.node(), "redis-1");
    eventually(SOON, "the write is there", || {
        node.must(&["GET", "early"]).text() == "bird"
    });
}
