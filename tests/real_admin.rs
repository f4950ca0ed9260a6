//! What an operator sees and orders, on real nodes: status, explain, events, drain, maintenance.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

#[cfg(test)]
#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::cli::{Ended, run_to_end};
use common::client::Client;
use common::process::Process;
use common::redis::{RedisNode, redis_group};
use common::rolecall::Rolecall;
use common::topology::Topology;
use common::{SOON, eventually, poll};
use rolecall::api::{
    Events, GroupState, ListenerStatus, NodeOrder, NodeRole, NodeStatus, Ordered, Serves, Status,
};
use tempfile::TempDir;

const NODES: [&str; 3] = ["redis-1", "redis-2", "redis-3"];

/// A proxy with an admin socket.
struct Desk {
    proxy: Rolecall,
    socket: PathBuf,
    _dir: TempDir,
}

impl Desk {
    fn start(topology: Topology) -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let socket = dir.path().join("admin.sock");
        let proxy = topology.socket(&socket).start();
        Self {
            proxy,
            socket,
            _dir: dir,
        }
    }

    fn of(nodes: &[&RedisNode]) -> Self {
        let desk = Self::start(Topology::standard(nodes).patient_checks());
        let names: Vec<&str> = nodes.iter().map(|node| node.name()).collect();
        desk.proxy.wait_primary(names[0]);
        if names.len() > 1 {
            desk.proxy.wait_eligible("redis-ro", &names, &names[1..]);
        }
        desk
    }

    /// Runs a command on the socket.
    fn run(&self, words: &[&str]) -> Ended {
        let socket = self.socket.to_str().expect("UTF-8");
        let mut all = words.to_vec();
        all.extend(["--socket", socket]);
        run_to_end(&all)
    }

    #[track_caller]
    fn yes(&self, words: &[&str]) -> String {
        let ended = self.run(words);
        assert_eq!(ended.code, Some(0), "{words:?}: {}", ended.said);
        ended.said
    }

    #[track_caller]
    fn no(&self, words: &[&str]) -> String {
        let ended = self.run(words);
        assert_eq!(ended.code, Some(1), "{words:?}: {}", ended.said);
        ended.said
    }

    fn status(&self) -> Status {
        let ended = self.run(&["status", "--json"]);
        serde_json::from_str(&ended.said).unwrap_or_else(|error| panic!("{error}: {}", ended.said))
    }

    fn node(&self, name: &str) -> NodeStatus {
        let mut nodes = self.status().groups.remove(0).nodes.into_iter();
        nodes.find(|node| node.name == name).expect("the node")
    }

    fn listener(&self, name: &str) -> ListenerStatus {
        let mut all = self.status().listeners.into_iter();
        all.find(|listener| listener.name == name)
            .expect("the listener")
    }
}

