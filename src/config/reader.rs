//! Walks the tree with types in hand: each getter takes what it can use, reports what is wrong and
//! lets the walk go on, so that one run tells all. Returns nothing only where it has complained.

use super::keys::{AUTH, Section};
use super::problem::Problem;
use super::secrets::without_user;
use super::suggest;
use super::tree::{At, Entry, Node, Place, Scalar, Value};
use super::units::Wrong;

/// Reads a file that the configuration names.
pub(super) type ReadFile<'a> = &'a dyn Fn(&std::path::Path) -> std::io::Result<String>;

/// The walk's state: what was wrong so far.
pub(super) struct Reader<'a> {
    pub(super) problems: Vec<Problem>,
    pub(super) read_file: ReadFile<'a>,
    /// Where values from the environment were taken: no message repeats one.
    pub(super) filled_in: Vec<Place>,
}

/// A map with known keys.
#[derive(Clone, Copy)]
pub(super) struct Fields<'t> {
    /// Where the map's own key stands, to say that something is missing.
    pub(super) place: Place,
    entries: &'t [Entry],
}

/// Turns a text into a value, or says what is wrong with it.
pub(super) type Parse<T> = fn(&str) -> Result<T, Wrong>;

impl<'t> Fields<'t> {
    /// The first entry under a key.
    pub(super) fn get(&self, key: &str) -> Option<&'t Entry> {
        self.entries.iter().find(|entry| entry.key.value == key)
    }

    /// The same, where the bare words `off` and `none` say that there is none.
    pub(super) fn get_unless_off(&self, key: &str) -> Option<&'t Entry> {
        self.get(key).filter(|entry| !entry.value.is_off())
    }
}

