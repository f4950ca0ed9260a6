//! What `rolecall switchover` brought.

use serde::{Deserialize, Serialize};

/// A planned change of primary, from its beginning to its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Switchover {
    /// Another node is primary.
    pub done: bool,
    /// The group.
    pub group: String,
    /// The primary before; null when there was none to begin with.
    pub from: Option<String>,
    /// The primary now; null when nothing was changed.
    pub to: Option<String>,
    /// How it ended, as a sentence.
    pub text: String,
    /// What happened, in order.
    pub timeline: Vec<Step>,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Since the beginning.
    pub seconds: f64,
    /// What.
    pub text: String,
}
