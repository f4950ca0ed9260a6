//! Each refusal: its place, its words and its hint. `»` stands before each place that is to be told,
//! and there must be no other problem.

use super::{file, parse, said};

/// Texts that are put together from the file below, and what is said: message, part of the hint.
pub(super) fn check(text: &str, expected: &[(&str, &str)]) {
    let mut places = Vec::new();
    let mut plain = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let mut cleaned = String::new();
        for character in line.chars() {
            match character {
                '»' => places.push((index + 1, cleaned.chars().count() + 1)),
                other => cleaned.push(other),
            }
        }
        plain.push(cleaned);
    }
    let plain = plain.join("\n");
    let Err(problems) = parse(&plain) else {
        panic!("accepted:\n{plain}");
    };
    let told: Vec<_> = problems
        .iter()
        .map(|problem| (problem.line().unwrap_or(0), problem.column().unwrap_or(0)))
        .collect();
    assert_eq!(told, places, "{plain}\n{problems}");
    for (problem, (message, hint)) in problems.iter().zip(expected) {
        assert_eq!(problem.message(), *message, "{plain}\n{problems}");
        let advice = problem.advice().unwrap_or_default();
        assert!(
            advice.contains(hint) && !advice.is_empty(),
            "{hint}\n{problems}"
        );
    }
    assert_eq!(told.len(), expected.len(), "{problems}");
}

pub(super) fn in_group(lines: &str, message: &str, hint: &str) {
    check(&file(&format!("    {lines}\n"), ""), &[(message, hint)]);
}

pub(super) fn in_listeners(lines: &str, message: &str, hint: &str) {
    check(&file("", &format!("  {lines}\n")), &[(message, hint)]);
}

/// A file with these nodes and listeners.
pub(super) fn with(nodes: &str, listeners: &str) -> String {
    format!("groups: {{ main: {{ nodes: {{ {nodes} }} }} }}\nlisteners:\n{listeners}")
}

pub(super) const NODE: &str = "a: 10.0.0.1:6379";

#[test]
fn a_problem_is_told_like_a_compiler_does() {
    let text = file("    check: { intervall: 500ms, timeout: 500 }\n", "");
    assert_eq!(
        said(&text),
        "c.yaml:4:14: unknown key \"intervall\" of check\n\
         \x20 4 |     check: { intervall: 500ms, timeout: 500 }\n\
         \x20   |              ^^^^^^^^^\n\
         \x20 hint: did you mean \"interval\"?\n\
         \n\
         c.yaml:4:41: timeout: \"500\" is a bare number\n\
         \x20 4 |     check: { intervall: 500ms, timeout: 500 }\n\
         \x20   |                                         ^^^\n\
         \x20 hint: write 500ms or 500s"
    );
}

#[test]
fn all_problems_of_a_file_are_told_in_the_order_of_its_lines() {
    check(
        "»lissteners: 1\n\
         groups:\n  main:\n    »ckeck: {}\n    nodes:\n      a: »10.0.0.1\n      »a: 10.0.0.2:1\n    claim_hold: »7\n\
         listeners:\n  rw: { bind: »\"localhost:1\", access: »readwrite, fallback: »x }\n\
         workers: »0\n",
        &[
            (
                "unknown key \"lissteners\" of the configuration",
                "did you mean \"listeners\"?",
            ),
            (
                "unknown key \"ckeck\" of group main",
                "did you mean \"check\"?",
            ),
            (
                "a: \"10.0.0.1\" has no port",
                "host:port, such as 10.1.1.1:6379",
            ),
            ("duplicate key \"a\" of nodes", "already on line 6"),
            ("claim_hold: \"7\" is a bare number", "write 7ms or 7s"),
            (
                "bind: \"localhost:1\" is a host name",
                "write an IP address: 127.0.0.1:1",
            ),
            (
                "access: \"readwrite\" is no access",
                "did you mean \"read-write\"?",
            ),
            ("there is no listener \"x\"", "there are: rw"),
            ("workers: \"0\" is out of range", "from 1 to 1024"),
        ],
    );
}

