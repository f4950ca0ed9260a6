//! The one place where the monotonic clock is read for the core.

use std::sync::LazyLock;
use std::time::Instant;

use crate::core::time::Moment;

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The present moment. The first call sets the start.
pub fn now() -> Moment {
    Moment::after_start(START.elapsed())
}
