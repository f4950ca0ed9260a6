//! Under a service manager: when it is told that we are ready, who is primary, and that we live.

#[cfg(test)]
#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use std::time::Duration;

use common::client::Client;
use common::manager::Manager;
use common::net::free_address;
use common::redis::redis_group;
use common::topology::Topology;
use common::{SOON, eventually};

const NODES: [&str; 3] = ["redis-1", "redis-2", "redis-3"];

#[test]
fn ready_comes_when_listeners_accept_and_the_status_follows_a_failover() {
    let [mut a, b, c] = redis_group(NODES);
    let manager = Manager::new();
    let rw = free_address();
    let mut proxy = Topology::new()
        .node(&a)
        .node(&b)
        .node(&c)
        .listener_at("redis-rw", rw, "read-write", "")
        .env("NOTIFY_SOCKET", &manager.address())
        .spawn();
    manager.wait_for("READY=1");
    // Not a moment later: it must be so already.
    let mut client = Client::try_connect(rw).expect("it accepts");
    assert_eq!(client.node(), "redis-1");
    assert_eq!(proxy.get("/readyz").status, 200);

    manager.wait_for("STATUS=main: redis-1 is primary since 20");
    a.kill9();
    manager.wait_for("STATUS=main: redis-1, primary since 20");
    b.promote();
    c.replicate(&b);
    let status = manager.wait_for("STATUS=main: redis-2 is primary since 20");
    assert!(status.contains("; 1 listener, "), "{status}");
    drop(client);
    proxy.signal("TERM");
    manager.wait_for("STOPPING=1");
    assert_eq!(proxy.wait_exit(SOON).code(), Some(0));
}

#[test]
fn readiness_does_not_wait_for_ever_for_a_silent_node() {
    let [a, b] = redis_group(["redis-1", "redis-2"]);
    let manager = Manager::new();
    a.stop();
    b.stop();
    let _proxy = Topology::standard(&[&a, &b])
        .group("check: { interval: 30s, fast_interval: 30s, timeout: 29s }")
        .group("claim_hold: 9s")
        .env("NOTIFY_SOCKET", &manager.address())
        .spawn();
    manager.wait_for_line("READY=1", |message| {
        assert!(message.starts_with("STATUS="), "{message}");
    });
    a.cont();
    b.cont();
}

#[test]
fn the_watchdog_is_fed_until_the_process_stands_still() {
    let [a] = redis_group(["redis-1"]);
    let manager = Manager::new();
    let proxy = Topology::standard(&[&a])
        .env("NOTIFY_SOCKET", &manager.address())
        .env("WATCHDOG_USEC", "400000")
        .spawn();
    for _ in 0..5 {
        manager.wait_for("WATCHDOG=1");
    }
    proxy.signal("STOP");
    manager.wait_silence("WATCHDOG=1", Duration::from_secs(2));
    proxy.signal("CONT");
    manager.wait_for("WATCHDOG=1");
}

#[test]
fn the_watchdog_of_another_process_is_not_fed() {
    let [a] = redis_group(["redis-1"]);
    let manager = Manager::new();
    let _proxy = Topology::standard(&[&a])
        .env("NOTIFY_SOCKET", &manager.address())
        .env("WATCHDOG_USEC", "400000")
        .env("WATCHDOG_PID", "1")
        .spawn();
    manager.wait_for("READY=1");
    let heard = std::iter::from_fn(|| manager.next_within(Duration::from_secs(2)));
    let fed: Vec<String> = heard
        .take(3)
        .filter(|message| message.contains("WATCHDOG"))
        .collect();
    assert!(fed.is_empty(), "{fed:?}");
}

#[test]
fn a_reload_is_told_and_the_status_counts_the_new_listeners() {
    let [a] = redis_group(["redis-1"]);
    let manager = Manager::new();
    let before = Topology::new()
        .node(&a)
        .listener("redis-rw", "read-write", "")
        .env("NOTIFY_SOCKET", &manager.address());
    let mut proxy = before.start();
    manager.wait_for("READY=1");
    let after = before.clone().listener("more", "read-write", "");
    proxy.reload(&after);
    let stamp = manager.wait_for("MONOTONIC_USEC=");
    assert_ne!(stamp, "MONOTONIC_USEC=0");
    manager.wait_for("READY=1");
    let status = || manager.wait_for("STATUS=");
    eventually(SOON, "the status follows", || {
        status().contains("2 listeners")
    });
    // What is refused ends as well, or the manager would wait for it.
    proxy.reload_text("groups: {}");
    manager.wait_for("MONOTONIC_USEC=");
    manager.wait_for("READY=1");
    proxy.wait_metric("rolecall_config_last_reload_successful", &[], 0.0);
    assert_eq!(proxy.node_of("more"), "redis-1");
}
