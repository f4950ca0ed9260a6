//! R1, R4, R17: what proves that a node holds the group's data, and for how long that is remembered.

use super::*;
use crate::core::sentinel::{Phase, SentinelReport, Vote};

fn stranger() -> HostPort {
    HostPort::new("10.9.9.9", 6379)
}

fn of_the_stranger(run: &str) -> Facts {
    replica(run, "strange", &stranger())
}

fn is_foreign(roll: &Roll, node: u32) -> bool {
    matches!(roll.may_read(node), Err(Ineligible::Foreign { .. }))
}

#[test]
fn r17_a_failover_after_a_restart_from_an_append_only_file_keeps_the_group_at_home() {
    let mut roll = settled();
    roll.refuses(A).passes(Duration::from_secs(2));
    let restarted = Facts {
        uptime: Some(Duration::from_secs(2)),
        ..primary("a2", "fresh")
    };
    roll.says(A, restarted)
        .says(B, follows("b", "fresh", A))
        .says(C, follows("c", "fresh", A));
    assert_eq!(roll.primary(), Some(A));
    roll.refuses(A)
        .says(B, promoted("b", "next", "fresh", 1001))
        .says(C, follows("c", "next", B))
        .passes(Duration::from_millis(1));
    assert_eq!((roll.primary(), roll.may_write(B)), (Some(B), Ok(())));
    assert_eq!(roll.may_read(C), Ok(()));
}

#[test]
fn r17_who_was_vouched_for_is_not_elected_with_a_strangers_data() {
    let mut roll = settled();
    roll.goes_silent(A, 1).says(C, follows("c", "strange", A));
    assert_eq!(roll.may_read(C), Ok(()), "redis-1 may be promoted anew");
    roll.group.take_events();
    roll.says(A, of_the_stranger("a"))
        .says(C, received("c", "its own", "strange", 1001))
        .passes(HOLD * 3);
    assert_eq!((is_foreign(&roll, C), roll.evidence()), (true, None));
}

#[test]
fn r17_what_was_never_in_sync_proves_nothing_later() {
    let mut roll = settled();
    roll.says(C, cut_off("c2", "strange", &stranger(), None));
    roll.group.take_events();
    roll.says(A, follows("a", "hist", C))
        .says(C, received("c2", "its own", "strange", 1001));
    assert_eq!((is_foreign(&roll, C), roll.evidence()), (true, None));
}

#[test]
fn r17_a_replica_of_the_only_node_shares_what_that_one_holds() {
    let mut roll = Roll::of(1);
    roll.says(A, primary("a", "hist"))
        .says(B, follows("b", "hist", A))
        .says(A, promoted("a2", "new", "unseen", 1001))
        .says(B, follows("b", "new", A));
    assert_eq!((roll.primary(), roll.may_read(B)), (Some(A), Ok(())));
}

#[test]
fn r17_what_was_foreign_before_a_lapse_is_foreign_after_it() {
    let mut roll = settled();
    roll.says(C, lived_elsewhere(primary("x", "strange")));
    assert!(is_foreign(&roll, C));
    roll.now = roll.now.plus(Duration::from_secs(120));
    roll.says(C, lived_elsewhere(primary("x", "strange")));
    assert!(is_foreign(&roll, C));
}

#[test]
fn r17_a_replica_of_the_history_that_is_accepted_is_no_reason_against_it() {
    let mut roll = settled();
    // redis-3 held what redis-2 began with nothing, and follows what redis-2 made of a copy of that.
    roll.says(B, blank("b2", "empty"))
        .says(C, follows("c", "empty", B))
        .says(
            C,
            Facts {
                replid2: Some(ReplId("empty".into())),
                ..follows("c", "next", B)
            },
        )
        .says(B, lived_elsewhere(copied("b3", "next", "empty", 900)))
        .refuses(A);
    assert_eq!((is_foreign(&roll, B), roll.may_read(C)), (true, Ok(())));
    assert_eq!(roll.group.accept_history(NodeId(B), roll.now), Ok(()));
    assert_eq!(roll.may_read(C), Ok(()));
}

