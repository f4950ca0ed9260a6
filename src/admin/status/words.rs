//! Times and lists, as people read them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::clock;
use crate::core::time::{Moment, in_words};

/// From this age on a time of day is told with its date.
const A_DAY: Duration = Duration::from_secs(20 * 3600);

/// `2025-03-01T12:00:00.123Z`.
pub(in crate::admin) fn rfc3339(time: SystemTime) -> String {
    // A clock before 1970 is a machine without a clock; the formatter would panic.
    humantime::format_rfc3339_millis(time.max(UNIX_EPOCH)).to_string()
}

/// A moment of this process, as [`rfc3339`] says it.
pub(super) fn moment(at: Moment) -> String {
    rfc3339(clock::wall(at))
}

/// `14:02:11 UTC (3m10s)`, with the date once that is not today's for sure.
pub(super) fn since(at: Moment, now: Moment) -> String {
    let (age, time) = (now.since(at), moment(at));
    let (date, clock) = time.split_once('T').unwrap_or(("", &time));
    let clock = clock.split_once('.').map_or(clock, |(seconds, _)| seconds);
    let age_words = in_words(age);
    if age >= A_DAY {
        format!("{date} {clock} UTC ({age_words})")
    } else {
        format!("{clock} UTC ({age_words})")
    }
}

/// `a`, `a and b`, `a, b and c`.
pub(super) fn list(names: &[&str]) -> String {
    match names {
        [] => "nobody".to_owned(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// `; 1 connection is parked`; empty when none is.
pub(super) fn parked(count: usize) -> String {
    match count {
        0 => String::new(),
        1 => "; 1 connection is parked".to_owned(),
        more => format!("; {more} connections are parked"),
    }
}
