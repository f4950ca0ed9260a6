//! The accept loop and the life of one HTTP connection, with all their limits.
//!
//! What is answered is none of its business (`http`). It must survive everything: a bad socket is skipped,
//! a lack of descriptors is waited out, a panic in a page ends that connection only, and who sits idle makes
//! room for who comes.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{Notify, Semaphore};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::ask::LastStatus;
use super::seat::{Seat, Seats};
use super::{AdminState, Limits, http};

/// For the request line and the headers of one request, together.
const MAX_HEADER_BYTES: usize = 16 * 1024;

/// How often a connection that is too old looks whether it is still at work.
const AT_WORK: Duration = Duration::from_millis(500);

/// At the end, a connection that has not asked anything yet may have come a moment ago, and its first
/// request is on its way. Idle ones hold the end up no longer than this.
const FIRST_WORD: Duration = Duration::from_millis(500);

const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 49\r\nRetry-After: 1\r\nConnection: close\r\n\r\n\
    too many admin connections at a time, try again.\n";

/// By which way a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// `admin.http`: read only.
    Http,
    /// `admin.socket`: commands too.
    Socket,
}

/// What the connections of one way share.
pub(super) struct Room {
    pub(super) state: AdminState,
    pub(super) way: Way,
    /// One permit for each that may follow the events.
    pub(super) followers: Arc<Semaphore>,
    pub(super) last_status: LastStatus,
    pub(super) cancel: CancellationToken,
}

/// A listening socket.
pub(super) trait Acceptor: Send + Sync {
    /// One connection.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    const WAY: Way;

    fn next(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

impl Acceptor for TcpListener {
    type Stream = TcpStream;
    const WAY: Way = Way::Http;

    async fn next(&self) -> io::Result<TcpStream> {
        Ok(self.accept().await?.0)
    }
}

impl Acceptor for UnixListener {
    type Stream = UnixStream;
    const WAY: Way = Way::Socket;

    async fn next(&self) -> io::Result<UnixStream> {
        Ok(self.accept().await?.0)
    }
}

/// Whether a trouble that may last has been told, so that it is told once.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trouble {
    None,
    Told,
}

struct Server {
    limits: Limits,
    room: Arc<Room>,
    seats: Seats,
    served: JoinSet<()>,
    turned_away: JoinSet<()>,
    accepting: Trouble,
    crowded: Trouble,
}

/// Serves until `cancel`.
pub(super) async fn run<A: Acceptor>(
    listener: A,
    limits: Limits,
    state: AdminState,
    cancel: CancellationToken,
) {
    let mut server = Server::new(A::WAY, limits, state, cancel.clone());
    loop {
        tokio::select! {
            () = cancel.cancelled() => break,
            Some(ended) = server.served.join_next() => tell_panic(ended),
            Some(ended) = server.turned_away.join_next() => tell_panic(ended),
            accepted = listener.next() => match accepted {
                Ok(stream) => server.admit(stream).await,
                Err(error) => server.wait_out(&error).await,
            }
        }
    }
    drop(listener);
    // Each connection saw `cancel` too and bounds its own farewell.
    while let Some(ended) = server.served.join_next().await {
        tell_panic(ended);
    }
}

impl Way {
    /// The key of the configuration, for the log.
    const fn key(self) -> &'static str {
        match self {
            Self::Http => "admin.http",
            Self::Socket => "admin.socket",
        }
    }
}

impl Server {
    fn new(way: Way, limits: Limits, state: AdminState, cancel: CancellationToken) -> Self {
        let room = Room {
            state,
            way,
            followers: Arc::new(Semaphore::new(limits.followers)),
            last_status: LastStatus::default(),
            cancel,
        };
        Self {
            limits,
            room: Arc::new(room),
            seats: Seats::default(),
            served: JoinSet::new(),
            turned_away: JoinSet::new(),
            accepting: Trouble::None,
            crowded: Trouble::None,
        }
    }

    async fn admit(&mut self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let key = self.room.way.key();
        if self.accepting == Trouble::Told {
            info!("{key}: accepting connections again");
            self.accepting = Trouble::None;
        }
        if self.makes_room().await {
            let (room, seat) = (Arc::clone(&self.room), self.seats.take());
            self.served.spawn(converse(stream, room, seat, self.limits));
            return;
        }
        if self.crowded == Trouble::None {
            warn!(
                limit = self.limits.connections,
                "{key}: too many connections at work at a time, further ones get a 503"
            );
            self.crowded = Trouble::Told;
        }
        // Saying so takes a moment too: whoever comes when that is crowded as well is just dropped.
        if self.turned_away.len() < self.limits.connections {
            let limits = self.limits;
            self.turned_away.spawn(async move {
                // Nothing is owed to a client that does not even take a refusal.
                let _late = timeout(limits.farewell, turn_away(stream)).await;
            });
        }
    }

