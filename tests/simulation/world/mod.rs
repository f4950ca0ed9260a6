//! A network of Redis processes as far as replication goes: histories that branch, links that break and
//! do not notice, full syncs, and processes that die, stop and come back with old data or none.
//!
//! A *place* is an address. Each process of the group has one, by its own number; a process of another
//! group may come to answer there. Links, Sentinels and nodes of the configuration name places.
//!
//! `links` has the replication, `faults` what goes wrong and what operators do, `strangers` the processes of
//! other groups, `sentinels` those that promote, `votes` what they answer, `answers` what nodes answer,
//! and `forgery` the answers that lie.

mod answers;
mod faults;
mod forgery;
mod links;
mod sentinels;
mod strangers;
mod votes;

use std::time::Duration;

use rolecall::core::facts::HostPort;

use crate::coverage::Coverage;
use crate::dice::Dice;
pub use answers::{Answer, Truth};
pub use faults::{Classes, Mood};
use forgery::Forgery;
use sentinels::Failover;
pub use sentinels::{News, Sentinel};

/// How long all that is there at the beginning has been running.
const AGE: Duration = Duration::from_secs(1_000_000);

/// Whose data a process holds: those of the group, or of another one.
pub type Owner = u32;

/// The group that the proxy serves.
pub const OURS: Owner = 0;

