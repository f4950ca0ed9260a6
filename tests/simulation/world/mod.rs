//! A network of Redis processes as far as replication goes: histories that branch, links that break,
//! processes that die, stop and come back with old data or none, and a Sentinel that promotes.

use std::time::Duration;

use rolecall::core::facts::{Condition, Facts, HostPort, Mode, ReplId, ReplicaFacts, Role, RunId};
use rolecall::core::outcome::{Outcome, Stage};

/// A small generator of random numbers (SplitMix64): the same seed gives the same history everywhere.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.roll() % limit
    }

    pub fn index(&mut self, limit: usize) -> usize {
        usize::try_from(self.below(limit as u64)).unwrap()
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

#[derive(Clone, Debug)]
pub struct Process {
    pub alive: bool,
    pub stopped: bool,
    pub run: u64,
    pub history: u64,
    pub branch: Option<(u64, u64)>,
    pub offset: u64,
    /// Whom it follows; none: it claims to be primary.
    pub follows: Option<usize>,
    /// Since when its link has been down.
    pub link_down_at: Option<Duration>,
    pub ever_linked: bool,
}

/// The world outside the proxy.
pub struct World {
    pub now: Duration,
    pub processes: Vec<Process>,
    /// Whom Sentinel holds for the primary.
    pub truth: usize,
    cut: Vec<(usize, usize)>,
    pub unseen: Vec<bool>,
    /// Nodes that Sentinel still has to make replicas of the truth, and when it does.
    reconfigure: Vec<(Duration, usize)>,
    names: u64,
}

pub fn address(node: usize) -> HostPort {
    HostPort::new(&format!("10.1.1.{}", node + 1), 6379)
}

impl World {
    pub fn new(nodes: usize) -> Self {
        let process = |index: usize| Process {
            alive: true,
            stopped: false,
            run: index as u64,
            history: 1000,
            branch: None,
            offset: 500,
            follows: (index > 0).then_some(0),
            link_down_at: None,
            ever_linked: true,
        };
        Self {
            now: Duration::ZERO,
            processes: (0..nodes).map(process).collect(),
            truth: 0,
            cut: Vec::new(),
            unseen: vec![false; nodes],
            reconfigure: Vec::new(),
            names: 5000,
        }
    }

    fn new_name(&mut self) -> u64 {
        self.names += 1;
        self.names
    }

    pub fn runs(&self, node: usize) -> bool {
        self.processes[node].alive && !self.processes[node].stopped
    }

    /// Time passes: writes come in, links follow, Sentinel's orders arrive.
    pub fn advance(&mut self, by: Duration, dice: &mut Dice) {
        self.now += by;
        for node in 0..self.processes.len() {
            if self.runs(node) && self.processes[node].follows.is_none() {
                self.processes[node].offset += dice.below(100);
            }
        }
        let due: Vec<usize> = self
            .reconfigure
            .iter()
            .filter(|(at, _)| *at <= self.now)
            .map(|(_, n)| *n)
            .collect();
        for node in due {
            if self.runs(node) && node != self.truth {
                self.follow(node, self.truth);
                self.reconfigure.retain(|(_, waiting)| *waiting != node);
            }
        }
        for node in 0..self.processes.len() {
            self.link(node);
        }
    }

    fn link(&mut self, node: usize) {
        let Some(master) = self.processes[node].follows else {
            return;
        };
        if !self.runs(node) {
            return;
        }
        let cut = self.cut.contains(&(node.min(master), node.max(master)));
        if self.processes[master].stopped || (cut && self.processes[node].link_down_at.is_none()) {
            // It notices a silent peer only after repl-timeout: the link says "up" for a long time.
            if !cut || self.processes[master].alive {
                return;
            }
        }
        if !self.processes[master].alive || cut {
            let now = self.now;
            self.processes[node].link_down_at.get_or_insert(now);
            return;
        }
        let source = self.processes[master].clone();
        let replica = &mut self.processes[node];
        replica.history = source.history;
        replica.branch = source.branch;
        replica.offset = source.offset;
        replica.link_down_at = None;
        replica.ever_linked = true;
    }

    fn follow(&mut self, node: usize, master: usize) {
        let now = self.now;
        let process = &mut self.processes[node];
        process.follows = Some(master);
        process.link_down_at = Some(now);
    }

    pub fn kill(&mut self, node: usize) {
        self.processes[node].alive = false;
        self.processes[node].stopped = false;
    }

    /// The process starts again: as a primary from an old file, with nothing, or as a replica.
    pub fn restart(&mut self, node: usize, dice: &mut Dice) {
        let (run, history) = (self.new_name(), self.new_name());
        let lag = dice.below(200);
        let (now, truth) = (self.now, self.truth);
        let process = &mut self.processes[node];
        if process.alive {
            return;
        }
        process.alive = true;
        process.run = run;
        process.ever_linked = false;
        process.link_down_at = Some(now);
        match dice.below(3) {
            0 => {
                process.follows = None;
                process.branch = Some((process.history, process.offset.saturating_sub(lag)));
                process.offset = process.offset.saturating_sub(lag);
                process.history = history;
            }
            1 => {
                process.follows = None;
                process.branch = None;
                process.offset = 0;
                process.history = history;
            }
            _ if node != truth => process.follows = Some(truth),
            _ => process.follows = None,
        }
        if node != truth {
            // Sentinel finds it and makes it a replica, some seconds later.
            self.reconfigure
                .push((now + Duration::from_millis(dice.below(12_000)), node));
        }
    }

    pub fn stop(&mut self, node: usize, stopped: bool) {
        if self.processes[node].alive {
            self.processes[node].stopped = stopped;
        }
    }

    /// `REPLICAOF NO ONE`, by Sentinel or by hand.
    pub fn promote(&mut self, node: usize, dice: &mut Dice) {
        if !self.runs(node) || self.processes[node].follows.is_none() {
            return;
        }
        let history = self.new_name();
        let process = &mut self.processes[node];
        process.follows = None;
        process.branch = Some((process.history, process.offset + 1));
        process.history = history;
        self.truth = node;
        for other in 0..self.processes.len() {
            if other != node {
                let after = Duration::from_millis(500 + dice.below(12_000));
                self.reconfigure.push((self.now + after, other));
            }
        }
    }

    pub fn cut(&mut self, a: usize, b: usize) {
        self.cut.push((a.min(b), a.max(b)));
    }

    /// The last fault is over: all are there and can reach each other, and Sentinel has had its way.
    pub fn heal(&mut self, dice: &mut Dice) {
        self.cut.clear();
        self.unseen.fill(false);
        for node in 0..self.processes.len() {
            self.processes[node].stopped = false;
            if !self.processes[node].alive {
                self.restart(node, dice);
            }
        }
        self.processes[self.truth].follows = None;
        for node in 0..self.processes.len() {
            if node != self.truth && self.processes[node].follows != Some(self.truth) {
                self.follow(node, self.truth);
            }
        }
        self.reconfigure.clear();
        self.advance(Duration::from_millis(100), dice);
        self.advance(Duration::from_millis(100), dice);
    }

    /// What a check of a node brings now.
    pub fn sample(&self, node: usize) -> Outcome {
        let process = &self.processes[node];
        if self.unseen[node] || (process.alive && process.stopped) {
            return Outcome::TimedOut(Stage::Reply);
        }
        if !process.alive {
            return Outcome::Refused;
        }
        let replicas = self
            .processes
            .iter()
            .filter(|other| other.follows == Some(node) && other.link_down_at.is_none())
            .count();
        let role = match process.follows {
            None => Role::Primary {
                connected_replicas: u32::try_from(replicas).unwrap(),
            },
            Some(master) => Role::Replica(ReplicaFacts {
                master: address(master),
                link_up: process.link_down_at.is_none(),
                link_down_for: process
                    .link_down_at
                    .filter(|_| process.ever_linked)
                    .map(|since| self.now.saturating_sub(since)),
                syncing: false,
                offset: process.offset,
                last_io: None,
            }),
        };
        Outcome::Answered(Box::new(Facts {
            run_id: RunId(process.run.to_string().into()),
            version: "7.0.15".into(),
            mode: Mode::Standalone,
            role,
            replid: Some(ReplId(process.history.to_string().into())),
            replid2: process
                .branch
                .map(|(history, _)| ReplId(history.to_string().into())),
            second_offset: process.branch.map(|(_, offset)| offset),
            offset: process.offset,
            handover: false,
            condition: Condition::Normal,
            has_keys: None,
        }))
    }
}
