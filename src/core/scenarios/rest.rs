//! R1, R4, R5, R8, R9, R14: the cold start, silence, reads, and the pace of checks.

use super::*;
use crate::core::alarm::{Alarm, AlarmKind};
use crate::core::facts::Condition;

#[test]
fn r1_nobody_serves_before_the_first_check() {
    let roll = Roll::of(3);
    for node in [A, B, C] {
        assert_eq!(roll.may_write(node), Err(Ineligible::Unchecked));
        assert_eq!(roll.may_read(node), Err(Ineligible::Unchecked));
    }
}

#[test]
fn r1_one_run_behind_two_addresses_is_one_node() {
    let mut roll = Roll::of(3);
    roll.says(A, primary("same", "hist"))
        .says(B, primary("same", "hist"));
    roll.says(C, follows("c", "hist", B));
    assert_eq!(
        roll.primary(),
        Some(A),
        "a vote for the second address is one for the first"
    );
    assert_eq!(
        roll.may_write(B),
        Err(Ineligible::SameProcessAs("redis-1".into()))
    );
    assert_eq!(roll.group.claimants(), 1);
}

#[test]
fn r4_the_only_node_is_elected_as_soon_as_it_claims() {
    let mut roll = Roll::of(1);
    roll.says(A, blank("a", "hist"));
    assert_eq!(
        (roll.primary(), roll.evidence()),
        (Some(A), Some(Evidence::OnlyNode))
    );
    roll.says(A, blank("a2", "hist2"));
    assert_eq!((roll.primary(), roll.term()), (Some(A), 2));
}

#[test]
fn r4_one_claimant_is_elected_when_every_node_was_checked_or_after_the_hold() {
    let mut roll = Roll::of(3);
    let lost = |run| cut_off(run, "hist", &address(A), Some(Duration::ZERO));
    roll.says(A, primary("a", "hist")).says(B, lost("b"));
    assert_eq!(roll.primary(), None);
    roll.says(C, lost("c"));
    assert_eq!(
        (roll.primary(), roll.evidence()),
        (Some(A), Some(Evidence::AllChecked))
    );
    let mut roll = Roll::of(3);
    roll.says(A, primary("a", "hist"))
        .says(B, lost("b"))
        .goes_silent(C, 9)
        .passes(HOLD);
    assert_eq!(roll.primary(), Some(A));
}

#[test]
fn r4_two_claimants_need_descent_or_votes() {
    let mut roll = Roll::of(3);
    roll.says(C, cut_off("c", "hist", &address(A), Some(Duration::ZERO)));
    roll.says(A, primary("a", "hist"))
        .says(B, primary("b", "other"))
        .passes(HOLD * 3);
    assert_eq!(roll.primary(), None);
    assert_eq!(roll.may_write(A), Err(Ineligible::NotElected));
    let mut roll = Roll::of(3);
    roll.says(A, primary("a", "hist"))
        .says(B, received("b", "new", "hist", 77));
    assert_eq!(roll.primary(), None, "redis-3 may yet tell otherwise");
    roll.goes_silent(C, 1);
    assert_eq!(
        (roll.primary(), roll.evidence()),
        (Some(B), Some(Evidence::Descent { offset: Some(77) }))
    );
}

#[test]
fn r5_an_unproven_master_never_wins_against_another_claimant() {
    let mut roll = settled();
    roll.refuses(A)
        .says(B, copied("b2", "other", "hist", 900))
        .says(A, blank("a2", "empty"));
    roll.says(C, follows("c", "empty", A)).passes(HOLD * 2);
    assert_eq!(roll.primary(), None);
    let mut alone = settled();
    alone.says(A, blank("a2", "empty"));
    alone.says(B, cut_off("b", "hist", &address(A), Some(Duration::ZERO)));
    alone.says(C, cut_off("c", "hist", &address(A), Some(Duration::ZERO)));
    assert_eq!(
        alone.primary(),
        None,
        "alone it waits for votes or the hold"
    );
    alone.passes(HOLD);
    assert_eq!(alone.primary(), Some(A));
}

