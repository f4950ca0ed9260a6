//! Sentinels: each with its own view, and a failover with the timing of real ones.
//!
//! Measured in a `SENTINEL FAILOVER`: the promoted node claims within a tenth of a second of
//! `+selected-slave`; the leader names the old primary, under the new epoch, up to a second longer, the
//! other Sentinels one to four seconds; replicas turn within three seconds; the old primary claims for
//! up to twelve.

use std::time::Duration;

use rolecall::core::facts::{HostPort, RunId};
use rolecall::core::sentinel::{Phase, SentinelReport, Vote};

use super::World;
use crate::dice::Dice;

const QUORUM: usize = 2;

#[derive(Clone, Debug)]
pub struct Sentinel {
    pub alive: bool,
    /// The proxy cannot reach it.
    pub unseen: bool,
    pub lie: Option<Lie>,
    /// By process: it cannot reach that one.
    pub blind: Vec<bool>,
    names: usize,
    epoch: u64,
    leads: bool,
    /// It has asked the named process for its `run_id`.
    knows_run: bool,
    named_down_since: Option<Duration>,
    switches: Option<(Duration, usize, u64)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    Stranger,
    Wrong(usize),
    Flaps,
    OtherRun,
    ByRunOnly,
    NoSuchGroup,
    IsDataNode,
    Denies,
}

/// Something that a Sentinel announces: this node is promoted.
#[derive(Clone, Debug)]
pub struct News {
    pub at: Duration,
    pub place: HostPort,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Failover {
    leader: usize,
    chosen: usize,
    old: usize,
    epoch: u64,
    /// When the chosen one gets the order, or the leader tells that it has switched.
    at: Duration,
    promoted: bool,
}

impl World {
    pub fn with_sentinels(mut self, count: usize) -> Self {
        let sentinel = Sentinel {
            alive: true,
            unseen: false,
            lie: None,
            blind: vec![false; self.processes.len()],
            names: 0,
            epoch: 7,
            leads: false,
            knows_run: true,
            named_down_since: None,
            switches: None,
        };
        self.sentinels = vec![sentinel; count];
        self
    }

    fn sees(&self, sentinel: usize, process: usize) -> bool {
        let sentinel = &self.sentinels[sentinel];
        sentinel.alive && !sentinel.blind[process]
    }

    /// Whether anybody can give that process orders.
    pub(super) fn is_watched(&self, process: usize) -> bool {
        self.sentinels.is_empty() || (0..self.sentinels.len()).any(|s| self.sees(s, process))
    }

    /// The Sentinels look around, and go on with a failover.
    pub(super) fn watch(&mut self, dice: &mut Dice) {
        let now = self.now;
        for index in 0..self.sentinels.len() {
            let names = self.sentinels[index].names;
            let well = self.sees(index, names) && self.serves(names);
            let sentinel = &mut self.sentinels[index];
            if well {
                sentinel.named_down_since = None;
                sentinel.knows_run |= dice.chance(30);
            } else {
                sentinel.named_down_since.get_or_insert(now);
            }
            if let Some((_, to, epoch)) = sentinel.switches.take_if(|(at, ..)| *at <= now)
                && epoch >= sentinel.epoch
            {
                sentinel.switch(to, epoch);
                self.announce(index, to, dice);
            }
        }
        match self.failover {
            Some(failover) if failover.at <= now => self.go_on(failover, dice),
            Some(_) => {}
            None => self.look_for_trouble(dice),
        }
    }

    fn look_for_trouble(&mut self, dice: &mut Dice) {
        let agree = |index: &usize| {
            let sentinel = &self.sentinels[*index];
            sentinel.alive
                && sentinel.names == self.truth
                && sentinel
                    .named_down_since
                    .is_some_and(|since| self.now.saturating_sub(since) > self.down_after)
        };
        let agreeing: Vec<usize> = (0..self.sentinels.len()).filter(agree).collect();
        if agreeing.len() >= QUORUM && self.now >= self.no_failover_before {
            let leader = agreeing[dice.index(agreeing.len())];
            if self.start_failover(leader, dice) {
                self.coverage
                    .count("world: sentinel failover after a crash");
            }
        }
    }

    /// `SENTINEL FAILOVER`: the old primary lives, and goes on claiming. Says whether it begins.
    pub fn order_failover(&mut self, dice: &mut Dice) -> bool {
        if self.sentinels.is_empty() || self.failover.is_some() {
            return false;
        }
        let leader = dice.index(self.sentinels.len());
        let fits = self.sentinels[leader].alive && self.sentinels[leader].names == self.truth;
        let begins = fits && self.start_failover(leader, dice);
        if begins {
            self.coverage.count("world: sentinel failover by order");
        }
        begins
    }

    fn start_failover(&mut self, leader: usize, dice: &mut Dice) -> bool {
        let old = self.truth;
        let fits = |process: &usize| {
            let candidate = &self.processes[*process];
            *process != old
                && self.local != Some(*process)
                && self.serves(*process)
                && self.sees(leader, *process)
                && candidate.follows == Some(old)
                && candidate.ever_linked
                && candidate.syncs_until.is_none()
        };
        let candidates = (0..self.processes.len()).filter(fits);
        let chosen = candidates.max_by_key(|process| self.processes[*process].offset);
        self.no_failover_before = self.now + dice.millis(2000, 6000);
        let Some(chosen) = chosen else { return false };
        let epochs = self.sentinels.iter().map(|sentinel| sentinel.epoch);
        self.failover = Some(Failover {
            leader,
            chosen,
            old,
            epoch: epochs.max().unwrap_or(0) + 1,
            at: self.now + dice.millis(0, 120),
            promoted: false,
        });
        self.sentinels[leader].leads = true;
        self.announce(leader, chosen, dice);
        true
    }

