//! What goes wrong, and what operators do by hand.

use std::time::Duration;

use super::{Handover, HandoverStep, OURS, Product, World};
use crate::dice::Dice;

/// What a node answers instead of its facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Well,
    Busy,
    Full,
    NotRedis,
    Denied,
    Garbled,
}

/// Which of the rarer faults a history has.
#[derive(Clone, Copy, Debug)]
pub struct Classes {
    pub copies: bool,
    pub foreign: bool,
    pub addresses: bool,
    pub min_replicas: bool,
    pub long_loads: bool,
    pub dead_strangers: bool,
    pub forgers: bool,
    pub backlog: bool,
}

impl Classes {
    /// Each in every second history; `ROLECALL_FAULTS=copies,forgers` allows only those that it names.
    pub fn random(dice: &mut Dice) -> Self {
        let only = std::env::var("ROLECALL_FAULTS").ok();
        let mut drawn = |class: &str| {
            let named = |only: &String| only.split(',').any(|name| name == class);
            dice.chance(50) && only.as_ref().is_none_or(named)
        };
        Self {
            copies: drawn("copies"),
            foreign: drawn("foreign"),
            addresses: drawn("addresses"),
            min_replicas: drawn("min-replicas"),
            long_loads: drawn("long-loads"),
            dead_strangers: drawn("dead-strangers"),
            forgers: drawn("forgers"),
            backlog: drawn("backlog"),
        }
    }
}

impl Product {
    pub(super) fn random(classes: Classes, dice: &mut Dice) -> Self {
        Self {
            file_keeps_history: dice.chance(80),
            tells_received: dice.chance(75),
            // Without it a stranger that has just come to an address looks like the node restarted.
            // Without it nothing tells strangers.
            tells_branch: dice.chance(90) || classes.addresses || classes.foreign || classes.copies,
            tells_uptime: dice.chance(75) || classes.addresses,
            min_replicas: classes.min_replicas,
        }
    }
}

impl World {
    pub fn kill(&mut self, process: usize) {
        self.processes[process].alive = false;
        self.processes[process].stopped = false;
    }

    pub fn stop(&mut self, process: usize, stopped: bool) {
        if self.processes[process].alive {
            self.processes[process].stopped = stopped;
        }
    }

    /// The process starts again: as a primary from an old file, with nothing, or as a replica.
    pub fn restart(&mut self, process: usize, dice: &mut Dice) {
        if self.processes[process].alive || self.at(process) != process {
            return;
        }
        self.begin_anew(process, dice);
        let (history, lag) = (self.new_name(), dice.below(200));
        let (now, truth) = (self.now, self.truth);
        let local = self.local == Some(process);
        let keeps_history = self.product.file_keeps_history;
        let index = process;
        let process = &mut self.processes[process];
        process.link_down_at = Some(now);
        match dice.below(4) {
            0 | 3 if !local => {
                process.follows = None;
                process.offset = process.offset.saturating_sub(lag);
                process.branch = keeps_history.then_some((process.history, process.offset));
                process.history = history;
                if !keeps_history {
                    // Nothing that it tells shows where its data come from.
                    process.owner = OURS;
                    process.offset = 0;
                }
            }
            1 if !local => {
                process.follows = None;
                process.branch = None;
                process.offset = 0;
                process.history = history;
                process.owner = OURS;
            }
            _ if index != truth => process.follows = Some(truth),
            _ => {
                process.follows = None;
                process.branch = Some((process.history, process.offset));
                process.history = history;
            }
        }
    }

    /// Another process takes the place of the one that was there.
    pub(super) fn begin_anew(&mut self, process: usize, dice: &mut Dice) {
        let loads = match dice.below(100) {
            0..10 if self.classes.long_loads => dice.millis(60_000, 300_000),
            0..40 => dice.millis(0, 1500),
            _ => Duration::ZERO,
        };
        if loads > Duration::from_secs(10) {
            self.coverage.count("world: long load");
        }
        let (run, now, clock) = (self.new_name(), self.now, self.clock());
        let process = &mut self.processes[process];
        process.alive = true;
        process.stopped = false;
        process.run = run;
        process.started = clock;
        process.received = 0;
        process.copied = false;
        process.ever_linked = false;
        process.link_down_at = None;
        process.silent_since = None;
        process.syncs_until = None;
        process.hands_over = None;
        process.loads_until = now + loads;
    }

    /// A primary is started from a copy of another process's dump: a fork for tests, a restore by mistake.
    pub fn start_from_copy(&mut self, process: usize, dice: &mut Dice) {
        let source = dice.index(self.members + 2);
        let foreign = self.is_stranger(source);
        if !self.classes.copies
            || source == process
            || self.local == Some(process)
            || self.at(process) != process
            || (foreign && !self.product.file_keeps_history)
        {
            return;
        }
        self.coverage.count(if foreign {
            "world: copy of a stranger's dump"
        } else {
            "world: copy of a dump"
        });
        let source = self.processes[source].clone();
        self.begin_anew(process, dice);
        let history = self.new_name();
        let keeps_history = self.product.file_keeps_history;
        let offset = source.offset.saturating_sub(dice.below(50));
        let process = &mut self.processes[process];
        process.follows = None;
        process.history = history;
        process.branch = keeps_history.then_some((source.history, offset));
        process.offset = if keeps_history { offset } else { 0 };
        // Without a history nothing that it tells shows where its data come from.
        process.owner = if keeps_history { source.owner } else { OURS };
        process.copied = true;
    }

    /// `repl-backlog-ttl`: a primary that has had no replica for long forgets where it came from.
    pub fn expire_backlog(&mut self, process: usize) {
        let fits = self.classes.backlog
            && self.serves(process)
            && self.processes[process].follows.is_none()
            && self.processes[process].owner == OURS
            && self.processes[process].offset > 0
            && self.replicas(process).next().is_none();
        if fits {
            self.coverage.count("world: backlog expired");
            self.processes[process].history = self.new_name();
            self.processes[process].branch = None;
        }
    }

