//! Sentinels as an alarm clock, and what their votes mean at the edges.

use super::sentinels::{INTERVAL, promoted_b, watched};
use super::*;
use crate::core::sentinel::{BURST, BURST_PACE, MEMORY};

#[test]
fn a_node_that_is_promoted_is_asked_every_few_milliseconds_until_it_has_the_writes() {
    let mut watch = watched();
    watch
        .none_answers()
        .says(B, follows("b", "hist", A))
        .says(C, follows("c", "hist", A))
        .says(A, primary("a", "hist"));
    let pace = |watch: &Roll, node| watch.group.pace(NodeId(node));
    watch
        .group
        .promotes(&HostPort::new("192.0.2.1", 1), watch.now);
    assert_eq!(pace(&watch, B), INTERVAL, "a stranger");

    watch.group.promotes(&address(B), watch.now);
    assert_eq!((pace(&watch, B), pace(&watch, C)), (BURST_PACE, INTERVAL));
    assert_eq!(
        watch.group.next_deadline(watch.now),
        Some(watch.now.plus(BURST))
    );
    let end = watch.now.plus(BURST);
    watch.passes(BURST / 2).group.promotes(&address(B), end);
    watch.passes(BURST);
    assert_eq!(pace(&watch, B), BURST_PACE, "told again");
    watch.passes(BURST);
    assert_eq!(pace(&watch, B), INTERVAL);

    watch.group.promotes(&address(B), watch.now);
    watch.says(B, promoted("b", "new", "hist", 1001));
    assert_eq!(watch.primary(), Some(B));
    assert!(pace(&watch, B) > BURST_PACE);

    watch.silent(C);
    watch.group.promotes(&address(C), watch.now);
    assert_eq!(
        pace(&watch, C),
        INTERVAL,
        "R8: one that is down is not dialled more often"
    );
}

#[test]
fn r3_3_a_vote_for_the_incumbents_own_next_run_is_no_old_one() {
    let mut watch = promoted_b();
    watch
        .says(C, cut_off("c", "hist", &address(A), None))
        .says(B, primary("b2", "other"));
    assert_eq!(watch.primary(), None, "restarted, beside its ancestor");
    watch.all_name(B, 7);
    assert_eq!((watch.primary(), watch.term()), (Some(B), 3));
}

#[test]
fn r1_a_vote_for_another_address_of_a_process_is_one_for_that_process() {
    let mut watch = watched();
    watch
        .says(A, primary("same", "hist"))
        .says(B, primary("same", "hist"))
        .says(C, primary("c", "other"));
    watch.all_name(B, 1);
    assert_eq!(watch.primary(), Some(A));
}

#[test]
fn r4_nobody_waits_for_a_named_node_that_answers_and_does_not_claim() {
    let lost = |run| cut_off(run, "hist", &address(A), Some(Duration::ZERO));
    let mut watch = watched();
    watch.all_name(B, 1);
    watch
        .says(B, lost("b"))
        .says(C, lost("c"))
        .goes_silent(C, 1)
        .says(A, primary("a", "hist"));
    assert_eq!(
        (watch.primary(), watch.evidence()),
        (Some(A), Some(Evidence::AllChecked))
    );
}

#[test]
fn votes_are_forgotten_in_their_turn_and_at_the_moment_that_is_announced() {
    let mut watch = watched();
    watch.names(0, A, 2).names(1, A, 2);
    let (first, second) = (watch.now.minus(Duration::from_millis(10)), watch.now);
    watch.silent(A).silent(C).says(B, primary("b", "hist-b"));
    let deadline = |watch: &Roll| watch.group.next_deadline(watch.now);
    assert_eq!(deadline(&watch), Some(first.plus(MEMORY)));
    watch.passes(first.plus(MEMORY).since(watch.now));
    // Two of three name redis-1, one of them no more: the hold of redis-2 begins now.
    assert_eq!(
        deadline(&watch),
        Some(watch.now.plus(Duration::from_millis(10)))
    );
    assert_eq!(deadline(&watch), Some(second.plus(MEMORY)));
    watch.passes(HOLD);
    assert_eq!(watch.primary(), Some(B));
}
