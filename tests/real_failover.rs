//! The primary dies: reads go on, writes wait and go through, and nobody is refused.

#[cfg(test)]
#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use common::redis::redis_group;
use common::sentinel::sentinels;
use common::topology::Topology;
use common::traffic::Traffic;
use common::{SOON, eventually, poll, throughout};
use std::time::{Duration, Instant};

const NODES: [&str; 3] = ["redis-1", "redis-2", "redis-3"];

#[test]
fn r9_r13_reads_go_on_and_writes_wait_until_a_promotion_without_one_refusal() {
    let [mut a, b, c] = redis_group(NODES);
    let proxy = Topology::standard(&[&a, &b, &c]).start();
    proxy.wait_primary("redis-1");
    proxy.wait_eligible("redis-ro", &NODES, &["redis-2", "redis-3"]);
    let readers = Traffic::readers(proxy.listener("redis-ro"), 4);
    readers.wait_more(100);

    a.kill9();
    let writers = Traffic::writers(proxy.listener("redis-rw"), 4);
    let in_lot = [("listener", "redis-rw")];
    proxy.wait_metric("rolecall_listener_parked", &in_lot, 4.0);
    proxy.wait_eligible("redis-rw", &["redis-1", "redis-2"], &[]);
    throughout(Duration::from_secs(1), "the replicas stay eligible", || {
        let labels = [("listener", "redis-ro")];
        proxy.count("rolecall_node_eligible", &labels) == 2
    });
    readers.wait_more(200);

    let promoted = Instant::now();
    b.promote();
    writers.wait_more(1);
    let served = promoted.elapsed();
    println!("first write served {served:?} after the promotion, by roles alone");
    assert!(served < Duration::from_secs(5), "{served:?}");
    c.replicate(&b);
    writers.wait_more(500);
    readers.wait_more(200);

    let (written, read) = (writers.finish(), readers.finish());
    for tally in [&written, &read] {
        assert!(tally.refused.is_empty(), "{:?}", tally.refused);
        assert!(tally.errors.is_empty(), "{:?}", tally.errors);
        assert!(tally.broken.is_empty(), "{:?}", tally.broken);
    }
    for key in &written.acknowledged {
        assert_eq!(b.must(&["EXISTS", key]).text(), "1", "{key} is lost");
    }
    let waits = proxy
        .metrics()
        .count("rolecall_park_wait_seconds_count", &in_lot);
    assert!(waits >= 4, "{waits} waits were measured");
}

#[test]
fn sessions_at_a_dying_primary_end_and_the_next_ones_wait() {
    let [mut a, b] = redis_group(["redis-1", "redis-2"]);
    let proxy = Topology::standard(&[&a, &b]).start();
    proxy.wait_primary("redis-1");
    let mut sessions: Vec<_> = (0..10).map(|_| proxy.client("redis-rw")).collect();
    for session in &mut sessions {
        assert_eq!(session.node(), "redis-1");
    }
    a.kill9();
    for session in &mut sessions {
        session.wait_closed("a session ends with its node");
    }
    let mut next = proxy.client("redis-rw");
    next.send(b"SET key value\r\n").expect("send");
    proxy.wait_metric("rolecall_listener_parked", &[("listener", "redis-rw")], 1.0);
    b.promote();
    assert!(next.read_reply().expect("a reply").is_ok());
    assert_eq!(b.must(&["GET", "key"]).text(), "value");
}

