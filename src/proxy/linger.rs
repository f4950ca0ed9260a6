//! Sessions that do not end at once although they must (R20), and when they end at the latest.
//!
//! Two kinds: those that were fenced while their node's answers may still be delivered, and those whose
//! node refused a command because it is a replica now, which wait for the fence. A worker has one timer for
//! all of them, and none while there are none.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::sleep;

use super::table::Entry;
use crate::clock;
use crate::core::answers::ANSWERS_PATIENCE;
use crate::core::time::Moment;

/// How long a client that does not keep up with its answers is given more of them.
const SLOW_READER: Duration = Duration::from_secs(1);

/// The sessions of a worker that linger, in the order in which their time is up.
#[derive(Default)]
pub(super) struct Linger(RefCell<VecDeque<Waiting>>);

struct Waiting {
    entry: Rc<Entry>,
    due: Moment,
    /// It is not given more time after that.
    last: Moment,
}

impl Linger {
    /// Gives a session its time. It is woken when that is up.
    pub(super) fn add(self: &Rc<Self>, entry: &Rc<Entry>) {
        let now = clock::now();
        let is_first = self.0.borrow().is_empty();
        self.0.borrow_mut().push_back(Waiting {
            entry: Rc::clone(entry),
            due: now.plus(ANSWERS_PATIENCE),
            last: now.plus(SLOW_READER),
        });
        if is_first {
            tokio::task::spawn_local(Rc::clone(self).run());
        }
    }

    async fn run(self: Rc<Self>) {
        while let Some(due) = self.next_due() {
            sleep(due.since(clock::now())).await;
            self.end_due(clock::now());
        }
    }

    fn next_due(&self) -> Option<Moment> {
        self.0.borrow().front().map(|waiting| waiting.due)
    }

    fn end_due(&self, now: Moment) {
        let mut queue = self.0.borrow_mut();
        let due = queue.partition_point(|waiting| waiting.due <= now);
        // Those that get more time join the end.
        for _ in 0..due {
            let Some(waiting) = queue.pop_front() else {
                return;
            };
            if waiting.entry.is_behind() && now < waiting.last {
                let due = now.plus(ANSWERS_PATIENCE);
                queue.push_back(Waiting { due, ..waiting });
            } else {
                waiting.entry.expire();
                waiting.entry.wake();
            }
        }
    }
}
