//! Time as the core sees it: a number that is handed in, never a clock that is asked.

use std::time::Duration;

/// A point on the process's monotonic clock, as the time since an origin long before the process started.
///
/// The shell makes them ([`crate::clock`]); the core only compares them, so that every rule can be
/// tested with times written by hand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(Duration);

impl Moment {
    /// The moment so long after the origin.
    pub const fn at(since_origin: Duration) -> Self {
        Self(since_origin)
    }

    /// How long ago `earlier` was; zero when it lies in the future.
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// This moment and a while longer.
    #[must_use]
    pub const fn plus(self, while_longer: Duration) -> Self {
        Self(self.0.saturating_add(while_longer))
    }

    /// This moment less a while; never before the origin.
    #[must_use]
    pub const fn minus(self, while_less: Duration) -> Self {
        Self(self.0.saturating_sub(while_less))
    }

    /// The time since the origin.
    pub const fn since_origin(self) -> Duration {
        self.0
    }
}

/// A duration as people write it: `380ms`, `4.2s`, `3m10s`.
pub fn in_words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match duration {
        d if d < Duration::from_secs(1) => format!("{}ms", d.as_millis()),
        d if d < Duration::from_secs(60) => format!("{:.1}s", d.as_secs_f64()),
        d if d < Duration::from_secs(3600) => format!("{}m{:02}s", d.as_secs() / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}
