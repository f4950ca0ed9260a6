//! Real redis-server processes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{LazyLock, Mutex};

use tempfile::TempDir;

use super::client::{Client, Reply};
use super::net::free_address;
use super::process::Process;
use super::{SOON, eventually, poll};

/// Who listens on which port, so that a test can say "redis-2" instead of a number.
static NAMES: Mutex<BTreeMap<u16, String>> = Mutex::new(BTreeMap::new());

/// The name of the node on a port.
pub(crate) fn name_of_port(port: u16) -> String {
    let names = NAMES.lock().expect("no test panics here");
    names
        .get(&port)
        .cloned()
        .unwrap_or_else(|| format!("the stranger on port {port}"))
}

/// The major version of the installed redis-server.
static MAJOR: LazyLock<u32> = LazyLock::new(|| {
    let output = Command::new("redis-server")
        .arg("--version")
        .output()
        .expect("redis-server is installed (make test installs it)");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_once("v=")
        .and_then(|(_, rest)| rest.split('.').next()?.parse().ok())
        .unwrap_or_else(|| panic!("no version in {text:?}"))
});

/// How a node is to be started.
pub(crate) struct RedisBuilder {
    name: String,
    address: SocketAddr,
    lines: Vec<String>,
    password: Option<String>,
    dump: Option<PathBuf>,
}

/// A redis-server on its own loopback address; killed when dropped.
pub(crate) struct RedisNode {
    name: String,
    address: SocketAddr,
    password: Option<String>,
    dir: TempDir,
    process: Process,
}

/// A primary and its replicas, all in sync: the first name is the primary's.
pub(crate) fn redis_group<const N: usize>(names: [&str; N]) -> [RedisNode; N] {
    redis_group_with(names, &[])
}

/// The same with options for all of them.
pub(crate) fn redis_group_with<const N: usize>(
    names: [&str; N],
    options: &[(&str, &str)],
) -> [RedisNode; N] {
    let mut primary = None;
    let nodes = names.map(|name| {
        let mut builder = RedisNode::builder(name);
        for (key, value) in options {
            builder = builder.option(key, value);
        }
        match primary {
            Some(address) => builder = builder.replica_of(address),
            None => primary = Some(builder.address),
        }
        builder.start()
    });
    for replica in &nodes[1..] {
        replica.wait_in_sync();
    }
    nodes
}

impl RedisBuilder {
    /// One line of its configuration file.
    pub(crate) fn option(mut self, key: &str, value: &str) -> Self {
        self.lines.push(format!("{key} {value}"));
        self
    }

    pub(crate) fn replica_of(self, primary: SocketAddr) -> Self {
        let value = format!("{} {}", primary.ip(), primary.port());
        self.option("replicaof", &value)
    }

    /// A password for clients and for its own primary.
    pub(crate) fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self.option("requirepass", password)
            .option("masterauth", password)
    }

    /// Starts it from a copy of this dump.
    pub(crate) fn dump(mut self, file: PathBuf) -> Self {
        self.dump = Some(file);
        self
    }

    /// Another address than the one that was picked.
    pub(crate) fn at(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// Starts it, and waits until it answers.
    #[track_caller]
    pub(crate) fn start(self) -> RedisNode {
        let dir = TempDir::new().expect("a temporary directory");
        let config = self.config(&dir);
        fs::write(dir.path().join("redis.conf"), config).expect("write redis.conf");
        if let Some(dump) = &self.dump {
            fs::copy(dump, dir.path().join("dump.rdb")).expect("copy the dump");
        }
        let mut names = NAMES.lock().expect("no test panics here");
        names.insert(self.address.port(), self.name.clone());
        drop(names);
        let node = RedisNode {
            process: spawn(&dir, &[]),
            name: self.name,
            address: self.address,
            password: self.password,
            dir,
        };
        node.wait_answering();
        node
    }

    fn config(&self, dir: &TempDir) -> String {
        let ip = self.address.ip();
        let mut text = format!(
            "bind {ip}\nport {port}\ndir {dir}\nprotected-mode no\nsave \"\"\n\
             repl-diskless-sync yes\nrepl-diskless-sync-delay 0\nreplica-announce-ip {ip}\n\
             unixsocket {socket}\n",
            port = self.address.port(),
            dir = dir.path().display(),
            socket = dir.path().join("redis.sock").display(),
        );
        if *MAJOR >= 7 {
            text.push_str("enable-debug-command yes\n");
        }
        for line in &self.lines {
            let _ = writeln!(text, "{line}");
        }
        text
    }
}

impl RedisNode {
    pub(crate) fn builder(name: &str) -> RedisBuilder {
        RedisBuilder {
            name: name.to_owned(),
            address: free_address(),
            lines: Vec::new(),
            password: None,
            dump: None,
        }
    }

    /// A node of its own that claims to be primary.
    #[track_caller]
    pub(crate) fn primary(name: &str) -> Self {
        Self::builder(name).start()
    }

    /// A replica that is in sync.
    #[track_caller]
    pub(crate) fn replica(name: &str, primary: &Self) -> Self {
        let node = Self::builder(name).replica_of(primary.address).start();
        node.wait_in_sync();
        node
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Saves its data, and gives the file.
    #[track_caller]
    pub(crate) fn save(&self) -> PathBuf {
        // A full synchronization leaves its child for a moment, and SAVE is refused beside it.
        let what = format!("{} saves nothing", self.describe());
        eventually(SOON, &what, || {
            self.info("persistence", "rdb_bgsave_in_progress") == "0"
        });
        self.must(&["SAVE"]);
        self.dir.path().join("dump.rdb")
    }

    /// Its Unix socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("redis.sock")
    }

