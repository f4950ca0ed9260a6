//! The proxy under test: the built binary, run as an operator runs it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use super::client::Client;
use super::metrics::Metrics;
use super::process::Process;
use super::topology::Topology;
use super::{SOON, eventually};

/// How to start the binary.
#[derive(Clone, Default)]
pub(crate) struct Launch {
    pub(crate) env: Vec<(String, String)>,
    /// What a shell does before it becomes the binary.
    pub(crate) prelude: Option<String>,
    /// Standard input; nothing by default.
    pub(crate) stdin: Option<Arc<File>>,
    /// Where standard output goes instead of the log that tests read.
    pub(crate) stdout: Option<Arc<File>>,
    /// Further arguments of `run`.
    pub(crate) arguments: Vec<String>,
}

/// A running proxy; killed when dropped, its log shown when the test fails.
pub(crate) struct Rolecall {
    process: Process,
    dir: TempDir,
    binds: BTreeMap<String, SocketAddr>,
    admin: SocketAddr,
}

/// An HTTP answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Rolecall {
    /// Starts `rolecall run -c` on this text.
    #[track_caller]
    pub(crate) fn spawn(
        config: &str,
        binds: BTreeMap<String, SocketAddr>,
        admin: SocketAddr,
        launch: &Launch,
    ) -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let file = dir.path().join("rolecall.yaml");
        fs::write(&file, config).expect("write rolecall.yaml");
        let log = File::create(dir.path().join("rolecall.log")).expect("create rolecall.log");
        let binary = env!("CARGO_BIN_EXE_rolecall");
        let mut command = match &launch.prelude {
            None => Command::new(binary),
            Some(words) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", &format!("{words} && exec \"$0\" \"$@\"")]);
                shell.arg(binary);
                shell
            }
        };
        command
            .args(["run", "-c"])
            .arg(&file)
            .args(&launch.arguments)
            .envs(launch.env.iter().map(|(key, value)| (key, value)))
            .stdin(match launch.stdin.as_deref() {
                Some(file) => file.try_clone().expect("a second handle").into(),
                None => Stdio::null(),
            })
            .stdout(
                launch
                    .stdout
                    .as_deref()
                    .unwrap_or(&log)
                    .try_clone()
                    .expect("a second handle"),
            )
            .stderr(log);
        Self {
            process: Process::spawn(&mut command),
            dir,
            binds,
            admin,
        }
    }

    /// Writes another configuration where the proxy reads it, and says SIGHUP. Listeners that the new one
    /// adds are known by it from now on.
    #[track_caller]
    pub(crate) fn reload(&mut self, topology: &Topology) {
        let file = self.dir.path().join("rolecall.yaml");
        fs::write(&file, topology.yaml(self.admin)).expect("write rolecall.yaml");
        self.binds.clone_from(topology.binds());
        self.signal("HUP");
    }

    /// Writes any text where the proxy reads its configuration, and says SIGHUP.
    #[track_caller]
    pub(crate) fn reload_text(&self, text: &str) {
        self.write_config(text);
        self.signal("HUP");
    }

    /// Writes any text where the proxy reads its configuration.
    #[track_caller]
    pub(crate) fn write_config(&self, text: &str) {
        let file = self.dir.path().join("rolecall.yaml");
        fs::write(&file, text).expect("write rolecall.yaml");
    }

    /// Where the proxy reads its configuration.
    pub(crate) fn config_path(&self) -> PathBuf {
        self.dir.path().join("rolecall.yaml")
    }

    /// The address of a listener.
    #[track_caller]
    pub(crate) fn listener(&self, name: &str) -> SocketAddr {
        *self
            .binds
            .get(name)
            .unwrap_or_else(|| panic!("no listener {name}"))
    }

    /// A new client of a listener.
    #[track_caller]
    pub(crate) fn client(&self, listener: &str) -> Client {
        Client::connect(self.listener(listener))
    }

    /// Which node answers a new client of a listener.
    #[track_caller]
    pub(crate) fn node_of(&self, listener: &str) -> String {
        self.client(listener).node()
    }

    /// Waits until new clients of a listener reach this node.
    #[track_caller]
    pub(crate) fn wait_node_of(&self, listener: &str, node: &str) {
        let what = format!("{listener} leads to {node}");
        // A client that came at the moment of the change may be cut off: that one is asked no more.
        eventually(SOON, &what, || {
            self.client(listener)
                .try_node()
                .is_ok_and(|reached| reached == node)
        });
    }

    /// Waits for 200 from /livez: it listens, and may know no node yet.
    #[track_caller]
    pub(crate) fn wait_alive(&self) {
        eventually(SOON, "/livez says 200", || {
            self.try_get("/livez")
                .is_some_and(|answer| answer.status == 200)
        });
    }

    /// Waits for 200 from /readyz.
    #[track_caller]
    pub(crate) fn wait_ready(&self) {
        eventually(SOON, "/readyz says 200", || {
            self.try_get("/readyz")
                .is_some_and(|answer| answer.status == 200)
        });
    }

    /// Waits until this node is the elected primary.
    #[track_caller]
    pub(crate) fn wait_primary(&self, node: &str) {
        eventually(SOON, &format!("{node} is the elected primary"), || {
            self.is("rolecall_group_primary", &[("node", node)], 1.0)
        });
    }

    /// Waits until exactly these of `all` are eligible at a listener.
    #[track_caller]
    pub(crate) fn wait_eligible(&self, listener: &str, all: &[&str], eligible: &[&str]) {
        eventually(
            SOON,
            &format!("{eligible:?} are eligible at {listener}"),
            || {
                let metrics = self.metrics();
                all.iter().all(|node| {
                    let labels = [("listener", listener), ("node", *node)];
                    let value = metrics.find("rolecall_node_eligible", &labels);
                    (value == Some(1.0)) == eligible.contains(node)
                })
            },
        );
    }

    /// Waits until a metric has a value.
    #[track_caller]
    pub(crate) fn wait_metric(&self, name: &str, labels: &[(&str, &str)], value: f64) {
        eventually(SOON, &format!("{name} {labels:?} is {value}"), || {
            self.is(name, labels, value)
        });
    }

    /// Waits until a counter has reached a value.
    #[track_caller]
    pub(crate) fn wait_at_least(&self, name: &str, labels: &[(&str, &str)], value: u64) {
        eventually(
            SOON,
            &format!("{name} {labels:?} is at least {value}"),
            || {
                let metrics = self.metrics();
                metrics.find(name, labels).is_some() && metrics.count(name, labels) >= value
            },
        );
    }

    pub(crate) fn is(&self, name: &str, labels: &[(&str, &str)], value: f64) -> bool {
        let found = self.metrics().find(name, labels);
        found.is_some_and(|found| (found - value).abs() < 1e-9)
    }

    /// One scrape.
    #[track_caller]
    pub(crate) fn metrics(&self) -> Metrics {
        let answer = self.get("/metrics");
        assert_eq!(answer.status, 200, "/metrics: {}", answer.body);
        Metrics::parse(&answer.body)
    }

    /// One counter or gauge of things.
    #[track_caller]
    pub(crate) fn count(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        self.metrics().count(name, labels)
    }

    /// GET from the admin address.
    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.try_get(path)
            .unwrap_or_else(|| panic!("no answer to GET {path}"))
    }

    /// The same, or none when nobody answers. HTTP/1.0, so that the body comes in one piece.
    pub(crate) fn try_get(&self, path: &str) -> Option<Answer> {
        let mut stream = TcpStream::connect_timeout(&self.admin, SOON).ok()?;
        stream.set_read_timeout(Some(SOON)).ok()?;
        let request = format!("GET {path} HTTP/1.0\r\nHost: {}\r\n\r\n", self.admin);
        stream.write_all(request.as_bytes()).ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        Some(Answer {
            status: head.split(' ').nth(1)?.parse().ok()?,
            head: head.to_owned(),
            body: body.to_owned(),
        })
    }

    /// All that it has written so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("rolecall.log")).expect("read rolecall.log")
    }

    /// Waits until a line of the log holds all these words.
    #[track_caller]
    pub(crate) fn wait_log(&self, words: &[&str]) {
        eventually(SOON, &format!("a log line holds {words:?}"), || {
            let log = self.log();
            log.lines()
                .any(|line| words.iter().all(|word| line.contains(word)))
        });
    }

    /// Where it answers HTTP.
    pub(crate) fn admin(&self) -> SocketAddr {
        self.admin
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Sends a signal, named without its SIG.
    pub(crate) fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    /// Open descriptors.
    pub(crate) fn descriptors(&self) -> usize {
        self.process.descriptors()
    }

    /// Whether it still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        self.process.exit().is_none()
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn wait_exit(&mut self, deadline: Duration) -> ExitStatus {
        self.process.wait_exit(deadline)
    }
}

impl Drop for Rolecall {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        self.dir.disable_cleanup(true);
        let log = self.log();
        // Sessions that ended well are many and tell little.
        let dull = |line: &&str| line.contains("reason=\"finished\"");
        let lines: Vec<&str> = log.lines().filter(|line| !dull(line)).collect();
        eprintln!("the last lines of rolecall's log:");
        for line in &lines[lines.len().saturating_sub(80)..] {
            eprintln!("| {line}");
        }
        eprintln!("kept for you: {}", self.dir.path().display());
    }
}
