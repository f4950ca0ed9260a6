//! SIGHUP: another configuration while traffic flows.

#[cfg(test)]
#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use common::client::Client;
use common::net::free_address;
use common::redis::{RedisNode, redis_group};
use common::rolecall::Rolecall;
use common::topology::Topology;
use common::traffic::Traffic;
use common::{SOON, eventually};

const NODES: [&str; 3] = ["redis-1", "redis-2", "redis-3"];

#[track_caller]
fn wait_reloads(proxy: &Rolecall, successful: f64, words: &[&str]) {
    proxy.wait_metric("rolecall_config_last_reload_successful", &[], successful);
    proxy.wait_log(words);
}

#[test]
fn listeners_and_nodes_come_and_go_and_nobody_is_disturbed() {
    let [a, b, c] = redis_group(NODES);
    let before = Topology::new()
        .node(&a)
        .node(&b)
        .listener("redis-rw", "read-write", "")
        .listener("redis-ro", "read-only", "fallback: redis-rw")
        .listener("extra", "read-only", "");
    let mut proxy = before.start();
    proxy.wait_eligible("redis-ro", &["redis-1", "redis-2"], &["redis-2"]);
    let mut held: Vec<Client> = (0..20).map(|_| proxy.client("redis-rw")).collect();
    let mut reads = proxy.client("redis-ro");
    let mut extra = proxy.client("extra");
    for client in held.iter_mut().chain([&mut reads, &mut extra]) {
        client.node();
    }
    let writers = Traffic::writers(proxy.listener("redis-rw"), 4);
    writers.wait_more(50);

    let after = before.clone().node(&c).without_listener("extra").listener(
        "more",
        "read-only",
        "nodes: [redis-3]",
    );
    proxy.reload(&after);
    wait_reloads(
        &proxy,
        1.0,
        &["reloaded", "redis-3", "listener more: added"],
    );
    proxy.wait_node_of("more", "redis-3");
    extra.wait_closed("its listener was taken out");
    for client in held.iter_mut().chain([&mut reads]) {
        client.node();
    }
    proxy.wait_log(&["redis-3 was added to the configuration"]);
    eventually(SOON, "the old listener's series are gone", || {
        let labels = [("listener", "extra")];
        let metrics = proxy.metrics();
        metrics
            .find("rolecall_listener_connections", &labels)
            .is_none()
    });

    // And back again: the node drains.
    let mut on_c = proxy.client("more");
    assert_eq!(on_c.node(), "redis-3");
    proxy.reload(&before.top("grace: 500ms"));
    on_c.wait_closed("its listener was taken out");
    proxy.wait_log(&["redis-3 is dropped"]);
    for client in held.iter_mut().chain([&mut reads]) {
        client.node();
    }
    writers.wait_more(50);
    let tally = writers.finish();
    let faults = [&tally.errors, &tally.broken, &tally.refused];
    assert!(faults.iter().all(|all| all.is_empty()), "{faults:?}");
    proxy.wait_node_of("extra", "redis-2");
}

#[test]
fn roles_stay_enforced_on_sessions_from_before() {
    let [a, b] = redis_group(["redis-1", "redis-2"]);
    let topology = Topology::standard(&[&a, &b]);
    let mut proxy = topology.start();
    proxy.wait_primary("redis-1");
    let mut session = proxy.client("redis-rw");
    assert_eq!(session.node(), "redis-1");
    proxy.reload(&topology.group("stale_reads: 10s"));
    wait_reloads(&proxy, 1.0, &["stale_reads: 1m -> 10s"]);
    assert_eq!(session.node(), "redis-1");
    b.promote();
    a.replicate(&b);
    session.wait_closed("its node was demoted");
    proxy.wait_node_of("redis-rw", "redis-2");
}

#[test]
fn a_bad_file_or_a_taken_address_changes_nothing_and_says_why() {
    let [a, b] = redis_group(["redis-1", "redis-2"]);
    let topology = Topology::standard(&[&a, &b]);
    let mut proxy = topology.start();
    proxy.wait_primary("redis-1");
    let mut session = proxy.client("redis-rw");
    assert_eq!(session.node(), "redis-1");

    proxy.reload_text("groups: { main: { nodez: {} } }\n");
    wait_reloads(&proxy, 0.0, &["refused, the running one stays"]);
    proxy.wait_log(&["unknown key \"nodez\" of group main"]);
    assert_eq!(session.node(), "redis-1");

    // The other change of the same file must not come into force either.
    let taken = free_address();
    let _holder = std::net::TcpListener::bind(taken).expect("listen");
    let with_taken = topology
        .clone()
        .listener_at("taken", taken, "read-only", "")
        .without_listener("redis-ro");
    proxy.reload(&with_taken);
    wait_reloads(&proxy, 0.0, &[&format!("cannot listen on {taken}")]);
    proxy.reload(&topology);
    wait_reloads(&proxy, 1.0, &["nothing is different"]);
    assert_eq!(session.node(), "redis-1");
    proxy.wait_node_of("redis-ro", "redis-2");
}

