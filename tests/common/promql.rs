//! Which metrics and labels an expression of Prometheus names. Not a parser: it knows words, strings and
//! brackets, and refuses a word that it cannot place, so that nothing slips through.

/// Words that are no metric: functions, operators and modifiers, as far as our expressions use them.
const WORDS: &[&str] = &[
    "absent",
    "and",
    "changes",
    "count",
    "histogram_quantile",
    "increase",
    "last_over_time",
    "max",
    "max_over_time",
    "min",
    "offset",
    "or",
    "rate",
    "sum",
    "time",
    "topk",
    "unless",
    "clamp_max",
];

/// Words that a list of labels follows.
const LISTS: &[&str] = &[
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
];

/// What an expression names.
#[derive(Debug, Default)]
pub(crate) struct Named {
    pub(crate) selectors: Vec<Selector>,
    /// The labels of `by (..)`, `on (..)` and their like.
    pub(crate) listed: Vec<String>,
}

/// One metric with its matchers.
#[derive(Debug)]
pub(crate) struct Selector {
    pub(crate) metric: String,
    pub(crate) matchers: Vec<Matcher>,
}

/// `label="value"`, or with another operator.
#[derive(Debug)]
pub(crate) struct Matcher {
    pub(crate) label: String,
    pub(crate) operator: String,
    pub(crate) value: String,
}

/// Reads an expression; panics at a word that it cannot place.
#[track_caller]
pub(crate) fn named(expression: &str) -> Named {
    let mut named = Named::default();
    let mut rest = expression.trim_start();
    while let Some(first) = rest.chars().next() {
        if is_word(first) && !first.is_ascii_digit() {
            let (word, after) = split_word(rest);
            rest = named.word(word, after.trim_start());
        } else if first == '[' {
            rest = behind(rest, ']');
        } else if first.is_ascii_digit() {
            rest = rest.trim_start_matches(|c: char| is_word(c) || c == '.');
        } else if "()+-*/%^<>=!,".contains(first) {
            rest = &rest[1..];
        } else if first == '$' {
            // A duration that Grafana fills in, behind `offset`.
            rest = split_word(&rest[1..]).1;
        } else {
            panic!("{first:?} cannot be placed in {expression}");
        }
        rest = rest.trim_start();
    }
    named
}

impl Named {
    /// Places a word and gives what is left behind it.
    #[track_caller]
    fn word<'t>(&mut self, word: &str, after: &'t str) -> &'t str {
        if LISTS.contains(&word) {
            let Some(list) = after.strip_prefix('(') else {
                panic!("no list behind {word}");
            };
            let labels = list.split(')').next().unwrap_or_default().split(',');
            let labels = labels.map(|label| label.trim().to_owned());
            self.listed.extend(labels.filter(|label| !label.is_empty()));
            return behind(after, ')');
        }
        if WORDS.contains(&word) {
            return after;
        }
        assert!(
            word == "up" || word.starts_with("rolecall_") || word.starts_with("process_"),
            "{word} is neither a metric nor a function that is known here"
        );
        let mut selector = Selector {
            metric: word.to_owned(),
            matchers: Vec::new(),
        };
        let mut rest = after;
        if let Some(inside) = after.strip_prefix('{') {
            rest = matchers(inside, &mut selector.matchers);
        }
        self.selectors.push(selector);
        rest
    }
}

/// The matchers up to the closing brace; gives what is left behind it.
#[track_caller]
fn matchers<'t>(text: &'t str, found: &mut Vec<Matcher>) -> &'t str {
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
        if let Some(after) = rest.strip_prefix('}') {
            return after;
        }
        let (label, after) = split_word(rest);
        let Some((operator, after)) = after.split_once('"') else {
            panic!("no value for {label}");
        };
        let Some((value, after)) = after.split_once('"') else {
            panic!("the value of {label} has no end");
        };
        found.push(Matcher {
            label: label.to_owned(),
            operator: operator.trim().to_owned(),
            value: value.to_owned(),
        });
        rest = after;
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == ':'
}

fn split_word(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c| !is_word(c)).unwrap_or(text.len()))
}

#[track_caller]
fn behind(text: &str, end: char) -> &str {
    let Some((_, after)) = text.split_once(end) else {
        panic!("no {end} in {text}");
    };
    after
}
