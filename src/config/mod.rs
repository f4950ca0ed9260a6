//! Configuration: one YAML file to a validated [`model::Config`], or to everything that is wrong with it.
//!
//! The way of a file: `tree` reads YAML and keeps lines and columns, `expand` fills in variables,
//! `groups`, `listeners` and `admin` take each value by itself through `reader` and `units`, by the table
//! of all keys ([`keys`]), then `resolve` turns names into numbers and chains, and `conflicts` compares
//! addresses and times.
//! Each step goes on after a problem, so one run tells all; secrets stay out of it (`secrets`).
//! Pure but for [`load`] and [`named_files`]; nothing here looks a name up in DNS or opens a socket.

mod admin;
mod changes;
mod conflicts;
mod expand;
mod groups;
pub mod keys;
mod listeners;
pub mod model;
mod problem;
mod reader;
pub mod reload;
mod resolve;
mod secrets;
mod suggest;
pub mod summary;
#[cfg(test)]
mod tests;
mod tree;
mod units;

use std::cell::RefCell;
use std::io;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use changes::Change;
use groups::GroupDraft;
use listeners::ListenerDraft;
use model::{Config, ListenerConfig};
pub use problem::{Problem, Problems};
use reader::{Fields, Reader};
use resolve::Links;
use secrets::Masks;

/// Reads a file, with variables from the environment. A relative `password_file` is looked for beside it.
///
/// # Errors
/// Everything that is wrong with the file, or that it cannot be read.
pub fn load(path: &Path) -> Result<Config, Problems> {
    let origin = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| {
        let message = format!("cannot be read: {error}");
        Problems::of_file(&origin, message, "check the path and its permissions")
    })?;
    let beside = path.parent().unwrap_or(Path::new(""));
    parse(&text, &origin, &|name| std::env::var(name).ok(), &|file| {
        std::fs::read_to_string(beside.join(file))
    })
}

/// The other files that a configuration is read from: each `password_file`, whether it is there or not. None where
/// the file itself cannot be read or understood.
pub fn named_files(path: &Path) -> Vec<PathBuf> {
    let Ok(text) = std::fs::read_to_string(path) else {
        return Vec::new();
    };
    let beside = path.parent().unwrap_or(Path::new(""));
    let named = RefCell::new(Vec::new());
    let read = |file: &Path| {
        let file = beside.join(file);
        let text = std::fs::read_to_string(&file);
        named.borrow_mut().push(file);
        text
    };
    // What is wrong with it is told by whoever loads it.
    let _unused = parse(&text, "", &|name| std::env::var(name).ok(), &read);
    named.into_inner()
}

/// Reads a text; `origin` is its name in messages. The environment and files are asked through `env`
/// and `read_file` alone.
///
/// # Errors
/// Everything that is wrong with it, in the order of the lines.
pub fn parse(
    text: &str,
    origin: &str,
    env: &dyn Fn(&str) -> Option<String>,
    read_file: &dyn Fn(&Path) -> io::Result<String>,
) -> Result<Config, Problems> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader {
        problems: Vec::new(),
        read_file,
        filled_in: Vec::new(),
    };
    let (config, masks) = match tree::read(text) {
        Ok(mut root) => {
            expand::fill_in(&mut root, env, &mut reader.problems);
            (file(&mut reader, &root), Masks::of_tree(&root))
        }
        Err(problem) => {
            reader.problems.push(problem);
            (None, Masks::of_text(text))
        }
    };
    let problems = Problems::of_text(origin, text, &masks, reader.problems);
    match (config, problems) {
        (Some(config), None) => Ok(config),
        (_, Some(problems)) => Err(problems),
        (None, None) => {
            let hint = "write groups: and listeners:";
            Err(Problems::of_file(
                origin,
                "holds no configuration".to_owned(),
                hint,
            ))
        }
    }
}

/// Whether a text would do as the address of a node or a Sentinel.
///
/// # Errors
/// What is wrong with it, to go on after the text itself.
pub fn check_address(text: &str) -> Result<(), String> {
    units::address(text).map(drop).map_err(|wrong| wrong.what)
}

