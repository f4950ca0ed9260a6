//! R8: nodes that are alive and cannot serve, nodes that refuse us, and things that are no Redis at all.

#[cfg(test)]
#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use common::client::{Client, encode};
use common::fake::{Answers, FakeNode};
use common::redis::{RedisNode, redis_group, redis_group_with};
use common::topology::Topology;
use common::traffic::Traffic;
use common::{SOON, eventually};

const NODES: [&str; 3] = ["redis-1", "redis-2", "redis-3"];

/// Makes loading last for minutes, and the node answer -LOADING meanwhile.
const SLOW_LOADING: [(&str, &str); 2] = [
    ("key-load-delay", "20000"),
    ("loading-process-events-interval-bytes", "1024"),
];

/// Gives a node a data set, saved on its disk, that loads slowly with [`SLOW_LOADING`].
fn fill_and_save(node: &RedisNode) {
    node.must(&["CONFIG", "SET", "rdbcompression", "no"]);
    node.must(&["DEBUG", "POPULATE", "5000", "key", "1000"]);
    // Refused while the child of a sync is still there.
    eventually(SOON, "the data is on the disk", || {
        node.cmd(&["SAVE"]).is_ok()
    });
}

#[test]
fn r8_a_loading_primary_gets_no_writes_until_it_has_loaded() {
    let [mut a, b] = redis_group(["redis-1", "redis-2"]);
    fill_and_save(&a);
    let proxy = Topology::new()
        .node(&a)
        .node(&b)
        .listener("redis-rw", "read-write", "park: { timeout: 120s }")
        .listener("redis-ro", "read-only", "fallback: redis-rw")
        .start();
    proxy.wait_primary("redis-1");
    proxy.wait_eligible("redis-ro", &NODES, &["redis-2"]);
    let mut reader = proxy.client("redis-ro");
    assert_eq!(reader.node(), "redis-2");

    a.restart_with(&SLOW_LOADING);
    let ping = a.cmd(&["PING"]);
    assert!(
        ping.error().is_some_and(|e| e.starts_with("LOADING")),
        "{ping:?}"
    );
    let labels = [("node", "redis-1"), ("outcome", "loading")];
    proxy.wait_at_least("rolecall_checks_total", &labels, 1);
    let mut writer = proxy.client("redis-rw");
    writer.send(&encode(&["SET", "new", "x"])).expect("send");
    proxy.wait_at_least("rolecall_checks_total", &labels, 5);
    proxy.wait_eligible("redis-rw", &NODES, &[]);
    assert_eq!(
        proxy.count("rolecall_group_primary", &[("node", "redis-2")]),
        0
    );
    proxy.wait_metric("rolecall_listener_parked", &[("listener", "redis-rw")], 1.0);
    assert_eq!(proxy.node_of("redis-ro"), "redis-2", "reads go on");
    assert_eq!(reader.node(), "redis-2");

    a.must(&["CONFIG", "SET", "key-load-delay", "0"]);
    assert!(writer.read_reply().expect("a reply").is_ok());
    assert_eq!(writer.node(), "redis-1");
    assert_eq!(a.must(&["DBSIZE"]).text(), "5001");
}

#[test]
fn r8_a_loading_replica_is_not_read() {
    let [a, b, mut c] = redis_group(NODES);
    fill_and_save(&c);
    let proxy = Topology::standard(&[&a, &b, &c]).start();
    proxy.wait_eligible("redis-ro", &NODES, &["redis-2", "redis-3"]);
    c.restart_with(&SLOW_LOADING);
    let labels = [("node", "redis-3"), ("outcome", "loading")];
    proxy.wait_at_least("rolecall_checks_total", &labels, 2);
    let readers = Traffic::readers(proxy.listener("redis-ro"), 4);
    readers.wait_more(200);
    let tally = readers.finish();
    assert!(
        tally.errors.is_empty() && tally.broken.is_empty(),
        "{tally:?}"
    );
    assert!(tally.nodes.iter().all(|node| node == "redis-2"));
    c.must(&["CONFIG", "SET", "key-load-delay", "0"]);
    proxy.wait_eligible("redis-ro", &NODES, &["redis-2", "redis-3"]);
}

