//! R17: data of another history under a known address.

use super::*;
use crate::core::group::AcceptRefusal;
use crate::core::reason::CloseReason;

fn stranger() -> HostPort {
    HostPort::new("10.9.9.9", 6379)
}

fn of_the_stranger(run: &str) -> Facts {
    replica(run, "strange", &stranger())
}

impl Roll {
    fn close_reads(&self, node: u32) -> Option<CloseReason> {
        self.group.view().node(NodeId(node)).unwrap().close_reads
    }

    fn follows_the_stranger(&self, node: u32) -> bool {
        let why = Ineligible::Foreign {
            follows: Some(stranger()),
            member: None,
        };
        self.may_read(node) == Err(why)
    }
}

#[test]
fn r17_a_replica_of_a_stranger_serves_no_reads_and_has_no_vote() {
    let mut roll = settled();
    let run = roll.group.view().node(NodeId(B)).unwrap().run;
    roll.says(B, of_the_stranger("b"));
    assert!(roll.follows_the_stranger(B));
    assert_eq!(roll.close_reads(B), Some(CloseReason::LostData));
    assert!(roll.group.view().node(NodeId(B)).unwrap().run > run);
    assert_eq!((roll.primary(), roll.may_read(C)), (Some(A), Ok(())));
    // Nor where it is cut off from the stranger again.
    let cut = cut_off("b", "strange", &stranger(), Some(Duration::ZERO));
    roll.refuses(A).says(B, cut);
    assert_eq!(roll.close_reads(B), Some(CloseReason::LostData));
    assert!(matches!(roll.may_read(B), Err(Ineligible::Foreign { .. })));
    // In sync with the group it is at home again.
    roll.says(A, primary("a", "hist"))
        .says(B, follows("b", "hist", A));
    assert_eq!((roll.may_read(B), roll.close_reads(B)), (Ok(()), None));
}

#[test]
fn r17_the_history_decides_and_not_the_address() {
    let mut roll = settled();
    // Through a node that is not configured, or another proxy.
    roll.says(B, replica("b", "hist", &stranger()));
    assert_eq!(roll.may_read(B), Ok(()));
    // In sync with one that was promoted there: its history continues ours.
    let promoted_there = Facts {
        replid2: Some(ReplId("hist".into())),
        ..replica("b", "new", &stranger())
    };
    roll.says(B, promoted_there);
    assert_eq!(roll.close_reads(B), None);
    // What has nothing of ours is foreign, though it follows the same one.
    roll.says(C, replica("c", "new", &stranger()));
    assert!(roll.follows_the_stranger(C));
    // In sync with a node of the group that was promoted, the history is the group's.
    let mut roll = settled();
    let there = Facts {
        replid2: Some(ReplId("hist".into())),
        ..follows("c", "new", B)
    };
    roll.says(C, there)
        .says(3, follows("d", "new", B))
        .says(B, promoted("b", "new", "hist", 1001));
    assert_eq!((roll.may_read(C), roll.may_read(3)), (Ok(()), Ok(())));
}

#[test]
fn r17_an_empty_node_that_was_taken_for_want_of_another_does_not_lock_the_others_out() {
    let mut roll = Roll::without_local(3);
    roll.goes_silent(A, 6)
        .goes_silent(C, 6)
        .says(B, blank("b", "empty"))
        .passes(HOLD);
    assert_eq!(roll.primary(), Some(B));
    roll.says(C, follows("c", "hist", A))
        .says(A, primary("a", "hist"))
        .says(C, follows("c", "hist", A));
    assert_eq!((roll.primary(), roll.may_read(C)), (Some(A), Ok(())));
}

#[test]
fn r17_a_forged_branch_of_the_elected_one_lets_no_stranger_in() {
    let mut roll = settled();
    roll.says(C, lived_elsewhere(primary("x", "strange")));
    roll.says(A, promoted("a", "hist", "strange", 5));
    assert!(matches!(roll.may_write(C), Err(Ineligible::Foreign { .. })));
}

#[test]
fn r17_a_primary_that_was_a_replica_between_two_checks_takes_its_group_along() {
    let mut roll = settled();
    roll.says(A, promoted("a", "mine", "hist", 1001))
        .says(B, follows("b", "mine", A))
        .says(B, promoted("b", "next", "mine", 1001));
    assert_eq!(roll.primary(), Some(B));
}