/// A page whose lines were broken anywhere.
fn one_line(page: &str) -> String {
    page.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn fits_80_columns(page: &str) {
    for line in page.lines() {
        assert!(line.chars().count() <= 80, "{line:?} in\n{page}");
    }
    assert!(!page.contains('\x1b'), "no colour where no terminal is");
}

#[test]
fn status_during_a_failover_says_who_since_when_and_why() {
    let [mut a, b, c] = redis_group(NODES);
    let desk = Desk::of(&[&a, &b, &c]);
    let before = desk.status();
    let group = &before.groups[0];
    assert_eq!(group.state, GroupState::Ok, "{}", group.text);
    let primary = group.primary.as_ref().expect("a primary");
    assert_eq!((primary.node.as_str(), primary.living), ("redis-1", true));
    assert!(
        group.text.starts_with("redis-1 is primary since "),
        "{}",
        group.text
    );
    let page = desk.yes(&["status"]);
    assert!(
        page.contains("main OK") && page.contains("redis-1 is primary since"),
        "{page}"
    );
    fits_80_columns(&page);
    assert_eq!(desk.listener("redis-ro").serving, ["redis-2", "redis-3"]);

    a.kill9();
    eventually(SOON, "the status says that there is no primary", || {
        desk.status().groups[0].state == GroupState::NoPrimary
    });
    let waiting = desk.proxy.client("redis-rw");
    let parked = poll(SOON, "the parked connection is told", || {
        let status = desk.status();
        let one = status.listeners[0].parked == 1;
        (one && status.groups[0].text.contains("parked")).then_some(status)
    });
    let group = &parked.groups[0];
    assert!(
        group.text.contains("redis-1") && group.text.contains("1 connection is parked"),
        "{}",
        group.text
    );
    let rw = &parked.listeners[0];
    assert!(
        rw.serving.is_empty() && rw.text.starts_with("nobody can serve"),
        "{}",
        rw.text
    );
    let page = desk.no(&["status"]);
    assert!(page.contains("NO PRIMARY"), "{page}");
    fits_80_columns(&page);

    b.promote();
    desk.proxy.wait_primary("redis-2");
    let after = desk.status();
    let group = &after.groups[0];
    let primary = group.primary.as_ref().expect("a primary");
    assert_eq!((primary.node.as_str(), primary.term), ("redis-2", 2));
    assert!(group.text.contains(&primary.evidence), "{}", group.text);
    assert!(group.text.contains(&primary.rule), "{}", group.text);
    let dead = desk.node("redis-1");
    assert_eq!(
        (dead.up, dead.role, dead.serves),
        (false, NodeRole::Unknown, Serves::Nothing)
    );
    assert!(dead.trouble, "{:?}", dead.reason);
    drop(waiting);

    let told = desk.yes(&["events", "--json", "--limit", "1000"]);
    let elected = told
        .lines()
        .find(|line| line.contains("\"elected\"") && line.contains("\"term\":2"));
    let elected: rolecall::api::Event =
        serde_json::from_str(elected.unwrap_or_else(|| panic!("{told}"))).expect("an event");
    let evidence = elected.evidence.expect("evidence");
    assert_eq!(elected.node.as_deref(), Some("redis-2"));
    assert_eq!(evidence.replaces.as_deref(), Some("redis-1"));
    assert_eq!(evidence.rule, primary.rule);
}

#[test]
fn explain_tells_each_node_of_each_step() {
    let [a, b, c] = redis_group(NODES);
    let desk = Desk::of(&[&a, &b, &c]);
    let page = desk.yes(&["explain", "redis-ro"]);
    for words in [
        "step 1: read-only: serves",
        "step 2: read-write, by the fallback redis-rw: does not serve",
        "is the primary",
        "a better tier",
        "says role:slave",
    ] {
        assert!(one_line(&page).contains(words), "no {words:?} in\n{page}");
    }
    fits_80_columns(&page);
    let ro = desk.listener("redis-ro");
    let first = &ro.chain[0];
    assert!(first.serves && !ro.chain[1].serves);
    let redis_1 = &first.nodes[0];
    assert_eq!(
        (redis_1.node.as_str(), redis_1.eligible, redis_1.chosen),
        ("redis-1", false, false)
    );
    assert!(first.nodes[1].chosen && first.nodes[1].reason.is_none());
    let passed_over = &ro.chain[1].nodes[0];
    assert!(passed_over.eligible && !passed_over.chosen && passed_over.reason.is_some());

    let wrong = desk.no(&["explain", "redis-r0"]);
    assert!(
        wrong.contains("redis-rw") && wrong.contains("redis-ro"),
        "{wrong}"
    );
}

#[test]
fn events_are_followed_as_they_come() {
    let [a, b] = redis_group(["redis-1", "redis-2"]);
    let desk = Desk::of(&[&a, &b]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_rolecall"));
    command.args(["events", "--follow", "--json", "--limit", "0", "--socket"]);
    command.arg(&desk.socket).stdout(Stdio::piped());
    let mut child = command.spawn().expect("start the follower");
    let output = child.stdout.take().expect("its output");
    let (lines, seen) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        for line in BufReader::new(output).lines() {
            let Ok(line) = line else { return };
            if lines.send(line).is_err() {
                return;
            }
        }
    });
    // It follows once it is told something: orders until then.
    poll(SOON, "the follower hears of an order", || {
        desk.yes(&["drain", "redis-2"]);
        desk.yes(&["ready", "redis-2"]);
        seen.try_iter().find(|line| line.contains("\"order\""))
    });
    b.promote();
    poll(SOON, "the follower hears of the election", || {
        let mut news = seen.try_iter();
        news.find(|line| line.contains("\"elected\"") && line.contains("redis-2"))
    });
    child.kill().expect("end the follower");
    child.wait().expect("its end");
    reader.join().expect("the reader ends");

    // The TCP port lists, and does not stream.
    let listed: Events =
        serde_json::from_str(&desk.proxy.get("/api/events?limit=1").body).expect("events");
    let last = listed.events[0].number;
    let none: Events =
        serde_json::from_str(&desk.proxy.get(&format!("/api/events?after={last}")).body)
            .expect("events");
    assert!(none.events.iter().all(|event| event.number > last));
    assert_eq!(desk.proxy.get("/api/events?follow=1").status, 403);
}