#[test]
fn r8_busy_nodes_keep_their_role_and_their_sessions() {
    let [a, b, c] = redis_group_with(NODES, &[("lua-time-limit", "100")]);
    let proxy = Topology::standard(&[&a, &b, &c]).start();
    proxy.wait_primary("redis-1");
    proxy.wait_eligible("redis-ro", &NODES, &["redis-2", "redis-3"]);
    let mut sessions: Vec<Client> = (0..4)
        .flat_map(|_| [proxy.client("redis-rw"), proxy.client("redis-ro")])
        .collect();
    let before: Vec<String> = sessions.iter_mut().map(Client::node).collect();
    let changes = proxy.count("rolecall_group_primary_changes_total", &[]);

    let mut scripts = [a.client(), b.client()];
    for script in &mut scripts {
        let words = encode(&["EVAL", "while true do end", "0"]);
        script.send(&words).expect("send");
    }
    for node in ["redis-1", "redis-2"] {
        let labels = [("node", node), ("outcome", "busy")];
        proxy.wait_at_least("rolecall_checks_total", &labels, 4);
    }
    for session in &mut sessions {
        assert!(!session.is_closed(), "no session is cut");
    }
    proxy.wait_primary("redis-1");
    assert_eq!(
        proxy.count("rolecall_group_primary_changes_total", &[]),
        changes
    );

    for node in [&a, &b] {
        assert!(node.cmd(&["SCRIPT", "KILL"]).is_ok());
        // It is answered before the script has noticed.
        eventually(SOON, "the script has ended", || {
            node.cmd(&["PING"]).error().is_none()
        });
    }
    let after: Vec<String> = sessions.iter_mut().map(Client::node).collect();
    assert_eq!(after, before);
}

#[test]
fn r9_r16_a_replica_in_a_full_sync_is_not_read_until_it_has_ended() {
    let [a, b, c] = redis_group(NODES);
    // Values that fill the buffers of the sync, so that a sync whose replicas have gone ends at once.
    a.must(&["CONFIG", "SET", "rdbcompression", "no"]);
    a.must(&["DEBUG", "POPULATE", "2000", "key", "20000"]);
    let proxy = Topology::standard(&[&a, &b, &c]).start();
    proxy.wait_eligible("redis-ro", &NODES, &["redis-2", "redis-3"]);
    let mut sessions: Vec<Client> = (0..4).map(|_| proxy.client("redis-ro")).collect();
    let nodes: Vec<String> = sessions.iter_mut().map(Client::node).collect();

    // The primary forgets its history and sends its data at ten keys a second: it would take minutes.
    a.must(&["CONFIG", "SET", "rdb-key-save-delay", "100000"]);
    a.must(&["DEBUG", "CHANGE-REPL-ID"]);
    c.must(&["CLIENT", "KILL", "TYPE", "master"]);
    let syncing = |node: &RedisNode| node.info("replication", "master_sync_in_progress") == "1";
    eventually(SOON, "redis-3 is in a full sync", || syncing(&c));
    for (session, node) in sessions.iter_mut().zip(&nodes) {
        if node == "redis-3" {
            session.wait_closed("R16: the data of its node is being replaced");
        } else {
            assert_eq!(&session.node(), node);
        }
    }
    proxy.wait_eligible("redis-ro", &NODES, &["redis-2"]);
    let readers = Traffic::readers(proxy.listener("redis-ro"), 4);
    readers.wait_more(200);
    let tally = readers.finish();
    assert!(syncing(&c), "the sync outlasts the readers");
    assert!(
        tally.nodes.iter().all(|node| node == "redis-2"),
        "{:?}",
        tally.nodes
    );
    let labels = [("listener", "redis-ro"), ("reason", "lost_data")];
    assert_eq!(proxy.count("rolecall_sessions_closed_total", &labels), 2);

    // Ends the slow transfer; the next one is quick.
    a.must(&["CONFIG", "SET", "rdb-key-save-delay", "0"]);
    a.must(&["CLIENT", "KILL", "TYPE", "replica"]);
    proxy.wait_eligible("redis-ro", &NODES, &["redis-2", "redis-3"]);
    assert_eq!(c.must(&["DBSIZE"]).text(), "2000");
}

#[test]
fn r8_a_node_with_another_password_hurts_no_other_node() {
    let a = RedisNode::builder("redis-1").password("right").start();
    let b = RedisNode::builder("redis-2")
        .password("right")
        .replica_of(a.address())
        .start();
    b.wait_in_sync();
    let odd = RedisNode::builder("odd").password("other").start();
    let proxy = Topology::new()
        .node(&odd)
        .node(&a)
        .node(&b)
        .usual_listeners()
        .group("auth: { password: right }")
        .start();
    let mut writer = proxy.client("redis-rw");
    assert!(
        writer.cmd(&["AUTH", "right"]).is_ok(),
        "clients bring their own password"
    );
    assert_eq!(writer.node(), "redis-1");
    proxy.wait_eligible("redis-ro", &["odd", "redis-1", "redis-2"], &["redis-2"]);
    let labels = [("node", "odd"), ("outcome", "denied")];
    proxy.wait_at_least("rolecall_checks_total", &labels, 1);
    proxy.wait_log(&["odd", "password"]);
}

