//! Routing by role through the three listeners of the seed topology, and every kind of address.

#[cfg(test)]
#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use common::SOON;
use common::client::Client;
use common::net::{free_address, free_address_on_localhost};
use common::redis::{RedisNode, redis_group};
use common::topology::Topology;
use common::{eventually, poll};
use tempfile::TempDir;

const NODES: [&str; 3] = ["redis-1", "redis-2", "redis-3"];

#[test]
fn each_listener_leads_to_the_nodes_of_its_access() {
    let [a, b, c] = redis_group(NODES);
    let local = RedisNode::replica("redis-local", &b);
    let proxy = Topology::new()
        .node(&a)
        .node(&b)
        .node(&c)
        .local(&local)
        .usual_listeners()
        .start();
    proxy.wait_primary("redis-1");
    proxy.wait_eligible("redis-ro", &NODES, &["redis-2", "redis-3"]);
    proxy.wait_eligible("redis-local-ro", &["redis-local"], &["redis-local"]);

    let mut readers = Vec::new();
    for _ in 0..20 {
        assert_eq!(proxy.node_of("redis-rw"), "redis-1");
        assert_eq!(proxy.node_of("redis-local-ro"), "redis-local");
        let mut reader = proxy.client("redis-ro");
        let node = reader.node();
        readers.push((node, reader));
    }
    let on = |name: &str| readers.iter().filter(|(node, _)| node == name).count();
    assert_eq!(
        (on("redis-2"), on("redis-3")),
        (10, 10),
        "both replicas serve"
    );

    let reply = proxy.client("redis-rw").cmd(&["SET", "written", "once"]);
    assert!(reply.is_ok(), "{reply:?}");
    eventually(SOON, "the write can be read at every listener", || {
        ["redis-rw", "redis-ro", "redis-local-ro"]
            .iter()
            .all(|listener| {
                let reply = proxy.client(listener).cmd(&["GET", "written"]);
                !reply.is_nil() && reply.text() == "once"
            })
    });
}

#[test]
fn the_primary_is_found_wherever_it_stands_in_the_list() {
    let [a, b, c] = redis_group(NODES);
    for order in [[&a, &b, &c], [&b, &a, &c], [&c, &b, &a]] {
        let proxy = Topology::standard(&order).start();
        proxy.wait_primary("redis-1");
        for _ in 0..10 {
            assert_eq!(proxy.node_of("redis-rw"), "redis-1");
        }
    }
}

#[test]
fn every_replica_dead_reads_go_on_at_the_primary_and_come_back() {
    let [a, mut b, mut c] = redis_group(NODES);
    let proxy = Topology::standard(&[&a, &b, &c]).start();
    proxy.wait_eligible("redis-ro", &NODES, &["redis-2", "redis-3"]);

    b.kill9();
    proxy.wait_eligible("redis-ro", &NODES, &["redis-3"]);
    assert_eq!(proxy.node_of("redis-ro"), "redis-3");

    c.kill9();
    // Served while it is not known yet that the last replica is dead, and after.
    assert_eq!(proxy.node_of("redis-ro"), "redis-1");
    proxy.wait_eligible("redis-ro", &NODES, &[]);
    let mut old = proxy.client("redis-ro");
    assert_eq!(old.node(), "redis-1");

    b.restart();
    proxy.wait_node_of("redis-ro", "redis-2");
    c.restart();
    proxy.wait_eligible("redis-ro", &NODES, &["redis-2", "redis-3"]);
    for _ in 0..10 {
        assert_ne!(proxy.node_of("redis-ro"), "redis-1", "R16: new ones return");
    }
    assert_eq!(
        old.node(),
        "redis-1",
        "R16: the old session stays where it is"
    );
}

#[test]
fn local_replica_dead_and_back() {
    let [a, b] = redis_group(["redis-1", "redis-2"]);
    let mut local = RedisNode::replica("redis-local", &a);
    let topology = Topology::new().node(&a).node(&b).local(&local);
    let proxy = topology.usual_listeners().start();
    proxy.wait_node_of("redis-local-ro", "redis-local");
    proxy.wait_eligible("redis-ro", &["redis-1", "redis-2"], &["redis-2"]);

    local.kill9();
    assert_eq!(
        proxy.node_of("redis-local-ro"),
        "redis-2",
        "at once, by the failed dial"
    );

    local.restart();
    proxy.wait_node_of("redis-local-ro", "redis-local");
}

