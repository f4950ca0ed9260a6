//! The data plane's metrics, as handles looked up once: a session adds to a handle, it never builds a
//! label. Everything is registered when the listener or the node is first known, so each series is
//! there, at zero, before anything has happened.

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

use crate::core::reason::CloseReason;
use crate::metrics as names;

/// How a parked connection's wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ParkResult {
    /// It was joined to a node.
    Served,
    /// `park.timeout` passed.
    TimedOut,
    /// The client hung up.
    Left,
    /// The proxy ended first.
    Shutdown,
}

impl ParkResult {
    const ALL: [Self; 4] = [Self::Served, Self::TimedOut, Self::Left, Self::Shutdown];

    const fn label(self) -> &'static str {
        match self {
            Self::Served => "served",
            Self::TimedOut => "timed_out",
            Self::Left => "left",
            Self::Shutdown => "shutdown",
        }
    }
}

/// The metrics of one listener, shared by all workers.
pub(super) struct ListenerMeters {
    pub(super) connections: Gauge,
    pub(super) connections_total: Counter,
    pub(super) parked: Gauge,
    park_wait: [Histogram; 4],
    /// In the order of [`CloseReason::ALL`]; none for a reason that is no rejection.
    rejected: Vec<Option<Counter>>,
    /// In the order of [`CloseReason::ALL`].
    closed: Vec<Counter>,
}

impl ListenerMeters {
    /// Registers the series of a listener.
    pub(super) fn new(listener: &str) -> Self {
        let name = || listener.to_owned();
        let reasons = CloseReason::ALL.iter();
        let meters = Self {
            connections: gauge!(names::LISTENER_CONNECTIONS, "listener" => name()),
            connections_total: counter!(names::LISTENER_CONNECTIONS_TOTAL, "listener" => name()),
            parked: gauge!(names::LISTENER_PARKED, "listener" => name()),
            park_wait: ParkResult::ALL.map(|result| {
                histogram!(names::PARK_WAIT_SECONDS, "listener" => name(), "result" => result.label())
            }),
            rejected: reasons
                .clone()
                .map(|reason| {
                    reason.is_rejection().then(|| {
                        counter!(names::LISTENER_REJECTED_TOTAL,
                            "listener" => name(), "reason" => reason.label())
                    })
                })
                .collect(),
            closed: reasons
                .map(|reason| {
                    counter!(names::SESSIONS_CLOSED_TOTAL,
                        "listener" => name(), "reason" => reason.label())
                })
                .collect(),
        };
        meters.connections.increment(0.0);
        meters.parked.increment(0.0);
        meters
    }

    /// Counts a session's end.
    pub(super) fn ended(&self, reason: CloseReason) {
        // The reasons are declared in the order of ALL; a test below holds that.
        let place = reason as usize;
        if let Some(counter) = self.closed.get(place) {
            counter.increment(1);
        }
        if let Some(Some(counter)) = self.rejected.get(place) {
            counter.increment(1);
        }
    }

    /// Counts the end of a wait.
    pub(super) fn waited(&self, result: ParkResult, seconds: f64) {
        if let Some(histogram) = self.park_wait.get(result as usize) {
            histogram.record(seconds);
        }
    }
}

/// The metrics of one node.
pub(super) struct NodeMeters {
    pub(super) sessions: Gauge,
    pub(super) sessions_total: Counter,
    pub(super) received: Counter,
    pub(super) sent: Counter,
    pub(super) connect: Histogram,
}

impl NodeMeters {
    /// Registers the series of a node.
    pub(super) fn new(group: &str, node: &str) -> Self {
        let (group, node) = (|| group.to_owned(), || node.to_owned());
        let meters = Self {
            sessions: gauge!(names::NODE_SESSIONS, "group" => group(), "node" => node()),
            sessions_total: counter!(names::NODE_SESSIONS_TOTAL, "group" => group(), "node" => node()),
            received: counter!(names::NODE_RECEIVED_BYTES_TOTAL, "group" => group(), "node" => node()),
            sent: counter!(names::NODE_SENT_BYTES_TOTAL, "group" => group(), "node" => node()),
            connect: histogram!(names::CONNECT_SECONDS, "node" => node()),
        };
        meters.sessions.increment(0.0);
        meters
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_and_results_index_their_tables() {
        for (place, reason) in CloseReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, place, "{reason:?}");
        }
        for (place, result) in ParkResult::ALL.into_iter().enumerate() {
            assert_eq!(result as usize, place, "{result:?}");
        }
    }
}