    /// A connection that goes past the proxy.
    #[track_caller]
    pub(crate) fn client(&self) -> Client {
        let mut client = Client::connect(self.address);
        if let Some(password) = &self.password {
            client.cmd(&["AUTH", password]);
        }
        client
    }

    /// One command past the proxy.
    #[track_caller]
    pub(crate) fn cmd(&self, words: &[&str]) -> Reply {
        self.client().cmd(words)
    }

    /// One command past the proxy that must not fail.
    #[track_caller]
    pub(crate) fn must(&self, words: &[&str]) -> Reply {
        let reply = self.cmd(words);
        assert!(
            reply.error().is_none(),
            "{words:?} at {}: {reply:?}",
            self.name
        );
        reply
    }

    /// A field of INFO; empty when it is not there.
    #[track_caller]
    pub(crate) fn info(&self, section: &str, field: &str) -> String {
        self.try_info(section, field)
            .unwrap_or_else(|| panic!("no INFO from {}", self.describe()))
    }

    /// The same; none when the connection breaks. A Sentinel closes all connections of a node that it
    /// reconfigures.
    fn try_info(&self, section: &str, field: &str) -> Option<String> {
        let mut client = Client::try_connect(self.address).ok()?;
        if let Some(password) = &self.password {
            client.try_cmd(&["AUTH", password]).ok()?;
        }
        let Reply::Bulk(Some(text)) = client.try_cmd(&["INFO", section]).ok()? else {
            return None;
        };
        let text = String::from_utf8_lossy(&text).into_owned();
        let key = format!("{field}:");
        let value = text.lines().find_map(|line| line.strip_prefix(&key));
        Some(value.unwrap_or_default().trim().to_owned())
    }

    /// The role that it claims, as Redis says it; empty when it does not answer.
    pub(crate) fn role(&self) -> String {
        self.try_info("replication", "role").unwrap_or_default()
    }

    /// `REPLICAOF NO ONE`.
    #[track_caller]
    pub(crate) fn promote(&self) {
        self.must(&["REPLICAOF", "NO", "ONE"]);
    }

    /// `REPLICAOF` another node.
    #[track_caller]
    pub(crate) fn replicate(&self, primary: &Self) {
        self.replicate_address(primary.address);
    }

    /// `REPLICAOF` an address.
    #[track_caller]
    pub(crate) fn replicate_address(&self, primary: SocketAddr) {
        let (ip, port) = (primary.ip().to_string(), primary.port().to_string());
        self.must(&["REPLICAOF", &ip, &port]);
    }

    /// Waits until its link to its primary is up.
    #[track_caller]
    pub(crate) fn wait_in_sync(&self) {
        let what = format!("{} is in sync", self.describe());
        eventually(SOON, &what, || {
            let link = self.try_info("replication", "master_link_status");
            link.is_some_and(|link| link == "up")
        });
    }

    /// Waits until it holds all that its primary has written.
    #[track_caller]
    pub(crate) fn wait_caught_up(&self, primary: &Self) {
        let what = format!("{} has caught up", self.describe());
        eventually(SOON, &what, || {
            let goal: u64 = offset(&primary.info("replication", "master_repl_offset"));
            offset(&self.info("replication", "slave_repl_offset")) >= goal
        });
    }

    pub(crate) fn kill9(&mut self) {
        self.process.kill9();
    }

    /// SIGSTOP.
    pub(crate) fn stop(&self) {
        self.process.stop();
    }

    /// SIGCONT.
    pub(crate) fn cont(&self) {
        self.process.cont();
    }

    /// Starts it again at the same address, with the same directory and configuration file, which
    /// a Sentinel may have rewritten.
    #[track_caller]
    pub(crate) fn restart(&mut self) {
        self.restart_with(&[]);
    }

    /// The same with more options.
    #[track_caller]
    pub(crate) fn restart_with(&mut self, options: &[(&str, &str)]) {
        self.process.kill9();
        self.process = spawn(&self.dir, options);
        self.wait_answering();
    }

    /// Waits until PING is answered, be it by an error such as -LOADING.
    #[track_caller]
    fn wait_answering(&self) {
        let what = format!("{} answers", self.describe());
        poll(SOON, &what, || {
            let mut client = Client::try_connect(self.address).ok()?;
            client.try_cmd(&["PING"]).ok()
        });
    }

    fn describe(&self) -> String {
        let log = self.dir.path().join("redis.log");
        format!("{} at {} (log: {})", self.name, self.address, log.display())
    }
}

impl Drop for RedisNode {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.dir.disable_cleanup(true);
            eprintln!("kept for you: {}", self.describe());
        }
    }
}

fn offset(text: &str) -> u64 {
    text.parse()
        .unwrap_or_else(|_| panic!("not an offset: {text:?}"))
}

fn spawn(dir: &TempDir, options: &[(&str, &str)]) -> Process {
    let log = File::options()
        .create(true)
        .append(true)
        .open(dir.path().join("redis.log"))
        .expect("open redis.log");
    let mut command = Command::new("redis-server");
    command.arg(dir.path().join("redis.conf"));
    for (key, value) in options {
        command.arg(format!("--{key}")).arg(value);
    }
    command
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a second handle"))
        .stderr(log);
    Process::spawn(&mut command)
}
