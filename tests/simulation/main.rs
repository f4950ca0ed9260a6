//! Proof by simulation: the core's fold is driven through random histories of a small network, and
//! the rules are asserted after each step from what was reported, not from what the core remembers.
//!
//! `world` is what happens out there, `proxy` what of it is asked and when it is heard, `referee` what
//! must be concluded. `coverage` counts what happened, so that nothing of it can silently stop happening.
//!
//! A failing history prints its seed: `ROLECALL_SEED=n cargo test --test simulation` replays it alone.
//! `ROLECALL_HISTORIES=n` plays more or fewer than usual, from the seed `ROLECALL_FIRST` on; of the rarer
//! faults `ROLECALL_FAULTS` (see `Classes`) allows some. `make simulate` plays a million.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    reason = "a test speaks by panicking, and its helpers are not marked as tests"
)]
#![expect(
    clippy::struct_excessive_bools,
    clippy::option_option,
    reason = "what is told and what is so are many independent things"
)]

mod coverage;
mod dice;
mod proxy;
mod referee;
mod seeds;
mod world;

use std::time::Duration;

use coverage::Coverage;
use dice::Dice;
use proxy::{Proxy, Round};
use referee::{Referee, Rules};
use rolecall::core::time::Moment;
use world::{Mood, World};

const STEPS: u64 = 110;

/// After the last fault, when those who promote have finished: so many checks of each node, answered
/// in any order, until the right one has the writes.
const CHECKS_TO_ELECT: u32 = 1;

/// So many more beside `rise` until all replicas in sync serve reads: one tells where the new primary
/// is, the next how far a replica is behind it.
const CHECKS_TO_MEASURE: u32 = 1;

/// How long the world may take to get in order by itself: replicas notice, Sentinels promote, the old
/// primary is demoted.
const PATIENCE: Duration = Duration::from_secs(60);

fn moment(since_start: Duration) -> Moment {
    Moment::at(since_start)
}

/// One history: who is in it.
struct History {
    dice: Dice,
    world: World,
    proxy: Proxy,
    referee: Referee,
    /// From one step to the next, in milliseconds.
    pace: (u64, u64),
}

