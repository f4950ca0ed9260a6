//! "Check this node now" (R11), said by anybody as often as they like: calls are merged, none is lost.

use std::sync::atomic::{AtomicU8, Ordering};

use tokio::sync::Notify;

/// On what a check runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    /// The connection that is there; a new one only where that is due or there is none.
    #[default]
    Connection,
    /// A new connection: whether the node accepts is in doubt.
    Dial,
}

/// The bell of one node's check task. A call during a check leads to one more check, since what that
/// check says may be older than the reason for the call.
#[derive(Debug, Default)]
pub struct Wake {
    /// 0: nothing; 1: [`By::Connection`]; 2: [`By::Dial`]. Callers raise it, the task takes it.
    called: AtomicU8,
    bell: Notify,
}

impl Wake {
    /// Asks for a check now.
    pub fn call(&self, by: By) {
        let rank = match by {
            By::Connection => 1,
            By::Dial => 2,
        };
        self.called.fetch_max(rank, Ordering::AcqRel);
        self.bell.notify_one();
    }

    /// The calls until now, as one.
    pub(super) fn take(&self) -> Option<By> {
        match self.called.swap(0, Ordering::AcqRel) {
            0 => None,
            1 => Some(By::Connection),
            _ => Some(By::Dial),
        }
    }

    /// Waits for a call. May be dropped at any time; for one waiter only.
    pub(super) async fn next(&self) -> By {
        loop {
            if let Some(by) = self.take() {
                return by;
            }
            self.bell.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn calls_are_merged_and_the_greater_wish_wins() {
        let wake = Wake::default();
        assert_eq!(wake.take(), None);
        for by in [By::Connection, By::Dial, By::Connection] {
            wake.call(by);
        }
        assert_eq!(wake.next().await, By::Dial);
        assert_eq!(wake.take(), None);
        let (by, ()) = tokio::join!(wake.next(), async { wake.call(By::Connection) });
        assert_eq!(by, By::Connection);
    }
}
