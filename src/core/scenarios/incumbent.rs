//! R3 and R6: what can replace a primary, and what cannot.

use super::*;

#[test]
fn r3_the_incumbent_stays_whatever_turns_up_beside_it() {
    let mut roll = settled();
    for (stranger, why) in [
        (primary("b2", "other"), Ineligible::NotElected),
        (
            promoted("b3", "more", "elsewhere", 9_999_999),
            Ineligible::NotElected,
        ),
        (blank("b4", "empty"), Ineligible::NotElected),
        (
            copied("b5", "copy", "hist", 9_999_999),
            Ineligible::NotElected,
        ),
    ] {
        roll.says(B, stranger)
            .passes(HOLD * 2)
            .says(A, primary("a", "hist"));
        assert_eq!((roll.primary(), roll.term()), (Some(A), 1));
        assert_eq!(roll.may_write(B), Err(why));
    }
}

#[test]
fn r3_1_demotion_ends_the_term_at_once_and_the_next_claimant_has_it() {
    let mut roll = settled();
    roll.says(A, follows("a", "hist", B));
    assert_eq!(roll.primary(), None);
    roll.says(B, copied("b2", "fresh", "hist", 900));
    assert_eq!(
        (roll.primary(), roll.evidence()),
        (Some(B), Some(Evidence::Demotion))
    );
}

#[test]
fn r3_1_the_node_that_the_demoted_one_follows_is_heard_first() {
    let mut roll = settled();
    roll.says(A, follows("a", "hist", B));
    roll.says(C, copied("stale", "other", "hist", 900));
    assert_eq!(
        roll.primary(),
        None,
        "redis-2 may have been promoted: ask it first"
    );
    roll.says(B, promoted("b", "new", "hist", 1001));
    assert_eq!(roll.primary(), Some(B));
}

#[test]
fn r3_2_a_promoted_replica_replaces_a_primary_that_still_claims() {
    let mut roll = settled();
    roll.says(B, promoted("b", "new", "hist", 1001));
    assert_eq!(roll.primary(), Some(B));
    assert_eq!(
        roll.evidence(),
        Some(Evidence::Descent { offset: Some(1001) })
    );
    // The ancestor goes on claiming, and its replica goes on following it: no flapping.
    for _ in 0..5 {
        roll.says(A, primary("a", "hist"))
            .says(C, follows("c", "hist", A))
            .passes(HOLD);
        assert_eq!((roll.primary(), roll.term()), (Some(B), 2));
    }
}

#[test]
fn r3_2_a_container_started_from_a_replicas_file_is_no_descendant() {
    let mut roll = settled();
    // Another run, which was never seen as a replica.
    roll.says(B, copied("b2", "new", "hist", 1001));
    assert_eq!(roll.primary(), Some(A));
    roll.refuses(A).says(B, copied("b2", "new", "hist", 1001));
    assert_eq!(
        roll.primary(),
        Some(A),
        "nor where the incumbent is gone: redis-3 may be promoted"
    );
    roll.says(C, promoted("c", "newer", "hist", 900));
    assert_eq!(roll.primary(), Some(C));
}

#[test]
fn r3_2_of_two_descendants_the_later_branch_wins() {
    let mut roll = settled();
    roll.refuses(A);
    // Both become visible at once: redis-1 restarted from its RDB, redis-2 promoted.
    roll.goes_silent(B, 1).goes_silent(C, 1);
    roll.says(A, promoted("a2", "again", "hist", 500));
    assert_eq!(
        roll.primary(),
        Some(A),
        "alone it may serve: nobody has more"
    );
    roll.says(B, promoted("b", "new", "hist", 1001));
    assert_eq!(
        roll.primary(),
        Some(B),
        "redis-2 holds more of the common history"
    );
    // redis-3, not told of anything yet, links again to the process that is back at redis-1's address.
    roll.says(C, follows("c", "again", A)).passes(HOLD);
    assert_eq!(roll.primary(), Some(B), "an old vote");
    roll.says(A, promoted("a2", "again", "hist", 500))
        .passes(HOLD);
    assert_eq!(roll.primary(), Some(B));
}

