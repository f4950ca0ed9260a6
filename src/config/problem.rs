//! What is wrong with a configuration file, told like a compiler: file, line, column, the line itself
//! and what to do about it. It shows no secret: the places that hold one are masked before quoting.

use std::fmt;

use super::secrets::Masks;
use super::tree::Place;

/// A quoted line longer than this is cut around the column.
const WIDEST_QUOTE: usize = 160;

/// All that is wrong with one file, in the order of its lines. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    origin: String,
    all: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    place: Option<Place>,
    message: String,
    hint: Option<String>,
    quote: Option<Box<Quote>>,
}

/// The offending line as it is shown, and where the caret goes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Quote {
    line: String,
    caret: usize,
    width: usize,
}

impl Problems {
    /// Problems of a text; the lines are quoted here, masked. None if there are no problems.
    pub(super) fn of_text(
        origin: &str,
        text: &str,
        masks: &Masks,
        mut all: Vec<Problem>,
    ) -> Option<Self> {
        if all.is_empty() {
            return None;
        }
        all.sort_by_key(|problem| problem.place);
        all.dedup();
        let lines: Vec<&str> = text.lines().collect();
        for problem in &mut all {
            problem.quote = problem.place.and_then(|place| {
                let line = lines.get(place.line.checked_sub(1)?)?;
                Some(Box::new(Quote::new(line, place, masks)))
            });
        }
        Some(Self {
            origin: origin.to_owned(),
            all,
        })
    }

    /// The one problem of a file that could not be read at all.
    pub(super) fn of_file(origin: &str, message: String, hint: &str) -> Self {
        Self {
            origin: origin.to_owned(),
            all: vec![Problem {
                place: None,
                message,
                hint: Some(hint.to_owned()),
                quote: None,
            }],
        }
    }

    /// Each problem, in the order of the lines.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.all.iter()
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.all.iter().enumerate() {
            if index > 0 {
                f.write_str("\n\n")?;
            }
            problem.write(f, &self.origin)?;
        }
        Ok(())
    }
}

impl Problem {
    /// A problem at a place of the file.
    pub(super) fn at(place: Place, message: impl Into<String>) -> Self {
        Self {
            place: Some(place),
            message: message.into(),
            hint: None,
            quote: None,
        }
    }

    /// What to do about it.
    #[must_use]
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The line, from 1; none when the file could not be read.
    pub fn line(&self) -> Option<usize> {
        self.place.map(|place| place.line)
    }

    /// The column in characters, from 1; none when the file could not be read.
    pub fn column(&self) -> Option<usize> {
        self.place.map(|place| place.column)
    }

    /// What is wrong, in one sentence.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it.
    pub fn advice(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, origin: &str) -> fmt::Result {
        match self.place {
            Some(place) => write!(f, "{origin}:{}:{}: ", place.line, place.column)?,
            None => write!(f, "{origin}: ")?,
        }
        f.write_str(&self.message)?;
        if let (Some(place), Some(quote)) = (self.place, &self.quote) {
            let number = place.line.to_string();
            let gutter = " ".repeat(number.len());
            let indent = " ".repeat(quote.caret);
            let carets = "^".repeat(quote.width);
            write!(f, "\n  {number} | {}", quote.line)?;
            write!(f, "\n  {gutter} | {indent}{carets}")?;
        }
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

impl Quote {
    fn new(line: &str, place: Place, masks: &Masks) -> Self {
        let (shown, caret) = masks.apply(line, place.line, place.column);
        // A tab or an escape sequence would put the caret elsewhere, or play with the terminal.
        let shown: Vec<char> = shown
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        let caret = caret.min(shown.len());
        let start = if shown.len() > WIDEST_QUOTE {
            caret.saturating_sub(WIDEST_QUOTE / 2)
        } else {
            0
        };
        let end = (start + WIDEST_QUOTE).min(shown.len());
        let width = if place.end_line == place.line {
            place.end_column.saturating_sub(place.column)
        } else {
            1
        };
        let text: String = shown.get(start..end).unwrap_or_default().iter().collect();
        Self {
            line: text.trim_end().to_owned(),
            caret: caret - start,
            width: width.min(end.saturating_sub(caret)).max(1),
        }
    }
}
