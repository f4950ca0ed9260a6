//! Sentinels as evidence and alarm clock: real ones, dead ones, wrong ones and liars.

#[cfg(test)]
#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use common::client::Client;
use common::liar::Liar;
use common::net::free_address;
use common::redis::{RedisNode, redis_group};
use common::rolecall::Rolecall;
use common::sentinel::{MASTER_NAME, Sentinel, sentinels};
use common::topology::Topology;
use common::traffic::Traffic;
use common::{SOON, eventually, poll, throughout};

const NODES: [&str; 3] = ["redis-1", "redis-2", "redis-3"];

/// The `sentinel:` of a group.
fn watched_by(addresses: &[SocketAddr], more: &str) -> String {
    let quoted: Vec<String> = addresses.iter().map(|a| format!("\"{a}\"")).collect();
    let all = quoted.join(", ");
    format!("sentinel: {{ name: {MASTER_NAME}, addresses: [{all}]{more} }}")
}

fn addresses(sentinels: &[Sentinel]) -> Vec<SocketAddr> {
    sentinels.iter().map(Sentinel::address).collect()
}

fn changes(proxy: &Rolecall) -> u64 {
    proxy.count("rolecall_group_primary_changes_total", &[])
}

#[track_caller]
fn assert_elected_by(proxy: &Rolecall, node: &str, words: &str) {
    proxy.wait_log(&[&format!("{node} is elected primary"), words]);
}

#[test]
fn after_a_crash_the_first_write_follows_the_promotion_at_once() {
    let [mut a, b, c] = redis_group(NODES);
    let sentinels = sentinels(3, &a, 2);
    let proxy = Topology::new()
        .node(&a)
        .node(&b)
        .node(&c)
        .group(&watched_by(&addresses(&sentinels), ""))
        .listener("redis-rw", "read-write", "park: { timeout: 60s }")
        .start();
    proxy.wait_primary("redis-1");
    for sentinel in &sentinels {
        let named = format!("names {} as the primary", a.address());
        proxy.wait_log(&[&format!("Sentinel {} ", sentinel.address()), &named]);
    }

    a.kill9();
    let writer = thread::spawn({
        let mut client = proxy.client("redis-rw");
        move || {
            let reply = client.cmd(&["SET", "key", "1"]);
            (reply, Instant::now())
        }
    });
    let (promoted, seen) = poll(SOON, "the Sentinels promote somebody", || {
        let claims = |node: &&RedisNode| node.role() == "master";
        Some(([&b, &c].into_iter().find(claims)?, Instant::now()))
    });
    let (reply, served) = writer.join().expect("the writer");
    assert!(reply.is_ok(), "{reply:?}");
    println!(
        "the first write was served {:?} after the promotion was seen ({:?} before it)",
        served.saturating_duration_since(seen),
        seen.saturating_duration_since(served)
    );
    assert_eq!(promoted.must(&["GET", "key"]).text(), "1");
    let before = changes(&proxy);
    let named = format!("names {} as the primary", promoted.address());
    proxy.wait_log(&[&named]);
    a.restart();
    eventually(SOON, "the old primary is a replica", || a.role() == "slave");
    a.wait_in_sync();
    assert_eq!(proxy.node_of("redis-rw"), promoted.name());
    assert_eq!(changes(&proxy), before);
}