#[test]
fn r3_3_votes_move_the_primary_unless_they_are_older_than_its_descent() {
    let mut roll = settled();
    roll.says(B, copied("b2", "other", "hist", 900));
    roll.says(C, follows("c", "other", B));
    assert_eq!(
        roll.primary(),
        Some(B),
        "one of one replica is linked to it"
    );
    let mut roll = settled();
    roll.says(B, promoted("b", "new", "hist", 1001))
        .says(C, follows("c", "hist", A));
    assert_eq!(roll.primary(), Some(B));
    roll.says(C, cut_off("c", "hist", &address(A), Some(Duration::ZERO)));
    roll.says(C, follows("c", "hist", A));
    assert_eq!(
        roll.primary(),
        Some(B),
        "it links again to whom it followed"
    );
    roll.says(C, follows("c", "new", B))
        .says(C, follows("c", "hist", A));
    assert_eq!(roll.primary(), Some(A), "it has turned since");
    roll.says(B, promoted("b", "new", "hist", 1001))
        .says(A, primary("a", "hist"));
    assert_eq!(
        (roll.primary(), roll.term()),
        (Some(A), 3),
        "and the descent is spent"
    );
}

#[test]
fn r3_3_half_of_the_replicas_is_no_majority() {
    let mut roll = Roll::of(4);
    roll.says(A, primary("a", "hist"))
        .says(B, primary("b", "other"));
    roll.says(C, follows("c", "hist", A))
        .says(3, follows("d", "other", B));
    assert_eq!(roll.primary(), None);
    roll.says(3, follows("d", "hist", A));
    assert_eq!(roll.primary(), Some(A));
}

#[test]
fn r3_3_behind_nat_a_vote_is_matched_by_history() {
    let mut roll = Roll::of(3);
    let announced = HostPort::new("192.168.7.7", 6379);
    roll.says(A, primary("a", "hist"))
        .says(B, primary("b", "other"));
    roll.says(C, replica("c", "hist", &announced));
    assert_eq!(roll.primary(), Some(A));
}

#[test]
fn r3_4_the_only_claimant_waits_for_the_hold_when_the_incumbent_is_gone() {
    let mut roll = settled();
    roll.says(C, cut_off("c", "hist", &address(A), Some(Duration::ZERO)));
    roll.says(B, copied("b2", "other", "hist", 900))
        .passes(HOLD * 2);
    assert_eq!(
        roll.primary(),
        Some(A),
        "the hold does not run while the incumbent answers"
    );
    roll.refuses(A).passes(Duration::from_millis(5900));
    assert_eq!(roll.primary(), Some(A));
    roll.passes(Duration::from_millis(200));
    assert_eq!(roll.primary(), Some(B));
    assert!(matches!(roll.evidence(), Some(Evidence::Hold { .. })));
}

#[test]
fn r3_4_the_hold_does_not_run_while_a_replica_follows_a_node_that_we_cannot_see() {
    let mut roll = settled();
    roll.says(B, copied("b2", "other", "hist", 900))
        .goes_silent(A, 6)
        .passes(HOLD * 2);
    assert_eq!(roll.primary(), Some(A), "redis-3 still hears redis-1");
    roll.says(C, cut_off("c", "hist", &address(A), Some(Duration::ZERO)))
        .passes(HOLD);
    assert_eq!(roll.primary(), Some(B));
}

#[test]
fn r3_a_restarted_primary_must_earn_the_election_again() {
    let mut roll = settled();
    roll.says(A, primary("a2", "unrelated"));
    assert_eq!(roll.primary(), None);
    let lost = roll.group.take_events().into_iter().any(|event| {
        matches!(
            event.kind,
            EventKind::Lost {
                why: LossReason::Restarted,
                ..
            }
        )
    });
    assert!(lost);
    roll.says(B, follows("b", "unrelated", A))
        .says(C, follows("c", "unrelated", A));
    assert_eq!((roll.primary(), roll.term()), (Some(A), 2));
}

#[test]
fn r3_a_node_in_maintenance_is_not_elected_and_has_no_vote() {
    let mut roll = settled();
    roll.group.order(NodeId(B), Order::Maintenance, at(100));
    roll.says(B, promoted("b", "new", "hist", 1001));
    assert_eq!(roll.primary(), Some(A), "detached by hand, as announced");
}

#[test]
fn r6_sessions_wait_for_a_handover_and_go_when_it_ends() {
    let mut roll = settled();
    roll.says(
        A,
        Facts {
            handover: true,
            ..primary("a", "hist")
        },
    );
    assert_eq!(
        (roll.primary(), roll.may_write(A)),
        (Some(A), Err(Ineligible::Handover))
    );
    let between = Facts {
        handover: true,
        ..follows("a", "hist", B)
    };
    roll.says(A, between.clone());
    assert_eq!(
        (roll.primary(), roll.term()),
        (Some(A), 1),
        "its sessions wait"
    );
    roll.says(B, promoted("b", "new", "hist", 1001));
    assert_eq!((roll.primary(), roll.term()), (Some(B), 2));

    let mut stuck = settled();
    stuck
        .says(A, between.clone())
        .passes(Duration::from_secs(4))
        .says(A, between.clone());
    assert_eq!(stuck.primary(), Some(A));
    stuck.passes(Duration::from_secs(2));
    assert_eq!(stuck.primary(), None, "for five seconds");

    let mut aborted = settled();
    aborted.says(A, between).says(A, primary("a", "hist"));
    assert_eq!(
        (aborted.primary(), aborted.term(), aborted.may_write(A)),
        (Some(A), 1, Ok(()))
    );
}

