//! The admin server when the process has no descriptors left. Alone in its file, because a limit holds for
//! the whole process, and `cargo test` runs the tests of one file in one process.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, helpers too")]

mod admin_support;

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rolecall::admin::{self, AdminState, Limits};
use rolecall::metrics;
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(30);

/// Passes log lines on.
#[derive(Clone)]
struct Lines(Arc<Mutex<Sender<String>>>);

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line).into_owned();
        let _nobody_listens = self.0.lock().unwrap().send(text);
        Ok(line.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn accepting_pauses_while_descriptors_are_out_and_goes_on_after() {
    let (told, lines) = channel();
    let writer = Lines(Arc::new(Mutex::new(told)));
    tracing::subscriber::set_global_default(
        tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish(),
    )
    .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let admin = runtime
        .block_on(admin::bind(SocketAddr::from(([127, 0, 0, 1], 0))))
        .unwrap();
    let admin = admin.with_limits(Limits {
        accept_pause: Duration::from_millis(20),
        ..Limits::default()
    });
    // The connection waits in the kernel until somebody serves.
    let mut client = TcpStream::connect(admin.address().unwrap()).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client
        .write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .unwrap();

    let (_, hard) = rlimit::Resource::NOFILE.get().unwrap();
    rlimit::Resource::NOFILE.set(hard.min(256), hard).unwrap();
    let mut fillers = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        fillers.push(file);
    }

    let cancel = CancellationToken::new();
    let token = cancel.clone();
    let state = AdminState {
        metrics: metrics::install().unwrap(),
        readiness: Arc::new(Vec::new),
        sources: admin_support::sources(),
    };
    let server = thread::spawn(move || {
        runtime.block_on(async { admin.serve(&state, &token).ended().await });
    });
    let line = lines.recv_timeout(PATIENCE).unwrap();
    assert!(
        line.contains("WARN") && line.contains("descriptors"),
        "{line}"
    );

    drop(fillers);
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    // Told once, however often it failed, and told when it was over.
    let line = lines.recv_timeout(PATIENCE).unwrap();
    assert!(line.contains("accepting connections again"), "{line}");
    cancel.cancel();
    server.join().unwrap();
}
