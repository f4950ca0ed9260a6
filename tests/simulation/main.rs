//! Proof by simulation: the core's fold is driven through random histories of a small network, and
//! the rules are asserted after each step from what was reported, not from what the core remembers.
//!
//! `world` is what happens out there, `proxy` what of it is asked and when it is heard, `referee` what
//! must be concluded. `coverage` counts what happened, so that nothing of it can silently stop happening.
//!
//! A failing history prints its seed: `ROLECALL_SEED=n cargo test --test simulation` replays it alone.
//! `ROLECALL_HISTORIES=n` plays more or fewer than usual.

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
mod world;

use std::time::Duration;

use coverage::Coverage;
use dice::Dice;
use proxy::Proxy;
use referee::{Referee, Rules};
use rolecall::core::time::Moment;
use world::{Mood, World};

const HISTORIES: u64 = 12_000;
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
}

impl History {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let processes = match dice.below(20) {
            0 => 1,
            1 | 2 => 2,
            other => 3 + usize::from(other % 2 == 0),
        };
        let with_local = processes > 1 && dice.chance(25);
        // One who can vote must be left: else the hold decides, in no number of checks.
        let others = processes - usize::from(with_local);
        let second_address = others > 1 && dice.chance(15);
        let sentinels = if dice.chance(70) { 3 } else { 0 };
        let world = World::new(processes, with_local, second_address, &mut dice);
        let world = world.with_sentinels(sentinels);
        let rules = Rules::random(&mut dice);
        let referee = Referee::new(&world, rules);
        let proxy = Proxy::new(&world);
        Self {
            dice,
            world,
            proxy,
            referee,
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
            self.step(10, 250);
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
        let process = dice.index(world.processes.len());
        let node = dice.index(world.nodes.len());
        match dice.below(24) {
            0 | 1 => world.kill(process),
            2..=5 => world.restart(process, dice),
            6 => world.stop(process, true),
            7 | 8 => world.stop(process, false),
            9 => world.promote_by_hand(process),
            10 => world.cut(process, (process + 1) % world.processes.len()),
            11 => world.unseen[node] = dice.chance(50),
            12 => world.stall(process, dice),
            13 | 14 => world.order_handover(dice),
            15 => drop(world.order_failover(dice)),
            16..=18 => world.disturb_sentinel(dice),
            19 => world.moods[node] = any_mood(dice),
            20 => world.moods.fill(Mood::Well),
            21 => self.move_process(process),
            22 => {
                let out = dice.chance(30);
                self.referee.order(node, out, moment(world.now));
            }
            _ => self.suspend(),
        }
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

    /// A promotion in a healthy group, with the timing of a real one: the first check that shows the
    /// claim moves the writes, and nothing that is said of the old primary later moves them back.
    fn promote_in_peace(&mut self) {
        let old = self.world.truth;
        if self.world.sentinels.is_empty() {
            let process = self.dice.index(self.world.processes.len());
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

fn variable(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().expect("a number"))
}

#[test]
fn r1_to_r11_hold_in_random_histories_and_the_right_node_is_elected_in_the_end() {
    let replay = variable("ROLECALL_SEED");
    let seeds = match replay {
        Some(seed) => seed..seed + 1,
        None => 0..variable("ROLECALL_HISTORIES").unwrap_or(HISTORIES),
    };
    let mut coverage = Coverage::default();
    for seed in seeds {
        match std::panic::catch_unwind(|| play(seed)) {
            Ok(seen) => coverage.merge(seen),
            Err(broken) => {
                eprintln!("history {seed} broke a rule: ROLECALL_SEED={seed} replays it alone");
                std::panic::resume_unwind(broken);
            }
        }
    }
    println!("{coverage}");
    if replay.is_none() {
        coverage.assert_complete();
    }
}
