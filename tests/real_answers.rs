//! R20 on real nodes: what a primary had answered when it lost its role, and what it refuses then.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on stops there"
)]

#[cfg(test)]
#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use common::client::{Client, Reply, encode};
use common::desk::Desk;
use common::redis::{RedisNode, redis_group};
use common::rolecall::Rolecall;
use common::topology::Topology;
use common::{SOON, eventually};

/// Requests that a slow reader has sent at once.
const PIPELINE: usize = 40;

/// Bytes of each answer: together more than the sockets between proxy and client take.
const VALUE: usize = 200 * 1024;

const WRITERS: usize = 8;

fn fail_over(from: &RedisNode, to: &RedisNode) {
    let (ip, port) = (to.address().ip().to_string(), to.address().port());
    let words = ["FAILOVER", "TO", &ip, &port.to_string()];
    // A replica that is in sync becomes "online" for its primary a little later.
    eventually(SOON, "the handover begins", || from.cmd(&words).is_ok());
}

/// Raises a flag at the end of its scope, whatever ends that.
struct RaiseAtEnd<'a>(&'a AtomicBool);

impl Drop for RaiseAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A client that has sent its requests and read no answer.
fn slow_reader(address: SocketAddr) -> Client {
    let mut client = Client::connect(address);
    client
        .send(&encode(&["GET", "large"]).repeat(PIPELINE))
        .expect("send the requests");
    client
}

/// The same through the proxy; the node has answered all of them, as far as the sockets take it.
fn slow_reader_of(node: &RedisNode, proxy: &Rolecall) -> Client {
    node.must(&["SET", "large", &"x".repeat(VALUE)]);
    let client = slow_reader(proxy.listener("redis-rw"));
    let calls = format!("calls={PIPELINE},");
    eventually(SOON, "the node has answered", || {
        node.info("commandstats", "cmdstat_get").starts_with(&calls)
    });
    client
}

/// How many whole answers come before the end.
fn answers(client: &mut Client) -> usize {
    let mut count = 0;
    while let Ok(reply) = client.read_reply() {
        assert_eq!(reply.text().len(), VALUE);
        count += 1;
    }
    count
}

fn proxy_of(nodes: &[&RedisNode]) -> Rolecall {
    let proxy = Topology::standard(nodes).start();
    proxy.wait_primary("redis-1");
    proxy
}

#[test]
fn r20_after_a_handover_a_slow_reader_gets_all_that_the_node_had_answered() {
    let [a, b] = redis_group(["redis-1", "redis-2"]);
    let proxy = proxy_of(&[&a, &b]);
    let mut client = slow_reader_of(&a, &proxy);
    let mut direct = slow_reader(a.address());
    b.wait_caught_up(&a);
    fail_over(&a, &b);
    proxy.wait_primary("redis-2");
    // A close with this unread would reset the connection, and what was not read yet would be gone.
    client
        .send(&encode(&["SET", "late", "1"]))
        .expect("the proxy still takes input");
    assert_eq!(answers(&mut client), PIPELINE, "through the proxy");
    for number in 0..PIPELINE {
        assert_eq!(
            direct.read_reply().expect("a reply").text().len(),
            VALUE,
            "{number}"
        );
    }
    for node in [&a, &b] {
        assert_eq!(node.must(&["EXISTS", "late"]).text(), "0", "R7: the fence");
    }
}

#[test]
fn r20_where_answers_may_be_of_a_lost_history_the_session_is_closed_as_it_is() {
    let [a, b] = redis_group(["redis-1", "redis-2"]);
    let proxy = proxy_of(&[&a, &b]);
    let mut client = slow_reader_of(&a, &proxy);
    // redis-1 goes on claiming, so what it acknowledges may be lost.
    b.promote();
    proxy.wait_primary("redis-2");
    eventually(SOON, "no session is left on redis-1", || {
        proxy.count("rolecall_node_sessions", &[("node", "redis-1")]) == 0
    });
    let delivered = answers(&mut client);
    assert!(delivered < PIPELINE, "all {delivered} answers came");
}

/// What became of the writes of some clients.
#[derive(Default)]
struct Written {
    acknowledged: Vec<String>,
    errors: Vec<String>,
    closes: usize,
}

/// Writes one id after the other, on one connection for as long as it holds; every third in a
/// transaction.
fn write(address: SocketAddr, writer: usize, stop: &AtomicBool, done: &AtomicUsize) -> Written {
    let mut written = Written::default();
    let mut client = None;
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let id = format!("{writer}-{number}");
        let Some(connection) = client.take().or_else(|| Client::try_connect(address).ok()) else {
            continue;
        };
        let mut connection = connection;
        match push(&mut connection, &id, number % 3 == 0) {
            Ok(Reply::Error(text)) => written.errors.push(text),
            Ok(_) => written.acknowledged.push(id),
            Err(_) => {
                written.closes += 1;
                continue;
            }
        }
        done.fetch_add(1, Ordering::Relaxed);
        client = Some(connection);
    }
    written
}

