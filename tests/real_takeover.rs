//! An upgrade refuses nobody: a second process takes the listening sockets over, and the first one goes
//! on enforcing roles for the sessions that it still has.

#[cfg(test)]
#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use common::client::Client;
use common::manager::Manager;
use common::net::free_address;
use common::place::{Place, take_over};
use common::redis::{RedisNode, redis_group};
use common::rolecall::Rolecall;
use common::topology::Topology;
use common::traffic::{Tally, Traffic};
use common::{SOON, eventually, throughout};

const NODES: [&str; 3] = ["redis-1", "redis-2", "redis-3"];

impl Place {
    /// Starts the first process, and waits until it can be taken over from.
    fn start(&self, topology: &Topology) -> Rolecall {
        let proxy = topology.start();
        proxy.wait_primary("redis-1");
        eventually(SOON, "it waits for a successor", || {
            self.takeover_socket().exists()
        });
        proxy
    }
}

fn assert_flawless(tally: &Tally) {
    assert!(tally.refused.is_empty(), "{:?}", tally.refused);
    assert!(tally.broken.is_empty(), "{:?}", tally.broken);
    assert!(tally.errors.is_empty(), "{:?}", tally.errors);
}

#[test]
fn nobody_is_refused_or_reset_with_more_or_fewer_workers() {
    let [a, b, c] = redis_group(NODES);
    let place = Place::new(&[&a, &b, &c]);
    let workers = |count: u8| place.topology.clone().top(&format!("workers: {count}"));
    let mut first = place.start(&workers(2));
    let writers = Traffic::writers(first.listener("redis-rw"), 4);
    let readers = Traffic::readers(first.listener("redis-ro"), 4);
    let mut session = first.client("redis-rw");
    assert!(session.cmd(&["SET", "counter", "0"]).is_ok());
    writers.wait_more(100);

    // Fewer workers than sockets, then more.
    let mut second = take_over(&workers(1));
    for _ in 0..100 {
        session.cmd(&["INCR", "counter"]);
    }
    writers.wait_more(200);
    readers.wait_more(200);
    let mut third = take_over(&workers(3));
    writers.wait_more(200);
    readers.wait_more(200);
    assert_eq!(session.cmd(&["GET", "counter"]).text(), "100");
    assert_flawless(&writers.finish());
    assert_flawless(&readers.finish());

    assert!(first.is_running(), "it has a session");
    drop(session);
    assert_eq!(first.wait_exit(SOON).code(), Some(0), "{}", first.log());
    // It has no session any more.
    assert_eq!(second.wait_exit(SOON).code(), Some(0), "{}", second.log());
    assert_eq!(third.node_of("redis-rw"), "redis-1");
    assert!(third.is_running());
    third.wait_primary("redis-1");
}

#[test]
fn r7_the_old_process_closes_its_write_sessions_on_a_demotion() {
    let [a, b, c] = redis_group(NODES);
    let place = Place::new(&[&a, &b, &c]);
    let mut old = place.start(&place.topology);
    let mut write = old.client("redis-rw");
    assert_eq!(write.node(), "redis-1");
    old.wait_eligible("redis-ro", &NODES, &["redis-2", "redis-3"]);
    let mut read = old.client("redis-ro");
    let reader = read.node();
    let new = take_over(&place.topology);

    b.promote();
    a.replicate(&b);
    c.replicate(&b);
    write.wait_closed("the old process enforces the role");
    old.wait_log(&["reason=\"demoted\""]);
    new.wait_primary("redis-2");
    assert_eq!(new.node_of("redis-rw"), "redis-2");
    assert_eq!(read.node(), reader, "R16: its read session stays");
    // The old one listens nowhere: it would take connections that nobody accepts.
    drop(new);
    for listener in ["redis-rw", "redis-ro"] {
        let refused = Client::try_connect(old.listener(listener));
        assert!(refused.is_err(), "{listener}");
    }
    assert!(old.try_get("/livez").is_none());
    assert!(old.is_running());
    drop(read);
    assert_eq!(old.wait_exit(SOON).code(), Some(0));
}