    /// `REPLICAOF NO ONE` by hand. Without Sentinels that is who is meant; with them it is undone.
    pub fn promote_by_hand(&mut self, process: usize) {
        if !self.serves(process)
            || self.processes[process].follows.is_none()
            || self.local == Some(process)
        {
            return;
        }
        let foreign = self.processes[process].owner != OURS;
        self.coverage.count(if foreign {
            "world: promotion by hand with a stranger's data"
        } else {
            "world: promotion by hand"
        });
        self.become_primary(process);
        if self.sentinels.is_empty() {
            self.truth = process;
        }
    }

    pub(super) fn become_primary(&mut self, process: usize) {
        let history = self.new_name();
        let process = &mut self.processes[process];
        process.follows = None;
        process.branch = Some((process.history, process.offset + 1));
        process.history = history;
        process.syncs_until = None;
    }

    pub fn cut(&mut self, a: usize, b: usize) {
        self.cut.push((a.min(b), a.max(b)));
    }

    pub fn stall(&mut self, process: usize, dice: &mut Dice) {
        self.processes[process].stalls_until = self.now + dice.millis(500, 30_000);
    }

    /// The process answers at another address from now on, and a stranger that had its old one is out of
    /// sight.
    pub fn move_away(&mut self, place: usize) {
        self.give_back(place);
        self.moves[place] += 1;
    }

    /// `FAILOVER` on the primary, where no Sentinel would interfere.
    pub fn order_handover(&mut self, dice: &mut Dice) {
        let from = self.truth;
        let to = dice.index(self.members);
        let fits = self.sentinels.is_empty()
            && self.at(from) == from
            && self.at(to) == to
            && self.serves(from)
            && self.processes[from].follows.is_none()
            && self.processes[from].hands_over.is_none()
            && self.local != Some(to)
            && self.processes[to].follows == Some(from)
            && self.processes[to].link_down_at.is_none();
        if fits {
            self.coverage.count("world: handover");
            self.processes[from].hands_over = Some(Handover {
                to,
                at: self.now + dice.millis(0, 1000),
                step: HandoverStep::WaitsForSync,
            });
        }
    }

    pub(super) fn hand_over(&mut self, dice: &mut Dice) {
        for from in 0..self.members {
            let Some(handover) = self.processes[from].hands_over else {
                continue;
            };
            if handover.at > self.now || !self.serves(from) {
                continue;
            }
            self.processes[from].hands_over = self.hand_over_next(from, handover, dice);
        }
    }

    fn hand_over_next(
        &mut self,
        from: usize,
        handover: Handover,
        dice: &mut Dice,
    ) -> Option<Handover> {
        let Handover { to, step, .. } = handover;
        match step {
            HandoverStep::WaitsForSync if dice.chance(25) => {
                self.coverage.count("world: handover aborted");
                None
            }
            HandoverStep::WaitsForSync => {
                self.follow(from, to);
                let patience = if dice.chance(30) { 9000 } else { 400 };
                Some(Handover {
                    to,
                    at: self.now + dice.millis(0, patience),
                    step: HandoverStep::WaitsForPromotion,
                })
            }
            HandoverStep::WaitsForPromotion if self.serves(to) && self.at(to) == to => {
                self.become_primary(to);
                self.truth = to;
                Some(Handover {
                    to,
                    at: self.now + dice.millis(0, 300),
                    step: HandoverStep::Ends,
                })
            }
            // The other one is not there: it takes its role back.
            HandoverStep::WaitsForPromotion => {
                self.coverage.count("world: handover aborted");
                self.processes[from].follows = None;
                self.processes[from].syncs_until = None;
                None
            }
            HandoverStep::Ends => None,
        }
    }

    /// No more faults: all run, answer and can reach each other. Who follows whom is left to those
    /// whose business it is.
    pub fn end_faults(&mut self, dice: &mut Dice) {
        self.cut.clear();
        self.unseen.fill(false);
        self.moods.fill(Mood::Well);
        self.forgeries.fill(None);
        for process in 0..self.members {
            self.give_back(process);
            self.processes[process].stopped = false;
            self.processes[process].stalls_until = Duration::ZERO;
            self.restart(process, dice);
        }
        self.end_lies();
    }

    /// All that would happen by itself has happened.
    pub fn heal(&mut self, dice: &mut Dice) {
        self.end_faults(dice);
        for process in &mut self.processes {
            process.loads_until = Duration::ZERO;
            process.hands_over = None;
        }
        let truth = self.truth;
        if self.processes[truth]
            .follows
            .is_some_and(|master| self.is_stranger(master))
        {
            self.become_primary(truth);
        }
        self.processes[truth].follows = None;
        self.processes[truth].syncs_until = None;
        self.agree();
        for process in 0..self.members {
            if process != truth && self.processes[process].follows != Some(truth) {
                self.follow(process, truth);
            }
        }
        self.orders.clear();
        for _ in 0..20 {
            self.advance(Duration::from_millis(100), dice);
        }
    }

    /// Everybody is what it should be.
    pub fn is_settled(&self) -> bool {
        self.failover.is_none()
            && self.sentinels_agree()
            && self.serves_at(self.truth)
            && self.processes[self.at(self.truth)].follows.is_none()
            && (0..self.members)
                .filter(|place| *place != self.truth)
                .all(|place| {
                    let process = &self.processes[self.at(place)];
                    self.serves_at(place)
                        && process.follows == Some(self.truth)
                        && process.link_down_at.is_none()
                        && process.hands_over.is_none()
                })
    }
}