#[test]
fn the_chain_goes_three_listeners_deep_and_through_backups() {
    let [primary, mut far, mut spare, mut local] =
        redis_group(["primary", "far", "spare", "local"]);
    let proxy = Topology::new()
        .node(&primary)
        .node(&far)
        .node(&spare)
        .local(&local)
        .listener("redis-rw", "read-write", "nodes: [primary]")
        .listener(
            "redis-ro",
            "read-only",
            "nodes: [far], backup: [spare], fallback: redis-rw",
        )
        .listener("redis-local-ro", "local-read-only", "fallback: redis-ro")
        .start();
    proxy.wait_primary("primary");
    proxy.wait_node_of("redis-local-ro", "local");
    proxy.wait_eligible("redis-ro", &["far", "spare"], &["far", "spare"]);

    local.kill9();
    proxy.wait_node_of("redis-local-ro", "far");
    for _ in 0..10 {
        assert_eq!(
            proxy.node_of("redis-local-ro"),
            "far",
            "a backup waits its turn"
        );
    }
    far.kill9();
    proxy.wait_node_of("redis-local-ro", "spare");
    spare.kill9();
    proxy.wait_node_of("redis-local-ro", "primary");

    spare.restart();
    proxy.wait_node_of("redis-local-ro", "spare");
    far.restart();
    proxy.wait_node_of("redis-local-ro", "far");
    local.restart();
    proxy.wait_node_of("redis-local-ro", "local");
}

#[test]
fn a_listener_has_several_addresses_and_a_unix_socket() {
    let node = RedisNode::primary("redis-1");
    let dir = TempDir::new().expect("a temporary directory");
    let socket = dir.path().join("rw.sock");
    let unix = format!("unix:{}", socket.display());
    let second = free_address();
    let proxy = Topology::new()
        .node(&node)
        .listener_bound(
            "redis-rw",
            free_address(),
            &[&second.to_string(), &unix],
            "read-write",
            "",
        )
        .start();
    let mut clients = [
        proxy.client("redis-rw"),
        Client::connect(second),
        Client::connect_unix(&socket),
    ];
    for client in &mut clients {
        assert_eq!(client.node(), "redis-1");
        assert!(client.cmd(&["SET", "key", "value"]).is_ok());
    }
    let labels = [("listener", "redis-rw")];
    assert_eq!(proxy.count("rolecall_listener_connections", &labels), 3);
    drop(clients);
    proxy.wait_metric("rolecall_listener_connections", &labels, 0.0);
}

#[test]
fn nodes_are_reached_by_unix_socket() {
    let [a, b] = redis_group(["redis-1", "redis-2"]);
    let path = |node: &RedisNode| format!("unix:{}", node.socket().display());
    let proxy = Topology::new()
        .node_at("redis-1", &path(&a))
        .node_at("redis-2", &path(&b))
        .usual_listeners()
        .start();
    assert_eq!(proxy.node_of("redis-rw"), "redis-1");
    proxy.wait_node_of("redis-ro", "redis-2");
    let reply = proxy.client("redis-rw").cmd(&["SET", "key", "value"]);
    assert!(reply.is_ok(), "{reply:?}");
}

#[test]
fn nodes_are_reached_by_host_name() {
    let mut node = RedisNode::builder("redis-1")
        .at(free_address_on_localhost())
        .start();
    let by_name = format!("localhost:{}", node.address().port());
    let proxy = Topology::new()
        .node_at("redis-1", &by_name)
        .listener("redis-rw", "read-write", "")
        .start();
    assert_eq!(proxy.node_of("redis-rw"), "redis-1");

    node.restart();
    // Parked while the new run is not elected yet, and then served.
    assert_eq!(proxy.node_of("redis-rw"), "redis-1");
}

#[test]
fn a_name_that_cannot_be_looked_up_hurts_no_other_node() {
    let [a, b] = redis_group(["redis-1", "redis-2"]);
    let proxy = Topology::new()
        .node_at("redis-0", "no-such-host.invalid:6379")
        .node(&a)
        .node(&b)
        .usual_listeners()
        .start();
    assert_eq!(proxy.node_of("redis-rw"), "redis-1");
    proxy.wait_node_of("redis-ro", "redis-2");
    let labels = [("node", "redis-0"), ("outcome", "unresolved")];
    proxy.wait_at_least("rolecall_checks_total", &labels, 1);
}

#[test]
fn r1_one_process_behind_two_addresses_is_one_node() {
    let [a, b] = redis_group(["redis-1", "redis-2"]);
    let proxy = Topology::new()
        .node(&a)
        .node(&b)
        .node_at("alias", &format!("unix:{}", b.socket().display()))
        .usual_listeners()
        .patient_checks()
        .start();
    proxy.wait_primary("redis-1");
    let served = poll(SOON, "one of the two names serves", || {
        let metrics = proxy.metrics();
        let eligible = |node| {
            let labels = [("listener", "redis-ro"), ("node", node)];
            metrics.find("rolecall_node_eligible", &labels) == Some(1.0)
        };
        let served: Vec<&str> = ["redis-2", "alias"]
            .into_iter()
            .filter(|n| eligible(n))
            .collect();
        (!served.is_empty()).then_some(served)
    });
    assert_eq!(served.len(), 1, "never both: {served:?}");
    let total = proxy.count("rolecall_group_claimants", &[]);
    assert_eq!(total, 1);
}
