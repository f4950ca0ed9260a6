//! Configurations put together key by key, to try one key at a time.

use std::fmt;

use rolecall::config::keys::{Key, Section, TOP, Value};

/// A value of a file: text as it is written, or a map.
#[derive(Clone, Debug)]
pub(crate) enum Draft {
    Text(String),
    Map(Vec<(String, Draft)>),
}

/// A section, and where a file has it.
#[derive(Clone, Debug)]
pub(crate) struct Spot {
    pub(crate) section: &'static Section,
    /// Names in place of the user's own.
    pub(crate) path: Vec<&'static str>,
}

impl Draft {
    /// A file of one group and two listeners.
    pub(crate) fn whole() -> Self {
        let mut file = Self::Map(Vec::new());
        for (path, text) in [
            ("groups main nodes redis-1", "10.1.1.1:6379"),
            ("groups main nodes redis-2", "10.1.1.2:6379"),
            ("groups main nodes redis-3 address", "10.1.1.3:6379"),
            ("groups main nodes redis-local address", "127.0.0.4:6379"),
            ("groups main nodes redis-local local", "true"),
            ("listeners redis-rw bind", "127.0.0.1:6379"),
            ("listeners redis-rw access", "read-write"),
            ("listeners redis-ro bind", "127.0.0.2:6379"),
            ("listeners redis-ro access", "read-only"),
        ] {
            let path: Vec<&str> = path.split(' ').collect();
            file.set(&path, text);
        }
        file
    }

    /// A file in which only `key` is left to be written: what it needs beside it is there.
    pub(crate) fn around(spot: &Spot, key: &str) -> Self {
        let mut file = Self::whole();
        file.make_map(&spot.path);
        let beside: &[(&str, &str)] = match (spot.section.name, key) {
            ("auth", "password" | "password_file") => &[],
            ("auth", _) => &[("password", "secret")],
            ("max_lag", "bytes") => &[("seconds", "10s")],
            ("max_lag", _) => &[("bytes", "1MiB")],
            ("sentinel", _) => &[("name", "redis-ha"), ("addresses", "[\"10.1.1.9:26379\"]")],
            ("admin", "socket_mode" | "socket_owner") => &[("socket", "/run/admin.sock")],
            _ => &[],
        };
        let outer = &spot.path[..spot.path.len().saturating_sub(1)];
        if outer.last() == Some(&"sentinel") {
            file.set(&[outer, &["name"]].concat(), "redis-ha");
            file.set(&[outer, &["addresses"]].concat(), "10.1.1.9:26379");
        }
        for (name, text) in beside {
            file.set(&[&spot.path[..], &[name]].concat(), text);
        }
        file
    }

    /// This file with a key of a section written so.
    pub(crate) fn with(mut self, spot: &Spot, key: &str, text: &str) -> Self {
        self.set(&[&spot.path[..], &[key]].concat(), text);
        self
    }

    /// This file without a key of a section.
    pub(crate) fn without(mut self, spot: &Spot, key: &str) -> Self {
        self.map_at(&spot.path).retain(|(name, _)| name != key);
        self
    }

    pub(crate) fn set(&mut self, path: &[&str], text: &str) {
        let (last, outer) = path.split_last().expect("a key");
        let entries = self.map_at(outer);
        let value = Self::Text(text.to_owned());
        match entries.iter_mut().find(|(name, _)| name == last) {
            Some((_, place)) => *place = value,
            None => entries.push(((*last).to_owned(), value)),
        }
    }

    fn make_map(&mut self, path: &[&str]) {
        self.map_at(path);
    }

    fn map_at(&mut self, path: &[&str]) -> &mut Vec<(String, Self)> {
        let Self::Map(entries) = self else {
            panic!("{path:?} goes through a text");
        };
        let Some((first, rest)) = path.split_first() else {
            return entries;
        };
        let at = entries.iter().position(|(name, _)| name == first);
        let at = at.unwrap_or_else(|| {
            entries.push(((*first).to_owned(), Self::Map(Vec::new())));
            entries.len() - 1
        });
        entries[at].1.map_at(rest)
    }
}

/// In YAML's flow style, so that no value depends on its indentation; the top of the file in block style, as
/// people write it.
impl fmt::Display for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Map(entries) if f.alternate() => {
                let all: Vec<String> = entries
                    .iter()
                    .map(|(name, value)| format!("{name}: {value:#}"))
                    .collect();
                write!(f, "{{ {} }}", all.join(", "))
            }
            Self::Map(entries) => {
                for (name, value) in entries {
                    writeln!(f, "{name}: {value:#}")?;
                }
                Ok(())
            }
        }
    }
}

/// Every section, wherever a file may have it.
pub(crate) fn spots() -> Vec<Spot> {
    let mut found = Vec::new();
    visit(&TOP, Vec::new(), &mut found);
    found
}

fn visit(section: &'static Section, path: Vec<&'static str>, found: &mut Vec<Spot>) {
    for key in section.keys {
        let mut below = path.clone();
        below.push(key.name);
        visit_value(&key.value, below, found);
    }
    found.push(Spot { section, path });
}

fn visit_value(value: &'static Value, mut path: Vec<&'static str>, found: &mut Vec<Spot>) {
    match value {
        Value::Or(_, inner) => visit_value(inner, path, found),
        Value::Map(section) | Value::Short(section, _) => visit(section, path, found),
        Value::Named(inner) => {
            path.push(match path.last() {
                Some(&"groups") => "main",
                Some(&"nodes") => "redis-3",
                Some(&"listeners") => "redis-ro",
                other => panic!("no name for the members of {other:?}"),
            });
            visit_value(inner, path, found);
        }
        _ => {}
    }
}

/// Each key of each section.
pub(crate) fn each_key(mut act: impl FnMut(&Spot, &'static Key)) {
    for spot in spots() {
        for key in spot.section.keys {
            act(&spot, key);
        }
    }
}

/// The value of a key without the words that stand for none of it.
pub(crate) fn core_of(value: &'static Value) -> &'static Value {
    match value {
        Value::Or(_, inner) => core_of(inner),
        other => other,
    }
}

/// The words that stand for none of it.
pub(crate) fn words_beside(value: &'static Value) -> &'static [&'static str] {
    match value {
        Value::Or(words, _) => words,
        _ => &[],
    }
}
