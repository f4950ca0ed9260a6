//! Real servers, a scripted node, and a check task with somebody who listens.

use std::future::Future;
use std::net::TcpListener as StdListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use rolecall::check::node::{FromNode, NodeTask};
use rolecall::check::wake::{By, Wake};
use rolecall::config::model::{Address, Credentials, Secret};
use rolecall::core::facts::HostPort;
use rolecall::core::ids::NodeId;
use rolecall::core::outcome::{Outcome, Report};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// Long enough for the slowest machine: only a failing test ever waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A loopback address of this process's own, so that a free port stays free.
pub(crate) fn local_ip() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = std::process::id() * 64 + COUNT.fetch_add(1, Ordering::Relaxed);
    let [_, a, b, c] = number.to_be_bytes();
    format!("127.{}.{b}.{}", a.max(1), c.clamp(1, 254))
}

pub(crate) fn login(username: Option<&str>, password: &str) -> Credentials {
    Credentials {
        username: username.map(str::to_owned),
        password: Secret::new(password.to_owned()),
    }
}

/// A real server; dies with this value.
pub(crate) struct Server {
    pub(crate) ip: String,
    pub(crate) port: u16,
    child: Child,
    _folder: tempfile::TempDir,
}

impl Server {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::run("redis-server", |command, _| {
            command
                .args(["--save", "", "--appendonly", "no"])
                .args(arguments);
        })
    }

    pub(crate) fn start_sentinel() -> Self {
        // It insists on a file that it may write.
        Self::run("redis-sentinel", |command, folder| {
            let path = folder.join("sentinel.conf");
            std::fs::write(&path, "").unwrap();
            command.arg(path);
        })
    }

    fn run(program: &str, more: impl FnOnce(&mut Command, &std::path::Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ip = local_ip();
        let free = StdListener::bind((ip.as_str(), 0)).unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let mut command = Command::new(program);
        if program == "redis-sentinel" {
            more(&mut command, folder.path());
            command.args(["--bind", &ip, "--port", &port.to_string()]);
        } else {
            command.args(["--bind", &ip, "--port", &port.to_string()]);
            more(&mut command, folder.path());
        }
        let child = command
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            ip,
            port,
            child,
            _folder: folder,
        }
    }

    pub(crate) fn address(&self) -> Address {
        Address::Tcp(HostPort::new(&self.ip, self.port))
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([format!("-{name}"), self.child.id().to_string()])
            .status();
        assert!(status.unwrap().success());
    }

    pub(crate) fn spawn_cli(&self, arguments: &[&str]) -> Running {
        Running(self.cli(arguments).stdout(Stdio::null()).spawn().unwrap())
    }

    fn cli(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("redis-cli");
        command
            .args(["-h", &self.ip, "-p", &self.port.to_string()])
            .args(arguments);
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client at work; ends with this value.
pub(crate) struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn redis_cli(server: &Server, arguments: &[&str]) {
    let output = server.cli(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// A scripted node.
pub(crate) struct Fake {
    ip: String,
    port: u16,
    accepted: Arc<AtomicUsize>,
    connection: Arc<Notify>,
    _task: AbortOnDropHandle<()>,
}

impl Fake {
    /// Plays `script` on each connection; its first argument counts them from 0.
    pub(crate) async fn start<F>(script: impl Fn(usize, TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let ip = local_ip();
        let listener = TcpListener::bind((ip.as_str(), 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let accepted = Arc::new(AtomicUsize::new(0));
        let connection = Arc::new(Notify::new());
        let (count, bell) = (Arc::clone(&accepted), Arc::clone(&connection));
        let task = tokio::spawn(async move {
            let mut sessions = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                sessions.spawn(script(count.fetch_add(1, Ordering::Relaxed), stream));
                bell.notify_one();
            }
        });
        Self {
            ip,
            port,
            accepted,
            connection,
            _task: AbortOnDropHandle::new(task),
        }
    }

    pub(crate) fn address(&self) -> Address {
        Address::Tcp(HostPort::new(&self.ip, self.port))
    }

    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Waits until somebody has connected.
    pub(crate) async fn connection(&self) {
        self.connection.notified().await;
    }
}

/// Reads one check's question; the first on a connection asks for the server too.
pub(crate) async fn question(stream: &mut TcpStream, first: bool) {
    let end: &[u8] = if first {
        b"server\r\n"
    } else {
        b"replication\r\n"
    };
    let mut heard = Vec::new();
    while !heard.ends_with(end) {
        if !matches!(stream.read_buf(&mut heard).await, Ok(1..)) {
            // Hung up: no more questions, and the script is dropped with its test.
            std::future::pending::<()>().await;
        }
    }
}

/// Answers one check's question as a primary.
pub(crate) async fn say(stream: &mut TcpStream, first: bool) {
    let bulk = |text: &str| format!("${}\r\n{text}\r\n", text.len());
    let replication = "role:master\r\nconnected_slaves:0\r\nmaster_repl_offset:7\r\n";
    let mut said = format!("+PONG\r\n{}", bulk(replication));
    if first {
        said += &bulk("redis_version:7.0.15\r\nrun_id:r1\r\n");
    }
    let _ = stream.write_all(said.as_bytes()).await;
}

/// Hears and answers one check.
pub(crate) async fn answer(stream: &mut TcpStream, first: bool) {
    question(stream, first).await;
    say(stream, first).await;
}

/// A check task at work.
pub(crate) struct Watched {
    pub(crate) wake: Arc<Wake>,
    pace: watch::Sender<Duration>,
    reports: mpsc::Receiver<FromNode>,
    cancel: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl Watched {
    /// Checked every few milliseconds, until it is settled.
    pub(crate) fn new(address: Address) -> Self {
        Self::with(address, |_| ())
    }

    pub(crate) fn paced(address: Address, pace: Duration) -> Self {
        let node = Self::with(address, |_| ());
        node.pace(pace);
        node
    }

    /// The same, with the task changed before it runs.
    pub(crate) fn with(address: Address, change: impl FnOnce(&mut NodeTask)) -> Self {
        let (pace, pace_receiver) = watch::channel(Duration::from_millis(5));
        let (sender, reports) = mpsc::channel(1);
        let mut task = NodeTask {
            node: NodeId(7),
            address,
            present: None,
            auth: None,
            timeout: PATIENCE,
            fall: 6,
            pace: pace_receiver,
            wake: Arc::default(),
            reports: sender,
            cancel: CancellationToken::new(),
        };
        change(&mut task);
        Self {
            wake: Arc::clone(&task.wake),
            pace,
            reports,
            cancel: task.cancel.clone(),
            task: Some(tokio::spawn(task.run())),
        }
    }

    /// Waits until the server has started and said something, then checks by call only.
    pub(crate) async fn settled(mut self) -> Self {
        while matches!(
            self.report().await.outcome,
            Outcome::Refused | Outcome::Closed | Outcome::Loading
        ) {}
        self.pace(Duration::from_secs(3600));
        // One more may have begun by the old pace. After a call and its report, at most one waits.
        self.wake.call(By::Connection);
        let called = rolecall::clock::now();
        while self.report().await.started < called {}
        self
    }

    pub(crate) fn pace(&self, pace: Duration) {
        self.pace.send(pace).unwrap();
    }

    /// The next report.
    pub(crate) async fn report(&mut self) -> Report {
        loop {
            let news = tokio::time::timeout(PATIENCE, self.reports.recv()).await;
            match news
                .expect("no report in a minute")
                .expect("the task has ended")
            {
                FromNode::Checked(node, report) => {
                    assert_eq!(node, NodeId(7));
                    return report;
                }
                FromNode::Resolved(_, target, why) => assert!(target.is_some(), "{why:?}"),
            }
        }
    }

    /// Calls for a check and gives its report.
    pub(crate) async fn check(&mut self, by: By) -> Report {
        self.wake.call(by);
        self.report().await
    }

    pub(crate) async fn cancel(mut self) {
        self.cancel.cancel();
        if let Some(task) = self.task.take() {
            tokio::time::timeout(PATIENCE, task).await.unwrap().unwrap();
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}
