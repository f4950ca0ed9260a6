//! How far a replica is behind (R10).
//!
//! Only offsets of the same history (`master_replid`) can be compared. A link status proves little: an
//! orphaned middle replica keeps its own replicas "up", and one cut off by a partition says "up" until
//! `repl-timeout`. So the primary's offset is remembered over time, and a replica is as old as the last
//! moment at which the primary was where the replica is now. An idle primary moves too: it sends a PING
//! down the stream every 10 s (`repl-ping-replica-period`).
//!
//! Where offsets cannot tell (the replica is further back than our memory, it follows another history, no
//! primary lives), `master_last_io_seconds_ago` does: a link that has been silent for longer than PINGs are
//! apart is cut off, whatever its status. Where offsets can tell it counts for nothing: they are exact.

use std::collections::VecDeque;
use std::time::Duration;

use super::facts::{Facts, ReplId, ReplicaFacts};
use super::time::Moment;

/// R10, without `max_lag`: beyond this a replica ranks last in its tier, and a link that brings nothing for
/// longer is cut off. Longer than the period of the primary's PINGs, so that an idle stream does not look
/// like a broken one.
pub const STALE_AFTER: Duration = Duration::from_secs(15);

/// Samples that are kept at most; older ones are thinned out, so memory reaches back far enough.
const SAMPLES: usize = 512;

/// How far a replica may lag and still serve reads; what is not set does not limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LagLimits {
    /// In bytes of the replication stream.
    pub bytes: Option<u64>,
    /// In time.
    pub age: Option<Duration>,
}

/// Where the primary was, and when.
#[derive(Clone, Debug, Default)]
pub struct Track {
    history: Option<ReplId>,
    samples: VecDeque<Sample>,
}

/// The primary was at this offset from the first to the last of these moments, and perhaps longer.
#[derive(Clone, Copy, Debug)]
struct Sample {
    offset: u64,
    first: Moment,
    last: Moment,
}

/// How far one replica is behind, as of its last check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lag {
    /// There was nothing to compare with yet.
    #[default]
    Unmeasured,
    /// It follows another history than the primary's, since then.
    OtherHistory(Moment),
    /// It has all that the primary was seen to have.
    None,
    /// It lacks so many bytes; the primary was where it is now at that moment.
    Behind {
        /// In bytes of the replication stream.
        bytes: u64,
        /// When the primary was last seen at the replica's offset; beyond our memory the oldest moment in it,
        /// or when the replica last heard anything, if it has been cut off for longer.
        since: Moment,
    },
}

impl Track {
    /// Notes where the elected primary was seen to be.
    pub fn note(&mut self, primary: &Facts, seen: Moment) {
        if self.history != primary.replid {
            self.history.clone_from(&primary.replid);
            self.samples.clear();
        }
        let offset = primary.offset;
        match self.samples.back_mut() {
            Some(latest) if latest.offset == offset => latest.last = seen,
            _ => {
                if self.samples.len() == SAMPLES {
                    self.thin_out();
                }
                self.samples.push_back(Sample {
                    offset,
                    first: seen,
                    last: seen,
                });
            }
        }
    }

    /// Forgets every other sample, but not the oldest one.
    fn thin_out(&mut self) {
        let mut keep = false;
        self.samples.retain(|_| {
            keep = !keep;
            keep
        });
    }

    /// How far a replica is behind, from its facts, from when its check began (what the primary did
    /// later it need not have), and from what was said of it before.
    pub fn measure(&self, replica: &Facts, began: Moment, before: Lag) -> Lag {
        let Some(link) = replica.replica() else {
            return Lag::Unmeasured;
        };
        let mut earlier = self
            .samples
            .iter()
            .rev()
            .skip_while(|sample| sample.first > began);
        let Some(latest) = earlier.clone().next() else {
            return Lag::Unmeasured;
        };
        let cut_off = silent_since(link, began).unwrap_or(began);
        if self.history.is_none() || replica.replid != self.history {
            return match before {
                Lag::OtherHistory(since) => Lag::OtherHistory(since),
                _ => Lag::OtherHistory(cut_off),
            };
        }
        if link.offset >= latest.offset {
            return Lag::None;
        }
        let since = match (earlier.find(|sample| sample.offset <= link.offset), before) {
            (Some(reached), _) => reached.last,
            (None, Lag::Behind { since, .. }) => since,
            (None, _) => {
                let oldest = self.samples.front().map_or(began, |oldest| oldest.first);
                oldest.min(cut_off)
            }
        };
        Lag::Behind {
            bytes: latest.offset - link.offset,
            since,
        }
    }
}

