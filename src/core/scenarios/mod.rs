//! The rules as scenarios: what nodes say, and who is believed. Here what belongs to all of them;
//! `incumbent` has what can replace a primary, `descent` and `waiting` the edges of that, `rest` the cold
//! start, silence and reads, `copies` what a copy of a file does not prove, `foreign` other histories and `proof`
//! what proves the group's own, `sentinels` what Sentinels add and `witnesses` the edges of it, `vetoes` what they
//! say against an election, `told` what is told of all this, `members` nodes that come and go, `switching` an
//! operator's switchover, `answers` what becomes of the answers of a term that ended, `order` that none decides.

mod answers;
mod copies;
mod descent;
mod foreign;
mod incumbent;
mod members;
mod order;
mod proof;
mod rest;
mod sentinels;
mod switching;
mod told;
mod vetoes;
mod waiting;
mod witnesses;

use std::time::Duration;

use crate::core::event::{EventKind, Evidence, Loss, LossReason};
use crate::core::facts::{Facts, HostPort, ReplId};
use crate::core::group::{Group, OwnListener, Settings};
use crate::core::health::Thresholds;
use crate::core::ids::{GroupId, ListenerId, NodeId};
use crate::core::lag::LagLimits;
use crate::core::node::{NodeSettings, Order};
use crate::core::outcome::{Outcome, Stage};
use crate::core::reason::Ineligible;
use crate::core::sample::{
    at, blank, copied, cut_off, primary, promoted, received, replica, report,
};
use crate::core::time::Moment;

const HOLD: Duration = Duration::from_secs(6);
const A: u32 = 0;
const B: u32 = 1;
const C: u32 = 2;

/// A group under test, and its clock.
struct Roll {
    group: Group,
    now: Moment,
}

fn address(node: u32) -> HostPort {
    HostPort::new(&format!("10.1.1.{}", node + 1), 6379)
}

impl Roll {
    /// So many nodes that are not local, and one that is.
    fn of(nodes: u32) -> Self {
        Self::build(nodes, nodes + 1, LagLimits::default())
    }

    /// So many nodes, none of them local.
    fn without_local(nodes: u32) -> Self {
        Self::build(nodes, nodes, LagLimits::default())
    }

    /// So many nodes, none of them local, whose replicas may lag so far.
    fn limited(nodes: u32, max_lag: LagLimits) -> Self {
        Self::build(nodes, nodes, max_lag)
    }

    fn build(nodes: u32, all: u32, max_lag: LagLimits) -> Self {
        let all = (0..all).map(|index| NodeSettings {
            id: NodeId(index),
            name: format!("redis-{}", index + 1).into(),
            address: Some(address(index)),
            local: index == nodes,
            weight: 1,
        });
        let settings = Settings {
            id: GroupId(0),
            name: "main".into(),
            nodes: all.collect(),
            limits: Thresholds { fall: 6, rise: 2 },
            interval: Duration::from_millis(500),
            fast_interval: Duration::from_millis(50),
            claim_hold: HOLD,
            stale_reads: Duration::from_secs(60),
            max_lag,
            park_limit: Duration::from_secs(10),
            own: vec![OwnListener {
                name: "redis-ro".into(),
                binds: vec!["127.0.0.2:6379".parse().unwrap()],
                reaches: vec![ListenerId(1), ListenerId(0)],
            }],
        };
        Self {
            group: Group::new(settings, at(0)),
            now: at(0),
        }
    }

    fn gets(&mut self, node: u32, outcome: Outcome) -> &mut Self {
        self.now = self.now.plus(Duration::from_millis(10));
        self.group.report(NodeId(node), &report(self.now, outcome));
        self
    }

    fn says(&mut self, node: u32, facts: Facts) -> &mut Self {
        self.gets(node, Outcome::Answered(Box::new(facts)))
    }

    fn refuses(&mut self, node: u32) -> &mut Self {
        self.gets(node, Outcome::Refused)
    }

    fn goes_silent(&mut self, node: u32, times: u32) -> &mut Self {
        for _ in 0..times {
            self.gets(node, Outcome::TimedOut(Stage::Reply));
        }
        self
    }

    fn passes(&mut self, time: Duration) -> &mut Self {
        self.now = self.now.plus(time);
        self.group.tick(self.now);
        self
    }

    fn primary(&self) -> Option<u32> {
        self.group.view().primary.map(|primary| primary.node.0)
    }

    fn term(&self) -> u64 {
        self.group.view().primary.map_or(0, |primary| primary.term)
    }

    fn evidence(&mut self) -> Option<Evidence> {
        let elected = self
            .group
            .take_events()
            .into_iter()
            .filter_map(|event| match event.kind {
                EventKind::Elected { evidence, .. } => Some(evidence),
                _ => None,
            });
        elected.last()
    }

    fn may_write(&self, node: u32) -> Result<(), Ineligible> {
        self.group.view().node(NodeId(node)).unwrap().write.clone()
    }

    fn may_read(&self, node: u32) -> Result<(), Ineligible> {
        self.group.view().node(NodeId(node)).unwrap().read.clone()
    }
}

fn follows(run: &str, history: &str, node: u32) -> Facts {
    replica(run, history, &address(node))
}

/// redis-1 is primary, elected by the votes of redis-2 and redis-3.
fn settled() -> Roll {
    let mut roll = Roll::of(3);
    roll.says(B, follows("b", "hist", A))
        .says(C, follows("c", "hist", A));
    roll.says(A, primary("a", "hist"));
    assert_eq!(roll.primary(), Some(A));
    roll
}

/// A process that was started long before it came to its address.
fn lived_elsewhere(facts: Facts) -> Facts {
    Facts {
        uptime: Some(Duration::from_secs(86_400)),
        ..facts
    }
}
