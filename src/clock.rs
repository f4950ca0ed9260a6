//! The one place where the monotonic clock is read for the core.

use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime};

use crate::core::time::Moment;

/// The moment of the start. It is late, so that what was before it has a moment too: a link that has been
/// down for an hour when the proxy starts went down an hour before (R9).
const STARTED: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// The start on the clock on the wall, for people.
static START_TIME: LazyLock<SystemTime> = LazyLock::new(SystemTime::now);

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The present moment. The first call sets the start.
pub fn now() -> Moment {
    LazyLock::force(&START_TIME);
    Moment::at(STARTED.saturating_add(START.elapsed()))
}

/// How long the process has been running.
pub fn uptime() -> Duration {
    now().since(Moment::at(STARTED))
}

/// A moment on the clock on the wall, for people. It does not follow when that clock is set.
pub fn wall(moment: Moment) -> SystemTime {
    let after_start = moment.since(Moment::at(STARTED));
    let before_start = Moment::at(STARTED).since(moment);
    *START_TIME + after_start - before_start
}
