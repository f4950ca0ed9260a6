//! The table of keys says what the parser does: each default, range, word, example and need is tried on it,
//! and what a reload does with each key.

use rolecall::config::keys::{Needs, Reload, Value, Without};
use rolecall::config::reload::{Numbers, plan};
use rolecall::core::ids::{GroupId, ListenerId, NodeId};

use crate::draft::{Draft, Spot, core_of, each_key, spots, words_beside};
use crate::{good, load, said};

/// A value that differs from what holds without the key, whatever machine this is.
fn other_value(key: &rolecall::config::keys::Key) -> String {
    if key.name == "workers" {
        let cores = std::thread::available_parallelism().map_or(1, Into::into);
        return (cores + 1).to_string();
    }
    key.example.to_owned()
}

fn is_map(value: &'static Value) -> bool {
    matches!(core_of(value), Value::Map(_) | Value::Named(_))
}

#[test]
fn each_default_is_what_the_parser_takes_for_a_missing_key() {
    let mut tried = 0;
    each_key(|spot, key| {
        let without = Draft::around(spot, key.name).without(spot, key.name);
        match key.default {
            Without::Is(text) => {
                let with = without.clone().with(spot, key.name, text);
                let (with, without) = (with.to_string(), without.to_string());
                assert_eq!(good(&with), good(&without), "{}: {text}", key.name);
                tried += 1;
            }
            Without::Required => {
                let missed = format!("has no {}", key.name);
                let said = said(&without.to_string());
                assert!(said.contains(&missed), "{missed}\n{said}");
            }
            Without::Words(_) if spot.section.needs == Needs::Nothing => {
                good(&without.to_string());
            }
            Without::Words(_) => {}
        }
    });
    assert!(tried > 20, "{tried}");
}

#[test]
fn each_example_is_accepted_and_makes_a_difference() {
    each_key(|spot, key| {
        if is_map(&key.value) {
            assert_eq!(key.example, "", "{}", key.name);
            return;
        }
        assert!(!key.example.is_empty(), "{}", key.name);
        let base = Draft::around(spot, key.name);
        good(&base.clone().with(spot, key.name, key.example).to_string());
        let changed = base.clone().with(spot, key.name, &other_value(key));
        let same = match load(&base.to_string()) {
            Ok(before) => before == good(&changed.to_string()),
            // It was missing.
            Err(_) => false,
        };
        // The only group is the group, written or not.
        assert_eq!(same, key.name == "group", "{}: {}", key.name, key.example);
    });
}

#[test]
fn each_range_is_the_parsers() {
    let mut tried = 0;
    each_key(|spot, key| {
        let Value::Count(range) = core_of(&key.value) else {
            return;
        };
        let base = Draft::around(spot, key.name);
        let takes = |number: u64| {
            let text = base.clone().with(spot, key.name, &number.to_string());
            load(&text.to_string()).is_ok()
        };
        assert!(takes(range.least) && takes(range.most), "{}", key.name);
        assert!(!takes(range.most + 1), "{}", key.name);
        if let Some(below) = range.least.checked_sub(1) {
            assert!(!takes(below), "{}", key.name);
        }
        tried += 1;
    });
    assert_eq!(tried, 6);
}

#[test]
fn each_word_is_the_parsers() {
    each_key(|spot, key| {
        let words = match core_of(&key.value) {
            Value::Word(words) => words,
            Value::Switch => &["true", "false"][..],
            _ => &[],
        };
        let base = Draft::around(spot, key.name);
        for word in words.iter().chain(words_beside(&key.value)) {
            let text = base.clone().with(spot, key.name, word).to_string();
            if let Err(problems) = load(&text) {
                // A section that is off is no section, so what refers to it may be missed.
                panic!("{}: {word}\n{text}\n{problems}", key.name);
            }
        }
        if !words.is_empty() {
            let text = base.with(spot, key.name, "colourful").to_string();
            assert!(load(&text).is_err(), "{text}");
        }
    });
}

