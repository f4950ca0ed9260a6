//! Keeps the arrows of the architecture: reads the sources and lists every place that breaks a rule.
//!
//! The rules are in the three tables below. A new top-level module needs a line in `MAY_USE`: say there what
//! it may use, and think about why. What only tests need (`#[cfg(test)]`) is not looked at.

mod checker;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use self::source::{Reference, Source, is_word, line_of, module_path, words};

/// Top-level module, and what it may use of the others; a longer path allows that part only.
const MAY_USE: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("redis", &["core"]),
    ("config", &["core"]),
    ("clock", &["core"]),
    ("metrics", &["core"]),
    ("telemetry", &["config::model"]),
    ("journal", &["core"]),
    ("notify", &[]),
    ("api", &[]),
    (
        "check",
        &[
            "redis",
            "core",
            "config::model",
            "metrics",
            "journal",
            "clock",
        ],
    ),
    (
        "proxy",
        &[
            "core",
            // Where replies begin, and no other word of the protocol.
            "redis::scan",
            "config::model",
            "metrics",
            "journal",
            "clock",
        ],
    ),
    (
        "admin",
        &[
            "core",
            "config::model",
            "metrics",
            "journal",
            "clock",
            "api",
            "check::Control",
            "proxy::Loads",
            "proxy::Inherited",
            "proxy::FileOwner",
            "proxy::SocketFile",
            "switchover::Director",
        ],
    ),
    (
        "switchover",
        &[
            "redis",
            "core",
            "config::model",
            "journal",
            "clock",
            "api",
            "check::Control",
        ],
    ),
    (
        "takeover",
        &[
            "config::model",
            "core::time",
            "proxy::Inherited",
            "proxy::FileOwner",
            "proxy::SocketFile",
        ],
    ),
    (
        // Asks like `check`, concludes like `core`, and says what `admin` would say.
        "survey",
        &[
            "redis",
            "core",
            "config::model",
            "clock",
            "api",
            "check::ask",
            "check::new_group",
            "admin::foretold",
            "proxy::try_bind",
            "proxy::BindError",
        ],
    ),
    (
        "draft",
        &[
            "redis",
            "core",
            "config::model",
            "clock",
            "check::ask",
            "proxy::try_bind",
            "proxy::BindError",
        ],
    ),
    ("demo", &["config"]),
    // Pure: it has what it wrote read again, and shares the words for access.
    ("import", &["config", "core::chain"]),
    (
        "app",
        &[
            "check",
            "switchover",
            "proxy",
            "admin",
            "config",
            "telemetry",
            "metrics",
            "journal",
            "notify",
            "takeover",
            "core",
            "clock",
        ],
    ),
    (
        "cli",
        &[
            "app",
            "config",
            "demo",
            "import",
            "telemetry",
            "api",
            "core::time",
            "survey",
            "draft",
        ],
    ),
    ("main", &["cli", "app", "telemetry"]),
];

/// What `core` and `redis` must not name: they get facts and the time as arguments, and decide.
const IMPURE: &[&str] = &[
    "tokio",
    "tokio_util",
    "socket2",
    "hyper",
    "tracing",
    "rand",
    "metrics",
    "serde_yaml",
    "Instant",
    "SystemTime",
    "Mutex",
    "RwLock",
    "Condvar",
    "OnceLock",
    "LazyLock",
    "ArcSwap",
    "atomic",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "UnixStream",
    "UnixListener",
    "ToSocketAddrs",
];

/// What of `std` they must not name either.
const IMPURE_STD: &[&str] = &["fs", "env", "process", "thread"];

/// What nothing outside tests may do.
const NEVER: &[&str] = &[
    ".unwrap()",
    ".expect(",
    "panic!(",
    "todo!(",
    "unimplemented!(",
    "dbg!(",
];

const MAX_LINES: usize = 500;

