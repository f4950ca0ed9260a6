//! The Prometheus text format, as much of it as the tests ask.

use std::collections::BTreeMap;

/// One scrape.
pub(crate) struct Metrics {
    samples: Vec<Sample>,
}

struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

impl Metrics {
    pub(crate) fn parse(text: &str) -> Self {
        let samples = text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(|line| sample(line).unwrap_or_else(|| panic!("not a sample: {line:?}")))
            .collect();
        Self { samples }
    }

    /// Whether any sample has this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.samples.iter().any(|sample| sample.name == name)
    }

    /// The sum of all samples of that name that carry these labels; none when there is no such sample.
    pub(crate) fn find(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let mut fitting = self.samples.iter().filter(|sample| {
            let carries = |(key, value): &(&str, &str)| {
                sample.labels.get(*key).is_some_and(|label| label == value)
            };
            sample.name == name && labels.iter().all(carries)
        });
        let first = fitting.next()?.value;
        Some(first + fitting.map(|sample| sample.value).sum::<f64>())
    }

    /// The same; a sample that is missing is a panic.
    #[track_caller]
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.find(name, labels)
            .unwrap_or_else(|| panic!("no metric {name} with {labels:?}"))
    }

    /// The same for a metric that counts things.
    #[track_caller]
    pub(crate) fn count(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let sum = self.sum(name, labels);
        format!("{sum:.0}")
            .parse()
            .unwrap_or_else(|_| panic!("{name} {labels:?} is {sum}"))
    }
}

fn sample(line: &str) -> Option<Sample> {
    let (series, value) = line.rsplit_once(' ')?;
    let (name, labels) = match series.split_once('{') {
        Some((name, rest)) => (name, parse_labels(rest.strip_suffix('}')?)?),
        None => (series, BTreeMap::new()),
    };
    Some(Sample {
        name: name.to_owned(),
        labels,
        value: value.parse().ok()?,
    })
}

fn parse_labels(text: &str) -> Option<BTreeMap<String, String>> {
    let mut labels = BTreeMap::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (key, after) = rest.split_once("=\"")?;
        let (value, used) = unquote(after)?;
        labels.insert(key.trim_start_matches(',').to_owned(), value);
        rest = &after[used..];
    }
    Some(labels)
}

/// A quoted value up to its closing quote, and how many bytes that was.
fn unquote(text: &str) -> Option<(String, usize)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some((value, at + 1)),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}
