//! Great numbers: thousands of sessions, and the end of the descriptors.

#[cfg(test)]
#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use common::SOON;
use common::client::{Client, encode};
use common::eventually;
use common::redis::redis_group_with;
use common::topology::Topology;
use std::fs;

const NODES: [&str; 3] = ["redis-1", "redis-2", "redis-3"];
const SESSIONS: usize = 5_000;

/// What the test process needs; the proxy needs twice as many.
const DESCRIPTORS: u64 = 5_500;

fn resident_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

#[test]
fn five_thousand_sessions_at_once_are_all_served() {
    let limit = rlimit::increase_nofile_limit(DESCRIPTORS).expect("raise the limit");
    let (_, hard) = rlimit::Resource::NOFILE.get().expect("read the limit");
    assert!(
        limit >= DESCRIPTORS && hard >= 2 * DESCRIPTORS,
        "this test needs a hard limit of {} descriptors: ulimit -Hn says {hard}",
        2 * DESCRIPTORS
    );
    let [a, b, c] = redis_group_with(NODES, &[("maxclients", "6000"), ("tcp-backlog", "511")]);
    // A burst may overflow a node's backlog; a SYN that was dropped is sent again after 1 s and more.
    let patient = "fallback: redis-rw, connect_timeout: 20s";
    let proxy = Topology::new()
        .node(&a)
        .node(&b)
        .node(&c)
        .listener("redis-rw", "read-write", "")
        .listener("redis-ro", "read-only", patient)
        .patient_checks()
        .start();
    proxy.wait_eligible("redis-ro", &NODES, &["redis-2", "redis-3"]);
    let empty = resident_kib(proxy.pid());

    let mut clients: Vec<Client> = (0..SESSIONS).map(|_| proxy.client("redis-ro")).collect();
    let ping = encode(&["PING"]);
    for round in 0..2 {
        for client in &mut clients {
            client.send(&ping).expect("send");
        }
        for (number, client) in clients.iter_mut().enumerate() {
            let reply = client.read_reply();
            let reply = reply.unwrap_or_else(|error| panic!("{number}, round {round}: {error}"));
            assert_eq!(reply.text(), "PONG", "session {number}, round {round}");
        }
    }
    let full = resident_kib(proxy.pid());
    println!("{SESSIONS} idle sessions: {empty} KiB before, {full} KiB with them");
    let metrics = proxy.metrics();
    let on = |node| metrics.count("rolecall_node_sessions", &[("node", node)]);
    assert_eq!(on("redis-2") + on("redis-3"), SESSIONS as u64);
    assert!(
        on("redis-2").abs_diff(on("redis-3")) <= 2,
        "{} and {}",
        on("redis-2"),
        on("redis-3")
    );
    let mut writer = proxy.client("redis-rw");
    assert!(
        writer.cmd(&["SET", "key", "value"]).is_ok(),
        "others are served beside them"
    );

    drop(clients);
    proxy.wait_metric("rolecall_node_sessions", &[], 1.0);
    assert_eq!(writer.node(), "redis-1");
}

#[test]
fn without_descriptors_sessions_go_on_and_accepting_resumes() {
    let [a, b] = redis_group_with(["redis-1", "redis-2"], &[]);
    let mut proxy = Topology::standard(&[&a, &b])
        .top("workers: 1")
        .descriptors(64)
        .start();
    proxy.wait_eligible("redis-ro", &NODES, &["redis-2"]);
    let mut sessions: Vec<Client> = (0..4)
        .flat_map(|_| [proxy.client("redis-rw"), proxy.client("redis-ro")])
        .collect();
    for session in &mut sessions {
        assert_eq!(session.cmd(&["PING"]).text(), "PONG");
    }

    let crowd: Vec<Client> = (0..100).map(|_| proxy.client("redis-rw")).collect();
    proxy.wait_log(&["accept", "open files"]);
    let open = proxy.descriptors();
    assert!(
        (32..64).contains(&open),
        "{open} of 64 descriptors are in use"
    );
    for _ in 0..50 {
        for session in &mut sessions {
            assert_eq!(session.cmd(&["PING"]).text(), "PONG", "open sessions go on");
        }
    }
    assert!(proxy.is_running());

    drop(crowd);
    eventually(SOON, "accepting resumes", || {
        let reply = proxy.client("redis-rw").try_cmd(&["SET", "key", "value"]);
        reply.is_ok_and(|reply| reply.is_ok())
    });
    for session in &mut sessions {
        assert_eq!(session.cmd(&["PING"]).text(), "PONG");
    }
    assert_eq!(
        proxy.count("rolecall_node_up", &[]),
        2,
        "the nodes are fine"
    );
}

#[test]
fn the_soft_limit_is_raised_to_the_hard_one() {
    let [a] = redis_group_with(["redis-1"], &[]);
    let proxy = Topology::standard(&[&a]).soft_descriptors(256).start();
    let limits = fs::read_to_string(format!("/proc/{}/limits", proxy.pid())).expect("limits");
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .expect("a line of descriptors");
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words[3], words[4], "soft and hard: {line}");
    assert_ne!(words[3], "256");
}