#[test]
fn r17_a_primary_that_follows_a_stranger_takes_the_group_with_it_and_nobody_serves() {
    let mut roll = settled();
    roll.says(A, of_the_stranger("a"))
        .says(B, follows("b", "strange", A))
        .says(C, follows("c", "strange", A));
    assert_eq!(roll.primary(), None);
    for node in [A, B, C] {
        let why = roll.may_read(node);
        assert!(matches!(why, Err(Ineligible::Foreign { .. })), "{why:?}");
        assert_eq!(roll.close_reads(node), Some(CloseReason::LostData));
    }
    // Promoted, it is not elected either, by votes or by time.
    roll.says(A, received("a", "mine", "strange", 5000))
        .says(B, follows("b", "mine", A))
        .says(C, follows("c", "mine", A))
        .passes(HOLD * 3);
    assert_eq!(roll.primary(), None);
    roll.group.accept_history(NodeId(A), roll.now).unwrap();
    assert_eq!(roll.primary(), Some(A));
    assert_eq!((roll.may_read(B), roll.may_read(C)), (Ok(()), Ok(())));
    let told: Vec<String> = roll
        .group
        .take_events()
        .iter()
        .map(|event| event.kind.to_string())
        .collect();
    assert!(
        told.iter()
            .any(|text| text.contains("accepts the history of redis-1")),
        "{told:?}"
    );
}

#[test]
fn r17_a_history_is_not_accepted_while_the_groups_own_is_there() {
    let mut roll = settled();
    let accept = |roll: &mut Roll, node| roll.group.accept_history(NodeId(node), roll.now);
    let native = AcceptRefusal::Native("redis-2".into());
    assert_eq!(accept(&mut roll, B), Err(native));
    roll.says(B, of_the_stranger("b"));
    let others = AcceptRefusal::OthersHold("redis-1".into());
    assert_eq!(accept(&mut roll, B), Err(others));
    assert_eq!(accept(&mut roll, 77), Err(AcceptRefusal::NoSuchNode));
    assert_eq!(
        (roll.primary(), roll.follows_the_stranger(B)),
        (Some(A), true)
    );
    roll.group.order(NodeId(A), Order::Maintenance, roll.now);
    roll.group.order(NodeId(C), Order::Maintenance, roll.now);
    assert_eq!(accept(&mut roll, B), Ok(()));
    assert_eq!(roll.may_read(B), Ok(()));
    // What the group had before is foreign now.
    roll.group.order(NodeId(C), Order::Ready, roll.now);
    roll.says(C, follows("c", "hist", A));
    assert!(matches!(roll.may_read(C), Err(Ineligible::Foreign { .. })));
}

#[test]
fn r17_an_address_that_belongs_to_another_groups_replica_is_not_elected_when_it_is_promoted() {
    let mut roll = settled();
    roll.refuses(B).says(B, of_the_stranger("x"));
    assert!(roll.follows_the_stranger(B));
    roll.refuses(A)
        .says(B, received("x", "its own", "strange", 7000))
        .says(C, follows("c", "its own", B))
        .passes(HOLD * 3);
    assert_eq!(roll.primary(), Some(A), "the last elected one");
    assert!(matches!(roll.may_write(B), Err(Ineligible::Foreign { .. })));
    assert_eq!(roll.close_reads(C), Some(CloseReason::LostData));
}

#[test]
fn r17_a_primary_that_lived_elsewhere_is_foreign_and_a_restarted_one_is_not() {
    for (uptime, native) in [(Some(86_400), false), (Some(2), true), (None, true)] {
        let mut roll = settled();
        roll.refuses(A).passes(Duration::from_secs(2));
        // With an append-only file: a new history, and replicas that came before our check.
        let restarted = Facts {
            uptime: uptime.map(Duration::from_secs),
            ..primary("a2", "fresh")
        };
        roll.says(A, restarted)
            .says(B, follows("b", "fresh", A))
            .says(C, follows("c", "fresh", A));
        assert_eq!(roll.primary(), native.then_some(A), "up for {uptime:?}");
        assert_eq!(roll.may_read(B).is_ok(), native, "up for {uptime:?}");
    }
}

#[test]
fn r17_a_primary_without_replicas_may_draw_a_new_history_while_it_claims() {
    let mut roll = settled();
    roll.refuses(B).refuses(C);
    let after_backlog_ttl = || primary("a", "drawn anew");
    roll.says(A, after_backlog_ttl());
    assert_eq!((roll.primary(), roll.term()), (Some(A), 1));
    roll.says(B, follows("b", "drawn anew", A));
    assert_eq!(roll.may_read(B), Ok(()));
}

#[test]
fn r17_at_a_cold_start_a_replica_of_a_stranger_waits_for_the_others_and_is_foreign_beside_them() {
    let mut roll = Roll::without_local(3);
    roll.says(B, of_the_stranger("b"));
    assert_eq!(roll.may_read(B), Err(Ineligible::Unplaced));
    roll.refuses(A)
        .says(C, cut_off("c", "hist", &address(A), Some(Duration::ZERO)));
    assert!(roll.follows_the_stranger(B));
    assert_eq!(roll.may_read(C), Ok(()));
    // Alone it may be a chain through a node that is not configured.
    let mut roll = Roll::without_local(2);
    roll.refuses(A).says(B, of_the_stranger("b"));
    assert_eq!(roll.may_read(B), Ok(()));
}

