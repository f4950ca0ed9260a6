//! An upgrade beside what else changes a running proxy: reloads, orders, and whoever asks on the admin
//! socket.

#![expect(
    clippy::expect_used,
    reason = "a test fails by panicking, in its helpers too"
)]

#[cfg(test)]
#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use common::cli::run_to_end;
use common::client::Client;
use common::net::free_address;
use common::place::{Place, take_over};
use common::redis::{RedisNode, redis_group};
use common::rolecall::Rolecall;
use common::traffic::Traffic;
use common::{SOON, eventually, throughout};

const NODES: [&str; 3] = ["redis-1", "redis-2", "redis-3"];

impl Place {
    fn start(&self) -> Rolecall {
        let proxy = self.topology.start();
        eventually(SOON, "it waits for a successor", || {
            self.takeover_socket().exists()
        });
        proxy
    }
}

/// Runs a command on the admin socket, which must succeed.
#[track_caller]
fn order(socket: &Path, words: &[&str]) -> String {
    let mut all = words.to_vec();
    all.extend(["--socket", socket.to_str().expect("UTF-8")]);
    let ended = run_to_end(&all);
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    ended.said
}

/// Asks on a socket without a pause, a connection for each question.
struct Asker {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    thread: JoinHandle<Vec<String>>,
}

impl Asker {
    fn on(socket: PathBuf) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let answered = Arc::new(AtomicUsize::new(0));
        let (told, count) = (Arc::clone(&stop), Arc::clone(&answered));
        let thread = thread::spawn(move || {
            let mut troubles = Vec::new();
            while !told.load(Ordering::Relaxed) {
                match ask(&socket) {
                    Ok(answer) if answer.starts_with("HTTP/1.1 200") => {}
                    Ok(answer) => troubles.push(format!("answered {answer:?}")),
                    Err(error) => troubles.push(error.to_string()),
                }
                count.fetch_add(1, Ordering::Relaxed);
            }
            troubles
        });
        Self {
            stop,
            answered,
            thread,
        }
    }

    #[track_caller]
    fn wait_more(&self, questions: usize) {
        let before = self.answered.load(Ordering::Relaxed);
        eventually(SOON, "more answers", || {
            self.answered.load(Ordering::Relaxed) >= before + questions
        });
    }

    /// What went wrong.
    fn finish(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("no panic")
    }
}

fn ask(socket: &Path) -> std::io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(SOON))?;
    stream.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[test]
fn what_a_reload_has_opened_is_handed_over_too() {
    let [a, b, c] = redis_group(NODES);
    let place = Place::new(&[&a, &b, &c]);
    let mut old = place.start();
    let path = place.dir.path().join("fresh.sock");
    let unix = format!("unix:{}", path.display());
    let after = place
        .topology
        .clone()
        .without_listener("redis-ro")
        .listener_bound("fresh", free_address(), &[&unix], "read-write", "");
    let gone = old.listener("redis-ro");
    old.reload(&after);
    old.wait_log(&["listener fresh: added"]);
    let writers = Traffic::writers(old.listener("fresh"), 4);
    let mut session = Client::connect_unix(&path);
    assert_eq!(session.node(), "redis-1");
    writers.wait_more(50);

    let mut new = take_over(&after);
    writers.wait_more(200);
    let tally = writers.finish();
    assert!(tally.refused.is_empty(), "{:?}", tally.refused);
    assert!(tally.broken.is_empty(), "{:?}", tally.broken);
    assert!(Client::try_connect(gone).is_err(), "nobody has it open");
    drop(session);
    assert_eq!(old.wait_exit(SOON).code(), Some(0), "{}", old.log());
    assert_eq!(Client::connect_unix(&path).node(), "redis-1");

    // The sockets that were taken over are reloaded as any others: this one is closed.
    new.reload(&after.clone().without_listener("fresh"));
    new.wait_log(&["listener fresh: removed"]);
    eventually(SOON, "it is closed", || {
        Client::try_connect(old.listener("fresh")).is_err()
    });
    assert!(!path.exists(), "its file goes with it");
    assert_eq!(new.node_of("redis-rw"), "redis-1");
}

