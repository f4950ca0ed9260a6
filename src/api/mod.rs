//! What `/api/status`, `/api/events` and the `--json` of our commands say, in types: a contract with
//! whoever reads them.
//!
//! The server writes them and our own commands read them, so both sides are one definition. Fields are
//! added, never renamed, never given another meaning. Times are RFC 3339 in UTC; `_seconds` are seconds;
//! words ("reason", "text") are for people and may change, all else is for machines too. No secret is in
//! here.

mod event;
mod order;
mod status;
mod survey;
mod switchover;

pub use event::{ClosedEvent, Event, Events, Evidence, Severity};
pub use order::{LogLevelSet, Ordered, Reloaded};
pub use status::{
    Build, ConfigStatus, GroupState, GroupStatus, LastCheck, ListenerStatus, NodeOrder, NodeRole,
    NodeStatus, PrimaryStatus, SentinelStatus, Serves, Status, TierNode, TierStatus, WorkerStatus,
};
pub use survey::{Finding, FindingSeverity, Survey, SurveyGroup, SurveyNode, SurveySentinel};
pub use switchover::{Step, Switchover};