/// R10: when the replica last heard anything, if its link has been silent for longer than one that works.
/// `asked` is when it said so.
pub fn silent_since(link: &ReplicaFacts, asked: Moment) -> Option<Moment> {
    link.last_io
        .filter(|ago| *ago > STALE_AFTER)
        .map(|ago| asked.minus(ago))
}

impl Lag {
    /// In bytes; none where it cannot be measured.
    pub fn bytes(self) -> Option<u64> {
        match self {
            Self::None => Some(0),
            Self::Behind { bytes, .. } => Some(bytes),
            Self::Unmeasured | Self::OtherHistory(_) => None,
        }
    }

    /// In time; none where it was never measured.
    pub fn age(self, now: Moment) -> Option<Duration> {
        match self {
            Self::None => Some(Duration::ZERO),
            Self::Behind { since, .. } | Self::OtherHistory(since) => Some(now.since(since)),
            Self::Unmeasured => None,
        }
    }

    /// Whether it is within the limits.
    pub fn is_within(self, limits: LagLimits, now: Moment) -> bool {
        let few_bytes = match (self, limits.bytes) {
            (Self::OtherHistory(_), Some(_)) if limits.age.is_none() => false,
            (_, Some(most)) => self.bytes().is_none_or(|bytes| bytes <= most),
            (_, None) => true,
        };
        few_bytes
            && limits
                .age
                .is_none_or(|most| self.age(now).is_none_or(|age| age <= most))
    }

