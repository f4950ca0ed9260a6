//! The rules of election where Sentinels are asked: what nodes and Sentinels say, and who is believed.

use super::*;
use crate::core::facts::RunId;
use crate::core::sentinel::{MEMORY, Phase, SentinelReport, Vote};

pub(super) const INTERVAL: Duration = Duration::from_millis(500);

/// Three nodes, none of them local, and three Sentinels.
pub(super) fn watched() -> Roll {
    let mut roll = Roll::without_local(3);
    roll.group = roll
        .group
        .with_sentinels(["s1", "s2", "s3"].map(Into::into));
    roll
}

fn vote(place: HostPort, epoch: u64) -> Vote {
    Vote {
        address: place,
        run_id: None,
        config_epoch: epoch,
        phase: Phase::Settled,
        down: false,
    }
}

/// A Redis before 4: no history that could prove descent or match votes.
fn old_style(facts: Facts) -> Facts {
    Facts {
        replid: None,
        replid2: None,
        second_offset: None,
        ..facts
    }
}

impl Roll {
    pub(super) fn silent(&mut self, node: u32) -> &mut Self {
        self.goes_silent(node, 6)
    }

    pub(super) fn hears(&mut self, sentinel: usize, said: SentinelReport) -> &mut Self {
        self.now = self.now.plus(Duration::from_millis(10));
        self.group.sentinel(sentinel, said, self.now);
        self
    }

    /// No Sentinel answers.
    pub(super) fn none_answers(&mut self) -> &mut Self {
        (0..3).fold(self, |watch, sentinel| {
            watch.hears(sentinel, SentinelReport::Unreachable("refused".into()))
        })
    }

    pub(super) fn names(&mut self, sentinel: usize, node: u32, epoch: u64) -> &mut Self {
        self.hears(sentinel, SentinelReport::Votes(vote(address(node), epoch)))
    }

    pub(super) fn all_name(&mut self, node: u32, epoch: u64) -> &mut Self {
        (0..3).fold(self, |watch, sentinel| watch.names(sentinel, node, epoch))
    }
}

/// Two claimants at a cold start, and nothing that tells who is right.
fn torn() -> Roll {
    let mut watch = watched();
    watch
        .says(A, primary("a", "hist-a"))
        .says(B, copied("b", "hist-b", "hist-a", 900))
        .says(C, copied("c", "hist-c", "hist-a", 900));
    assert_eq!(watch.primary(), None);
    watch
}

/// redis-1 was elected by its replicas, then redis-2 was promoted and elected by descent.
pub(super) fn promoted_b() -> Roll {
    let mut watch = watched();
    watch.all_name(A, 7);
    watch
        .says(B, follows("b", "hist", A))
        .says(C, follows("c", "hist", A))
        .says(A, primary("a", "hist"))
        .says(B, promoted("b", "new", "hist", 1001));
    assert_eq!(watch.primary(), Some(B));
    watch
}

#[test]
fn r4_a_majority_elects_among_claimants_and_a_minority_does_not() {
    let mut watch = torn();
    watch.names(0, B, 3).passes(HOLD * 2).names(1, A, 3);
    assert_eq!(watch.primary(), None, "one of three, each");
    watch.names(2, B, 3);
    let evidence = Evidence::SentinelVotes {
        sentinels: vec!["s1".into(), "s3".into()],
        of: 3,
    };
    assert_eq!(evidence.to_string(), "2 of 3 Sentinels name it (s1, s3)");
    assert_eq!(
        (watch.primary(), watch.evidence()),
        (Some(B), Some(evidence))
    );
}

#[test]
fn r4_a_majority_waits_for_each_node_to_be_heard_once_and_for_no_answer() {
    let mut watch = watched();
    watch.all_name(A, 1).says(A, primary("a", "hist"));
    assert_eq!(watch.primary(), None, "one of the others may be its heir");
    watch.goes_silent(B, 1).gets(C, Outcome::Busy);
    assert_eq!(watch.primary(), Some(A));
}