#[test]
fn writes_go_on_where_the_new_process_needs_time_for_its_election() {
    let [a, b, mut c] = redis_group(NODES);
    let place = Place::new(&[&a, &b, &c]);
    // Without the replica's vote a sole claimant is elected after the hold.
    let topology = place.topology.clone().group("claim_hold: 3s");
    let old = place.start(&topology);
    b.promote();
    a.replicate(&b);
    old.wait_primary("redis-2");
    c.kill9();
    a.stop();
    let mut session = old.client("redis-rw");
    let new = topology.clone().argument("--takeover").spawn();
    new.wait_log(&["taking over from pid"]);
    let parked = [("listener", "redis-rw")];
    eventually(SOON, "it has taken over", || {
        assert!(session.cmd(&["SET", "key", "value"]).is_ok());
        assert_eq!(old.node_of("redis-rw"), "redis-2");
        new.log().contains("took over: pid")
    });
    assert_eq!(new.node_of("redis-rw"), "redis-2");
    assert_eq!(
        new.count("rolecall_park_wait_seconds_count", &parked),
        0,
        "nobody was parked"
    );
    a.cont();
}

#[test]
fn a_new_process_that_elects_nobody_does_not_take_over() {
    let [a, b] = redis_group(["redis-1", "redis-2"]);
    let place = Place::new(&[&a, &b]);
    let topology = place.topology.clone().group("claim_hold: 500ms");
    let old = place.start(&topology);
    // A second primary with a history and a replica of its own: the incumbent stays, a cold start
    // finds no evidence.
    let address = b.address();
    drop(b);
    let pretender = RedisNode::builder("redis-2").at(address).start();
    let _other = RedisNode::replica("other", &pretender);
    old.wait_metric("rolecall_group_claimants", &[], 2.0);
    let mut new = topology.clone().argument("--takeover").spawn();
    let status = new.wait_exit(Duration::from_secs(60));
    assert_eq!(status.code(), Some(1), "{}", new.log());
    let log = new.log();
    assert!(
        log.contains("the running process has elected redis-1 in group main"),
        "{log}"
    );
    old.wait_log(&["has ended before it was ready: serving on"]);
    assert_eq!(old.node_of("redis-rw"), "redis-1");
}

#[test]
fn the_old_process_ends_at_the_limit_that_the_new_one_sets() {
    let node = RedisNode::primary("redis-1");
    let place = Place::new(&[&node]);
    let mut old = place.start(&place.topology);
    let mut session = old.client("redis-rw");
    assert_eq!(session.node(), "redis-1");
    let new = take_over(&place.topology.clone().argument("--takeover-limit=1s"));
    session.wait_closed("the limit has passed");
    assert_eq!(old.wait_exit(SOON).code(), Some(0));
    assert_eq!(new.node_of("redis-rw"), "redis-1");
}

#[test]
fn the_old_process_still_obeys_a_signal() {
    let node = RedisNode::primary("redis-1");
    let place = Place::new(&[&node]);
    let mut old = place.start(&place.topology.clone().top("grace: 1s"));
    let mut session = old.client("redis-rw");
    assert_eq!(session.node(), "redis-1");
    let new = take_over(&place.topology);
    old.signal("TERM");
    session.wait_closed("the grace has passed");
    assert_eq!(old.wait_exit(SOON).code(), Some(0));
    assert_eq!(new.node_of("redis-rw"), "redis-1");
}

