//! Who carries how much: counts that all workers share.
//!
//! The numbers change only through guards, so a session that ends in any way at all, a panic
//! included, is counted out. Reading is free for everyone; writing is the data plane's alone.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::core::ids::{ListenerId, NodeId};

/// Open sessions by node, open and parked connections by listener.
#[derive(Debug, Default)]
pub struct Loads {
    nodes: Mutex<HashMap<NodeId, Arc<AtomicUsize>>>,
    listeners: Mutex<HashMap<ListenerId, Arc<ListenerLoad>>>,
    workers: Vec<Arc<AtomicUsize>>,
}

/// The counts of one listener.
#[derive(Debug, Default)]
pub(super) struct ListenerLoad {
    connections: AtomicUsize,
    parked: AtomicUsize,
}

impl Loads {
    /// All zero.
    pub(super) fn new(workers: usize) -> Self {
        Self {
            workers: (0..workers).map(|_| Arc::default()).collect(),
            ..Self::default()
        }
    }

    /// Open client connections of each worker, in the order of their numbers.
    pub fn workers(&self) -> Vec<usize> {
        let counts = self.workers.iter();
        counts.map(|count| count.load(Ordering::Relaxed)).collect()
    }

    /// The count of a worker, for it and those who hand it connections.
    pub(super) fn worker(&self, index: usize) -> Arc<AtomicUsize> {
        self.workers.get(index).map(Arc::clone).unwrap_or_default()
    }

    /// Open sessions on a node, of all listeners, dials in progress included.
    pub fn sessions(&self, node: NodeId) -> usize {
        let nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        nodes
            .get(&node)
            .map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// Open client connections of a listener, parked ones included.
    pub fn connections(&self, listener: ListenerId) -> usize {
        self.find(listener)
            .map_or(0, |load| load.connections.load(Ordering::Relaxed))
    }

    /// Parked connections of a listener.
    pub fn parked(&self, listener: ListenerId) -> usize {
        self.find(listener)
            .map_or(0, |load| load.parked.load(Ordering::Relaxed))
    }

    /// The count of a node, for a worker to keep.
    pub(super) fn node(&self, node: NodeId) -> Arc<AtomicUsize> {
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        // Counts that no worker keeps any more are of nodes that have gone.
        nodes.retain(|id, count| *id == node || Arc::strong_count(count) > 1);
        Arc::clone(nodes.entry(node).or_default())
    }

    /// The counts of a listener, for it to keep.
    pub(super) fn listener(&self, listener: ListenerId) -> Arc<ListenerLoad> {
        let mut all = self
            .listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // Counts that nobody keeps any more are of listeners that have gone.
        all.retain(|id, load| *id == listener || Arc::strong_count(load) > 1);
        Arc::clone(all.entry(listener).or_default())
    }

    fn find(&self, listener: ListenerId) -> Option<Arc<ListenerLoad>> {
        let all = self
            .listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        all.get(&listener).cloned()
    }
}

impl ListenerLoad {
    /// Counts a connection in, unless `max` are there already.
    pub(super) fn enter(&self, max: Option<usize>) -> bool {
        count_in(&self.connections, max.unwrap_or(usize::MAX))
    }

    /// Counts a connection out.
    pub(super) fn leave(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// Counts a parked connection in, unless `max` are there already.
    pub(super) fn park(&self, max: usize) -> bool {
        count_in(&self.parked, max)
    }

    /// Counts a parked connection out.
    pub(super) fn unpark(&self) {
        self.parked.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Adds one below `max`: two workers cannot both take the last place.
fn count_in(count: &AtomicUsize, max: usize) -> bool {
    count
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| {
            (now < max).then(|| now + 1)
        })
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_place_is_taken_once() {
        let load = ListenerLoad::default();
        assert!(load.park(1));
        assert!(!load.park(1));
        load.unpark();
        assert!(load.park(1));
        assert!(load.enter(None));
        assert!(!load.enter(Some(1)));
    }
}