#[test]
fn r4_replicas_wait_for_each_sentinel_that_could_make_a_majority() {
    let mut watch = watched();
    watch
        .says(A, primary("a", "hist"))
        .says(B, copied("b", "copy", "hist", 900))
        .says(C, follows("c", "hist", A));
    assert_eq!(watch.primary(), None);
    watch.names(0, B, 3).hears(1, SentinelReport::UnknownName);
    assert_eq!(watch.primary(), None, "two of three may name redis-2");
    watch.names(2, A, 3);
    assert_eq!(watch.primary(), Some(A));
}

#[test]
fn a_named_node_is_elected_only_when_it_claims() {
    let mut watch = watched();
    watch.all_name(B, 9).says(B, follows("b", "hist", A));
    watch
        .says(C, follows("c", "hist", B))
        .silent(A)
        .passes(HOLD * 3);
    assert_eq!(watch.primary(), None);

    let mut watch = promoted_b();
    for epoch in 8..20 {
        watch.all_name(C, epoch).passes(HOLD);
        let nowhere = vote(HostPort::new("192.0.2.1", 1), epoch);
        for sentinel in 0..3 {
            watch.hears(sentinel, SentinelReport::Votes(nowhere.clone()));
        }
    }
    assert_eq!((watch.primary(), watch.term()), (Some(B), 2));
}

#[test]
fn a_vote_matches_by_run_where_the_address_is_none_of_ours() {
    let mut watch = torn();
    let behind_nat = Vote {
        run_id: Some(RunId("c".into())),
        ..vote(HostPort::new("192.168.7.7", 6379), 1)
    };
    for sentinel in [0, 1] {
        watch.hears(sentinel, SentinelReport::Votes(behind_nat.clone()));
    }
    assert_eq!(watch.primary(), Some(C));
}

#[test]
fn a_vote_for_the_process_before_is_none_for_the_restarted_one() {
    let mut watch = torn();
    let before = Vote {
        run_id: Some(RunId("a-before".into())),
        ..vote(address(A), 1)
    };
    for sentinel in 0..3 {
        watch.hears(sentinel, SentinelReport::Votes(before.clone()));
    }
    assert_eq!(watch.primary(), None);
    watch.all_name(A, 1);
    assert_eq!(watch.primary(), Some(A), "the Sentinels have noticed");
}

#[test]
fn a_sentinel_in_a_failover_names_nobody() {
    let mut watch = torn();
    let leader = Vote {
        phase: Phase::FailingOver,
        ..vote(address(A), 8)
    };
    watch.names(0, A, 7).hears(1, SentinelReport::Votes(leader));
    assert_eq!(watch.primary(), None);
}

#[test]
fn r3_3_the_ancestor_does_not_return_by_old_votes() {
    let mut watch = promoted_b();
    for _ in 0..20 {
        watch
            .all_name(A, 7)
            .says(A, primary("a", "hist"))
            .says(B, promoted("b", "new", "hist", 1001));
        assert_eq!((watch.primary(), watch.term()), (Some(B), 2));
    }
    // Nor when the heir was lost: it holds what was written since.
    watch.says(B, follows("b", "new", C)).passes(HOLD / 2);
    watch.all_name(A, 7);
    assert_ne!(watch.evidence().map(|e| e.rule()), Some("R3.3"));

    let mut watch = promoted_b();
    watch.names(0, A, 8).says(A, primary("a", "hist"));
    assert_eq!(watch.primary(), Some(B), "one of three under a new epoch");
    watch.names(1, A, 8);
    assert_eq!(watch.primary(), Some(A), "they failed over to it since");
}