    /// Whether it ranks last where nothing limits it.
    pub fn is_stale(self, now: Moment) -> bool {
        self.age(now).is_some_and(|age| age > STALE_AFTER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::facts::{HostPort, Role};
    use crate::core::sample::{at, primary, replica};

    fn primary_at(offset: u64) -> Facts {
        Facts {
            offset,
            ..primary("a", "hist")
        }
    }

    fn replica_at(offset: u64) -> Facts {
        let mut facts = replica("b", "hist", &HostPort::new("10.1.1.1", 6379));
        if let Role::Replica(link) = &mut facts.role {
            link.offset = offset;
        }
        facts
    }

    fn track(samples: &[(u64, u64)]) -> Track {
        let mut track = Track::default();
        for (second, offset) in samples {
            track.note(&primary_at(*offset), at(second * 1000));
        }
        track
    }

    #[test]
    fn r10_lag_is_the_age_of_the_moment_when_the_primary_was_there() {
        let track = track(&[(1, 100), (2, 200), (3, 300)]);
        let lag = track.measure(&replica_at(250), at(3500), Lag::None);
        assert_eq!(
            lag,
            Lag::Behind {
                bytes: 50,
                since: at(2000)
            }
        );
        assert_eq!(lag.age(at(3500)), Some(Duration::from_millis(1500)));
        assert_eq!(track.measure(&replica_at(300), at(4000), lag), Lag::None);
    }

    #[test]
    fn r10_an_idle_primary_ages_nobody() {
        let track = track(&[(1, 100), (900, 100), (901, 200)]);
        let lag = track.measure(&replica_at(100), at(901_500), Lag::None);
        assert_eq!(lag.age(at(901_500)), Some(Duration::from_millis(1500)));
    }

    #[test]
    fn r10_offsets_that_stand_still_grow_old() {
        let mut track = track(&[(1, 100)]);
        let mut lag = track.measure(&replica_at(100), at(1000), Lag::Unmeasured);
        for second in 2..40 {
            track.note(&primary_at(100 + second), at(second * 1000));
            lag = track.measure(&replica_at(100), at(second * 1000), lag);
        }
        assert_eq!(lag.age(at(39_000)), Some(Duration::from_secs(38)));
        assert!(lag.is_stale(at(39_000)));
        let limits = LagLimits {
            bytes: None,
            age: Some(Duration::from_secs(30)),
        };
        assert!(!lag.is_within(limits, at(39_000)));
    }

    #[test]
    fn r10_another_history_is_unknown_since_it_was_first_seen() {
        let track = track(&[(1, 100)]);
        let mut other = replica_at(50);
        other.replid = Some(ReplId("other".into()));
        let lag = track.measure(&other, at(2000), Lag::None);
        let later = track.measure(&other, at(9000), lag);
        assert_eq!(later, Lag::OtherHistory(at(2000)));
        let age = Some(Duration::from_secs(7));
        assert!(later.is_within(
            LagLimits {
                bytes: Some(1),
                age
            },
            at(9000)
        ));
        assert!(!later.is_within(LagLimits { bytes: None, age }, at(9001)));
        assert!(!later.is_within(
            LagLimits {
                bytes: Some(1),
                age: None
            },
            at(9000)
        ));
    }

    #[test]
    fn r10_what_the_primary_did_after_the_replica_was_asked_is_no_lag() {
        let track = track(&[(1, 100), (3, 300)]);
        assert_eq!(
            track.measure(&replica_at(100), at(2000), Lag::None),
            Lag::None
        );
        assert_ne!(
            track.measure(&replica_at(100), at(3000), Lag::None),
            Lag::None
        );
    }

    #[test]
    fn r10_bytes_limit() {
        let limits = LagLimits {
            bytes: Some(50),
            age: None,
        };
        let track = track(&[(1, 100), (2, 200)]);
        let measured = |offset| track.measure(&replica_at(offset), at(2000), Lag::None);
        assert!(measured(150).is_within(limits, at(2000)));
        assert!(!measured(149).is_within(limits, at(2000)));
    }

    #[test]
    fn memory_is_bounded_and_reaches_back() {
        let mut track = Track::default();
        for second in 0..100_000 {
            track.note(&primary_at(second), at(second * 1000));
        }
        assert!(track.samples.len() <= SAMPLES);
        assert_eq!(track.samples.front().unwrap().offset, 0);
    }

    #[test]
    fn r10_an_idle_primary_wears_out_no_memory() {
        let mut track = track(&[(1, 100), (2, 200), (3, 300)]);
        for second in 4..4000 {
            track.note(&primary_at(300), at(second * 1000));
        }
        let lag = track.measure(&replica_at(250), at(4_000_000), Lag::None);
        assert_eq!(
            lag,
            Lag::Behind {
                bytes: 50,
                since: at(2000)
            }
        );
    }

    fn silent_for(seconds: u64, mut replica: Facts) -> Facts {
        if let Role::Replica(link) = &mut replica.role {
            link.last_io = Some(Duration::from_secs(seconds));
        }
        replica
    }

    #[test]
    fn r10_a_link_that_brings_nothing_dates_what_is_older_than_our_memory() {
        let track = track(&[(90, 100), (100, 200)]);
        let since = |replica| match track.measure(&replica, at(101_000), Lag::None) {
            Lag::Behind { since, .. } | Lag::OtherHistory(since) => since,
            other => panic!("{other:?}"),
        };
        let beyond = |seconds| since(silent_for(seconds, replica_at(50)));
        assert_eq!(beyond(45), at(56_000));
        assert_eq!(beyond(16), at(85_000));
        assert_eq!(beyond(15), at(90_000), "an idle link is silent for seconds");
        assert_eq!(
            since(silent_for(45, replica_at(150))),
            at(90_000),
            "offsets are exact where they tell"
        );
        assert_eq!(
            track.measure(&silent_for(45, replica_at(200)), at(101_000), Lag::None),
            Lag::None
        );
        let mut stranger = silent_for(45, replica_at(50));
        stranger.replid = Some(ReplId("other".into()));
        assert_eq!(since(stranger), at(56_000));
    }

    #[test]
    fn r10_a_replica_is_stale_beyond_the_limit_only() {
        let behind = Lag::Behind {
            bytes: 1,
            since: at(1000),
        };
        let limit = at(1000).plus(STALE_AFTER);
        assert!(!behind.is_stale(limit));
        assert!(behind.is_stale(limit.plus(Duration::from_millis(1))));
        assert!(!Lag::None.is_stale(limit) && !Lag::Unmeasured.is_stale(limit));
    }

    #[test]
    fn a_new_history_starts_a_new_track() {
        let mut track = track(&[(1, 100)]);
        track.note(&primary("b", "new"), at(2000));
        assert_eq!(track.samples.len(), 1);
        let lag = track.measure(&replica_at(100), at(2000), Lag::None);
        assert_eq!(lag, Lag::OtherHistory(at(2000)));
    }
}