#[test]
fn r9_without_a_primary_replicas_serve_reads_for_stale_reads_only() {
    let [mut a, b] = redis_group(["redis-1", "redis-2"]);
    let proxy = Topology::new()
        .node(&a)
        .node(&b)
        .group("stale_reads: 3s")
        .group("claim_hold: 500ms")
        .listener("redis-ro", "read-only", "park: { timeout: 1s }")
        .start();
    proxy.wait_eligible("redis-ro", &["redis-2"], &["redis-2"]);
    a.kill9();
    proxy.wait_metric("rolecall_node_up", &[("node", "redis-1")], 0.0);
    proxy.wait_eligible("redis-ro", &["redis-2"], &["redis-2"]);
    assert_eq!(proxy.node_of("redis-ro"), "redis-2");
    proxy.wait_eligible("redis-ro", &["redis-2"], &[]);
    let reply = proxy.client("redis-ro").cmd(&["GET", "any"]);
    assert!(
        reply
            .error()
            .is_some_and(|e| e.starts_with("MASTERDOWN rolecall")),
        "{reply:?}"
    );
    let down: u64 = b
        .info("replication", "master_link_down_since_seconds")
        .parse()
        .expect("seconds");
    assert!(
        down >= 2,
        "it was taken out {down} s after its link went down"
    );
}

#[test]
fn r9_a_link_that_went_down_before_the_proxy_started_is_as_old_as_it_is() {
    let [mut a, b] = redis_group(["redis-1", "redis-2"]);
    a.kill9();
    eventually(
        SOON,
        "its link has been down for longer than stale_reads",
        || {
            let down = b.info("replication", "master_link_down_since_seconds");
            down.parse::<i64>().is_ok_and(|seconds| seconds >= 2)
        },
    );
    let proxy = Topology::new()
        .node(&a)
        .node(&b)
        .group("stale_reads: 1s")
        .group("claim_hold: 500ms")
        .listener("redis-ro", "read-only", "park: { timeout: 600ms }")
        .start();
    let reply = proxy.client("redis-ro").cmd(&["GET", "any"]);
    assert!(
        reply
            .error()
            .is_some_and(|e| e.starts_with("MASTERDOWN rolecall")),
        "{reply:?}"
    );
    let outcomes = [("node", "redis-2"), ("outcome", "answered")];
    proxy.wait_at_least("rolecall_checks_total", &outcomes, 1);
}

#[test]
fn r7_a_primary_that_is_silent_for_two_seconds_keeps_its_sessions_and_its_role() {
    let [a, b] = redis_group(["redis-1", "redis-2"]);
    let proxy = Topology::standard(&[&a, &b]).start();
    proxy.wait_primary("redis-1");
    let mut sessions: Vec<_> = (0..10).map(|_| proxy.client("redis-rw")).collect();
    for session in &mut sessions {
        assert!(session.cmd(&["INCR", "counter"]).error().is_none());
    }
    let changes = proxy.count("rolecall_group_primary_changes_total", &[]);

    a.stop();
    throughout(Duration::from_secs(2), "no session is cut", || {
        sessions.iter_mut().all(|session| !session.is_closed())
    });
    let labels = [("node", "redis-1"), ("outcome", "timed_out")];
    proxy.wait_at_least("rolecall_checks_total", &labels, 1);
    a.cont();

    for session in &mut sessions {
        assert!(session.cmd(&["INCR", "counter"]).error().is_none());
    }
    assert_eq!(a.must(&["GET", "counter"]).text(), "20");
    assert_eq!(proxy.node_of("redis-rw"), "redis-1");
    assert_eq!(
        proxy.count("rolecall_group_primary_changes_total", &[]),
        changes
    );
    assert_eq!(
        proxy.count("rolecall_sessions_closed_total", &[("reason", "demoted")]),
        0
    );
}

#[test]
fn r3_r7_a_silent_primary_loses_its_sessions_when_another_is_elected_and_stays_out() {
    let [a, b, c] = redis_group(NODES);
    let proxy = Topology::standard(&[&a, &b, &c]).start();
    proxy.wait_primary("redis-1");
    let mut session = proxy.client("redis-rw");
    assert!(session.cmd(&["SET", "key", "1"]).is_ok());
    a.stop();
    b.promote();
    c.replicate(&b);
    proxy.wait_primary("redis-2");
    session.wait_closed("the session on the silent primary is closed");
    a.cont();
    proxy.wait_metric("rolecall_group_claimants", &[], 2.0);
    throughout(Duration::from_secs(1), "writes stay at redis-2", || {
        proxy.node_of("redis-rw") == "redis-2"
    });
}

