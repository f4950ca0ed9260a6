//! Series that are shown no more: those of nodes and listeners that have gone.
//!
//! A recorder cannot forget a series, and a node that was dropped an hour ago must not look like one that
//! is down. So its series are left out of the page.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// Label pairs; a series that has all of them is not shown.
type Labels = Vec<(&'static str, String)>;

static HIDDEN: Mutex<BTreeSet<Labels>> = Mutex::new(BTreeSet::new());

/// Shows no more series that have all these labels.
pub fn hide(labels: &[(&'static str, &str)]) {
    with(|hidden| hidden.insert(owned(labels)));
}

/// Shows them again.
pub fn show(labels: &[(&'static str, &str)]) {
    with(|hidden| hidden.remove(&owned(labels)));
}

/// What is hidden now.
pub(super) fn hidden() -> Vec<Vec<String>> {
    let quoted = |labels: &Labels| {
        let pairs = labels.iter();
        pairs
            .map(|(key, value)| format!("{key}=\"{value}\""))
            .collect()
    };
    with(|hidden| hidden.iter().map(quoted).collect())
}

/// Whether a line of the page belongs to a hidden series.
pub(super) fn is_hidden(line: &str, hidden: &[Vec<String>]) -> bool {
    let has = |pair: &String| {
        let mut places = line.match_indices(pair.as_str());
        places.any(|(place, _)| line[..place].ends_with(['{', ',']))
    };
    hidden.iter().any(|labels| labels.iter().all(has))
}

fn with<T>(change: impl FnOnce(&mut BTreeSet<Labels>) -> T) -> T {
    change(&mut HIDDEN.lock().unwrap_or_else(PoisonError::into_inner))
}

fn owned(labels: &[(&'static str, &str)]) -> Labels {
    let pairs = labels.iter();
    pairs
        .map(|(key, value)| (*key, (*value).to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_hidden_when_it_has_all_the_labels() {
        let hidden = [vec!["group=\"g\"".to_owned(), "node=\"n\"".to_owned()]];
        for (line, is) in [
            ("up{group=\"g\",node=\"n\"} 1", true),
            ("up{group=\"g\",node=\"n\",role=\"primary\"} 1", true),
            ("up{group=\"g\",node=\"n2\"} 1", false),
            ("up{group=\"g2\",node=\"n\"} 1", false),
            ("up{subgroup=\"g\",node=\"n\"} 1", false),
            ("up 1", false),
        ] {
            assert_eq!(is_hidden(line, &hidden), is, "{line}");
        }
    }
}
