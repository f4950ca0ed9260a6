//! `rolecall import`: configurations of HAProxy in front of Redis to ours.
//!
//! The way of a file: `lexer` cuts lines into words, `sections` puts lines under their sections, `proxy`
//! (with `probe`, `payload`, `server`, `doors`, `condition`) takes from a section what it means for routing, `survey`
//! tells Redis from Sentinel and from everything else, `pools`, `groups`, `listeners`, `sentinels` and
//! `passwords` make a plan, `write` makes YAML of it. `ledger` keeps the account of lines, `account` speaks
//! for those that routing does not need, and `report` tells it all.
//!
//! Pure: texts in, texts out. What is written has been read again by [`crate::config`] before. No password
//! is copied, and no line is dropped without a word.

mod account;
mod address;
mod condition;
mod doors;
mod fallbacks;
mod groups;
mod ledger;
mod lexer;
mod listeners;
mod passwords;
mod payload;
mod place;
mod plan;
mod pools;
mod probe;
mod proxy;
mod report;
mod sections;
mod sentinels;
mod server;
mod standins;
mod survey;
mod topic;
mod translate;
mod values;
mod vocabulary;
mod write;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

pub use ledger::Fate;
use ledger::Ledger;
use place::Names;
pub use place::{Place, Source};
use plan::Plan;
use sections::Document;
use topic::Gap;

use crate::config;

/// What came of an import.
#[derive(Clone, Debug)]
pub struct Import {
    /// The new configuration, or why there is none.
    pub yaml: Result<String, NotWritten>,
    /// What became of each line, for people.
    pub report: String,
    /// The same for programs: every line that holds a directive.
    pub fates: BTreeMap<Place, Fate>,
}

/// Why no configuration was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotWritten {
    /// The file is a template that has yet to be filled in.
    #[error("{0}")]
    Template(String),
    /// There is nothing to write a valid configuration from.
    #[error("{0}")]
    Missing(String),
    /// What was made is not valid: a mistake of ours.
    #[error("this is a bug of rolecall import, nothing was written: {0}")]
    Bug(String),
}

/// Translates some files, in their order, as HAProxy would read them.
pub fn import(sources: &[Source]) -> Import {
    let names = Names::of(sources);
    let listed: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
    let listed = listed.join(", ");
    let document = sections::read(sources);
    let mut ledger = Ledger::default();
    if let Some(told) = template(&document, &names) {
        account::sweep(&mut ledger, &document);
        return Import {
            report: String::new(),
            yaml: Err(NotWritten::Template(told)),
            fates: ledger.fates().clone(),
        };
    }
    let (plan, needed) = translate::translate(&document, &mut ledger);
    account::sweep(&mut ledger, &document);
    let yaml = if plan.listeners.is_empty() {
        Err(NotWritten::Missing(missing(&ledger, &names, &document)))
    } else {
        written(&plan, &names, &listed)
    };
    let (outcome, next) = words(&plan, &yaml);
    Import {
        report: report::text(&ledger, &names, &listed, &outcome, &needed, &next),
        yaml,
        fates: ledger.fates().clone(),
    }
}

/// What a template is told.
fn template(document: &Document, names: &Names) -> Option<String> {
    let first = document.templates.first()?;
    let more = match document.templates.len() {
        1 => String::new(),
        all => format!(
            " (and {} more: {})",
            all - 1,
            names.cite_all(&document.templates)
        ),
    };
    Some(format!(
        "{}: this line is a template that nobody has filled in{more}; import the file that HAProxy reads: \
         /etc/haproxy/haproxy.cfg on the host, or the output of helm template, ansible, puppet or chef",
        names.cite(*first)
    ))
}

/// The text, once our own configuration has taken it.
fn written(plan: &Plan, names: &Names, listed: &str) -> Result<String, NotWritten> {
    let yaml = write::yaml(plan, names, listed);
    let standins = standins::of(plan);
    let env = |name: &str| standins.get(name).cloned();
    let no_file = |_: &Path| Err(io::Error::from(io::ErrorKind::NotFound));
    match config::parse(&yaml, "rolecall.yaml", &env, &no_file) {
        Ok(_) => Ok(yaml),
        Err(problems) => Err(NotWritten::Bug(problems.to_string())),
    }
}

/// What is missing for a valid configuration.
fn missing(ledger: &Ledger, names: &Names, document: &Document) -> String {
    if document.sections.is_empty() {
        return "this is no configuration of HAProxy: it has no section (global, defaults, frontend, \
                backend, listen)"
            .to_owned();
    }
    let told = [Gap::Nodes, Gap::Routing].iter();
    let told = told.filter_map(|gap| ledger.gaps.get(gap)).flatten();
    let told: Vec<String> = told
        .map(|(sentence, places)| {
            let places: Vec<Place> = places.iter().copied().collect();
            format!("\n  {}: {sentence}", names.cite_all(&places))
        })
        .collect();
    if told.is_empty() {
        return "nothing was written: no listener leads to a Redis server. A section counts as Redis by a \
                tcp-check that speaks to it (PING, INFO, AUTH), by option redis-check, by port 6379, or by \
                redis, valkey or keydb in a name; it needs servers with addresses, and a listen or \
                frontend with a bind that leads to it"
            .to_owned();
    }
    format!(
        "nothing was written: no listener is left that has an address to open and a node to lead to:{}",
        told.concat()
    )
}

fn words(plan: &Plan, yaml: &Result<String, NotWritten>) -> (String, String) {
    if yaml.is_err() {
        return ("No configuration came of it.".to_owned(), String::new());
    }
    let count = |number: usize, one: &str| match number {
        1 => format!("1 {one}"),
        number => format!("{number} {one}s"),
    };
    let nodes = plan.groups.iter().map(|group| group.nodes.len()).sum();
    let outcome = format!(
        "They became {}, {} and {}.",
        count(plan.groups.len(), "group"),
        count(nodes, "node"),
        count(plan.listeners.len(), "listener")
    );
    (outcome, String::new())
}
