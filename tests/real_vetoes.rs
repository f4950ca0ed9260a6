//! R9, R18 and R19 on real servers: what Sentinels say against an election, a new primary without replicas, and
//! reads while the primary loads.

#[cfg(test)]
#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use std::time::Duration;

use common::desk::Desk;
use common::redis::{RedisNode, redis_group, redis_group_with};
use common::sentinel::{MASTER_NAME, Sentinel, sentinels};
use common::topology::Topology;
use common::traffic::Traffic;
use common::{SOON, eventually, throughout};
use rolecall::api::GroupState;

const NODES: [&str; 3] = ["redis-1", "redis-2", "redis-3"];

fn with_sentinels(nodes: &[&RedisNode], all: &[Sentinel]) -> Topology {
    let quoted: Vec<String> = all.iter().map(|s| format!("\"{}\"", s.address())).collect();
    Topology::standard(nodes).group(&format!(
        "sentinel: {{ name: {MASTER_NAME}, addresses: [{}] }}",
        quoted.join(", ")
    ))
}

#[test]
fn r18_sentinels_that_name_a_dead_stranger_veto_for_a_while_only() {
    let mut dead = RedisNode::primary("dead");
    let all = sentinels(3, &dead, 0);
    dead.kill9();
    for sentinel in &all {
        eventually(SOON, "it is down for each Sentinel", || {
            sentinel.field("flags").contains("s_down")
        });
    }
    let a = RedisNode::primary("redis-1");
    a.must(&["SET", "key", "1"]);
    let b = RedisNode::builder("redis-2")
        .replica_of(dead.address())
        .start();
    let proxy = with_sentinels(&[&a, &b], &all)
        .group("claim_hold: 1s")
        .start_unready();
    throughout(Duration::from_secs(2), "they veto", || {
        !proxy.log().contains("is elected primary")
    });
    proxy.wait_primary("redis-1");
    proxy.wait_log(&["redis-1 is elected primary", "(R3.4)"]);
}

#[test]
fn r18_what_the_sentinels_will_undo_is_told_before_they_do() {
    let [a, b, c] = redis_group(NODES);
    let all = sentinels(3, &a, 2);
    let desk = Desk::start(&with_sentinels(&[&a, &b, &c], &all));
    let proxy = &desk.proxy;
    // Held, so that they undo nothing while it is looked at.
    for sentinel in &all {
        sentinel.cmd(&["SENTINEL", "DEBUG", "publish-period", "60000"]);
    }
    b.promote();
    proxy.wait_primary("redis-2");
    let named = a.address().to_string();
    proxy.wait_log(&[
        "3 of 3 Sentinels name",
        &named,
        "not redis-2, which was elected",
    ]);
    proxy.wait_metric("rolecall_group_dissenting_sentinels", &[], 3.0);
    assert_eq!(desk.state(), GroupState::Conflict);
    let status = desk.run(&["status", "--json"]).said;
    assert!(status.contains("Sentinels name"), "{status}");
    let seconds = || {
        proxy
            .metrics()
            .find("rolecall_group_dissent_seconds_total", &[])
    };
    eventually(SOON, "the time is counted", || seconds() > Some(0.0));
}

#[test]
fn r19_writers_wait_for_the_replicas_of_a_new_primary() {
    let minimum = [
        ("min-replicas-to-write", "1"),
        ("min-replicas-max-lag", "10"),
    ];
    let [a, b, c] = redis_group_with(NODES, &minimum);
    let desk = Desk::start(&Topology::standard(&[&a, &b, &c]));
    let proxy = &desk.proxy;
    proxy.wait_eligible("redis-ro", &NODES, &["redis-2", "redis-3"]);
    eventually(SOON, "it takes writes", || {
        a.cmd(&["SET", "key", "1"]).is_ok()
    });
    b.promote();
    proxy.wait_primary("redis-2");
    let traffic = Traffic::writers(proxy.listener("redis-rw"), 4);
    proxy.wait_metric("rolecall_listener_parked", &[("listener", "redis-rw")], 4.0);
    c.replicate(&b);
    traffic.wait_more(100);
    let tally = traffic.finish();
    assert!(
        tally.errors.is_empty() && tally.broken.is_empty(),
        "{tally:?}"
    );
    // Later it is shown, and no more.
    c.replicate(&a);
    eventually(SOON, "writes are refused", || {
        b.cmd(&["SET", "key", "2"])
            .error()
            .is_some_and(|said| said.starts_with("NOREPLICAS"))
    });
    proxy.wait_log(&["-NOREPLICAS"]);
    a.replicate(&c);
    eventually(SOON, "the state says so", || {
        let state = desk.state();
        state == GroupState::Degraded || state == GroupState::Conflict
    });
    eventually(SOON, "the status says why", || {
        desk.run(&["status", "--json"]).said.contains("NOREPLICAS")
    });
    let refused = proxy.client("redis-rw").cmd(&["SET", "key", "3"]);
    assert!(
        refused
            .error()
            .is_some_and(|said| said.starts_with("NOREPLICAS")),
        "{refused:?}"
    );
}

#[test]
fn r9_reads_outlive_stale_reads_while_the_primary_loads() {
    let [mut a, b, c] = redis_group(NODES);
    for key in 0..400 {
        a.must(&["SET", &format!("key-{key}"), &"x".repeat(2000)]);
    }
    let proxy = Topology::standard(&[&a, &b, &c])
        .group("stale_reads: 1s")
        .group("claim_hold: 9s")
        .start();
    proxy.wait_primary("redis-1");
    proxy.wait_eligible("redis-ro", &NODES, &["redis-2", "redis-3"]);
    b.wait_caught_up(&a);
    let mut session = proxy.client("redis-ro");
    session.node();
    a.save();
    // Five seconds: 12.5 ms a key.
    a.restart_with(&[
        ("key-load-delay", "12500"),
        ("loading-process-events-interval-bytes", "1024"),
    ]);
    proxy.wait_log(&["redis-1 serves nobody: it is loading its data from disk"]);
    let readers = Traffic::readers(proxy.listener("redis-ro"), 2);
    eventually(SOON, "it is loaded and elected", || {
        proxy.log().matches("redis-1 is elected primary").count() == 2
    });
    proxy.wait_eligible("redis-ro", &NODES, &["redis-2", "redis-3"]);
    let tally = readers.finish();
    assert!(
        tally.errors.is_empty() && tally.broken.is_empty(),
        "{tally:?}"
    );
    assert!(
        !session.is_closed(),
        "an old reader is not cut when the primary is back"
    );
}
