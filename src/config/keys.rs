//! Every key of the configuration, in one table: its value, its default and what it is for.
//!
//! Three things are made from it, so that none can know a key that another does not: what the parser takes
//! and suggests for a mistyped one, the JSON schema for editors (`config/rolecall.schema.json`), and the tables of
//! `docs/configuration.md`. The tests hold the parser to the rest of it: each default, range, word and
//! example is tried on it, and what a reload does with each key. Data only; nothing here reads a file.

mod forms;
mod groups;
mod listeners;
mod top;

pub use groups::{AUTH, CHECK, GROUP, MAX_LAG, NODE, SENTINEL};
pub use listeners::{LISTENER, PARK};
pub use top::{ADMIN, LOG, TOP};

/// A map of the file: the keys that it may have.
#[derive(Debug)]
pub struct Section {
    /// What it is called in words, such as `listener`.
    pub name: &'static str,
    /// Its keys, in the order in which they are told.
    pub keys: &'static [Key],
    /// What must be there beside the keys that are required each by itself.
    pub needs: Needs,
}

/// What a map needs to make sense, beside the keys that are required.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing.
    Nothing,
    /// At least one key.
    Any,
    /// One of these, and not both.
    OneOf(&'static str, &'static str),
}

/// One key.
#[derive(Debug)]
pub struct Key {
    /// As it is written.
    pub name: &'static str,
    /// What may stand behind it.
    pub value: Value,
    /// What holds without it.
    pub default: Without,
    /// What it is for, in one or two sentences.
    pub about: &'static str,
    /// A value that is not the default, as it would be written; empty for maps.
    pub example: &'static str,
    /// When a reload puts a change of it in force.
    pub reload: Reload,
}

/// What may stand behind a key.
#[derive(Clone, Copy, Debug)]
pub enum Value {
    /// A duration with its unit, above zero.
    Duration,
    /// A duration with its unit; zero is one too.
    DurationOrZero,
    /// A number of bytes with its unit, above zero.
    Size,
    /// A whole number.
    Count(Range),
    /// `true` or `false`.
    Switch,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Any text.
    Text,
    /// The name of a node, a group or a listener of the same file.
    Name,
    /// Where to dial: `host:port` or `unix:/path`.
    Address,
    /// Where to listen: `ip:port` or `unix:/path`.
    Bind,
    /// Where to listen: `ip:port`.
    SocketAddress,
    /// The absolute path of a Unix socket.
    SocketPath,
    /// The path of a file.
    FilePath,
    /// Permission bits, in octal.
    Mode,
    /// `user` or `user:group`.
    Owner,
    /// The same, or a word that stands for none of it.
    Or(&'static [&'static str], &'static Value),
    /// One, or a list of at least one, each once.
    List(&'static Value),
    /// A map with known keys.
    Map(&'static Section),
    /// A map with names of the user's choice, at least one, and such a value for each.
    Named(&'static Value),
    /// A map, or a single value that stands for its first key.
    Short(&'static Section, &'static Value),
}

/// A range of whole numbers, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The least.
    pub least: u64,
    /// The most.
    pub most: u64,
}

/// What holds without a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Without {
    /// It must be there.
    Required,
    /// This value: writing it changes nothing.
    Is(&'static str),
    /// What these words say, which no value can.
    Words(&'static str),
}

/// When a reload puts a change in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// At once.
    AtOnce,
    /// With the next start of the process; the reload says so.
    NextStart,
}

impl Section {
    /// The names of its keys.
    pub fn names(&self) -> Vec<&'static str> {
        self.keys.iter().map(|key| key.name).collect()
    }
}

impl Range {
    /// Whether a number lies within.
    pub const fn holds(self, number: u64) -> bool {
        self.least <= number && number <= self.most
    }
}
