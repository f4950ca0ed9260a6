//! R3 (2) and R4 on real servers: a process that was started from a copy of another's dump shows the group's
//! `master_replid` as its `master_replid2`, and is no heir of it.

#[cfg(test)]
#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use std::time::Duration;

use common::redis::{RedisNode, redis_group};
use common::scripted::{Script, Scripted};
use common::sentinel::{MASTER_NAME, sentinels};
use common::topology::Topology;
use common::traffic::Traffic;
use common::{SOON, eventually, throughout};

const NODES: [&str; 3] = ["redis-1", "redis-2", "redis-3"];

/// A fourth node, started as a primary from a replica's dump.
fn copy_of(replica: &RedisNode) -> RedisNode {
    let dump = replica.save();
    let copy = RedisNode::builder("redis-copy").dump(dump).start();
    let branch = copy.info("replication", "master_replid2");
    assert_eq!(branch, replica.info("replication", "master_replid"));
    copy
}

fn group_with_a_copy() -> ([RedisNode; 3], RedisNode) {
    let nodes = redis_group(NODES);
    nodes[0].must(&["SET", "common", "1"]);
    nodes[1].wait_caught_up(&nodes[0]);
    let copy = copy_of(&nodes[1]);
    nodes[0].must(&["SET", "later", "1"]);
    (nodes, copy)
}

#[test]
fn r3_2_a_copy_gets_no_write_while_the_primary_is_silent_and_none_when_it_is_back() {
    let ([a, b, c], copy) = group_with_a_copy();
    let proxy = Topology::standard(&[&a, &b, &c, &copy])
        .group("check: { interval: 200ms, fast_interval: 50ms, timeout: 200ms, fall: 3, rise: 2 }")
        .start();
    proxy.wait_primary("redis-1");
    a.stop();
    proxy.wait_log(&["redis-1, the elected primary, is gone"]);
    let keys = copy.must(&["DBSIZE"]).text();
    let traffic = Traffic::writers(proxy.listener("redis-rw"), 4);
    throughout(Duration::from_secs(4), "the copy gets no write", || {
        copy.must(&["DBSIZE"]).text() == keys
    });
    a.cont();
    traffic.wait_more(200);
    let tally = traffic.finish();
    proxy.wait_primary("redis-1");
    assert!(tally.errors.is_empty(), "{tally:?}");
    for key in &tally.acknowledged {
        assert_eq!(
            a.must(&["EXISTS", key]).text(),
            "1",
            "{key} was acknowledged"
        );
    }
    assert!(tally.acknowledged.len() >= 200);
    assert_eq!(copy.must(&["DBSIZE"]).text(), keys);
    assert_eq!(proxy.count("rolecall_group_primary_changes_total", &[]), 0);
}

#[test]
fn r3_2_a_promoted_replica_wins_against_a_copy() {
    let ([mut a, b, c], copy) = group_with_a_copy();
    let proxy = Topology::standard(&[&copy, &c, &b, &a]).start();
    proxy.wait_primary("redis-1");
    a.kill9();
    throughout(Duration::from_secs(2), "nobody is elected", || {
        !proxy.log().contains("is elected primary after")
    });
    b.promote();
    proxy.wait_primary("redis-2");
    proxy.wait_log(&["redis-2 is elected primary after redis-1", "R3.2"]);
    assert_eq!(proxy.node_of("redis-rw"), "redis-2");
}

#[test]
fn r4_ten_cold_starts_beside_a_copy_elect_the_primary() {
    let ([a, b, c], copy) = group_with_a_copy();
    let all = sentinels(3, &a, 2);
    let quoted: Vec<String> = all.iter().map(|s| format!("\"{}\"", s.address())).collect();
    let watched = format!(
        "sentinel: {{ name: {MASTER_NAME}, addresses: [{}] }}",
        quoted.join(", ")
    );
    let mut order = vec![&copy, &a, &b, &c];
    for start in 0..10 {
        order.rotate_left(1);
        let mut topology = Topology::standard(&order);
        if start % 2 == 0 {
            topology = topology.group(&watched);
        }
        let proxy = topology.start();
        proxy.wait_primary("redis-1");
        assert_eq!(proxy.node_of("redis-rw"), "redis-1", "start {start}");
        let log = proxy.log();
        assert!(
            !log.contains("redis-copy is elected"),
            "start {start}: {log}"
        );
    }
}

#[test]
fn r4_in_the_middle_of_a_failover_descent_and_votes_must_agree() {
    let [a, b, c] = redis_group(NODES);
    // A stream in which nothing was sent tells no heir from a copy.
    a.must(&["SET", "early", "1"]);
    b.wait_caught_up(&a);
    c.wait_caught_up(&a);
    b.promote();
    // redis-1 still claims, and redis-3 follows it: what was promoted is known by what it received.
    let proxy = Topology::standard(&[&a, &b, &c]).start();
    throughout(Duration::from_secs(2), "nobody is elected", || {
        !proxy.log().contains("is elected primary")
    });
    c.replicate(&b);
    proxy.wait_primary("redis-2");
    proxy.wait_log(&["redis-2 is elected primary", "R3.2"]);

    // Where they do not agree, the votes decide after claim_hold.
    c.replicate(&a);
    c.wait_in_sync();
    let proxy = Topology::standard(&[&b, &c, &a])
        .group("claim_hold: 2s")
        .start();
    proxy.wait_primary("redis-1");
    proxy.wait_log(&["redis-1 is elected primary", "R3.3"]);
}