#[test]
fn r17_at_a_cold_start_one_claimant_waits_where_a_replica_tells_another_history() {
    let mut roll = Roll::without_local(3);
    roll.says(C, cut_off("c", "hist", &address(A), Some(Duration::ZERO)))
        .says(A, cut_off("a", "hist", &stranger(), None))
        .says(B, received("x", "its own", "strange", 7000));
    assert_eq!(
        roll.primary(),
        None,
        "redis-2 alone claims, with another's data"
    );
    roll.passes(HOLD);
    assert!(matches!(roll.evidence(), Some(Evidence::Hold { .. })));
}

#[test]
fn r17_a_learned_node_must_share_the_history_before_anything_else() {
    let learned = |roll: &mut Roll| {
        let settings = NodeSettings {
            id: NodeId(9),
            name: "10.9.9.9:6379".into(),
            address: Some(stranger()),
            local: false,
            weight: 1,
        };
        roll.group.learn(settings, roll.now);
    };
    let mut roll = settled();
    learned(&mut roll);
    roll.says(9, primary("x", "strange"));
    assert!(matches!(roll.may_write(9), Err(Ineligible::Foreign { .. })));
    roll.says(9, follows("x", "hist", A));
    assert_eq!(roll.may_read(9), Ok(()));
    // At a cold start too.
    let mut roll = Roll::without_local(2);
    learned(&mut roll);
    roll.refuses(A)
        .says(9, primary("x", "strange"))
        .says(B, cut_off("b", "hist", &address(A), Some(Duration::ZERO)))
        .passes(HOLD * 3);
    assert_eq!(roll.primary(), None);
    assert_eq!(roll.may_read(B), Ok(()));
}

#[test]
fn r17_a_replica_of_a_node_out_of_our_sight_keeps_its_reads() {
    let mut roll = settled();
    // redis-2 is promoted where we cannot see it, and redis-3 syncs with it.
    roll.goes_silent(B, 6).refuses(A);
    roll.says(C, follows("c", "unseen", B));
    assert_eq!(roll.may_read(C), Ok(()));
    // Another process there is vouched for by nobody.
    roll.refuses(C).says(C, follows("c2", "elsewhere", B));
    assert!(matches!(roll.may_read(C), Err(Ineligible::Foreign { .. })));
}

#[test]
fn r17_a_proxy_that_did_not_run_for_a_while_knows_no_more_than_a_new_one() {
    let mut roll = settled();
    roll.now = roll.now.plus(Duration::from_secs(120));
    // Two failovers in the meantime.
    let third = |facts| Facts {
        replid2: Some(ReplId("second".into())),
        second_offset: Some(3000),
        ..facts
    };
    roll.says(B, third(follows("b", "third", C)))
        .says(A, third(follows("a", "third", C)))
        .says(C, third(primary("c", "third")));
    assert_eq!(roll.primary(), Some(C));
    roll.says(B, third(follows("b", "third", C)));
    assert_eq!(roll.may_read(B), Ok(()));
    roll.says(B, of_the_stranger("b"));
    assert!(roll.follows_the_stranger(B), "from then on it knows again");
}

#[test]
fn r17_what_tells_no_branches_cannot_be_told_apart() {
    let dragonfly = |facts: Facts| Facts {
        tells_branch: false,
        replid2: None,
        second_offset: None,
        ..facts
    };
    let mut roll = Roll::without_local(3);
    roll.says(A, dragonfly(primary("a", "one")))
        .says(B, dragonfly(follows("b", "one", A)))
        .says(C, dragonfly(follows("c", "one", A)));
    assert_eq!(roll.primary(), Some(A));
    roll.says(A, dragonfly(follows("a", "two", B)))
        .says(B, dragonfly(primary("b", "two")))
        .says(C, dragonfly(follows("c", "two", B)));
    assert_eq!((roll.primary(), roll.may_read(C)), (Some(B), Ok(())));
}

#[test]
fn a_node_that_follows_itself_says_so() {
    let mut roll = settled();
    roll.says(B, cut_off("b", "hist", &address(B), Some(Duration::ZERO)));
    assert_eq!(roll.may_read(B), Err(Ineligible::FollowsItself));
}

/// So many failovers that the proxy did not see: redis-2 is primary now, with a history that it never told.
fn after_two_unseen(facts: Facts) -> Facts {
    Facts {
        replid2: Some(ReplId("second".into())),
        second_offset: Some(3000),
        ..facts
    }
}

