//! Answers that lie about the fields that elections rest on. The role is told truthfully.

use rolecall::core::facts::{Facts, ReplId, Role};
use std::time::Duration;

use super::World;
use crate::dice::Dice;

/// What a process tells instead of what is so.
#[derive(Clone, Copy, Debug)]
pub(super) struct Forgery {
    branch: Option<Branch>,
    farthest_branch: bool,
    farthest_offset: bool,
    received: Option<u64>,
    good_replicas: Option<u32>,
    uptime: Option<Duration>,
}

/// The second history that is told.
#[derive(Clone, Copy, Debug)]
enum Branch {
    None,
    OfThePrimary,
    OfAStranger,
}

impl Forgery {
    fn random(dice: &mut Dice) -> Self {
        let branch = match dice.below(6) {
            0 => Some(Branch::None),
            1..=3 => Some(Branch::OfThePrimary),
            4 => Some(Branch::OfAStranger),
            _ => None,
        };
        let received = [0, 1, 1_000_000, u64::MAX][dice.index(4)];
        let uptime = [0, 1, 10_000_000, u64::MAX][dice.index(4)];
        let good = [0, 9][dice.index(2)];
        Self {
            branch,
            farthest_branch: dice.chance(40),
            farthest_offset: dice.chance(30),
            received: dice.chance(60).then_some(received),
            good_replicas: dice.chance(40).then_some(good),
            uptime: dice.chance(40).then(|| Duration::from_secs(uptime)),
        }
    }
}

impl World {
    /// A process begins to lie, or ends it.
    pub fn forge(&mut self, process: usize, dice: &mut Dice) {
        if !self.classes.forgers {
            return;
        }
        let lies = dice.chance(75);
        if lies {
            self.coverage.count("world: forger");
        }
        self.forgeries[process] = lies.then(|| Forgery::random(dice));
    }

    pub(super) fn is_forger(&self, process: usize) -> bool {
        self.forgeries[process].is_some()
    }

    pub(super) fn forged(&self, process: usize, mut facts: Facts) -> Facts {
        let Some(forgery) = self.forgeries[process] else {
            return facts;
        };
        let named = |history: u64| Some(ReplId(history.to_string().into()));
        let primary = &self.processes[self.at(self.truth)];
        match forgery.branch {
            Some(Branch::None) => (facts.replid2, facts.second_offset) = (None, None),
            Some(Branch::OfThePrimary) => facts.replid2 = named(primary.history),
            Some(Branch::OfAStranger) => facts.replid2 = named(3000),
            None => {}
        }
        if facts.replid2.is_some() {
            let told = facts.second_offset.unwrap_or(facts.offset);
            facts.second_offset = Some(if forgery.farthest_branch {
                u64::MAX
            } else {
                told
            });
        }
        if forgery.farthest_offset {
            facts.offset = u64::MAX;
            if let Role::Replica(link) = &mut facts.role {
                link.offset = u64::MAX;
            }
        }
        let asked = facts.claims() && facts.replid2.is_some();
        if asked && forgery.received.is_some() {
            facts.stream_bytes = forgery.received;
        }
        facts.good_replicas = forgery.good_replicas.or(facts.good_replicas);
        facts.uptime = forgery.uptime.or(facts.uptime);
        facts
    }
}
