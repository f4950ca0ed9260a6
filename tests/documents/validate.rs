//! The schema against files: those that we ship, each key by itself, and files that are wrong.

use std::fs;

use rolecall::config::keys::Value;

use crate::draft::{Draft, core_of, each_key, words_beside};
use crate::schema::{PATH, schema, text, yaml};
use crate::{in_repository, is_update, load, text_of};

/// What the schema says of a file: nothing, or where it is wrong.
fn complaints(schema: &jsonschema::Validator, file: &str) -> Vec<String> {
    schema
        .iter_errors(&yaml(file))
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

fn validator() -> jsonschema::Validator {
    jsonschema::draft7::new(&schema()).expect("a schema")
}

#[test]
fn the_schema_is_the_one_that_the_table_makes() {
    if is_update() {
        fs::write(in_repository(PATH), text()).expect("write");
    }
    let written: serde_json::Value = serde_json::from_str(&text_of(PATH)).expect("JSON");
    assert!(
        written == schema(),
        "{PATH} is not what src/config/keys says: run `make docs`"
    );
}

#[test]
fn the_schema_is_one() {
    let schema = schema();
    if let Err(error) = jsonschema::draft7::meta::validate(&schema) {
        panic!("{error}");
    }
}

#[test]
fn each_example_file_is_valid_and_names_the_schema() {
    let schema = validator();
    let mut seen = 0;
    for entry in fs::read_dir(in_repository("config")).expect("config/") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let file = fs::read_to_string(&path).expect("the file");
        assert_eq!(
            complaints(&schema, &file),
            Vec::<String>::new(),
            "{}",
            path.display()
        );
        let first = file.lines().next().unwrap_or_default();
        let named = first.strip_prefix("# yaml-language-server: $schema=");
        let beside = named.map(|name| path.with_file_name(name));
        let there = beside.is_some_and(|schema| schema == in_repository(PATH));
        assert!(there, "{} begins with {first}", path.display());
        seen += 1;
    }
    assert!(seen >= 3, "{seen}");
}

#[test]
fn the_schema_takes_each_default_and_example() {
    let schema = validator();
    each_key(|spot, key| {
        let mut values: Vec<&str> = words_beside(&key.value).to_vec();
        values.extend(match key.default {
            rolecall::config::keys::Without::Is(text) => Some(text),
            _ => None,
        });
        if !key.example.is_empty() {
            values.push(key.example);
        }
        if let Value::Word(words) = core_of(&key.value) {
            values.extend(*words);
        }
        for text in values {
            let file = Draft::around(spot, key.name).with(spot, key.name, text);
            let complaints = complaints(&schema, &file.to_string());
            assert_eq!(complaints, Vec::<String>::new(), "{file}");
        }
    });
}

/// Texts of every kind, each tried behind every key: the schema agrees with the parser on all of them.
const TEXTS: &[&str] = &[
    "500",
    "0",
    "-1",
    "1.5",
    "500ms",
    "1m30s",
    "0s",
    "0ms0s",
    "00s",
    "1s0ms",
    "1d",
    "1 s",
    "ms",
    "64KiB",
    "1MB",
    "0B",
    "1kb",
    "2GiB",
    "true",
    "false",
    "yes",
    "off",
    "none",
    "auto",
    "text",
    "json",
    "info",
    "verbose",
    "read-only",
    "readonly",
    "read-write",
    "10.1.1.8:6390",
    "redis.example.net:6390",
    "\"[::1]:6390\"",
    "redis.example.net",
    "\":6390\"",
    "unix:/run/r.sock",
    "unix:r.sock",
    "/run/r.sock",
    "\"0640\"",
    "rwx",
    "\"${FROM_THE_ENVIRONMENT}\"",
    "\"\"",
    "[]",
];

