//! R1: one process behind two addresses, maintenance of either, and who takes part at all.

use super::Referee;

impl Referee {
    /// R1: of one process behind two addresses one counts: the one that was elected last, else the first.
    pub fn find_doubles(&mut self) {
        let last = self.reign.as_ref().map(|reign| reign.node);
        let rank = |node: usize| (last != Some(node), node);
        for node in 0..self.told.len() {
            let told = &self.told[node];
            let same = |other: &usize| {
                let other_told = &self.told[*other];
                rank(*other) < rank(node)
                    && other_told.local == told.local
                    && told.run().is_some()
                    && other_told.run() == told.run()
                    && !other_told.is_gone()
                    && !told.is_gone()
            };
            let all = 0..self.told.len();
            self.double[node] = all.filter(same).min_by_key(|other| rank(*other));
        }
    }

    /// Which of two addresses counts is about to change.
    pub fn is_between_addresses(&self, node: usize) -> bool {
        let run = self.told[node].run();
        let same = self.told.iter().filter(|told| told.run() == run).count();
        self.in_change && run.is_some() && same > 1
    }

    /// In maintenance, at this address or at another one of the same process.
    pub fn is_out(&self, node: usize) -> bool {
        let told = &self.told[node];
        let mut others = self.told.iter().enumerate();
        told.out
            || others.any(|(other, theirs)| {
                let same = told.run().is_some() && theirs.run() == told.run();
                other != node && theirs.out && same && !theirs.is_gone()
            })
    }

    /// It is of those that are asked to be, or to elect, a primary.
    pub fn is_in(&self, node: usize) -> bool {
        !self.told[node].local && !self.is_out(node) && self.double[node].is_none()
    }

    pub fn takes_part(&self, node: usize) -> bool {
        self.is_in(node) && !self.is_foreign(node)
    }
}