#[test]
fn an_address_may_go_to_another_listener_without_a_refused_client() {
    let [a, b] = redis_group(["redis-1", "redis-2"]);
    let bind = free_address();
    let named = |name: &str| {
        Topology::new()
            .node(&a)
            .node(&b)
            .listener_at(name, bind, "read-write", "")
    };
    let mut proxy = named("old").start();
    proxy.wait_primary("redis-1");
    let writers = Traffic::writers(bind, 4);
    writers.wait_more(50);
    proxy.reload(&named("new"));
    wait_reloads(&proxy, 1.0, &["listener new: added"]);
    writers.wait_more(50);
    let tally = writers.finish();
    assert!(tally.refused.is_empty(), "{:?}", tally.refused);
    // Who was on the way to a node through the old name is told, under a code worth a retry.
    let told = |error: &String| error.contains("MASTERDOWN rolecall: this listener was taken out");
    assert!(tally.errors.iter().all(told), "{:?}", tally.errors);
    proxy.wait_at_least(
        "rolecall_listener_connections_total",
        &[("listener", "new")],
        1,
    );
}

#[test]
fn another_password_a_moved_node_and_other_limits_take_effect() {
    let a = RedisNode::builder("redis-1").password("right").start();
    let wrong = Topology::standard(&[&a]).group("auth: { password: wrong }");
    let mut proxy = wrong.start_unready();
    proxy.wait_log(&["refused the password"]);
    proxy.reload(&Topology::standard(&[&a]).group("auth: { password: right }"));
    // Other listeners, by the same names: their addresses have moved.
    wait_reloads(&proxy, 1.0, &["auth changed", "bind:"]);
    proxy.wait_primary("redis-1");

    let elsewhere = RedisNode::builder("elsewhere").password("right").start();
    let limits = "max_connections: 2";
    let moved = Topology::new()
        .node_at("redis-1", &elsewhere.address().to_string())
        .listener("redis-rw", "read-write", limits)
        .group("auth: { password: right }")
        .top("workers: 3");
    proxy.reload(&moved);
    wait_reloads(
        &proxy,
        1.0,
        &["workers", "takes effect with the next start"],
    );
    let login = |mut client: Client| {
        let reply = client.cmd(&["AUTH", "right"]);
        (reply, client)
    };
    let (reply, mut first) = login(proxy.client("redis-rw"));
    assert!(reply.is_ok(), "{reply:?}");
    assert_eq!(first.node(), "elsewhere");
    let (_, _second) = login(proxy.client("redis-rw"));
    let (reply, _) = login(proxy.client("redis-rw"));
    assert_eq!(reply.error(), Some("ERR max number of clients reached"));
}

#[test]
fn groups_come_and_go() {
    let [a, b] = redis_group(["redis-1", "redis-2"]);
    let other = RedisNode::primary("other");
    let topology = Topology::standard(&[&a, &b]);
    let proxy = topology.start();
    proxy.wait_primary("redis-1");
    let text = topology.yaml(proxy.admin());
    let bind = free_address();
    let with_other = text
        .replace(
            "listeners:\n",
            &format!(
                "  second:\n    nodes: {{ other: \"{}\" }}\nlisteners:\n  second-rw: {{ bind: \"{bind}\", access: read-write, group: second }}\n",
                other.address()
            ),
        )
        .replace("access: read-write }", "access: read-write, group: main }")
        .replace("fallback: redis-rw }", "fallback: redis-rw, group: main }");
    let mut session = proxy.client("redis-rw");
    session.node();
    proxy.reload_text(&with_other);
    wait_reloads(&proxy, 1.0, &["group second: added"]);
    let labels = [("group", "second"), ("node", "other")];
    proxy.wait_metric("rolecall_group_primary", &labels, 1.0);
    let mut client = Client::connect(bind);
    assert_eq!(client.node(), "other");
    proxy.reload_text(&text);
    wait_reloads(&proxy, 1.0, &["group second: removed"]);
    client.wait_closed("its group is gone");
    assert_eq!(session.node(), "redis-1");
    eventually(SOON, "its series are gone", || {
        proxy.metrics().find("rolecall_node_up", &labels).is_none()
    });
}
