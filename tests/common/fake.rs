//! Nodes that a real redis-server cannot be made to be: they listen, and they are not Redis.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::net::free_address;

/// What it answers to whatever it is asked.
#[derive(Clone, Copy)]
pub(crate) enum Answers {
    /// A web server's complaint.
    Http,
    /// A line that a browser must not take for markup.
    Markup,
    /// A simple string that never ends.
    EndlessLine,
    /// A bulk string of 2 GiB.
    HugeBulk,
    /// 32 KB of arrays within arrays.
    NestedArrays,
    /// Bytes of no protocol at all.
    Noise,
    /// A reply to PING and another to INFO, and neither is what it should be.
    WrongReplies,
    /// Nothing.
    Silence,
}

/// A TCP server that is no Redis.
pub(crate) struct FakeNode {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    accepted: Arc<AtomicUsize>,
}

impl FakeNode {
    pub(crate) fn start(answers: Answers) -> Self {
        Self::start_at(free_address(), answers)
    }

    /// The same at an address that somebody else has left.
    pub(crate) fn start_at(address: SocketAddr, answers: Answers) -> Self {
        let socket = TcpListener::bind(address).expect("bind a fake node");
        let stop = Arc::new(AtomicBool::new(false));
        let accepted = Arc::new(AtomicUsize::new(0));
        let fake = Self {
            address,
            stop: Arc::clone(&stop),
            accepted: Arc::clone(&accepted),
        };
        thread::spawn(move || {
            for stream in socket.incoming().flatten() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                accepted.fetch_add(1, Ordering::Relaxed);
                let stop = Arc::clone(&stop);
                thread::spawn(move || serve(stream, answers, &stop));
            }
        });
        fake
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections so far.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }
}

impl Drop for FakeNode {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the accept loop, so that it sees the flag.
        let _ = TcpStream::connect(self.address);
    }
}

/// A dial that hangs: its listener's queue is full, so the kernel drops what asks for more.
pub(crate) struct BlackHole {
    pub(crate) address: SocketAddr,
    _socket: Socket,
    _filling: TcpStream,
}

impl BlackHole {
    pub(crate) fn new() -> Self {
        let address = free_address();
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.bind(&address.into()).expect("bind a black hole");
        socket.listen(0).expect("listen");
        let filling = TcpStream::connect(address).expect("the one that it takes");
        Self {
            address,
            _socket: socket,
            _filling: filling,
        }
    }
}

/// Answers one connection until the peer goes. Errors mean that it has gone.
fn serve(mut stream: TcpStream, answers: Answers, stop: &AtomicBool) {
    let wait = Duration::from_secs(1);
    let _ = stream.set_read_timeout(Some(wait));
    let _ = stream.set_write_timeout(Some(wait));
    let mut asked = [0; 4096];
    while !stop.load(Ordering::Relaxed) {
        match stream.read(&mut asked) {
            Ok(0) => return,
            Ok(_) if answer(&mut stream, answers, stop).is_err() => return,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}

fn answer(stream: &mut TcpStream, answers: Answers, stop: &AtomicBool) -> std::io::Result<()> {
    match answers {
        Answers::Http => stream.write_all(
            b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\n\r\n<html>what?</html>\r\n",
        ),
        Answers::Markup => stream.write_all(b"<img src=x onerror=alert(1)>\r\n"),
        Answers::EndlessLine => endless(stream, b"+", stop),
        Answers::HugeBulk => endless(stream, b"$2147483647\r\n", stop),
        Answers::NestedArrays => stream.write_all(&b"*1\r\n".repeat(8 * 1024)),
        Answers::Noise => stream.write_all(&[0xff, 0x00, 0x16, 0x03, 0x01, 0x0d, 0x0a]),
        Answers::WrongReplies => stream.write_all(b":7\r\n+PONG\r\n$3\r\nabc\r\n"),
        Answers::Silence => Ok(()),
    }
}

fn endless(stream: &mut TcpStream, beginning: &[u8], stop: &AtomicBool) -> std::io::Result<()> {
    stream.write_all(beginning)?;
    while !stop.load(Ordering::Relaxed) {
        stream.write_all(&[b'a'; 8 * 1024])?;
    }
    Ok(())
}
