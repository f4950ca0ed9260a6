//! Small servers that do what a node cannot be made to do on demand.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use rolecall::core::snapshot::Target;
use socket2::{Domain, Socket, Type};

/// A server on a free port of 127.0.0.1, or at a path.
pub(crate) struct Server {
    target: Target,
    /// A bound socket that does not listen yet, or whose queue is full.
    held: Option<Socket>,
    /// What fills that queue.
    filling: Option<TcpStream>,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    heard: Mutex<Vec<u8>>,
    open: AtomicUsize,
    connections: Mutex<Vec<TcpStream>>,
}

/// What a server does with what it hears.
#[derive(Clone)]
enum Habit {
    Echo,
    Sink,
    AtTheEnd,
    Reply(String),
}

impl Server {
    /// Sends back what it gets.
    pub(crate) fn echo() -> Self {
        Self::listening(&Habit::Echo)
    }

    /// Reads and says nothing.
    pub(crate) fn sink() -> Self {
        Self::listening(&Habit::Sink)
    }

    /// Sends back what it got when the client has finished.
    pub(crate) fn answering_at_the_end() -> Self {
        Self::listening(&Habit::AtTheEnd)
    }

    /// Answers each chunk with this.
    pub(crate) fn replying(reply: &str) -> Self {
        Self::listening(&Habit::Reply(reply.to_owned()))
    }

    /// Refuses until [`Server::open`].
    pub(crate) fn refusing() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket
            .bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
            .unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        Self {
            target: Target::Tcp(address),
            held: Some(socket),
            filling: None,
            seen: Arc::default(),
        }
    }

    /// Lets dials hang until [`Server::open`].
    pub(crate) fn hanging() -> Self {
        let mut server = Self::refusing();
        server.held.as_ref().unwrap().listen(0).unwrap();
        let Target::Tcp(address) = server.target else {
            unreachable!("a TCP server")
        };
        // The kernel takes one connection more than the backlog, and then drops what asks for one.
        server.filling = Some(TcpStream::connect(address).unwrap());
        server
    }

    /// An echo on a Unix socket.
    pub(crate) fn echo_at(path: &Path) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let seen: Arc<Seen> = Arc::default();
        let known = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let seen = Arc::clone(&known);
                thread::spawn(move || converse(stream, &Habit::Echo, &seen));
            }
        });
        Self {
            target: Target::Unix(PathBuf::from(path)),
            held: None,
            filling: None,
            seen,
        }
    }

    /// Lets a refusing or hanging server accept.
    pub(crate) fn open(&self) {
        let socket = self.held.as_ref().unwrap().try_clone().unwrap();
        socket.listen(128).unwrap();
        attend(socket.into(), &Habit::Echo, &self.seen);
    }

    fn listening(habit: &Habit) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = Target::Tcp(listener.local_addr().unwrap());
        let seen = Arc::default();
        attend(listener, habit, &seen);
        Self {
            target,
            held: None,
            filling: None,
            seen,
        }
    }

    pub(crate) fn target(&self) -> Target {
        self.target.clone()
    }

    /// All that has arrived, of all connections.
    pub(crate) fn heard(&self) -> String {
        String::from_utf8_lossy(&self.seen.heard.lock().unwrap()).into_owned()
    }

    pub(crate) fn heard_length(&self) -> usize {
        self.seen.heard.lock().unwrap().len()
    }

    /// Connections whose end has not been read yet.
    pub(crate) fn open_connections(&self) -> usize {
        self.seen.open.load(Ordering::SeqCst)
    }

    /// Sends this on all connections.
    pub(crate) fn say(&self, words: &str) {
        for stream in self.seen.connections.lock().unwrap().iter_mut() {
            // The proxy may have closed it.
            let _gone = stream.write_all(words.as_bytes());
        }
    }

    /// Closes all connections.
    pub(crate) fn close_all(&self) {
        for stream in self.seen.connections.lock().unwrap().drain(..) {
            stream.shutdown(Shutdown::Both).unwrap();
        }
    }
}

fn attend(listener: TcpListener, habit: &Habit, seen: &Arc<Seen>) {
    let (habit, seen) = (habit.clone(), Arc::clone(seen));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            seen.open.fetch_add(1, Ordering::SeqCst);
            seen.connections
                .lock()
                .unwrap()
                .push(stream.try_clone().unwrap());
            let (habit, seen) = (habit.clone(), Arc::clone(&seen));
            thread::spawn(move || {
                converse(&stream, &habit, &seen);
                let _gone = stream.shutdown(Shutdown::Both);
                seen.open.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
}

fn converse(mut stream: impl Read + Write, habit: &Habit, seen: &Seen) {
    let mut buffer = vec![0; 65536];
    let mut kept = Vec::new();
    loop {
        let length = match stream.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(length) => length,
        };
        let chunk = &buffer[..length];
        seen.heard.lock().unwrap().extend_from_slice(chunk);
        let sent = match habit {
            Habit::Echo => stream.write_all(chunk),
            Habit::Reply(reply) => stream.write_all(reply.as_bytes()),
            Habit::Sink => Ok(()),
            Habit::AtTheEnd => {
                kept.extend_from_slice(chunk);
                Ok(())
            }
        };
        if sent.is_err() {
            break;
        }
    }
    let _gone = stream.write_all(&kept);
}
