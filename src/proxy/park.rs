//! Parking: a connection without a node waits for one (R13).
//!
//! The client's bytes are not read meanwhile, so they are not ours to answer for: a client that leaves
//! takes what it sent with it.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::session::Connection;
use super::stream::Stream;
use super::telemetry::ParkResult;
use super::worker::{Listener, Worker};

/// A place in the lot, kept until a node is found or the wait ends otherwise; given back on drop.
pub(super) struct Lot<'a> {
    worker: &'a Worker,
    listener: &'a Listener,
    place: usize,
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
        let place = connection.entry().listener;
        let listener = connection.listener();
        if !worker
            .shared
            .loads
            .listener(place)
            .park(listener.config.park.max)
        {
            return None;
        }
        listener.meters.parked.increment(1.0);
        Some(Self {
            worker,
            listener,
            place,
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
        self.listener.config.park.timeout
    }
}

impl Drop for Lot<'_> {
    fn drop(&mut self) {
        let meters = &self.listener.meters;
        meters.parked.decrement(1.0);
        self.worker.shared.loads.listener(self.place).unpark();
        meters.waited(self.result, self.since.elapsed().as_secs_f64());
    }
}
