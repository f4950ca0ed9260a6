//! Proof by simulation: the core's fold is driven through random histories of a small network, and
//! the rules are asserted after each step from what was reported, not from what the core remembers.
//!
//! A failing history prints its seed: `ROLECALL_SEED=n cargo test --test simulation` replays it alone.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test speaks by panicking, and its helpers are not marked as tests"
)]

mod referee;
mod world;

use std::time::Duration;

use referee::Referee;
use rolecall::core::outcome::{Outcome, Report};
use rolecall::core::time::Moment;
use world::{Dice, World};

const HISTORIES: u64 = 10_000;
const STEPS: u64 = 120;

/// A check that is under way: what it found is told later.
struct UnderWay {
    started: Duration,
    ends: Duration,
    outcome: Outcome,
}

fn moment(since_start: Duration) -> Moment {
    Moment::after_start(since_start)
}

/// One random history; panics where a rule is broken.
fn play(seed: u64) {
    let mut dice = Dice(seed);
    let nodes = 3 + dice.index(2);
    let mut world = World::new(nodes);
    let mut referee = Referee::new(nodes, moment(world.now));
    let mut checks: Vec<Option<UnderWay>> = (0..nodes).map(|_| None).collect();
    for _ in 0..STEPS {
        if dice.chance(20) {
            disturb(&mut world, &mut dice, nodes);
        }
        let pause = Duration::from_millis(10 + dice.below(200));
        world.advance(pause, &mut dice);
        run_checks(&mut world, &mut dice, &mut referee, &mut checks);
        referee.tick(moment(world.now));
    }
    world.heal(&mut dice);
    converge(&mut world, &mut dice, &mut referee);
}

fn disturb(world: &mut World, dice: &mut Dice, nodes: usize) {
    let node = dice.index(nodes);
    match dice.below(9) {
        0 => world.kill(node),
        1 | 2 => world.restart(node, dice),
        3 => world.stop(node, true),
        4 => world.stop(node, false),
        5 | 6 => world.promote(node, dice),
        7 => world.cut(node, (node + 1) % nodes),
        _ => world.unseen[node] = dice.chance(50),
    }
}

fn run_checks(
    world: &mut World,
    dice: &mut Dice,
    referee: &mut Referee,
    checks: &mut [Option<UnderWay>],
) {
    for (node, slot) in checks.iter_mut().enumerate() {
        if slot.is_none() && dice.chance(60) {
            let outcome = world.sample(node);
            let takes = match outcome {
                Outcome::TimedOut(_) => 400,
                _ => dice.below(120),
            };
            let ends = world.now + Duration::from_millis(takes);
            *slot = Some(UnderWay {
                started: world.now,
                ends,
                outcome,
            });
        }
        if let Some(check) = slot.take_if(|check| check.ends <= world.now) {
            let report = Report {
                started: moment(check.started),
                finished: moment(world.now),
                dialled: true,
                outcome: check.outcome,
            };
            referee.report(node, &report);
        }
    }
}

/// After the last fault the right node is elected within a bounded number of checks.
fn converge(world: &mut World, dice: &mut Dice, referee: &mut Referee) {
    for _ in 0..12 {
        world.advance(Duration::from_millis(50), dice);
        for node in 0..world.processes.len() {
            let report = Report {
                started: moment(world.now),
                finished: moment(world.now),
                dialled: true,
                outcome: world.sample(node),
            };
            referee.report(node, &report);
        }
    }
    referee.assert_elected(world.truth);
}

#[test]
fn r1_to_r9_hold_in_random_histories_and_the_right_node_is_elected_in_the_end() {
    let seeds = match std::env::var("ROLECALL_SEED") {
        Ok(seed) => {
            let seed: u64 = seed.parse().expect("ROLECALL_SEED is a number");
            seed..seed + 1
        }
        Err(_) => 0..HISTORIES,
    };
    for seed in seeds {
        if let Err(broken) = std::panic::catch_unwind(|| play(seed)) {
            eprintln!("history {seed} broke a rule: ROLECALL_SEED={seed} replays it alone");
            std::panic::resume_unwind(broken);
        }
    }
}
