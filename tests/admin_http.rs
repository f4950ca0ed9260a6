//! The admin HTTP server, asked over real sockets by clients of all manners.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, helpers too"
)]

mod admin_support;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rolecall::admin::{self, AdminState, BindError, Limits};
use rolecall::metrics::{self, Kind};
use tokio_util::sync::CancellationToken;

/// Long past anything that should happen here, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(30);

/// One recorder a process, with every metric in use so that a page shows them all.
static METRICS: LazyLock<metrics::Handle> = LazyLock::new(|| {
    let handle = metrics::install().unwrap();
    for metric in metrics::ALL {
        let values = |value: &'static str| -> Vec<(&'static str, &'static str)> {
            metric.labels.iter().map(|label| (*label, value)).collect()
        };
        for labels in [
            values("redis-1"),
            values("a \"quoted\\ name\n\nof two lines"),
        ] {
            match metric.kind {
                _ if metric.name == metrics::BUILD_INFO => {}
                Kind::Counter => ::metrics::counter!(metric.name, &labels).increment(3),
                Kind::Seconds => {
                    let counter = ::metrics::counter!(metric.name, &labels);
                    metrics::add_seconds(&counter, Duration::from_millis(1500));
                }
                Kind::Gauge => ::metrics::gauge!(metric.name, &labels).set(1.5),
                Kind::Histogram(_) => ::metrics::histogram!(metric.name, &labels).record(0.02),
            }
        }
    }
    handle
});

/// A running server; dropping it stops it, and fails the test when it does not stop.
struct Server {
    address: SocketAddr,
    missing: Arc<Mutex<Vec<String>>>,
    cancel: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start() -> Self {
        Self::with(Limits::default())
    }

    fn with(limits: Limits) -> Self {
        let missing = Arc::new(Mutex::new(Vec::new()));
        let cancel = CancellationToken::new();
        let told = Arc::clone(&missing);
        let state = AdminState {
            metrics: METRICS.clone(),
            readiness: Arc::new(move || told.lock().unwrap().clone()),
            sources: admin_support::sources(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let admin = runtime
            .block_on(admin::bind(SocketAddr::from(([127, 0, 0, 1], 0))))
            .unwrap()
            .with_limits(limits);
        let address = admin.address().unwrap();
        let token = cancel.clone();
        let thread = thread::spawn(move || {
            runtime.block_on(async { admin.serve(&state, &token).ended().await });
        });
        Self {
            address,
            missing,
            cancel,
            thread: Some(thread),
        }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Sends bytes on a connection of their own, and reads to its end.
    fn tell(&self, request: &str) -> Answer {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        Answer::read_to_end(&mut stream)
    }

    fn ask(&self, method: &str, path: &str) -> Answer {
        self.tell(&format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        ))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.cancel.cancel();
        let ended = self.thread.take().unwrap().join();
        if !thread::panicking() {
            ended.unwrap();
        }
    }
}

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn read_to_end(stream: &mut TcpStream) -> Self {
        let mut all = Vec::new();
        // A server that refuses without having read everything resets the connection behind its answer.
        if let Err(error) = stream.read_to_end(&mut all) {
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        }
        let text = String::from_utf8(all).unwrap();
        let (head, body) = text
            .split_once("\r\n\r\n")
            .unwrap_or_else(|| panic!("no answer: {text:?}"));
        Self {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            head: head.to_ascii_lowercase(),
            body: body.to_owned(),
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            (key == name).then_some(value)
        })
    }
}

/// Reads one answer with an empty or short body from a connection that stays open.
fn read_one(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"ok\n") {
        assert_eq!(
            stream.read(&mut byte).unwrap(),
            1,
            "closed after {answer:?}"
        );
        answer.push(byte[0]);
    }
    String::from_utf8(answer).unwrap()
}

