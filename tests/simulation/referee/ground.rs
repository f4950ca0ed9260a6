//! What must hold whatever the rules say in detail, judged by what is so out there: no read of another
//! group's data, no election by a copied dump or by forged words.
//!
//! The only part of the referee that knows more than what was reported; it uses it for these alone.

use std::collections::BTreeSet;

use rolecall::core::event::Evidence;
use rolecall::core::facts::{Facts, ReplId};
use rolecall::core::outcome::{Outcome, Report};

use super::Referee;
use super::histories::Place;
use crate::world::{OURS, Owner, Truth};

/// What is so at each node, as of its last answer.
pub struct Ground {
    truths: Vec<Truth>,
    /// The groups whose data the proxy has served rightly: its own, and those that it could not tell from
    /// it when it knew nothing.
    ours: BTreeSet<Owner>,
    /// What native nodes have told as the history that they branched from, and is not so: it may be another
    /// group's, and is the group's own from then on where nothing was known before.
    named: BTreeSet<ReplId>,
}

impl Ground {
    pub fn new(nodes: usize) -> Self {
        Self {
            truths: vec![Truth::default(); nodes],
            ours: BTreeSet::from([OURS]),
            named: BTreeSet::new(),
        }
    }

    pub fn take_in(&mut self, node: usize, report: &Report, truth: Truth) {
        if matches!(report.outcome, Outcome::Answered(_)) {
            self.truths[node] = truth;
        }
    }

    fn is_strange(&self, node: usize) -> bool {
        let truth = &self.truths[node];
        !truth.forges && !self.ours.contains(&truth.owner)
    }
}

impl Referee {
    /// A node that hides where its history branched from, or names the group's, is taken for one of the group's,
    /// and those that follow it with it: that is its own service.
    pub fn note_deceivers(&mut self) {
        for node in 0..self.told.len() {
            let truth = &self.ground.truths[node];
            let told = self.told[node].last.as_ref().map(|facts| &facts.replid2);
            let lies = truth.forges && told.is_some_and(|told| *told != truth.branched_from);
            let claims = self.told[node].last.as_ref().is_some_and(Facts::claims);
            if claims && self.is_the_only_node(node) {
                // The limit of R4: whatever is at its address is served, and so is what follows it.
                self.ground.ours.insert(truth.owner);
            }
            if lies && self.place_of(node) != Place::Foreign {
                self.ground.ours.insert(truth.owner);
                let named = told.cloned().flatten();
                self.ground.named.extend(named);
            }
        }
        for node in 0..self.told.len() {
            let facts = self.told[node].last.as_ref();
            let histories = facts.map(|facts| [&facts.replid, &facts.replid2]);
            let mut told = histories.into_iter().flatten().flatten();
            let owner = self.ground.truths[node].owner;
            if told.any(|history| self.ground.named.contains(history)) {
                self.ground.ours.insert(owner);
            }
        }
    }

    /// What a node has is the group's from now on, whoever's it was.
    pub fn take_as_ours(&mut self, node: usize) {
        let owner = self.ground.truths[node].owner;
        self.ground.ours.insert(owner);
    }

    /// R17: what a node serves is the group's, once the proxy knows the group.
    pub fn judge_data(&mut self) {
        for (node, view) in self.group.view().nodes.iter().enumerate() {
            let strange = self.is_established()
                && self.place_of(node) != Place::Vouched
                && !self.is_the_only_node(node)
                && self.ground.is_strange(node);
            let what = format!("R17: redis-{} reads another group's data", node + 1);
            self.demand(!strange || view.read.is_err(), &what);
        }
    }

    pub fn judge_ground_of_election(&mut self, winner: usize, evidence: &Evidence) {
        let alone = *evidence == Evidence::OnlyNode;
        if self.is_suspect(winner) {
            // Its own replicas, or the Sentinels, speak for a process that was the group's.
            self.take_as_ours(winner);
        } else if self.is_established() && !alone {
            let strange = self.ground.is_strange(winner);
            self.demand(!strange, "R17: another group's data are never elected");
        } else {
            self.take_as_ours(winner);
        }
        if let Evidence::Descent { .. } = evidence {
            self.judge_ground_of_descent(winner);
        }
    }

    /// R3 (2): a replid2 alone proves nothing.
    fn judge_ground_of_descent(&mut self, winner: usize) {
        let truth = self.ground.truths[winner].clone();
        let facts = self.facts(winner);
        // The incumbent's own node, restarted: from which file, it does not tell.
        let own = self
            .reign
            .as_ref()
            .is_some_and(|reign| reign.node == winner);
        let tells = facts.stream_bytes.is_some();
        let copied = truth.copied && !truth.forges && tells && !own;
        self.demand(!copied, "R3.2: a copy of a dump is no heir");
        if !truth.forges {
            return;
        }
        let branch_is_true = facts.replid2 == truth.branched_from && truth.received;
        // The limit: where nobody else has any evidence, a plausible word is all that there is.
        let mut rivals = self.contenders();
        let warm = self.term > 0;
        rivals.retain(|other| {
            *other != winner && (self.has_votes(*other) || (warm && self.descends(*other)))
        });
        self.demand(
            branch_is_true || own || rivals.is_empty(),
            "R3.2: forged fields elect none before another claimant",
        );
        self.coverage.count("elected: forger by descent");
    }
}