#[test]
fn a_new_process_that_fails_before_it_is_ready_changes_nothing() {
    let [a, b] = redis_group(["redis-1", "redis-2"]);
    let place = Place::new(&[&a, &b]);
    let path = place.dir.path().join("rw.sock");
    let unix = format!("unix:{}", path.display());
    let topology =
        place
            .topology
            .clone()
            .listener_bound("both", free_address(), &[&unix], "read-write", "");
    let old = place.start(&topology);
    let traffic = Traffic::writers(old.listener("redis-rw"), 4);
    let mut session = old.client("redis-rw");
    assert_eq!(session.node(), "redis-1");

    // One that cannot open its listeners.
    let held = TcpListener::bind(free_address()).expect("bind");
    let held_at = held.local_addr().expect("an address");
    let broken = topology
        .clone()
        .listener_at("more", held_at, "read-only", "");
    let mut failed = broken.argument("--takeover").spawn();
    assert_eq!(failed.wait_exit(SOON).code(), Some(1), "{}", failed.log());
    old.wait_log(&["has ended before it was ready: serving on"]);
    traffic.wait_more(100);

    // One that dies while it waits for its first verdicts.
    let slow = "check: { interval: 30s, fast_interval: 30s, timeout: 29s }";
    let silent = common::fake::FakeNode::start(common::fake::Answers::Silence);
    let waiting = topology
        .clone()
        .node_at("redis-3", &silent.address().to_string())
        .group(slow)
        .argument("--takeover")
        .spawn();
    waiting.wait_log(&["taking over from pid"]);
    drop(waiting);
    eventually(SOON, "the old one has seen two of them fail", || {
        old.log().matches("has ended before it was ready").count() == 2
    });

    traffic.wait_more(100);
    assert_flawless(&traffic.finish());
    assert_eq!(session.node(), "redis-1");
    assert_eq!(Client::connect_unix(&path).node(), "redis-1");
    // And the third time it works.
    let new = take_over(&topology);
    assert_eq!(new.node_of("redis-rw"), "redis-1");
}

#[test]
fn a_unix_listener_is_taken_over_and_its_file_stays_until_the_last_has_ended() {
    let node = RedisNode::primary("redis-1");
    let place = Place::new(&[&node]);
    let path = place.dir.path().join("rw.sock");
    let unix = format!("unix:{}", path.display());
    let topology =
        place
            .topology
            .clone()
            .listener_bound("both", free_address(), &[&unix], "read-write", "");
    let mut old = place.start(&topology);
    let mut session = Client::connect_unix(&path);
    assert_eq!(session.node(), "redis-1");
    let mut new = take_over(&topology);
    assert_eq!(Client::connect_unix(&path).node(), "redis-1");
    assert_eq!(session.node(), "redis-1");
    drop(session);
    assert_eq!(old.wait_exit(SOON).code(), Some(0));
    assert_eq!(Client::connect_unix(&path).node(), "redis-1");
    new.signal("TERM");
    assert_eq!(new.wait_exit(SOON).code(), Some(0));
    assert!(!path.exists(), "the last one tidies up");
    assert!(!place.takeover_socket().exists());
}

#[test]
fn listeners_may_come_and_go_with_the_new_configuration() {
    let node = RedisNode::primary("redis-1");
    let place = Place::new(&[&node]);
    let gone = place.topology.clone().listener("gone", "read-write", "");
    let fresh = place
        .topology
        .clone()
        .listener("fresh", "read-write", "")
        .admin_at(free_address());
    let old = place.start(&gone);
    let mut session = old.client("gone");
    assert_eq!(session.node(), "redis-1");
    let new = take_over(&fresh);
    assert_eq!(new.node_of("fresh"), "redis-1");
    assert_eq!(new.node_of("redis-ro"), "redis-1");
    eventually(SOON, "the old listener is closed", || {
        Client::try_connect(old.listener("gone")).is_err()
    });
    assert_eq!(session.node(), "redis-1");
    new.wait_primary("redis-1");
    eventually(SOON, "the old admin address is closed", || {
        old.try_get("/livez").is_none()
    });
}

#[test]
fn without_a_process_to_take_over_from_it_starts_alone() {
    let node = RedisNode::primary("redis-1");
    let place = Place::new(&[&node]);
    let alone = place.topology.clone().argument("--takeover").start();
    alone.wait_log(&["nobody waits at", "starting alone"]);
    assert_eq!(alone.node_of("redis-rw"), "redis-1");
    // A takeover socket that a crash has left behind is no obstacle either.
    let mut crashed = alone;
    crashed.signal("KILL");
    crashed.wait_exit(SOON);
    assert!(place.takeover_socket().exists());
    let next = place.start(&place.topology.clone().argument("--takeover"));
    assert_eq!(next.node_of("redis-rw"), "redis-1");
}

