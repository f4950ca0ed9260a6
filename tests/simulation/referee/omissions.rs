//! What must be elected is: waiting is safe and serves nobody.

use super::Referee;

impl Referee {
    /// After a step: no claimant is left that the rules elect.
    pub fn judge_omissions(&self) {
        if self.in_change {
            return;
        }
        if let Some((sole, _, since)) = &self.sole {
            let over = self.now.since(*since) >= self.rules.claim_hold;
            self.demand(
                !over || self.is_suspect(*sole) || self.delay_softly(*sole, self.now),
                "R3.4, R18: the hold is over, and the only claimant is not elected",
            );
        }
        if self.term == 0 {
            self.judge_omissions_of_a_cold_start();
        } else {
            self.judge_omissions_of_a_succession();
        }
    }

    fn judge_omissions_of_a_cold_start(&self) {
        let voters = (0..self.told.len()).filter(|node| self.is_in(*node));
        let all = voters.clone().all(|node| !self.told[node].is_unheard());
        if !all || !self.are_sentinels_decided() || self.contradiction.is_some() {
            return;
        }
        let heir = self.heir().filter(|heir| self.told[*heir].claims());
        self.demand(heir.is_none(), "R4: an heir is not elected");
        self.judge_votes_without_effect();
    }

    fn judge_omissions_of_a_succession(&self) {
        if self.judge_votes_without_effect() {
            return;
        }
        let holder = self.holder();
        let mut heirs = self.contenders();
        heirs.retain(|node| {
            Some(*node) != holder && !self.told[*node].unproven && self.descends(*node)
        });
        if let [heir] = heirs[..] {
            self.demand(!self.told[heir].claims(), "R3.2: an heir is not elected");
        }
    }

    /// Says whether any claimant has votes.
    fn judge_votes_without_effect(&self) -> bool {
        let holder = self.holder();
        let contenders = self.contenders();
        let alone = contenders.len() == 1;
        let mut named = contenders;
        named.retain(|node| {
            Some(*node) != holder && (alone || !self.told[*node].unproven) && self.has_votes(*node)
        });
        if let [named] = named[..] {
            self.demand(!self.told[named].claims(), "R3.3: votes are without effect");
        }
        !named.is_empty()
    }
}