#[test]
fn a_follower_is_told_when_the_proxy_ends() {
    let node = RedisNode::primary("redis-1");
    let desk = Desk::of(&[&node]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_rolecall"));
    command
        .args(["events", "--follow", "--socket"])
        .arg(&desk.socket);
    let mut follower = Process::spawn(command.stdout(Stdio::null()).stderr(Stdio::null()));
    assert!(follower.exit().is_none());
    desk.proxy.signal("TERM");
    assert_eq!(follower.wait_exit(SOON).code(), Some(1));
}

#[test]
fn a_drained_replica_keeps_its_sessions_and_gets_no_new_ones() {
    let [a, b, c] = redis_group(NODES);
    let desk = Desk::of(&[&a, &b, &c]);
    let mut session = poll(SOON, "a session on redis-2", || {
        let mut client = desk.proxy.client("redis-ro");
        (client.node() == "redis-2").then_some(client)
    });
    let json = desk.yes(&["drain", "redis-2", "--json"]);
    let ordered: Ordered = serde_json::from_str(&json).expect("JSON");
    assert!(
        ordered.changed && !ordered.primary && ordered.parks.is_empty(),
        "{json}"
    );
    assert_eq!(
        (ordered.order, ordered.sessions),
        (NodeOrder::Drain, 1),
        "{json}"
    );
    for _ in 0..10 {
        assert_eq!(desk.proxy.node_of("redis-ro"), "redis-3");
    }
    assert_eq!(session.node(), "redis-2", "the old one goes on");
    assert!(desk.yes(&["drain", "redis-2"]).contains("already"));

    let told = desk.no(&["drain", "redis-2", "--wait", "--timeout", "300ms"]);
    assert!(told.contains("still open on redis-2"), "{told}");
    let socket = desk.socket.clone();
    let mut waiting = waiter(&socket, "redis-2");
    assert!(waiting.exit().is_none());
    drop(session);
    assert_eq!(waiting.wait_exit(SOON).code(), Some(0));
    assert_eq!(desk.node("redis-2").order, NodeOrder::Drain);

    desk.yes(&["ready", "redis-2"]);
    desk.proxy.wait_node_of("redis-ro", "redis-2");
}

fn waiter(socket: &Path, node: &str) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rolecall"));
    command
        .args(["drain", node, "--wait", "--socket"])
        .arg(socket);
    Process::spawn(command.stdout(Stdio::null()))
}

#[test]
fn a_drained_primary_parks_new_writes_and_says_so() {
    let [a, b] = redis_group(["redis-1", "redis-2"]);
    let desk = Desk::of(&[&a, &b]);
    let mut session = desk.proxy.client("redis-rw");
    assert_eq!(session.node(), "redis-1");
    let said = desk.yes(&["drain", "redis-1"]);
    for words in [
        "elected primary",
        "redis-rw",
        "parked",
        "10.0s",
        "rolecall ready redis-1",
    ] {
        assert!(said.contains(words), "no {words:?} in {said}");
    }
    assert!(
        session.cmd(&["SET", "k", "1"]).is_ok(),
        "the open session goes on"
    );
    let mut parked = desk.proxy.client("redis-rw");
    eventually(SOON, "the new one is parked", || {
        desk.listener("redis-rw").parked == 1
    });
    let status = desk.status();
    assert_eq!(
        status.groups[0].state,
        GroupState::Handover,
        "{}",
        status.groups[0].text
    );
    assert!(
        status.groups[0].text.contains("drained"),
        "{}",
        status.groups[0].text
    );
    desk.no(&["status"]);
    desk.yes(&["ready", "redis-1"]);
    assert_eq!(parked.node(), "redis-1");
    assert!(parked.cmd(&["SET", "k", "2"]).is_ok());
    desk.yes(&["status"]);
}