#[test]
fn r3_3_old_votes_stay_old_when_the_heir_is_demoted() {
    let mut watch = promoted_b();
    // Sentinel promotes redis-3 instead, and makes a replica of redis-2; two have not switched yet.
    watch
        .says(C, promoted("c", "newer", "hist", 900))
        .names(2, C, 8)
        .says(B, follows("b", "newer", C));
    assert_eq!((watch.primary(), watch.term()), (Some(C), 3));
    watch
        .names(0, A, 7)
        .names(1, A, 7)
        .says(A, primary("a", "hist"));
    assert_eq!((watch.primary(), watch.term()), (Some(C), 3));
    watch.names(0, A, 9).names(1, A, 9);
    assert_eq!(watch.primary(), Some(A), "they failed over to it since");
}

#[test]
fn r3_3_sentinels_that_are_first_heard_after_a_descent_tell_old_votes() {
    let mut watch = watched();
    watch
        .none_answers()
        .says(B, follows("b", "hist", A))
        .says(C, follows("c", "hist", A))
        .says(A, primary("a", "hist"))
        .says(B, promoted("b", "new", "hist", 1001));
    assert_eq!(watch.primary(), Some(B));
    watch.all_name(A, 7).says(A, primary("a", "hist"));
    assert_eq!(watch.primary(), Some(B));
    watch.all_name(A, 8);
    assert_eq!(watch.primary(), Some(A));
}

#[test]
fn r3_3_sentinels_correct_the_choice_of_replicas_at_a_cold_start() {
    let mut watch = watched();
    watch
        .none_answers()
        .says(C, follows("c", "hist", A))
        .gets(B, Outcome::Refused)
        .says(A, primary("a", "hist"));
    assert_eq!(watch.primary(), Some(A));
    watch
        .all_name(B, 8)
        .says(B, promoted("b", "new", "hist", 1001));
    assert_eq!(watch.primary(), Some(B), "they failed over before we came");
    for _ in 0..10 {
        watch
            .says(A, primary("a", "hist"))
            .says(C, follows("c", "hist", A));
        assert_eq!((watch.primary(), watch.term()), (Some(B), 2));
    }
}

#[test]
fn r3_3_replicas_and_sentinels_do_not_play_the_writes_to_and_fro() {
    let mut watch = watched();
    watch.all_name(A, 7);
    watch
        .goes_silent(C, 1)
        .says(A, old_style(primary("a", "x")))
        .says(B, old_style(primary("b", "x")));
    assert_eq!(watch.primary(), Some(A));
    for _ in 0..10 {
        watch
            .says(C, old_style(follows("c", "x", B)))
            .all_name(A, 7)
            .says(B, old_style(primary("b", "x")));
        assert_eq!((watch.primary(), watch.term()), (Some(A), 1));
    }

    let mut watch = watched();
    watch
        .says(A, old_style(primary("a", "x")))
        .says(C, old_style(follows("c", "x", B)))
        .says(B, old_style(primary("b", "x")));
    watch.all_name(A, 7);
    assert_eq!(watch.primary(), None, "they contradict each other");
    watch.passes(HOLD);
    assert_eq!(watch.primary(), Some(A), "the Sentinels will act by theirs");
    for _ in 0..10 {
        watch
            .all_name(A, 7)
            .says(C, old_style(follows("c", "x", B)));
        assert_eq!((watch.primary(), watch.term()), (Some(A), 1));
    }
}

#[test]
fn sentinels_that_flap_between_two_claimants_under_one_epoch_move_nothing() {
    let mut watch = torn();
    watch.all_name(A, 5);
    assert_eq!(watch.primary(), Some(A));
    for round in 0..10 {
        watch.all_name(if round % 2 == 0 { B } else { A }, 5);
        assert_eq!((watch.primary(), watch.term()), (Some(A), 1));
    }
    watch.all_name(B, 6);
    assert_eq!(watch.primary(), Some(B), "a failover raises the epoch");
}

