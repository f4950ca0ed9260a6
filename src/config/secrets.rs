//! Which places of a file hold a secret, so that no quoted line shows one.
//!
//! Generous on purpose: a mistyped key (`pasword`), a password where a map belongs (`auth: hunter2`)
//! and the tail of an unquoted password that YAML took for a comment or for another key are all hidden.

use super::suggest;
use super::tree::{Entry, Node, Place, Value};

/// The keys that an `auth` map may hold.
pub(super) const AUTH_KEYS: [&str; 3] = ["username", "password", "password_file"];

const STARS: &str = "****";

/// The places to hide.
#[derive(Debug, Default)]
pub(super) struct Masks {
    regions: Vec<Region>,
}

#[derive(Clone, Copy, Debug)]
struct Region {
    from: (usize, usize),
    /// Exclusive.
    to: (usize, usize),
    /// The region begins right behind a key: its colon is shown again.
    after_key: bool,
}

/// Whether the value under such a key is a secret.
pub(super) fn is_secret_key(key: &str) -> bool {
    let key = key.to_lowercase();
    if key == "password_file" {
        return false;
    }
    ["pass", "secret", "token", "pwd"]
        .iter()
        .any(|part| key.contains(part))
        || suggest::nearest(&key, &["password"]).is_some()
}

impl Masks {
    /// All secrets of a tree.
    pub(super) fn of_tree(root: &Node) -> Self {
        let mut masks = Self::default();
        masks.walk(root);
        masks
    }

    /// For a text that is not YAML, where only one line will be quoted: hides what looks like a
    /// secret there, and the whole line if it continues one.
    pub(super) fn of_text(text: &str) -> Self {
        let mut masks = Self::default();
        let mut within = false;
        for (index, line) in text.lines().enumerate() {
            let number = index + 1;
            let lower = line.to_lowercase();
            let secret = ["pass", "psw", "secret", "auth", "token", "pwd"]
                .iter()
                .filter_map(|word| lower.find(word))
                .min();
            if let Some(at) = secret {
                let from = lower[at..].find(':').map_or(at, |colon| at + colon);
                let column = lower[..from].chars().count() + 1;
                masks.hide((number, column), (number, usize::MAX), true);
                within = true;
            } else if within && !looks_like_a_key(line) {
                masks.hide((number, 1), (number, usize::MAX), false);
            } else {
                within = false;
            }
        }
        masks
    }

    fn walk(&mut self, node: &Node) {
        match &node.value {
            Value::Null | Value::Scalar(_) => {}
            Value::List(items) => items.iter().for_each(|item| self.walk(item)),
            Value::Map(entries) => entries.iter().for_each(|entry| self.entry(entry)),
        }
    }

    fn entry(&mut self, entry: &Entry) {
        match &entry.value.value {
            Value::Map(below) if entry.key.value == "auth" => {
                for entry in below {
                    self.auth_entry(entry);
                }
            }
            Value::Scalar(_) | Value::List(_)
                if entry.key.value == "auth" && !entry.value.is_off() =>
            {
                self.hide_value(entry);
            }
            _ if is_secret_key(&entry.key.value) => self.hide_value(entry),
            _ => self.walk(&entry.value),
        }
    }

    fn auth_entry(&mut self, entry: &Entry) {
        let key = &entry.key;
        match key.value.as_str() {
            "username" | "password_file" => {}
            name if suggest::nearest(name, &AUTH_KEYS).is_some() => self.hide_value(entry),
            // `password: a, b}` makes a key of the password's tail.
            _ => {
                self.hide_value(entry);
                let Place { line, column, .. } = key.place;
                self.hide(
                    (line, column),
                    (key.place.end_line, key.place.end_column),
                    false,
                );
            }
        }
    }

    fn hide_value(&mut self, entry: &Entry) {
        let (key, value) = (entry.key.place, last_place(&entry.value));
        let end = (value.end_line, value.end_column);
        let key_end = (key.end_line, key.end_column);
        if end > key_end {
            self.hide(key_end, end, true);
        } else {
            // An alias: what it stands for was written further up.
            let first = entry.value.place;
            self.hide((first.line, first.column), end, false);
        }
    }

    fn hide(&mut self, from: (usize, usize), to: (usize, usize), after_key: bool) {
        self.regions.push(Region {
            from,
            to,
            after_key,
        });
    }

    /// A line as it may be shown, and where (from 0) the given column (from 1) is now.
    pub(super) fn apply(&self, line: &str, number: usize, column: usize) -> (String, usize) {
        let characters: Vec<char> = line.chars().collect();
        let mut hidden = vec![None; characters.len()];
        for region in &self.regions {
            region.mark(number, &characters, &mut hidden);
        }
        let mut shown: Vec<char> = Vec::new();
        let mut caret = None;
        let mut run_at = None;
        for (index, character) in characters.iter().enumerate() {
            match (hidden[index], run_at) {
                (None, _) => run_at = None,
                (Some(_), Some(_)) => {}
                (Some(after_key), None) => {
                    shown.extend(if after_key { ": " } else { "" }.chars());
                    run_at = Some(shown.len());
                    shown.extend(STARS.chars());
                }
            }
            if index + 1 == column {
                caret = Some(run_at.unwrap_or(shown.len()));
            }
            if run_at.is_none() {
                shown.push(*character);
            }
        }
        let caret = caret.unwrap_or(shown.len());
        (shown.into_iter().collect(), caret)
    }
}

impl Region {
    fn mark(&self, number: usize, line: &[char], hidden: &mut [Option<bool>]) {
        if number < self.from.0 || number > self.to.0 {
            return;
        }
        let start = if number == self.from.0 {
            self.from.1 - 1
        } else {
            0
        };
        let mut end = if number == self.to.0 {
            (self.to.1 - 1).min(line.len())
        } else {
            line.len()
        };
        let rest: String = line.get(end..).unwrap_or_default().iter().collect();
        if rest.trim_start().starts_with('#') {
            end = line.len();
        }
        let after_key = self.after_key && number == self.from.0;
        for mark in hidden.iter_mut().take(end).skip(start) {
            mark.get_or_insert(after_key);
        }
    }
}

/// The place of the last thing inside a value: a map's own place is only its beginning.
fn last_place(node: &Node) -> Place {
    match &node.value {
        Value::Null | Value::Scalar(_) => node.place,
        Value::List(items) => items.last().map_or(node.place, last_place),
        Value::Map(entries) => entries.last().map_or(node.place, |entry| {
            last_place(&entry.value).max(entry.key.place)
        }),
    }
}

fn looks_like_a_key(line: &str) -> bool {
    line.trim_end().ends_with(':') || line.contains(": ")
}
