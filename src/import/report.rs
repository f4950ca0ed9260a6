//! What is told after an import: what became of every line, in words.

use std::collections::BTreeSet;

use super::ledger::{Fate, Ledger};
use super::passwords::Needed;
use super::place::{Names, Place};

/// A line of text is broken before it gets longer than this.
const WIDTH: usize = 96;

/// All of it; `outcome` goes first, `next` last.
pub(super) fn text(
    ledger: &Ledger,
    names: &Names,
    sources: &str,
    outcome: &str,
    needed: &[Needed],
    next: &str,
) -> String {
    let mut report = Report {
        names,
        text: String::new(),
    };
    report.head(ledger, sources, outcome);
    report.translated(ledger);
    report.changed(ledger);
    report.gaps(ledger);
    report.aside(ledger);
    report.needed(needed);
    report.paragraph("", "", next);
    report.text
}

struct Report<'n> {
    names: &'n Names,
    text: String,
}

impl Report<'_> {
    fn head(&mut self, ledger: &Ledger, sources: &str, outcome: &str) {
        let count = |fate| ledger.count(fate);
        let total = ledger.fates().len();
        let lines = format!(
            "{sources}: {total} lines: {} translated, {} changed on purpose, {} not translated, {} of \
             other services. {outcome}",
            count(Fate::Translated),
            count(Fate::Changed),
            count(Fate::NotTranslated),
            count(Fate::Aside),
        );
        self.paragraph("", "", &lines);
    }

    fn title(&mut self, title: &str) {
        self.text.push('\n');
        self.text.push_str(title);
        self.text.push('\n');
    }

    fn translated(&mut self, ledger: &Ledger) {
        if ledger.translated.is_empty() {
            return;
        }
        self.title("TRANSLATED");
        for (what, places) in &ledger.translated {
            let cited = self.cite(places);
            self.paragraph("  ", "      ", &format!("{what}: {cited}"));
        }
    }

    fn changed(&mut self, ledger: &Ledger) {
        if ledger.changed.is_empty() {
            return;
        }
        self.title("CHANGED ON PURPOSE, and why");
        for (topic, lines) in &ledger.changed {
            let (title, why) = topic.words();
            self.paragraph("  * ", "    ", &format!("{title}: {why}"));
            let cited: Vec<String> = lines
                .iter()
                .map(|(words, places)| format!("{words} ({})", self.cite(places)))
                .collect();
            self.paragraph("      ", "      ", &cited.join("; "));
        }
    }

    fn gaps(&mut self, ledger: &Ledger) {
        if ledger.gaps.is_empty() {
            return;
        }
        self.title("NOT TRANSLATED, and what to do");
        for (sentence, places) in ledger.gaps.values().flatten() {
            let cited = self.cite(places);
            self.paragraph("  ! ", "    ", &format!("{cited}: {sentence}"));
        }
    }

    fn aside(&mut self, ledger: &Ledger) {
        if ledger.aside.is_empty() {
            return;
        }
        self.title("LEFT ASIDE: other services, which stay with HAProxy");
        let cited: Vec<String> = ledger
            .aside
            .iter()
            .map(|(section, places)| format!("{section} ({})", self.cite(places)))
            .collect();
        self.paragraph("  ", "  ", &cited.join("; "));
    }

    fn needed(&mut self, needed: &[Needed]) {
        if needed.is_empty() {
            return;
        }
        self.title(
            "TO BE SET in the environment of rolecall (the unit reads /etc/rolecall/environment)",
        );
        for needed in needed {
            let places: BTreeSet<Place> = needed.places.iter().copied().collect();
            let cited = self.cite(&places);
            let where_from = if needed.in_file {
                format!(
                    "{}: the password on {cited}; it was not copied",
                    needed.variable
                )
            } else {
                format!("{}: as for HAProxy, used on {cited}", needed.variable)
            };
            self.paragraph("  ", "      ", &where_from);
        }
    }

    fn cite(&self, places: &BTreeSet<Place>) -> String {
        let places: Vec<Place> = places.iter().copied().collect();
        self.names.cite_all(&places)
    }

    /// Text broken into lines; the first begins with one indent, the others with another.
    fn paragraph(&mut self, first: &str, indent: &str, text: &str) {
        let mut line = first.to_owned();
        let mut empty = true;
        for word in text.split_whitespace() {
            if !empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
                self.text.push_str(line.trim_end());
                self.text.push('\n');
                indent.clone_into(&mut line);
                empty = true;
            }
            if !empty {
                line.push(' ');
            }
            line.push_str(&printable(word));
            empty = false;
        }
        if !empty {
            self.text.push_str(&line);
            self.text.push('\n');
        }
    }
}

/// Nothing of a file may play with the terminal.
fn printable(word: &str) -> String {
    word.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}