#[test]
fn r17_the_groups_own_processes_are_no_strangers_after_two_failovers_out_of_sight() {
    let mut roll = settled();
    roll.says(A, after_two_unseen(follows("a", "third", B)))
        .says(C, after_two_unseen(follows("c", "third", B)))
        .says(B, after_two_unseen(primary("b", "third")));
    assert_eq!(roll.primary(), Some(B));
    assert!(matches!(roll.evidence(), Some(Evidence::Votes { .. })));
    assert_eq!((roll.may_read(A), roll.may_read(C)), (Ok(()), Ok(())));
    // By time alone it is not elected: nothing tells it from one that was promoted elsewhere.
    let mut roll = settled();
    roll.refuses(A)
        .says(C, cut_off("c", "hist", &address(A), Some(Duration::ZERO)))
        .says(B, after_two_unseen(primary("b", "third")))
        .passes(HOLD * 2);
    assert_eq!(roll.primary(), Some(A));
}

#[test]
fn r17_one_that_was_seen_with_a_strangers_data_is_not_elected_by_votes() {
    let mut roll = settled();
    roll.refuses(A)
        .says(B, of_the_stranger("b"))
        .says(B, received("b", "its own", "strange", 70))
        .says(C, follows("c", "its own", B));
    assert_eq!(roll.primary(), Some(A));
}

#[test]
fn r17_a_restart_with_a_history_that_is_not_known_is_elected_by_votes() {
    let restarted = |run: &str, facts: Facts| Facts {
        uptime: Some(Duration::from_secs(1)),
        run_id: crate::core::facts::RunId(run.into()),
        ..facts
    };
    // Another node than before, from an append-only file, with a replica before our first check; and the same
    // node, from a dump that is older than what we know.
    for (node, facts) in [
        (B, primary("x", "fresh")),
        (A, copied("x", "fresh", "long ago", 70)),
    ] {
        let mut roll = settled();
        for each in [A, B, C] {
            roll.refuses(each);
        }
        roll.says(node, restarted("new", facts.clone()));
        assert_ne!(roll.primary(), Some(node));
        for each in [A, B, C].into_iter().filter(|each| *each != node) {
            roll.says(
                each,
                restarted(&format!("new-{each}"), follows("x", "fresh", node)),
            );
        }
        assert_eq!(roll.primary(), Some(node));
        let other = if node == A { B } else { A };
        assert_eq!(roll.may_read(other), Ok(()));
        // One that lived elsewhere before is a stranger.
        let mut roll = settled();
        for each in [A, B, C] {
            roll.refuses(each);
        }
        roll.says(node, lived_elsewhere(restarted("new", facts)))
            .passes(HOLD);
        assert!(matches!(
            roll.may_write(node),
            Err(Ineligible::Foreign { .. })
        ));
    }
}

#[test]
fn r17_a_node_that_tells_ever_new_histories_costs_the_others_nothing() {
    let mut roll = settled();
    for lie in 0..100 {
        let telling = Facts {
            replid2: Some(ReplId("hist".into())),
            ..follows("b", &format!("lie-{lie}"), A)
        };
        roll.says(B, telling)
            .says(A, primary("a", "hist"))
            .says(C, follows("c", "hist", A));
        assert_eq!((roll.primary(), roll.may_read(C)), (Some(A), Ok(())));
    }
}

#[test]
fn r4_a_guess_at_a_cold_start_does_not_outlive_the_evidence() {
    let mut roll = Roll::without_local(3);
    roll.refuses(A)
        .says(C, cut_off("c", "hist", &address(A), Some(Duration::ZERO)))
        .says(B, received("x", "its own", "strange", 7000))
        .passes(HOLD);
    assert_eq!(roll.primary(), Some(B), "by the hold");
    roll.says(A, primary("a", "hist"))
        .says(C, follows("c", "hist", A));
    assert_eq!((roll.primary(), roll.may_read(C)), (Some(A), Ok(())));
}

#[test]
fn r3_2_a_replica_that_is_promoted_later_replaces_a_copy_that_time_elected() {
    let mut roll = Roll::without_local(3);
    roll.says(A, primary("a", "hist"))
        .says(B, follows("b", "hist", A))
        .says(C, copied("x", "copy", "hist", 900));
    assert_eq!(roll.primary(), Some(A));
    roll.refuses(A)
        .says(B, cut_off("b", "hist", &address(A), Some(Duration::ZERO)))
        .passes(HOLD);
    assert_eq!(roll.primary(), Some(C));
    roll.says(B, promoted("b", "new", "hist", 1001));
    assert_eq!(roll.primary(), Some(B));
}

#[test]
fn r17_an_empty_node_that_came_back_with_a_strangers_data_is_not_elected_by_time() {
    let mut roll = settled();
    roll.refuses(B).refuses(C).says(A, blank("a2", "empty"));
    roll.says(A, cut_off("a2", "empty", &stranger(), None))
        .says(A, received("a2", "its own", "strange", 900))
        .passes(HOLD * 2);
    assert_eq!(roll.primary(), None);
}
