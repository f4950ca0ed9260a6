//! The log may be slow, closed, or on a full disk: lines are lost and counted, and nothing else happens.

#[cfg(test)]
#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use std::fs::File;
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use common::redis::RedisNode;
use common::rolecall::Rolecall;
use common::topology::Topology;
use common::{SOON, eventually};

const DROPPED: &str = "rolecall_log_lines_dropped_total";

fn start(stdout: File) -> (RedisNode, Rolecall) {
    let node = RedisNode::primary("redis-1");
    let proxy = Topology::standard(&[&node]).stdout(stdout).start();
    proxy.wait_primary("redis-1");
    (node, proxy)
}

/// Each visit is a line of the log.
fn visits_go_on_and_lost_lines_are_counted(mut proxy: Rolecall) {
    let before = proxy.count(DROPPED, &[]);
    let mut old = proxy.client("redis-rw");
    for _ in 0..50 {
        assert_eq!(proxy.node_of("redis-rw"), "redis-1");
        assert!(old.cmd(&["SET", "key", "value"]).is_ok());
    }
    proxy.wait_at_least(DROPPED, &[], before + 50);
    assert!(proxy.is_running());
    proxy.signal("TERM");
    drop(old);
    assert_eq!(proxy.wait_exit(SOON).code(), Some(0));
}

#[test]
fn a_full_disk_under_the_log_costs_lines_only() {
    let full = File::options().write(true).open("/dev/full");
    let (_node, proxy) = start(full.expect("open /dev/full"));
    visits_go_on_and_lost_lines_are_counted(proxy);
}

#[test]
fn a_closed_standard_output_costs_lines_only() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let (_node, proxy) = start(OwnedFd::from(writer).into());
    drop(reader);
    visits_go_on_and_lost_lines_are_counted(proxy);
}

#[test]
fn a_standard_output_that_nobody_reads_stalls_nobody() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let node = RedisNode::primary("redis-1");
    let mut proxy = Topology::standard(&[&node])
        .listener("narrow", "read-write", "max_connections: 1")
        .stdout(OwnedFd::from(writer).into())
        .start();
    let mut holder = proxy.client("narrow");
    assert_eq!(holder.node(), "redis-1");
    // Whoever comes to a full listener is sent away with a line of the log: the cheapest way to many.
    let narrow = proxy.listener("narrow");
    let stop = Arc::new(AtomicBool::new(false));
    let knockers: Vec<_> = (0..4)
        .map(|_| {
            let stop = Arc::clone(&stop);
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    drop(TcpStream::connect(narrow));
                }
            })
        })
        .collect();
    let mut session = proxy.client("redis-rw");
    eventually(Duration::from_secs(120), "lines are dropped", || {
        assert!(session.cmd(&["SET", "key", "value"]).is_ok());
        assert_eq!(proxy.node_of("redis-ro"), "redis-1");
        proxy.count(DROPPED, &[]) > 0
    });
    stop.store(true, Ordering::Relaxed);
    for knocker in knockers {
        knocker.join().expect("a thread panicked");
    }
    assert!(holder.cmd(&["SET", "key", "value"]).is_ok());
    // The end does not wait for the reader either.
    proxy.signal("TERM");
    drop((holder, session));
    assert_eq!(proxy.wait_exit(SOON).code(), Some(0));
    drop(reader);
}

#[test]
fn sigusr1_raises_the_level_to_debug_and_takes_it_back() {
    let node = RedisNode::primary("redis-1");
    let mut proxy = Topology::standard(&[&node])
        .log("{ format: text, level: warn }")
        .start();
    proxy.wait_primary("redis-1");
    assert_eq!(proxy.node_of("redis-rw"), "redis-1");
    // Its last line is due before it is counted out.
    let labels = [("listener", "redis-rw")];
    proxy.wait_metric("rolecall_listener_connections", &labels, 0.0);
    proxy.signal("USR1");
    proxy.wait_log(&["SIGUSR1: the log's level is now debug"]);
    let log = proxy.log();
    let quiet = log.split("SIGUSR1").next().unwrap_or_default();
    assert!(!quiet.contains("INFO"), "{quiet}");
    assert_eq!(proxy.node_of("redis-rw"), "redis-1");
    proxy.wait_log(&["INFO", "listener=redis-rw"]);
    proxy.wait_log(&["DEBUG", "redis-1"]);
    proxy.signal("USR1");
    proxy.wait_log(&["SIGUSR1: the log's level is now warn"]);
    let ends = |log: &str| log.matches("listener=redis-rw").count();
    let before = ends(&proxy.log());
    for _ in 0..20 {
        assert_eq!(proxy.node_of("redis-rw"), "redis-1");
    }
    proxy.signal("TERM");
    assert_eq!(proxy.wait_exit(SOON).code(), Some(0));
    assert_eq!(ends(&proxy.log()), before, "{}", proxy.log());
}