#[test]
fn the_schema_agrees_with_the_parser_on_values_of_every_kind() {
    let schema = validator();
    let (mut taken, mut refused) = (0, 0);
    each_key(|spot, key| {
        if matches!(
            core_of(&key.value),
            Value::Text | Value::Name | Value::FilePath
        ) || is_list_of_names(core_of(&key.value))
        {
            // Any text is one; whether the name exists is for `rolecall check`.
            return;
        }
        for text in TEXTS {
            let file = Draft::around(spot, key.name).with(spot, key.name, text);
            let file = file.to_string();
            let parsed = load_with_a_fitting_variable(&file, key);
            let complaints = complaints(&schema, &file);
            if parsed.as_ref().is_err_and(|said| is_beyond_a_schema(said)) {
                assert_eq!(complaints, Vec::<String>::new(), "{file}");
                continue;
            }
            let is_ok = parsed.is_ok();
            assert_eq!(
                complaints.is_empty(),
                is_ok,
                "{complaints:?} {parsed:?}\n{file}"
            );
            *(if is_ok { &mut taken } else { &mut refused }) += 1;
        }
    });
    assert!(taken > 60 && refused > 400, "{taken} {refused}");
}

fn is_list_of_names(value: &Value) -> bool {
    matches!(value, Value::List(Value::Name))
}

/// Whether it is more than one value by itself that is wrong, or a number in quotes, of which a pattern tells
/// no range.
fn is_beyond_a_schema(said: &str) -> bool {
    [
        "is not below park.timeout",
        "is longer than interval",
        "\"0640\" is out of range",
    ]
    .iter()
    .any(|phrase| said.contains(phrase))
}

/// A variable that holds what the key takes.
fn load_with_a_fitting_variable(
    file: &str,
    key: &'static rolecall::config::keys::Key,
) -> Result<(), String> {
    let fitting = key.example.trim_matches('"');
    let fitting = match core_of(&key.value) {
        Value::List(_) => "10.1.1.8:6391",
        Value::Map(_) | Value::Named(_) => return load(file).map(drop).map_err(|p| p.to_string()),
        _ => fitting,
    };
    rolecall::config::parse(
        file,
        "rolecall.yaml",
        &|_| Some(fitting.to_owned()),
        &|_| Ok(String::new()),
    )
    .map(drop)
    .map_err(|problems| problems.to_string())
}

#[test]
fn the_schema_refuses_files_that_are_wrong() {
    let schema = validator();
    let good = Draft::whole().to_string();
    assert_eq!(complaints(&schema, &good), Vec::<String>::new());
    for (from, to) in [
        ("access: read-only", "access: read-only, colour: blue"),
        ("access: read-only", "access: readonly"),
        ("access: read-only", "acess: read-only"),
        ("access: read-only", "access: read-only, idle_timeout: 60"),
        (
            "access: read-only",
            "access: read-only, park: { timeout: 10 }",
        ),
        ("access: read-only", "access: read-only, park: 10s"),
        ("access: read-only", "access: read-only, max_connections: 0"),
        ("access: read-only", "access: read-only, nodes: []"),
        ("bind: 127.0.0.2:6379", "bind: localhost:6379"),
        (
            "bind: 127.0.0.2:6379",
            "bind: [127.0.0.2:6379, 127.0.0.2:6379]",
        ),
        ("bind: 127.0.0.2:6379, ", ""),
        ("local: true", "local: yes"),
        ("local: true", "weight: 300"),
        ("address: 10.1.1.3:6379", "local: false"),
        ("10.1.1.1:6379", "10.1.1.1"),
        ("redis-1:", "redis 1:"),
        ("groups: { main:", "groups: { main: { nodes: {} }, other:"),
        ("listeners:", "log: { level: verbose }\nlisteners:"),
        ("listeners:", "admin: { http: 9379 }\nlisteners:"),
        ("listeners:", "worker: 2\nlisteners:"),
        ("listeners:", "servers:"),
        ("groups: { main: {", "groups: { main: { max_lag: {},"),
        (
            "groups: { main: {",
            "groups: { main: { max_lag: { bytes: 64 },",
        ),
        (
            "groups: { main: {",
            "groups: { main: { auth: { username: me },",
        ),
        ("groups: { main: {", "groups: { main: { auth: secret,"),
        (
            "groups: { main: {",
            "groups: { main: { sentinel: { name: m },",
        ),
    ] {
        assert!(good.contains(from), "{from}\n{good}");
        let bad = good.replace(from, to);
        assert!(load(&bad).is_err(), "the parser takes it:\n{bad}");
        let complaints = complaints(&schema, &bad);
        assert!(!complaints.is_empty(), "the schema takes it:\n{bad}");
    }
    let both = good.replace(
        "groups: { main: {",
        "groups: { main: { auth: { password: a, password_file: b },",
    );
    assert!(!complaints(&schema, &both).is_empty(), "{both}");
}