#[derive(Clone, Debug)]
pub struct Process {
    pub alive: bool,
    pub stopped: bool,
    pub run: u64,
    pub history: u64,
    pub branch: Option<(u64, u64)>,
    pub offset: u64,
    /// The place that it follows; none: it claims to be primary.
    pub follows: Option<usize>,
    /// Whose data it holds, as far as anything that a process tells can show it.
    pub owner: Owner,
    /// It was started from a copy of another process's file, and has had no primary since.
    pub copied: bool,
    /// What it received of replication streams since it started, in bytes.
    received: u64,
    /// When it started, after the beginning minus [`AGE`].
    started: Duration,
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

/// What the servers of a history can do and tell.
#[derive(Clone, Copy, Debug)]
struct Product {
    /// A primary that loads a file carries its history on as the second one (Redis 7.0).
    file_keeps_history: bool,
    tells_received: bool,
    /// It tells where its history branched from (Redis 4; Dragonfly does not).
    tells_branch: bool,
    tells_uptime: bool,
    min_replicas: bool,
}

/// The world outside the proxy.
pub struct World {
    pub now: Duration,
    /// Those of the group come first, then the strangers.
    pub processes: Vec<Process>,
    /// How many belong to the group.
    pub members: usize,
    /// By place: the process that answers there.
    occupants: Vec<usize>,
    /// The Sentinels take the stranger at a place of ours for a replica of theirs.
    adopts: bool,
    product: Product,
    pub classes: Classes,
    /// The place that should be primary: the last that was promoted, or that the Sentinels agree on.
    pub truth: usize,
    /// The process that is on the proxy's host, never promoted.
    pub local: Option<usize>,
    /// The place of each node of the configuration: a second address is a further node.
    pub nodes: Vec<usize>,
    /// Where a place is: grows when the process moves, and its place with it.
    moves: Vec<u32>,
    cut: Vec<(usize, usize)>,
    /// By node: the proxy cannot reach it.
    pub unseen: Vec<bool>,
    pub moods: Vec<Mood>,
    /// By process: how its answers lie.
    forgeries: Vec<Option<Forgery>>,
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
    pub fn new(members: usize, with_local: bool, second_address: bool, dice: &mut Dice) -> Self {
        let classes = Classes::random(dice);
        let process = |index: usize| Process {
            alive: true,
            stopped: false,
            run: index as u64,
            history: 1000,
            branch: None,
            offset: 500,
            follows: (index > 0).then_some(0),
            owner: OURS,
            copied: false,
            received: if index > 0 { 500 } else { 0 },
            started: Duration::ZERO,
            link_down_at: None,
            ever_linked: true,
            silent_since: None,
            syncs_until: None,
            loads_until: Duration::ZERO,
            stalls_until: Duration::ZERO,
            hands_over: None,
        };
        let mut nodes: Vec<usize> = (0..members).collect();
        if second_address {
            nodes.push(dice.index(members));
        }
        let mut processes: Vec<Process> = (0..members).map(process).collect();
        processes.extend(strangers::all(dice));
        Self {
            now: Duration::ZERO,
            members,
            occupants: (0..processes.len()).collect(),
            adopts: false,
            product: Product::random(classes, dice),
            classes,
            truth: 0,
            local: with_local.then_some(members - 1),
            unseen: vec![false; nodes.len()],
            moods: vec![Mood::Well; nodes.len()],
            nodes,
            moves: vec![0; processes.len()],
            forgeries: vec![None; processes.len()],
            processes,
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

    /// The address by which replicas and Sentinels know a place now.
    pub fn address(&self, place: usize) -> HostPort {
        HostPort::new(&self.ip(place), 6379)
    }

    pub fn ip(&self, place: usize) -> String {
        if self.is_stranger(place) {
            return format!("10.7.7.{place}");
        }
        format!("10.1.{}.{}", self.moves[place] + 1, place + 1)
    }

    /// The process that answers at a place.
    pub fn at(&self, place: usize) -> usize {
        self.occupants[place]
    }

    fn clock(&self) -> Duration {
        AGE + self.now
    }

    fn serves(&self, process: usize) -> bool {
        let process = &self.processes[process];
        process.alive && !process.stopped && process.loads_until <= self.now
    }

    /// The process at a place serves.
    fn serves_at(&self, place: usize) -> bool {
        self.serves(self.at(place))
    }

    /// Time passes: writes come in, links follow, orders arrive.
    pub fn advance(&mut self, by: Duration, dice: &mut Dice) {
        self.now += by;
        for process in 0..self.processes.len() {
            // A primary that never had a replica keeps no backlog, and its offset stays 0.
            let blank =
                self.processes[process].offset == 0 && self.replicas(process).next().is_none();
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

    /// Those whose link to that process is up.
    fn replicas(&self, process: usize) -> impl Iterator<Item = &Process> {
        self.processes.iter().filter(move |other| {
            let follows = other.follows.is_some_and(|place| self.at(place) == process);
            follows && other.alive && other.link_down_at.is_none()
        })
    }

    /// Where the process is not what it should be, it is made a replica of the truth within 12 s of being
    /// seen.
    fn carry_out_orders(&mut self, dice: &mut Dice) {
        for place in 0..self.members {
            let process = &self.processes[self.at(place)];
            let wrong = place != self.truth
                && (self.at(place) == place || self.adopts)
                && process.follows != Some(self.truth)
                && process.hands_over.is_none();
            let ordered = self.orders.iter().any(|(_, known)| *known == place);
            if !wrong {
                self.orders.retain(|(_, known)| *known != place);
            } else if !ordered && self.failover.is_none() {
                let delay = dice.millis(500, 12_000);
                self.orders.push((self.now + delay, place));
            }
        }
        let now = self.now;
        let due = self.orders.iter().filter(|(at, _)| *at <= now);
        for place in due.map(|(_, place)| *place).collect::<Vec<_>>() {
            if self.serves_at(place) && self.is_watched(place) {
                self.follow(self.at(place), self.truth);
                self.orders.retain(|(_, waiting)| *waiting != place);
            }
        }
    }

    fn order(&mut self, place: usize, after: Duration) {
        self.orders.retain(|(_, known)| *known != place);
        self.orders.push((self.now + after, place));
    }

    fn follow(&mut self, process: usize, master: usize) {
        let now = self.now;
        let process = &mut self.processes[process];
        process.follows = Some(master);
        process.link_down_at = Some(now);
        process.silent_since = None;
        process.syncs_until = None;
    }
}
