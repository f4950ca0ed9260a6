//! What operators see: metrics, health, logs, and never a secret.

#[cfg(test)]
#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use common::cli::promtool;
use common::client::Client;
use common::net::free_address;
use common::redis::{RedisNode, redis_group};
use common::rolecall::Rolecall;
use common::topology::Topology;
use common::{SOON, eventually};

const NODES: [&str; 3] = ["redis-1", "redis-2", "redis-3"];

/// What must be there from the start; histograms by their count.
const METRICS: &[&str] = &[
    "rolecall_build_info",
    "rolecall_listener_connections",
    "rolecall_listener_connections_total",
    "rolecall_listener_rejected_total",
    "rolecall_listener_parked",
    "rolecall_park_wait_seconds_count",
    "rolecall_connect_seconds_count",
    "rolecall_node_sessions",
    "rolecall_node_sessions_total",
    "rolecall_node_received_bytes_total",
    "rolecall_node_sent_bytes_total",
    "rolecall_node_up",
    "rolecall_node_role",
    "rolecall_node_eligible",
    "rolecall_check_duration_seconds_count",
    "rolecall_checks_total",
    "rolecall_sessions_closed_total",
    "rolecall_group_primary",
    "rolecall_group_primary_changes_total",
    "rolecall_group_claimants",
    "rolecall_group_without_primary_seconds_total",
    "rolecall_group_conflict_seconds_total",
];

#[test]
fn promtool_finds_nothing_to_complain_about_at_the_start_and_after_traffic() {
    let [a, mut b, c] = redis_group(NODES);
    let proxy = Topology::standard(&[&a, &b, &c]).start();
    promtool(&proxy.get("/metrics").body);
    let metrics = proxy.metrics();
    for name in METRICS {
        assert!(metrics.has(name), "{name} is missing");
    }
    proxy.wait_eligible("redis-ro", &NODES, &["redis-2", "redis-3"]);
    for _ in 0..10 {
        proxy.node_of("redis-rw");
        proxy.node_of("redis-ro");
    }
    b.kill9();
    proxy.wait_eligible("redis-ro", &NODES, &["redis-3"]);
    let answer = proxy.get("/metrics");
    assert!(
        answer
            .head
            .to_lowercase()
            .contains("content-type: text/plain"),
        "{}",
        answer.head
    );
    promtool(&answer.body);
}

#[test]
fn the_metrics_of_nodes_and_groups_tell_what_is() {
    let [a, mut b, c] = redis_group(NODES);
    let proxy = Topology::standard(&[&a, &b, &c]).start();
    proxy.wait_eligible("redis-ro", &NODES, &["redis-2", "redis-3"]);
    let metrics = proxy.metrics();
    let roles = ["primary", "replica", "replica"];
    for (node, role) in NODES.into_iter().zip(roles) {
        let group = ("group", "main");
        let primary = u64::from(role == "primary");
        let at = [group, ("node", node)];
        assert_eq!(
            metrics.count("rolecall_group_primary", &at),
            primary,
            "{node}"
        );
        assert_eq!(metrics.count("rolecall_node_up", &at), 1, "{node}");
        let in_role = [group, ("node", node), ("role", role)];
        assert_eq!(
            metrics.count("rolecall_node_role", &in_role),
            1,
            "{node} {role}"
        );
        assert_eq!(
            metrics.count("rolecall_node_role", &at),
            1,
            "{node}: one role"
        );
        let at_rw = [("listener", "redis-rw"), ("node", node)];
        assert_eq!(
            metrics.count("rolecall_node_eligible", &at_rw),
            primary,
            "{node}"
        );
        let answered = [group, ("node", node), ("outcome", "answered")];
        assert!(
            metrics.count("rolecall_checks_total", &answered) >= 1,
            "{node}"
        );
    }
    assert_eq!(
        metrics.count("rolecall_group_claimants", &[("group", "main")]),
        1
    );

    b.kill9();
    proxy.wait_metric("rolecall_node_up", &[("node", "redis-2")], 0.0);
    let refused = [("node", "redis-2"), ("outcome", "refused")];
    proxy.wait_at_least("rolecall_checks_total", &refused, 1);
    b.restart();
    proxy.wait_metric("rolecall_node_up", &[("node", "redis-2")], 1.0);
}

#[test]
fn the_metrics_of_sessions_count_what_went_through() {
    let node = RedisNode::primary("redis-1");
    let proxy = Topology::standard(&[&node]).start();
    proxy.wait_primary("redis-1");
    let value = "v".repeat(1 << 20);
    let mut clients: Vec<Client> = (0..5).map(|_| proxy.client("redis-rw")).collect();
    clients.push(proxy.client("redis-ro"));
    for client in &mut clients {
        assert!(client.cmd(&["SET", "large", &value]).is_ok());
        assert_eq!(client.cmd(&["GET", "large"]).text().len(), value.len());
    }
    let at = |listener| [("listener", listener)];
    let metrics = proxy.metrics();
    assert_eq!(
        metrics.count("rolecall_listener_connections", &at("redis-rw")),
        5
    );
    assert_eq!(
        metrics.count("rolecall_listener_connections", &at("redis-ro")),
        1
    );
    assert_eq!(
        metrics.count("rolecall_node_sessions", &[("node", "redis-1")]),
        6
    );
    let dials = metrics.count("rolecall_connect_seconds_count", &[("node", "redis-1")]);
    assert_eq!(dials, 6, "checks are no dials of clients");

    drop(clients);
    proxy.wait_metric("rolecall_node_sessions", &[("node", "redis-1")], 0.0);
    let finished = [("listener", "redis-rw"), ("reason", "finished")];
    proxy.wait_metric("rolecall_sessions_closed_total", &finished, 5.0);
    let metrics = proxy.metrics();
    assert_eq!(
        metrics.count("rolecall_listener_connections_total", &at("redis-rw")),
        5
    );
    assert_eq!(
        metrics.count("rolecall_node_sessions_total", &[("node", "redis-1")]),
        6
    );
    let traffic = 6 << 20;
    for name in [
        "rolecall_node_received_bytes_total",
        "rolecall_node_sent_bytes_total",
    ] {
        // Flushed now and then: the sum arrives, and is not much more than the values.
        proxy.wait_at_least(name, &[("node", "redis-1")], traffic);
        let bytes = proxy.count(name, &[("node", "redis-1")]);
        assert!(bytes < traffic + 10_000, "{name} is {bytes}");
    }
}

