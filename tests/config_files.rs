//! Every file in `config/` is loaded, and says what it promises.

#![expect(
    clippy::panic,
    clippy::expect_used,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use rolecall::config::model::{Config, ListenerConfig};
use rolecall::config::summary::summary;
use rolecall::config::{load, parse};
use rolecall::core::chain::Access;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config")
}

fn loaded(name: &str) -> Config {
    load(&folder().join(name)).unwrap_or_else(|problems| panic!("{problems}"))
}

fn text_of(name: &str) -> String {
    fs::read_to_string(folder().join(name)).expect("the file")
}

/// Without an environment and without files.
fn parsed(text: &str) -> Config {
    let no_file = |_: &Path| Err(std::io::Error::from(std::io::ErrorKind::NotFound));
    parse(text, "test.yaml", &|_| None, &no_file)
        .unwrap_or_else(|problems| panic!("{text}\n{problems}"))
}

#[test]
fn every_file_is_valid() {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder()).expect("the folder") {
        let name = entry
            .expect("an entry")
            .file_name()
            .into_string()
            .expect("a name");
        if Path::new(&name)
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            loaded(&name);
            names.insert(name);
        }
    }
    let expected = ["demo.yaml", "full.yaml", "rolecall.yaml"].map(String::from);
    assert!(names.is_superset(&BTreeSet::from(expected)), "{names:?}");
}

fn listener<'c>(config: &'c Config, name: &str) -> &'c ListenerConfig {
    let found = config
        .listeners
        .iter()
        .find(|listener| &*listener.name == name);
    found.unwrap_or_else(|| panic!("no listener {name}"))
}

#[test]
fn rolecall_yaml_is_the_topology_of_the_manual() {
    let config = loaded("rolecall.yaml");
    let [group] = &config.groups[..] else {
        panic!("one group");
    };
    assert_eq!(&*group.name, "main");
    let nodes: Vec<_> = group
        .nodes
        .iter()
        .map(|node| (&*node.name, node.address.to_string(), node.local))
        .collect();
    let expected = [
        ("redis-1", "10.1.1.1:6379", false),
        ("redis-2", "10.1.1.2:6379", false),
        ("redis-3", "10.1.1.3:6379", false),
        ("redis-local", "127.0.0.4:6379", true),
    ]
    .map(|(name, address, local)| (name, address.to_owned(), local));
    assert_eq!(nodes, expected);
    assert!(group.auth.is_none() && group.sentinel.is_none() && group.max_lag.is_none());
    let listeners: Vec<_> = config
        .listeners
        .iter()
        .map(|listener| {
            let binds: Vec<String> = listener.binds.iter().map(ToString::to_string).collect();
            let fallback = listener
                .fallback
                .map(|id| &*config.listeners[id.0 as usize].name);
            (&*listener.name, binds.join(" "), listener.access, fallback)
        })
        .collect();
    let expected = [
        ("redis-rw", "127.0.0.1:6379", Access::ReadWrite, None),
        (
            "redis-ro",
            "127.0.0.2:6379",
            Access::ReadOnly,
            Some("redis-rw"),
        ),
        (
            "redis-local-ro",
            "127.0.0.3:6379",
            Access::LocalReadOnly,
            Some("redis-ro"),
        ),
    ]
    .map(|(name, bind, access, fallback)| (name, bind.to_owned(), access, fallback));
    assert_eq!(listeners, expected);
    assert_eq!(config.admin.http, Some(([127, 0, 0, 1], 9379).into()));
    let socket = Path::new("/run/rolecall/admin.sock");
    assert_eq!(config.admin.socket.as_deref(), Some(socket));
    let words = "  redis-local-ro  127.0.0.3:6379 local-read-only: redis-local, \
                 then redis-1, redis-2, redis-3 (redis-ro), then the primary (redis-rw)\n";
    assert!(summary(&config).contains(words), "{}", summary(&config));
}

#[test]
fn the_comments_of_rolecall_yaml_are_valid_configuration_too() {
    let text = text_of("rolecall.yaml");
    let mut shown = 0;
    for key in ["auth", "sentinel", "max_lag", "check"] {
        let line = text
            .lines()
            .find(|line| line.starts_with(&format!("    # {key}: ")));
        let line = line.unwrap_or_else(|| panic!("no comment shows {key}"));
        let with = text.replace(
            line,
            &line.replace("# ", "").replace("${REDIS_PASSWORD}", "x"),
        );
        let without = parsed(&text);
        assert_eq!(parsed(&with) == without, key == "check", "{key}");
        shown += 1;
    }
    assert_eq!(shown, 4);
}

/// That it shows every key is for the test `documents`.
#[test]
fn full_yaml_explains_what_it_shows() {
    let words = text_of("full.yaml");
    let unexplained: Vec<&str> = words
        .lines()
        .take_while(|line| !line.starts_with("listeners:"))
        .filter(|line| line.contains(": ") && !line.contains('#'))
        .filter(|line| !line.contains("redis-"))
        .collect();
    assert_eq!(unexplained, Vec::<&str>::new());
}

/// Whatever is not marked as "yours" or "example" is a default: without it the file means the same.
#[test]
fn full_yaml_shows_the_defaults() {
    let text = text_of("full.yaml");
    let full = parsed(&text);
    let mut tried = 0;
    for line in text.lines() {
        let (value, comment) = line.split_once(" # ").unwrap_or((line, ""));
        let comment = comment.trim_start();
        let marked = comment.starts_with("yours") || comment.starts_with("example");
        let is_key = value.trim_end().split_once(": ").is_some();
        if line.trim_start().starts_with('#') || comment.is_empty() || marked || !is_key {
            continue;
        }
        // A whole section would be empty without its only key; an off is always said aloud.
        let without = text.replace(&format!("{line}\n"), "");
        assert_eq!(parsed(&without), full, "{line}");
        tried += 1;
    }
    assert!(tried >= 18, "{tried}");
    // The marks must not hide a default by mistake.
    let node = &full.groups[0].nodes[2];
    assert_eq!((node.local, node.weight), (false, 1));
}

#[test]
fn demo_yaml_is_a_primary_two_replicas_and_a_local_one() {
    let config = loaded("demo.yaml");
    let nodes = &config.groups[0].nodes;
    assert_eq!(nodes.iter().filter(|node| !node.local).count(), 3);
    assert_eq!(nodes.iter().filter(|node| node.local).count(), 1);
    assert!(
        nodes
            .iter()
            .all(|node| node.address.to_string().starts_with("127."))
    );
    let local = listener(&config, "redis-local-ro");
    assert_eq!(local.chain.listeners().len(), 3);
}

#[test]
fn a_file_that_is_not_there_is_told() {
    let Err(problems) = load(Path::new("nowhere/x.yaml")) else {
        panic!("loaded");
    };
    let said = problems.to_string();
    assert!(
        said.starts_with("nowhere/x.yaml: cannot be read: "),
        "{said}"
    );
    assert!(said.contains("hint: "), "{said}");
}

#[test]
fn a_password_file_is_looked_for_beside_the_configuration() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = text_of("rolecall.yaml").replace(
        "    # auth: {",
        "    auth: { password_file: secret }\n    # auth: {",
    );
    fs::write(folder.path().join("c.yaml"), text).expect("write");
    fs::write(folder.path().join("secret"), "from beside\n").expect("write");
    let config = load(&folder.path().join("c.yaml")).unwrap_or_else(|p| panic!("{p}"));
    let auth = config.groups[0].auth.as_ref().expect("auth");
    assert_eq!(auth.password.expose(), "from beside");
}
