//! R3 (2) and R4: a process that holds a copy of another's file shows that one's history, and is no heir.

use super::*;

/// redis-4 claims, from a copy of a replica's dump; redis-1 to redis-3 are as `settled` has them.
fn beside_a_copy() -> Roll {
    let mut roll = Roll::without_local(4);
    roll.says(A, primary("a", "hist"))
        .says(B, follows("b", "hist", A))
        .says(C, follows("c", "hist", A))
        .says(D, copied("d", "copy", "hist", 900));
    assert_eq!((roll.primary(), roll.term()), (Some(A), 1));
    roll
}

const D: u32 = 3;

fn lost(run: &str) -> Facts {
    cut_off(run, "hist", &address(A), Some(Duration::ZERO))
}

#[test]
fn r3_2_a_copy_gets_nothing_while_the_primary_is_silent_for_a_while() {
    let mut roll = beside_a_copy();
    roll.goes_silent(A, 6).passes(HOLD * 2);
    roll.says(D, copied("d", "copy", "hist", 900));
    assert_eq!((roll.primary(), roll.term()), (Some(A), 1));
    roll.says(A, primary("a", "hist"))
        .says(A, primary("a", "hist"));
    assert_eq!((roll.primary(), roll.may_write(A)), (Some(A), Ok(())));
}

#[test]
fn r3_2_a_copy_is_elected_by_the_hold_alone() {
    let mut roll = beside_a_copy();
    roll.refuses(A).says(B, lost("b")).says(C, lost("c"));
    assert_eq!(roll.primary(), Some(A), "a replica may be promoted");
    roll.passes(HOLD);
    assert!(matches!(roll.evidence(), Some(Evidence::Hold { .. })));
    assert_eq!(roll.primary(), Some(D));
}

#[test]
fn r3_2_a_promoted_replica_wins_against_a_copy_that_claims_longer() {
    let mut roll = beside_a_copy();
    roll.refuses(A)
        .says(D, copied("d", "copy", "hist", 9_999_999))
        .says(B, promoted("b", "new", "hist", 1001));
    assert_eq!(
        (roll.primary(), roll.evidence()),
        (Some(B), Some(Evidence::Descent { offset: Some(1001) }))
    );
}

#[test]
fn r3_2_the_nodes_own_word_counts_only_where_nobody_could_contradict() {
    let told = |bytes| Facts {
        stream_bytes: bytes,
        ..promoted("d2", "new", "hist", 1001)
    };
    for bytes in [None, Some(1), Some(u64::MAX)] {
        let mut roll = beside_a_copy();
        roll.refuses(A)
            .says(B, lost("b"))
            .says(C, lost("c"))
            .says(D, told(bytes));
        assert_eq!(roll.primary(), Some(A), "{bytes:?} beside living replicas");
        roll.refuses(B).refuses(C).says(D, told(bytes));
        assert_eq!(roll.primary(), Some(D), "{bytes:?} alone");
    }
}

#[test]
fn r3_2_a_branch_beyond_what_the_node_itself_has_reached_is_no_descent() {
    let mut roll = settled();
    roll.says(B, received("b", "new", "hist", u64::MAX));
    assert_eq!(roll.primary(), Some(A), "seen in sync before");
    roll.refuses(A).says(B, received("b", "new", "hist", 1002));
    assert_eq!(roll.primary(), Some(A), "its offset is 1000");
    roll.says(B, received("b", "new", "hist", 1001));
    assert_eq!(roll.primary(), Some(B));
}

#[test]
fn r3_2_a_replica_that_never_was_in_sync_is_no_heir_when_it_is_promoted() {
    let mut roll = settled();
    roll.says(B, cut_off("b2", "hist", &address(A), None))
        .refuses(A)
        .says(B, copied("b2", "new", "hist", 1001));
    assert_eq!(roll.primary(), Some(A));
    // One that lost its link was.
    let mut roll = settled();
    roll.says(B, cut_off("b2", "hist", &address(A), Some(Duration::ZERO)))
        .refuses(A)
        .says(B, promoted("b2", "new", "hist", 1001));
    assert_eq!(roll.primary(), Some(B));
}

/// All orders of four.
fn orders() -> Vec<[u32; 4]> {
    let mut all = Vec::new();
    for a in 0..4 {
        for b in (0..4).filter(|b| *b != a) {
            for c in (0..4).filter(|c| ![a, b].contains(c)) {
                all.push([a, b, c, 6 - a - b - c]);
            }
        }
    }
    all
}

fn told_in_order(order: [u32; 4], facts: impl Fn(u32) -> Facts) -> Roll {
    let mut roll = Roll::without_local(4);
    for node in order {
        roll.says(node, facts(node));
    }
    roll
}

