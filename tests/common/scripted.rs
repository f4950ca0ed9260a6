//! A node that says what it is told to say: for versions and products that are not installed.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::client::{Reply, parse};
use super::net::free_address;

/// A TCP server that answers PING, AUTH and INFO; ends when dropped.
pub(crate) struct Scripted {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
}

/// What it answers.
#[derive(Clone)]
pub(crate) struct Script {
    /// INFO server.
    pub(crate) server: String,
    /// INFO replication.
    pub(crate) replication: String,
    /// INFO stats.
    pub(crate) stats: String,
    /// To AUTH, as a whole reply.
    pub(crate) auth: String,
    /// To whatever else it is asked, as a whole reply.
    pub(crate) others: String,
}

impl Script {
    /// A primary with some keys and one replica, of this version.
    pub(crate) fn primary(server: &str) -> Self {
        Self {
            server: format!("# Server\r\n{server}\r\nrun_id:{server}\r\n"),
            replication: "role:master\r\nconnected_slaves:1\r\nmaster_repl_offset:10\r\n".into(),
            stats: String::new(),
            auth: "+OK\r\n".into(),
            others: "-ERR unknown command\r\n".into(),
        }
    }

    /// The same with other lines of INFO replication.
    pub(crate) fn replication(mut self, text: &str) -> Self {
        text.clone_into(&mut self.replication);
        self
    }

    /// The same with lines of INFO stats.
    pub(crate) fn stats(mut self, text: &str) -> Self {
        text.clone_into(&mut self.stats);
        self
    }

    /// The same with another answer to what is no business of a data node.
    pub(crate) fn others(mut self, reply: &str) -> Self {
        reply.clone_into(&mut self.others);
        self
    }

    /// The same with another answer to AUTH.
    pub(crate) fn auth(mut self, reply: &str) -> Self {
        reply.clone_into(&mut self.auth);
        self
    }
}

impl Scripted {
    pub(crate) fn start(script: Script) -> Self {
        let address = free_address();
        let socket = TcpListener::bind(address).expect("bind a scripted node");
        let stop = Arc::new(AtomicBool::new(false));
        let shared = Arc::clone(&stop);
        thread::spawn(move || {
            for stream in socket.incoming().flatten() {
                if shared.load(Ordering::Relaxed) {
                    return;
                }
                let script = script.clone();
                thread::spawn(move || serve(stream, &script));
            }
        });
        Self { address, stop }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the accept loop, so that it sees the flag.
        let _ = TcpStream::connect(self.address);
    }
}

/// Until the peer goes, which every asker does.
fn serve(mut stream: TcpStream, script: &Script) {
    let (mut unread, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        while let Ok(Some((request, length))) = parse(&unread) {
            unread.drain(..length);
            if stream
                .write_all(answer(&request, script).as_bytes())
                .is_err()
            {
                return;
            }
        }
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => return,
            Ok(length) => unread.extend_from_slice(&chunk[..length]),
        }
    }
}

fn answer(request: &Reply, script: &Script) -> String {
    let Reply::Array(words) = request else {
        return "-ERR what?\r\n".to_owned();
    };
    let words: Vec<String> = words.iter().map(Reply::text).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let bulk = |text: &str| format!("${}\r\n{text}\r\n", text.len());
    match words.as_slice() {
        ["AUTH", ..] => script.auth.clone(),
        ["PING"] => "+PONG\r\n".to_owned(),
        ["INFO", "server"] => bulk(&script.server),
        ["INFO", "replication"] => bulk(&script.replication),
        ["INFO", "stats"] => bulk(&script.stats),
        ["INFO", _] => bulk(""),
        _ => script.others.clone(),
    }
}
