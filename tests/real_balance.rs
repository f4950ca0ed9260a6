//! R12: sessions are spread by their number, counted over all listeners and divided by weight.

#[cfg(test)]
#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use common::client::Client;
use common::redis::redis_group;
use common::rolecall::Rolecall;
use common::topology::Topology;
use std::collections::BTreeMap;

const NODES: [&str; 4] = ["redis-1", "redis-2", "redis-3", "redis-4"];
const REPLICAS: [&str; 3] = ["redis-2", "redis-3", "redis-4"];

/// Opens all at once, and only then asks each who answers.
fn open(proxy: &Rolecall, listener: &str, count: usize) -> Vec<(String, Client)> {
    let mut clients: Vec<Client> = (0..count).map(|_| proxy.client(listener)).collect();
    let nodes: Vec<String> = clients.iter_mut().map(Client::node).collect();
    nodes.into_iter().zip(clients).collect()
}

fn spread(sessions: &[(String, Client)]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for (node, _) in sessions {
        *counts.entry(node.as_str()).or_default() += 1;
    }
    counts
}

#[test]
fn r12_three_hundred_sessions_are_spread_evenly() {
    let [a, b, c, d] = redis_group(NODES);
    let proxy = Topology::standard(&[&a, &b, &c, &d])
        .patient_checks()
        .start();
    proxy.wait_eligible("redis-ro", &NODES, &REPLICAS);

    let mut sessions = open(&proxy, "redis-ro", 300);
    let counts = spread(&sessions);
    assert_eq!(counts.len(), 3, "{counts:?}");
    assert!(
        counts.values().all(|n| (99..=101).contains(n)),
        "{counts:?}"
    );
    for node in REPLICAS {
        let shown = proxy.count("rolecall_node_sessions", &[("node", node)]);
        assert_eq!(shown, counts[node] as u64, "{node}");
    }

    // Sixty leave one node: the next sixty all go there.
    let mut leaving = 60;
    sessions.retain(|(node, _)| {
        let leaves = node == "redis-3" && leaving > 0;
        leaving -= usize::from(leaves);
        !leaves
    });
    proxy.wait_metric("rolecall_node_sessions", &[], 240.0);
    sessions.extend(open(&proxy, "redis-ro", 60));
    let counts = spread(&sessions);
    assert!(
        counts.values().all(|n| (99..=101).contains(n)),
        "{counts:?}"
    );

    drop(sessions);
    proxy.wait_metric("rolecall_node_sessions", &[], 0.0);
}

#[test]
fn r12_weights_divide_the_sessions() {
    let [a, b, c, _] = redis_group(NODES);
    let proxy = Topology::new()
        .node(&a)
        .node_with(&b, "weight: 3")
        .node(&c)
        .usual_listeners()
        .patient_checks()
        .start();
    proxy.wait_eligible("redis-ro", &NODES, &["redis-2", "redis-3"]);
    let sessions = open(&proxy, "redis-ro", 200);
    let counts = spread(&sessions);
    assert!((149..=151).contains(&counts["redis-2"]), "{counts:?}");
}

#[test]
fn r12_sessions_of_all_listeners_count() {
    let [a, b, c, _] = redis_group(NODES);
    let proxy = Topology::new()
        .node(&a)
        .node(&b)
        .node(&c)
        .listener("redis-rw", "read-write", "")
        .listener("redis-ro", "read-only", "")
        .listener("reports", "read-only", "nodes: [redis-2]")
        .patient_checks()
        .start();
    proxy.wait_eligible("redis-ro", &NODES, &["redis-2", "redis-3"]);
    proxy.wait_eligible("reports", &NODES, &["redis-2"]);
    let reports = open(&proxy, "reports", 30);
    let readers = open(&proxy, "redis-ro", 30);
    assert_eq!(spread(&reports), BTreeMap::from([("redis-2", 30)]));
    let counts = spread(&readers);
    assert!(counts["redis-3"] >= 29, "{counts:?}");
}

#[test]
fn r12_a_failed_dial_goes_on_to_the_next_node() {
    let [a, b, mut c, _] = redis_group(NODES);
    let proxy = Topology::standard(&[&a, &b, &c]).patient_checks().start();
    proxy.wait_eligible("redis-ro", &NODES, &["redis-2", "redis-3"]);
    c.kill9();
    // Some of them come before any check has told that the node is dead.
    for _ in 0..50 {
        assert_eq!(proxy.node_of("redis-ro"), "redis-2");
    }
}
