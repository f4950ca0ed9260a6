//! SIGTERM and SIGINT: no new connections, a grace for the open ones, and an end.

#[cfg(test)]
#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use common::SOON;
use common::client::Client;
use common::eventually;
use common::redis::{RedisNode, redis_group};
use common::rolecall::Rolecall;
use common::topology::Topology;

fn start(grace: &str) -> (RedisNode, Rolecall) {
    let node = RedisNode::primary("redis-1");
    let proxy = Topology::standard(&[&node])
        .top(&format!("grace: {grace}"))
        .start();
    proxy.wait_primary("redis-1");
    (node, proxy)
}

fn wait_refusing(proxy: &Rolecall) {
    eventually(SOON, "new connections are refused", || {
        ["redis-rw", "redis-ro"]
            .iter()
            .all(|listener| Client::try_connect(proxy.listener(listener)).is_err())
    });
}

fn goes_on_and_ends_with_its_last_session(signal: &str) {
    let (node, mut proxy) = start("600s");
    let mut first = proxy.client("redis-rw");
    let mut second = proxy.client("redis-ro");
    assert_eq!(
        (first.node(), second.node()),
        ("redis-1".into(), "redis-1".into())
    );
    proxy.signal(signal);
    wait_refusing(&proxy);
    for _ in 0..100 {
        first.cmd(&["INCR", "counter"]);
        assert!(!second.cmd(&["GET", "counter"]).is_nil());
    }
    drop(first);
    for _ in 0..100 {
        second.cmd(&["INCR", "counter"]);
    }
    assert!(proxy.is_running(), "a session is still open");
    drop(second);
    let status = proxy.wait_exit(SOON);
    assert_eq!(status.code(), Some(0), "{status}");
    assert_eq!(node.must(&["GET", "counter"]).text(), "200");
}

fn ends_at_the_second(signal: &str) {
    let (_node, mut proxy) = start("600s");
    let mut session = proxy.client("redis-rw");
    assert_eq!(session.node(), "redis-1");
    proxy.signal(signal);
    wait_refusing(&proxy);
    assert_eq!(session.node(), "redis-1");
    proxy.signal(signal);
    proxy.wait_exit(SOON);
    session.wait_closed("the process has ended");
}

#[test]
fn sigterm_lets_sessions_go_on_and_ends_with_the_last() {
    goes_on_and_ends_with_its_last_session("TERM");
}

#[test]
fn sigint_lets_sessions_go_on_and_ends_with_the_last() {
    goes_on_and_ends_with_its_last_session("INT");
}

#[test]
fn a_second_sigterm_ends_it_now() {
    ends_at_the_second("TERM");
}

#[test]
fn a_second_sigint_ends_it_now() {
    ends_at_the_second("INT");
}

#[test]
fn sessions_are_closed_when_the_grace_has_passed() {
    let (_node, mut proxy) = start("1s");
    let mut session = proxy.client("redis-rw");
    assert_eq!(session.node(), "redis-1");
    proxy.signal("TERM");
    let status = proxy.wait_exit(SOON);
    assert_eq!(status.code(), Some(0), "{status}");
    session.wait_closed("the session is closed");
}

#[test]
fn without_sessions_it_ends_at_once() {
    let (_node, mut proxy) = start("600s");
    proxy.signal("TERM");
    let status = proxy.wait_exit(SOON);
    assert_eq!(status.code(), Some(0), "{status}");
}

#[test]
fn r7_is_kept_during_the_grace() {
    let [a, b] = redis_group(["redis-1", "redis-2"]);
    let mut proxy = Topology::standard(&[&a, &b]).top("grace: 600s").start();
    proxy.wait_primary("redis-1");
    let mut session = proxy.client("redis-rw");
    assert_eq!(session.node(), "redis-1");
    proxy.signal("TERM");
    wait_refusing(&proxy);
    b.promote();
    session.wait_closed("the session on the old primary is closed in the grace too");
    assert_eq!(proxy.wait_exit(SOON).code(), Some(0));
}

#[test]
fn the_address_is_free_again_for_the_next_instance() {
    let node = RedisNode::primary("redis-1");
    let topology = Topology::standard(&[&node]);
    for _ in 0..3 {
        let mut proxy = topology.start();
        assert_eq!(proxy.node_of("redis-rw"), "redis-1");
        proxy.signal("TERM");
        assert_eq!(proxy.wait_exit(SOON).code(), Some(0));
    }
}

#[test]
fn a_second_instance_names_the_process_that_holds_the_address() {
    let [a, b] = redis_group(["redis-1", "redis-2"]);
    let topology = Topology::standard(&[&a, &b]);
    let first = topology.start();
    let mut second = topology.spawn();
    assert!(!second.wait_exit(SOON).success());
    let holder = format!("held by pid {} (rolecall)", first.pid());
    assert!(second.log().contains(&holder), "{}", second.log());
    first.wait_node_of("redis-rw", "redis-1");
}
