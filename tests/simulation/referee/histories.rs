//! R17: which nodes are foreign, from what was reported.
//!
//! Once the group is established a node belongs to it by the histories that it tells; before that nodes are
//! placed by families, that is by histories that are connected.

use std::time::Duration;

use rolecall::core::facts::{Facts, ReplId, RunId};
use rolecall::core::outcome::Report;
use rolecall::core::time::Moment;

use super::Referee;

/// So many histories are known at most.
const KNOWN: usize = 32;

/// A proxy that itself said nothing for so long knows no more than one that starts.
const LAPSE: Duration = Duration::from_secs(5);

/// Whose data a node has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Its history says so.
    Native,
    /// Native, and of no weight for others: it was never in sync, or branched from what this run held.
    Trusted,
    /// Native because the node that it follows, which is silent, was (R17).
    Vouched,
    /// Not known yet: at a cold start, or in sync with a known process that is not elected.
    Unplaced,
    Foreign,
}

#[derive(Debug)]
pub struct Histories {
    pub known: Vec<ReplId>,
    pub established: bool,
    reported: Option<Moment>,
    /// When the first check after a lapse began.
    resumed: Moment,
    lapsed: bool,
    places: Vec<Place>,
}

impl Histories {
    pub fn new(nodes: usize) -> Self {
        Self {
            known: Vec::new(),
            established: false,
            reported: None,
            resumed: Moment::default(),
            lapsed: false,
            places: vec![Place::Native; nodes],
        }
    }

    fn knows(&self, history: Option<&ReplId>) -> bool {
        history.is_some_and(|history| self.known.contains(history))
    }

    fn adopt(&mut self, history: Option<&ReplId>) -> bool {
        let new = history.filter(|history| !self.known.contains(history));
        let Some(history) = new else { return false };
        if self.known.len() == KNOWN {
            self.known.remove(0);
        }
        self.known.push(history.clone());
        true
    }
}

impl Referee {
    /// An election has happened, or an operator has said what the group's history is.
    pub fn is_established(&self) -> bool {
        self.histories.established
    }

    pub fn is_foreign(&self, node: usize) -> bool {
        self.histories.places[node] == Place::Foreign
    }

    pub fn place_of(&self, node: usize) -> Place {
        self.histories.places[node]
    }

    pub fn places(&self) -> Vec<Place> {
        self.histories.places.clone()
    }

    pub fn is_any_newly_vouched(&self, before: &[Place]) -> bool {
        let mut both = self.histories.places.iter().zip(before);
        both.any(|(now, before)| *now == Place::Vouched && *before != Place::Vouched)
    }

    /// The proxy was away for long between its reports.
    pub fn notice_a_lapse(&mut self, report: &Report) {
        self.lapsed = false;
        let before = self.histories.reported;
        self.histories.reported = before.max(Some(report.finished));
        if before.is_some_and(|before| report.started.since(before) > LAPSE) {
            self.histories.resumed = report.started;
            self.lapsed = true;
            self.histories.lapsed = true;
            if std::mem::take(&mut self.histories.established) {
                self.coverage.count("history: lapse");
            }
        }
    }

    /// What the incumbent tells while it claims is the group's history; after a lapse, as soon as it is heard.
    fn follow_holder_history(&mut self) {
        let Some(reign) = self.reign.clone().filter(|reign| reign.lost.is_none()) else {
            return;
        };
        let node = reign.node;
        if !self.told[node].claims() {
            return;
        }
        if self.is_suspect(node) {
            // It claims on, with what it came back with out of our sight.
            self.take_as_ours(node);
        }
        let told = &self.told[node];
        let facts = told.last.as_ref().unwrap();
        let was_resumed = told.heard_at >= self.histories.resumed;
        // R5: what was taken for want of another speaks for the group once a replica follows it.
        let is_native = if self.histories.established {
            self.is_native_by_itself(node, facts) || told.branched_from_its_own(facts)
        } else {
            !reign.is_guess
        };
        let proven = (is_native && !reign.unproven) || self.is_followed(facts);
        let same_run = Some(&reign.run) == told.run();
        if !(was_resumed && proven && same_run) {
            return;
        }
        if !self.histories.established {
            if self.histories.lapsed {
                self.coverage.count("history: resumed");
            }
            self.take_as_ours(node);
        }
        self.establish(node);
    }

    fn is_followed(&self, facts: &Facts) -> bool {
        facts.replid.is_some()
            && self.told.iter().any(|other| {
                let theirs = other.fresh_facts();
                let in_sync = |f: &Facts| f.replica().is_some_and(|link| link.link_up);
                theirs.is_some_and(|f| in_sync(f) && f.replid == facts.replid)
            })
    }

    /// Looks at all nodes again.
    pub fn place_all(&mut self) {
        self.follow_holder_history();
        self.place_once();
        for node in 0..self.told.len() {
            self.remember_place(node);
        }
        self.note_deceivers();
    }

    fn remember_place(&mut self, node: usize) {
        let place = self.place_of(node);
        let is_only = self.is_the_only_node(node);
        let established = self.histories.established;
        let told = &mut self.told[node];
        let tells = told
            .run()
            .cloned()
            .zip(told.last.as_ref().and_then(|f| f.replid.clone()));
        // After a lapse what was foreign before still is.
        let marked = tells.is_some() && tells == told.foreign_as && !established;
        let place = if marked { Place::Foreign } else { place };
        match place {
            Place::Foreign if established => {
                told.native_as = told
                    .native_as
                    .take()
                    .filter(|known| Some(known) != tells.as_ref());
                told.foreign_as.clone_from(&tells);
            }
            Place::Native | Place::Trusted | Place::Vouched if told.fresh && !is_only => {
                if place == Place::Native && established {
                    told.native_as.clone_from(&tells);
                }
                told.foreign_as = None;
            }
            _ => {}
        }
        // R4: it has none to be compared with, and teaches nothing by that.
        let place = if is_only { Place::Native } else { place };
        told.native = place != Place::Foreign;
        self.histories.places[node] = place;
    }