#[test]
fn r11_a_missed_check_of_a_replica_of_another_history_elects_nobody() {
    let mut roll = Roll::without_local(3);
    roll.says(C, cut_off("c", "hist", &address(A), Some(Duration::ZERO)))
        .says(A, cut_off("a", "hist", &stranger(), None))
        .says(B, received("x", "its own", "strange", 7000))
        .goes_silent(A, 1)
        .goes_silent(C, 1);
    assert_eq!(roll.primary(), None);
}

#[test]
fn r1_an_address_counts_by_itself_as_soon_as_the_other_one_is_another_process() {
    let mut roll = Roll::without_local(3);
    let same = || cut_off("same", "hist", &address(C), Some(Duration::ZERO));
    roll.refuses(C).says(A, same()).says(B, same());
    roll.says(A, of_the_stranger("x"));
    assert!(is_foreign(&roll, A), "redis-2 follows a node of the group");
}

#[test]
fn r1_the_other_address_of_a_demoted_process_does_not_take_over() {
    let mut roll = Roll::without_local(3);
    roll.refuses(A)
        .says(B, primary("same", "hist"))
        .says(C, follows("c", "hist", B))
        .says(A, primary("same", "hist"));
    assert_eq!(roll.primary(), Some(B));
    let demoted = cut_off("same", "hist", &stranger(), Some(Duration::ZERO));
    roll.says(B, demoted).passes(Duration::from_millis(1));
    assert_eq!((roll.primary(), roll.term()), (None, 0));
}

#[test]
fn r1_maintenance_of_one_address_holds_for_the_process() {
    let mut roll = Roll::without_local(4);
    roll.says(A, follows("same", "hist", C))
        .says(B, follows("same", "hist", C));
    assert_eq!(roll.may_read(A), Ok(()));
    roll.group.order(NodeId(B), Order::Maintenance, roll.now);
    assert_eq!(roll.may_read(A), Err(Ineligible::Maintenance));
}

#[test]
fn r4_votes_for_one_unknown_address_are_one_vote_only_where_they_mean_the_same_run() {
    let mut roll = sentinels::watched();
    let vote = |run: Option<&str>| {
        SentinelReport::Votes(Vote {
            address: HostPort::new("192.168.7.7", 6379),
            run_id: run.map(|run| crate::core::facts::RunId(run.into())),
            config_epoch: 1,
            phase: Phase::Settled,
            down: false,
        })
    };
    roll.hears(0, vote(None))
        .hears(1, vote(Some("a")))
        .refuses(C)
        .says(A, primary("a", "hist"))
        .says(B, received("b", "new", "hist", 900));
    assert_eq!(roll.primary(), None, "the third may name redis-1 too");
    roll.hears(2, vote(Some("a")));
    assert_eq!(roll.primary(), None, "votes against descent");
    roll.hears(2, vote(None));
    assert_eq!(roll.primary(), Some(B));
}

#[test]
fn r11_a_missed_check_of_a_replica_makes_nobodys_own_word_count() {
    for missed in [Outcome::Closed, Outcome::TimedOut(Stage::Reply)] {
        let mut roll = settled();
        roll.refuses(A).refuses(B);
        roll.says(C, cut_off("c", "hist", &address(A), Some(Duration::ZERO)))
            .says(B, received("b2", "forged", "hist", 9999))
            .gets(C, missed);
        assert_eq!(roll.primary(), Some(A), "redis-3 may still say more");
    }
}

#[test]
fn r17_a_name_that_moves_as_it_answers_proves_no_restart() {
    let mut roll = settled();
    roll.refuses(B).refuses(C);
    let there = |last: u8| crate::core::snapshot::Target::Tcp(([10, 2, 2, last], 6379).into());
    roll.group.resolved(NodeId(A), Some(there(1)), roll.now);
    roll.says(A, primary("a", "hist"));
    roll.group.resolved(NodeId(A), Some(there(2)), roll.now);
    roll.says(A, primary("x", "strange"));
    assert!(matches!(roll.may_write(A), Err(Ineligible::Foreign { .. })));
}
