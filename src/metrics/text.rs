//! The last touch on the rendered page: families and series in a fixed order (the recorder's maps have
//! none, and people compare pages), and counters of seconds in seconds.
//!
//! Pure text to text. It knows the shape of the page, not what is on it.

use super::hidden::is_hidden;
use super::{ALL, Kind};

/// The page in order, without the series that have all labels of an entry of `hidden`.
pub(super) fn tidy(page: &str, hidden: &[Vec<String>]) -> String {
    // A label value holds no line break (the recorder escapes it), so an empty line ends a family.
    let mut families: Vec<Vec<&str>> = page
        .split("\n\n")
        .map(|family| family.lines().collect::<Vec<_>>())
        .filter(|family| !family.is_empty())
        .collect();
    families.sort_by_key(|family| name_of(family).to_owned());
    let mut tidied = String::with_capacity(page.len());
    for family in &mut families {
        family.retain(|line| !is_hidden(line, hidden));
        append(&mut tidied, family);
    }
    tidied
}

fn append(page: &mut String, family: &mut [&str]) {
    let name = name_of(family);
    let kind = ALL
        .iter()
        .find(|metric| metric.name == name)
        .map(|metric| metric.kind);
    let comments = family
        .iter()
        .take_while(|line| line.starts_with('#'))
        .count();
    let (head, series) = family.split_at_mut(comments);
    // The buckets of a histogram already have an order of their own, which must stay.
    if !matches!(kind, Some(Kind::Histogram(_))) {
        series.sort_unstable();
    }
    for line in head {
        page.push_str(line);
        page.push('\n');
    }
    for line in series {
        match kind {
            Some(Kind::Seconds) => push_seconds(page, line),
            _ => page.push_str(line),
        }
        page.push('\n');
    }
}

/// The name of a family: that of its TYPE line.
fn name_of<'a>(family: &[&'a str]) -> &'a str {
    family
        .iter()
        .find_map(|line| line.strip_prefix("# TYPE "))
        .and_then(|rest| rest.split(' ').next())
        .unwrap_or_default()
}

/// A series whose value is a number of microseconds.
fn push_seconds(page: &mut String, line: &str) {
    let Some((series, micros)) = line
        .rsplit_once(' ')
        .and_then(|(series, value)| Some((series, value.parse::<u64>().ok()?)))
    else {
        return page.push_str(line);
    };
    let value = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    page.push_str(series);
    page.push(' ');
    page.push_str(value.trim_end_matches('0').trim_end_matches('.'));
}

#[cfg(test)]
mod tests {
    use super::tidy;

    #[test]
    fn families_and_series_come_in_order() {
        let page =
            "# HELP b B.\n# TYPE b gauge\nb{x=\"2\"} 1\nb{x=\"1\"} 1\n\n# TYPE a gauge\na 1\n\n";
        let tidied =
            "# TYPE a gauge\na 1\n# HELP b B.\n# TYPE b gauge\nb{x=\"1\"} 1\nb{x=\"2\"} 1\n";
        assert_eq!(tidy(page, &[]), tidied);
        let hidden = [vec!["x=\"1\"".to_owned()]];
        let without = tidied.replace("b{x=\"1\"} 1\n", "");
        assert_eq!(tidy(page, &hidden), without);
    }

    #[test]
    fn microseconds_become_seconds() {
        for (micros, seconds) in [
            ("0", "0"),
            ("1", "0.000001"),
            ("1500000", "1.5"),
            ("10000000", "10"),
        ] {
            let page = format!(
                "# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total {micros}\n\n"
            );
            let expected = format!(
                "# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total {seconds}\n"
            );
            assert_eq!(tidy(&page, &[]), expected);
        }
    }

    #[test]
    fn an_empty_page_stays_empty() {
        assert_eq!(tidy("", &[]), "");
    }
}