    fn place_once(&mut self) {
        let all = 0..self.told.len();
        self.histories.places = if self.histories.established {
            all.map(|node| self.place_established(node)).collect()
        } else {
            self.place_families()
        };
    }

    fn place_established(&self, node: usize) -> Place {
        let told = &self.told[node];
        let Some(facts) = &told.last else {
            return Place::Trusted;
        };
        if self.is_native_by_itself(node, facts) {
            return Place::Native;
        }
        match facts.replica() {
            Some(_) if self.shares_with_a_native_claimant(facts) => Place::Native,
            _ if told.branched_from_its_own(facts) => Place::Trusted,
            None if self.is_known_process(node) => Place::Trusted,
            Some(_) if !told.was_in_sync() => Place::Trusted,
            Some(link) if link.link_up && self.is_vouched_for(node) => Place::Vouched,
            Some(_) if self.shares_with_a_known_process(facts) => Place::Unplaced,
            _ => Place::Foreign,
        }
    }

    /// The group's own process, or one that was started in its place, and never seen with a stranger's data.
    fn is_known_process(&self, node: usize) -> bool {
        let told = &self.told[node];
        let is = |known: &Option<(RunId, ReplId)>| {
            known
                .as_ref()
                .is_some_and(|(run, _)| Some(run) == told.run())
        };
        let restarted = told.restarted && !told.was_replica;
        !is(&told.foreign_as) && (is(&told.native_as) || restarted)
    }

    /// R17: it claims, and nothing that is known of histories says that it is the group's: votes alone elect it.
    pub fn is_suspect(&self, node: usize) -> bool {
        let told = &self.told[node];
        let facts = told.last.as_ref().filter(|facts| facts.claims());
        self.histories.established
            && !self.is_the_only_node(node)
            && facts.is_some_and(|facts| {
                let last = self.reign.as_ref().and_then(|reign| reign.history.as_ref());
                let from_last = facts.replid2.is_some() && facts.replid2.as_ref() == last;
                !from_last
                    && !self.is_native_by_itself(node, facts)
                    && !told.branched_from_its_own(facts)
            })
    }

    fn shares_with_a_known_process(&self, facts: &Facts) -> bool {
        (0..self.told.len()).any(|other| {
            let told = &self.told[other];
            let same = |theirs: &Facts| theirs.claims() && theirs.replid == facts.replid;
            !told.is_gone() && told.last.as_ref().is_some_and(same) && self.is_known_process(other)
        })
    }

    /// Whatever others are.
    fn is_native_by_itself(&self, node: usize, facts: &Facts) -> bool {
        let told = &self.told[node];
        let known = &self.histories;
        let last_elected = self.reign.as_ref().is_some_and(|reign| reign.node == node);
        let restarted = facts.replid2.is_none() && told.restarted && last_elected;
        facts.replid.is_none()
            || !facts.tells_branch
            || known.knows(facts.replid.as_ref())
            || known.knows(facts.replid2.as_ref())
            || (facts.claims() && (facts.replid == told.born || restarted))
    }

    fn shares_with_a_native_claimant(&self, facts: &Facts) -> bool {
        (0..self.told.len()).any(|other| {
            let told = &self.told[other];
            let same = |theirs: &Facts| theirs.claims() && theirs.replid == facts.replid;
            !told.is_gone()
                && told
                    .last
                    .as_ref()
                    .is_some_and(|theirs| same(theirs) && self.is_native_claim(other, theirs))
        })
    }

    fn is_native_claim(&self, node: usize, facts: &Facts) -> bool {
        self.is_the_only_node(node)
            || self.is_native_by_itself(node, facts)
            || self.told[node].branched_from_its_own(facts)
    }

    fn is_vouched_for(&self, node: usize) -> bool {
        let told = &self.told[node];
        let link = told.last.as_ref().and_then(Facts::replica);
        let vouches = |other: usize| {
            let silent = &self.told[other];
            other != node
                && link.is_some_and(|link| silent.is_at(&link.master))
                && !silent.fresh
                && silent.last.is_some()
                && silent.native
                && silent.native_as.is_some()
                && silent
                    .last
                    .as_ref()
                    .is_none_or(|facts| !facts.claims() || self.is_native_claim(other, facts))
                && !self.is_out(other)
        };
        let same_run = told
            .native_as
            .as_ref()
            .is_some_and(|(run, _)| Some(run) == told.run());
        // A missed check of its primary must not make it one of the group's (R11).
        let was_native = matches!(
            self.place_of(node),
            Place::Native | Place::Trusted | Place::Vouched
        );
        same_run && was_native && (0..self.told.len()).any(vouches)
    }

    /// R4: the only node that is not local.
    pub fn is_the_only_node(&self, node: usize) -> bool {
        let count = self.told.iter().filter(|told| !told.local).count();
        count == 1 && !self.told[node].local
    }

    /// An election, or an operator, says what the group's history is; while none is known, so is the one that it
    /// branched from.
    pub fn establish(&mut self, node: usize) {
        let facts = self.facts(node).clone();
        if !self.histories.established {
            self.histories.adopt(facts.replid2.as_ref());
        }
        self.histories.adopt(facts.replid.as_ref());
        self.histories.established = true;
    }
}
