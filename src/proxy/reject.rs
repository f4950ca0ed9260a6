//! Sending a client away so that it can read why (R13).
//!
//! A plain close of a socket with unread input resets the connection, and the line is lost with it. So:
//! write the line, finish writing, read and drop what comes for up to a second, close.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::task::{Poll, ready};
use std::time::Duration;

use tokio::time::timeout;

use super::stream::Stream;
use super::worker::Worker;

/// What a client over `max_connections` is told, word for word as Redis does.
pub(super) const CONNECTION_LIMIT: &str = "-ERR max number of clients reached";

/// What a client is told when our descriptors are used up.
pub(super) const NO_DESCRIPTORS: &str =
    "-MASTERDOWN rolecall: the proxy has no file descriptors left";

/// What a parked client is told when a reload has taken its listener out.
pub(super) const LISTENER_REMOVED: &str = "-MASTERDOWN rolecall: this listener was taken out";

/// What a client without a node is told at the end of the grace.
pub(super) const SHUTTING_DOWN: &str = "-MASTERDOWN rolecall: the proxy is shutting down";

/// How long input is dropped, at most.
const DISCARD: Duration = Duration::from_secs(1);

/// Rejected clients that a worker keeps open at a time. In a storm of reconnections the rest is closed
/// at once: losing a line is better than running out of descriptors.
const KEPT_OPEN: usize = 1024;

thread_local! {
    static OPEN: Cell<usize> = const { Cell::new(0) };
}

struct Kept;

/// Tells the client one error line, without its CRLF, and closes.
pub(super) async fn reject(worker: &Worker, client: Stream, line: &str) {
    // It may have been parked, and deaf to the input that is to be dropped.
    let Ok(mut client) = client.registered_again() else {
        return;
    };
    let mut text: String = line
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    text.push_str("\r\n");
    // An unread line is no failure of ours: the client has gone, then.
    let told = timeout(DISCARD, tell(&mut client, text.as_bytes())).await;
    if !matches!(told, Ok(Ok(()))) {
        return;
    }
    if let Some(_kept) = Kept::take() {
        drop(timeout(DISCARD, discard(worker, &mut client)).await);
    }
}

async fn tell(client: &mut Stream, mut text: &[u8]) -> io::Result<()> {
    while !text.is_empty() {
        let taken = poll_fn(|cx| client.poll_write(cx, text)).await?;
        text = &text[taken..];
    }
    poll_fn(|cx| client.poll_shutdown(cx)).await
}

async fn discard(worker: &Worker, client: &mut Stream) {
    poll_fn(|cx| {
        let mut buffer = worker.buffer.borrow_mut();
        loop {
            if let Err(_) | Ok(0) = ready!(client.poll_read(cx, &mut buffer)) {
                return Poll::Ready(());
            }
        }
    })
    .await;
}

impl Kept {
    fn take() -> Option<Self> {
        OPEN.with(|open| {
            (open.get() < KEPT_OPEN).then(|| {
                open.set(open.get() + 1);
                Self
            })
        })
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        OPEN.with(|open| open.set(open.get().saturating_sub(1)));
    }
}