#[test]
fn text_that_is_not_yaml() {
    for (text, message, hint) in [
        (
            "groups:\n  main: »{\n    nodes: {}\n",
            "not valid YAML: ",
            "bracket",
        ),
        ("groups:\n\t»main: 1\n", "not valid YAML: ", "spaces"),
        ("groups: a»: b\n", "not valid YAML: ", "quote"),
        (
            "groups: »*x\n",
            "not valid YAML: ",
            "quote a value that begins with *",
        ),
        ("groups: »!x {}\n", "YAML tags", "remove the tag"),
        ("a: 1\n»---\nb: 1\n", "a second YAML document", "one file"),
        ("»{a: 1}: b\n", "a key must be", "quote"),
        ("a: &x [»*x]\n", "this alias refers to itself", ""),
    ] {
        let plain = text.replace('»', "");
        let Err(problems) = parse(&plain) else {
            panic!("accepted: {text}");
        };
        let told: Vec<_> = problems.iter().collect();
        assert_eq!(told.len(), 1, "{problems}");
        assert!(told[0].message().starts_with(message), "{problems}");
        assert!(
            told[0].advice().unwrap_or_default().contains(hint),
            "{problems}"
        );
        let before: Vec<&str> = text
            .split('»')
            .next()
            .unwrap_or_default()
            .split('\n')
            .collect();
        let column = before.last().map_or(0, |line| line.chars().count() + 1);
        let place = (told[0].line(), told[0].column());
        assert_eq!(
            place,
            (Some(before.len()), Some(column)),
            "{text}\n{problems}"
        );
    }
}

#[test]
fn what_must_be_there_is_missed() {
    let top = "the configuration";
    check("»", &[(&format!("{top} is empty"), "groups")]);
    check(
        "»groups",
        &[(
            &format!("{top} must be a map, but this is a single value"),
            "groups",
        )],
    );
    check(
        "»»workers: 1",
        &[
            (&format!("{top} has no groups"), "write groups:"),
            (&format!("{top} has no listeners"), "write listeners:"),
        ],
    );
    check(
        "»groups: {}\n»listeners: {}\n",
        &[("groups is empty", "nodes"), ("listeners is empty", "bind")],
    );
    check(
        &with("", "  »»rw: { }").replace("nodes", "»nodes"),
        &[
            ("nodes is empty", "redis-1: 10.1.1.1:6379"),
            ("listener rw has no bind", "127.0.0.1:6379"),
            (
                "listener rw has no access",
                "read-write, read-only or local-read-only",
            ),
        ][..],
    );
    check(
        "groups: { »main: {} }\nlisteners: »[x]\n",
        &[
            ("group main has no nodes", "redis-1: 10.1.1.1:6379"),
            ("listeners must be a map, but this is a list", "redis-rw"),
        ],
    );
    check(
        &with(
            "»a: { local: false }, »b: ",
            "  rw: { bind: \"127.0.0.1:1\", access: read-write }",
        ),
        &[
            ("node a has no address", "address:"),
            ("b has no value", "remove the key"),
        ],
    );
}

#[test]
fn values_of_the_wrong_type() {
    in_group("»check:", "check is empty", "interval");
    in_group(
        "check: »[1]",
        "check must be a map, but this is a list",
        "interval",
    );
    in_group(
        "claim_hold: »{ a: 1s }",
        "claim_hold must be a single value, but this is a map",
        "key: value",
    );
    in_listeners(
        "»a b: { bind: \"127.0.0.1:1\", access: read-only }",
        "\"a b\" cannot be a name",
        "letters",
    );
    in_listeners("»r: ", "listener r is empty", "bind");
    in_listeners(
        "r: { bind: \"127.0.0.1:1\", access: read-only, nodes: »[] }",
        "nodes is an empty list",
        "at least one",
    );
    in_listeners(
        "r: { bind: \"127.0.0.1:1\", access: read-only, nodes: [a, »a] }",
        "nodes has the same value twice",
        "already on line",
    );
    in_listeners(
        "r: { bind: [\"127.0.0.1:1\", »{}], access: read-only }",
        "bind must be a single value, but this is a map",
        "key",
    );
}

