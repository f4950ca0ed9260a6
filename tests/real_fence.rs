//! R7 to the last session: when a primary loses its election, every session that writes there is
//! fenced and closed, whatever listener it came by and whichever worker serves it.

#[cfg(test)]
#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use common::client::{Client, encode};
use common::redis::{RedisNode, redis_group_with};
use common::rolecall::Rolecall;
use common::topology::Topology;
use common::{SOON, eventually};

const SESSIONS: usize = 5_000;
const DESCRIPTORS: u64 = 6_500;

/// Two levels of fallback lead to the primary: nobody else can serve the two read listeners.
const LISTENERS: [&str; 3] = ["redis-rw", "middle", "outer"];

fn three_deep(a: &RedisNode, b: &RedisNode) -> Rolecall {
    let patient =
        |fallback: &str| format!("nodes: [redis-dead], connect_timeout: 20s, fallback: {fallback}");
    Topology::new()
        .node(a)
        .node(b)
        .node_at("redis-dead", "127.0.0.1:1")
        .listener("redis-rw", "read-write", "connect_timeout: 20s")
        .listener("middle", "read-only", &patient("redis-rw"))
        .listener("outer", "read-only", &patient("middle"))
        .patient_checks()
        .top("workers: 2")
        .start()
}

/// Connects and writes without a pause until told to stop, and until one write of after the change is acknowledged;
/// returns the keys acknowledged after the flag `moved` was up before the connection was made.
fn knock(proxy: &Rolecall, listener: &str, moved: &AtomicBool, stop: &AtomicBool) -> Vec<String> {
    let mut late = Vec::new();
    let mut deadline = None;
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            let deadline = *deadline.get_or_insert_with(|| Instant::now() + SOON);
            if !late.is_empty() || Instant::now() > deadline {
                break;
            }
        }
        let is_late = moved.load(Ordering::Acquire);
        let key = format!("knock-{listener}-{number}");
        let reply = Client::try_connect(proxy.listener(listener))
            .and_then(|mut client| client.try_cmd(&["SET", &key, "1"]));
        if is_late && reply.is_ok_and(|reply| reply.is_ok()) {
            late.push(key);
        }
    }
    late
}

#[test]
fn r7_fences_five_thousand_sessions_of_three_listeners_while_connections_keep_coming() {
    let limit = rlimit::increase_nofile_limit(u64::MAX).expect("raise the limit");
    assert!(
        limit >= DESCRIPTORS,
        "this test needs {DESCRIPTORS} descriptors: ulimit -n says {limit}"
    );
    let [a, b] = redis_group_with(
        ["redis-1", "redis-2"],
        &[("maxclients", "7000"), ("tcp-backlog", "511")],
    );
    let proxy = three_deep(&a, &b);
    proxy.wait_primary("redis-1");
    let mut sessions: Vec<Client> = (0..SESSIONS)
        .map(|number| proxy.client(LISTENERS[number % 3]))
        .collect();
    for session in &mut sessions {
        assert_eq!(session.cmd(&["PING"]).text(), "PONG");
    }
    assert!(proxy.count("rolecall_node_sessions", &[("node", "redis-1")]) >= SESSIONS as u64);

    let (moved, stop) = (AtomicBool::new(false), AtomicBool::new(false));
    let late = thread::scope(|scope| {
        let knocking = LISTENERS.map(|listener| {
            let (proxy, moved, stop) = (&proxy, &moved, &stop);
            scope.spawn(move || knock(proxy, listener, moved, stop))
        });
        // redis-1 goes on claiming and accepting writes: whatever still reaches it is seen there.
        b.promote();
        proxy.wait_primary("redis-2");
        moved.store(true, Ordering::Release);
        for (number, session) in sessions.iter_mut().enumerate() {
            // A session that is closed already cannot take it, which is as well.
            let _ = session.send(&encode(&["SET", &format!("after-{number}"), "1"]));
        }
        for (number, session) in sessions.iter_mut().enumerate() {
            session.wait_closed(&format!("session {number} by {}", LISTENERS[number % 3]));
        }
        stop.store(true, Ordering::Relaxed);
        knocking
            .map(|knocker| knocker.join().expect("a knocker"))
            .concat()
    });

    let leaked = a.must(&["EVAL", "return #redis.call('KEYS', 'after-*')", "0"]);
    assert_eq!(
        leaked.text(),
        "0",
        "nothing that was sent after the change reaches redis-1"
    );
    assert!(!late.is_empty(), "connections came in after the change");
    for key in &late {
        assert_eq!(b.must(&["EXISTS", key]).text(), "1", "{key} is at redis-2");
        assert_eq!(
            a.must(&["EXISTS", key]).text(),
            "0",
            "{key} is not at redis-1"
        );
    }
    eventually(SOON, "no session is left on redis-1", || {
        proxy.count("rolecall_node_sessions", &[("node", "redis-1")]) == 0
    });
}