#[test]
fn the_admin_socket_answers_all_the_time_and_goes_with_the_last_process() {
    let node = RedisNode::primary("redis-1");
    let place = Place::new(&[&node]);
    let mut old = place.start();
    let mut session = old.client("redis-rw");
    assert_eq!(session.node(), "redis-1");
    let asker = Asker::on(place.socket());
    asker.wait_more(50);
    let topology = place.topology.clone().admin("socket_mode: \"0660\"");
    let mut new = take_over(&topology);
    asker.wait_more(50);
    let mode = fs::metadata(place.socket())
        .expect("its file")
        .permissions();
    assert_eq!(mode.mode() & 0o777, 0o660, "as the new process wants it");
    let told = order(&place.socket(), &["status", "--json"]);
    assert!(told.contains(&format!("\"pid\": {}", new.pid())), "{told}");
    drop(session);
    assert_eq!(old.wait_exit(SOON).code(), Some(0));
    asker.wait_more(50);
    let troubles = asker.finish();
    assert!(troubles.is_empty(), "{troubles:?}");
    new.signal("TERM");
    assert_eq!(new.wait_exit(SOON).code(), Some(0));
    assert!(!place.socket().exists(), "the last one tidies up");
}

#[test]
fn a_new_process_that_fails_leaves_the_admin_socket_as_it_is() {
    let node = RedisNode::primary("redis-1");
    let place = Place::new(&[&node]);
    let _old = place.start();
    let asker = Asker::on(place.socket());
    asker.wait_more(20);
    // An address that somebody else holds.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    let address = taken.local_addr().expect("its address");
    let topology = place
        .topology
        .clone()
        .listener_at("other", address, "read-write", "");
    let mut new = topology.argument("--takeover").spawn();
    assert_eq!(new.wait_exit(SOON).code(), Some(1), "{}", new.log());
    asker.wait_more(20);
    let troubles = asker.finish();
    assert!(troubles.is_empty(), "{troubles:?}");
    assert!(order(&place.socket(), &["status"]).contains("redis-1 is primary"));
}

#[test]
fn an_operators_order_is_in_force_under_the_new_process_too() {
    let [a, b, mut c] = redis_group(NODES);
    let place = Place::new(&[&a, &b, &c]);
    // Its election takes a while, so there is time for orders meanwhile.
    let topology = place.topology.clone().group("claim_hold: 3s");
    let old = topology.start();
    old.wait_eligible("redis-ro", &NODES, &["redis-2", "redis-3"]);
    order(&place.socket(), &["drain", "redis-2"]);
    b.promote();
    c.replicate(&b);
    a.replicate(&b);
    old.wait_primary("redis-2");
    order(&place.socket(), &["ready", "redis-2"]);
    order(&place.socket(), &["drain", "redis-1"]);
    old.wait_eligible("redis-ro", &NODES, &["redis-3"]);
    c.kill9();
    a.stop();
    let new = topology.clone().argument("--takeover").spawn();
    new.wait_log(&["taking over from pid"]);
    order(&place.socket(), &["ready", "redis-1"]);
    order(&place.socket(), &["maintenance", "redis-3"]);
    new.wait_log(&["took over: pid"]);
    a.cont();
    // Both what was ordered after the new process had been told, and what was taken back.
    let told = order(&place.socket(), &["status"]);
    assert!(!new.log().contains("means nothing here"), "{}", new.log());
    assert!(told.contains("is in maintenance"), "{told}");
    new.wait_eligible("redis-ro", &NODES, &["redis-1"]);
    throughout(Duration::from_millis(100), "it serves", || {
        new.node_of("redis-rw") == "redis-2"
    });
}

#[test]
fn there_is_no_takeover_while_a_switchover_is_under_way() {
    let [a, b] = redis_group(["redis-1", "redis-2"]);
    let mut place = Place::new(&[&a, &b]);
    place.topology = place.topology.patient_checks();
    let old = place.start();
    old.wait_primary("redis-1");
    old.wait_eligible("redis-ro", &["redis-1", "redis-2"], &["redis-2"]);
    eventually(SOON, "its primary knows the replica as online", || {
        a.info("replication", "slave0").contains("state=online")
    });
    b.stop();
    let socket = place.socket();
    let switching = thread::spawn(move || {
        let path = socket.to_str().expect("UTF-8");
        run_to_end(&["switchover", "--timeout", "5s", "--socket", path])
    });
    old.wait_log(&["switchover from redis-1 to redis-2 begins"]);
    let mut new = place.topology.clone().argument("--takeover").spawn();
    assert_eq!(new.wait_exit(SOON).code(), Some(1));
    let log = new.log();
    assert!(log.contains("a switchover is under way"), "{log}");
    b.cont();
    let ended = switching.join().expect("no panic");
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    old.wait_primary("redis-2");
    let new = take_over(&place.topology);
    assert_eq!(new.node_of("redis-rw"), "redis-2");
}