#[test]
fn durations_and_sizes_of_groups() {
    for (line, message, hint) in [
        (
            "claim_hold: »2",
            "claim_hold: \"2\" is a bare number",
            "2ms or 2s",
        ),
        (
            "claim_hold: »2sec",
            "claim_hold: \"2sec\" has an unknown unit",
            "ms, s, m and h",
        ),
        (
            "claim_hold: »1.5s",
            "claim_hold: \"1.5s\" is not a duration",
            "whole number",
        ),
        (
            "claim_hold: »-1s",
            "claim_hold: \"-1s\" is not a duration",
            "whole number",
        ),
        (
            "claim_hold: »0s",
            "claim_hold: \"0s\" must not be zero",
            "500ms",
        ),
        (
            "stale_reads: »99999999999999999999h",
            "stale_reads: \"99999999999999999999h\" is too long",
            "8760h",
        ),
        (
            "stale_reads: »\"\"",
            "stale_reads: \"\" is not a duration",
            "500ms",
        ),
        (
            "check: { timeout: »0ms }",
            "timeout: \"0ms\" must not be zero",
            "500ms",
        ),
        (
            "check: { interval: »0s }",
            "interval: \"0s\" must not be zero",
            "500ms",
        ),
        (
            "check: { fall: »0 }",
            "fall: \"0\" is out of range",
            "from 1 to",
        ),
        (
            "check: { rise: »two }",
            "rise: \"two\" is not a whole number",
            "from 1 to",
        ),
        (
            "check: { interval: 100ms, fast_interval: »200ms }",
            "fast_interval (200ms) is longer than interval (100ms)",
            "at most interval",
        ),
        (
            "check: { interval: »20ms }",
            "fast_interval (50ms) is longer than interval (20ms)",
            "50ms by default",
        ),
        ("»max_lag: {}", "max_lag limits nothing", "seconds (30s)"),
        (
            "max_lag: { bytes: »64 }",
            "bytes: \"64\" is a bare number",
            "64KiB",
        ),
        (
            "max_lag: { bytes: »64K }",
            "bytes: \"64K\" has an unknown unit",
            "KiB",
        ),
        (
            "max_lag: { bytes: »0B }",
            "bytes: \"0B\" must not be zero",
            "64MiB",
        ),
        (
            "max_lag: { bytes: »99999999999999GB }",
            "bytes: \"99999999999999GB\" is too large",
            "64MiB",
        ),
        (
            "max_lag: { seconds: »30 }",
            "seconds: \"30\" is a bare number",
            "30s",
        ),
    ] {
        in_group(line, message, hint);
    }
}

#[test]
fn durations_and_counts_of_listeners() {
    for (keys, message, hint) in [
        (
            "park: { timeout: »0s }",
            "timeout: \"0s\" must not be zero",
            "500ms",
        ),
        (
            "park: { max: »-1 }",
            "max: \"-1\" is not a whole number",
            "from 0 to",
        ),
        (
            "idle_timeout: »0s",
            "idle_timeout: \"0s\" must not be zero",
            "write off",
        ),
        (
            "idle_timeout: »60",
            "idle_timeout: \"60\" is a bare number",
            "60s",
        ),
        (
            "connect_timeout: »0s",
            "connect_timeout: \"0s\" must not be zero",
            "500ms",
        ),
        (
            "fallback_max_age: »0s",
            "fallback_max_age: \"0s\" must not be zero",
            "write off",
        ),
        (
            "max_connections: »0",
            "max_connections: \"0\" is out of range",
            "from 1",
        ),
    ] {
        let line = format!("r: {{ bind: \"127.0.0.1:1\", access: read-only, {keys} }}");
        in_listeners(&line, message, hint);
    }
}

#[test]
fn switches_and_weights_of_nodes() {
    let listeners = "  rw: { bind: \"127.0.0.1:1\", access: read-write }";
    for (node, message, hint) in [
        (
            "local: »yes",
            "local: \"yes\" is neither true nor false",
            "true or false",
        ),
        (
            "weight: »0",
            "weight: \"0\" is out of range",
            "from 1 to 256",
        ),
        (
            "weight: »257",
            "weight: \"257\" is out of range",
            "from 1 to 256",
        ),
        (
            "»wieght: 1",
            "unknown key \"wieght\" of node b",
            "did you mean \"weight\"?",
        ),
    ] {
        let nodes = format!("{NODE}, b: {{ address: \"10.0.0.2:1\", {node} }}");
        check(&with(&nodes, listeners), &[(message, hint)]);
    }
}

#[test]
fn authentication() {
    in_group(
        "»auth: { username: u }",
        "auth has no password",
        "password_file",
    );
    in_group("»auth: {}", "auth has no password", "remove auth");
    in_group(
        "auth: { password: x, »password_file: /secret }",
        "auth has both password and password_file",
        "one of them",
    );
    in_group(
        "auth: { password_file: »/nowhere }",
        "password_file \"/nowhere\" cannot be read: entity not found",
        "able to read",
    );
    in_group(
        "auth: { password: »\"${NOPE}\" }",
        "the environment variable NOPE is not set",
        "${NOPE:-default}",
    );
    in_group(
        "auth: { password: »\"a${b\" }",
        "\"${\" without a variable name and \"}\"",
        "$$",
    );
    in_group(
        "auth: { »pasword: x, password: y }",
        "unknown key \"pasword\" of auth",
        "did you mean \"password\"?",
    );
}