/// Whether a text would do as an address to listen on.
///
/// # Errors
/// What is wrong with it, to go on after the text itself.
pub fn check_bind(text: &str) -> Result<(), String> {
    units::bind(text).map(drop).map_err(|wrong| wrong.what)
}

/// An address of a node or a Sentinel as it is written in a file, given on a command line: `host:port` or
/// `unix:/path`. The port may be left out.
///
/// # Errors
/// What is wrong with it, and how to write it.
pub fn address(text: &str, default_port: u16) -> Result<model::Address, String> {
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let with_port = match bare.unwrap_or(text).parse::<std::net::Ipv6Addr>() {
        Ok(ip) => format!("[{ip}]:{default_port}"),
        Err(_) if text.contains([':', '/']) || text.is_empty() => text.to_owned(),
        Err(_) => format!("{text}:{default_port}"),
    };
    units::address(&with_port).map_err(|wrong| format!("{}: {}", wrong.what, wrong.hint))
}

/// The whole file. Where something was wrong the result is a stand-in that [`parse`] throws away.
fn file(reader: &mut Reader<'_>, root: &tree::Node) -> Option<Config> {
    let top = reader.fields("the configuration", root.place, root, &keys::TOP)?;
    let groups = reader
        .required(
            "the configuration",
            &top,
            "groups",
            "groups: { main: { nodes: { .. } } }",
        )
        .map(|entry| groups::read(reader, entry))
        .unwrap_or_default();
    let listeners = reader
        .required(
            "the configuration",
            &top,
            "listeners",
            "listeners: { redis-rw: { .. } }",
        )
        .map(|entry| listeners::read(reader, entry))
        .unwrap_or_default();
    let admin = admin::read(reader, &top);
    let links = resolve::links(reader, &groups, &listeners);
    resolve::check_fallbacks(reader, &listeners, &links);
    resolve::check_chains(reader, &groups, &listeners, &links);
    conflicts::check(reader, &groups, &listeners, &links, &admin);
    Some(Config {
        listeners: listener_configs(listeners, &links, &groups),
        groups: groups.into_iter().map(GroupDraft::into_config).collect(),
        admin: admin.into_config(),
        workers: workers(reader, &top),
        grace: reader.value_or(
            &top,
            "grace",
            units::duration_or_zero,
            Duration::from_secs(10),
        ),
        log: admin::log(reader, &top),
    })
}

/// `auto`, the default, is one for each core that this process may use.
fn workers(reader: &mut Reader<'_>, top: &Fields<'_>) -> usize {
    let one_per_core = std::thread::available_parallelism().map_or(1, NonZero::get);
    let auto = |entry: &tree::Entry| matches!(&entry.value.value, tree::Value::Scalar(scalar) if scalar.text.as_deref() == Some("auto"));
    if top.get("workers").is_some_and(auto) {
        return one_per_core;
    }
    reader.value_or(top, "workers", units::workers, one_per_core)
}

fn listener_configs(
    drafts: Vec<ListenerDraft>,
    links: &[Links],
    groups: &[GroupDraft],
) -> Vec<ListenerConfig> {
    let chains: Vec<_> = (0..drafts.len())
        .map(|index| resolve::chain(&drafts, links, index))
        .collect();
    let ids: Vec<_> = drafts.iter().map(|draft| draft.id).collect();
    let parts = drafts.into_iter().zip(links).zip(chains);
    let configs = parts.filter_map(|((draft, link), chain)| {
        Some(ListenerConfig {
            id: draft.id,
            name: draft.name.value,
            group: groups.get(link.group?)?.id,
            access: draft.access?,
            binds: draft.binds.into_iter().map(|at| at.value).collect(),
            chain,
            fallback: link.fallback.and_then(|index| ids.get(index).copied()),
            max_connections: draft.max_connections,
            idle_timeout: draft.idle_timeout,
            connect_timeout: draft.connect_timeout,
            park: draft.park,
            fallback_max_age: draft.fallback_max_age,
        })
    });
    configs.collect()
}