#[test]
fn a_failover_by_sentinels_from_crash_to_the_old_primarys_return() {
    let [mut a, b, c] = redis_group(NODES);
    let _sentinels = sentinels(3, &a, 2);
    // Sentinels sometimes need a second attempt.
    let proxy = Topology::new()
        .node(&a)
        .node(&b)
        .node(&c)
        .listener("redis-rw", "read-write", "park: { timeout: 60s }")
        .listener("redis-ro", "read-only", "fallback: redis-rw")
        .start();
    proxy.wait_primary("redis-1");
    let readers = Traffic::readers(proxy.listener("redis-ro"), 2);

    a.kill9();
    let writers = Traffic::writers(proxy.listener("redis-rw"), 4);
    let (promoted, seen) = poll(SOON, "the Sentinels promote somebody", || {
        [&b, &c]
            .into_iter()
            .find(|node| node.role() == "master")
            .map(|n| (n, Instant::now()))
    });
    writers.wait_more(1);
    println!(
        "first write served {:?} after the promotion was seen",
        seen.elapsed()
    );
    proxy.wait_primary(promoted.name());
    let changes = proxy.count("rolecall_group_primary_changes_total", &[]);

    a.restart();
    assert_eq!(a.role(), "master", "it does not know better yet");
    eventually(SOON, "the Sentinels demote the old primary", || {
        a.role() == "slave"
    });
    a.wait_in_sync();
    writers.wait_more(300);
    let (written, read) = (writers.finish(), readers.finish());
    for tally in [&written, &read] {
        assert!(tally.refused.is_empty(), "{:?}", tally.refused);
        assert!(tally.errors.is_empty(), "{:?}", tally.errors);
    }
    let lost: Vec<_> = written
        .acknowledged
        .iter()
        .filter(|key| promoted.must(&["EXISTS", key]).text() == "0")
        .collect();
    assert!(
        lost.is_empty(),
        "{} of {} writes were acknowledged and are lost",
        lost.len(),
        written.acknowledged.len()
    );
    assert!(written.broken.is_empty(), "{:?}", written.broken);
    assert_eq!(
        proxy.count("rolecall_group_primary_changes_total", &[]),
        changes
    );
    let others: Vec<&str> = NODES
        .into_iter()
        .filter(|n| *n != promoted.name())
        .collect();
    proxy.wait_eligible("redis-ro", &NODES, &others);
}

#[test]
fn a_planned_failover_by_a_sentinel_refuses_nobody() {
    let [a, b, c] = redis_group(NODES);
    let sentinels = sentinels(3, &a, 2);
    let proxy = Topology::standard(&[&a, &b, &c]).start();
    proxy.wait_primary("redis-1");
    let writers = Traffic::writers(proxy.listener("redis-rw"), 4);
    writers.wait_more(100);
    sentinels[0].failover();
    eventually(SOON, "the writes have moved", || {
        let metrics = proxy.metrics();
        metrics.count("rolecall_group_primary", &[]) == 1
            && metrics.count("rolecall_group_primary", &[("node", "redis-1")]) == 0
    });
    eventually(SOON, "the old primary is a replica", || a.role() == "slave");
    writers.wait_more(300);
    let tally = writers.finish();
    assert!(tally.refused.is_empty(), "{:?}", tally.refused);
    println!(
        "{} writes, {} sessions cut, {} errors: {:?}",
        tally.acknowledged.len(),
        tally.broken.len(),
        tally.errors.len(),
        tally.errors.first()
    );
    let node = proxy.node_of("redis-rw");
    assert_ne!(node, "redis-1");
    let others: Vec<&str> = NODES.into_iter().filter(|n| *n != node).collect();
    proxy.wait_eligible("redis-ro", &NODES, &others);
}
