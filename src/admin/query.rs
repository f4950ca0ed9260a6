//! The parameters of a request: known ones only, so that a slip is told instead of ignored.

use hyper::Uri;
use percent_encoding::percent_decode_str;

/// What came after the question mark.
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Takes a query apart; an error is a sentence for whoever asked.
    pub(super) fn parse(uri: &Uri, known: &[&str]) -> Result<Self, String> {
        let pairs = uri.query().unwrap_or_default().split('&');
        let mut all: Vec<(String, String)> = Vec::new();
        for pair in pairs.filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decoded(name)?, decoded(&value.replace('+', " "))?);
            if !known.contains(&name.as_str()) {
                let path = uri.path();
                let there = match known {
                    [] => "it takes none".to_owned(),
                    some => format!("it takes {}", some.join(", ")),
                };
                return Err(format!("{path} knows no parameter {name:?}: {there}"));
            }
            if all.iter().any(|(earlier, _)| *earlier == name) {
                return Err(format!("the parameter {name} is given twice"));
            }
            all.push((name, value));
        }
        Ok(Self(all))
    }

    /// The value of a parameter.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let mut all = self.0.iter();
        let found = all.find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// A whole number, or what it is without the parameter.
    pub(super) fn number<N: std::str::FromStr>(&self, name: &str, without: N) -> Result<N, String> {
        let Some(value) = self.get(name) else {
            return Ok(without);
        };
        value
            .parse()
            .map_err(|_| format!("{name}={value:?} is not a whole number"))
    }

    /// `1` or `0`; false without the parameter.
    pub(super) fn flag(&self, name: &str) -> Result<bool, String> {
        match self.get(name) {
            None | Some("0" | "false") => Ok(false),
            Some("1" | "true" | "") => Ok(true),
            Some(other) => Err(format!("{name}={other:?} is not 1 or 0")),
        }
    }
}

/// A part of a URL without its percent signs.
pub(super) fn decoded(part: &str) -> Result<String, String> {
    let text = percent_decode_str(part).decode_utf8();
    text.map(std::borrow::Cow::into_owned)
        .map_err(|_| format!("{part:?} is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Query, String> {
        Query::parse(&text.parse().expect("a URI"), &["after", "follow", "node"])
    }

    #[test]
    fn known_parameters_are_decoded() {
        let query = parse("/x?after=7&node=%5B%3A%3A1%5D%3A6379&follow=1").expect("a query");
        assert_eq!(query.number("after", 0), Ok(7));
        assert_eq!(query.get("node"), Some("[::1]:6379"));
        assert_eq!(query.flag("follow"), Ok(true));
        let nothing = parse("/x").expect("no query");
        assert_eq!(nothing.number("after", 3), Ok(3));
        assert_eq!(nothing.flag("follow"), Ok(false));
    }

    #[test]
    fn a_slip_is_told() {
        for (text, words) in [
            ("/x?afer=7", "after, follow, node"),
            ("/x?after=7&after=8", "twice"),
            ("/x?node=%FF", "UTF-8"),
        ] {
            let why = parse(text).err().expect("an error");
            assert!(why.contains(words), "{why}");
        }
        let query = parse("/x?after=-1&follow=yes").expect("a query");
        assert!(query.number::<u64>("after", 0).is_err());
        assert!(query.flag("follow").is_err());
    }
}