#[test]
fn durations_and_sizes_need_their_unit_and_zero_counts_where_it_is_said() {
    each_key(|spot, key| {
        let (bare, zero, takes_zero) = match core_of(&key.value) {
            Value::Duration => ("500", "0s", false),
            Value::DurationOrZero => ("500", "0s", true),
            Value::Size => ("4096", "0B", false),
            _ => return,
        };
        let base = Draft::around(spot, key.name);
        let text = base.clone().with(spot, key.name, bare).to_string();
        assert!(said(&text).contains("is a bare number"), "{text}");
        let text = base.with(spot, key.name, zero).to_string();
        assert_eq!(load(&text).is_ok(), takes_zero, "{text}");
    });
}

#[test]
fn what_a_section_needs_is_asked_for() {
    let mut tried = 0;
    for spot in spots() {
        let names = spot.section.names();
        let first = names.first().copied().unwrap_or_default();
        let empty = names
            .iter()
            .fold(Draft::around(&spot, first), |file, name| {
                file.without(&spot, name)
            });
        match spot.section.needs {
            Needs::Nothing => continue,
            Needs::Any => assert!(load(&empty.to_string()).is_err(), "{empty}"),
            Needs::OneOf(one, other) => {
                assert!(load(&empty.to_string()).is_err(), "{empty}");
                let both = empty.with(&spot, one, "x").with(&spot, other, "x");
                assert!(said(&both.to_string()).contains("both"), "{both}");
            }
        }
        tried += 1;
    }
    assert_eq!(
        tried, 3,
        "max_lag, and auth of a group and of its Sentinels"
    );
}

#[test]
fn no_section_takes_a_key_that_the_table_does_not_have() {
    for spot in spots() {
        let name = spot.section.keys[0].name;
        let text = Draft::around(&spot, name).with(&spot, "colour", "blue");
        assert!(said(&text.to_string()).contains("unknown key"), "{text}");
    }
}

#[test]
fn the_table_is_tidy() {
    for spot in spots() {
        let mut names = spot.section.names();
        names.sort_unstable();
        names.dedup();
        assert_eq!(
            names.len(),
            spot.section.keys.len(),
            "{}",
            spot.section.name
        );
    }
    each_key(|_, key| {
        assert!(key.about.ends_with('.'), "{}: {}", key.name, key.about);
        assert!(
            !key.about.contains('|'),
            "{}: it goes into a table",
            key.name
        );
    });
}

#[test]
fn a_reload_does_with_each_key_what_the_table_says() {
    let mut tried = 0;
    each_key(|spot, key| {
        if is_map(&key.value) || key.name == "group" {
            return;
        }
        let (before, after) = before_and_after(spot, key);
        let (old, new) = (good(&before), good(&after));
        let plan = plan(&old, &old, new, &mut Fresh(1000));
        assert!(!plan.changes.is_empty(), "nobody tells:\n{after}");
        for change in &plan.changes {
            let told = change.needs_restart;
            assert_eq!(told, key.reload == Reload::NextStart, "{}", change.text);
        }
        if key.reload == Reload::NextStart {
            assert_eq!(plan.config, old, "{} is changed at once", key.name);
        } else {
            assert_ne!(plan.config, old, "{} is not changed", key.name);
        }
        tried += 1;
    });
    assert!(tried > 30, "{tried}");
}

/// Two files that differ in one key.
fn before_and_after(spot: &Spot, key: &rolecall::config::keys::Key) -> (String, String) {
    let base = Draft::around(spot, key.name);
    let after = base.clone().with(spot, key.name, &other_value(key));
    let before = match (spot.section.name, key.name, key.default) {
        ("auth", "password" | "password_file", _) => base.with(spot, "password", "another"),
        (_, "address", Without::Required) => base.with(spot, key.name, "10.1.1.7:6379"),
        (_, "name", Without::Required) => base.with(spot, key.name, "another"),
        (_, "addresses", Without::Required) => base.with(spot, key.name, "10.1.1.7:26379"),
        _ => base,
    };
    (before.to_string(), after.to_string())
}

/// Numbers for what a reload adds.
struct Fresh(u32);

impl Fresh {
    fn next(&mut self) -> u32 {
        self.0 += 1;
        self.0
    }
}

impl Numbers for Fresh {
    fn node(&mut self) -> NodeId {
        NodeId(self.next())
    }

    fn group(&mut self) -> GroupId {
        GroupId(self.next())
    }

    fn listener(&mut self) -> ListenerId {
        ListenerId(self.next())
    }
}
