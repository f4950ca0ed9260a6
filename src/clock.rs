//! The one place where the monotonic clock is read for the core.

use std::sync::LazyLock;
use std::time::{Instant, SystemTime};

use crate::core::time::Moment;

/// The start on the clock on the wall, for people.
static START_TIME: LazyLock<SystemTime> = LazyLock::new(SystemTime::now);

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The present moment. The first call sets the start.
pub fn now() -> Moment {
    LazyLock::force(&START_TIME);
    Moment::after_start(START.elapsed())
}

/// A moment on the clock on the wall, for people. It does not follow when that clock is set.
pub fn wall(moment: Moment) -> SystemTime {
    *START_TIME + moment.since_start()
}