/// Every place where the sources break a rule.
fn violations(sources: &[Source]) -> Vec<String> {
    let tests: Vec<&Vec<String>> = sources
        .iter()
        .flat_map(|source| &source.test_modules)
        .collect();
    let mut found = Vec::new();
    let mut arrows = BTreeMap::new();
    for source in sources {
        if source.lines > MAX_LINES {
            let lines = source.lines;
            found.push(format!(
                "src/{}:{lines}: more than {MAX_LINES} lines",
                source.path
            ));
        }
        let module = module_path(&source.path);
        if tests.iter().any(|test| module.starts_with(test)) {
            continue;
        }
        check_words(source, &mut found);
        check_arrows(source, &mut arrows, &mut found);
    }
    let yaml: Vec<&Source> = sources
        .iter()
        .filter(|s| words(&s.code).iter().any(|(_, word)| *word == "serde_yaml"))
        .collect();
    if yaml.len() > 1 || yaml.iter().any(|source| source.top() != "config") {
        let paths: Vec<&str> = yaml.iter().map(|source| source.path.as_str()).collect();
        found.push(format!(
            "src/: serde_yaml belongs in one file of config, not in {}",
            paths.join(", ")
        ));
    }
    found.extend(cycles(&arrows));
    found
}

fn check_words(source: &Source, found: &mut Vec<String>) {
    let path = &source.path;
    let top = source.top();
    if top == "core" || top == "redis" {
        let named = words(&source.code)
            .into_iter()
            .filter(|(_, word)| IMPURE.contains(word))
            .map(|(at, word)| (line_of(&source.code, at), word.to_owned()));
        let of_std = source
            .std_references()
            .into_iter()
            .filter(|reference| IMPURE_STD.iter().any(|part| reference.path[0] == *part))
            .map(|reference| {
                (
                    reference.line,
                    format!("std::{}", reference.path.join("::")),
                )
            });
        for (line, what) in named.chain(of_std) {
            found.push(format!(
                "src/{path}:{line}: {top} is pure and must not name {what}"
            ));
        }
    }
    for never in NEVER {
        for (at, _) in source.code.match_indices(never) {
            let inside_a_word = !never.starts_with('.') && source.code[..at].ends_with(is_word);
            if !inside_a_word {
                let line = line_of(&source.code, at);
                found.push(format!("src/{path}:{line}: {never} outside tests"));
            }
        }
    }
}

fn check_arrows(
    source: &Source,
    arrows: &mut BTreeMap<String, BTreeSet<String>>,
    found: &mut Vec<String>,
) {
    let top = source.top();
    // The root names all modules; that is no use of them.
    if top == "lib" {
        return;
    }
    let Some((_, allowed)) = MAY_USE.iter().find(|(module, _)| *module == top) else {
        let path = &source.path;
        found.push(format!(
            "src/{path}:1: the module {top} has no line in MAY_USE of tests/architecture/main.rs"
        ));
        return;
    };
    for Reference { line, path } in source.references() {
        let Some(target) = path.first().filter(|target| **target != top) else {
            continue;
        };
        let is_module = MAY_USE.iter().any(|(module, _)| module == target);
        if !is_module {
            continue;
        }
        arrows
            .entry(top.clone())
            .or_default()
            .insert(target.clone());
        let fits = |rule: &str| {
            rule.split("::").zip(&path).all(|(a, b)| a == b)
                && rule.split("::").count() <= path.len()
        };
        if !allowed.iter().any(|rule| fits(rule)) {
            found.push(format!(
                "src/{}:{line}: {top} must not use {}",
                source.path,
                path.join("::")
            ));
        }
    }
}

/// Each module that can be reached from itself.
fn cycles(arrows: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let mut found = Vec::new();
    for start in arrows.keys() {
        let mut seen = BTreeSet::new();
        let mut open: Vec<&String> = arrows[start].iter().collect();
        while let Some(next) = open.pop() {
            if seen.insert(next) {
                open.extend(arrows.get(next).into_iter().flatten());
            }
        }
        if seen.contains(start) {
            found.push(format!("src/{start}: uses itself by way of others"));
        }
    }
    found
}

fn read(directory: &Path, prefix: &str, sources: &mut Vec<Source>) -> std::io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            read(&entry.path(), &format!("{path}/"), sources)?;
        } else if entry.path().extension().is_some_and(|end| end == "rs") {
            sources.push(Source::new(&path, &fs::read_to_string(entry.path())?));
        }
    }
    Ok(())
}

#[test]
fn the_sources_keep_the_arrows() {
    let mut sources = Vec::new();
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    read(&src, "", &mut sources).expect("the sources can be read");
    assert!(sources.len() > 20, "only {} sources found", sources.len());
    let mut found = violations(&sources);
    found.sort();
    assert!(
        found.is_empty(),
        "{} violations:\n{}",
        found.len(),
        found.join("\n")
    );
}