#[test]
fn a_node_in_maintenance_loses_its_sessions_and_is_not_elected() {
    let [a, b, c] = redis_group(NODES);
    let desk = Desk::of(&[&a, &b, &c]);
    let mut session = poll(SOON, "a session on redis-2", || {
        let mut client = desk.proxy.client("redis-ro");
        (client.node() == "redis-2").then_some(client)
    });
    let said = desk.yes(&["maintenance", "redis-2"]);
    assert!(said.contains("not elected"), "{said}");
    session.wait_closed("a session on a node in maintenance");
    b.promote();
    eventually(SOON, "the promotion is seen", || {
        desk.node("redis-2").role == NodeRole::Primary
    });
    assert_eq!(desk.node("redis-2").serves, Serves::Nothing);
    assert_eq!(desk.proxy.node_of("redis-rw"), "redis-1");
    let status = desk.status();
    assert_eq!(
        (status.groups[0].state, status.groups[0].claimants),
        (GroupState::Ok, 1)
    );
}

#[test]
fn wrong_names_list_the_right_ones() {
    let [a, b] = redis_group(["redis-1", "redis-2"]);
    let desk = Desk::of(&[&a, &b]);
    for order in ["drain", "maintenance", "ready"] {
        let said = desk.no(&[order, "redis-9"]);
        assert!(
            said.contains("redis-9") && said.contains("redis-1, redis-2"),
            "{said}"
        );
    }
    let said = desk.no(&["drain", "redis-1", "--group", "other"]);
    assert!(
        said.contains("\"other\"") && said.contains("main"),
        "{said}"
    );
    let usage = desk.run(&["log-level", "loud"]);
    assert_eq!(usage.code, Some(2), "{}", usage.said);
}

#[test]
fn top_shows_the_page_and_the_latest_events_once() {
    let [a, b] = redis_group(["redis-1", "redis-2"]);
    let desk = Desk::of(&[&a, &b]);
    let page = desk.yes(&["top", "--once"]);
    assert!(
        page.contains("redis-1") && page.contains("LATEST EVENTS"),
        "{page}"
    );
    assert!(page.contains("redis-1 is elected primary"), "{page}");
    fits_80_columns(&page);
}

#[test]
fn top_goes_on_and_says_so_when_the_proxy_is_gone() {
    let node = RedisNode::primary("redis-1");
    let mut desk = Desk::of(&[&node]);
    let shown = tempfile::NamedTempFile::new().expect("a temporary file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_rolecall"));
    command.args(["top", "--socket"]).arg(&desk.socket);
    let mut top = Process::spawn(command.stdout(shown.reopen().expect("a second handle")));
    let page = || std::fs::read_to_string(shown.path()).expect("UTF-8");
    eventually(SOON, "two pages", || {
        page().matches("redis-1 is primary since").count() >= 2
    });
    fits_80_columns(&page());
    desk.proxy.signal("TERM");
    desk.proxy.wait_exit(SOON);
    eventually(SOON, "it says that nobody answers", || {
        page().contains("NO ANSWER")
    });
    assert!(top.exit().is_none(), "it waits for the proxy to come back");
}

#[test]
fn the_level_of_the_log_changes_at_once() {
    let node = RedisNode::primary("redis-1");
    let desk = Desk::of(&[&node]);
    let noise = || {
        let mut noise = Client::connect(desk.proxy.admin());
        noise.send(b"*1\r\n$4\r\nPING\r\n").expect("send");
        noise.wait_closed("noise is answered by a close");
    };
    noise();
    assert!(!desk.proxy.log().contains("DEBUG"), "{}", desk.proxy.log());
    let set = desk.yes(&["log-level", "debug"]);
    assert!(set.contains("debug"), "{set}");
    noise();
    desk.proxy.wait_log(&["DEBUG", "a connection broke"]);
}
