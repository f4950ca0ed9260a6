//! `if` and `unless`, and ACLs, as far as they speak of how many servers are up: who is preferred to whom.

use super::lexer::Word;
use super::sections::Directive;

/// One term of a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Term {
    /// Enough servers of a section are up, or too few. The name is empty for the section itself.
    Servers { section: String, up: bool },
    /// A server is up.
    Server { name: String, up: bool },
    /// True or false at all times.
    Always(bool),
    /// Anything else.
    Other,
}

/// A condition: none is always true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) terms: Vec<Term>,
}

/// A named ACL.
#[derive(Clone, Debug)]
pub(super) struct Acl {
    pub(super) name: String,
    pub(super) term: Term,
}

/// Reads `acl NAME CRITERION ...`.
pub(super) fn acl(line: &Directive) -> Acl {
    Acl {
        name: line.word(1).to_owned(),
        term: criterion(line.from(2)),
    }
}

/// Reads what follows the target of a rule: `if ...`, `unless ...`, or nothing.
pub(super) fn condition(words: &[Word], acls: &[Acl]) -> Condition {
    let Some((first, rest)) = words.split_first() else {
        return Condition { terms: Vec::new() };
    };
    let negate = match first.text.as_str() {
        "if" => false,
        "unless" => true,
        _ => {
            return Condition {
                terms: vec![Term::Other],
            };
        }
    };
    let mut terms = Vec::new();
    let mut rest = rest;
    while let Some((word, after)) = rest.split_first() {
        rest = after;
        let text = word.text.as_str();
        if matches!(text, "or" | "||") {
            continue;
        }
        let not = text.starts_with('!');
        let bare = text.trim_start_matches('!');
        let term = if bare == "{" || (not && bare.is_empty() && next_is_brace(rest)) {
            if bare.is_empty() {
                rest = rest.get(1..).unwrap_or_default();
            }
            let inside = rest.iter().take_while(|word| !word.is("}")).count();
            let term = criterion(rest.get(..inside).unwrap_or_default());
            rest = rest.get(inside + 1..).unwrap_or_default();
            term
        } else {
            named(bare, acls)
        };
        terms.push(if not == negate { term } else { term.negated() });
    }
    Condition { terms }
}

fn next_is_brace(rest: &[Word]) -> bool {
    rest.first().is_some_and(|word| word.is("{"))
}

/// ACLs of one name are alternatives; the first stands for all.
fn named(name: &str, acls: &[Acl]) -> Term {
    match name {
        "TRUE" => return Term::Always(true),
        "FALSE" => return Term::Always(false),
        _ => {}
    }
    let found = acls.iter().find(|acl| acl.name == name);
    found.map_or(Term::Other, |acl| acl.term.clone())
}

/// `nbsrv(NAME) lt 1`, `srv_is_up(NAME)`.
fn criterion(words: &[Word]) -> Term {
    let Some((fetch, rest)) = words.split_first() else {
        return Term::Other;
    };
    let (name, argument) = match fetch.text.split_once('(') {
        Some((name, rest)) => (name, rest.trim_end_matches(')')),
        None => (fetch.text.as_str(), ""),
    };
    match name {
        "nbsrv" | "connslots" | "be_is_up" => Term::Servers {
            section: argument.trim().to_owned(),
            up: name == "be_is_up" || enough(rest),
        },
        "srv_is_up" => Term::Server {
            name: argument.trim().to_owned(),
            up: true,
        },
        "always_true" => Term::Always(true),
        "always_false" => Term::Always(false),
        _ => Term::Other,
    }
}

/// Whether a comparison asks for some servers, rather than for none or few.
fn enough(words: &[Word]) -> bool {
    let words: Vec<&str> = words
        .iter()
        .map(|word| word.text.as_str())
        .filter(|word| !matches!(*word, "-m" | "int"))
        .collect();
    match words.as_slice() {
        ["lt" | "le", ..] => false,
        ["eq", number, ..] | [number] => number.parse::<u32>().is_ok_and(|number| number > 0),
        _ => true,
    }
}

impl Term {
    fn negated(self) -> Self {
        match self {
            Self::Servers { section, up } => Self::Servers { section, up: !up },
            Self::Server { name, up } => Self::Server { name, up: !up },
            Self::Always(is) => Self::Always(!is),
            Self::Other => Self::Other,
        }
    }
}

impl Condition {
    /// Whether it always holds.
    pub(super) fn holds_always(&self) -> bool {
        self.terms.iter().all(|term| *term == Term::Always(true))
    }

    /// Whether it speaks of servers that are up and of nothing else.
    pub(super) fn is_about_servers(&self) -> bool {
        !self.terms.contains(&Term::Other)
    }

    /// The sections of which it wants servers up, or none.
    pub(super) fn sections(&self, wanted: bool) -> impl Iterator<Item = &str> {
        self.terms.iter().filter_map(move |term| match term {
            Term::Servers { section, up } if *up == wanted => Some(section.as_str()),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Condition, Term, acl, condition};
    use crate::import::place::Source;
    use crate::import::sections;

    fn read(rule: &str) -> Condition {
        let text =
            format!("frontend f\n acl none nbsrv(a) lt 1\n acl local src 10.0.0.0/8\n x {rule}\n");
        let document = sections::read(&[Source {
            name: "h".to_owned(),
            text,
        }]);
        let body = &document.sections[0].body;
        let acls = [acl(&body[0]), acl(&body[1])];
        condition(body[2].from(1), &acls)
    }

    #[test]
    fn conditions_on_servers_are_understood() {
        let servers = |section: &str, up| Term::Servers {
            section: section.to_owned(),
            up,
        };
        for (rule, expected) in [
            ("", &[][..]),
            ("if { nbsrv(a) eq 0 }", &[servers("a", false)]),
            ("if { nbsrv(a) lt 1 }", &[servers("a", false)]),
            ("if { nbsrv(a) 0 }", &[servers("a", false)]),
            ("if { nbsrv(a) -m int eq 0 }", &[servers("a", false)]),
            ("if { nbsrv(a) gt 0 }", &[servers("a", true)]),
            ("if !{ nbsrv(a) ge 1 }", &[servers("a", false)]),
            ("if ! { nbsrv(a) ge 1 }", &[servers("a", false)]),
            ("unless { nbsrv(a) ge 2 }", &[servers("a", false)]),
            ("if none", &[servers("a", false)]),
            ("if !none", &[servers("a", true)]),
            ("if TRUE", &[Term::Always(true)]),
            ("if local", &[Term::Other]),
            ("if unknown", &[Term::Other]),
            (
                "if { srv_is_up(R0) } { nbsrv(b) ge 2 }",
                &[
                    Term::Server {
                        name: "R0".to_owned(),
                        up: true,
                    },
                    servers("b", true),
                ],
            ),
        ] {
            assert_eq!(read(rule).terms, expected, "{rule}");
        }
        assert!(read("").holds_always() && !read("if local").is_about_servers());
    }
}
