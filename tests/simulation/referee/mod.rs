//! Watches the core from outside: keeps what was reported, and asserts each rule after each step.
//!
//! It has its own memory and its own reading of the rules: of the core it looks at the published view and
//! the events alone. `told` is what was reported of a node, `addresses` which nodes are one process, `votes` who
//! votes for whom, `descent` who took over whose history, `election` and `reign` which elections and losses may be
//! (R2 to R7), `omissions` which must be; `reads` and `sessions` who may serve (R1, R8 to R11, R16), `loads` the
//! clock of stale reads; `histories`, `families` and `acceptance` whose data a node has (R17). `twins` has the orders
//! in which the same is told, `ground` what is so in the world, `census` what happened.

mod acceptance;
mod addresses;
mod census;
mod descent;
mod election;
mod families;
mod ground;
mod histories;
mod loads;
mod omissions;
mod reads;
mod reign;
mod sessions;
mod told;
mod twins;
mod votes;

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use rolecall::core::event::EventKind;
use rolecall::core::facts::{HostPort, RunId};
use rolecall::core::group::{Group, Settings};
use rolecall::core::health::Thresholds;
use rolecall::core::ids::{GroupId, NodeId};
use rolecall::core::lag::LagLimits;
use rolecall::core::node::{NodeSettings, Order};
use rolecall::core::outcome::{Outcome, Report};
use rolecall::core::sentinel::SentinelReport;
use rolecall::core::snapshot::Target;
use rolecall::core::time::Moment;

use crate::coverage::Coverage;
use crate::dice::Dice;
use crate::moment;
use crate::world::{Truth, World};
use descent::Contradiction;
use ground::Ground;
use histories::Histories;
use loads::Loads;
use reads::Track;
use reign::Reign;
use sessions::Sessions;
use told::{State, Told};
use votes::Said;

/// The configuration of one history.
#[derive(Clone, Debug)]
pub struct Rules {
    pub fall: u32,
    pub rise: u32,
    claim_hold: Duration,
    stale_reads: Duration,
    park_limit: Duration,
    max_lag: LagLimits,
    /// Nodes are written by name: their addresses may change.
    pub by_name: bool,
}

impl Rules {
    pub fn random(dice: &mut Dice) -> Self {
        let max_lag = match dice.below(6) {
            0 => (Some(1 + dice.below(400)), None),
            1 => (None, Some(dice.millis(300, 5000))),
            2 => (Some(1 + dice.below(2000)), Some(dice.millis(300, 5000))),
            _ => (None, None),
        };
        Self {
            fall: 3 + u32::try_from(dice.below(4)).unwrap(),
            rise: 1 + u32::try_from(dice.below(3)).unwrap(),
            claim_hold: dice.millis(1000, 6000),
            stale_reads: match dice.below(10) {
                0 => Duration::ZERO,
                1..=4 => dice.millis(500, 5000),
                _ => dice.millis(2000, 60_000),
            },
            park_limit: dice.millis(500, 12_000),
            max_lag: LagLimits {
                bytes: max_lag.0,
                age: max_lag.1,
            },
            by_name: dice.chance(50),
        }
    }
}

/// What was handed to the core, for the message of a failure.
#[derive(Clone, Debug)]
#[expect(dead_code, reason = "printed when a rule is broken")]
enum Input {
    Check(usize, Outcome),
    Sentinel(usize, SentinelReport),
    Other(String),
    Happened(EventKind),
}