#[test]
fn r3_4_the_hold_waits_while_a_majority_names_another_that_does_not_answer() {
    let mut watch = watched();
    watch
        .says(C, follows("c", "hist", A))
        .says(A, primary("a", "hist"))
        .gets(B, Outcome::Refused);
    watch.passes(HOLD);
    assert_eq!(watch.primary(), Some(A));
    watch
        .all_name(B, 2)
        .silent(A)
        .silent(B)
        .says(C, primary("c2", "other"));
    watch.passes(HOLD * 2).passes(HOLD);
    assert_eq!(watch.primary(), Some(A), "redis-2 may be alive elsewhere");
    // A minority keeps nobody waiting.
    watch.names(0, C, 2).names(1, A, 2);
    watch.passes(HOLD).says(C, primary("c2", "other"));
    assert_eq!(watch.primary(), Some(C));
    assert!(matches!(watch.evidence(), Some(Evidence::Hold { .. })));
}

#[test]
fn r4_the_only_claimant_waits_while_a_majority_names_a_stranger() {
    let mut watch = watched();
    for sentinel in [0, 1] {
        let elsewhere = vote(HostPort::new("192.0.2.1", 6379), 2);
        watch.hears(sentinel, SentinelReport::Votes(elsewhere));
    }
    watch
        .gets(B, Outcome::Loading)
        .says(A, blank("a", "hist"))
        .says(C, follows("c", "none", B))
        .says(B, follows("b", "none", C))
        .says(A, primary("a", "hist"));
    watch.passes(HOLD * 2);
    assert_eq!(watch.primary(), None);
}

#[test]
fn a_sentinel_that_is_gone_convinces_nobody_and_delays_the_hold_for_a_while() {
    let gone = || SentinelReport::Unreachable("refused".into());
    let mut watch = watched();
    watch.all_name(A, 2);
    for sentinel in 0..3 {
        watch.hears(sentinel, gone());
    }
    watch
        .says(A, primary("a", "hist-a"))
        .says(B, primary("b", "hist-b"));
    assert_eq!(watch.primary(), None, "as evidence it is too old");

    let mut watch = watched();
    watch.all_name(A, 2);
    watch
        .silent(A)
        .silent(C)
        .says(B, primary("b", "hist-b"))
        .passes(MEMORY / 2);
    for sentinel in 0..3 {
        watch.hears(sentinel, gone());
    }
    assert_eq!(watch.primary(), None);
    let forgets = watch.group.next_deadline(watch.now).unwrap();
    assert!(forgets <= watch.now.plus(MEMORY / 2), "{forgets:?}");
    watch.passes(MEMORY / 2).passes(HOLD);
    assert_eq!(watch.primary(), Some(B));
}

#[test]
fn one_that_knows_no_such_group_or_is_no_sentinel_takes_its_vote_back() {
    for said in [
        SentinelReport::UnknownName,
        SentinelReport::NotASentinel("a data node".into()),
        SentinelReport::Denied("NOAUTH".into()),
    ] {
        let mut watch = torn();
        watch.names(0, A, 1).hears(0, said).names(1, A, 1);
        assert_eq!(watch.primary(), None);
        watch.names(2, A, 1);
        assert_eq!(watch.primary(), Some(A));
    }
}

#[test]
fn r5_the_named_one_is_taken_alone_though_unproven_and_never_against_another() {
    let mut watch = watched();
    watch.all_name(A, 1).says(A, blank("a", "hist"));
    assert_eq!(watch.primary(), None, "others may claim");
    watch.goes_silent(B, 1).goes_silent(C, 1);
    assert_eq!(watch.primary(), Some(A));

    let mut watch = watched();
    watch
        .says(B, primary("b", "hist-b"))
        .says(A, blank("a", "hist"));
    watch.all_name(A, 1);
    assert_ne!(watch.primary(), Some(A));
}

#[test]
fn with_all_sentinels_away_the_roles_alone_decide() {
    let mut watch = watched();
    for sentinel in 0..3 {
        watch.hears(sentinel, SentinelReport::Unreachable("refused".into()));
    }
    watch
        .says(A, primary("a", "hist"))
        .says(B, follows("b", "hist", A))
        .says(C, follows("c", "hist", A));
    assert_eq!(watch.primary(), Some(A));
    watch.says(B, promoted("b", "new", "hist", 1001));
    assert_eq!(watch.primary(), Some(B));
}
