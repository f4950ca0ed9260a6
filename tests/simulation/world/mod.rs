//! A network of Redis processes as far as replication goes: histories that branch, links that break and
//! do not notice, full syncs, and processes that die, stop and come back with old data or none.
//!
//! `faults` has what goes wrong and what operators do, `sentinels` who promotes, `answers` what the
//! proxy is told.

mod answers;
mod faults;
mod sentinels;

use std::time::Duration;

use rolecall::core::facts::HostPort;

use crate::coverage::Coverage;
use crate::dice::Dice;
pub use faults::Mood;
use sentinels::Failover;
pub use sentinels::{News, Sentinel};

/// After this a replica takes a silent primary's link for down (60 s in Redis, shorter here so that
/// it happens within a history).
const REPL_TIMEOUT: Duration = Duration::from_secs(8);

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
    /// It was in sync with somebody since it started.
    ever_linked: bool,
    /// Its primary has said nothing since then; the link says "up" all the same.
    silent_since: Option<Duration>,
    /// A full sync is under way until then.
    syncs_until: Option<Duration>,
    /// It reads its file until then.
    loads_until: Duration,
    /// Its link is up and nothing comes through until then.
    stalls_until: Duration,
    /// `FAILOVER` is under way.
    hands_over: Option<Handover>,
}

#[derive(Clone, Copy, Debug)]
struct Handover {
    to: usize,
    /// The next step of it.
    at: Duration,
    step: HandoverStep,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HandoverStep {
    WaitsForSync,
    WaitsForPromotion,
    Ends,
}

/// The world outside the proxy.
pub struct World {
    pub now: Duration,
    pub processes: Vec<Process>,
    /// Who should be primary: the last that was promoted, or whom the Sentinels agree on.
    pub truth: usize,
    /// The process that is on the proxy's host, never promoted.
    pub local: Option<usize>,
    /// Which process answers at each node of the configuration: a second address is a further node.
    pub nodes: Vec<usize>,
    /// Where a process listens: grows when it moves.
    moves: Vec<u32>,
    cut: Vec<(usize, usize)>,
    /// By node: the proxy cannot reach it.
    pub unseen: Vec<bool>,
    pub moods: Vec<Mood>,
    pub sentinels: Vec<Sentinel>,
    failover: Option<Failover>,
    no_failover_before: Duration,
    pub down_after: Duration,
    pub news: Vec<News>,
    /// Nodes that somebody will make replicas of the truth, and when.
    orders: Vec<(Duration, usize)>,
    names: u64,
    pub coverage: Coverage,
}

impl World {
    pub fn new(processes: usize, with_local: bool, second_address: bool, dice: &mut Dice) -> Self {
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
            silent_since: None,
            syncs_until: None,
            loads_until: Duration::ZERO,
            stalls_until: Duration::ZERO,
            hands_over: None,
        };
        let mut nodes: Vec<usize> = (0..processes).collect();
        if second_address {
            nodes.push(dice.index(processes));
        }
        Self {
            now: Duration::ZERO,
            processes: (0..processes).map(process).collect(),
            truth: 0,
            local: with_local.then_some(processes - 1),
            unseen: vec![false; nodes.len()],
            moods: vec![Mood::Well; nodes.len()],
            nodes,
            moves: vec![0; processes],
            cut: Vec::new(),
            sentinels: Vec::new(),
            failover: None,
            no_failover_before: Duration::ZERO,
            down_after: dice.millis(300, 3000),
            news: Vec::new(),
            orders: Vec::new(),
            names: 5000,
            coverage: Coverage::default(),
        }
    }

    fn new_name(&mut self) -> u64 {
        self.names += 1;
        self.names
    }

    /// The address by which replicas and Sentinels know a process now.
    pub fn address(&self, process: usize) -> HostPort {
        HostPort::new(&self.ip(process), 6379)
    }

    pub fn ip(&self, process: usize) -> String {
        format!("10.1.{}.{}", self.moves[process] + 1, process + 1)
    }

    pub fn runs(&self, process: usize) -> bool {
        self.processes[process].alive && !self.processes[process].stopped
    }

    fn serves(&self, process: usize) -> bool {
        self.runs(process) && self.processes[process].loads_until <= self.now
    }

    /// Time passes: writes come in, links follow, orders arrive.
    pub fn advance(&mut self, by: Duration, dice: &mut Dice) {
        self.now += by;
        for process in 0..self.processes.len() {
            // A primary that never had a replica keeps no backlog, and its offset stays 0.
            let blank = self.processes[process].offset == 0 && !self.has_replicas(process);
            if self.serves(process) && self.processes[process].follows.is_none() && !blank {
                self.processes[process].offset += dice.below(100);
            }
        }
        self.carry_out_orders(dice);
        self.hand_over(dice);
        self.watch(dice);
        for process in 0..self.processes.len() {
            self.link(process, dice);
        }
    }

