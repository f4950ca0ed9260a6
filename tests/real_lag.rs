//! R10: replicas that fall behind although their links say "up".

#[cfg(test)]
#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use common::redis::RedisNode;
use common::rolecall::Rolecall;
use common::topology::Topology;
use common::wire::Wire;
use common::{SOON, eventually};

const NODES: [&str; 4] = ["redis-1", "middle", "leaf", "healthy"];

/// A primary, a middle replica behind a cable with a leaf that replicates from it, and a healthy replica.
struct Chained {
    wire: Wire,
    primary: RedisNode,
    middle: RedisNode,
    leaf: RedisNode,
    healthy: RedisNode,
}

impl Chained {
    /// The middle replica notices a dead link after so many seconds.
    fn new(repl_timeout: &str) -> Self {
        let primary = RedisNode::primary("redis-1");
        let wire = Wire::to(primary.address());
        let middle = RedisNode::builder("middle")
            .replica_of(wire.address())
            .option("repl-timeout", repl_timeout)
            .start();
        middle.wait_in_sync();
        let leaf = RedisNode::replica("leaf", &middle);
        let healthy = RedisNode::replica("healthy", &primary);
        for replica in [&leaf, &healthy] {
            replica.wait_in_sync();
        }
        Self {
            wire,
            primary,
            middle,
            leaf,
            healthy,
        }
    }

    fn proxy(&self, limit: &str) -> Rolecall {
        let proxy = Topology::standard(&[&self.primary, &self.middle, &self.leaf, &self.healthy])
            .group(limit)
            .start();
        proxy.wait_primary("redis-1");
        proxy.wait_eligible("redis-ro", &NODES, &["middle", "leaf", "healthy"]);
        proxy
    }

    fn write(&self) {
        self.primary.must(&["INCR", "counter"]);
    }
}

#[test]
fn r10_a_partitioned_middle_replica_and_its_leaf_are_not_read_beyond_the_limit() {
    let chained = Chained::new("600");
    let proxy = chained.proxy("max_lag: { seconds: 2s }");
    chained.wire.cut();
    eventually(SOON, "both are known to be behind", || {
        chained.write();
        let both = ["middle", "leaf"].map(|node| {
            let labels = [("listener", "redis-ro"), ("node", node)];
            proxy.metrics().find("rolecall_node_eligible", &labels)
        });
        both == [Some(0.0), Some(0.0)]
    });
    for replica in [&chained.middle, &chained.leaf] {
        let link = replica.info("replication", "master_link_status");
        assert_eq!(
            link,
            "up",
            "{} would pass a check of its link",
            replica.name()
        );
    }
    for _ in 0..6 {
        assert_eq!(proxy.node_of("redis-ro"), "healthy");
    }
    for node in ["middle", "leaf"] {
        let labels = [("group", "main"), ("node", node)];
        let metrics = proxy.metrics();
        let seconds = metrics.find("rolecall_node_replication_lag_seconds", &labels);
        assert!(seconds.is_some_and(|age| age > 1.9), "{node}: {seconds:?}");
        assert!(metrics.find("rolecall_node_replication_lag_bytes", &labels) > Some(0.0));
    }
    assert_eq!(chained.healthy.role(), "slave");

    chained.wire.mend();
    proxy.wait_eligible("redis-ro", &NODES, &["middle", "leaf", "healthy"]);
}

#[test]
fn r10_an_orphaned_leaf_says_up_beside_a_middle_replica_that_says_down() {
    let chained = Chained::new("3");
    let proxy = chained.proxy("max_lag: { bytes: 64B }");
    chained.wire.cut();
    eventually(
        SOON,
        "the middle replica has lost its link, the leaf has not",
        || {
            chained.write();
            chained.middle.info("replication", "master_link_status") == "down"
                && chained.leaf.info("replication", "master_link_status") == "up"
        },
    );
    eventually(SOON, "only the healthy replica is read", || {
        chained.write();
        let metrics = proxy.metrics();
        let eligible = NODES.map(|node| {
            let labels = [("listener", "redis-ro"), ("node", node)];
            metrics.find("rolecall_node_eligible", &labels)
        });
        eligible == [Some(0.0), Some(0.0), Some(0.0), Some(1.0)]
    });
    assert_eq!(proxy.node_of("redis-ro"), "healthy");
}

#[test]
fn r10_without_a_limit_the_one_that_stands_still_ranks_last() {
    let chained = Chained::new("600");
    let proxy = chained.proxy("stale_reads: 60s");
    chained.wire.cut();
    eventually(
        SOON * 3,
        "new reads go to the healthy replica alone",
        || {
            chained.write();
            (0..6).all(|_| proxy.node_of("redis-ro") == "healthy")
        },
    );
    // It is the last resort, not out of it.
    let labels = [("listener", "redis-ro"), ("node", "middle")];
    let eligible = proxy.metrics().find("rolecall_node_eligible", &labels);
    assert_eq!(eligible, Some(1.0));
}
