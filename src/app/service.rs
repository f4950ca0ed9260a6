//! What the service manager learns while the proxy runs: who is primary, and that every thread lives.
//!
//! It runs on the control thread, so that a control thread that hangs feeds no watchdog either. Whoever
//! hangs is not healed here: the manager ends the process and starts it again.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::config::model::InForce;
use crate::core::ids::GroupId;
use crate::core::snapshot::{GroupView, PrimaryView, Snapshot};
use crate::core::time::in_words;
use crate::notify::Notify;
use crate::proxy::{Loads, Pulse};

/// How often the status is looked at again: the number of connections changes without any event.
const REFRESH: Duration = Duration::from_secs(5);

/// A worker beats each second; one that has been silent for so long hangs.
const HANGS: Duration = Duration::from_secs(5);

/// What the manager is told of.
pub(super) struct Service {
    pub(super) notify: Notify,
    pub(super) snapshots: watch::Receiver<Arc<Snapshot>>,
    pub(super) loads: Arc<Loads>,
    pub(super) pulse: Pulse,
    pub(super) in_force: watch::Receiver<InForce>,
}

/// Since when each group has had the primary that it has.
#[derive(Debug, Default)]
struct Reigns(HashMap<GroupId, (PrimaryView, SystemTime)>);

/// Which workers hang, and whether that has been told.
#[derive(Debug, Default)]
struct Hangs {
    silent: Vec<usize>,
    told: bool,
}

impl Hangs {
    /// Those that hang, once for each time of trouble. Only at the second look: after the whole process
    /// has stood still, the first comes before the workers had their turn.
    fn news(&mut self, silent: Vec<usize>) -> Option<&[usize]> {
        let again = !silent.is_empty() && silent == self.silent;
        let news = again && !self.told;
        self.told = again;
        self.silent = silent;
        news.then_some(&self.silent)
    }
}

impl Service {
    /// Tells until `stop`.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        if !self.notify.is_there() {
            return;
        }
        let period = self
            .notify
            .watchdog()
            .map_or(REFRESH, |watchdog| REFRESH.min(watchdog / 2));
        let mut ticks = interval_at(Instant::now(), period.max(Duration::from_millis(1)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut reigns, mut said) = (Reigns::default(), String::new());
        let mut hangs = Hangs::default();
        loop {
            let snapshot = self.snapshots.borrow_and_update().clone();
            self.in_force.mark_unchanged();
            let status = self.status(&snapshot, &mut reigns);
            if status != said {
                self.notify.status(&status);
                said = status;
            }
            tokio::select! {
                () = stop.cancelled() => return,
                Ok(()) = self.snapshots.changed() => {}
                Ok(()) = self.in_force.changed() => {}
                _ = ticks.tick() => self.feed_watchdog(&mut hangs),
            }
        }
    }

    fn feed_watchdog(&self, hangs: &mut Hangs) {
        let silent = self.pulse.silent(clock::now(), HANGS);
        if silent.is_empty() && self.notify.watchdog().is_some() {
            self.notify.alive();
        }
        if let Some(workers) = hangs.news(silent) {
            tracing::error!(
                ?workers,
                "worker threads have not moved for {}: the watchdog is not fed while that lasts; please \
                 report this bug",
                in_words(HANGS)
            );
        }
    }

    fn status(&self, snapshot: &Snapshot, reigns: &mut Reigns) -> String {
        let config = Arc::clone(&self.in_force.borrow().config);
        let listeners = config.listeners.iter();
        let connections: usize = listeners
            .map(|listener| self.loads.connections(listener.id))
            .sum();
        let mut words = String::new();
        for group in &snapshot.groups {
            let since = reigns.since(group, SystemTime::now());
            let _infallible = write!(words, "{}: {}; ", group.name, primary(group, since));
        }
        let (listeners, s) = (config.listeners.len(), plural(config.listeners.len()));
        let _infallible = write!(
            words,
            "{listeners} listener{s}, {connections} connection{}",
            plural(connections)
        );
        words
    }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

impl Reigns {
    /// Since when the group has had its present primary, as far as this process has seen.
    fn since(&mut self, group: &GroupView, now: SystemTime) -> Option<SystemTime> {
        let Some(primary) = group.primary else {
            self.0.remove(&group.id);
            return None;
        };
        let known = self.0.get(&group.id).filter(|(known, _)| *known == primary);
        let since = known.map_or(now, |(_, since)| *since);
        self.0.insert(group.id, (primary, since));
        Some(since)
    }
}

fn primary(group: &GroupView, since: Option<SystemTime>) -> String {
    let elected = group.primary.and_then(|primary| group.node(primary.node));
    let (Some(node), Some(since)) = (elected, since) else {
        return "no primary".to_owned();
    };
    let since = humantime::format_rfc3339_seconds(since);
    match &node.write {
        Ok(()) => format!("{} is primary since {since}", node.name),
        Err(reason) => format!(
            "{}, primary since {since}, {}",
            node.name,
            reason.explain(clock::now())
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hang_is_told_once_and_not_before_the_second_look() {
        let mut hangs = Hangs::default();
        assert_eq!(hangs.news(vec![1]), None);
        assert_eq!(hangs.news(vec![]), None);
        assert_eq!(hangs.news(vec![1]), None);
        assert_eq!(hangs.news(vec![1]), Some(&[1][..]));
        assert_eq!(hangs.news(vec![1]), None);
        assert_eq!(hangs.news(vec![]), None);
        assert_eq!(hangs.news(vec![0]), None);
        assert_eq!(hangs.news(vec![0]), Some(&[0][..]));
    }
}