fn push(client: &mut Client, id: &str, in_transaction: bool) -> std::io::Result<Reply> {
    let push = ["RPUSH", "ids", id];
    if !in_transaction {
        return client.try_cmd(&push);
    }
    for words in [&["MULTI"][..], &push] {
        let reply = client.try_cmd(words)?;
        if reply.error().is_some() {
            return Ok(reply);
        }
    }
    client.try_cmd(&["EXEC"])
}

/// Has clients write while the primary changes; returns what became of it all.
fn written_while(address: SocketAddr, change: impl FnOnce()) -> Written {
    let (stop, done) = (AtomicBool::new(false), AtomicUsize::new(0));
    let more = |writes: usize| {
        let goal = done.load(Ordering::Relaxed) + writes;
        eventually(SOON, "more writes", || done.load(Ordering::Relaxed) >= goal);
    };
    thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (stop, done) = (&stop, &done);
                scope.spawn(move || write(address, writer, stop, done))
            })
            .collect();
        let end = RaiseAtEnd(&stop);
        more(200);
        change();
        more(200);
        drop(end);
        let mut all = Written::default();
        for writer in writers {
            let written = writer.join().expect("a writer");
            all.acknowledged.extend(written.acknowledged);
            all.errors.extend(written.errors);
            all.closes += written.closes;
        }
        all
    })
}

fn expect_all_kept(written: &Written, primary: &RedisNode) {
    assert!(written.errors.is_empty(), "{:?}", written.errors);
    let Reply::Array(kept) = primary.must(&["LRANGE", "ids", "0", "-1"]) else {
        panic!("a list");
    };
    let kept: BTreeSet<String> = kept.iter().map(Reply::text).collect();
    let lost = written.acknowledged.iter().filter(|id| !kept.contains(*id));
    assert_eq!(lost.collect::<Vec<_>>(), Vec::<&String>::new());
    assert!(
        written.closes <= 2 * WRITERS,
        "{} closes for {WRITERS} clients",
        written.closes
    );
}

#[test]
fn r20_no_client_sees_that_a_handover_refused_its_command() {
    let [a, b] = redis_group(["redis-1", "redis-2"]);
    let proxy = proxy_of(&[&a, &b]);
    let mut blocked = proxy.client("redis-rw");
    assert_eq!(blocked.node(), "redis-1");
    blocked
        .send(&encode(&["BLPOP", "nothing", "0"]))
        .expect("send");
    eventually(SOON, "it is blocked", || {
        a.info("clients", "blocked_clients") == "1"
    });
    let written = written_while(proxy.listener("redis-rw"), || {
        fail_over(&a, &b);
        proxy.wait_primary("redis-2");
    });
    let told = blocked.read_to_end().expect("an orderly end");
    assert!(told.is_empty(), "{}", told.escape_ascii());
    expect_all_kept(&written, &b);
}

#[test]
fn r20_a_switchover_without_sentinel_shows_no_error_and_keeps_every_acknowledged_write() {
    let [a, b] = redis_group(["redis-1", "redis-2"]);
    let desk = Desk::start(&Topology::standard(&[&a, &b]));
    desk.proxy.wait_node_of("redis-ro", "redis-2");
    let written = written_while(desk.proxy.listener("redis-rw"), || {
        let outcome = desk.switch(&["main", "--to", "redis-2"]);
        assert!(outcome.done, "{outcome:?}");
    });
    expect_all_kept(&written, &b);
}

#[test]
fn r20_errors_that_are_the_clients_own_pass_unchanged() {
    let [a, b] = redis_group(["redis-1", "redis-2"]);
    let proxy = proxy_of(&[&a, &b]);
    proxy.wait_node_of("redis-ro", "redis-2");
    let refused = proxy.client("redis-ro").cmd(&["SET", "k", "v"]);
    assert_eq!(
        refused.error(),
        Some("READONLY You can't write against a read only replica.")
    );

    let mut client = proxy.client("redis-rw");
    let own = "return redis.error_reply('READONLY for a reason of its own')";
    let error = client.cmd(&["EVAL", own, "0"]);
    assert_eq!(error.error(), Some("READONLY for a reason of its own"));
    let text = "-READONLY You can't write against a read only replica.";
    assert_eq!(client.cmd(&["ECHO", text]).text(), text);

    let id = client.cmd(&["CLIENT", "ID"]).text();
    client
        .send(&encode(&["BLPOP", "nothing", "0"]))
        .expect("send");
    eventually(SOON, "it is unblocked", || {
        a.must(&["CLIENT", "UNBLOCK", &id, "ERROR"]).text() == "1"
    });
    let unblocked = client.read_reply().expect("a reply");
    assert_eq!(
        unblocked.error(),
        Some("UNBLOCKED client unblocked via CLIENT UNBLOCK")
    );
    assert_eq!(client.cmd(&["PING"]).text(), "PONG");
}