pub struct Referee {
    group: Group,
    /// The same with its nodes in the opposite order.
    reversed: Group,
    settings: Settings,
    has_second_address: bool,
    /// The report that is judged came after a lapse.
    lapsed: bool,
    ground: Ground,
    histories: Histories,
    rules: Rules,
    told: Vec<Told>,
    said: Vec<Said>,
    /// By node: the other address of the same process, which counts.
    double: Vec<Option<usize>>,
    reign: Option<Reign>,
    /// The election changed in this step: which of two addresses counts is drawn in the next.
    in_change: bool,
    /// A known process whose history was not known was elected since this was last set to false.
    elected_suspect: bool,
    term: u64,
    /// R3 (4): the only claimant since when.
    sole: Option<(usize, RunId, Moment)>,
    contradiction: Option<Contradiction>,
    loads: Loads,
    track: Track,
    sessions: Sessions,
    now: Moment,
    latest: Moment,
    log: VecDeque<(Moment, Input)>,
    pub coverage: Coverage,
}

fn id(node: usize) -> NodeId {
    NodeId(u32::try_from(node).unwrap())
}

impl Referee {
    pub fn new(world: &World, rules: Rules) -> Self {
        let count = world.nodes.len();
        let second = |node: usize| node >= world.members;
        let target = |node: usize| {
            if second(node) {
                HostPort::new("10.9.9.9", 6379)
            } else {
                world.address(node)
            }
        };
        let written = |node: usize| {
            if rules.by_name {
                HostPort::new(&format!("redis-{}", node + 1), 6379)
            } else {
                target(node)
            }
        };
        let local = |node: usize| !second(node) && world.local == Some(node);
        let settings = |node: usize| NodeSettings {
            id: id(node),
            name: format!("redis-{}", node + 1).into(),
            address: Some(written(node)),
            local: local(node),
            weight: 1,
        };
        let now = moment(world.now);
        let settings = Settings {
            id: GroupId(0),
            name: "main".into(),
            nodes: (0..count).map(settings).collect(),
            limits: Thresholds {
                fall: rules.fall,
                rise: rules.rise,
            },
            interval: Duration::from_millis(500),
            fast_interval: Duration::from_millis(50),
            claim_hold: rules.claim_hold,
            stale_reads: rules.stale_reads,
            max_lag: rules.max_lag,
            park_limit: rules.park_limit,
            own: Vec::new(),
        };
        let told = |node: usize| Told::new(written(node), target(node), local(node));
        let mut referee = Self {
            group: Group::new(settings.clone(), now),
            reversed: Group::new(twins::reversed(&settings), now),
            settings,
            has_second_address: count > world.members,
            lapsed: false,
            ground: Ground::new(count),
            histories: Histories::new(count),
            contradiction: None,
            loads: Loads::default(),
            told: (0..count).map(told).collect(),
            said: vec![Said::default(); world.sentinels.len()],
            double: vec![None; count],
            reign: None,
            in_change: false,
            elected_suspect: false,
            term: 0,
            sole: None,
            track: Track::default(),
            sessions: Sessions::new(count),
            now,
            latest: now,
            log: VecDeque::new(),
            coverage: Coverage::default(),
            rules,
        };
        referee.group = referee.new_group(&referee.settings, now);
        referee.reversed = referee.new_group(&twins::reversed(&referee.settings), now);
        referee
    }

    fn sentinel_names(&self) -> impl Iterator<Item = Arc<str>> {
        (0..self.said.len()).map(|index| format!("s{}", index + 1).into())
    }

    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    pub fn report(&mut self, node: usize, report: &Report, truth: Truth) {
        if report.finished < self.latest {
            self.coverage.count("check: older than the last step");
        }
        self.now = report.finished;
        let answers = matches!(report.outcome, Outcome::Answered(_));
        if !answers {
            // What time alone changes is not this report's doing.
            self.tick(report.finished);
        }
        let before = (!answers).then(|| self.verdicts());
        let places = self.places();
        let state = self.told[node].state;
        self.note(Input::Check(node, report.outcome.clone()));
        self.notice_a_lapse(report);
        self.told[node].take_in(report, &self.rules);
        self.follow_loads(node, report);
        self.count_check(node, state, &report.outcome);
        self.ground.take_in(node, report, truth);
        self.feed(|group| group.report(id(node), report));
        self.judge();
        self.measure(node, report);
        self.judge_view();
        if self.is_any_newly_vouched(&places) {
            self.coverage.count("history: vouched for by a silent node");
        }
        if let Some(before) = before.filter(|_| !self.lapsed) {
            self.judge_mere_delay(node, state, &report.outcome, &before);
        }
    }