    /// Whether there is a place for one more, if need be that of the longest idle one.
    async fn makes_room(&mut self) -> bool {
        if self.seats.taken() < self.limits.connections {
            self.crowded = Trouble::None;
            return true;
        }
        // Those that were told to go end as soon as their tasks run, and must not become many. Nobody
        // is refused for their sake.
        while self.served.len() >= 2 * self.limits.connections {
            if let Some(ended) = self.served.join_next().await {
                tell_panic(ended);
            }
        }
        self.seats.evict()
    }

    /// After a failed accept. An error of the one connection is no reason to wait; anything else
    /// (descriptors, memory) would fail again at once, and spin.
    async fn wait_out(&mut self, error: &io::Error) {
        use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
        if let ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted = error.kind()
        {
            return;
        }
        if self.accepting == Trouble::None {
            warn!(
                %error,
                "{}: cannot accept connections, trying again every {:?}: if descriptors ran out, \
                 raise the limit (ulimit -n, LimitNOFILE=)",
                self.room.way.key(),
                self.limits.accept_pause
            );
            self.accepting = Trouble::Told;
        }
        tokio::select! {
            () = self.room.cancel.cancelled() => {}
            () = sleep(self.limits.accept_pause) => {}
        }
    }
}

/// One connection, from its first request to its last.
async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    room: Arc<Room>,
    seat: Arc<Seat>,
    limits: Limits,
) {
    let answering = Arc::clone(&room);
    let sitting = Arc::clone(&seat);
    let asked = Arc::new(Notify::new());
    let heard = Arc::clone(&asked);
    let service = service_fn(move |request| {
        heard.notify_one();
        http::answer(request, Arc::clone(&answering), sitting.engage())
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header)
        .max_header_size(MAX_HEADER_BYTES)
        .max_buf_size(2 * MAX_HEADER_BYTES)
        // A client that has sent its request and shut down writing still gets its answer.
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = seat.evicted() => return,
        () = until_over(&limits, &room.cancel, &seat) => {
            let farewell = async {
                tokio::select! {
                    ended = connection.as_mut() => return ended,
                    () = asked.notified() => {}
                    () = sleep(FIRST_WORD) => {}
                }
                connection.as_mut().graceful_shutdown();
                connection.await
            };
            timeout(limits.farewell, farewell).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        debug!(%error, "{}: a connection broke", room.way.key());
    }
}

/// Until the end of the process, or until the connection is old and not at work.
async fn until_over(limits: &Limits, cancel: &CancellationToken, seat: &Seat) {
    let old = async {
        sleep(limits.age).await;
        while seat.is_engaged() {
            sleep(AT_WORK).await;
        }
    };
    tokio::select! {
        () = cancel.cancelled() => {}
        () = old => {}
    }
}

/// Says why, then reads what the client sent: closing with unread input resets the connection, and the
/// client may lose the answer.
async fn turn_away(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    stream.write_all(FULL).await?;
    stream.shutdown().await?;
    let mut ignored = [0; 1024];
    while stream.read(&mut ignored).await? > 0 {}
    Ok(())
}

fn tell_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        error!(%error, "admin: answering a request failed, which is a bug: please report it");
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use tokio::io::{DuplexStream, duplex};
    use tokio::sync::{Mutex, mpsc};

    use super::*;
    use crate::admin::tests::state;

    #[tokio::test]
    async fn only_an_error_that_may_last_is_waited_out() {
        let mut context = Context::from_waker(Waker::noop());
        let emfile = 24;
        for (error, waits) in [
            (io::Error::from_raw_os_error(emfile), true),
            (io::ErrorKind::OutOfMemory.into(), true),
            (io::ErrorKind::ConnectionAborted.into(), false),
        ] {
            let cancel = CancellationToken::new();
            let mut server = Server::new(Way::Http, Limits::default(), state(), cancel);
            let pause = pin!(server.wait_out(&error));
            assert_eq!(pause.poll(&mut context).is_pending(), waits, "{error}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_of_idlers_does_not_crowd_out_who_asks() {
        let cancel = CancellationToken::new();
        let (burst, streams) = mpsc::unbounded_channel();
        let mut idlers = Vec::new();
        for _ in 0..200 {
            let (idler, stream) = duplex(1024);
            idlers.push(idler);
            burst.send(stream).unwrap();
        }
        let (mut client, stream) = duplex(64 * 1024);
        burst.send(stream).unwrap();
        let listener = Burst(Mutex::new(streams));
        let serving = run(listener, Limits::default(), state(), cancel.clone());
        let asking = async {
            let ask = b"GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n";
            client.write_all(ask).await.unwrap();
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.unwrap();
            cancel.cancel();
            answer
        };
        let ((), answer) = tokio::join!(serving, asking);
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }

    /// A listening socket with a long queue of connections.
    struct Burst(Mutex<mpsc::UnboundedReceiver<DuplexStream>>);

    impl Acceptor for Burst {
        type Stream = DuplexStream;
        const WAY: Way = Way::Http;

        async fn next(&self) -> io::Result<DuplexStream> {
            match self.0.lock().await.recv().await {
                Some(stream) => Ok(stream),
                None => std::future::pending().await,
            }
        }
    }

    #[test]
    fn the_refusal_says_its_length() {
        let text = std::str::from_utf8(FULL).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())));
    }
}