impl Reader<'_> {
    /// Notes a problem.
    pub(super) fn complain(&mut self, place: Place, message: String, hint: impl Into<String>) {
        self.problems.push(Problem::at(place, message).hint(hint));
    }

    /// A map whose keys are ours; unknown and duplicate ones are reported.
    pub(super) fn fields<'t>(
        &mut self,
        what: &str,
        place: Place,
        node: &'t Node,
        section: &Section,
    ) -> Option<Fields<'t>> {
        let known = section.names();
        let entries = self.entries(what, place, node, &format!("keys: {}", known.join(", ")))?;
        for entry in entries {
            let key = &entry.key;
            if known.contains(&key.value.as_str()) {
                self.check_duplicate(what, entry, entries);
                continue;
            }
            // In an auth map this may be the tail of a password.
            let nameless =
                section.name == AUTH.name && suggest::nearest(&key.value, &known).is_none();
            if nameless {
                let hint = format!("known here: {}; quote a password", known.join(", "));
                self.complain(key.place, format!("unknown key in {what}"), hint);
            } else {
                let hint = suggest::hint(&key.value, &known);
                let message = format!("unknown key {} of {what}", quoted(&key.value));
                self.complain(key.place, message, hint);
            }
        }
        Some(Fields { place, entries })
    }

    /// A map whose keys are names of the user's choice, at least one. Unusable names and duplicates are
    /// reported and left out.
    pub(super) fn named<'t>(
        &mut self,
        what: &str,
        example: &str,
        entry: &'t Entry,
    ) -> Vec<&'t Entry> {
        let wanted = format!("names, as in \"{example}\"");
        let Some(entries) = self.entries(what, entry.key.place, &entry.value, &wanted) else {
            return Vec::new();
        };
        if entries.is_empty() {
            self.complain(
                entry.key.place,
                format!("{what} is empty"),
                format!("write {example}"),
            );
        }
        let mut good = Vec::new();
        for entry in entries {
            if self.check_duplicate(what, entry, entries) && self.check_name(entry) {
                good.push(entry);
            }
        }
        good
    }

    fn entries<'t>(
        &mut self,
        what: &str,
        place: Place,
        node: &'t Node,
        wanted: &str,
    ) -> Option<&'t [Entry]> {
        match &node.value {
            Value::Map(entries) => return Some(entries),
            Value::Null => {
                let hint = format!("it takes {wanted}");
                self.complain(place, format!("{what} is empty"), hint);
            }
            _ => {
                let message = format!("{what} must be a map, but this is {}", node.kind());
                self.complain(node.place, message, format!("it takes {wanted}"));
            }
        }
        None
    }

    fn check_duplicate(&mut self, what: &str, entry: &Entry, all: &[Entry]) -> bool {
        let Some(first) = all.iter().find(|other| other.key.value == entry.key.value) else {
            return true;
        };
        if first.key.place == entry.key.place {
            return true;
        }
        let message = format!("duplicate key {} of {what}", quoted(&entry.key.value));
        let hint = format!(
            "it is already on line {}: remove or rename one",
            first.key.place.line
        );
        self.complain(entry.key.place, message, hint);
        false
    }

    /// Names become metric labels and arguments of commands.
    fn check_name(&mut self, entry: &Entry) -> bool {
        let name = &entry.key.value;
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if !name.is_empty() && name.len() <= 128 && name.chars().all(good) {
            return true;
        }
        let message = format!("{} cannot be a name", quoted(name));
        let hint =
            "use letters, digits, '.', '-' and '_', at most 128; variables work in values only";
        self.complain(entry.key.place, message, hint);
        false
    }

    /// An entry that must be there.
    pub(super) fn required<'t>(
        &mut self,
        what: &str,
        fields: &Fields<'t>,
        key: &str,
        example: &str,
    ) -> Option<&'t Entry> {
        let found = fields.get(key);
        if found.is_none() {
            self.complain(
                fields.place,
                format!("{what} has no {key}"),
                format!("write {example}"),
            );
        }
        found
    }

    /// The scalar of an entry, with its variables filled in.
    pub(super) fn scalar<'t>(&mut self, entry: &'t Entry) -> Option<(&'t Scalar, &'t str)> {
        self.item(&entry.key.value, entry.key.place, &entry.value)
    }

    /// A scalar: the value of a key, or one item of its list.
    fn item<'t>(
        &mut self,
        key: &str,
        place: Place,
        node: &'t Node,
    ) -> Option<(&'t Scalar, &'t str)> {
        match &node.value {
            Value::Scalar(scalar) => return Some((scalar, scalar.text.as_deref()?)),
            Value::Null => {
                let hint = "write one, or remove the key";
                self.complain(place, format!("{key} has no value"), hint);
            }
            Value::List(_) | Value::Map(_) => {
                let message = format!("{key} must be a single value, but this is {}", node.kind());
                self.complain(node.place, message, "write it as key: value");
            }
        }
        None
    }

    /// A value of some type.
    pub(super) fn value<T>(&mut self, entry: &Entry, parse: Parse<T>) -> Option<At<T>> {
        self.item_value(&entry.key.value, entry.key.place, &entry.value, parse)
    }

    fn item_value<T>(
        &mut self,
        key: &str,
        place: Place,
        node: &Node,
        parse: Parse<T>,
    ) -> Option<At<T>> {
        let (scalar, text) = self.item(key, place, node)?;
        match parse(text) {
            Ok(value) => {
                if scalar.written != text {
                    self.filled_in.push(node.place);
                }
                Some(At {
                    value,
                    place: node.place,
                })
            }
            Err(wrong) => {
                let message = format!("{key}: {} {}", quoted(&scalar.written), wrong.what);
                // A hint may repeat the text, and what came from the environment is not shown.
                let hint = if scalar.written == text {
                    wrong.hint
                } else {
                    "this is about the value after filling in the variables".to_owned()
                };
                self.complain(node.place, message, hint);
                None
            }
        }
    }

    /// A name as a message may show it.
    pub(super) fn shown(&self, name: &At<String>) -> String {
        if self.filled_in.contains(&name.place) {
            "of that name (from the environment)".to_owned()
        } else {
            quoted(&name.value)
        }
    }

    /// A value, or the default: also where a problem was told, to go on with something.
    pub(super) fn value_or<T>(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        parse: Parse<T>,
        default: T,
    ) -> T {
        fields
            .get(key)
            .and_then(|entry| self.value(entry, parse))
            .map_or(default, |at| at.value)
    }

    /// A value that is `off` by default.
    pub(super) fn value_unless_off<T>(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        parse: Parse<T>,
    ) -> Option<T> {
        let entry = fields.get_unless_off(key)?;
        self.value(entry, parse).map(|at| at.value)
    }

    /// A list of at least one value, each once. A single value stands for a list of one.
    pub(super) fn list<T: PartialEq>(&mut self, entry: &Entry, parse: Parse<T>) -> Vec<At<T>> {
        let key = entry.key.value.as_str();
        let items = match &entry.value.value {
            Value::List(items) => items.as_slice(),
            _ => std::slice::from_ref(&entry.value),
        };
        if items.is_empty() {
            let hint = "name at least one, or remove the key";
            self.complain(entry.value.place, format!("{key} is an empty list"), hint);
        }
        let mut values: Vec<At<T>> = Vec::new();
        for item in items {
            let Some(at) = self.item_value(key, entry.key.place, item, parse) else {
                continue;
            };
            if let Some(first) = values.iter().find(|other| other.value == at.value) {
                let line = first.place.line;
                let message = format!("{key} has the same value twice");
                self.complain(at.place, message, format!("it is already on line {line}"));
            } else {
                values.push(at);
            }
        }
        values
    }
}

/// A word of the file between quotes, fit for one line of a terminal, without a URL's password.
pub(super) fn quoted(word: &str) -> String {
    let word = &*without_user(word);
    let mut shown: String = word.chars().take(80).flat_map(char::escape_debug).collect();
    if word.chars().count() > 80 {
        shown.push_str("...");
    }
    format!("\"{shown}\"")
}
