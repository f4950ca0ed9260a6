//! Reads a source file just well enough to see what it names: blanks comments, texts and tests, and finds
//! the modules that the rest speaks of.

/// One source file: its path under `src/`, as it is, and with comments, texts and tests blanked.
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) lines: usize,
    pub(crate) code: String,
    /// Modules that only tests have: `#[cfg(test)] mod name;`.
    pub(crate) test_modules: Vec<Vec<String>>,
}

/// A module that is named somewhere: the line, and its path from the root of the crate.
#[derive(Debug, PartialEq)]
pub(crate) struct Reference {
    pub(crate) line: usize,
    pub(crate) path: Vec<String>,
}

/// A module in a file of its own that only tests have.
enum TestModule {
    /// `mod name;`
    Below(String),
    /// `#[path = "name.rs"] mod tests;`
    Beside(String),
}

impl TestModule {
    /// Its path from the root of the crate, as [`module_path`] gives it for the file.
    fn path(&self, declared_in: &str) -> Vec<String> {
        match self {
            Self::Below(name) => {
                let mut path = module_path(declared_in);
                path.push(name.clone());
                path
            }
            Self::Beside(file) => {
                let directory = declared_in
                    .rsplit_once('/')
                    .map_or("", |(directory, _)| directory);
                module_path(&format!("{directory}/{file}.rs"))
            }
        }
    }
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let (code, tests) = without_tests(&without_comments_and_texts(text), text);
        Self {
            path: path.to_owned(),
            lines: text.lines().count(),
            code,
            test_modules: tests.iter().map(|test| test.path(path)).collect(),
        }
    }

    pub(crate) fn top(&self) -> String {
        module_path(&self.path)
            .into_iter()
            .next()
            .unwrap_or_else(|| "lib".to_owned())
    }

    /// What is named of the standard library.
    pub(crate) fn std_references(&self) -> Vec<Reference> {
        let std = words(&self.code)
            .into_iter()
            .filter(|(_, word)| *word == "std");
        std.flat_map(|(at, word)| {
            let tree = self.code[at + word.len()..].strip_prefix("::");
            let line = line_of(&self.code, at);
            let paths = tree.map(use_tree).unwrap_or_default().into_iter();
            paths.map(move |path| Reference { line, path })
        })
        .collect()
    }

    /// The modules of this crate that are named, each by its path from the root.
    pub(crate) fn references(&self) -> Vec<Reference> {
        let module = module_path(&self.path);
        let mut all = Vec::new();
        for (at, word) in words(&self.code) {
            let base = match word {
                "crate" | "rolecall" => Vec::new(),
                // The first of a chain of `super` counts the others.
                "super" if !self.code[..at].ends_with("super::") => {
                    let rest = &self.code[at..];
                    let ups = rest.matches_prefix("super::");
                    module[..module.len().saturating_sub(ups)].to_vec()
                }
                _ => continue,
            };
            let rest = match word {
                "super" => self.code[at..].trim_start_matches("super::"),
                _ => &self.code[at + word.len()..],
            };
            let tree = if word == "super" {
                Some(rest)
            } else {
                rest.strip_prefix("::")
            };
            let line = line_of(&self.code, at);
            for path in tree.map(use_tree).unwrap_or_default() {
                let path = base.iter().cloned().chain(path).collect();
                all.push(Reference { line, path });
            }
        }
        all
    }
}

trait MatchesPrefix {
    fn matches_prefix(&self, prefix: &str) -> usize;
}

impl MatchesPrefix for str {
    /// How often the text begins with the prefix, one after the other.
    fn matches_prefix(&self, prefix: &str) -> usize {
        (self.len() - self.trim_start_matches(prefix).len()) / prefix.len()
    }
}

/// `check/monitor.rs` is `[check, monitor]`, `check/mod.rs` is `[check]`, `lib.rs` is the root.
pub(crate) fn module_path(path: &str) -> Vec<String> {
    let mut parts: Vec<String> = path
        .trim_end_matches(".rs")
        .split('/')
        .map(str::to_owned)
        .collect();
    if parts
        .last()
        .is_some_and(|last| last == "mod" || last == "lib")
    {
        parts.pop();
    }
    parts
}

pub(crate) fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

