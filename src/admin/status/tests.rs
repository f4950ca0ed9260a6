//! Sentences about groups in all their states, made by the core's own fold.

use std::time::Duration;

use super::*;
use crate::admin::tests::in_force;
use crate::api::{GroupState, GroupStatus, ListenerStatus, NodeRole, Serves};
use crate::config::model::Address;
use crate::core::facts::{Condition, Facts, HostPort};
use crate::core::group::Settings;
use crate::core::health::Thresholds;
use crate::core::ids::NodeId;
use crate::core::lag::LagLimits;
use crate::core::node::{NodeSettings, Order};
use crate::core::outcome::{Outcome, Stage};
use crate::core::sample::{at, primary, replica, report};

const SECOND: Duration = Duration::from_secs(1);

/// The group of the sample configuration, and its listeners.
struct Scene {
    group: Group,
    config: InForce,
    now: u64,
}

pub(in crate::admin) fn settings(config: &InForce) -> Settings {
    let group = &config.config.groups[0];
    let nodes = group.nodes.iter().map(|node| NodeSettings {
        id: node.id,
        name: node.name.clone(),
        address: match &node.address {
            Address::Tcp(place) => Some(place.clone()),
            Address::Unix(_) => None,
        },
        local: node.local,
        weight: node.weight,
    });
    Settings {
        id: group.id,
        name: group.name.clone(),
        nodes: nodes.collect(),
        limits: Thresholds { fall: 3, rise: 2 },
        interval: SECOND,
        fast_interval: SECOND,
        claim_hold: 6 * SECOND,
        stale_reads: 60 * SECOND,
        max_lag: LagLimits::default(),
        park_limit: Duration::from_secs(10),
        own: Vec::new(),
    }
}

impl Scene {
    fn new() -> Self {
        let config = in_force();
        let group = Group::new(settings(&config), at(0));
        Self {
            group,
            config,
            now: 0,
        }
    }

    /// redis-1 is primary, the others are its replicas.
    fn settled() -> Self {
        let mut scene = Self::new();
        scene.says("redis-1", primary("run-1", "hist"));
        for (name, run) in [
            ("redis-2", "run-2"),
            ("redis-3", "run-3"),
            ("redis-local", "run-4"),
        ] {
            scene.says(name, replica(run, "hist", &HostPort::new("10.1.1.1", 6379)));
        }
        scene
    }

    fn id(&self, name: &str) -> NodeId {
        let mut nodes = self.group.nodes().iter();
        let found = nodes.find(|node| *node.settings.name == *name);
        found.expect("the node").settings.id
    }

    fn ends(&mut self, name: &str, outcome: Outcome) {
        self.now += 100;
        self.group
            .report(self.id(name), &report(at(self.now), outcome));
    }

    fn says(&mut self, name: &str, facts: Facts) {
        self.ends(name, Outcome::Answered(Box::new(facts)));
    }

    fn orders(&mut self, name: &str, order: Order) {
        self.now += 100;
        self.group.order(self.id(name), order, at(self.now));
    }

    fn status(&self) -> api::Status {
        Picture {
            groups: std::slice::from_ref(&self.group),
            config: &self.config,
            loads: &Loads::default(),
            draining: false,
            now: at(self.now + 2000),
        }
        .status()
    }

    fn group_status(&self) -> GroupStatus {
        self.status().groups.remove(0)
    }

    fn listener(&self, name: &str) -> ListenerStatus {
        let mut all = self.status().listeners.into_iter();
        all.find(|listener| listener.name == name)
            .expect("the listener")
    }
}

#[track_caller]
fn holds(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "no {word:?} in {text:?}");
    }
}

#[test]
fn a_settled_group_says_who_since_when_and_why() {
    let scene = Scene::settled();
    let group = scene.group_status();
    assert_eq!(group.state, GroupState::Ok);
    holds(
        &group.text,
        &["redis-1 is primary since ", " UTC (2.", "(R3.3)"],
    );
    let nodes: Vec<_> = group
        .nodes
        .iter()
        .map(|node| (node.role, node.serves))
        .collect();
    let (primary, replica) = (NodeRole::Primary, NodeRole::Replica);
    let reads = (replica, Serves::Reads);
    assert_eq!(nodes, [(primary, Serves::Writes), reads, reads, reads]);
    assert!(
        group
            .nodes
            .iter()
            .all(|node| !node.trouble && node.reason.is_none())
    );
    assert_eq!(group.nodes[1].follows.as_deref(), Some("10.1.1.1:6379"));
    assert_eq!(group.nodes[1].address, "10.1.1.2:6379");
    let local = scene.listener("redis-local-ro");
    assert_eq!(local.serving, ["redis-local"]);
    assert_eq!(local.text, "new connections go to redis-local");
    assert_eq!(
        scene.listener("redis-ro").text,
        "new connections go to redis-2 and redis-3"
    );
}

#[test]
fn a_dead_primary_is_told_with_how_it_died() {
    let mut scene = Scene::settled();
    scene.ends("redis-1", Outcome::Refused);
    let group = scene.group_status();
    assert_eq!(group.state, GroupState::NoPrimary);
    holds(
        &group.text,
        &[
            "no primary: redis-1, elected at ",
            "refused the connection (2.0s ago)",
            "wait",
        ],
    );
    assert!(group.primary.is_some_and(|primary| !primary.living));
    let rw = scene.listener("redis-rw");
    assert!(rw.serving.is_empty());
    holds(
        &rw.text,
        &["nobody can serve", "redis-1 refused the connection"],
    );
}

