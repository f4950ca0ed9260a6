//! Lines to sections: `global`, `defaults`, `frontend`, `backend`, `listen` and all the others, each with
//! its directives and their places. It knows no directive; what it cannot place it keeps as stray.
//!
//! Conditional blocks (`.if`) depend on the machine that HAProxy runs on: the first branch is read, the
//! others are kept apart, to be told.

use super::lexer::{self, Word};
use super::place::{Place, Source};

/// A line with its words, the first being the keyword.
#[derive(Clone, Debug)]
pub(super) struct Directive {
    pub(super) place: Place,
    pub(super) words: Vec<Word>,
    pub(super) unclosed: bool,
}

/// What kind of section it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Global,
    Defaults,
    Frontend,
    Backend,
    Listen,
    Resolvers,
    /// `peers`, `userlist`, `program` and so on: nothing that traffic runs through.
    Other,
}

/// A section as written.
#[derive(Clone, Debug)]
pub(super) struct Section {
    pub(super) kind: Kind,
    /// The line that opens it.
    pub(super) head: Directive,
    pub(super) body: Vec<Directive>,
}

/// A whole configuration.
#[derive(Clone, Debug, Default)]
pub(super) struct Document {
    pub(super) sections: Vec<Section>,
    /// Before any section: HAProxy refuses it.
    pub(super) stray: Vec<Directive>,
    /// `.if` and its kin, `.notice`: and the lines of branches that were not read.
    pub(super) conditional: Vec<Directive>,
    /// Lines of a template that nobody has rendered.
    pub(super) templates: Vec<Place>,
}

const SECTIONS: [(&str, Kind); 22] = [
    ("global", Kind::Global),
    ("defaults", Kind::Defaults),
    ("frontend", Kind::Frontend),
    ("backend", Kind::Backend),
    ("listen", Kind::Listen),
    ("resolvers", Kind::Resolvers),
    ("peers", Kind::Other),
    ("mailers", Kind::Other),
    ("userlist", Kind::Other),
    ("program", Kind::Other),
    ("ring", Kind::Other),
    ("cache", Kind::Other),
    ("http-errors", Kind::Other),
    ("fcgi-app", Kind::Other),
    ("log-forward", Kind::Other),
    ("log-profile", Kind::Other),
    ("crt-store", Kind::Other),
    ("traces", Kind::Other),
    ("acme", Kind::Other),
    ("healthcheck", Kind::Other),
    ("namespace_list", Kind::Other),
    ("ruleset", Kind::Other),
];

/// Reads all sources, in their order.
pub(super) fn read(sources: &[Source]) -> Document {
    let mut document = Document::default();
    for (file, source) in sources.iter().enumerate() {
        let mut reader = FileReader {
            document: &mut document,
            open: None,
            branches: Vec::new(),
        };
        let text = source.text.strip_prefix('\u{feff}').unwrap_or(&source.text);
        for (index, line) in text.split('\n').enumerate() {
            let place = Place {
                file,
                line: index + 1,
            };
            reader.line(place, line);
        }
        reader.close();
    }
    fill_in(&mut document);
    document
}

/// `setenv` and `presetenv` give variables a value; in addresses it is filled in. A password is none of them.
fn fill_in(document: &mut Document) {
    let globals = document
        .sections
        .iter()
        .filter(|section| section.kind == Kind::Global);
    let mut values = Vec::new();
    for line in globals.flat_map(|section| &section.body) {
        let value = line.words.get(2).filter(|value| value.variables.is_empty());
        if let (Some(value), "setenv" | "presetenv") = (value, line.keyword()) {
            let set = line.keyword() == "setenv";
            values.push((line.word(1).to_owned(), value.text.clone(), set));
        }
    }
    for line in document
        .sections
        .iter_mut()
        .flat_map(|section| &mut section.body)
    {
        let at = match line.keyword() {
            "bind" => 1,
            "server" => 2,
            "server-template" => 3,
            _ => continue,
        };
        if let Some(word) = line.words.get_mut(at) {
            for (name, value, set) in &values {
                word.fill_in(name, value, *set);
            }
        }
    }
}

struct FileReader<'d> {
    document: &'d mut Document,
    open: Option<Section>,
    /// One for each open `.if`: whether its present branch is read.
    branches: Vec<bool>,
}

