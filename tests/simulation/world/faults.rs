//! What goes wrong, and what operators do by hand.

use std::time::Duration;

use super::{Handover, HandoverStep, World};
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
        if self.processes[process].alive {
            return;
        }
        let (run, history) = (self.new_name(), self.new_name());
        let lag = dice.below(200);
        let (now, truth) = (self.now, self.truth);
        let loads = if dice.chance(40) {
            dice.millis(0, 1500)
        } else {
            Duration::ZERO
        };
        let local = self.local == Some(process);
        let process_index = process;
        let process = &mut self.processes[process];
        process.alive = true;
        process.run = run;
        process.ever_linked = false;
        process.link_down_at = Some(now);
        process.syncs_until = None;
        process.hands_over = None;
        process.loads_until = now + loads;
        match dice.below(4) {
            0 | 3 if !local => {
                process.follows = None;
                process.offset = process.offset.saturating_sub(lag);
                process.branch = Some((process.history, process.offset));
                process.history = history;
            }
            1 if !local => {
                process.follows = None;
                process.branch = None;
                process.offset = 0;
                process.history = history;
            }
            _ if process_index != truth => process.follows = Some(truth),
            _ => process.follows = None,
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
        self.coverage.count("world: promotion by hand");
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

    /// The process answers at another address from now on.
    pub fn move_away(&mut self, process: usize) {
        self.moves[process] += 1;
    }

    /// `FAILOVER` on the primary, where no Sentinel would interfere.
    pub fn order_handover(&mut self, dice: &mut Dice) {
        let from = self.truth;
        let to = dice.index(self.processes.len());
        let fits = self.sentinels.is_empty()
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
        for from in 0..self.processes.len() {
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
            HandoverStep::WaitsForPromotion if self.serves(to) => {
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
        for process in 0..self.processes.len() {
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
        self.processes[self.truth].follows = None;
        self.processes[self.truth].syncs_until = None;
        self.agree();
        for process in 0..self.processes.len() {
            if process != self.truth && self.processes[process].follows != Some(self.truth) {
                self.follow(process, self.truth);
            }
        }
        self.orders.clear();
        for _ in 0..20 {
            self.advance(Duration::from_millis(100), dice);
        }
    }

    /// Everybody is what it should be.
    pub fn is_settled(&self) -> bool {
        let all = 0..self.processes.len();
        self.failover.is_none()
            && self.sentinels_agree()
            && self.serves(self.truth)
            && self.processes[self.truth].follows.is_none()
            && all.filter(|process| *process != self.truth).all(|process| {
                self.serves(process)
                    && self.processes[process].follows == Some(self.truth)
                    && self.processes[process].link_down_at.is_none()
                    && self.processes[process].hands_over.is_none()
            })
    }
}
