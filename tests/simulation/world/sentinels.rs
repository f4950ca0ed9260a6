//! Sentinels: each with its own view, and a failover with the timing of real ones.
//!
//! Measured in a `SENTINEL FAILOVER`: the promoted node claims within a tenth of a second of
//! `+selected-slave`; the leader names the old primary, under the new epoch, up to a second longer, the
//! other Sentinels one to four seconds; replicas turn within three seconds; the old primary claims for
//! up to twelve.

use std::time::Duration;

use rolecall::core::facts::HostPort;

use super::World;
use super::votes::Lie;
use crate::dice::Dice;

const QUORUM: usize = 2;

#[derive(Clone, Debug)]
pub struct Sentinel {
    pub alive: bool,
    /// The proxy cannot reach it.
    pub unseen: bool,
    pub lie: Option<Lie>,
    /// By place: it cannot reach that one.
    pub blind: Vec<bool>,
    /// The place that it names.
    pub(super) names: usize,
    pub(super) epoch: u64,
    pub(super) leads: bool,
    /// It has asked the named process for its `run_id`.
    pub(super) knows_run: bool,
    pub(super) named_down_since: Option<Duration>,
    switches: Option<(Duration, usize, u64)>,
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
            blind: vec![false; self.members],
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

    fn sees(&self, sentinel: usize, place: usize) -> bool {
        let sentinel = &self.sentinels[sentinel];
        sentinel.alive && !sentinel.blind[place]
    }

    /// Whether anybody can give the process at that place orders.
    pub(super) fn is_watched(&self, place: usize) -> bool {
        self.sentinels.is_empty() || (0..self.sentinels.len()).any(|s| self.sees(s, place))
    }

    /// The Sentinels look around, and go on with a failover.
    pub(super) fn watch(&mut self, dice: &mut Dice) {
        let now = self.now;
        for index in 0..self.sentinels.len() {
            let names = self.sentinels[index].names;
            let claims = self.processes[self.at(names)].follows.is_none();
            let well = self.sees(index, names) && self.serves_at(names) && claims;
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
        let fits = |place: &usize| {
            let candidate = &self.processes[self.at(*place)];
            // It does not ask whose replica it is that has come to a place.
            let stranger = self.at(*place) != *place && candidate.follows.is_some();
            *place != old
                && self.local != Some(*place)
                && self.serves_at(*place)
                && self.sees(leader, *place)
                && (candidate.follows == Some(old) || stranger)
                && candidate.ever_linked
                && candidate.syncs_until.is_none()
        };
        let candidates = (0..self.members).filter(fits);
        let chosen = candidates.max_by_key(|place| self.processes[self.at(*place)].offset);
        self.no_failover_before = self.now + dice.millis(2000, 6000);
        let Some(chosen) = chosen else { return false };
        if self.at(chosen) != chosen {
            self.coverage.count("world: sentinels promote a stranger");
        }
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
        if !self.serves_at(chosen) || !self.sees(leader, chosen) {
            self.coverage.count("world: failover aborted");
            self.sentinels[leader].leads = false;
            self.failover = None;
            return;
        }
        if self.processes[self.at(chosen)].follows.is_some() {
            self.become_primary(self.at(chosen));
        }
        self.truth = chosen;
        self.sentinels[leader].epoch = epoch;
        self.failover = Some(Failover {
            at: self.now + dice.millis(100, 1000),
            promoted: true,
            ..failover
        });
        for place in 0..self.members {
            if place == old {
                self.order(place, dice.millis(1000, 12_000));
            } else if place != chosen {
                self.order(place, dice.millis(100, 3000));
            }
        }
        for index in (0..self.sentinels.len()).filter(|index| *index != leader) {
            let at = self.now + dice.millis(1000, 4000);
            self.sentinels[index].switches = Some((at, chosen, epoch));
        }
    }

    /// Each Sentinel's subscribers hear it a little later, or never.
    fn announce(&mut self, sentinel: usize, place: usize, dice: &mut Dice) {
        if !self.sentinels[sentinel].unseen && dice.chance(90) {
            let (at, place) = (self.now + dice.millis(0, 200), self.address(place));
            self.news.push(News { at, place });
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
