//! Keeps the account of lines: every line of a configuration ends as translated, changed, not translated
//! or of another service. What nobody spoke for is not translated: nothing can be dropped in silence.

use std::collections::{BTreeMap, BTreeSet};

use super::place::Place;
use super::topic::{Gap, Topic};

/// What became of a line; of several that are noted for one line the gravest counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// It belongs to another service.
    Aside,
    /// Something in the new configuration comes of it.
    Translated,
    /// rolecall does it in another way, on purpose.
    Changed,
    /// It has no counterpart, or could not be understood.
    NotTranslated,
}

/// Everything that is known of all lines.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    fates: BTreeMap<Place, Fate>,
    /// What was translated, and the lines that it comes from.
    pub(super) translated: Vec<(String, BTreeSet<Place>)>,
    /// By topic: the words that it concerns, with their lines.
    pub(super) changed: BTreeMap<Topic, Vec<(String, BTreeSet<Place>)>>,
    /// Sentences, by gravity.
    pub(super) gaps: BTreeMap<Gap, Vec<(String, BTreeSet<Place>)>>,
    /// Sections of other services.
    pub(super) aside: Vec<(String, BTreeSet<Place>)>,
}

impl Ledger {
    /// A line became `what`.
    pub(super) fn translated(&mut self, place: Place, what: &str) {
        self.mark(place, Fate::Translated);
        add(&mut self.translated, what, place);
    }

    /// Words of a line that rolecall does in another way.
    pub(super) fn changed(&mut self, place: Place, topic: Topic, words: &str) {
        self.mark(place, Fate::Changed);
        add(self.changed.entry(topic).or_default(), words, place);
    }

    /// Tells a topic of a line whose fate is another one.
    pub(super) fn note(&mut self, place: Place, topic: Topic, words: &str) {
        add(self.changed.entry(topic).or_default(), words, place);
    }

    /// A line, or words of it, without a counterpart: a sentence that says what to do.
    pub(super) fn gap(&mut self, place: Place, gap: Gap, sentence: &str) {
        self.mark(place, Fate::NotTranslated);
        add(self.gaps.entry(gap).or_default(), sentence, place);
    }

    /// A line of another service's section.
    pub(super) fn aside(&mut self, place: Place, section: &str) {
        self.mark(place, Fate::Aside);
        add(&mut self.aside, section, place);
    }

    /// Whether anybody spoke for the line.
    pub(super) fn knows(&self, place: Place) -> bool {
        self.fates.contains_key(&place)
    }

    /// What became of each line.
    pub(super) fn fates(&self) -> &BTreeMap<Place, Fate> {
        &self.fates
    }

    /// How many lines had this fate.
    pub(super) fn count(&self, fate: Fate) -> usize {
        self.fates.values().filter(|found| **found == fate).count()
    }

    fn mark(&mut self, place: Place, fate: Fate) {
        let marked = self.fates.entry(place).or_insert(fate);
        *marked = (*marked).max(fate);
    }
}

fn add(all: &mut Vec<(String, BTreeSet<Place>)>, words: &str, place: Place) {
    match all.iter_mut().find(|(known, _)| known == words) {
        Some((_, places)) => {
            places.insert(place);
        }
        None => all.push((words.to_owned(), BTreeSet::from([place]))),
    }
}