#[test]
fn r8_a_silent_or_busy_primary_keeps_its_election() {
    let mut roll = settled();
    roll.goes_silent(A, 5);
    assert_eq!((roll.primary(), roll.may_write(A)), (Some(A), Ok(())));
    roll.gets(A, Outcome::Busy).passes(HOLD * 2);
    assert_eq!((roll.primary(), roll.may_write(A)), (Some(A), Ok(())));
    roll.goes_silent(A, 6);
    assert_eq!(roll.primary(), Some(A), "nobody else was elected");
    assert!(matches!(
        roll.may_write(A),
        Err(Ineligible::NotServing { .. })
    ));
}

#[test]
fn r9_reads_outlive_the_primary_and_end_when_a_new_one_lives() {
    let mut roll = settled();
    let lost = |run| cut_off(run, "hist", &address(A), Some(Duration::ZERO));
    roll.refuses(A).says(B, lost("b")).says(C, lost("c"));
    assert_eq!((roll.may_read(B), roll.may_read(C)), (Ok(()), Ok(())));
    roll.says(B, promoted("b", "new", "hist", 1001));
    assert_eq!(roll.may_read(C), Err(Ineligible::LinkDown));
    roll.says(C, follows("c", "new", B));
    assert_eq!(roll.may_read(C), Ok(()));
}

#[test]
fn r9_the_clock_alone_ends_stale_reads() {
    let mut roll = settled();
    roll.refuses(A)
        .says(B, cut_off("b", "hist", &address(A), Some(Duration::ZERO)));
    let deadline = roll.group.next_deadline(roll.now).unwrap();
    roll.passes(deadline.since(roll.now));
    assert_eq!(roll.may_read(B), Err(Ineligible::LinkDownTooLong));
}

#[test]
fn r14_a_replica_that_hangs_on_our_listener_is_barred_from_it_and_has_no_vote() {
    let mut roll = Roll::of(2);
    let through_us = HostPort::new("127.0.0.2", 6379);
    roll.says(A, primary("a", "hist"))
        .says(B, replica("b", "hist", &through_us));
    let view = roll.group.view().node(NodeId(B)).unwrap();
    assert_eq!(
        view.looping.as_ref().unwrap().barred,
        [ListenerId(1), ListenerId(0)]
    );
    assert_ne!(
        roll.evidence(),
        Some(Evidence::Votes {
            voters: vec!["redis-2".into()],
            of: 1
        })
    );
}

#[test]
fn checks_hurry_while_anything_is_in_motion_and_not_towards_the_dead() {
    let (slow, fast) = (Duration::from_millis(500), Duration::from_millis(50));
    let mut roll = settled();
    roll.says(3, follows("d", "hist", A));
    assert_eq!(roll.group.pace(NodeId(A)), slow);
    roll.goes_silent(B, 1);
    assert_eq!(roll.group.pace(NodeId(A)), fast);
    roll.says(B, follows("b", "hist", A));
    assert_eq!(roll.group.pace(NodeId(A)), slow);
    roll.refuses(A);
    assert_eq!(
        (roll.group.pace(NodeId(A)), roll.group.pace(NodeId(B))),
        (slow, fast)
    );
}

#[test]
fn r4_one_missed_check_decides_nothing_between_two_claimants() {
    let mut roll = Roll::of(3);
    roll.says(
        B,
        cut_off("b", "hist", &address(A), Some(Duration::from_secs(9))),
    );
    roll.says(A, primary("a", "hist"))
        .says(C, primary("c", "other"))
        .goes_silent(C, 1)
        .passes(HOLD * 2);
    assert_eq!(roll.primary(), None);
    roll.goes_silent(C, 5).passes(HOLD);
    assert_eq!(roll.primary(), Some(A), "with redis-3 gone it is alone");
}

