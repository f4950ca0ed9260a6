//! What the data plane noticed, and the monitor should look into at once (R11, R12).

use super::ids::NodeId;
use super::time::Moment;

/// A reason to check a node now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// Which node.
    pub node: NodeId,
    /// When it was noticed.
    pub at: Moment,
    /// What was noticed.
    pub kind: AlarmKind,
}

/// What was noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlarmKind {
    /// A client's dial failed or passed `connect_timeout`, or the node turned the client away because
    /// it is full: no more dials until a check on a new connection succeeds.
    DialFailed,
    /// A reply began with -READONLY, -LOADING or -MASTERDOWN, or the node closed sessions.
    Suspicious,
}
