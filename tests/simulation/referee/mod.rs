//! Watches the core from outside: keeps what was reported, and asserts each rule after each step.

use std::time::Duration;

use rolecall::core::event::{EventKind, Evidence};
use rolecall::core::facts::{Facts, RunId};
use rolecall::core::group::{Group, Settings};
use rolecall::core::health::Thresholds;
use rolecall::core::ids::{GroupId, NodeId};
use rolecall::core::lag::LagLimits;
use rolecall::core::node::NodeSettings;
use rolecall::core::outcome::{Outcome, Report};
use rolecall::core::snapshot::PrimaryView;
use rolecall::core::time::Moment;

use crate::world::address;

const FALL: u32 = 6;
const STALE_READS: Duration = Duration::from_secs(60);

/// What was reported of one node, kept independently of the core.
#[derive(Clone, Default)]
struct Told {
    last: Option<Facts>,
    fresh: bool,
    time_outs: u32,
    refused: bool,
    was_replica: Option<RunId>,
    looked_new: Option<RunId>,
}

pub struct Referee {
    group: Group,
    told: Vec<Told>,
    now: Moment,
    term: u64,
    log: Vec<String>,
}

impl Referee {
    pub fn new(nodes: usize, now: Moment) -> Self {
        let node = |index: usize| NodeSettings {
            id: NodeId(u32::try_from(index).unwrap()),
            name: format!("redis-{}", index + 1).into(),
            address: Some(address(index)),
            local: false,
            weight: 1,
        };
        let settings = Settings {
            id: GroupId(0),
            name: "main".into(),
            nodes: (0..nodes).map(node).collect(),
            limits: Thresholds {
                fall: FALL,
                rise: 2,
            },
            interval: Duration::from_millis(500),
            fast_interval: Duration::from_millis(50),
            claim_hold: Duration::from_secs(6),
            stale_reads: STALE_READS,
            max_lag: LagLimits::default(),
            own: Vec::new(),
        };
        let group = Group::new(settings, now);
        Self {
            group,
            told: vec![Told::default(); nodes],
            now,
            term: 0,
            log: Vec::new(),
        }
    }

    pub fn report(&mut self, node: usize, report: &Report) {
        let before = (self.group.view().primary, self.told.clone());
        self.told[node].take_in(&report.outcome);
        self.now = report.finished;
        self.group
            .report(NodeId(u32::try_from(node).unwrap()), report);
        self.log.push(format!(
            "{:?} redis-{}: {:?}",
            self.now,
            node + 1,
            report.outcome
        ));
        self.judge(before.0, &before.1);
    }

    pub fn tick(&mut self, now: Moment) {
        let before = (self.group.view().primary, self.told.clone());
        self.now = now;
        self.group.tick(now);
        self.judge(before.0, &before.1);
    }

    pub fn assert_elected(&self, node: usize) {
        let elected = self
            .group
            .view()
            .primary
            .map(|primary| primary.node.0 as usize);
        self.demand(
            elected == Some(node),
            &format!("redis-{} should be elected", node + 1),
        );
        for (index, told) in self.told.iter().enumerate() {
            let view = &self.group.view().nodes[index];
            let reads = told
                .last
                .as_ref()
                .is_some_and(|facts| facts.replica().is_some());
            self.demand(
                view.read.is_ok() == reads,
                &format!("reads at redis-{}", index + 1),
            );
        }
    }

    fn judge(&mut self, before: Option<PrimaryView>, told_before: &[Told]) {
        let events = self.group.take_events();
        let mut holder = before;
        for event in &events {
            match &event.kind {
                EventKind::Lost { .. } => holder = None,
                EventKind::Elected {
                    node,
                    term,
                    evidence,
                    ..
                } => {
                    self.demand(*term == self.term + 1, "terms are counted one by one");
                    self.term = *term;
                    self.judge_election(*node, evidence, holder, told_before);
                }
                _ => {}
            }
        }
        let view = self.group.view();
        self.demand(
            view.primary.is_none_or(|primary| primary.term == self.term),
            "no term begins without an election",
        );
        let writable = view.nodes.iter().filter(|node| node.write.is_ok());
        let writable: Vec<NodeId> = writable.map(|node| node.id).collect();
        self.demand(writable.len() <= 1, "R2: at most one takes writes");
        for id in writable {
            self.demand(
                view.primary.is_some_and(|p| p.node == id),
                "R2: only the elected one",
            );
            let claims = self.told[id.0 as usize]
                .last
                .as_ref()
                .is_some_and(Facts::claims);
            self.demand(claims, "R2: it claims to be primary");
        }
        if let Some(primary) = view.primary {
            let told = &self.told[primary.node.0 as usize];
            let says_replica = told.fresh && told.last.as_ref().is_some_and(|f| !f.claims());
            self.demand(
                !says_replica,
                "R3.1: a primary that says replica has lost its election",
            );
        }
        for (index, told) in self.told.iter().enumerate() {
            self.judge_node(index, told);
        }
    }