#[test]
fn r4_a_branch_of_nobodys_history_is_no_descent() {
    let mut roll = Roll::of(3);
    roll.says(B, blank("b", "empty"))
        .says(A, promoted("a", "hist", "some past failover", 500));
    assert_eq!(roll.primary(), None, "redis-3 was not heard yet");
    roll.says(C, primary("c", "true"));
    assert_eq!(roll.primary(), None);
}

#[test]
fn r5_once_elected_a_run_stays_proven() {
    let mut roll = Roll::of(2);
    roll.says(A, blank("a", "hist"))
        .says(B, cut_off("b", "old", &address(A), None))
        .passes(HOLD);
    assert_eq!(roll.primary(), Some(A));
    roll.says(A, blank("a", "hist"));
    assert!(!roll.group.nodes()[0].unproven);
}

#[test]
fn r8_a_primary_that_cannot_save_is_shown_as_stalled_and_serves() {
    let mut roll = settled();
    let stalled = Facts {
        condition: Condition::Misconf,
        ..primary("a", "hist")
    };
    roll.group.take_events();
    roll.says(A, stalled);
    assert_eq!(roll.may_write(A), Ok(()));
    let told = roll.group.take_events();
    assert!(
        told.iter()
            .any(|event| event.kind.to_string().contains("-MISCONF"))
    );
}

#[test]
fn a_dead_node_whose_dial_failed_does_not_hurry_the_others() {
    let mut roll = settled();
    roll.says(3, follows("d", "hist", A));
    let (node, at) = (NodeId(B), roll.now);
    roll.group.alarm(Alarm {
        node,
        at,
        kind: AlarmKind::DialFailed,
    });
    assert_eq!(roll.group.pace(NodeId(A)), Duration::from_millis(50));
    roll.refuses(B);
    assert_eq!(roll.group.pace(NodeId(A)), Duration::from_millis(500));
}

#[test]
fn r4_a_silent_node_is_waited_for_once() {
    let mut roll = Roll::of(3);
    roll.says(A, primary("a", "hist"))
        .says(B, follows("b", "hist", A));
    assert_eq!(roll.primary(), None, "redis-3 may yet tell otherwise");
    roll.goes_silent(C, 1);
    assert_eq!(roll.primary(), Some(A));
}

#[test]
fn the_death_and_the_return_of_the_primary_are_told() {
    let mut roll = settled();
    roll.group.take_events();
    roll.refuses(A).says(A, primary("a", "hist"));
    let told: Vec<EventKind> = roll
        .group
        .take_events()
        .into_iter()
        .map(|e| e.kind)
        .collect();
    let gone = told
        .iter()
        .position(|kind| matches!(kind, EventKind::Gone { .. }));
    let back = told
        .iter()
        .position(|kind| matches!(kind, EventKind::Back { .. }));
    assert!(gone.is_some() && gone < back, "{told:?}");
}

#[test]
fn r10_replicas_are_measured_by_a_new_primary_from_its_election_on() {
    let limits = LagLimits {
        bytes: Some(1),
        age: None,
    };
    let mut roll = Roll::limited(3, limits);
    roll.says(A, primary("a", "hist"))
        .says(C, follows("c", "hist", A))
        .says(B, follows("b", "hist", A));
    assert_eq!(roll.primary(), Some(A));
    // redis-2 was started from a file; redis-1 elects it, by what it says of itself.
    roll.says(B, copied("b2", "new", "hist", 900))
        .says(C, follows("c", "new", B))
        .says(A, follows("a", "new", B));
    assert_eq!(roll.primary(), Some(B));
    roll.says(C, follows("c", "new", B))
        .says(A, follows("a", "new", B));
    assert_eq!((roll.may_read(C), roll.may_read(A)), (Ok(()), Ok(())));
}