#[test]
fn r8_a_wrong_password_is_told_to_the_waiting_client() {
    let node = RedisNode::builder("redis-1").password("right").start();
    for auth in [
        "{ password: wrong }",
        "{ username: nobody, password: right }",
    ] {
        let proxy = Topology::new()
            .node(&node)
            .listener("redis-rw", "read-write", "park: { timeout: 1s }")
            .group(&format!("auth: {auth}"))
            .group("claim_hold: 500ms")
            .start_unready();
        let reply = proxy.client("redis-rw").cmd(&["PING"]);
        let text = reply.error().unwrap_or_else(|| panic!("{reply:?}"));
        assert!(text.starts_with("MASTERDOWN rolecall"), "{text}");
        assert!(
            text.contains("redis-1") && text.contains("password"),
            "{text}"
        );
        let denied = [("node", "redis-1"), ("outcome", "denied")];
        proxy.wait_at_least("rolecall_checks_total", &denied, 1);
    }
}

#[test]
fn r8_a_node_that_wants_a_password_and_gets_none() {
    let node = RedisNode::builder("redis-1").password("right").start();
    let proxy = Topology::new()
        .node(&node)
        .listener("redis-rw", "read-write", "park: { timeout: 1s }")
        .group("claim_hold: 500ms")
        .start_unready();
    let reply = proxy.client("redis-rw").cmd(&["PING"]);
    let text = reply.error().unwrap_or_else(|| panic!("{reply:?}"));
    assert!(
        text.contains("redis-1") && text.contains("password"),
        "{text}"
    );
}

#[test]
fn an_acl_user_may_do_the_checks() {
    let node = RedisNode::primary("redis-1");
    node.must(&[
        "ACL", "SETUSER", "checker", "on", ">secret", "+ping", "+info",
    ]);
    node.must(&["ACL", "SETUSER", "default", "-info"]);
    let proxy = Topology::new()
        .node(&node)
        .listener("redis-rw", "read-write", "")
        .group("auth: { username: checker, password: secret }")
        .start();
    proxy.wait_primary("redis-1");
}

#[test]
fn r8_things_that_are_no_redis_hurt_nobody_else() {
    let [a, b] = redis_group(["redis-1", "redis-2"]);
    let fakes = [
        ("http", Answers::Http),
        ("endless", Answers::EndlessLine),
        ("huge", Answers::HugeBulk),
        ("nested", Answers::NestedArrays),
        ("noise", Answers::Noise),
        ("wrong", Answers::WrongReplies),
    ]
    .map(|(name, answers)| (name, FakeNode::start(answers)));
    let mut topology = Topology::new();
    for (name, fake) in &fakes {
        topology = topology.node_at(name, &fake.address().to_string());
    }
    let mut proxy = topology.node(&a).node(&b).usual_listeners().start();
    let writers = Traffic::writers(proxy.listener("redis-rw"), 2);
    let readers = Traffic::readers(proxy.listener("redis-ro"), 2);
    for (name, fake) in &fakes {
        eventually(SOON, &format!("{name} is found out twice"), || {
            let metrics = proxy.metrics();
            let count = |outcome| {
                metrics.count(
                    "rolecall_checks_total",
                    &[("node", name), ("outcome", outcome)],
                )
            };
            count("not_redis") + count("bad_reply") >= 2
        });
        assert!(fake.accepted() >= 1, "{name}");
        let labels = [("listener", "redis-rw"), ("node", *name)];
        assert_eq!(proxy.count("rolecall_node_eligible", &labels), 0, "{name}");
    }
    writers.wait_more(200);
    readers.wait_more(200);
    let (written, read) = (writers.finish(), readers.finish());
    for tally in [&written, &read] {
        assert!(tally.errors.is_empty(), "{:?}", tally.errors);
        assert!(
            tally.refused.is_empty() && tally.broken.is_empty(),
            "{tally:?}"
        );
    }
    proxy.wait_primary("redis-1");
    proxy.wait_log(&["http", "not Redis", "HTTP/1.1 400 Bad Request"]);
    assert!(proxy.is_running());
}

#[test]
fn r8_a_node_without_room_for_more_clients_keeps_its_sessions_and_gets_no_new_ones() {
    let [a, b, c] = redis_group(NODES);
    let proxy = Topology::standard(&[&a, &b, &c]).start();
    proxy.wait_eligible("redis-ro", &NODES, &["redis-2", "redis-3"]);
    let mut sessions: Vec<Client> = (0..4).map(|_| proxy.client("redis-ro")).collect();
    let nodes: Vec<String> = sessions.iter_mut().map(Client::node).collect();
    // This connection stays, to give the limit back by.
    let mut remote = c.client();
    remote.cmd(&["CONFIG", "SET", "maxclients", "1"]);
    // Each tenth check dials anew, and is refused in words.
    let labels = [("node", "redis-3"), ("outcome", "too_many_clients")];
    proxy.wait_at_least("rolecall_checks_total", &labels, 1);
    proxy.wait_eligible("redis-ro", &NODES, &["redis-2"]);
    let after: Vec<String> = sessions.iter_mut().map(Client::node).collect();
    assert_eq!(after, nodes, "the open sessions go on");
    remote.cmd(&["CONFIG", "SET", "maxclients", "1000"]);
    proxy.wait_eligible("redis-ro", &NODES, &["redis-2", "redis-3"]);
}
