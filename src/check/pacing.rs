//! When the next check of a node starts: pure arithmetic on the times of the last ones.
//!
//! Checks run from start to start by the pace that the monitor sets. A wake or a lost connection brings
//! the next one forward (R11), but neither may turn into a busy loop: wakes come in swarms (one per
//! failed session), and a node may accept and close for hours.

use std::time::Duration;

use tokio::time::Instant;

use super::wake::By;

/// The least time between the starts of two checks: one check answers a whole swarm of wakes.
const SWARM: Duration = Duration::from_millis(5);

/// The least time between the starts of two checks that both follow a lost connection.
const LOSSES: Duration = Duration::from_millis(50);

/// How far in the future a check may lie: `Instant` has an end, a pace has none.
const FAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// The times and the reasons that decide about the next check.
#[derive(Debug, Default)]
pub(super) struct Pacing {
    last_start: Option<Instant>,
    /// The last check that started because of a loss.
    last_loss: Option<Instant>,
    /// Asked for since the last check started.
    woken: Option<By>,
    /// A connection was lost since then.
    lost: Option<By>,
}

impl Pacing {
    /// Somebody wants a check now.
    pub(super) fn wake(&mut self, by: By) {
        self.woken = self.woken.max(Some(by));
    }

    /// The node closed the connection: a reason to look again, by a new dial.
    pub(super) fn lose(&mut self) {
        self.lost = Some(By::Dial);
    }

    /// When the next check starts; at once the first time.
    pub(super) fn due(&self, pace: Duration, now: Instant) -> Instant {
        let Some(last) = self.last_start else {
            return now;
        };
        let mut due = after(last, pace);
        if self.woken.is_some() {
            due = due.min(last + SWARM);
        }
        if self.lost.is_some() {
            let earliest = self.last_loss.map_or(last, |loss| loss + LOSSES);
            due = due.min(earliest.max(last + SWARM));
        }
        due
    }

    /// A check starts: its reasons are served by it, whatever they were.
    pub(super) fn start(&mut self, now: Instant) -> By {
        self.last_start = Some(now);
        let lost = self.lost.take();
        if lost.is_some() {
            self.last_loss = Some(now);
        }
        self.woken.take().max(lost).unwrap_or_default()
    }
}

/// A while after `start`; a year after it where a while is longer.
pub(super) fn after(start: Instant, a_while: Duration) -> Instant {
    start + a_while.min(FAR)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Duration = Duration::from_millis(500);

    fn ms(number: u64) -> Duration {
        Duration::from_millis(number)
    }

    #[tokio::test]
    async fn checks_run_from_start_to_start() {
        let now = Instant::now();
        let mut pacing = Pacing::default();
        assert_eq!(pacing.due(PACE, now), now);
        assert_eq!(pacing.start(now), By::Connection);
        assert_eq!(pacing.due(PACE, now + ms(400)), now + PACE);
        assert_eq!(
            pacing.due(ms(50), now),
            now + ms(50),
            "a change acts at once"
        );
        assert!(pacing.due(Duration::MAX, now) > now + PACE);
    }

    #[tokio::test]
    async fn r11_a_swarm_of_wakes_is_one_check() {
        let now = Instant::now();
        let mut pacing = Pacing::default();
        pacing.start(now);
        pacing.wake(By::Dial);
        pacing.wake(By::Connection);
        assert_eq!(pacing.due(PACE, now), now + SWARM);
        assert_eq!(pacing.start(now + SWARM), By::Dial);
        assert_eq!(pacing.due(PACE, now), now + SWARM + PACE);
        assert_eq!(pacing.start(now + PACE), By::Connection);
    }

    #[tokio::test]
    async fn r11_the_first_loss_is_checked_at_once_and_no_loop_follows() {
        let now = Instant::now();
        let mut pacing = Pacing::default();
        pacing.start(now);
        pacing.lose();
        assert_eq!(pacing.due(PACE, now), now + SWARM);
        let first = now + ms(100);
        assert_eq!(pacing.start(first), By::Dial);
        pacing.lose();
        assert_eq!(pacing.due(PACE, first), first + LOSSES);
        // A wake beside it is still served at once.
        pacing.wake(By::Connection);
        assert_eq!(pacing.due(PACE, first), first + SWARM);
    }
}
