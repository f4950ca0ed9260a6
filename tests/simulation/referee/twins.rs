//! No outcome depends on order (R4): groups that are told the same as the one that is judged, with their
//! nodes listed or heard in another order, elect the same process.

use rolecall::core::facts::RunId;
use rolecall::core::group::{Group, Settings};
use rolecall::core::node::Order;
use rolecall::core::outcome::{Outcome, Report};
use rolecall::core::snapshot::Target;
use rolecall::core::time::Moment;

use super::{Referee, id};
use crate::dice::Dice;
use crate::proxy::Round;
use crate::world::Truth;

/// Other orders in which a round is heard.
const ORDERS: usize = 2;

/// What one of those who are asked says.
#[derive(Clone, Copy)]
enum Voice {
    Sentinel(usize),
    Node(usize),
}

/// The nodes in the opposite order, with the same numbers.
pub fn reversed(settings: &Settings) -> Settings {
    let mut settings = settings.clone();
    settings.nodes.reverse();
    settings
}

/// All voices of a round in any order, heard at `at`.
fn hear(group: &mut Group, round: &Round, at: Moment, dice: &mut Dice) {
    let sentinels = (0..round.votes.len()).map(Voice::Sentinel);
    let mut voices: Vec<Voice> = sentinels
        .chain((0..round.answers.len()).map(Voice::Node))
        .collect();
    for last in (1..voices.len()).rev() {
        voices.swap(last, dice.index(last + 1));
    }
    for voice in voices {
        match voice {
            Voice::Sentinel(index) => group.sentinel(index, round.votes[index].clone(), at),
            Voice::Node(index) => {
                let (node, report, _) = &round.answers[index];
                let report = Report {
                    started: at,
                    finished: at,
                    ..report.clone()
                };
                group.report(id(*node), &report);
            }
        }
    }
}

impl Referee {
    /// One complete round, at once. The groups that hear it in other orders elect the same.
    pub fn round(&mut self, round: &Round, dice: &mut Dice) {
        // What is due by time alone comes before what is said.
        self.tick(round.at);
        let mut others = vec![self.group.clone(); ORDERS];
        for other in &mut others {
            hear(other, round, round.at, dice);
        }
        let (term, restarts) = (self.term, self.tells_of_restarts(round));
        self.elected_suspect = false;
        for (index, vote) in round.votes.iter().enumerate() {
            self.sentinel(index, vote, round.at);
        }
        for (node, report, truth) in &round.answers {
            self.report(*node, report, truth.clone());
        }
        if self.term != term {
            self.coverage.count("order: elected in a round");
        }
        // At a cold start, too, the first news may decide with what the others said earlier.
        // Whether a known process was seen with a stranger's data first makes a difference, and shall.
        let any_suspect = (0..self.told.len()).any(|node| self.is_suspect(node));
        if term == 0 || restarts || any_suspect || self.elected_suspect {
            return;
        }
        for other in &mut others {
            if self.elected_run(&self.group) != self.elected_run(other) {
                let all = other.take_events();
                self.note(super::Input::Other(format!("{all:#?}")));
            }
            let same = self.elected_run(&self.group) == self.elected_run(other);
            self.demand(same, "R4: the order of replies decides nothing");
        }
    }

    /// Another process answers at a node than before: what the one before said may decide first.
    fn tells_of_restarts(&self, round: &Round) -> bool {
        round
            .answers
            .iter()
            .any(|(node, report, _)| match &report.outcome {
                Outcome::Answered(facts) => self.told[*node].run() != Some(&facts.run_id),
                _ => false,
            })
    }

    /// The process that a group which was told the same has elected.
    fn elected_run(&self, group: &Group) -> Option<&RunId> {
        let primary = group.view().primary?;
        self.told[primary.node.0 as usize].run()
    }

    /// After each step. Of two addresses of one process the first counts, so which check brings the news
    /// depends on it, though the outcome does not.
    pub fn judge_order_of_nodes(&mut self) {
        drop(self.reversed.take_events());
        if self.has_second_address {
            return;
        }
        let same = self.elected_run(&self.group) == self.elected_run(&self.reversed);
        self.demand(same, "R4: the order of the configuration decides nothing");
    }

    /// Proxies that start now, with what all say at this moment.
    pub fn start_anew(&mut self, round: &Round, dice: &mut Dice) {
        // A local node is not waited for, and one that forges its branch connects two families: the limit.
        let is_forged = |(node, _, truth): &(usize, Report, Truth)| {
            truth.forges && (self.told[*node].local || self.is_out(*node))
        };
        if round.answers.iter().any(is_forged) {
            return;
        }
        let opposite = reversed(&self.settings);
        let settings = [&self.settings, &self.settings, &opposite, &opposite];
        let mut groups: Vec<Group> = settings
            .iter()
            .map(|s| self.new_group(s, round.at))
            .collect();
        let told = |group: &Group| {
            let primary = group.view().primary?;
            let mut answers = round.answers.iter();
            let (_, report, _) = answers.find(|(node, ..)| id(*node) == primary.node)?;
            match &report.outcome {
                Outcome::Answered(facts) => Some(facts.run_id.clone()),
                _ => None,
            }
        };
        let hold = round.at.plus(self.rules.claim_hold);
        for at in [round.at, hold, hold.plus(self.rules.claim_hold)] {
            for group in &mut groups {
                group.tick(at);
                hear(group, round, at, dice);
            }
            let elected = told(&groups[0]);
            let same = groups.iter().all(|group| told(group) == elected);
            if !same {
                self.note(super::Input::Other(format!("{:#?}", round.answers)));
                self.note(super::Input::Other(format!("{:#?}", round.votes)));
                let all: Vec<_> = groups.iter().map(told).collect();
                self.note(super::Input::Other(format!("at {at:?}: {all:?}")));
                for group in &mut groups {
                    let events = group.take_events();
                    self.note(super::Input::Other(format!("events: {events:?}")));
                    let view = group.view();
                    self.note(super::Input::Other(format!("view: {view:?}")));
                }
            }
            self.demand(same, "R4: started anew, no order decides anything");
            self.coverage.count(match elected {
                Some(_) => "order: elected by a proxy that starts",
                None => "order: none elected by a proxy that starts",
            });
        }
    }

    pub fn new_group(&self, settings: &Settings, now: Moment) -> Group {
        let mut group = Group::new(settings.clone(), now).with_sentinels(self.sentinel_names());
        for (node, told) in self.told.iter().enumerate() {
            let target = Target::Tcp(format!("{}:6379", told.target.host).parse().unwrap());
            group.resolved(id(node), Some(target), now);
            // Of a process with two addresses it is known when both were heard: the order of that decides.
            if told.out && !self.has_second_address {
                group.order(id(node), Order::Maintenance, now);
            }
        }
        group
    }
}