pub(crate) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// All words with their places.
pub(crate) fn words(code: &str) -> Vec<(usize, &str)> {
    let mut all = Vec::new();
    let mut start = None;
    for (at, c) in code.char_indices().chain([(code.len(), ' ')]) {
        match (start, is_word(c)) {
            (None, true) => start = Some(at),
            (Some(from), false) => {
                all.push((from, &code[from..at]));
                start = None;
            }
            _ => {}
        }
    }
    all
}

/// The paths that begin here: `a::{b, c::d}` gives `a::b` and `a::c::d`.
fn use_tree(text: &str) -> Vec<Vec<String>> {
    let text = text.trim_start();
    if let Some(group) = text.strip_prefix('{') {
        let mut depth = 0;
        let mut start = 0;
        let mut all = Vec::new();
        for (at, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth > 0 => depth -= 1,
                ',' | '}' if depth == 0 => {
                    all.extend(use_tree(&group[start..at]));
                    start = at + 1;
                    if c == '}' {
                        break;
                    }
                }
                _ => {}
            }
        }
        return all;
    }
    let end = text.find(|c: char| !is_word(c)).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    if name.is_empty() {
        return Vec::new();
    }
    let mut below = rest
        .trim_start()
        .strip_prefix("::")
        .map(use_tree)
        .unwrap_or_default();
    if below.is_empty() {
        below.push(Vec::new());
    }
    for path in &mut below {
        path.insert(0, name.to_owned());
    }
    below
}

/// The same text with comments, string and character literals as blanks; lines stay where they are.
fn without_comments_and_texts(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let after_word = out.chars().next_back().is_some_and(is_word);
        let length = match first {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => block_comment(rest),
            '"' => quoted(rest),
            'r' if !after_word => raw_text(rest).unwrap_or(0),
            '\'' => character(rest).unwrap_or(0),
            _ => 0,
        };
        let (blanked, tail) = rest.split_at(length);
        // Byte for byte, so that a place in the code is the same place in the text.
        out.extend(blanked.bytes().map(|b| if b == b'\n' { '\n' } else { ' ' }));
        rest = tail;
        if length == 0 {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn raw_text(text: &str) -> Option<usize> {
    let hashes = text[1..].matches_prefix("#");
    let open = 1 + hashes;
    text[open..].strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let end = text[open + 1..].find(&close)?;
    Some(open + 1 + end + close.len())
}

/// A character literal; none for a lifetime.
fn character(text: &str) -> Option<usize> {
    let mut chars = text.char_indices().skip(1);
    let (_, first) = chars.next()?;
    if first == '\\' {
        let (after, _) = chars.nth(1)?;
        return text[after - 1..].find('\'').map(|end| after + end);
    }
    let (at, next) = chars.next()?;
    (next == '\'').then_some(at + 1)
}

/// The code without items under `#[cfg(test)]`, and the names of modules that only tests have.
fn without_tests(code: &str, text: &str) -> (String, Vec<TestModule>) {
    if code.trim_start().starts_with("#![cfg(test)]") {
        return (String::new(), Vec::new());
    }
    let mut out = String::new();
    let mut modules = Vec::new();
    let mut rest = code;
    while let Some(at) = rest.find("#[cfg(test)]") {
        out.push_str(&rest[..at]);
        let item = &rest[at..];
        let body = item.find(['{', ';']).unwrap_or(item.len());
        let header: Vec<&str> = words(&item[..body])
            .into_iter()
            .map(|(_, word)| word)
            .collect();
        let is_module = header.len() > 1 && header[header.len() - 2] == "mod";
        if item[body..].starts_with(';') && is_module {
            let start = text.len() - item.len();
            let attributes = &text[start..start + body];
            let file = attributes.split("#[path = \"").nth(1);
            modules.push(match file.and_then(|rest| rest.split(".rs\"").next()) {
                Some(file) => TestModule::Beside(file.to_owned()),
                None => TestModule::Below(header[header.len() - 1].to_owned()),
            });
        }
        let end = end_of_item(item, body);
        out.extend(item[..end].chars().filter(|c| *c == '\n'));
        rest = &item[end..];
    }
    out.push_str(rest);
    (out, modules)
}

fn end_of_item(item: &str, body: usize) -> usize {
    let mut depth = 0;
    for (at, c) in item[body..].char_indices() {
        match c {
            ';' if depth == 0 => return body + at + 1,
            '{' => depth += 1,
            '}' => {
                depth -= 1;
                if depth == 0 {
                    return body + at + 1;
                }
            }
            _ => {}
        }
    }
    item.len()
}