#[test]
fn health_is_told_over_http_and_nothing_can_be_changed_there() {
    let node = RedisNode::primary("redis-1");
    let mut proxy = Topology::standard(&[&node]).start();
    assert_eq!(proxy.get("/livez").status, 200);
    assert_eq!(proxy.get("/readyz").status, 200);
    assert_eq!(proxy.get("/no/such/page").status, 404);
    let mut post = Client::connect(proxy.admin());
    post.send(
        b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    )
    .expect("send");
    let answer = post.read_to_end().expect("an answer");
    assert!(
        answer.starts_with(b"HTTP/1.1 405"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    let mut noise = Client::connect(proxy.admin());
    noise.send(&[0xff; 4096]).expect("send");
    noise.wait_closed("noise is answered by a close");
    assert!(proxy.is_running());
    assert_eq!(proxy.get("/livez").status, 200);
}

fn change_things(proxy: &Rolecall, b: &RedisNode) {
    let mut session = proxy.client("redis-rw");
    assert_eq!(session.node(), "redis-1");
    drop(session);
    let finished = [("listener", "redis-rw"), ("reason", "finished")];
    proxy.wait_metric("rolecall_sessions_closed_total", &finished, 1.0);
    b.promote();
    proxy.wait_primary("redis-2");
}

#[test]
fn text_logs_tell_the_end_of_each_session_and_each_change() {
    let [a, b] = redis_group(["redis-1", "redis-2"]);
    let proxy = Topology::standard(&[&a, &b]).start();
    proxy.wait_primary("redis-1");
    change_things(&proxy, &b);
    proxy.wait_log(&["redis-rw", "redis-1", "finished", "--"]);
    proxy.wait_log(&["redis-2", "primary"]);
}

#[test]
fn json_logs_are_one_object_a_line() {
    let [a, b] = redis_group(["redis-1", "redis-2"]);
    let mut proxy = Topology::standard(&[&a, &b])
        .log("{ format: json, level: debug }")
        .start();
    proxy.wait_primary("redis-1");
    change_things(&proxy, &b);
    proxy.wait_log(&["redis-rw", "redis-1", "finished", "--"]);
    proxy.signal("TERM");
    proxy.wait_exit(SOON);
    let log = proxy.log();
    assert!(log.lines().count() >= 3, "{log}");
    for line in log.lines() {
        let value: Result<serde_json::Value, _> = serde_json::from_str(line);
        assert!(
            value.is_ok_and(|value| value.is_object()),
            "not a JSON object: {line}"
        );
    }
}

#[test]
fn secrets_reach_no_log_no_message_and_no_page() {
    const RIGHT: &str = "correct-horse-battery";
    const WRONG: &str = "wrong-horse-battery";
    let a = RedisNode::builder("redis-1").password(RIGHT).start();
    let b = RedisNode::builder("redis-2")
        .password(RIGHT)
        .replica_of(a.address())
        .start();
    b.wait_in_sync();
    for (auth, format) in [
        (RIGHT, "text"),
        (WRONG, "text"),
        (RIGHT, "json"),
        (WRONG, "json"),
    ] {
        let proxy = Topology::new()
            .node(&a)
            .node(&b)
            .listener("redis-rw", "read-write", "park: { timeout: 1s }")
            .group("claim_hold: 500ms")
            .group(&format!("auth: {{ username: default, password: {auth} }}"))
            .log(&format!("{{ format: {format}, level: trace }}"))
            .start_unready();
        let outcome = if auth == RIGHT { "answered" } else { "denied" };
        let labels = [("node", "redis-1"), ("outcome", outcome)];
        proxy.wait_at_least("rolecall_checks_total", &labels, 2);
        let mut client = proxy.client("redis-rw");
        // What a client sends is a secret too.
        let answer = client.cmd(&["AUTH", RIGHT]);
        assert_eq!(answer.is_ok(), auth == RIGHT, "{answer:?}");
        let pages = ["/metrics", "/readyz", "/livez"].map(|path| proxy.get(path).body);
        let all = format!("{}{answer:?}{}", proxy.log(), pages.concat());
        for secret in [RIGHT, WRONG] {
            assert!(!all.contains(secret), "{secret} in:\n{all}");
        }
    }
}

#[test]
fn readiness_names_what_is_missing() {
    // A node that takes connections and says nothing has had no complete check for a while.
    let silent = common::fake::FakeNode::start(common::fake::Answers::Silence);
    let proxy = Topology::new()
        .node_at("quiet", &silent.address().to_string())
        .group("check: { interval: 60s, fast_interval: 50ms, timeout: 59s, fall: 6, rise: 2 }")
        .listener("redis-rw", "read-write", "")
        .listener_at("redis-ro", free_address(), "read-only", "")
        .start_unready();
    eventually(SOON, "the node is being asked", || silent.accepted() > 0);
    let answer = proxy.get("/readyz");
    assert_eq!(answer.status, 503, "{}", answer.body);
    for listener in ["redis-rw", "redis-ro"] {
        assert!(answer.body.contains(listener), "{}", answer.body);
    }
}