#[test]
fn r5_a_primary_that_is_back_with_less_than_it_had_says_what_it_lacks() {
    let [mut a, b, c] = redis_group(NODES);
    a.must(&["SET", "early", "1"]);
    let proxy = Topology::standard(&[&a, &b, &c]).start();
    proxy.wait_primary("redis-1");
    a.save();
    for key in 0..100 {
        a.must(&["SET", &format!("late-{key}"), "x"]);
    }
    b.wait_caught_up(&a);
    proxy.wait_metric(
        "rolecall_node_replication_lag_bytes",
        &[("node", "redis-2")],
        0.0,
    );
    a.restart();
    proxy.wait_log(&["redis-1 is elected primary", "before what another node had"]);
    assert_eq!(proxy.node_of("redis-rw"), "redis-1");

    // With nothing at all: by votes, and with a word, although the replicas linked meanwhile.
    let [mut a, b, c] = redis_group(NODES);
    a.must(&["SET", "key", "1"]);
    b.wait_caught_up(&a);
    let proxy = Topology::standard(&[&a, &b, &c]).start();
    proxy.wait_primary("redis-1");
    a.restart();
    let words = [
        "redis-1 is elected primary",
        "it holds no keys: data may have been lost",
    ];
    proxy.wait_log(&words);
    eventually(SOON, "it serves", || {
        proxy
            .client("redis-rw")
            .try_node()
            .is_ok_and(|node| node == "redis-1")
    });
}

/// A node that claims, with these lines of INFO replication and stats.
fn forger(run: &str, lines: &str, bytes: u64) -> Scripted {
    let script = Script::primary(&format!("redis_version:7.0.15\r\nrun_id:{run}"))
        .replication(&format!(
            "role:master\r\nconnected_slaves:0\r\nmaster_replid:{run}\r\n{lines}"
        ))
        .stats(&format!("total_net_repl_input_bytes:{bytes}\r\n"));
    Scripted::start(script)
}

#[test]
fn r3_2_no_forged_field_brings_a_write_to_a_node_that_nobody_follows() {
    let [a, b, c] = redis_group(NODES);
    a.must(&["SET", "key", "1"]);
    let history = a.info("replication", "master_replid");
    let zeros = "0".repeat(40);
    let most = u64::MAX;
    let forgers = [
        forger(
            "heir",
            &format!(
                "master_replid2:{history}\r\nmaster_repl_offset:{most}\r\nsecond_repl_offset:{most}\r\n"
            ),
            most,
        ),
        forger(
            "modest",
            &format!(
                "master_replid2:{history}\r\nmaster_repl_offset:20\r\nsecond_repl_offset:10\r\n"
            ),
            4242,
        ),
        forger(
            "silent",
            &format!(
                "master_replid2:{history}\r\nmaster_repl_offset:{most}\r\nsecond_repl_offset:15\r\n"
            ),
            0,
        ),
        forger(
            "blank",
            &format!(
                "master_replid2:{zeros}\r\nmaster_repl_offset:{most}\r\nsecond_repl_offset:-1\r\n\
                      min_slaves_good_slaves:0\r\n"
            ),
            most,
        ),
        forger(
            "other",
            &format!(
                "master_replid2:{}\r\nmaster_repl_offset:9\r\nsecond_repl_offset:{most}\r\n",
                "e".repeat(40)
            ),
            1,
        ),
    ];
    let mut topology = Topology::new();
    for (index, forger) in forgers.iter().enumerate() {
        topology = topology.node_at(&format!("forger-{index}"), &forger.address().to_string());
    }
    let proxy = topology
        .node(&a)
        .node(&b)
        .node(&c)
        .usual_listeners()
        .group("check: { interval: 200ms, fast_interval: 50ms, timeout: 200ms, fall: 3, rise: 2 }")
        .group("claim_hold: 1s")
        .start();
    proxy.wait_primary("redis-1");
    assert_eq!(proxy.node_of("redis-rw"), "redis-1");
    a.stop();
    proxy.wait_log(&["redis-1, the elected primary, is gone"]);
    let elected = || proxy.log().matches("is elected primary").count();
    throughout(Duration::from_secs(3), "no forger is elected", || {
        elected() == 1
    });
    a.cont();
    eventually(SOON, "it serves again", || {
        proxy
            .client("redis-rw")
            .try_node()
            .is_ok_and(|node| node == "redis-1")
    });
    b.promote();
    proxy.wait_primary("redis-2");
    proxy.wait_log(&["redis-2 is elected primary after redis-1", "R3.2"]);
}
