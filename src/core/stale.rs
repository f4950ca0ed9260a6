//! How old the data of a replica without a primary are, as far as `stale_reads` counts it (R9).
//!
//! The clock counts what may have been written elsewhere meanwhile. So it begins with the last election, where
//! the link ended before: nobody took writes in between. And it stands still while the elected primary answers
//! -LOADING: it lives, and nothing can be written. With `stale_reads: 0s` neither applies.

use std::collections::VecDeque;
use std::time::Duration;

use super::time::Moment;

/// Spans that are remembered; of older ones nothing is subtracted any more.
const REMEMBERED: usize = 16;

/// When the clock of `stale_reads` ran.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StaleClock {
    /// The last election.
    elected: Option<Moment>,
    /// While the holder of the election was loading, oldest first.
    stood_still: VecDeque<(Moment, Moment)>,
    /// It has been loading since then.
    loading: Option<Moment>,
}

impl StaleClock {
    /// No election yet.
    pub const fn new() -> Self {
        Self {
            elected: None,
            stood_still: VecDeque::new(),
            loading: None,
        }
    }

    /// A node was elected.
    pub(super) fn elected(&mut self, now: Moment) {
        self.elected = Some(now);
    }

    /// Whether the holder of the election is loading its data.
    pub(super) fn follow(&mut self, loading: bool, now: Moment) {
        match (loading, self.loading) {
            (true, None) => self.loading = Some(now),
            (false, Some(since)) => {
                self.loading = None;
                if self.stood_still.len() == REMEMBERED {
                    self.stood_still.pop_front();
                }
                self.stood_still.push_back((since, now));
            }
            _ => {}
        }
    }

    /// For how long a replica whose data ended then has been stale.
    pub fn age(&self, ended: Moment, limit: Duration, now: Moment) -> Duration {
        if limit.is_zero() {
            return now.since(ended);
        }
        let begins = self.elected.map_or(ended, |elected| elected.max(ended));
        let open = self.loading.map(|since| (since, now));
        let stood_still: Duration = self
            .stood_still
            .iter()
            .copied()
            .chain(open)
            .map(|(from, to)| to.min(now).since(from.max(begins)))
            .sum();
        now.since(begins).saturating_sub(stood_still)
    }

    /// Whether that is longer than the limit.
    pub fn is_over(&self, ended: Moment, limit: Duration, now: Moment) -> bool {
        self.age(ended, limit, now) > limit
    }

    /// When it will be over; none while the clock stands still, or when it is over already.
    pub(super) fn deadline(&self, ended: Moment, limit: Duration, now: Moment) -> Option<Moment> {
        if self.loading.is_some() && !limit.is_zero() {
            return None;
        }
        let left = limit.checked_sub(self.age(ended, limit, now))?;
        // Just beyond: at the limit itself it is not over yet.
        Some(now.plus(left + Duration::from_millis(1)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::core::sample::at;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn r9_the_clock_counts_from_the_later_of_the_links_end_and_the_election() {
        let mut clock = StaleClock::default();
        assert_eq!(clock.age(at(1000), MINUTE, at(5000)).as_millis(), 4000);
        clock.elected(at(3000));
        assert_eq!(clock.age(at(1000), MINUTE, at(5000)).as_millis(), 2000);
        assert_eq!(clock.age(at(4000), MINUTE, at(5000)).as_millis(), 1000);
        assert_eq!(
            clock.age(at(1000), Duration::ZERO, at(5000)).as_millis(),
            4000
        );
    }

    #[test]
    fn r9_the_clock_stands_still_while_the_primary_loads() {
        let mut clock = StaleClock::default();
        clock.follow(true, at(10_000));
        assert_eq!(clock.age(at(5000), MINUTE, at(90_000)).as_millis(), 5000);
        assert_eq!(clock.deadline(at(5000), MINUTE, at(90_000)), None);
        clock.follow(false, at(95_000));
        assert_eq!(clock.age(at(5000), MINUTE, at(96_000)).as_millis(), 6000);
        assert_eq!(
            clock.deadline(at(5000), MINUTE, at(96_000)),
            Some(at(150_001))
        );
        assert!(!clock.is_over(at(5000), MINUTE, at(150_000)));
        assert!(clock.is_over(at(5000), MINUTE, at(150_001)));
        assert_eq!(clock.age(at(50_000), MINUTE, at(96_000)).as_millis(), 1000);
        assert!(clock.is_over(at(5000), Duration::ZERO, at(20_000)));
    }

    proptest! {
        #[test]
        fn r9_the_age_is_the_time_that_passed_without_loading(
            spans in prop::collection::vec((1u64..5000, any::<bool>()), 1..12),
            ended in 0u64..20_000,
        ) {
            let mut clock = StaleClock::default();
            let (mut now, mut expected) = (0, 0);
            for (length, loading) in spans {
                clock.follow(loading, at(now));
                if !loading {
                    expected += (now + length).saturating_sub(ended.max(now));
                }
                now += length;
            }
            prop_assert_eq!(clock.age(at(ended), MINUTE, at(now)).as_millis(), u128::from(expected));
        }
    }
}