    fn has_replicas(&self, process: usize) -> bool {
        let mut all = self.processes.iter();
        all.any(|other| other.follows == Some(process) && other.link_down_at.is_none())
    }

    /// Whoever is not what it should be is made a replica of the truth within 12 s of being seen.
    fn carry_out_orders(&mut self, dice: &mut Dice) {
        for process in 0..self.processes.len() {
            let wrong = process != self.truth
                && self.processes[process].follows != Some(self.truth)
                && self.processes[process].hands_over.is_none();
            let ordered = self.orders.iter().any(|(_, known)| *known == process);
            if !wrong {
                self.orders.retain(|(_, known)| *known != process);
            } else if !ordered && self.failover.is_none() {
                let delay = dice.millis(500, 12_000);
                self.orders.push((self.now + delay, process));
            }
        }
        let now = self.now;
        let due = self.orders.iter().filter(|(at, _)| *at <= now);
        for process in due.map(|(_, process)| *process).collect::<Vec<_>>() {
            if self.serves(process) && self.is_watched(process) {
                self.follow(process, self.truth);
                self.orders.retain(|(_, waiting)| *waiting != process);
            }
        }
    }

    fn order(&mut self, process: usize, after: Duration) {
        self.orders.retain(|(_, known)| *known != process);
        self.orders.push((self.now + after, process));
    }

    fn follow(&mut self, process: usize, master: usize) {
        let now = self.now;
        let process = &mut self.processes[process];
        process.follows = Some(master);
        process.link_down_at = Some(now);
        process.silent_since = None;
        process.syncs_until = None;
    }

    fn link(&mut self, node: usize, dice: &mut Dice) {
        let Some(master) = self.processes[node].follows else {
            return;
        };
        if !self.serves(node) {
            return;
        }
        let now = self.now;
        let cut = self.cut.contains(&(node.min(master), node.max(master)));
        let master_alive = self.processes[master].alive;
        let silent = cut || self.processes[master].stopped;
        let up = self.processes[node].link_down_at.is_none();
        if silent {
            // It notices a silent peer only after repl-timeout: the link says "up" for a long time.
            let since = *self.processes[node].silent_since.get_or_insert(now);
            if now.saturating_sub(since) > REPL_TIMEOUT {
                self.drop_link(node);
            }
            return;
        }
        self.processes[node].silent_since = None;
        let source = self.processes[master].clone();
        if !master_alive || source.loads_until > now || source.syncs_until.is_some() {
            return self.drop_link(node);
        }
        let replica = &self.processes[node];
        let shares = replica.history == source.history && replica.offset <= source.offset;
        let branches = source
            .branch
            .is_some_and(|(from, at)| from == replica.history && replica.offset <= at);
        // A replica that has nothing to give serves a sync only when it is in sync itself.
        if !up && source.follows.is_some() && source.link_down_at.is_some() {
            return;
        }
        if shares || branches {
            self.take_over(node, &source);
        } else {
            self.sync_fully(node, &source, dice);
        }
    }

    fn drop_link(&mut self, node: usize) {
        let now = self.now;
        let process = &mut self.processes[node];
        process.link_down_at.get_or_insert(now);
        process.syncs_until = None;
    }

    fn sync_fully(&mut self, node: usize, source: &Process, dice: &mut Dice) {
        self.drop_link_keeping_sync(node);
        let now = self.now;
        match self.processes[node].syncs_until {
            None => {
                self.coverage.count("world: full sync");
                self.processes[node].syncs_until = Some(now + dice.millis(0, 1500));
            }
            Some(ends) if ends <= now => self.take_over(node, source),
            Some(_) => {}
        }
    }

    fn drop_link_keeping_sync(&mut self, node: usize) {
        let now = self.now;
        self.processes[node].link_down_at.get_or_insert(now);
    }

    fn take_over(&mut self, node: usize, source: &Process) {
        let now = self.now;
        let replica = &mut self.processes[node];
        let was_up = replica.link_down_at.is_none() && replica.history == source.history;
        if !(was_up && replica.stalls_until > now) {
            replica.offset = source.offset;
        }
        replica.history = source.history;
        replica.branch = source.branch;
        replica.link_down_at = None;
        replica.syncs_until = None;
        replica.ever_linked = true;
    }
}