    pub fn sentinel(&mut self, index: usize, report: &SentinelReport, now: Moment) {
        self.now = now;
        self.note(Input::Sentinel(index, report.clone()));
        self.said[index].take_in(report, now);
        self.feed(|group| group.sentinel(index, report.clone(), now));
        self.judge();
        self.judge_view();
    }

    pub fn promotes(&mut self, place: &HostPort, now: Moment) {
        self.now = now;
        self.note(Input::Other(format!("{place} is promoted")));
        self.tick(now);
        let before = self.verdicts();
        self.feed(|group| group.promotes(place, now));
        self.judge();
        self.judge_view();
        let moved = before != self.verdicts();
        self.demand(!moved, "R3: an announcement alone moves nothing");
    }

    pub fn resolved(&mut self, node: usize, ip: &str, now: Moment) {
        self.now = now;
        self.note(Input::Other(format!("redis-{} is at {ip}", node + 1)));
        self.coverage.count("node moved");
        self.told[node].moves_to(HostPort::new(ip, 6379));
        let target = Target::Tcp(format!("{ip}:6379").parse().unwrap());
        self.feed(|group| group.resolved(id(node), Some(target.clone()), now));
        self.judge();
        self.judge_view();
    }

    /// In maintenance, or back.
    pub fn order(&mut self, node: usize, out: bool, now: Moment) {
        if self.told[node].out == out {
            return;
        }
        self.now = now;
        self.note(Input::Other(format!("redis-{} out: {out}", node + 1)));
        self.told[node].out = out;
        let order = if out {
            Order::Maintenance
        } else {
            Order::Ready
        };
        self.feed(|group| group.order(id(node), order, now));
        self.judge();
        self.judge_view();
    }

    pub fn tick(&mut self, now: Moment) {
        self.now = now;
        self.feed(|group| group.tick(now));
        self.judge();
        self.judge_view();
    }

    fn feed(&mut self, tell: impl Fn(&mut Group)) {
        tell(&mut self.group);
        tell(&mut self.reversed);
    }

    fn note(&mut self, input: Input) {
        self.latest = self.latest.max(self.now);
        if self.log.len() >= 60 {
            self.log.pop_front();
        }
        self.log.push_back((self.now, input));
    }

    pub fn assert_elected(&self, world: &World) {
        let elected = self.group.view().primary.map(|p| p.node.0 as usize);
        let right = elected.is_some_and(|node| world.nodes[node] == world.truth);
        let what = format!("redis-{} should be elected", world.truth + 1);
        self.demand(right, &what);
        let writable = elected.is_some_and(|node| {
            let may = self.group.view().nodes[node].write.is_ok();
            may || self.told[node].state != State::Up || self.waits_for_replicas(node)
        });
        self.demand(writable, "and take writes");
    }

    pub fn assert_reads(&self, world: &World) {
        for (node, view) in self.group.view().nodes.iter().enumerate() {
            let replica = world.nodes[node] != world.truth;
            let counts = self.double[node].is_none();
            self.demand(
                view.read.is_ok() == (replica && counts),
                &format!("reads at redis-{} in a healthy group", node + 1),
            );
        }
    }

    fn demand(&self, holds: bool, what: &str) {
        if !holds {
            let mut log = String::new();
            for (at, input) in &self.log {
                let _infallible = writeln!(log, "{at:?} {input:?}");
            }
            panic!(
                "{log}\n{:#?}\n{:#?}\n{:#?}\n{:?} sole {:?}\n{:?} {:?}\n\n{what}\nat {:?}",
                self.told,
                self.group.view(),
                self.reign,
                self.rules,
                self.sole,
                self.histories,
                self.contradiction,
                self.now
            );
        }
    }
}
