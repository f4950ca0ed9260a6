//! YAML text to a tree that knows where each key and value stands.
//!
//! The only module that knows the YAML crate. It takes the parser's events rather than serde's values:
//! a scalar stays the text that was written (`0600` and `1e3` may be passwords, not numbers), and a
//! duplicate key is one problem among others instead of the end of reading. It judges no key.

use std::collections::HashMap;

use serde_yaml::granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Span, StrInput};

use super::problem::Problem;

/// Far above any configuration; stops aliases of aliases from growing without end.
const MOST_NODES: usize = 50_000;

/// Where something stands in the file: lines and columns from 1, the end exclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) end_line: usize,
    pub(super) end_column: usize,
}

/// A value and where it was written.
#[derive(Clone, Debug)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

/// One value of the tree.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    /// Nothing after the colon, `~` or `null`.
    Null,
    Scalar(Scalar),
    List(Vec<Node>),
    /// In file order, duplicates included.
    Map(Vec<Entry>),
}

/// A scalar of any kind: what it means is for the key to say.
#[derive(Clone, Debug)]
pub(super) struct Scalar {
    /// As in the file, `${VAR}` and all: the only form that messages may show.
    pub(super) written: String,
    /// With variables filled in; none where that failed, which has been told already.
    pub(super) text: Option<String>,
    /// Written without quotes.
    pub(super) plain: bool,
}

/// One `key: value`.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: At<String>,
    pub(super) value: Node,
}

/// Reads one YAML document; the error is the first thing that is not YAML.
pub(super) fn read(text: &str) -> Result<Node, Problem> {
    let mut builder = Builder {
        parser: Parser::new_from_str(text),
        anchors: HashMap::new(),
        nodes_left: MOST_NODES,
    };
    let root = builder.document()?;
    builder.nothing_more()?;
    Ok(root)
}

struct Builder<'i> {
    parser: Parser<'i, StrInput<'i>>,
    anchors: HashMap<usize, Node>,
    nodes_left: usize,
}

impl<'i> Builder<'i> {
    fn next(&mut self) -> Result<(Event<'i>, Place), Problem> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, place(&span))),
            Some(Err(error)) => Err(not_yaml(&error)),
            None => Ok((Event::StreamEnd, Place::default())),
        }
    }

    fn document(&mut self) -> Result<Node, Problem> {
        loop {
            match self.next()? {
                (Event::StreamStart | Event::DocumentStart(..), _) => {}
                (Event::StreamEnd, _) => {
                    return Ok(Node {
                        place: Place::start(),
                        value: Value::Null,
                    });
                }
                (event, place) => return self.node(event, place),
            }
        }
    }

    fn nothing_more(&mut self) -> Result<(), Problem> {
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => return Ok(()),
                (Event::DocumentStart(..), place) => {
                    return Err(Problem::at(place, "a second YAML document begins here")
                        .hint("one file is one configuration: remove the line with ---"));
                }
                _ => {}
            }
        }
    }

    fn node(&mut self, event: Event<'i>, place: Place) -> Result<Node, Problem> {
        self.spend(1, place)?;
        let (value, anchor, tagged) = match event {
            Event::Alias(anchor) => return self.alias(anchor, place),
            Event::Scalar(text, style, anchor, tag) => {
                (scalar(text.into_owned(), style), anchor, tag.is_some())
            }
            Event::SequenceStart(_, anchor, tag) => (self.list()?, anchor, tag.is_some()),
            Event::MappingStart(_, anchor, tag) => (self.map()?, anchor, tag.is_some()),
            _ => return Err(Problem::at(place, "a value was expected here")),
        };
        if tagged {
            return Err(Problem::at(place, "YAML tags (!...) mean nothing here")
                .hint("remove the tag, or quote the value if it begins with !"));
        }
        let node = Node { place, value };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn alias(&mut self, anchor: usize, place: Place) -> Result<Node, Problem> {
        let Some(node) = self.anchors.get(&anchor).cloned() else {
            return Err(Problem::at(place, "this alias refers to itself"));
        };
        self.spend(node.size(), place)?;
        Ok(node)
    }

    fn list(&mut self) -> Result<Value, Problem> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Value::List(items)),
                (event, place) => items.push(self.node(event, place)?),
            }
        }
    }

    fn map(&mut self) -> Result<Value, Problem> {
        let mut entries = Vec::new();
        loop {
            let (event, place) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(Value::Map(entries));
            }
            let Event::Scalar(name, ..) = event else {
                return Err(Problem::at(place, "a key must be a plain word")
                    .hint("quote values that begin with { [ * & or ?"));
            };
            let (event, at) = self.next()?;
            entries.push(Entry {
                key: At {
                    value: name.into_owned(),
                    place,
                },
                value: self.node(event, at)?,
            });
        }
    }

    fn spend(&mut self, nodes: usize, place: Place) -> Result<(), Problem> {
        match self.nodes_left.checked_sub(nodes) {
            Some(left) => {
                self.nodes_left = left;
                Ok(())
            }
            None => Err(Problem::at(
                place,
                format!("more than {MOST_NODES} values are too many for a configuration"),
            )),
        }
    }
}

impl Node {
    /// Itself and all below.
    fn size(&self) -> usize {
        1 + match &self.value {
            Value::Null | Value::Scalar(_) => 0,
            Value::List(items) => items.iter().map(Node::size).sum(),
            Value::Map(entries) => entries.iter().map(|entry| entry.value.size()).sum(),
        }
    }

    /// What it is, for "found a list".
    pub(super) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Scalar(_) => "a single value",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }

    /// Whether it is the bare word `off` or `none`.
    pub(super) fn is_off(&self) -> bool {
        matches!(&self.value, Value::Scalar(scalar)
            if scalar.plain && matches!(scalar.written.as_str(), "off" | "none"))
    }
}

impl Place {
    /// The first character of the file.
    pub(super) const fn start() -> Self {
        Self::point(1, 1)
    }

    /// One character.
    pub(super) const fn point(line: usize, column: usize) -> Self {
        Self {
            line,
            column,
            end_line: line,
            end_column: column + 1,
        }
    }
}

fn scalar(text: String, style: ScalarStyle) -> Value {
    let plain = style == ScalarStyle::Plain;
    if plain && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL") {
        return Value::Null;
    }
    Value::Scalar(Scalar {
        text: Some(text.clone()),
        written: text,
        plain,
    })
}

fn place(span: &Span) -> Place {
    // A tag before the value belongs to it.
    let start = span.tag_start().unwrap_or(span.start);
    Place {
        line: start.line().max(1),
        column: start.col() + 1,
        end_line: span.end.line().max(1),
        end_column: span.end.col() + 1,
    }
}

fn not_yaml(error: &ScanError) -> Problem {
    let marker = error.marker();
    let place = Place::point(marker.line().max(1), marker.col() + 1);
    let hint = match error.kind() {
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation => "indent with spaces",
        ErrorKind::UnknownAnchor => "quote a value that begins with *",
        ErrorKind::UnclosedQuotedScalar => "the closing quote is missing",
        ErrorKind::UnclosedFlowCollection { .. } | ErrorKind::UnexpectedEofFlowMapping => {
            "the closing bracket is missing"
        }
        _ => "check the indentation, and quote values that hold : # { } [ ] , & * ! | > % @",
    };
    // Only the parser's fixed sentence: the offending character may belong to a password.
    let reason = match error.kind() {
        ErrorKind::UnexpectedCharacter { .. } => "unexpected character".to_owned(),
        kind => kind.to_string(),
    };
    Problem::at(place, format!("not valid YAML: {reason}")).hint(hint)
}
