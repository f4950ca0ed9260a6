//! R17: an operator says whose history the group's is.

use rolecall::core::facts::Facts;
use rolecall::core::time::Moment;

use super::{Referee, id};

impl Referee {
    /// An operator takes the history of a node for the group's. Says whether it was allowed.
    pub fn accept(&mut self, node: usize, now: Moment) -> bool {
        self.now = now;
        self.tick(now);
        self.note(super::Input::Other(format!("redis-{} accepted", node + 1)));
        let tells = self.told[node]
            .last
            .as_ref()
            .is_some_and(|facts| facts.replid.is_some());
        let may = tells && self.is_foreign(node) && self.do_all_lack(node);
        let allowed = self.group.accept_history(id(node), now).is_ok();
        let twin = self.reversed.accept_history(id(node), now).is_ok();
        let same = twin == allowed || self.has_second_address;
        self.demand(
            same,
            "R4: the order of the configuration decides what is accepted",
        );
        self.demand(
            allowed == may,
            "R17: an operator accepts where no node is at home any more, and only there",
        );
        if allowed {
            self.histories.known.clear();
            self.histories.established = false;
            for told in &mut self.told {
                (told.native_as, told.born, told.restarted) = (None, None, false);
            }
            self.establish(node);
            self.take_as_ours(node);
            self.coverage.count("history: accepted by an operator");
        }
        self.judge();
        self.judge_view();
        allowed
    }

    /// None that lives has data of the group's history, other than those of the one that is to be accepted.
    pub fn do_all_lack(&self, accepted: usize) -> bool {
        let history = |node: usize| {
            self.told[node]
                .last
                .as_ref()
                .and_then(|f| f.replid.as_ref())
        };
        (0..self.told.len()).all(|node| {
            let told = &self.told[node];
            let claims = told.last.as_ref().is_some_and(Facts::claims);
            let has_data = claims || told.was_in_sync();
            let same = history(node).is_some() && history(node) == history(accepted);
            told.is_gone() || self.is_out(node) || !has_data || self.is_foreign(node) || same
        })
    }
}
