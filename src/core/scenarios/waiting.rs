//! R3 (1), R3 (4) and R4 at their edges: for whom a claimant waits, and for how long.

use super::*;

fn elsewhere() -> HostPort {
    HostPort::new("192.168.7.7", 6379)
}

fn lost(run: &str) -> Facts {
    cut_off(run, "hist", &address(A), Some(Duration::ZERO))
}

#[test]
fn r3_1_nobody_waits_for_a_node_that_the_demoted_one_is_not_linked_to() {
    let mut roll = settled();
    roll.says(B, copied("b2", "other", "hist", 900))
        .says(A, cut_off("a", "hist", &elsewhere(), None));
    assert_eq!(
        (roll.primary(), roll.evidence()),
        (Some(B), Some(Evidence::Demotion))
    );
}

#[test]
fn r3_1_the_wait_ends_when_the_followed_node_was_heard_and_does_not_claim() {
    let mut roll = settled();
    roll.says(B, copied("b2", "other", "hist", 900))
        .says(A, follows("a", "hist", C));
    assert_eq!(roll.primary(), None, "redis-3 may have been promoted");
    roll.says(C, follows("c", "hist", A));
    assert_eq!(
        (roll.primary(), roll.evidence()),
        (Some(B), Some(Evidence::Demotion))
    );
}

#[test]
fn r3_1_a_demotion_acts_at_once_on_a_node_that_was_a_replica_before() {
    let mut roll = settled();
    roll.says(B, follows("b", "hist", A))
        .says(B, promoted("b", "new", "hist", 1001));
    assert_eq!(roll.primary(), Some(B));
    roll.says(B, follows("b", "new", C));
    assert_eq!(roll.primary(), None);
}

#[test]
fn r3_4_two_claimants_wait_for_more_than_time() {
    let mut roll = settled();
    roll.refuses(A)
        .says(B, copied("b2", "other", "hist", 900))
        .says(C, copied("c2", "third", "hist", 900))
        .passes(HOLD * 3);
    assert_eq!((roll.primary(), roll.term()), (Some(A), 1));
}

#[test]
fn r3_4_the_hold_starts_again_when_the_claimant_is_another_run_or_another_node() {
    for (node, facts) in [
        (B, copied("b3", "third", "hist", 900)),
        (C, copied("c2", "third", "hist", 900)),
    ] {
        let mut roll = settled();
        roll.says(C, lost("c")).refuses(A);
        roll.says(B, copied("b2", "other", "hist", 900))
            .passes(HOLD / 2);
        if node == C {
            roll.says(B, lost("b2"));
        }
        roll.says(node, facts.clone()).passes(HOLD / 2);
        assert_eq!(roll.primary(), Some(A), "redis-{}", node + 1);
        roll.passes(HOLD / 2);
        assert_eq!(roll.primary(), Some(node));
    }
}

#[test]
fn r3_4_the_hold_starts_again_when_the_claimant_missed_a_check() {
    let mut roll = settled();
    roll.says(C, lost("c")).refuses(A);
    roll.says(B, copied("b2", "other", "hist", 900))
        .passes(HOLD / 2)
        .goes_silent(B, 1)
        .says(B, copied("b2", "other", "hist", 900))
        .passes(HOLD / 2);
    assert_eq!(roll.primary(), Some(A));
    roll.passes(HOLD / 2);
    assert_eq!(roll.primary(), Some(B));
}

#[test]
fn r4_a_node_that_never_answered_is_waited_for_until_the_hold() {
    let mut roll = Roll::of(3);
    roll.says(A, primary("a", "hist"))
        .says(B, lost("b"))
        .goes_silent(C, 9);
    assert_eq!(roll.primary(), None);
    roll.passes(HOLD);
    assert!(matches!(roll.evidence(), Some(Evidence::Hold { .. })));
}

#[test]
fn r4_a_node_in_maintenance_is_not_waited_for() {
    let mut roll = Roll::of(3);
    roll.group.order(NodeId(C), Order::Maintenance, at(1));
    roll.says(A, primary("a", "hist")).says(B, lost("b"));
    assert_eq!(
        (roll.primary(), roll.evidence()),
        (Some(A), Some(Evidence::AllChecked))
    );
}

#[test]
fn r4_the_only_claimant_waits_while_a_replica_follows_a_node_that_does_not_answer() {
    let mut roll = Roll::of(3);
    let promoted_there = |facts| Facts {
        replid2: Some(ReplId("hist".into())),
        ..facts
    };
    roll.says(B, promoted_there(replica("b", "other", &elsewhere())))
        .says(C, lost("c"))
        .says(A, primary("a", "hist"))
        .passes(HOLD * 3);
    assert_eq!(roll.primary(), None);
    let cut = cut_off("b", "other", &elsewhere(), Some(Duration::ZERO));
    roll.says(B, promoted_there(cut));
    assert_eq!(
        (roll.primary(), roll.evidence()),
        (Some(A), Some(Evidence::AllChecked))
    );
}