#[test]
fn without_an_admin_socket_it_cannot_be_asked_for() {
    let node = RedisNode::primary("redis-1");
    let mut proxy = Topology::standard(&[&node]).argument("--takeover").spawn();
    assert_eq!(proxy.wait_exit(SOON).code(), Some(1));
    let log = proxy.log();
    assert!(log.contains("--takeover needs admin.socket"), "{log}");
}

#[test]
fn the_service_manager_is_told_who_the_service_is_now() {
    let node = RedisNode::primary("redis-1");
    let manager = Manager::new();
    let place = Place::new(&[&node]);
    let topology = place
        .topology
        .clone()
        .env("NOTIFY_SOCKET", &manager.address())
        .env("WATCHDOG_USEC", "400000");
    let old = place.start(&topology);
    manager.wait_for("READY=1");
    let mut session = old.client("redis-rw");
    assert_eq!(session.node(), "redis-1");
    let new = take_over(&topology.env("WATCHDOG_PID", &old.pid().to_string()));
    let main = manager.wait_for_line("MAINPID=", |message| {
        assert!(!message.starts_with("READY"), "too early: {message}");
    });
    assert_eq!(main, format!("MAINPID={}", new.pid()));
    manager.wait_for("READY=1");
    // The old one says nothing more; the new one feeds the watchdog.
    new.signal("STOP");
    manager.wait_silence("", Duration::from_secs(2));
    new.signal("CONT");
    manager.wait_for("WATCHDOG=1");
    assert_eq!(session.node(), "redis-1");
}

/// Kills a process that the proxy has started, at the end of a test.
struct Started(String);

impl Started {
    fn signal(&self, name: &str) {
        let line = format!("kill -s {name} {}", self.0);
        // It may have ended.
        let _ = Command::new("sh").args(["-c", &line]).status();
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        self.signal("KILL");
    }
}

#[test]
fn sigusr2_starts_the_successor() {
    let node = RedisNode::primary("redis-1");
    let place = Place::new(&[&node]);
    let mut old = place.start(&place.topology);
    let traffic = Traffic::writers(old.listener("redis-rw"), 4);
    let mut session = old.client("redis-rw");
    assert_eq!(session.node(), "redis-1");
    old.signal("USR2");
    old.wait_log(&["SIGUSR2: started"]);
    let log = old.log();
    let (_, pid) = log.split_once("to take over pid=").expect("its pid");
    let new = Started(pid.chars().take_while(char::is_ascii_digit).collect());
    // Both write to one log.
    old.wait_log(&["took over: pid"]);
    traffic.wait_more(100);
    assert_flawless(&traffic.finish());
    assert_eq!(session.node(), "redis-1");
    drop(session);
    assert_eq!(old.wait_exit(SOON).code(), Some(0));
    assert_eq!(old.node_of("redis-rw"), "redis-1", "the new one serves");
    new.signal("TERM");
    eventually(SOON, "the new one has ended", || {
        Client::try_connect(old.listener("redis-rw")).is_err()
    });
}

#[test]
fn a_socket_that_systemd_opened_serves_the_listener_of_its_address() {
    let node = RedisNode::primary("redis-1");
    let address = free_address();
    let socket = TcpListener::bind(address).expect("bind");
    let waiting = Client::connect(address);
    let systemd = socket.try_clone().expect("a second handle");
    let topology = Topology::new()
        .node(&node)
        .listener_at("redis-rw", address, "read-write", "")
        .listener("redis-ro", "read-only", "fallback: redis-rw")
        .top("workers: 3");
    let mut proxy = topology.clone().activated_by(socket).start();
    let mut waiting = waiting;
    assert_eq!(waiting.node(), "redis-1", "it came before the proxy did");
    assert_eq!(proxy.node_of("redis-rw"), "redis-1");
    assert_eq!(proxy.node_of("redis-ro"), "redis-1");

    // A restart refuses nobody: systemd keeps the socket.
    drop(waiting);
    proxy.signal("TERM");
    assert_eq!(proxy.wait_exit(SOON).code(), Some(0));
    let mut early = Client::connect(address);
    let next = topology.activated_by(systemd).start();
    assert_eq!(early.node(), "redis-1");
    throughout(Duration::from_millis(200), "it serves", || {
        next.node_of("redis-rw") == "redis-1"
    });
}
