//! What a node is remembered for, answer by answer.

use super::*;
use crate::core::outcome::Stage;
use crate::core::sample::{at, blank, cut_off, primary, replica, report};

const LIMITS: Thresholds = Thresholds { fall: 6, rise: 2 };

fn node() -> NodeState {
    let settings = NodeSettings {
        id: NodeId(1),
        name: "redis-1".into(),
        address: Some(HostPort::new("10.1.1.1", 6379)),
        local: false,
        weight: 1,
    };
    NodeState::new(settings, at(0))
}

fn tell(node: &mut NodeState, millis: u64, facts: Facts) {
    node.fold(
        &report(at(millis), Outcome::Answered(Box::new(facts))),
        LIMITS,
    );
}

#[test]
fn a_new_run_forgets_what_the_old_one_was() {
    let mut node = node();
    let other = HostPort::new("10.1.1.2", 6379);
    tell(&mut node, 1, replica("run-a", "hist", &other));
    assert!(node.was_replica);
    tell(&mut node, 2, primary("run-b", "hist-b"));
    assert!(!node.was_replica);
    assert_eq!((node.run, node.claims_since), (2, Some(at(2))));
}

#[test]
fn r3_a_replica_turns_when_it_follows_another_and_not_when_it_comes_back() {
    let mut node = node();
    let (a, b) = (
        HostPort::new("10.1.1.2", 6379),
        HostPort::new("10.1.1.3", 6379),
    );
    tell(&mut node, 1, replica("run-a", "hist", &a));
    assert_eq!(node.follows, Some((a.clone(), None)), "first seen so");
    tell(
        &mut node,
        2,
        cut_off("run-a", "hist", &a, Some(Duration::ZERO)),
    );
    tell(&mut node, 3, replica("run-b", "hist", &a));
    assert_eq!(
        node.follows,
        Some((a.clone(), None)),
        "a new run with the old configuration"
    );
    tell(&mut node, 4, replica("run-b", "hist", &b));
    assert_eq!(node.follows, Some((b, Some(at(4)))));
    tell(&mut node, 5, primary("run-b", "other"));
    tell(&mut node, 6, replica("run-b", "hist", &a));
    assert_eq!(node.follows, Some((a, Some(at(6)))));
}

#[test]
fn r5_unproven_is_latched_for_the_run_until_it_gets_a_primarys_data() {
    let mut node = node();
    tell(&mut node, 1, blank("run-a", "hist"));
    tell(&mut node, 2, primary("run-a", "hist"));
    assert!(
        node.unproven,
        "replicas that connect later do not prove the data"
    );
    tell(
        &mut node,
        3,
        replica("run-a", "other", &HostPort::new("10.1.1.2", 6379)),
    );
    assert!(!node.unproven);
}

#[test]
fn r12_a_failed_dial_is_redeemed_by_a_later_new_connection_only() {
    let mut node = node();
    tell(&mut node, 1, primary("run-a", "hist"));
    node.alarm(Alarm {
        node: NodeId(1),
        at: at(10),
        kind: AlarmKind::DialFailed,
    });
    // This check began before the dial failed.
    tell(&mut node, 10, primary("run-a", "hist"));
    assert!(node.dial_failed.is_some());
    let mut on_old_connection = report(
        at(20),
        Outcome::Answered(Box::new(primary("run-a", "hist"))),
    );
    on_old_connection.dialled = false;
    node.fold(&on_old_connection, LIMITS);
    assert!(node.dial_failed.is_some());
    tell(&mut node, 30, primary("run-a", "hist"));
    assert_eq!((node.dial_failed, node.redeemed), (None, 1));
}

#[test]
fn r8_facts_hold_while_the_node_is_busy_and_not_when_it_is_silent_or_loads() {
    for (outcome, holds) in [
        (Outcome::Busy, true),
        (Outcome::TimedOut(Stage::Reply), false),
        (Outcome::Loading, false),
    ] {
        let mut node = node();
        tell(&mut node, 1, primary("run-a", "hist"));
        node.fold(&report(at(2), outcome.clone()), LIMITS);
        assert_eq!(node.is_claimant(), holds, "{outcome:?}");
    }
}

#[test]
fn r1_a_changed_address_makes_a_stranger() {
    let mut node = node();
    node.order = Order::Drain;
    let first = Target::Tcp("10.1.1.1:6379".parse().unwrap());
    node.move_to(Some(first), at(0));
    tell(&mut node, 1, primary("run-a", "hist"));
    let run = node.run;
    let second = Target::Tcp("10.1.1.9:6379".parse().unwrap());
    node.move_to(Some(second.clone()), at(2));
    assert!(!node.was_checked() && !node.fresh);
    assert!(node.run > run, "its sessions ran elsewhere");
    assert_eq!(node.target, Some(second), "new ones go there");
    assert_eq!(node.redeemed, 1, "where no dial has failed yet (R12)");
    assert_eq!(node.order, Order::Drain, "the operator meant the node");
}

#[test]
fn the_moment_of_a_lost_link_does_not_jitter_with_whole_seconds() {
    let mut node = node();
    let master = HostPort::new("10.1.1.2", 6379);
    tell(
        &mut node,
        5000,
        cut_off("run-a", "hist", &master, Some(Duration::from_secs(1))),
    );
    tell(
        &mut node,
        5900,
        cut_off("run-a", "hist", &master, Some(Duration::from_secs(1))),
    );
    assert_eq!(node.link_down, Some(Some(at(4000))));
    tell(&mut node, 6000, replica("run-a", "hist", &master));
    assert_eq!(node.link_down, None);
}

#[test]
fn a_node_is_named_by_its_written_or_its_dialled_address() {
    let mut node = node();
    node.move_to(
        Some(Target::Tcp("[2001:db8::1]:6379".parse().unwrap())),
        at(0),
    );
    assert!(node.is_at(&HostPort::new("10.1.1.1", 6379)));
    assert!(node.is_at(&HostPort::new("2001:db8:0::1", 6379)));
    for other in [
        HostPort::new("10.1.1.1", 6380),
        HostPort::new("2001:db8::1", 6380),
        HostPort::new("2001:db8::2", 6379),
    ] {
        assert!(!node.is_at(&other), "{other}");
    }
}
