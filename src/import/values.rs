//! HAProxy's numbers and times, and how our configuration spells them.

use std::time::Duration;

/// A time: a bare number is milliseconds. None where it is no time.
pub(super) fn time(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let number: u64 = number.parse().ok()?;
    let microseconds = match unit {
        "us" => 1,
        "" | "ms" => 1000,
        "s" => 1_000_000,
        "m" => 60_000_000,
        "h" => 3_600_000_000,
        "d" => 86_400_000_000,
        _ => return None,
    };
    number.checked_mul(microseconds).map(Duration::from_micros)
}

/// A duration in the largest unit that keeps it whole.
pub(super) fn duration(time: Duration) -> String {
    let milliseconds = time.as_millis();
    let units = [(3_600_000, "h"), (60_000, "m"), (1000, "s")];
    let fits = units
        .iter()
        .find(|(length, _)| milliseconds > 0 && milliseconds.is_multiple_of(*length));
    match fits {
        Some((length, unit)) => format!("{}{unit}", milliseconds / length),
        None => format!("{milliseconds}ms"),
    }
}

/// A count without sign.
pub(super) fn count(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// A name that our configuration takes: letters, digits, `.`, `-` and `_`.
pub(super) fn name(text: &str) -> String {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let kept: String = text
        .chars()
        .take(100)
        .map(|c| if good(c) { c } else { '-' })
        .collect();
    let kept = kept.trim_matches('-');
    match kept {
        "" => "unnamed".to_owned(),
        kept => kept.to_owned(),
    }
}

/// The name, or the name with the first number that makes it new.
pub(super) fn new_name(wanted: &str, taken: &dyn Fn(&str) -> bool) -> String {
    if !taken(wanted) {
        return wanted.to_owned();
    }
    let numbered = (2..).map(|number| format!("{wanted}-{number}"));
    let mut free = numbered.filter(|name| !taken(name));
    free.next().unwrap_or_else(|| wanted.to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{duration, name, new_name, time};

    #[test]
    fn times_have_all_units_of_haproxy() {
        for (text, milliseconds) in [
            ("1000", Some(1000)),
            ("0", Some(0)),
            ("500ms", Some(500)),
            ("2s", Some(2000)),
            ("1m", Some(60_000)),
            ("24h", Some(86_400_000)),
            ("2d", Some(172_800_000)),
            ("1500us", Some(1)),
            ("", None),
            ("s", None),
            ("1 s", None),
            ("1w", None),
            ("99999999999999999999", None),
        ] {
            let found = time(text).map(|time| time.as_millis());
            assert_eq!(found, milliseconds, "{text}");
        }
    }

    #[test]
    fn durations_and_names_are_ours() {
        for (milliseconds, text) in [
            (0, "0ms"),
            (500, "500ms"),
            (4000, "4s"),
            (1500, "1500ms"),
            (90_000, "90s"),
            (120_000, "2m"),
            (7_200_000, "2h"),
        ] {
            assert_eq!(duration(Duration::from_millis(milliseconds)), text);
        }
        assert_eq!(name("b:mred1:10.0.0.1"), "b-mred1-10.0.0.1");
        assert_eq!(name("::"), "unnamed");
        assert_eq!(new_name("a", &|name| name != "a-3"), "a-3");
    }
}
