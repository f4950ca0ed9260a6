//! The accept loop and the life of one HTTP connection, with all their limits.
//!
//! What is answered is none of its business (`http`). It must survive everything: a bad socket is skipped,
//! a lack of descriptors is waited out, a panic in a page ends that connection only.

use std::io;
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::{AdminState, Limits, http};

/// For the request line and the headers of one request, together.
const MAX_HEADER_BYTES: usize = 16 * 1024;

const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 49\r\nRetry-After: 1\r\nConnection: close\r\n\r\n\
    too many admin connections at a time, try again.\n";

/// Whether a trouble that may last has been told, so that it is told once.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trouble {
    None,
    Told,
}

struct Server {
    limits: Limits,
    state: Arc<AdminState>,
    cancel: CancellationToken,
    served: JoinSet<()>,
    turned_away: JoinSet<()>,
    accepting: Trouble,
    crowded: Trouble,
}

/// Serves until `cancel`.
pub(super) async fn run(
    listener: TcpListener,
    limits: Limits,
    state: Arc<AdminState>,
    cancel: CancellationToken,
) {
    let mut server = Server {
        limits,
        state,
        cancel: cancel.clone(),
        served: JoinSet::new(),
        turned_away: JoinSet::new(),
        accepting: Trouble::None,
        crowded: Trouble::None,
    };
    loop {
        tokio::select! {
            () = cancel.cancelled() => break,
            Some(ended) = server.served.join_next() => tell_panic(ended),
            Some(ended) = server.turned_away.join_next() => tell_panic(ended),
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => server.admit(stream),
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

impl Server {
    fn admit(&mut self, stream: TcpStream) {
        if self.accepting == Trouble::Told {
            info!("admin.http: accepting connections again");
            self.accepting = Trouble::None;
        }
        if self.served.len() < self.limits.connections {
            self.crowded = Trouble::None;
            let state = Arc::clone(&self.state);
            self.served
                .spawn(converse(stream, state, self.limits, self.cancel.clone()));
            return;
        }
        if self.crowded == Trouble::None {
            warn!(
                limit = self.limits.connections,
                "admin.http: too many connections at a time, further ones get a 503"
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
                "admin.http: cannot accept connections, trying again every {:?}: if descriptors ran out, \
                 raise the limit (ulimit -n, LimitNOFILE=)",
                self.limits.accept_pause
            );
            self.accepting = Trouble::Told;
        }
        tokio::select! {
            () = self.cancel.cancelled() => {}
            () = sleep(self.limits.accept_pause) => {}
        }
    }
}

/// One connection, from its first request to its last.
async fn converse(
    stream: TcpStream,
    state: Arc<AdminState>,
    limits: Limits,
    cancel: CancellationToken,
) {
    let service = service_fn(move |request| http::answer(request, Arc::clone(&state)));
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
        () = until_over(&limits, &cancel) => {
            connection.as_mut().graceful_shutdown();
            timeout(limits.farewell, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        debug!(%error, "admin.http: a connection broke");
    }
}

async fn until_over(limits: &Limits, cancel: &CancellationToken) {
    tokio::select! {
        () = cancel.cancelled() => {}
        () = sleep(limits.age) => {}
    }
}

/// Says why, then reads what the client sent: closing with unread input resets the connection, and the
/// client may lose the answer.
async fn turn_away(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(FULL).await?;
    stream.shutdown().await?;
    let mut ignored = [0; 1024];
    while stream.read(&mut ignored).await? > 0 {}
    Ok(())
}

fn tell_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        error!(%error, "admin.http: answering a request failed, which is a bug: please report it");
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    fn server() -> Server {
        let (_, metrics) = crate::metrics::recorder().unwrap();
        Server {
            limits: Limits::default(),
            state: Arc::new(AdminState {
                metrics,
                readiness: Arc::new(Vec::new),
            }),
            cancel: CancellationToken::new(),
            served: JoinSet::new(),
            turned_away: JoinSet::new(),
            accepting: Trouble::None,
            crowded: Trouble::None,
        }
    }

    #[tokio::test]
    async fn only_an_error_that_may_last_is_waited_out() {
        let mut context = Context::from_waker(Waker::noop());
        let emfile = 24;
        for (error, waits) in [
            (io::Error::from_raw_os_error(emfile), true),
            (io::ErrorKind::OutOfMemory.into(), true),
            (io::ErrorKind::ConnectionAborted.into(), false),
        ] {
            let mut server = server();
            let pause = pin!(server.wait_out(&error));
            assert_eq!(pause.poll(&mut context).is_pending(), waits, "{error}");
        }
    }

    #[test]
    fn the_refusal_says_its_length() {
        let text = std::str::from_utf8(FULL).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())));
    }
}
