//! Which places of a file hold a secret, so that no quoted line shows one.
//!
//! Generous on purpose: a mistyped key (`pasword`), a password where a map belongs (`auth: hunter2`)
//! and the tail of an unquoted password that YAML took for a comment or for another key are all hidden.

use std::borrow::Cow;
use std::ops::Range;

use super::keys::AUTH;
use super::suggest;
use super::tree::{Entry, Node, Place, Value};

const STARS: &str = "****";

/// Behind it a URL names the user, the password and, behind an `@`, the host.
const SCHEME_END: &str = "://";

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

/// A word of the file without the user and the password of a URL: what stands before its last `@`.
pub(super) fn without_user(word: &str) -> Cow<'_, str> {
    let from = word.find(SCHEME_END).map(|at| at + SCHEME_END.len());
    let start = from.unwrap_or(0);
    if let Some(at) = word[start..].rfind('@') {
        return format!("{}{STARS}{}", &word[..start], &word[start + at..]).into();
    }
    // YAML may have cut off the rest at a comma or a #: then what follows the colon is no port.
    let port = word[start..].rsplit_once(':').map(|(_, port)| port);
    let is_port = |port: &str| {
        port.bytes()
            .take_while(|b| *b != b'/')
            .all(|b| b.is_ascii_digit())
    };
    if from.is_some() && port.is_some_and(|port| !is_port(port)) {
        return format!("{}{STARS}", &word[..start]).into();
    }
    word.into()
}

/// What [`without_user`] hides, for each URL of a line of the file. One URL ends, as far as can be told
/// without YAML's help, where a space or a bracket comes between its `@` and the next `://`.
fn users(line: &[char]) -> Vec<Range<usize>> {
    let schemes = line.windows(3).enumerate();
    let mut starts: Vec<usize> = schemes
        .filter(|(_, three)| three == &[':', '/', '/'])
        .map(|(at, _)| at + 3)
        .collect();
    starts.push(line.len());
    let mut found = Vec::new();
    let mut begun: Option<Range<usize>> = None;
    for pair in starts.windows(2) {
        let (start, next) = (pair[0], pair[1]);
        let user = begun.get_or_insert(start..start);
        if let Some(at) = line[start..next].iter().rposition(|c| *c == '@') {
            user.end = start + at;
            let parts = |c: &char| c.is_whitespace() || "[]{},".contains(*c);
            if line[user.end..next].iter().any(parts) {
                found.extend(begun.take());
            }
        }
    }
    found.extend(begun);
    found
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
            Value::Null => {}
            Value::Scalar(scalar) => self.user_in(&scalar.written, node.place),
            Value::List(items) => items.iter().for_each(|item| self.walk(item)),
            Value::Map(entries) => entries.iter().for_each(|entry| self.entry(entry)),
        }
    }

    fn entry(&mut self, entry: &Entry) {
        self.user_in(&entry.key.value, entry.key.place);
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

    /// A user without a URL around it, or over several lines: hides the whole word. A URL on one line
    /// is found when the line is shown.
    fn user_in(&mut self, word: &str, place: Place) {
        let on_one_line = place.line == place.end_line;
        if word.contains('@') && !(on_one_line && word.contains(SCHEME_END)) {
            let end = (place.end_line, place.end_column);
            self.hide((place.line, place.column), end, false);
        }
    }

    fn auth_entry(&mut self, entry: &Entry) {
        let key = &entry.key;
        match key.value.as_str() {
            "username" | "password_file" => {}
            name if suggest::nearest(name, &AUTH.names()).is_some() => self.hide_value(entry),
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
        for user in users(&characters) {
            for mark in &mut hidden[user] {
                mark.get_or_insert(false);
            }
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
