//! Numbers for nodes that come while the process runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::core::ids::NodeId;

/// Gives each node a number that no node had before. Cheap to clone; all clones count together.
#[derive(Clone, Debug)]
pub struct NodeIds(Arc<AtomicU32>);

impl NodeIds {
    /// Counts on from those that are given already.
    pub(super) fn after(given: impl Iterator<Item = NodeId>) -> Self {
        let next = given.map(|id| id.0.saturating_add(1)).max().unwrap_or(0);
        Self(Arc::new(AtomicU32::new(next)))
    }

    /// A number that was never given.
    pub fn next(&self) -> NodeId {
        NodeId(self.0.fetch_add(1, Ordering::Relaxed))
    }
}