    fn judge_node(&self, index: usize, told: &Told) {
        let node = &self.group.view().nodes[index];
        let serves = node.read.is_ok() || node.write.is_ok();
        let Some(facts) = &told.last else {
            return self.demand(!serves, "R1: nobody serves before the first complete check");
        };
        self.demand(
            !(serves && told.refused),
            "R8: a refused connection acts at once",
        );
        self.demand(
            !(serves && told.time_outs >= FALL),
            "R8: fall time-outs take a node down",
        );
        if node.read.is_ok() {
            let link = facts.replica();
            self.demand(link.is_some(), "R9: only replicas serve reads as such");
            let fits = link.is_some_and(|link| {
                link.link_up
                    || (!self.group.has_living_primary()
                        && link.link_down_for.is_some_and(|ago| ago <= STALE_READS))
            });
            self.demand(fits, "R9: link up, or no primary and not too long ago");
        }
    }

    fn judge_election(
        &self,
        winner: NodeId,
        evidence: &Evidence,
        before: Option<PrimaryView>,
        told_before: &[Told],
    ) {
        let told = &self.told[winner.0 as usize];
        let Some(facts) = told
            .last
            .as_ref()
            .filter(|facts| told.fresh && facts.claims())
        else {
            return self.demand(false, "R3: only a node whose fresh check claims is elected");
        };
        let claimants = self.told.iter().filter(|told| told.claims()).count();
        if told.looked_new.as_ref() == Some(&facts.run_id) {
            self.demand(
                claimants == 1,
                "R5: an unproven master never wins against another",
            );
            let fits = matches!(evidence, Evidence::Votes { .. } | Evidence::Hold { .. });
            self.demand(fits, "R5: alone it needs votes or the hold");
        }
        if before.is_none() && self.term == 1 && claimants > 1 {
            let fits = matches!(evidence, Evidence::Votes { .. } | Evidence::Descent { .. });
            self.demand(fits, "R4: two claimants need descent or votes");
        }
        let Some(before) = before else { return };
        let old = &self.told[before.node.0 as usize];
        if !old.claims() {
            return;
        }
        // R3: the incumbent claims, so it was replaced by descent or votes, and those are really there.
        match evidence {
            Evidence::Descent { .. } => {
                let was_replica = told.was_replica.as_ref() == Some(&facts.run_id);
                self.demand(was_replica, "R3.2: this run was seen as a replica");
                // What the incumbent said last, or what it says now after a silence.
                let known = [&told_before[before.node.0 as usize], old];
                let descends = known
                    .iter()
                    .filter_map(|told| told.last.as_ref())
                    .any(|old| facts.replid2 == old.replid || facts.replid2 == old.replid2);
                self.demand(descends, "R3.2: its history branched from the incumbent's");
            }
            Evidence::Votes { .. } => {
                let replicas = self.told.iter().filter(|told| told.fresh && !told.claims());
                let votes = |told: &&Told| {
                    told.last
                        .as_ref()
                        .and_then(Facts::replica)
                        .is_some_and(|link| {
                            link.link_up && link.master == address(winner.0 as usize)
                        })
                };
                let (all, mine) = (replicas.clone().count(), replicas.filter(votes).count());
                self.demand(
                    mine * 2 > all,
                    "R3.3: more than half of the replicas are linked to it",
                );
            }
            _ => self.demand(false, "R3: the incumbent stays while it claims"),
        }
    }

    fn demand(&self, holds: bool, what: &str) {
        if !holds {
            let log = self.log[self.log.len().saturating_sub(25)..].join("\n");
            panic!("{what}\nat {:?}\n{:#?}\n{log}", self.now, self.group.view());
        }
    }
}

impl Told {
    fn take_in(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Answered(facts) => {
                if facts.looks_unproven() {
                    self.looked_new = Some(facts.run_id.clone());
                }
                if let Some(link) = facts.replica() {
                    self.was_replica = Some(facts.run_id.clone());
                    if link.link_up {
                        self.looked_new = None;
                    }
                }
                self.last = Some((**facts).clone());
                (self.fresh, self.time_outs, self.refused) = (true, 0, false);
            }
            Outcome::Refused => {
                (self.fresh, self.time_outs, self.refused) = (false, 0, true);
            }
            _ => {
                self.fresh = false;
                self.time_outs += 1;
            }
        }
    }

    fn claims(&self) -> bool {
        self.fresh && self.last.as_ref().is_some_and(Facts::claims)
    }
}