#[test]
fn a_planned_failover_moves_the_writes_once() {
    let [a, b, c] = redis_group(NODES);
    let sentinels = sentinels(3, &a, 2);
    let proxy = Topology::standard(&[&a, &b, &c])
        .group(&watched_by(&addresses(&sentinels), ""))
        .start();
    proxy.wait_primary("redis-1");
    proxy.wait_log(&["names"]);
    let writers = Traffic::writers(proxy.listener("redis-rw"), 2);
    writers.wait_more(50);
    let before = changes(&proxy);
    sentinels[0].failover();
    let (promoted, seen) = poll(SOON, "a replica is promoted", || {
        let claims = |node: &&RedisNode| node.role() == "master";
        let promoted = [&b, &c].into_iter().find(claims);
        // On a busy machine a Sentinel may find no replica good enough, and gives up.
        if promoted.is_none() && !sentinels[0].field("flags").contains("failover") {
            sentinels[0].cmd(&["SENTINEL", "FAILOVER", MASTER_NAME]);
        }
        promoted.map(|node| (node, Instant::now()))
    });
    // A session that was joined to the old primary a moment ago is closed under the question.
    eventually(SOON, "the writes have moved", || {
        let client = Client::try_connect(proxy.listener("redis-rw"));
        client
            .and_then(|mut client| client.try_node())
            .ok()
            .as_deref()
            == Some(promoted.name())
    });
    println!(
        "the writes had moved {:?} after the promotion was seen",
        seen.elapsed()
    );
    // The old primary and the Sentinels go on naming it for a while.
    eventually(SOON, "the old primary is a replica", || a.role() == "slave");
    a.wait_in_sync();
    writers.wait_more(100);
    let tally = writers.finish();
    assert!(tally.refused.is_empty(), "{:?}", tally.refused);
    assert_eq!(proxy.node_of("redis-rw"), promoted.name());
    assert_eq!(changes(&proxy), before + 1, "once, and not back");
}

/// Two nodes that claim, each with a replica that is none of ours: no replica can vote, and neither is
/// unproven.
fn two_claimants() -> [RedisNode; 4] {
    let [a, c] = redis_group(["redis-1", "stranger-1"]);
    let [b, d] = redis_group(["redis-2", "stranger-2"]);
    [a, b, c, d]
}

#[test]
fn r4_a_majority_elects_between_two_claimants_at_a_cold_start() {
    let [a, b, _c, _d] = two_claimants();
    let sentinels = sentinels(3, &a, 1);
    let proxy = Topology::standard(&[&b, &a])
        .group(&watched_by(&addresses(&sentinels), ""))
        .start_unready();
    proxy.wait_primary("redis-1");
    assert_elected_by(&proxy, "redis-1", "of 3 Sentinels name it");
    assert_eq!(proxy.node_of("redis-rw"), "redis-1");
}

#[test]
fn r4_a_minority_does_not() {
    let [a, b, _c, _d] = two_claimants();
    let sentinels = sentinels(1, &a, 1);
    let dead = [sentinels[0].address(), free_address(), free_address()];
    let proxy = Topology::standard(&[&b, &a])
        .group("claim_hold: 500ms")
        .group(&watched_by(&dead, ""))
        .start_unready();
    proxy.wait_log(&["names", "as the primary"]);
    proxy.wait_metric("rolecall_group_claimants", &[], 2.0);
    throughout(Duration::from_secs(1), "nobody is elected", || {
        proxy.count("rolecall_group_primary", &[]) == 0
    });
}

#[test]
fn with_all_sentinels_dead_the_roles_alone_route() {
    let [a, b, c] = redis_group(NODES);
    let dead = [free_address(), free_address(), free_address()];
    let proxy = Topology::standard(&[&a, &b, &c])
        .group(&watched_by(&dead, ""))
        .start();
    proxy.wait_primary("redis-1");
    for sentinel in dead {
        proxy.wait_log(&[
            "WARN",
            &format!("Sentinel {sentinel} refused the connection"),
        ]);
    }
    b.promote();
    proxy.wait_node_of("redis-rw", "redis-2");
    for sentinel in dead {
        let told = format!("Sentinel {sentinel} ");
        assert_eq!(proxy.log().matches(&told).count(), 1, "told once");
    }
}