impl History {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let members = match dice.below(20) {
            0 => 1,
            1 | 2 => 2,
            other => 3 + usize::from(other % 2 == 0),
        };
        let with_local = members > 1 && dice.chance(25);
        // One who can vote must be left: else the hold decides, in no number of checks.
        let others = members - usize::from(with_local);
        let second_address = others > 1 && dice.chance(15);
        let sentinels = if dice.chance(70) { 3 } else { 0 };
        let world = World::new(members, with_local, second_address, &mut dice);
        let world = world.with_sentinels(sentinels);
        let rules = Rules::random(&mut dice);
        let referee = Referee::new(&world, rules);
        let proxy = Proxy::new(&world);
        // A slow one has time for loads of minutes.
        let pace = if dice.chance(15) {
            (200, 2500)
        } else {
            (10, 250)
        };
        Self {
            dice,
            world,
            proxy,
            referee,
            pace,
        }
    }

    fn play(&mut self) {
        // Some begin in the middle of something.
        for _ in 0..self.dice.below(6) {
            self.disturb();
            self.pass(1, 3000);
        }
        for _ in 0..STEPS {
            if self.dice.chance(20) {
                self.disturb();
            }
            if self.dice.chance(3) {
                self.start_anew();
            }
            self.step(self.pace.0, self.pace.1);
        }
        self.come_to_rest();
        self.assert_converged();
        if self.dice.chance(25) {
            self.promote_in_peace();
        }
    }

    fn pass(&mut self, from: u64, to: u64) {
        let pause = self.dice.millis(from, to);
        self.world.advance(pause, &mut self.dice);
    }

    fn step(&mut self, from: u64, to: u64) {
        self.pass(from, to);
        self.proxy
            .run(&mut self.world, &mut self.dice, &mut self.referee);
        self.referee.tick(moment(self.world.now));
    }

    fn disturb(&mut self) {
        let (world, dice) = (&mut self.world, &mut self.dice);
        let place = dice.index(world.members);
        let node = dice.index(world.nodes.len());
        match dice.below(34) {
            0 | 1 => world.kill(place),
            2..=5 => world.restart(place, dice),
            6 => world.stop(place, true),
            7 | 8 => world.stop(place, false),
            9 => world.promote_by_hand(place),
            10 => world.cut(place, (place + 1) % world.members),
            11 => world.unseen[node] = dice.chance(50),
            12 => world.stall(place, dice),
            13 | 14 => world.order_handover(dice),
            15 => drop(world.order_failover(dice)),
            16..=18 => world.disturb_sentinel(dice),
            19 => world.moods[node] = any_mood(dice),
            20 => world.moods.fill(Mood::Well),
            21 => self.move_process(place),
            22 => {
                let out = dice.chance(30);
                self.referee.order(node, out, moment(world.now));
            }
            23 => self.suspend(),
            other => self.disturb_identity(other, place),
        }
    }

    /// Whose data a process has, and what it says of them.
    fn disturb_identity(&mut self, kind: u64, place: usize) {
        let (world, dice) = (&mut self.world, &mut self.dice);
        match kind {
            24 | 25 => world.start_from_copy(place, dice),
            26 => world.follow_a_stranger(place, dice),
            27 => world.follow_a_stranger(world.truth, dice),
            28 => world.promote_by_hand(world.truth),
            29 => world.take_place(place, dice),
            30 => {
                if let Some(taken) = world.taken() {
                    world.give_back(taken);
                }
            }
            31 | 32 => world.forge(place, dice),
            33 if dice.chance(50) => {
                let now = moment(world.now);
                self.referee.accept(place, now);
            }
            _ => world.expire_backlog(place),
        }
    }

    /// Proxies that start at this moment come to one conclusion, however their nodes are listed and heard.
    fn start_anew(&mut self) {
        let round = Round::ask(&mut self.world, &mut self.dice);
        self.referee.start_anew(&round, &mut self.dice);
    }

    /// A process comes back at another address, and its name with it.
    fn move_process(&mut self, process: usize) {
        if !self.referee.rules().by_name || self.dice.chance(50) {
            return;
        }
        self.world.move_away(process);
        if self.dice.chance(50) {
            self.world.kill(process);
            self.world.restart(process, &mut self.dice);
        }
        // The further nodes are second addresses, which stay.
        self.proxy.forget(process);
        let ip = self.world.ip(process);
        self.referee.resolved(process, &ip, moment(self.world.now));
    }

    /// The proxy's machine sleeps, or its clock leaps; the world goes on.
    fn suspend(&mut self) {
        if self.dice.chance(70) {
            return;
        }
        self.world.coverage.count("world: suspended");
        for _ in 0..self.dice.below(40) {
            self.pass(100, 3000);
        }
        let leap = if self.dice.chance(20) {
            3_600_000
        } else {
            20_000
        };
        self.pass(1, leap);
    }

    /// The last fault is over, and who promotes has finished: with real timing, or at once.
    fn come_to_rest(&mut self) {
        for node in 0..self.world.nodes.len() {
            self.referee.order(node, false, moment(self.world.now));
        }
        if self.dice.chance(40) {
            self.world.end_faults(&mut self.dice);
            let end = self.world.now + PATIENCE;
            while self.world.now < end && !self.world.is_settled() {
                self.step(10, 400);
            }
        }
        let settled = self.world.is_settled();
        let class = if settled {
            "end: settled by itself"
        } else {
            "end: healed at once"
        };
        self.world.coverage.count(class);
        self.world.heal(&mut self.dice);
    }

    /// The right node is elected within a bounded number of checks, and reads follow after `rise`.
    fn assert_converged(&mut self) {
        self.accept_if_nothing_is_left();
        let checks = self.referee.rules().rise + CHECKS_TO_MEASURE;
        for check in 0..checks {
            self.world
                .advance(Duration::from_millis(50), &mut self.dice);
            Proxy::ask_all(&mut self.world, &mut self.dice, &mut self.referee);
            if check + 1 >= CHECKS_TO_ELECT {
                self.referee.assert_elected(&self.world);
            }
        }
        self.referee.assert_reads(&self.world);
    }

    /// R17: a group all of whose nodes have another history needs an operator's word.
    fn accept_if_nothing_is_left(&mut self) {
        self.world
            .advance(Duration::from_millis(50), &mut self.dice);
        Proxy::ask_all(&mut self.world, &mut self.dice, &mut self.referee);
        let world = &self.world;
        let mut addresses = (0..world.nodes.len()).filter(|node| world.nodes[*node] == world.truth);
        let foreign = addresses
            .find(|node| self.referee.is_foreign(*node) && self.referee.do_all_lack(*node));
        if let Some(node) = foreign {
            self.world.coverage.count("end: operator accepts");
            let now = moment(self.world.now);
            self.referee.accept(node, now);
        }
    }

    /// A promotion in a healthy group, with the timing of a real one: the first check that shows the
    /// claim moves the writes, and nothing that is said of the old primary later moves them back.
    fn promote_in_peace(&mut self) {
        let old = self.world.truth;
        if !self.world.tells_branch() {
            return;
        }
        if self.world.sentinels.is_empty() {
            let process = self.dice.index(self.world.members);
            self.world.promote_by_hand(process);
        } else if !self.world.order_failover(&mut self.dice) {
            return;
        }
        let end = self.world.now + Duration::from_secs(20);
        while self.world.now < end {
            self.pass(20, 300);
            Proxy::ask_all(&mut self.world, &mut self.dice, &mut self.referee);
            self.referee.assert_elected(&self.world);
        }
        if self.world.truth != old {
            self.world
                .coverage
                .count("end: promotion served by the check that shows it");
        }
    }
}

fn any_mood(dice: &mut Dice) -> Mood {
    match dice.below(6) {
        0 => Mood::Well,
        1 => Mood::Busy,
        2 => Mood::Full,
        3 => Mood::NotRedis,
        4 => Mood::Denied,
        _ => Mood::Garbled,
    }
}

/// One random history; panics where a rule is broken.
fn play(seed: u64) -> Coverage {
    let mut history = History::new(seed);
    history.play();
    let mut coverage = history.world.coverage;
    coverage.merge(history.referee.coverage);
    coverage
}

#[test]
fn r1_to_r19_hold_in_random_histories_and_the_right_node_is_elected_in_the_end() {
    seeds::play_all(play);
}
