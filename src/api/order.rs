//! What commands answer.

use serde::{Deserialize, Serialize};

use super::status::NodeOrder;

/// `POST /api/order/NODE`: what was ordered, and what follows from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ordered {
    /// The node's group.
    pub group: String,
    /// The node.
    pub node: String,
    /// What holds now.
    pub order: NodeOrder,
    /// It is another order than before.
    pub changed: bool,
    /// The node was the elected primary when the order came.
    pub primary: bool,
    /// Sessions that are open on it.
    pub sessions: usize,
    /// Listeners whose new connections are parked from now on because of this order.
    pub parks: Vec<String>,
    /// All this as sentences.
    pub text: String,
}

/// `POST /api/reload`: what a reload changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// What is different now, a line each; empty when nothing is.
    pub changes: Vec<String>,
}

/// `POST /api/log-level`: the level that holds now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLevelSet {
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: String,
}
