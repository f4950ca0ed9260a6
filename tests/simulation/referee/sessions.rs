//! Open sessions, as a worker would hold them: whom a new view closes (R7, R8, R16).

use rolecall::core::chain::{Access, Chain, Members, Tier};
use rolecall::core::facts::Facts;
use rolecall::core::ids::ListenerId;
use rolecall::core::judge::{self, Held};

use rolecall::core::reason::Ineligible;

use super::{Referee, id};

/// One write session, and one read session on each node.
pub struct Sessions {
    chain: Chain,
    writer: Option<(Held, u64)>,
    readers: Vec<Option<(Held, u32)>>,
}

impl Sessions {
    pub fn new(nodes: usize) -> Self {
        let tier = |access| Tier {
            listener: ListenerId(0),
            access,
            members: Members::NotLocal,
        };
        Self {
            chain: Chain {
                tiers: vec![tier(Access::ReadOnly), tier(Access::ReadWrite)],
            },
            writer: None,
            readers: vec![None; nodes],
        }
    }
}

impl Referee {
    pub fn judge_sessions(&mut self, living: bool) {
        self.judge_writer();
        for node in 0..self.told.len() {
            self.judge_reader(node, living);
        }
    }

    /// R7: it lasts as long as the election that it began under, also where it came by a fallback.
    fn judge_writer(&mut self) {
        let view = self.group.view();
        if let Some((held, term)) = self.sessions.writer.take() {
            let closes = judge::judge(&held, &self.sessions.chain, view).is_some();
            let over = self.holder().is_none() || self.term != term;
            self.demand(
                closes == over,
                "R7: write sessions last as long as the election",
            );
            if closes {
                self.coverage.count("write session closed");
            } else {
                self.sessions.writer = Some((held, term));
            }
        } else if let Some(holder) = self.holder() {
            let held = Held::grant(&self.sessions.chain, view, id(holder), 1);
            self.sessions.writer = held.map(|held| (held, self.term));
        }
    }

    fn judge_reader(&mut self, node: usize, living: bool) {
        let view = self.group.view();
        let Some((held, runs)) = self.sessions.readers[node].take() else {
            let held = Held::grant(&self.sessions.chain, view, id(node), 0);
            self.sessions.readers[node] = held.map(|held| (held, self.told[node].runs));
            return;
        };
        let closes = judge::judge(&held, &self.sessions.chain, view).is_some();
        let must = self.must_close_reads(node, runs, living);
        if closes != must {
            let why = judge::judge(&held, &self.sessions.chain, view);
            self.note(super::Input::Other(format!("redis-{}: {why:?}", node + 1)));
        }
        self.demand(closes == must, "R8, R16: which read sessions are closed");
        if closes {
            self.coverage.count("read session closed");
        } else {
            self.sessions.readers[node] = Some((held, runs));
        }
    }

    fn must_close_reads(&self, node: usize, runs: u32, living: bool) -> bool {
        let told = &self.told[node];
        let link = told.fresh_facts().and_then(Facts::replica);
        let cut_off = link.is_some()
            && living
            && told
                .link_down
                .flatten()
                .is_some_and(|since| self.stale_for(since) > self.rules.stale_reads);
        let others = self.group.view().nodes.iter().enumerate();
        let company = others
            .filter(|(other, _)| *other != node)
            .any(|(other, view)| {
                // R19 keeps writers away, not those that came for reads.
                let writes = view.write.is_ok() || view.write == Err(Ineligible::NoReplicas);
                let serves = view.read.is_ok() || writes;
                !self.told[other].local && serves && self.told[other].silences == 0
            });
        told.runs != runs
            || self.is_foreign(node)
            || self.is_out(node)
            || told.is_down()
            || link.is_some_and(|link| link.syncing)
            || cut_off
            || (told.silences >= 2 && company)
    }
}
