//! A Sentinel that does not tell the truth.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::client::{Reply, encode, parse};
use super::net::free_address;
use super::sentinel::MASTER_NAME;
use super::{SOON, eventually};

/// A Sentinel that says what its script says, and announces a promotion of it every 50 ms.
pub(crate) struct Liar {
    pub(crate) address: SocketAddr,
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
}

/// Whom it names after so many milliseconds, and under which epoch.
type Script = Arc<dyn Fn(u128) -> (SocketAddr, u128) + Send + Sync>;

impl Liar {
    pub(crate) fn start(
        script: impl Fn(u128) -> (SocketAddr, u128) + Send + Sync + 'static,
    ) -> Self {
        let address = free_address();
        let socket = TcpListener::bind(address).expect("bind a liar");
        let (stop, asked) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicUsize::new(0)),
        );
        let liar = Self {
            address,
            stop: Arc::clone(&stop),
            asked: Arc::clone(&asked),
        };
        let script: Script = Arc::new(script);
        thread::spawn(move || {
            let began = Instant::now();
            for stream in socket.incoming().flatten() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let (stop, asked, script) = (Arc::clone(&stop), Arc::clone(&asked), script.clone());
                thread::spawn(move || lie(stream, began, &script, &stop, &asked));
            }
        });
        liar
    }

    /// Waits until it was asked so many times more.
    #[track_caller]
    pub(crate) fn wait_asked(&self, times: usize) {
        let goal = self.asked.load(Ordering::Relaxed) + times;
        eventually(SOON, "the Sentinel is asked", || {
            self.asked.load(Ordering::Relaxed) >= goal
        });
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the accept loop, so that it sees the flag.
        let _ = TcpStream::connect(self.address);
    }
}

/// Serves one connection until the peer goes. Errors mean that it has gone.
fn lie(
    mut stream: TcpStream,
    began: Instant,
    script: &Script,
    stop: &AtomicBool,
    asked: &AtomicUsize,
) {
    let _ = stream.set_read_timeout(Some(Duration::from_millis(50)));
    let (mut unread, mut chunk, mut subscribed) = (Vec::new(), [0; 4096], false);
    while !stop.load(Ordering::Relaxed) {
        let (named, epoch) = script(began.elapsed().as_millis());
        let (ip, port) = (named.ip().to_string(), named.port().to_string());
        match stream.read(&mut chunk) {
            Ok(0) => return,
            Ok(length) => unread.extend_from_slice(&chunk[..length]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
        let mut answer = Vec::new();
        while let Ok(Some((request, length))) = parse(&unread) {
            unread.drain(..length);
            if subscribed {
                answer.extend(encode(&["pong", ""]));
            } else if request_is(&request, "PSUBSCRIBE", "+*") {
                subscribed = true;
                answer.extend(b"*3\r\n$10\r\npsubscribe\r\n$2\r\n+*\r\n:1\r\n");
            } else if request_is(&request, "SENTINEL", "REPLICAS") {
                answer.extend(b"*0\r\n");
            } else {
                asked.fetch_add(1, Ordering::Relaxed);
                let epoch = epoch.to_string();
                answer.extend(encode(&[
                    "name",
                    MASTER_NAME,
                    "ip",
                    &ip,
                    "port",
                    &port,
                    "runid",
                    "",
                    "flags",
                    "master",
                    "config-epoch",
                    &epoch,
                ]));
            }
        }
        if subscribed {
            let payload = format!("slave x {ip} {port} @ {MASTER_NAME} 127.0.0.1 1");
            answer.extend(encode(&["pmessage", "+*", "+selected-slave", &payload]));
        }
        if stream.write_all(&answer).is_err() {
            return;
        }
    }
}

fn request_is(request: &Reply, command: &str, argument: &str) -> bool {
    matches!(request, Reply::Array(words)
        if words.len() > 1 && words[0].text() == command && words[1].text() == argument)
}
