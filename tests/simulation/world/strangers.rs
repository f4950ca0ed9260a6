//! Processes of other groups: primaries that go on writing, whom one of ours may be made to follow, and one
//! that comes to answer at an address of ours.

use std::time::Duration;

use super::{AGE, Owner, Process, World};
use crate::dice::Dice;

/// How many primaries of other groups there are; behind them comes the one that takes an address.
const PRIMARIES: usize = 2;

/// They come behind the members of the group.
pub(super) fn all(dice: &mut Dice) -> Vec<Process> {
    let stranger = |index: u32| Process {
        alive: true,
        stopped: false,
        run: 900 + u64::from(index),
        history: 3000 + u64::from(index),
        branch: (index == 1).then_some((3100, 300)),
        offset: 400 + dice.below(1000),
        follows: None,
        owner: index + 1,
        copied: false,
        received: 0,
        started: Duration::ZERO,
        link_down_at: None,
        ever_linked: false,
        silent_since: None,
        syncs_until: None,
        loads_until: Duration::ZERO,
        stalls_until: Duration::ZERO,
        hands_over: None,
    };
    let mut all: Vec<Process> = (0..=2).map(stranger).collect();
    all[PRIMARIES].alive = false;
    all
}

impl World {
    pub(super) fn is_stranger(&self, place: usize) -> bool {
        place >= self.members
    }

    fn newcomer(&self) -> usize {
        self.members + PRIMARIES
    }

    /// `REPLICAOF` a primary of another group.
    pub fn follow_a_stranger(&mut self, process: usize, dice: &mut Dice) {
        let fits = self.classes.foreign
            && self.serves(process)
            && self.processes[process].hands_over.is_none();
        if !fits {
            return;
        }
        let primary = process == self.truth;
        self.coverage.count(if primary {
            "world: primary made to follow a stranger"
        } else {
            "world: replica made to follow a stranger"
        });
        self.follow(process, self.members + dice.index(PRIMARIES));
    }

    /// A process of another group answers at a place of ours from now on: a primary, a replica, or a replica
    /// that was promoted.
    pub fn take_place(&mut self, place: usize, dice: &mut Dice) {
        let newcomer = self.newcomer();
        if !self.classes.addresses || self.processes[newcomer].alive {
            return;
        }
        self.kill(place);
        let stranger = self.members + dice.index(PRIMARIES);
        let kind = dice.below(3);
        let (run, history, new_owner) = (self.new_name(), self.new_name(), self.new_name());
        let old = Duration::from_secs(10_000 + dice.below(100_000));
        let source = self.processes[stranger].clone();
        let mut process = Process {
            run,
            started: (AGE + self.now).saturating_sub(old),
            received: 0,
            ..source
        };
        self.coverage.count(match kind {
            0 => "world: place taken by a stranger's primary",
            1 => "world: place taken by a stranger's replica",
            _ => "world: place taken by a stranger that was promoted",
        });
        match kind {
            0 => {
                process.history = history;
                process.branch = None;
                process.owner = Owner::try_from(new_owner).unwrap();
            }
            1 => {
                process.follows = Some(stranger);
                process.received = process.offset;
                process.ever_linked = true;
            }
            _ => {
                process.branch = Some((process.history, process.offset + 1));
                process.history = history;
                process.received = process.offset;
                process.ever_linked = true;
            }
        }
        self.processes[newcomer] = process;
        self.occupants[place] = newcomer;
        self.adopts = !self.sentinels.is_empty() && dice.chance(50);
    }

    /// The stranger goes; the process that was there before may start again.
    pub fn give_back(&mut self, place: usize) {
        if self.at(place) != place {
            self.occupants[place] = place;
            let newcomer = self.newcomer();
            self.processes[newcomer].alive = false;
        }
    }

    /// Any place that a stranger has taken.
    pub fn taken(&self) -> Option<usize> {
        (0..self.members).find(|place| self.at(*place) != *place)
    }
}