/// Whether the peer has closed the connection, after whatever it may have said.
fn ends(stream: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => true,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

const LIVEZ: &[u8] = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";

#[test]
fn each_page_answers() {
    let server = Server::start();
    let live = server.ask("GET", "/livez");
    assert_eq!((live.status, live.body.as_str()), (200, "ok\n"));
    assert_eq!(live.header("cache-control"), Some("no-store"));
    let metrics = server.ask("GET", "/metrics?x=y");
    assert_eq!(metrics.status, 200);
    assert_eq!(
        metrics.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    assert!(
        metrics.body.contains("\nrolecall_build_info{"),
        "{}",
        metrics.body
    );
    let index = server.ask("GET", "/");
    assert_eq!(index.status, 200);
    for page in ["/metrics", "/livez", "/readyz"] {
        assert!(index.body.contains(page), "{}", index.body);
    }
}

#[test]
fn readyz_tells_what_is_missing_until_nothing_is() {
    let server = Server::start();
    *server.missing.lock().unwrap() =
        vec!["listener ro: redis-2 has not been checked yet".to_owned()];
    let not_yet = server.ask("GET", "/readyz");
    assert_eq!(not_yet.status, 503);
    assert!(
        not_yet
            .body
            .contains("listener ro: redis-2 has not been checked yet\n"),
        "{}",
        not_yet.body
    );
    server.missing.lock().unwrap().clear();
    let ready = server.ask("GET", "/readyz");
    assert_eq!((ready.status, ready.body.as_str()), (200, "ready\n"));
}

#[test]
fn the_health_check_of_the_image_agrees_with_readyz() {
    let server = Server::start();
    let url = format!("http://{}/readyz", server.address);
    assert!(rolecall::cli::ready::ask(&url, PATIENCE).is_ok());
    server
        .missing
        .lock()
        .unwrap()
        .push("listener ro: redis-2".to_owned());
    let verdict = rolecall::cli::ready::ask(&url, PATIENCE);
    let words = verdict.unwrap_err().to_string();
    assert!(
        words.contains("503") && words.contains("listener ro: redis-2"),
        "{words}"
    );
}

#[test]
fn unknown_paths_and_methods_are_told_so() {
    let server = Server::start();
    let unknown = server.ask("GET", "/nothing");
    assert_eq!(unknown.status, 404);
    assert!(unknown.body.contains("\"/nothing\""), "{}", unknown.body);
    for path in [
        "/api/order/redis-1?order=drain",
        "/api/log-level?level=debug",
    ] {
        for method in ["POST", "GET", "PUT"] {
            let refused = server.ask(method, path);
            assert_eq!(refused.status, 403, "{method} {path}");
            assert!(refused.body.contains("admin.socket"), "{}", refused.body);
        }
    }
    for path in [
        "/api/status?x=1",
        "/api/events?afer=1",
        "/api/events?limit=many",
    ] {
        assert_eq!(server.ask("GET", path).status, 400, "{path}");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "BREW"] {
        let refused = server.ask(method, "/metrics");
        assert_eq!(refused.status, 405, "{method}");
        assert_eq!(refused.header("allow"), Some("get, head"));
        assert!(refused.body.contains(method), "{}", refused.body);
    }
}

#[test]
fn head_gives_the_head_and_nothing_else() {
    let server = Server::start();
    for path in [
        "/",
        "/livez",
        "/readyz",
        "/metrics",
        "/api/status",
        "/api/events",
        "/nothing",
    ] {
        let head = server.ask("HEAD", path);
        assert_eq!(head.status, if path == "/nothing" { 404 } else { 200 });
        assert_eq!(head.body, "", "{path}");
        let length: usize = head.header("content-length").unwrap().parse().unwrap();
        assert!(length > 0, "{path}");
    }
}

#[test]
fn a_connection_serves_several_requests() {
    let server = Server::start();
    let mut stream = server.connect();
    for _ in 0..3 {
        stream.write_all(LIVEZ).unwrap();
        assert!(read_one(&mut stream).starts_with("HTTP/1.1 200 "));
    }
}

#[test]
fn a_client_that_half_closes_gets_its_answer() {
    let server = Server::start();
    let mut stream = server.connect();
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let answer = Answer::read_to_end(&mut stream);
    let length: usize = answer.header("content-length").unwrap().parse().unwrap();
    assert_eq!(answer.body.len(), length);
}

#[test]
fn a_client_that_dawdles_over_its_header_is_cut_off() {
    let server = Server::with(Limits {
        header: Duration::from_millis(100),
        age: PATIENCE * 4,
        ..Limits::default()
    });
    // Says nothing, begins a request and stops, and stays on after an answer.
    for beginning in [&b""[..], b"GET /livez HTTP/1.1\r\nHo", LIVEZ] {
        let mut stream = server.connect();
        stream.write_all(beginning).unwrap();
        assert!(ends(&mut stream), "{beginning:?}");
    }
    // Sends on and on, a little at a time: the time is for the whole header.
    let mut stream = server.connect();
    stream
        .set_read_timeout(Some(Duration::from_millis(10)))
        .unwrap();
    let begun = Instant::now();
    let mut byte = [0];
    while begun.elapsed() < PATIENCE {
        if stream.write_all(b"a").is_err() {
            return;
        }
        match stream.read(&mut byte) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            _ => return,
        }
    }
    panic!("the trickling client was never cut off");
}

#[test]
fn a_connection_grows_only_so_old() {
    let server = Server::with(Limits {
        age: Duration::from_millis(100),
        farewell: Duration::from_millis(100),
        header: PATIENCE * 4,
        ..Limits::default()
    });
    let mut idle = server.connect();
    idle.write_all(LIVEZ).unwrap();
    assert!(ends(&mut idle));
    // Asks for more than the kernel holds for it, and reads none of it.
    server.missing.lock().unwrap().push("x".repeat(64 << 20));
    let mut deaf = server.connect();
    deaf.set_write_timeout(Some(Duration::from_millis(10)))
        .unwrap();
    deaf.write_all(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        match deaf.write(b"x") {
            Err(error) if error.kind() != ErrorKind::WouldBlock => return,
            _ => {}
        }
    }
    panic!("the deaf client was never cut off");
}

/// Connections that have been served once, which proves that the server has them, and stay.
fn idlers(server: &Server, count: usize) -> Vec<TcpStream> {
    let sit = |_| {
        let mut stream = server.connect();
        stream.write_all(LIVEZ).unwrap();
        read_one(&mut stream);
        stream
    };
    (0..count).map(sit).collect()
}

#[test]
fn idlers_make_room_for_who_comes_the_longest_idle_one_first() {
    let server = Server::with(Limits {
        header: PATIENCE * 4,
        age: PATIENCE * 4,
        ..Limits::default()
    });
    let limit = Limits::default().connections;
    let mut crowd = idlers(&server, limit);
    for _ in 0..3 {
        assert_eq!(server.ask("GET", "/metrics").status, 200);
    }
    assert!(ends(&mut crowd[0]), "the longest idle one");
    let last = crowd.last_mut().unwrap();
    last.write_all(LIVEZ).unwrap();
    assert!(
        read_one(last).starts_with("HTTP/1.1 200 "),
        "the latest one"
    );
    // Many times as many idlers keep nobody out either.
    let _more = idlers(&server, 400);
    assert_eq!(server.ask("GET", "/metrics").status, 200);
}

#[test]
fn garbage_gets_a_400_and_hurts_nobody() {
    let server = Server::start();
    for garbage in [
        "*1\r\n$4\r\nPING\r\n",
        "\0\u{1}\u{2}\r\n\r\n",
        "GET /livez HTTP/9.9\r\n\r\n",
    ] {
        assert_eq!(server.tell(garbage).status, 400, "{garbage:?}");
    }
    assert_eq!(server.ask("GET", "/livez").status, 200);
}

#[test]
fn a_huge_header_is_refused() {
    let server = Server::start();
    let huge = "x".repeat(1024 * 1024);
    for request in [
        format!("GET /livez HTTP/1.1\r\nHost: x\r\nX: {huge}\r\n\r\n"),
        format!("GET /{huge} HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("GET /livez HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(2000)),
    ] {
        let mut stream = server.connect();
        // The server may close before it has all; what it said before may be lost with that.
        let _closed = stream.write_all(request.as_bytes());
        let mut answer = Vec::new();
        let _reset = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
    }
    let fits_no_limit = format!(
        "GET /livez HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n",
        &huge[..17_000]
    );
    assert_eq!(server.tell(&fits_no_limit).status, 431);
    assert_eq!(server.ask("GET", "/livez").status, 200);
}

#[test]
fn a_body_is_not_waited_for() {
    let server = Server::start();
    let head = "Host: x\r\nContent-Length: 1000000000000\r\n\r\nsome";
    let mut stream = server.connect();
    stream
        .write_all(format!("GET /livez HTTP/1.1\r\n{head}").as_bytes())
        .unwrap();
    assert!(read_one(&mut stream).starts_with("HTTP/1.1 200 "));
    let mut stream = server.connect();
    stream
        .write_all(format!("POST /livez HTTP/1.1\r\n{head}").as_bytes())
        .unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 405");
}

#[test]
fn stopping_closes_what_is_open() {
    let server = Server::with(Limits {
        header: PATIENCE * 4,
        age: PATIENCE * 4,
        ..Limits::default()
    });
    let mut idle = server.connect();
    idle.write_all(LIVEZ).unwrap();
    read_one(&mut idle);
    let address = server.address;
    drop(server);
    assert!(ends(&mut idle));
    assert!(TcpStream::connect(address).is_err());
}

#[tokio::test]
async fn an_address_that_is_taken_is_told_so() {
    let first = admin::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
        .await
        .unwrap();
    let second = admin::bind(first.address().unwrap()).await.unwrap_err();
    assert!(matches!(second, BindError::Taken(_)), "{second}");
    let foreign = admin::bind(SocketAddr::from(([192, 0, 2, 1], 0))).await;
    assert!(matches!(foreign, Err(BindError::NotOurs(_))), "{foreign:?}");
}

#[test]
fn every_metric_is_on_the_page_with_its_help_and_type() {
    let page = Server::start().ask("GET", "/metrics").body;
    for metric in metrics::ALL {
        let kind = match metric.kind {
            Kind::Counter | Kind::Seconds => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram(_) => "histogram",
        };
        for line in [
            format!("# HELP {} {}\n", metric.name, metric.help),
            format!("# TYPE {} {kind}\n", metric.name),
        ] {
            assert_eq!(page.matches(&line).count(), 1, "{line}{page}");
        }
    }
}

#[test]
fn promtool_finds_nothing_to_complain_about() {
    let page = Server::start().ask("GET", "/metrics").body;
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| {
            panic!("this test needs promtool ({error}): run `make test`, which installs it, or `apt-get install prometheus`")
        });
    promtool
        .stdin
        .take()
        .unwrap()
        .write_all(page.as_bytes())
        .unwrap();
    let verdict = promtool.wait_with_output().unwrap();
    let said = [verdict.stdout, verdict.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(
        verdict.status.success() && said.is_empty(),
        "{said}\n{page}"
    );
}
