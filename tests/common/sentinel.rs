//! Real Sentinels, with their periods shortened so that a failover takes a second, not ten.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::client::{Client, Reply};
use super::net::free_address;
use super::process::Process;
use super::redis::RedisNode;
use super::{SOON, eventually, poll};

/// The name of the group in the Sentinels' configuration.
pub(crate) const MASTER_NAME: &str = "redis-ha";

/// `SENTINEL DEBUG`: all in milliseconds. A replica is good enough for promotion when its INFO is younger
/// than five ping periods, and is asked once a second while its primary is down: 300 is the least.
/// A Sentinel that has heard nothing of a promotion for four publish periods takes it back, and the one
/// that promoted may need a second to see it done: 400 is the least.
const PERIODS: &[(&str, &str)] = &[
    ("info-period", "200"),
    ("ping-period", "300"),
    ("ask-period", "100"),
    ("publish-period", "600"),
    ("min-link-reconnect-period", "200"),
    ("election-timeout", "2000"),
    ("slave-reconf-timeout", "2000"),
];

/// A Sentinel; killed when dropped.
pub(crate) struct Sentinel {
    address: SocketAddr,
    dir: TempDir,
    process: Process,
}

/// So many Sentinels watch a primary, with a majority as quorum; returns when each knows all
/// Sentinels and all replicas.
#[track_caller]
pub(crate) fn sentinels(count: usize, primary: &RedisNode, replicas: usize) -> Vec<Sentinel> {
    let all: Vec<Sentinel> = (0..count)
        .map(|_| Sentinel::start(primary, count / 2 + 1))
        .collect();
    for sentinel in &all {
        sentinel.wait_knows("num-other-sentinels", count - 1);
        sentinel.wait_knows("num-slaves", replicas);
    }
    all
}

impl Sentinel {
    /// Starts one, and waits until it answers.
    #[track_caller]
    pub(crate) fn start(primary: &RedisNode, quorum: usize) -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let address = free_address();
        let watched = primary.address();
        let config = format!(
            "bind {ip}\nport {port}\ndir {dir}\nprotected-mode no\nsentinel announce-ip {ip}\n\
             sentinel monitor {MASTER_NAME} {watched_ip} {watched_port} {quorum}\n\
             sentinel down-after-milliseconds {MASTER_NAME} 1000\n\
             sentinel failover-timeout {MASTER_NAME} 2000\n",
            ip = address.ip(),
            port = address.port(),
            dir = dir.path().display(),
            watched_ip = watched.ip(),
            watched_port = watched.port(),
        );
        let file = dir.path().join("sentinel.conf");
        fs::write(&file, config).expect("write sentinel.conf");
        let log = File::create(dir.path().join("sentinel.log")).expect("create sentinel.log");
        let mut command = Command::new("redis-server");
        command
            .arg(&file)
            .arg("--sentinel")
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log);
        let sentinel = Self {
            process: Process::spawn(&mut command),
            address,
            dir,
        };
        poll(SOON, "a Sentinel answers", || {
            Client::try_connect(address).ok()?.try_cmd(&["PING"]).ok()
        });
        sentinel.hurry();
        sentinel
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// SIGSTOP.
    pub(crate) fn stop(&self) {
        self.process.stop();
    }

    /// SIGCONT.
    pub(crate) fn cont(&self) {
        self.process.cont();
    }

    /// One command.
    #[track_caller]
    pub(crate) fn cmd(&self, words: &[&str]) -> Reply {
        Client::connect(self.address).cmd(words)
    }

    /// A field of `SENTINEL MASTER`.
    #[track_caller]
    pub(crate) fn field(&self, name: &str) -> String {
        let Reply::Array(items) = self.cmd(&["SENTINEL", "MASTER", MASTER_NAME]) else {
            panic!("no answer to SENTINEL MASTER");
        };
        items
            .chunks(2)
            .find(|pair| pair[0].text() == name)
            .map(|pair| pair[1].text())
            .unwrap_or_default()
    }

    /// `SENTINEL FAILOVER`: it promotes a replica without asking the others.
    #[track_caller]
    pub(crate) fn failover(&self) {
        let reply = self.cmd(&["SENTINEL", "FAILOVER", MASTER_NAME]);
        assert!(reply.is_ok(), "SENTINEL FAILOVER: {reply:?}");
    }

    #[track_caller]
    fn wait_knows(&self, field: &str, count: usize) {
        let what = format!("a Sentinel's {field} is {count}");
        eventually(SOON, &what, || self.field(field) == count.to_string());
    }

    #[track_caller]
    fn hurry(&self) {
        let mut words = vec!["SENTINEL", "DEBUG"];
        for (key, value) in PERIODS {
            words.extend([key, value]);
        }
        let reply = self.cmd(&words);
        assert!(reply.is_ok(), "SENTINEL DEBUG: {reply:?}");
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.dir.disable_cleanup(true);
            eprintln!("kept for you: {}", self.dir.path().display());
        }
    }
}