#[test]
fn a_group_without_any_election_tells_each_node() {
    let mut scene = Scene::new();
    holds(
        &scene.group_status().text,
        &["no primary: ", "redis-1 has not been checked yet"],
    );
    scene.ends("redis-1", Outcome::Refused);
    holds(
        &scene.group_status().text,
        &["redis-1 refused the connection", "redis-2 has not"],
    );
    scene.says("redis-2", primary("run-2", "a"));
    scene.says("redis-3", primary("run-3", "b"));
    let group = scene.group_status();
    assert_eq!((group.state, group.claimants), (GroupState::Conflict, 2));
    holds(
        &group.text,
        &["redis-2 and redis-3 claim to be", "REPLICAOF"],
    );
    assert!(group.nodes[1].trouble, "a claimant in a conflict");
}

#[test]
fn a_rival_is_a_conflict_and_the_primary_keeps_the_writes() {
    let mut scene = Scene::settled();
    scene.says("redis-3", primary("run-9", "other"));
    let group = scene.group_status();
    assert_eq!(group.state, GroupState::Conflict);
    holds(
        &group.text,
        &["redis-1 and redis-3 claim", "redis-1 keeps the writes"],
    );
}

#[test]
fn a_silent_primary_is_remarked_on_and_a_stalled_one_too() {
    let mut scene = Scene::settled();
    scene.ends("redis-1", Outcome::TimedOut(Stage::Reply));
    holds(
        &scene.group_status().text,
        &["is primary", "did not answer its last check"],
    );
    scene.ends("redis-1", Outcome::TimedOut(Stage::Reply));
    holds(
        &scene.group_status().text,
        &["did not answer its last 2 checks"],
    );
    let mut facts = primary("run-1", "hist");
    facts.condition = Condition::Misconf;
    scene.says("redis-1", facts);
    let group = scene.group_status();
    holds(&group.text, &["refuses writes", "-MISCONF"]);
    assert!(group.nodes[0].trouble);
}

#[test]
fn a_handover_and_a_drained_primary_are_no_trouble_of_the_group() {
    let mut scene = Scene::settled();
    let mut facts = primary("run-1", "hist");
    facts.handover = true;
    scene.says("redis-1", facts);
    let group = scene.group_status();
    assert_eq!(group.state, GroupState::Handover);
    holds(
        &group.text,
        &["is handing its role over", "new writes wait"],
    );
    scene.says("redis-1", primary("run-1", "hist"));
    scene.orders("redis-1", Order::Drain);
    let group = scene.group_status();
    assert_eq!(group.state, GroupState::Handover);
    holds(
        &group.text,
        &["redis-1", "is being drained", "new writes wait"],
    );
}

#[test]
fn passed_over_nodes_say_why() {
    let mut scene = Scene::settled();
    scene.ends("redis-2", Outcome::TimedOut(Stage::Reply));
    let ro = scene.listener("redis-ro");
    assert_eq!(ro.serving, ["redis-3"]);
    let silent = &ro.chain[0].nodes[1];
    assert!(silent.eligible && !silent.chosen);
    holds(
        silent.reason.as_deref().unwrap_or_default(),
        &["did not answer its last check", "others serve"],
    );
    let better = &ro.chain[1].nodes[0];
    assert_eq!(
        better.reason.as_deref(),
        Some("is eligible, and a better tier serves")
    );

    scene.ends("redis-local", Outcome::Refused);
    let local = scene.listener("redis-local-ro");
    assert_eq!(local.serving, ["redis-3"]);
    holds(
        &local.text,
        &["new connections go to redis-3, by the fallback redis-ro: redis-local refused"],
    );
}

#[test]
fn takers_are_those_among_whom_pick_chooses() {
    let mut scene = Scene::settled();
    scene.orders("redis-3", Order::Drain);
    scene.ends("redis-2", Outcome::TimedOut(Stage::Reply));
    for listener in &scene.config.config.listeners {
        let view = scene.group.view();
        let takers = crate::core::pick::takers(&listener.chain, view);
        let (tier, nodes) = takers.expect("somebody serves");
        for rotation in 0..4 {
            let choice = crate::core::pick::pick(&listener.chain, view, |_| false, |_| 0, rotation);
            let choice = choice.expect("somebody serves");
            assert_eq!(choice.tier, tier, "{}", listener.name);
            assert!(
                nodes.iter().any(|node| node.id == choice.node),
                "{}",
                listener.name
            );
        }
    }
}

#[test]
fn old_times_carry_their_date() {
    let day = 24 * 3600 * 1000;
    let text = words::since(at(0), at(day));
    assert!(
        text.ends_with(" UTC (24h00m)") && text.starts_with("20"),
        "{text}"
    );
    assert!(!words::since(at(0), at(1000)).starts_with("20"));
    assert_eq!(words::list(&["a", "b", "c"]), "a, b and c");
    assert_eq!(words::parked(1), "; 1 connection is parked");
}
