//! `docs/configuration.md` beside the table of keys: the tables in it are made from it, and it names nothing
//! that is not there.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

use rolecall::config::keys::{Key, Needs, Reload, Section, Value, Without};

use crate::draft::{core_of, each_key, spots, words_beside};
use crate::markdown::{code, fences};
use crate::{in_repository, is_update, text_of};

const PAGE: &str = "docs/configuration.md";
const END: &str = "<!-- end of keys -->";

/// Words of the page that look like keys and are others': commands, channels, files, endings of names.
const NOT_OURS: &[&str] = &[
    "rolecall",
    "run",
    "reload",
    "maintenance",
    "allchannels",
    "conf",
    "user",
    "_",
];

fn begin(section: &Section) -> String {
    format!("<!-- keys of {} -->", section.name)
}

/// The table of one section.
fn table(section: &Section) -> String {
    let mut table = String::from(
        "| key | value | without it | what it is for | example | reload |\n|---|---|---|---|---|---|\n",
    );
    for key in section.keys {
        let example = match key.example {
            "" => String::new(),
            text => format!("`{text}`"),
        };
        let _infallible = writeln!(
            table,
            "| `{}` | {} | {} | {} | {example} | {} |",
            key.name,
            value_words(&key.value),
            without_words(key),
            key.about,
            reload_words(key),
        );
    }
    match section.needs {
        Needs::Nothing => {}
        Needs::Any => table.push_str("\nAt least one of them must be there.\n"),
        Needs::OneOf(one, other) => {
            let _infallible = writeln!(table, "\nEither `{one}` or `{other}` must be there.");
        }
    }
    table
}

fn value_words(value: &Value) -> String {
    match value {
        Value::Duration => "duration above zero".into(),
        Value::DurationOrZero => "duration".into(),
        Value::Size => "size above zero".into(),
        Value::Count(range) => format!("number, {} to {}", range.least, range.most),
        Value::Switch => "`true` or `false`".into(),
        Value::Word(words) => {
            let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
            words.join(", ")
        }
        Value::Text => "text".into(),
        Value::Name => "a name of this file".into(),
        Value::Address => "`host:port` or `unix:/path`".into(),
        Value::Bind => "`ip:port` or `unix:/path`".into(),
        Value::SocketAddress => "`ip:port`".into(),
        Value::SocketPath => "an absolute path".into(),
        Value::FilePath => "a path".into(),
        Value::Mode => "octal digits, in quotes".into(),
        Value::Owner => "`user` or `user:group`".into(),
        // `off` and `none` are the same word to the parser: one is told.
        Value::Or(words, inner) => format!("{}, or `{}`", value_words(inner), words[0]),
        Value::List(inner) => format!("{}; or a list", value_words(inner)),
        Value::Map(section) => format!("a [map](#{})", anchor(section)),
        Value::Named(inner) => format!("names, each with {}", value_words(inner)),
        Value::Short(section, inner) => {
            format!("{} or a [map](#{})", value_words(inner), anchor(section))
        }
    }
}

fn without_words(key: &Key) -> String {
    match key.default {
        Without::Required => "**must be there**".into(),
        Without::Is(text) => format!("`{text}`"),
        Without::Words(words) => words.into(),
    }
}

/// A map changes by its keys.
fn reload_words(key: &Key) -> &'static str {
    match (key.reload, core_of_key(key)) {
        (_, Value::Map(_) | Value::Named(_)) => "",
        (Reload::AtOnce, _) => "at once",
        (Reload::NextStart, _) => "next start",
    }
}

fn core_of_key(key: &Key) -> &Value {
    match &key.value {
        Value::Or(_, inner) => inner,
        other => other,
    }
}

/// The heading of a section.
fn anchor(section: &Section) -> String {
    match section.name {
        "the configuration" => "the-file".into(),
        name => name.into(),
    }
}

#[test]
fn each_section_has_its_table_as_the_parser_has_its_keys() {
    let mut page = text_of(PAGE);
    let mut seen = BTreeSet::new();
    for spot in spots() {
        if !seen.insert(spot.section.name) {
            continue;
        }
        let begin = begin(spot.section);
        let Some(start) = page.find(&begin).map(|at| at + begin.len()) else {
            panic!("{PAGE} has no {begin}");
        };
        let Some(end) = page[start..].find(END).map(|at| start + at) else {
            panic!("{PAGE}: {begin} is not closed by {END}");
        };
        let table = format!("\n{}", table(spot.section));
        if is_update() {
            page.replace_range(start..end, &table);
        } else {
            let is = &page[start..end];
            assert_eq!(
                is, table,
                "{PAGE} is not what src/config/keys says: run `make docs`"
            );
        }
    }
    if is_update() {
        fs::write(in_repository(PAGE), page).expect("write");
    }
}

#[test]
fn the_page_names_no_key_that_there_is_not() {
    let mut known: BTreeSet<&str> = NOT_OURS.iter().copied().collect();
    each_key(|_, key| {
        known.insert(key.name);
        known.extend(words_beside(&key.value));
        match core_of(&key.value) {
            Value::Word(words) => known.extend(*words),
            Value::Switch => known.extend(["true", "false"]),
            _ => {}
        }
        known.extend(key.example.split(['[', ']', ',', ' ']));
    });
    let page = text_of(PAGE);
    let unknown: BTreeSet<String> = code(&page)
        .into_iter()
        .flat_map(|code| {
            let name = code.strip_suffix(':').unwrap_or(&code).to_owned();
            let is_key = |part: &str| {
                !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c == '_')
            };
            let parts: Vec<String> = name.split('.').map(str::to_owned).collect();
            let is_metric = name.starts_with("rolecall_");
            if !is_metric && parts.iter().all(|part| is_key(part)) {
                parts
            } else {
                Vec::new()
            }
        })
        .filter(|part| !known.contains(part.as_str()))
        .collect();
    assert_eq!(unknown, BTreeSet::new(), "{PAGE} names what is no key");
}

#[test]
fn each_key_is_in_an_example_of_the_page_and_in_full_yaml() {
    let (found, _) = fences(&text_of(PAGE));
    let examples = found.iter().filter(|fence| fence.info == "yaml");
    let page: String = examples.map(|fence| fence.text.as_str()).collect();
    let full = text_of("config/full.yaml");
    each_key(|_, key| {
        for (what, text) in [(PAGE, &page), ("config/full.yaml", &full)] {
            assert!(shows(text, key.name), "{what} does not show {}", key.name);
        }
    });
}

fn shows(text: &str, key: &str) -> bool {
    text.match_indices(&format!("{key}:")).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        before.is_none_or(|c| matches!(c, ' ' | '\n' | '{'))
    })
}
