//! The admin socket itself: who may open it, who holds it, what it bears.

#![expect(
    clippy::expect_used,
    reason = "a test fails by panicking, in its helpers too"
)]

#[cfg(test)]
#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

use common::SOON;
use common::cli::{refused, run_to_end};
use common::net::free_address;
use common::redis::RedisNode;
use common::rolecall::Rolecall;
use common::topology::Topology;
use tempfile::TempDir;

fn ask(socket: &Path, words: &[&str]) -> common::cli::Ended {
    let mut all = words.to_vec();
    all.extend(["--socket", socket.to_str().expect("UTF-8")]);
    run_to_end(&all)
}

/// Sends bytes, and reads what comes back until the end.
fn tell(socket: &Path, request: &[u8]) -> String {
    let mut stream = UnixStream::connect(socket).expect("connect");
    stream.set_read_timeout(Some(SOON)).expect("a deadline");
    // The server may close before it has all.
    let _cut = stream.write_all(request);
    let mut answer = Vec::new();
    if let Err(error) = stream.read_to_end(&mut answer) {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

fn one_node(node: &RedisNode, socket: &Path) -> Topology {
    Topology::new()
        .node(node)
        .listener("redis-rw", "read-write", "")
        .socket(socket)
}

fn ends_badly(topology: &Topology) -> String {
    let mut proxy = topology.spawn();
    assert_eq!(proxy.wait_exit(SOON).code(), Some(1), "{}", proxy.log());
    proxy.log()
}

#[test]
fn the_socket_is_for_its_owner_alone_and_goes_with_the_process() {
    let node = RedisNode::primary("redis-1");
    let dir = TempDir::new().expect("a temporary directory");
    let socket = dir.path().join("admin.sock");
    let mut proxy = one_node(&node, &socket).start();
    let mode = |path: &Path| fs::metadata(path).expect("the socket").permissions().mode() & 0o777;
    assert_eq!(mode(&socket), 0o600);
    proxy.signal("TERM");
    proxy.wait_exit(SOON);
    assert!(!socket.exists(), "it is removed at the end");

    let me = fs::metadata(dir.path()).expect("the directory");
    let owner = std::os::unix::fs::MetadataExt::uid(&me);
    let group = std::os::unix::fs::MetadataExt::gid(&me);
    let _proxy = one_node(&node, &socket)
        .admin("socket_mode: \"0660\"")
        .admin(&format!("socket_owner: \"{owner}:{group}\""))
        .start();
    assert_eq!(mode(&socket), 0o660);
}

#[test]
fn a_second_instance_is_told_who_answers_there() {
    let node = RedisNode::primary("redis-1");
    let dir = TempDir::new().expect("a temporary directory");
    let socket = dir.path().join("admin.sock");
    let first = one_node(&node, &socket).start();
    let log = ends_badly(&one_node(&node, &socket));
    let pid = first.pid().to_string();
    assert!(
        log.contains("another rolecall") && log.contains(&pid),
        "{log}"
    );
    assert_eq!(
        ask(&socket, &["status"]).code,
        Some(0),
        "the first is not disturbed"
    );
}

#[test]
fn what_a_crash_left_is_replaced_and_other_files_are_not() {
    let node = RedisNode::primary("redis-1");
    let dir = TempDir::new().expect("a temporary directory");
    let socket = dir.path().join("admin.sock");
    let mut crashed = one_node(&node, &socket).start();
    crashed.signal("KILL");
    crashed.wait_exit(SOON);
    assert!(socket.exists(), "a crash leaves it there");
    let stale = ask(&socket, &["status"]);
    assert_eq!(stale.code, Some(1));
    assert!(
        stale.said.contains("rolecall is not running"),
        "{}",
        stale.said
    );
    let heir = one_node(&node, &socket).start();
    heir.wait_primary("redis-1");
    assert_eq!(ask(&socket, &["status"]).code, Some(0));

    let file = dir.path().join("precious");
    fs::write(&file, "text").expect("write a file");
    let log = ends_badly(&one_node(&node, &file));
    assert!(log.contains("is no socket"), "{log}");
    assert_eq!(fs::read_to_string(&file).expect("it is there"), "text");
}

#[test]
fn a_missing_directory_an_unknown_owner_and_a_long_path_are_told() {
    let node = RedisNode::primary("redis-1");
    let dir = TempDir::new().expect("a temporary directory");
    let log = ends_badly(&one_node(&node, &dir.path().join("no/such/admin.sock")));
    assert!(
        log.contains("the directory of") && log.contains("does not exist"),
        "{log}"
    );
    let socket = dir.path().join("admin.sock");
    let log = ends_badly(&one_node(&node, &socket).admin("socket_owner: no-such-user-here"));
    assert!(log.contains("no-such-user-here"), "{log}");
    assert!(!socket.exists(), "nothing is left behind");
    let long = dir.path().join("x".repeat(108));
    let (told, _) = refused(&one_node(&node, &long).yaml(free_address()));
    assert!(told.contains("too long"), "{told}");
}

#[test]
fn unreachable_is_told_apart() {
    let dir = TempDir::new().expect("a temporary directory");
    let missing = ask(&dir.path().join("admin.sock"), &["status"]);
    assert_eq!(missing.code, Some(1));
    for words in [
        "cannot reach the proxy",
        "is rolecall running",
        "admin.socket",
    ] {
        assert!(missing.said.contains(words), "{}", missing.said);
    }
    let file = dir.path().join("no-socket.yaml");
    let text = "groups: { main: { nodes: { redis-1: \"127.0.0.1:7001\" } } }\n\
                listeners: { redis-rw: { bind: \"127.0.0.1:6379\", access: read-write } }\n";
    fs::write(&file, text).expect("write a file");
    let unset = run_to_end(&["status", "-c", file.to_str().expect("UTF-8")]);
    assert_eq!(unset.code, Some(1));
    assert!(
        unset.said.contains("sets no admin.socket"),
        "{}",
        unset.said
    );
    let socket = dir.path().join("configured.sock");
    fs::write(
        &file,
        format!("{text}admin: {{ socket: \"{}\" }}\n", socket.display()),
    )
    .expect("write a file");
    let configured = run_to_end(&["status", "-c", file.to_str().expect("UTF-8")]);
    assert!(
        configured.said.contains("configured.sock"),
        "{}",
        configured.said
    );
}

fn ordered(proxy: &Rolecall, socket: &Path, request: &str, status: u16) {
    let answer = tell(socket, format!("{request} HTTP/1.0\r\n\r\n").as_bytes());
    assert!(
        answer.starts_with(&format!("HTTP/1.0 {status} ")),
        "{request}: {answer}"
    );
    assert_eq!(proxy.get("/livez").status, 200);
}

#[test]
fn bad_requests_have_clear_answers() {
    let node = RedisNode::primary("redis-1");
    let dir = TempDir::new().expect("a temporary directory");
    let socket = dir.path().join("admin.sock");
    let proxy = one_node(&node, &socket).start();
    proxy.wait_primary("redis-1");
    for (request, status) in [
        ("GET /api/order/redis-1?order=drain", 405),
        ("POST /api/status", 405),
        ("POST /api/order/redis-1", 400),
        ("POST /api/order/redis-1?order=stop", 400),
        ("POST /api/order/redis-1?order=drain&why=x", 400),
        ("POST /api/order/redis-%FF?order=drain", 400),
        ("POST /api/order/redis-2?order=drain", 404),
        ("POST /api/nothing", 404),
        ("POST /api/log-level?level=loud", 400),
        ("GET /api/events?after=x", 400),
    ] {
        ordered(&proxy, &socket, request, status);
    }
    let huge = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(1 << 20));
    assert!(!tell(&socket, huge.as_bytes()).starts_with("HTTP/1.1 2"));
    assert!(tell(&socket, b"*1\r\n$4\r\nPING\r\n").starts_with("HTTP/1.1 400"));
    // A header that never ends is cut off; nothing was drained by all that.
    assert_eq!(tell(&socket, b"GET /livez HTTP/1.1\r\nHo"), "");
    assert_eq!(proxy.node_of("redis-rw"), "redis-1");
}

#[test]
fn nobody_crowds_out_the_socket() {
    let node = RedisNode::primary("redis-1");
    let dir = TempDir::new().expect("a temporary directory");
    let socket = dir.path().join("admin.sock");
    let proxy = one_node(&node, &socket).start();
    proxy.wait_primary("redis-1");
    let tcp: Vec<_> = (0..100)
        .map(|_| std::net::TcpStream::connect(proxy.admin()).expect("connect"))
        .collect();
    let unix: Vec<_> = (0..100)
        .map(|_| UnixStream::connect(&socket).expect("connect"))
        .collect();
    assert_eq!(ask(&socket, &["status"]).code, Some(0));
    assert_eq!(proxy.get("/metrics").status, 200);

    // Followers are at work, and few: the ninth is told so, and a status still gets through.
    let follow = b"GET /api/events?follow=1 HTTP/1.0\r\n\r\n";
    let mut followers: Vec<UnixStream> = Vec::new();
    for _ in 0..8 {
        let mut stream = UnixStream::connect(&socket).expect("connect");
        stream.set_read_timeout(Some(SOON)).expect("a deadline");
        stream.write_all(follow).expect("ask");
        let mut first = [0; 12];
        stream.read_exact(&mut first).expect("an answer");
        assert_eq!(&first, b"HTTP/1.0 200");
        followers.push(stream);
    }
    assert!(tell(&socket, follow).starts_with("HTTP/1.0 503 "));
    assert_eq!(ask(&socket, &["status"]).code, Some(0));
    drop((tcp, unix, followers));
    common::eventually(SOON, "there is room to follow again", || {
        let mut stream = UnixStream::connect(&socket).expect("connect");
        stream.set_read_timeout(Some(SOON)).expect("a deadline");
        stream.write_all(follow).expect("ask");
        let mut first = [0; 12];
        stream.read_exact(&mut first).is_ok() && &first == b"HTTP/1.0 200"
    });
}