#[test]
fn r4_a_copy_is_no_heir_at_a_cold_start_whoever_is_heard_first() {
    for order in orders() {
        let roll = told_in_order(order, |node| match node {
            A => primary("a", "hist"),
            B => follows("b", "hist", A),
            C => follows("c", "hist", A),
            _ => copied("d", "copy", "hist", 900),
        });
        assert_eq!((roll.primary(), roll.term()), (Some(A), 1), "{order:?}");
    }
}

#[test]
fn r4_where_descent_and_votes_contradict_each_other_nobody_is_elected_until_they_agree() {
    for order in orders() {
        let in_failover = |node| match node {
            A => primary("a", "hist"),
            B => received("b", "new", "hist", 1001),
            C => follows("c", "hist", A),
            _ => follows("d", "hist", A),
        };
        let mut roll = told_in_order(order, in_failover);
        roll.passes(HOLD / 2);
        assert_eq!(roll.primary(), None, "{order:?}");
        roll.says(C, follows("c", "new", B))
            .says(D, follows("d", "new", B));
        assert_eq!(roll.primary(), Some(B), "{order:?}");

        let mut roll = told_in_order(order, in_failover);
        roll.passes(HOLD);
        assert_eq!(roll.primary(), Some(A), "the votes decide in the end");
        assert!(matches!(roll.evidence(), Some(Evidence::Votes { .. })));
        for _ in 0..5 {
            roll.says(B, received("b", "new", "hist", 1001))
                .passes(HOLD);
            assert_eq!((roll.primary(), roll.term()), (Some(A), 1));
        }
    }
}

#[test]
fn r4_r11_one_missed_check_does_not_end_a_contradiction() {
    let mut roll = told_in_order([A, B, C, D], |node| match node {
        A => primary("a", "hist"),
        B => received("b", "new", "hist", 1001),
        C => follows("c", "hist", A),
        _ => follows("d", "hist", A),
    });
    roll.gets(C, Outcome::Closed).goes_silent(D, 2);
    assert_eq!(roll.primary(), None);
}

#[test]
fn r4_a_branch_beyond_what_the_ancestor_has_reached_is_no_descent() {
    for (offset, expected) in [(1001, Some(B)), (1002, None), (u64::MAX, None)] {
        let mut roll = Roll::without_local(2);
        roll.says(A, primary("a", "hist"))
            .says(B, received("b", "new", "hist", offset));
        assert_eq!(roll.primary(), expected, "branched at {offset}");
    }
}

#[test]
fn r4_a_node_that_does_not_tell_is_an_heir_unless_a_replica_has_received_more() {
    for (offset, expected) in [(1000, Some(B)), (999, None)] {
        let mut roll = Roll::without_local(3);
        roll.says(A, primary("a", "hist"))
            .says(B, promoted("b", "new", "hist", offset))
            .says(C, lost("c"));
        assert_eq!(roll.primary(), expected, "branched at {offset}");
    }
}

#[test]
fn r4_two_that_name_each_other_are_no_heirs() {
    for order in [[A, B, C], [B, A, C], [C, B, A]] {
        let mut roll = Roll::without_local(3);
        for node in order {
            match node {
                A => roll.says(A, received("a", "one", "two", 900)),
                B => roll.says(B, received("b", "two", "one", 900)),
                _ => roll.goes_silent(C, 1),
            };
        }
        assert_eq!(roll.primary(), None, "{order:?}");
    }
}

#[test]
fn r5_what_a_restarted_primary_lacks_is_told_when_it_is_elected() {
    let loss = |roll: &mut Roll| {
        let events = roll.group.take_events().into_iter();
        let elected = events.filter_map(|event| match event.kind {
            EventKind::Elected { loss, .. } => Some(loss),
            _ => None,
        });
        elected.last()
    };
    // An older dump than its replicas had.
    let mut roll = settled();
    roll.refuses(A).says(B, lost("b")).says(C, lost("c"));
    roll.says(A, copied("a2", "again", "hist", 901));
    let lacks = Some(Some(Loss::Older { bytes: 100 }));
    assert_eq!((roll.primary(), loss(&mut roll)), (Some(A), lacks));
    // A dump of the last moment.
    let mut roll = settled();
    roll.refuses(A).says(B, lost("b")).says(C, lost("c"));
    roll.says(A, copied("a2", "again", "hist", 1001));
    assert_eq!((roll.primary(), loss(&mut roll)), (Some(A), Some(None)));
    // No keys at its first answer; replicas that link later change nothing about that.
    let mut roll = settled();
    let empty = Facts {
        has_keys: Some(false),
        ..blank("a2", "empty")
    };
    roll.refuses(A)
        .says(B, lost("b"))
        .says(C, lost("c"))
        .says(A, empty);
    roll.says(A, primary("a2", "empty"))
        .says(B, follows("b", "empty", A))
        .says(C, follows("c", "empty", A));
    let nothing = Some(Some(Loss::NoKeys));
    assert_eq!((roll.primary(), loss(&mut roll)), (Some(A), nothing));
}