#[test]
fn a_sentinel_that_lies_moves_no_write() {
    let [a, b, c] = redis_group(NODES);
    let (replica, other, nowhere) = (b.address(), c.address(), free_address());
    let flaps = [a.address(), replica, nowhere, other];
    let liars = [
        Liar::start(move |millis| (replica, millis)),
        Liar::start(move |millis| (nowhere, millis)),
        Liar::start(move |millis| (flaps[usize::try_from(millis / 1000).unwrap() % 4], millis)),
    ];
    for liar in &liars {
        let proxy = Topology::standard(&[&a, &b, &c])
            .group("claim_hold: 500ms")
            .group(&watched_by(&[liar.address], ""))
            .start();
        proxy.wait_primary("redis-1");
        let before = changes(&proxy);
        let writers = Traffic::writers(proxy.listener("redis-rw"), 2);
        liar.wait_asked(5);
        throughout(Duration::from_secs(2), "redis-1 has the writes", || {
            proxy.node_of("redis-rw") == "redis-1"
        });
        writers.wait_more(50);
        let tally = writers.finish();
        let faults = [&tally.errors, &tally.broken, &tally.refused];
        assert!(faults.iter().all(|all| all.is_empty()), "{faults:?}");
        assert_eq!(changes(&proxy), before);
    }
}

#[test]
fn a_sentinel_that_hangs_is_told_once_and_heard_again() {
    let [a, b] = redis_group(["redis-1", "redis-2"]);
    let sentinels = sentinels(1, &a, 1);
    let proxy = Topology::standard(&[&a, &b])
        .group(&watched_by(&addresses(&sentinels), ""))
        .start();
    let names = |proxy: &Rolecall| proxy.log().matches("as the primary").count();
    eventually(SOON, "whom it names is told", || names(&proxy) == 1);
    // It closes no connection, so only the silence tells.
    sentinels[0].stop();
    proxy.wait_log(&["WARN", "did not answer in time"]);
    assert_eq!(proxy.node_of("redis-rw"), "redis-1");
    sentinels[0].cont();
    eventually(SOON, "it is heard again", || names(&proxy) == 2);
    assert_eq!(proxy.log().matches("did not answer in time").count(), 1);
}

#[test]
fn a_wrong_password_is_told_and_harms_nothing() {
    let [a, b] = redis_group(["redis-1", "redis-2"]);
    let sentinels = sentinels(1, &a, 1);
    let set = sentinels[0].cmd(&["ACL", "SETUSER", "default", ">right-one"]);
    assert!(set.is_ok(), "{set:?}");
    let with = |password: &str| {
        let auth = format!(", auth: {{ password: {password} }}");
        Topology::standard(&[&a, &b]).group(&watched_by(&addresses(&sentinels), &auth))
    };
    let proxy = with("wrong-one").start();
    proxy.wait_primary("redis-1");
    proxy.wait_log(&["WARN", "refuses us", "WRONGPASS", "auth under sentinel"]);
    assert_eq!(proxy.node_of("redis-rw"), "redis-1");
    assert!(!proxy.log().contains("wrong-one"));
    let proxy = with("right-one").start();
    proxy.wait_log(&["names", "as the primary"]);
    assert!(!proxy.log().contains("right-one"));
}

#[test]
fn nodes_and_sentinels_mixed_up_are_named() {
    let [a, b] = redis_group(["redis-1", "redis-2"]);
    let stranger = RedisNode::primary("stranger");
    let sentinels = sentinels(1, &a, 1);
    let proxy = Topology::new()
        .node(&a)
        .node(&b)
        .node_at("mistaken", &sentinels[0].address().to_string())
        .usual_listeners()
        .group(&watched_by(&[stranger.address()], ""))
        .start_unready();
    let no_sentinel = format!("{} is listed under sentinel", stranger.address());
    proxy.wait_log(&["WARN", &no_sentinel, "it is a data node"]);
    proxy.wait_log(&["WARN", "mistaken", "is a Sentinel, not a data node"]);
    proxy.wait_node_of("redis-rw", "redis-1");
}