    fn go_on(&mut self, failover: Failover, dice: &mut Dice) {
        let Failover {
            leader,
            chosen,
            old,
            epoch,
            ..
        } = failover;
        if failover.promoted {
            self.sentinels[leader].switch(chosen, epoch);
            self.announce(leader, chosen, dice);
            self.failover = None;
            return;
        }
        if !self.serves(chosen) || !self.sees(leader, chosen) {
            self.coverage.count("world: failover aborted");
            self.sentinels[leader].leads = false;
            self.failover = None;
            return;
        }
        if self.processes[chosen].follows.is_some() {
            self.become_primary(chosen);
        }
        self.truth = chosen;
        self.sentinels[leader].epoch = epoch;
        self.failover = Some(Failover {
            at: self.now + dice.millis(100, 1000),
            promoted: true,
            ..failover
        });
        for process in 0..self.processes.len() {
            if process == old {
                self.order(process, dice.millis(1000, 12_000));
            } else if process != chosen {
                self.order(process, dice.millis(100, 3000));
            }
        }
        for index in (0..self.sentinels.len()).filter(|index| *index != leader) {
            let at = self.now + dice.millis(1000, 4000);
            self.sentinels[index].switches = Some((at, chosen, epoch));
        }
    }

    /// Each Sentinel's subscribers hear it a little later, or never.
    fn announce(&mut self, sentinel: usize, process: usize, dice: &mut Dice) {
        if !self.sentinels[sentinel].unseen && dice.chance(90) {
            let (at, place) = (self.now + dice.millis(0, 200), self.address(process));
            self.news.push(News { at, place });
        }
    }

    /// What a Sentinel answers now.
    pub fn ask(&mut self, index: usize, dice: &mut Dice) -> SentinelReport {
        let sentinel = self.sentinels[index].clone();
        if sentinel.unseen || !sentinel.alive {
            self.coverage.count("world: sentinel silent");
            return SentinelReport::Unreachable("no answer".into());
        }
        let names = match sentinel.lie {
            Some(Lie::Wrong(node)) => node,
            Some(Lie::Flaps) => dice.index(self.processes.len()),
            _ => sentinel.names,
        };
        let run = RunId(self.processes[names].run.to_string().into());
        let mut vote = Vote {
            address: self.address(names),
            run_id: sentinel.knows_run.then_some(run),
            config_epoch: sentinel.epoch,
            phase: if sentinel.leads {
                Phase::FailingOver
            } else {
                Phase::Settled
            },
            down: false,
        };
        if sentinel.lie.is_some() {
            self.coverage.count("world: sentinel lies");
        }
        match sentinel.lie {
            Some(Lie::Stranger) => vote.address = HostPort::new("192.0.2.1", 6379),
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
        let process = dice.index(self.processes.len());
        let sentinel = &mut self.sentinels[index];
        match dice.below(6) {
            0 => sentinel.alive = dice.chance(60),
            1 => sentinel.unseen = dice.chance(50),
            2 | 3 => sentinel.blind[process] = dice.chance(60),
            4 => sentinel.lie = None,
            _ => {
                sentinel.lie = Some(match dice.below(8) {
                    0 => Lie::Stranger,
                    1 => Lie::Wrong(process),
                    2 => Lie::Flaps,
                    3 => Lie::OtherRun,
                    4 => Lie::NoSuchGroup,
                    5 => Lie::IsDataNode,
                    6 => Lie::Denies,
                    _ => Lie::ByRunOnly,
                });
            }
        }
        // Announced addresses differ for all of them or for none.
        if self.sentinels[index].lie == Some(Lie::ByRunOnly) {
            for sentinel in &mut self.sentinels {
                sentinel.lie = Some(Lie::ByRunOnly);
            }
        }
    }

    pub(super) fn end_lies(&mut self) {
        for sentinel in &mut self.sentinels {
            sentinel.alive = true;
            sentinel.unseen = false;
            sentinel.lie = None;
            sentinel.blind.fill(false);
        }
    }

    pub(super) fn agree(&mut self) {
        self.failover = None;
        let epochs = self.sentinels.iter().map(|sentinel| sentinel.epoch);
        let epoch = epochs.max().unwrap_or(0);
        let truth = self.truth;
        for sentinel in &mut self.sentinels {
            sentinel.switch(truth, epoch);
            sentinel.switches = None;
            sentinel.named_down_since = None;
        }
    }

    pub(super) fn sentinels_agree(&self) -> bool {
        let mut all = self.sentinels.iter();
        all.all(|sentinel| sentinel.names == self.truth && sentinel.switches.is_none())
    }
}

impl Sentinel {
    fn switch(&mut self, to: usize, epoch: u64) {
        self.names = to;
        self.epoch = epoch;
        self.leads = false;
        self.knows_run = false;
        self.named_down_since = None;
    }
}
