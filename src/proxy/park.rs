//! Parking: a connection without a node waits for one (R13).
//!
//! The client's bytes are not read meanwhile, so they are not ours to answer for: a client that leaves
//! takes what it sent with it. Once there is a node they are taken in before any of them is written,
//! because a client's end may be queued behind more bytes than the kernel takes for us.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::task::{Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::listener::Listener;
use super::session::Connection;
use super::stream::Stream;
use super::telemetry::ParkResult;
use super::worker::Worker;

/// With fewer bytes there the kernel's window, of 64 KiB at least, was never used up: an end that
/// the client has sent is seen.
const WINDOW_OPEN: usize = 48 * 1024;

/// A client that sends nothing for so long, with the window open, is alive and waits.
const SILENCE: Duration = Duration::from_millis(200);

/// Taken in at most: more than the kernel holds, by default, for a client that has left.
const MOST_TAKEN_IN: usize = 8 * 1024 * 1024;

/// Taking in lasts so long at most: a client that goes on sending little by little is alive.
const LONGEST_TAKING_IN: Duration = Duration::from_secs(5);

/// A place in the lot, kept until a node is found or the wait ends otherwise; given back on drop.
pub(super) struct Lot<'a> {
    worker: &'a Worker,
    listener: &'a Listener,
    since: Instant,
    result: ParkResult,
}

/// Why a parked connection stopped waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Woken {
    /// The view has changed: pick again.
    Changed,
    /// `park.timeout` has passed since it was parked first.
    TimedOut,
    /// The client hung up.
    Left,
}

impl<'a> Lot<'a> {
    /// Takes a place, unless `park.max` are taken.
    pub(super) fn enter(connection: &'a Connection) -> Option<Self> {
        let worker = &*connection.worker;
        let listener = connection.listener();
        if !listener.load.park(listener.config().park.max) {
            return None;
        }
        listener.meters.parked.increment(1.0);
        Some(Self {
            worker,
            listener,
            since: Instant::now(),
            // Whoever is dropped without a result was still waiting at the end.
            result: ParkResult::Shutdown,
        })
    }

    /// Waits until picking again makes sense. No bell can be missed between a pick and this: both are
    /// on the thread that rings.
    pub(super) async fn wait(&self, client: &Stream) -> Woken {
        let deadline = self.since + self.timeout();
        tokio::select! {
            biased;
            () = client.left() => Woken::Left,
            () = self.worker.changed.notified() => Woken::Changed,
            () = sleep_until(deadline) => Woken::TimedOut,
        }
    }

    /// Gives the place back.
    pub(super) fn leave(mut self, result: ParkResult) {
        self.result = result;
    }

    fn timeout(&self) -> Duration {
        self.listener.config().park.timeout
    }
}

/// Takes in what a client sent while it was parked; none if it has left (R13).
pub(super) async fn take_in(worker: &Worker, client: &mut Stream) -> Option<Vec<u8>> {
    let mut sent = Vec::new();
    match take_what_is_there(worker, client, &mut sent) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => {}
        Ok(()) => {}
        Err(_) => return None,
    }
    if sent.len() < WINDOW_OPEN {
        return Some(sent);
    }
    let end = Instant::now() + LONGEST_TAKING_IN;
    while sent.len() < MOST_TAKEN_IN {
        let next = timeout(SILENCE, take_next(worker, client, &mut sent));
        match timeout_at(end, next).await {
            Ok(Ok(Ok(length))) if length > 0 => {}
            // It has finished, or reset.
            Ok(Ok(_)) => return None,
            // Silence, or enough.
            Ok(Err(_)) | Err(_) => break,
        }
    }
    Some(sent)
}

/// Reads all that is there now, whatever the runtime knows of it; an end is an error.
fn take_what_is_there(worker: &Worker, client: &Stream, sent: &mut Vec<u8>) -> io::Result<()> {
    let mut buffer = worker.buffer.borrow_mut();
    while sent.len() < MOST_TAKEN_IN {
        match client.read_now(&mut buffer)? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            length => sent.extend_from_slice(&buffer[..length]),
        }
    }
    Ok(())
}

async fn take_next(worker: &Worker, client: &mut Stream, sent: &mut Vec<u8>) -> io::Result<usize> {
    poll_fn(|cx| {
        let mut buffer = worker.buffer.borrow_mut();
        let length = ready!(client.poll_read(cx, &mut buffer))?;
        sent.extend_from_slice(&buffer[..length]);
        Poll::Ready(Ok(length))
    })
    .await
}

impl Drop for Lot<'_> {
    fn drop(&mut self) {
        let meters = &self.listener.meters;
        meters.parked.decrement(1.0);
        self.listener.load.unpark();
        meters.waited(self.result, self.since.elapsed().as_secs_f64());
    }
}