impl FileReader<'_> {
    fn line(&mut self, place: Place, line: &str) {
        if is_template(line) {
            self.document.templates.push(place);
        }
        let lexer::Line { words, unclosed } = lexer::words(line);
        let directive = Directive {
            place,
            words,
            unclosed,
        };
        let Some(first) = directive.words.first() else {
            return;
        };
        if first.text.starts_with('.') {
            return self.conditional(directive);
        }
        if self.branches.contains(&false) {
            self.document.conditional.push(directive);
            return;
        }
        let kind = SECTIONS.iter().find(|(name, _)| first.is(name));
        match (kind, &mut self.open) {
            (Some((_, kind)), _) => {
                self.close();
                self.open = Some(Section {
                    kind: *kind,
                    head: directive,
                    body: Vec::new(),
                });
            }
            (None, Some(section)) => section.body.push(directive),
            (None, None) => self.document.stray.push(directive),
        }
    }

    fn conditional(&mut self, directive: Directive) {
        match directive.keyword() {
            ".if" => self.branches.push(true),
            ".elif" | ".else" => {
                if let Some(branch) = self.branches.last_mut() {
                    *branch = false;
                }
            }
            ".endif" => {
                self.branches.pop();
            }
            _ => {}
        }
        self.document.conditional.push(directive);
    }

    fn close(&mut self) {
        self.document.sections.extend(self.open.take());
    }
}

/// A line that a template engine should have filled in: Jinja, Helm, Go, ERB.
fn is_template(line: &str) -> bool {
    let line = if line.trim_start().starts_with('#') {
        return false;
    } else {
        line
    };
    holds(line, "{{", "}}") || holds(line, "{%", "%}") || holds(line, "<%", "%>")
}

fn holds(line: &str, open: &str, close: &str) -> bool {
    let Some((_, after)) = line.split_once(open) else {
        return false;
    };
    let Some((inside, _)) = after.split_once(close) else {
        return false;
    };
    // A log format in JSON has braces too, but quotes behind them.
    let inside = inside.trim_start_matches(['-', '+', '=', '#', '/', '^', '&', '>', ' ', '~']);
    inside.starts_with(|c: char| c.is_alphabetic() || matches!(c, '.' | '$' | '_' | '@' | '('))
}

impl Directive {
    /// Its first word.
    pub(super) fn keyword(&self) -> &str {
        self.word(0)
    }

    /// A word by its number; nothing where there is none.
    pub(super) fn word(&self, index: usize) -> &str {
        self.words.get(index).map_or("", |word| word.text.as_str())
    }

    /// All words from this one on.
    pub(super) fn from(&self, index: usize) -> &[Word] {
        self.words.get(index..).unwrap_or_default()
    }
}

impl Section {
    /// Its name; none has the empty one.
    pub(super) fn name(&self) -> &str {
        self.head.word(1)
    }

    /// `backend redis-ro`, as it is told.
    pub(super) fn title(&self) -> String {
        match self.name() {
            "" => self.head.keyword().to_owned(),
            name => format!("{} {name}", self.head.keyword()),
        }
    }

    /// The places of all its lines, the head included.
    pub(super) fn places(&self) -> Vec<Place> {
        std::iter::once(&self.head)
            .chain(&self.body)
            .map(|directive| directive.place)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, is_template, read};
    use crate::import::place::Source;

    fn source(text: &str) -> Source {
        Source {
            name: "haproxy.cfg".to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn lines_belong_to_the_section_above_them() {
        let text = "stray\nglobal\n daemon\r\n\n# c\nlisten a *:1\n\tmode tcp # x\nbackend b\n";
        let document = read(&[source(text), source("mode http\n")]);
        let seen: Vec<_> = document
            .sections
            .iter()
            .map(|section| (section.kind, section.name(), section.body.len()))
            .collect();
        assert_eq!(
            seen,
            [
                (Kind::Global, "", 1),
                (Kind::Listen, "a", 1),
                (Kind::Backend, "b", 0)
            ]
        );
        // A section ends with its file.
        let stray: Vec<_> = document.stray.iter().map(|line| line.place.file).collect();
        assert_eq!(stray, [0, 1]);
    }

    #[test]
    fn only_the_first_branch_is_read() {
        let text = "global\n.if feature(X)\n a\n.if 1\n b\n.else\n c\n.endif\n.elif 1\n d\n.else\n e\n.endif\n f\n";
        let document = read(&[source(text)]);
        let body: Vec<_> = document.sections[0]
            .body
            .iter()
            .map(|line| line.keyword().to_owned())
            .collect();
        assert_eq!(body, ["a", "b", "f"]);
        assert_eq!(document.conditional.len(), 10);
    }

    #[test]
    fn templates_are_told_from_formats() {
        for line in [
            "  bind *:{{ redis_port }}",
            "{{- range $i := until 3 }}",
            "{% for host in groups['redis'] %}",
            "{%- endif -%}",
            "server r <%= @ip %>:6379 check",
            "  {{HOSTS}}",
            "{{/HOSTS}}",
            "# a\t\n".trim_start_matches("# a\t\n"),
        ]
        .iter()
        .filter(|line| !line.is_empty())
        {
            assert!(is_template(line), "{line}");
        }
        for line in [
            "# {{ ansible_managed }}",
            "log-format '{\"a\":{\"b\":%ci}}'",
            "log-format %{+Q}o\\ %t",
            "http-request set-header X %[src]",
            "use_backend a if { nbsrv(b) eq 0 }",
        ] {
            assert!(!is_template(line), "{line}");
        }
    }
}
