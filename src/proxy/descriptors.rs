//! How many connections the descriptors of the process allow.
//!
//! A client that is accepted with the last descriptor cannot be joined to a node. So accepting stops
//! while there are still enough for the sessions that are there, and for checks and scrapes.

use std::fs;

use rlimit::Resource;

/// Descriptors that one session needs: its client's and its node's.
const A_SESSION: usize = 2;

/// What the worker threads will open for themselves: an event queue and its bell each; and one
/// connection may be on its way in at each of their sockets when the last place is taken.
pub(super) fn of_workers(workers: usize, binds: usize) -> usize {
    workers * (6 + A_SESSION * binds)
}

/// Connections that may be open at a time, at least 1: what the soft limit leaves after what is open
/// now and after `spare`, which the rest of the process will need.
pub(super) fn connections(spare: usize) -> usize {
    let limit = Resource::NOFILE.get_soft().unwrap_or(u64::MAX);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let open = fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    (limit.saturating_sub(open).saturating_sub(spare) / A_SESSION).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_a_session_and_the_spare_ones_stay() {
        let all = connections(0);
        assert!(all > 100, "this process may open hundreds of files: {all}");
        // Other tests of this process may open files meanwhile, but not thousands.
        assert!(connections(200) < all && connections(usize::MAX) == 1);
    }
}
