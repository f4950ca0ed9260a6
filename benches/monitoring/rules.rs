//! The real rules, with shorter times and thresholds that are reached sooner. Each change must find what it
//! changes, so that a rule that is written otherwise is not left slow unnoticed.

use std::fmt::Write as _;

/// Times: what is in the file, and what it becomes. Longer windows stay longer.
const WINDOWS: &[(&str, &str)] = &[
    ("[1m]", "[3s]"),
    ("[2m]", "[5s]"),
    ("[5m]", "[6s]"),
    ("[10m]", "[12s]"),
    ("[15m]", "[30s]"),
    ("[1h]", "[20s]"),
];

/// Thresholds that are times.
const THRESHOLDS: &[(&str, &str)] = &[("[20s]) > 60", "[20s]) > 2"), (") > 30\n", ") > 2\n")];

/// The rules in a hurry.
pub(crate) fn hurried(rules: &str) -> String {
    let mut text = String::new();
    let mut waits = 0;
    for line in rules.lines() {
        match line.split_once("for: ") {
            Some((indent, _)) if indent.trim().is_empty() => {
                waits += 1;
                let _infallible = writeln!(text, "{indent}for: 1s");
            }
            _ => {
                let _infallible = writeln!(text, "{line}");
            }
        }
    }
    assert!(waits > 5, "the rules have hardly any `for:`");
    for (slow, quick) in WINDOWS.iter().chain(THRESHOLDS) {
        assert!(text.contains(slow), "no rule has {slow:?} any more");
        text = text.replace(slow, quick);
    }
    text
}
