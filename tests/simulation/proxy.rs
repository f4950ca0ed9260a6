//! The shell's part, as far as the core sees it: checks and questions that take their time, tell what
//! was true when they began or when they ended, and arrive in another order than they were sent.

use std::time::Duration;

use rolecall::core::outcome::{Outcome, Report};
use rolecall::core::sentinel::SentinelReport;

use crate::dice::Dice;
use crate::moment;
use crate::referee::Referee;
use crate::world::World;

const TIMEOUT: u64 = 400;

/// A check that is under way: what it found is told later.
struct UnderWay {
    started: Duration,
    ends: Duration,
    /// None: the node takes its time, and answers at the end.
    outcome: Option<Outcome>,
}

pub struct Proxy {
    checks: Vec<Option<UnderWay>>,
    questions: Vec<Option<(Duration, SentinelReport)>>,
}

impl Proxy {
    pub fn new(world: &World) -> Self {
        Self {
            checks: world.nodes.iter().map(|_| None).collect(),
            questions: world.sentinels.iter().map(|_| None).collect(),
        }
    }

    /// Checks and questions begin and end.
    pub fn run(&mut self, world: &mut World, dice: &mut Dice, referee: &mut Referee) {
        let first = dice.index(self.checks.len());
        for turn in 0..self.checks.len() {
            let node = (first + turn) % self.checks.len();
            if self.checks[node].is_none() && dice.chance(60) {
                self.checks[node] = Some(begin(world, node, dice));
            }
            if let Some(check) = self.checks[node].take_if(|check| check.ends <= world.now) {
                end(check, world, node, referee);
            }
        }
        for index in 0..self.questions.len() {
            if self.questions[index].is_none() && dice.chance(25) {
                let report = world.ask(index, dice);
                self.questions[index] = Some((world.now + dice.millis(0, 300), report));
            }
            let due = self.questions[index].take_if(|(ends, _)| *ends <= world.now);
            if let Some((_, report)) = due {
                referee.sentinel(index, report, moment(world.now));
            }
        }
        let now = world.now;
        let (due, later) = world.news.drain(..).partition(|news| news.at <= now);
        world.news = later;
        let due: Vec<crate::world::News> = due;
        for news in due {
            world.coverage.count("news: promotes");
            referee.promotes(&news.place, moment(now));
        }
    }

    /// Nothing of what is under way to that node will be told: it was at another address.
    pub fn forget(&mut self, node: usize) {
        self.checks[node] = None;
    }

    /// One complete check of every node and one question to every Sentinel, at once, in any order.
    pub fn ask_all(world: &mut World, dice: &mut Dice, referee: &mut Referee) {
        for index in 0..world.sentinels.len() {
            let report = world.ask(index, dice);
            referee.sentinel(index, report, moment(world.now));
        }
        let first = dice.index(world.nodes.len());
        for turn in 0..world.nodes.len() {
            let node = (first + turn) % world.nodes.len();
            let report = Report {
                started: moment(world.now),
                finished: moment(world.now),
                dialled: true,
                outcome: world.sample(node),
            };
            referee.report(node, &report);
        }
    }
}

fn begin(world: &World, node: usize, dice: &mut Dice) -> UnderWay {
    let outcome = if dice.chance(2) {
        Outcome::Closed
    } else {
        world.sample(node)
    };
    let takes = match &outcome {
        Outcome::TimedOut(_) => TIMEOUT,
        // A slow one: what it says is old when it is told.
        _ if dice.chance(10) => dice.below(TIMEOUT),
        _ => dice.below(120),
    };
    let at_the_end = matches!(outcome, Outcome::Answered(_)) && dice.chance(50);
    UnderWay {
        started: world.now,
        ends: world.now + Duration::from_millis(takes),
        outcome: (!at_the_end).then_some(outcome),
    }
}

fn end(check: UnderWay, world: &World, node: usize, referee: &mut Referee) {
    let (outcome, finished) = match check.outcome {
        // It waited in the channel to the monitor.
        Some(outcome) => (outcome, check.ends),
        None => (world.sample(node), world.now),
    };
    let report = Report {
        started: moment(check.started),
        finished: moment(finished),
        dialled: true,
        outcome,
    };
    referee.report(node, &report);
}
