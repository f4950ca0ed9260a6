//! Sending a client away so that it can read why (R13), or its last answers (R20).
//!
//! A plain close of a socket with unread input resets the connection, and the line is lost with it. So:
//! write the line, finish writing, read and drop what comes for up to a second, close.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::timeout;

use super::relay::Rest;
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
    let Ok(client) = client.registered_again() else {
        return;
    };
    let mut text: String = line
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    text.push_str("\r\n");
    finish(worker, client, text.as_bytes()).await;
}

/// Gives the client what is left of its answers, and closes so that it can read all of them.
pub(super) async fn see_off(worker: &Worker, client: Stream, rest: Option<Box<Rest>>) {
    finish(
        worker,
        client,
        rest.as_ref().map_or(&[], |rest| rest.left()),
    )
    .await;
}

async fn finish(worker: &Worker, mut client: Stream, text: &[u8]) {
    // What the client does not read is no failure of ours: it has gone, then, or is very slow.
    let told = timeout(DISCARD, tell(worker, &mut client, text)).await;
    if !matches!(told, Ok(Ok(()))) {
        return;
    }
    if let Some(_kept) = Kept::take() {
        let discarded = poll_fn(|cx| discard(cx, worker, &mut client));
        drop(timeout(DISCARD, discarded).await);
    }
}

/// Writes the text and finishes writing. A client that is stuck in writing does not read, so its input is
/// dropped meanwhile.
async fn tell(worker: &Worker, client: &mut Stream, mut text: &[u8]) -> io::Result<()> {
    poll_fn(|cx| {
        while !text.is_empty() {
            match client.poll_write(cx, text) {
                Poll::Ready(taken) => text = &text[taken?..],
                Poll::Pending => {
                    // Its end is no reason to stop: it may have finished and still read.
                    let _finished = discard(cx, worker, client);
                    return Poll::Pending;
                }
            }
        }
        client.poll_shutdown(cx)
    })
    .await
}

/// Drops what the client sends; ready when it has finished.
fn discard(cx: &mut Context<'_>, worker: &Worker, client: &mut Stream) -> Poll<()> {
    let mut buffer = worker.buffer.borrow_mut();
    loop {
        if let Err(_) | Ok(0) = ready!(client.poll_read(cx, &mut buffer)) {
            return Poll::Ready(());
        }
    }
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
