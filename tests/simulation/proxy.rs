//! The shell's part, as far as the core sees it: checks and questions that take their time, tell what
//! was true when they began or when they ended, and arrive in another order than they were sent.

use std::time::Duration;

use rolecall::core::outcome::{Outcome, Report};
use rolecall::core::sentinel::SentinelReport;
use rolecall::core::time::Moment;

use crate::dice::Dice;
use crate::moment;
use crate::referee::Referee;
use crate::world::{Answer, Truth, World};

const TIMEOUT: u64 = 400;

/// A check that is under way: what it found is told later.
struct UnderWay {
    started: Duration,
    ends: Duration,
    /// None: the node takes its time, and answers at the end.
    answer: Option<Answer>,
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
                referee.sentinel(index, &report, moment(world.now));
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
        let round = Round::ask(world, dice);
        referee.round(&round, dice);
    }
}

/// What all say at one moment.
pub struct Round {
    pub at: Moment,
    pub votes: Vec<SentinelReport>,
    /// By node, in the order in which they are heard.
    pub answers: Vec<(usize, Report, Truth)>,
}

impl Round {
    pub fn ask(world: &mut World, dice: &mut Dice) -> Self {
        let votes = (0..world.sentinels.len()).map(|index| world.ask(index, dice));
        let votes = votes.collect();
        let at = moment(world.now);
        let count = world.nodes.len();
        let first = dice.index(count);
        let answer = |turn| {
            let node = (first + turn) % count;
            let Answer { outcome, truth } = world.sample(node);
            let report = Report {
                started: at,
                finished: at,
                dialled: true,
                outcome,
            };
            (node, report, truth)
        };
        Self {
            at,
            votes,
            answers: (0..count).map(answer).collect(),
        }
    }
}

fn begin(world: &World, node: usize, dice: &mut Dice) -> UnderWay {
    let mut answer = world.sample(node);
    if dice.chance(2) {
        answer.outcome = Outcome::Closed;
    }
    let takes = match &answer.outcome {
        Outcome::TimedOut(_) => TIMEOUT,
        // A slow one: what it says is old when it is told.
        _ if dice.chance(10) => dice.below(TIMEOUT),
        _ => dice.below(120),
    };
    let at_the_end = matches!(answer.outcome, Outcome::Answered(_)) && dice.chance(50);
    UnderWay {
        started: world.now,
        ends: world.now + Duration::from_millis(takes),
        answer: (!at_the_end).then_some(answer),
    }
}

fn end(check: UnderWay, world: &World, node: usize, referee: &mut Referee) {
    let (Answer { outcome, truth }, finished) = match check.answer {
        // It waited in the channel to the monitor.
        Some(answer) => (answer, check.ends),
        None => (world.sample(node), world.now),
    };
    let report = Report {
        started: moment(check.started),
        finished: moment(finished),
        dialled: true,
        outcome,
    };
    referee.report(node, &report, truth);
}
