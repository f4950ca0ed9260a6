//! Every YAML example of the pages is a configuration that loads.
//!
//! What is a part of a file is completed in this way: where its keys are those of a section of the table, it is
//! put there, in a file of one group (redis-1, redis-2, redis-3, redis-local) and two listeners (redis-rw,
//! redis-ro); the sections are tried from the top of the file downwards. At the top, `groups` and `listeners`
//! are added where they are missing, and so are redis-rw and redis-ro where a listener falls back to them. A map of
//! names is taken for nodes, else for listeners.
//!
//! A block with a further word is something else: `yaml wrong` is refused, and the block after it is what
//! `rolecall check` says; any other word (`yaml kubernetes`) is the format of another program, and left
//! aside. So is what nobody could take for ours: a file of Kubernetes, of Compose, of Prometheus.

use std::fs;

use rolecall::config::keys::{Section, TOP};
use serde_json::{Value as Json, json};

use crate::draft::{Draft, Spot, spots};
use crate::markdown::fences;
use crate::schema::yaml;
use crate::{in_repository, is_update, load, pages, said, text_of};

const GROUPS: &str = "groups: { main: { nodes: { redis-1: 10.1.1.1:6379, redis-2: 10.1.1.2:6379, \
     redis-3: 10.1.1.3:6379, redis-local: { address: 127.0.0.4:6379, local: true } } } }";
const LISTENERS: &str = "listeners: { redis-rw: { bind: 127.0.0.1:6379, access: read-write }, \
     redis-ro: { bind: 127.0.0.2:6379, access: read-only } }";

/// The keys at the top of other programs' files.
const OTHERS: &[&str] = &[
    "apiVersion",
    "services",
    "scrape_configs",
    "rule_files",
    "datasources",
];

#[test]
fn every_yaml_example_loads() {
    let mut loaded = 0;
    for page in pages() {
        for fence in fences(&text_of(&page)).0 {
            if fence.info != "yaml" || is_of_another_program(&fence.text) {
                continue;
            }
            let whole = completed(&fence.text);
            if let Err(problems) = load(&whole) {
                panic!("{page}:{}\n{problems}\n{whole}", fence.line);
            }
            loaded += 1;
        }
    }
    assert!(loaded > 10, "{loaded}");
}

#[test]
fn every_wrong_example_is_refused_as_the_page_says() {
    let mut told = 0;
    for page in pages() {
        let text = text_of(&page);
        let expected = with_messages(&text, &mut told);
        if is_update() && expected != text {
            fs::write(in_repository(&page), &expected).expect("write");
        }
        assert_eq!(text_of(&page), expected, "{page}: run `make docs`");
    }
    assert!(told > 10, "{told}");
}

/// The page with what is said of each wrong example in the block after it.
fn with_messages(page: &str, told: &mut usize) -> String {
    let (found, _) = fences(page);
    let mut lines: Vec<String> = page.lines().map(str::to_owned).collect();
    // From the end, so that the lines before stay where they are.
    for (index, fence) in found.iter().enumerate().rev() {
        if fence.info != "yaml wrong" {
            continue;
        }
        let Some(answer) = found.get(index + 1) else {
            panic!("line {}: no block follows", fence.line);
        };
        let first = answer.line;
        let after = first + answer.text.lines().count();
        let said = said(&completed_top(&fence.text));
        lines.splice(first..after, said.lines().map(str::to_owned));
        *told += 1;
    }
    lines.join("\n") + "\n"
}

/// The keys at the top of a block.
fn keys_of(text: &str) -> Vec<String> {
    match yaml(text) {
        Json::Object(map) => map.keys().cloned().collect(),
        _ => Vec::new(),
    }
}

fn is_of_another_program(text: &str) -> bool {
    if text.lines().any(|line| line == "---") {
        return true;
    }
    let is_list = |key: &str| yaml(text).get(key).is_some_and(Json::is_array);
    let keys = keys_of(text);
    // Prometheus keeps its rules under `groups` too, in a list.
    keys.is_empty() || is_list("groups") || keys.iter().any(|key| OTHERS.contains(&key.as_str()))
}

fn completed(text: &str) -> String {
    let keys = keys_of(text);
    if has_all(&TOP, &keys) {
        let whole = completed_top(text);
        return match load(&whole) {
            Ok(_) => whole,
            Err(_) => with_listeners(&yaml(text)),
        };
    }
    // From the top downwards: a section comes before those inside it.
    let mut all = spots();
    all.sort_by_key(|spot| spot.path.len());
    if let Some(spot) = all.iter().find(|spot| has_all(spot.section, &keys)) {
        return put(spot, &yaml(text));
    }
    let mut nodes = Draft::whole();
    nodes.set(&["groups", "main", "nodes"], &flow(&yaml(text)));
    if load(&nodes.to_string()).is_ok() {
        return nodes.to_string();
    }
    with_listeners(&json!({ "listeners": yaml(text) }))
}

/// Beside the listeners of the part those of the draft.
fn with_listeners(part: &Json) -> String {
    let mut file = Draft::whole();
    let Json::Object(entries) = part else {
        panic!("a map: {part}");
    };
    for (name, value) in entries {
        match (name.as_str(), value) {
            ("listeners", Json::Object(listeners)) => {
                for (name, value) in listeners {
                    file.set(&["listeners", name], &flow(value));
                }
            }
            _ => file.set(&[name], &flow(value)),
        }
    }
    file.to_string()
}

fn has_all(section: &Section, keys: &[String]) -> bool {
    let names = section.names();
    keys.iter().all(|key| names.contains(&key.as_str()))
}

/// What the part lacks of its section is added by the draft.
fn put(spot: &Spot, part: &Json) -> String {
    let Json::Object(entries) = part else {
        panic!("a map: {part}");
    };
    let first = entries.keys().next().map_or("", String::as_str);
    let mut file = Draft::around(spot, first);
    for (name, value) in entries {
        file.set(&[&spot.path[..], &[name]].concat(), &flow(value));
    }
    file.to_string()
}

/// In one line. Plain words stay plain: `"off"` in quotes is a name, and no switch.
fn flow(value: &Json) -> String {
    match value {
        Json::Object(entries) => {
            let all: Vec<String> = entries
                .iter()
                .map(|(name, value)| format!("{name}: {}", flow(value)))
                .collect();
            format!("{{ {} }}", all.join(", "))
        }
        Json::Array(items) => {
            let all: Vec<String> = items.iter().map(flow).collect();
            format!("[{}]", all.join(", "))
        }
        Json::String(word) if word.chars().all(|c| c.is_ascii_alphabetic()) => word.clone(),
        other => other.to_string(),
    }
}

fn completed_top(text: &str) -> String {
    let keys: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split_once(':').map(|(key, _)| key))
        .collect();
    let mut whole = text.to_owned();
    for (key, line) in [("groups", GROUPS), ("listeners", LISTENERS)] {
        if !keys.contains(&key) {
            whole.push_str(line);
            whole.push('\n');
        }
    }
    whole
}
