//! R3 (2) and (3) at their edges: whose heir a claimant is, how much of the common history it holds, and
//! which votes are newer than an election.

use super::*;

/// redis-1 has restarted from its file, which ends at offset 500, and was elected again.
fn restarted_from_its_file() -> Roll {
    let mut roll = settled();
    roll.refuses(A).goes_silent(B, 1).goes_silent(C, 1);
    roll.says(A, promoted("a2", "again", "hist", 500));
    assert_eq!((roll.primary(), roll.term()), (Some(A), 2));
    roll
}

#[test]
fn r3_2_only_a_later_branch_replaces_a_primary_that_restarted_from_its_file() {
    for (from, offset, expected) in [
        ("hist", 499, A),
        ("hist", 500, A),
        ("elsewhere", 1001, A),
        ("hist", 501, B),
    ] {
        let mut roll = restarted_from_its_file();
        roll.says(B, promoted("b", "new", from, offset));
        assert_eq!(roll.primary(), Some(expected), "{from} at {offset}");
    }
}

#[test]
fn r3_2_a_file_that_holds_more_than_the_restarted_primary_is_no_promotion() {
    let mut roll = restarted_from_its_file();
    roll.says(B, promoted("b2", "new", "hist", 1001));
    assert_eq!(roll.primary(), Some(A), "this run was never a replica");
}

#[test]
fn r3_2_a_later_heir_of_the_ancestor_does_not_replace_the_first_heir() {
    let mut roll = settled();
    roll.says(B, promoted("b", "new", "hist", 1001))
        .says(C, promoted("c", "newer", "hist", 2000));
    assert_eq!((roll.primary(), roll.term()), (Some(B), 2));
}

#[test]
fn r3_2_a_replica_promoted_from_another_history_is_no_heir() {
    let mut roll = settled();
    let elsewhere = HostPort::new("192.168.7.7", 6379);
    roll.says(B, replica("b", "foreign", &elsewhere))
        .says(B, promoted("b", "new", "foreign", 9_999_999));
    assert_eq!((roll.primary(), roll.term()), (Some(A), 1));
}

#[test]
fn r17_where_the_incumbent_is_gone_a_branch_of_another_history_is_not_elected() {
    let mut roll = settled();
    roll.says(C, cut_off("c", "hist", &address(A), Some(Duration::ZERO)));
    roll.refuses(A)
        .says(B, promoted("b2", "new", "foreign", 9_999_999));
    assert_eq!((roll.primary(), roll.term()), (Some(A), 1));
    roll.passes(HOLD * 3);
    assert_eq!((roll.primary(), roll.term()), (Some(A), 1));
}

#[test]
fn r3_1_after_a_demotion_the_heir_wins_against_a_claimant_with_a_longer_history() {
    let elsewhere = HostPort::new("192.168.7.7", 6379);
    for rivals in [[B, C], [C, B]] {
        let mut roll = settled();
        for rival in rivals {
            roll.says(
                rival,
                match rival {
                    B => promoted("b2", "other", "foreign", 9_999_999),
                    _ => promoted("c2", "new", "hist", 1001),
                },
            );
        }
        roll.says(A, cut_off("a", "hist", &elsewhere, None));
        assert_eq!(roll.primary(), Some(C), "{rivals:?}");
    }
}

#[test]
fn r3_2_a_promotion_that_was_seen_at_an_election_is_spent_in_it() {
    let mut roll = Roll::of(4);
    // redis-4 keeps redis-2 from being the heir of all others, redis-3 votes for redis-1.
    roll.says(3, primary("d", "third"))
        .says(A, primary("a", "hist"))
        .says(C, follows("c", "hist", A))
        .says(B, cut_off("b", "hist", &address(A), Some(Duration::ZERO)));
    assert_eq!(roll.primary(), None, "one of two is no majority");
    roll.says(B, promoted("b", "new", "hist", 1001));
    for _ in 0..5 {
        assert_eq!((roll.primary(), roll.term()), (Some(A), 1));
        roll.passes(HOLD)
            .says(B, promoted("b", "new", "hist", 1001));
    }
}
