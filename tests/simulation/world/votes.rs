//! What Sentinels answer, and how they lie.

use rolecall::core::facts::{HostPort, RunId};
use rolecall::core::sentinel::{Phase, SentinelReport, Vote};

use super::World;
use crate::dice::Dice;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// One that is none of ours.
    Stranger,
    /// The same, and it says itself that it does not reach it.
    DeadStranger,
    Wrong(usize),
    Flaps,
    OtherRun,
    ByRunOnly,
    NoSuchGroup,
    IsDataNode,
    Denies,
}

impl World {
    /// What a Sentinel answers now.
    pub fn ask(&mut self, index: usize, dice: &mut Dice) -> SentinelReport {
        let sentinel = self.sentinels[index].clone();
        if sentinel.unseen || !sentinel.alive {
            self.coverage.count("world: sentinel silent");
            return SentinelReport::Unreachable("no answer".into());
        }
        let names = match sentinel.lie {
            Some(Lie::Wrong(place)) => place,
            Some(Lie::Flaps) => dice.index(self.members),
            _ => sentinel.names,
        };
        let run = RunId(self.processes[self.at(names)].run.to_string().into());
        let down = if names == sentinel.names {
            let long = |since| self.now.saturating_sub(since) > self.down_after;
            sentinel.named_down_since.is_some_and(long)
        } else {
            !self.serves_at(names)
        };
        let mut vote = Vote {
            address: self.address(names),
            run_id: sentinel.knows_run.then_some(run),
            config_epoch: sentinel.epoch,
            phase: if sentinel.leads {
                Phase::FailingOver
            } else {
                Phase::Settled
            },
            down,
        };
        if sentinel.lie.is_some() {
            self.coverage.count("world: sentinel lies");
        }
        match sentinel.lie {
            Some(Lie::Stranger) => vote.address = HostPort::new("192.0.2.1", 6379),
            Some(Lie::DeadStranger) => {
                vote.address = HostPort::new("192.0.2.2", 6379);
                vote.run_id = None;
                vote.down = true;
            }
            Some(Lie::OtherRun) => vote.run_id = Some(RunId("another".into())),
            // Behind NAT it knows its nodes by other addresses.
            Some(Lie::ByRunOnly) => vote.address = HostPort::new("192.168.7.7", 6379),
            Some(Lie::Flaps) => vote.config_epoch += dice.below(3),
            Some(Lie::NoSuchGroup) => return SentinelReport::UnknownName,
            Some(Lie::IsDataNode) => return SentinelReport::NotASentinel("a data node".into()),
            Some(Lie::Denies) => return SentinelReport::Denied("-NOAUTH".into()),
            Some(Lie::Wrong(_)) | None => {}
        }
        SentinelReport::Votes(vote)
    }

    pub fn disturb_sentinel(&mut self, dice: &mut Dice) {
        if self.sentinels.is_empty() {
            return;
        }
        let index = dice.index(self.sentinels.len());
        let place = dice.index(self.members);
        let sentinel = &mut self.sentinels[index];
        match dice.below(7) {
            0 => sentinel.alive = dice.chance(60),
            1 => sentinel.unseen = dice.chance(50),
            2 | 3 => sentinel.blind[place] = dice.chance(60),
            4 => sentinel.lie = None,
            5 if self.classes.dead_strangers => self.name_a_dead_stranger(),
            _ => sentinel.lie = Some(any_lie(place, dice)),
        }
        // Announced addresses differ for all of them or for none.
        if self.sentinels[index].lie == Some(Lie::ByRunOnly) {
            for sentinel in &mut self.sentinels {
                sentinel.lie = Some(Lie::ByRunOnly);
            }
        }
    }

    /// All of them were pointed at a host that is no more.
    fn name_a_dead_stranger(&mut self) {
        self.coverage.count("world: sentinels name a dead stranger");
        for sentinel in &mut self.sentinels {
            sentinel.lie = Some(Lie::DeadStranger);
        }
    }
}

fn any_lie(place: usize, dice: &mut Dice) -> Lie {
    match dice.below(8) {
        0 => Lie::Stranger,
        1 => Lie::Wrong(place),
        2 => Lie::Flaps,
        3 => Lie::OtherRun,
        4 => Lie::NoSuchGroup,
        5 => Lie::IsDataNode,
        6 => Lie::Denies,
        _ => Lie::ByRunOnly,
    }
}
