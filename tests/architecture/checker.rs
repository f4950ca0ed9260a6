//! The checker itself must see each kind of breach, and only those.

use super::source::Source;
use super::{MAX_LINES, violations};

/// What the checker says of one file, or of several.
fn said(files: &[(&str, &str)]) -> Vec<String> {
    let sources: Vec<Source> = files
        .iter()
        .map(|(path, text)| Source::new(path, text))
        .collect();
    violations(&sources)
}

/// A file, what is wrong in it, and what is to be said of it.
const BROKEN: &[(&str, &str, &str)] = &[
    (
        "core/pick.rs",
        "use std::time::Instant;",
        "core is pure and must not name Instant",
    ),
    (
        "core/pick.rs",
        "\n\nuse tokio::net;",
        "src/core/pick.rs:3: core is pure and must not name tokio",
    ),
    ("redis/info.rs", "use std::net::TcpStream;", "redis is pure"),
    (
        "core/a/b.rs",
        "static X: std::sync::Mutex<()>;",
        "must not name Mutex",
    ),
    (
        "core/pick.rs",
        "use crate::redis::info;",
        "core must not use redis::info",
    ),
    (
        "core/pick.rs",
        "use super::super::redis::info;",
        "core must not use redis::info",
    ),
    (
        "core/mod.rs",
        "use super::redis::info;",
        "core must not use redis::info",
    ),
    (
        "core/pick.rs",
        "use std::{fmt, thread::spawn};",
        "core is pure and must not name std::thread::spawn",
    ),
    (
        "core/pick.rs",
        "// é\n\"é\"; std::fs::read(x)",
        "src/core/pick.rs:2: core is pure and must not name std::fs::read",
    ),
    (
        "proxy/mod.rs",
        "use crate::{core::pick, check::Monitor};",
        "proxy must not use check::Monitor",
    ),
    (
        "proxy/mod.rs",
        "fn f() { crate::check::run() }",
        "proxy must not use check::run",
    ),
    (
        "check/mod.rs",
        "use crate::config::{model::Config, load};",
        "check must not use config::load",
    ),
    (
        "config/mod.rs",
        "use crate::clock;",
        "config must not use clock",
    ),
    (
        "demo/mod.rs",
        "use crate::core::time;",
        "demo must not use core::time",
    ),
    ("main.rs", "use rolecall::proxy;", "main must not use proxy"),
    (
        "shiny/mod.rs",
        "",
        "the module shiny has no line in MAY_USE",
    ),
    (
        "admin/mod.rs",
        "fn f() { x.unwrap() }",
        "src/admin/mod.rs:1: .unwrap() outside tests",
    ),
    (
        "admin/mod.rs",
        "fn f() { x\n.expect(\"y\") }",
        "src/admin/mod.rs:2: .expect( outside tests",
    ),
    (
        "admin/mod.rs",
        "fn f() { panic!(\"y\") }",
        "panic!( outside tests",
    ),
    (
        "proxy/mod.rs",
        "use serde_yaml::Value;",
        "serde_yaml belongs in one file of config",
    ),
];

#[test]
fn the_checker_sees_each_broken_rule() {
    for (path, text, wanted) in BROKEN {
        let found = said(&[(path, text)]);
        assert!(
            found.iter().any(|line| line.contains(wanted)),
            "{path}: {text:?} gave {found:?}"
        );
    }
    let long = "\n".repeat(MAX_LINES + 1);
    assert_eq!(
        said(&[("core/a.rs", &long)]),
        ["src/core/a.rs:501: more than 500 lines"]
    );
    let both = [
        ("config/a.rs", "use serde_yaml;"),
        ("config/b.rs", "use serde_yaml;"),
    ];
    assert!(said(&both)[0].contains("config/a.rs, config/b.rs"));
    let cycle = [
        ("redis/a.rs", "use crate::check::x;"),
        ("check/a.rs", "use crate::redis::x;"),
    ];
    assert!(said(&cycle).contains(&"src/check: uses itself by way of others".to_owned()));
}

#[test]
fn the_checker_leaves_good_code_alone() {
    let good = [
        (
            "core/a.rs",
            "//! No tokio, no Instant.\nuse std::net::SocketAddr;\nuse super::ids::NodeId;",
        ),
        (
            "core/a/b.rs",
            "use super::super::ids; use super::c; /* crate::redis /* nested */ tokio */",
        ),
        (
            "core/b.rs",
            "const T: &str = \"tokio \\\" crate::redis\"; const R: &str = r#\"a \" tokio\"#;",
        ),
        (
            "core/c.rs",
            "fn f<'a>(x: &'a str) -> char { '\"' } fn g() { '\\''; '\\u{1}'; } // panic!(",
        ),
        (
            "core/d.rs",
            "#[cfg(test)]\nmod tests { use tokio::x; fn f() { a.unwrap() } }\nfn g() {}",
        ),
        ("core/e.rs", "#[cfg(test)]\nmod tests;"),
        (
            "core/e/tests.rs",
            "use std::time::Instant; fn f() { a.unwrap() }",
        ),
        (
            "core/f.rs",
            "#[expect(lint, reason = \"x\")] fn f() { a.unwrap_or(1); dont_panic!(); }",
        ),
        (
            "redis/probe.rs",
            "#[cfg(test)]\n#[path = \"probe_tests.rs\"]\nmod tests;\nfn f(process: u8) {}",
        ),
        ("redis/probe_tests.rs", "fn f() { a.unwrap() }"),
        (
            "check/mod.rs",
            "use crate::config::model::Config; use crate::{redis::x, core::{a, b}};",
        ),
        ("config/mod.rs", "use serde_yaml::Value;"),
        ("lib.rs", "pub mod check;\npub(crate) mod core;"),
    ];
    assert_eq!(said(&good), Vec::<String>::new());
}
