//! R17 at a cold start: nodes are placed by families, that is by histories that are connected.

use rolecall::core::facts::ReplId;

use super::Referee;
use super::histories::Place;

impl Referee {
    /// Where each node belongs, as far as that can be told.
    pub fn place_families(&self) -> Vec<Place> {
        let families = self.families();
        let anchored: Vec<bool> = (0..self.told.len())
            .map(|node| {
                (0..self.told.len()).any(|o| families[o] == families[node] && self.anchors(o))
            })
            .collect();
        let any = anchored.iter().any(|anchored| *anchored);
        let unheard =
            (0..self.told.len()).any(|node| self.is_in(node) && self.told[node].is_unheard());
        let place = |node: usize| {
            let told = &self.told[node];
            let facts = told.last.as_ref().filter(|facts| facts.tells_branch);
            let replica = facts.is_some_and(|facts| !facts.claims());
            if told.last.is_none() || (replica && !told.was_in_sync()) {
                Place::Trusted
            } else if !replica || anchored[node] {
                Place::Native
            } else if any {
                Place::Foreign
            } else if unheard {
                Place::Unplaced
            } else {
                Place::Native
            }
        };
        (0..self.told.len()).map(place).collect()
    }

    /// By node: the number of its family.
    pub fn families(&self) -> Vec<usize> {
        let mut families: Vec<usize> = (0..self.told.len()).collect();
        for a in 0..self.told.len() {
            for b in 0..a {
                if self.are_connected(a, b) {
                    let (from, to) = (families[a], families[b]);
                    for family in &mut families {
                        if *family == from {
                            *family = to;
                        }
                    }
                }
            }
        }
        families
    }

    fn are_connected(&self, a: usize, b: usize) -> bool {
        let (Some(a), Some(b)) = (&self.told[a].last, &self.told[b].last) else {
            return false;
        };
        let tell = a.tells_branch && b.tells_branch;
        let same = |a: &Option<ReplId>, b: &Option<ReplId>| tell && a.is_some() && a == b;
        same(&a.replid, &b.replid)
            || same(&a.replid, &b.replid2)
            || same(&a.replid2, &b.replid)
            || same(&a.replid2, &b.replid2)
    }

    fn anchors(&self, node: usize) -> bool {
        let facts = self.told[node].last.as_ref();
        facts
            .filter(|facts| facts.tells_branch && self.is_in(node))
            .is_some_and(|facts| {
                facts.replica().is_none_or(|link| {
                    let mut all = self.told.iter();
                    all.any(|other| other.is_at(&link.master))
                })
            })
    }
}