#[test]
fn r3_1_a_claimant_that_misses_one_check_is_still_a_rival() {
    let mut roll = settled();
    roll.says(C, copied("c2", "other", "hist", 900))
        .says(B, copied("b2", "third", "hist", 900));
    let elsewhere = HostPort::new("192.168.7.7", 6379);
    roll.says(A, cut_off("a", "hist", &elsewhere, None));
    assert_eq!(roll.primary(), None, "two claim after the demotion");
    roll.goes_silent(C, 1).passes(Duration::from_millis(50));
    assert_eq!(roll.primary(), None, "and one missed check tells nothing");
}

#[test]
fn r3_1_the_patience_for_the_followed_node_ends_with_the_hold() {
    let mut roll = settled();
    let elsewhere = HostPort::new("192.168.7.7", 6379);
    roll.says(A, replica("a", "hist", &elsewhere))
        .says(B, copied("b2", "other", "hist", 900));
    assert_eq!(
        roll.primary(),
        None,
        "redis-1 is linked to a node that we cannot see"
    );
    let deadline = roll.group.next_deadline(roll.now).unwrap();
    roll.passes(deadline.since(roll.now));
    assert_eq!(roll.primary(), Some(B));
}

#[test]
fn r1_r3_a_second_name_of_the_primarys_process_changes_nothing() {
    let mut roll = Roll::of(3);
    roll.says(C, follows("c", "hist", B))
        .says(A, follows("a", "hist", B))
        .says(B, primary("b", "hist"));
    assert_eq!((roll.primary(), roll.term()), (Some(B), 1));
    roll.says(A, primary("b", "hist"));
    roll.goes_silent(B, 1).says(B, primary("b", "hist"));
    roll.goes_silent(A, 1).says(A, primary("b", "hist"));
    assert_eq!((roll.primary(), roll.term()), (Some(B), 1));
    assert_eq!(
        roll.may_write(A),
        Err(Ineligible::SameProcessAs("redis-2".into()))
    );
}

#[test]
fn r11_a_voter_that_misses_a_check_does_not_make_a_majority_of_a_minority() {
    let mut roll = Roll::of(4);
    let d = 3;
    roll.says(B, follows("b", "hist", A))
        .says(C, follows("c", "hist", A))
        .says(d, copied("d", "other", "hist", 900))
        .says(A, primary("a", "hist"));
    assert_eq!(roll.primary(), Some(A));
    roll.says(C, follows("c", "other", d));
    assert_eq!(roll.primary(), Some(A), "one of two");
    // Sentinel kills all clients of a node that it reconfigures.
    roll.gets(B, Outcome::Closed);
    assert_eq!(roll.primary(), Some(A));
    roll.goes_silent(B, 4);
    assert_eq!(roll.primary(), Some(A), "nor while it is only silent");
    roll.goes_silent(B, 1);
    assert_eq!(roll.primary(), Some(d), "one of one");
}

#[test]
fn r11_a_demoted_primary_that_misses_a_check_does_not_free_the_way_for_an_unrelated_one() {
    let mut roll = settled();
    roll.says(A, follows("a", "hist", B));
    roll.says(C, copied("stale", "other", "hist", 900))
        .gets(A, Outcome::Closed);
    assert_eq!(roll.primary(), None, "redis-2 is heard first");
    roll.says(B, promoted("b", "new", "hist", 1001));
    assert_eq!(roll.primary(), Some(B));
}

#[test]
fn r11_a_replica_of_an_unseen_node_that_misses_a_check_decides_nothing() {
    let mut roll = Roll::of(3);
    roll.says(C, follows("c", "hist", B))
        .says(B, cut_off("b", "hist", &address(C), None))
        .goes_silent(B, 1)
        .says(A, primary("a", "other"));
    assert_eq!(roll.primary(), None, "redis-2 may be primary by now");
    roll.gets(C, Outcome::Closed);
    assert_eq!(roll.primary(), None);
}
