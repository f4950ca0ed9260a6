//! Where a line of the configuration stands, and how it is cited.

/// A file that is imported: what it is called in comments and messages, and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// As it is cited: `haproxy.cfg`.
    pub name: String,
    /// All of it.
    pub text: String,
}

/// One line of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Which of the sources, from 0.
    pub file: usize,
    /// Its line, from 1.
    pub line: usize,
}

/// The names of the files, for citing.
#[derive(Clone, Debug, Default)]
pub(super) struct Names(Vec<String>);

impl Names {
    pub(super) fn of(sources: &[Source]) -> Self {
        Self(sources.iter().map(|source| source.name.clone()).collect())
    }

    /// `haproxy.cfg:42`.
    pub(super) fn cite(&self, place: Place) -> String {
        format!("{}:{}", self.name(place.file), place.line)
    }

    /// `haproxy.cfg:3, 12-18, 40`, each line once, in order; a file's name once.
    pub(super) fn cite_all(&self, places: &[Place]) -> String {
        let mut places = places.to_vec();
        places.sort_unstable();
        places.dedup();
        let mut text = String::new();
        let mut rest = &places[..];
        let mut file = None;
        while let Some(first) = rest.first() {
            let run = run_length(rest);
            if !text.is_empty() {
                text.push_str(", ");
            }
            if file != Some(first.file) {
                file = Some(first.file);
                text.push_str(self.name(first.file));
                text.push(':');
            }
            text.push_str(&first.line.to_string());
            if run > 1 {
                text.push('-');
                text.push_str(&(first.line + run - 1).to_string());
            }
            rest = &rest[run..];
        }
        text
    }

    fn name(&self, file: usize) -> &str {
        self.0.get(file).map_or("?", |name| name.as_str())
    }
}

/// How many of the first places are consecutive lines.
fn run_length(places: &[Place]) -> usize {
    let Some(first) = places.first() else {
        return 0;
    };
    let follows = |(index, place): &(usize, &Place)| {
        place.file == first.file && place.line == first.line + index
    };
    places.iter().enumerate().take_while(follows).count()
}

#[cfg(test)]
mod tests {
    use super::{Names, Place, Source};

    #[test]
    fn lines_are_cited_in_runs() {
        let source = |name: &str| Source {
            name: name.to_owned(),
            text: String::new(),
        };
        let names = Names::of(&[source("a.cfg"), source("b.cfg")]);
        let at = |file, line| Place { file, line };
        let places = [at(1, 2), at(0, 4), at(0, 3), at(0, 9), at(0, 4), at(0, 5)];
        assert_eq!(names.cite_all(&places), "a.cfg:3-5, 9, b.cfg:2");
        assert_eq!(names.cite_all(&[]), "");
        assert_eq!(names.cite(at(1, 7)), "b.cfg:7");
    }
}
