//! R18: what Sentinels say against the hold, and against the elected one; R19: a new primary without replicas.

use super::*;
use crate::core::sentinel::{Phase, SentinelReport, Vote};

impl Roll {
    /// All Sentinels name an address, and reach it or not.
    fn all_say(&mut self, place: &HostPort, epoch: u64, down: bool) -> &mut Self {
        for sentinel in 0..3 {
            let vote = Vote {
                address: place.clone(),
                run_id: None,
                config_epoch: epoch,
                phase: Phase::Settled,
                down,
            };
            self.now = self.now.plus(Duration::from_millis(10));
            self.group
                .sentinel(sentinel, SentinelReport::Votes(vote), self.now);
        }
        self
    }

    fn dissent(&mut self) -> Vec<String> {
        let events = self.group.take_events().into_iter();
        let told = events.filter(|event| {
            matches!(
                event.kind,
                EventKind::Dissent { .. } | EventKind::DissentOver
            )
        });
        told.map(|event| event.kind.to_string()).collect()
    }
}

fn watched() -> Roll {
    let mut roll = Roll::without_local(3);
    roll.group = roll
        .group
        .with_sentinels(["s1", "s2", "s3"].map(Into::into));
    roll
}

fn dead() -> HostPort {
    HostPort::new("10.9.9.9", 6379)
}

/// One claims, the others have lost their link, and all Sentinels name a dead address.
fn named_dead(down: bool) -> Roll {
    let lost = |run| cut_off(run, "hist", &address(A), None);
    let mut roll = watched();
    roll.all_say(&dead(), 3, down)
        .says(A, primary("a", "hist"))
        .says(B, lost("b"))
        .says(C, lost("c"));
    assert_eq!(roll.primary(), None);
    roll
}

#[test]
fn r18_sentinels_that_do_not_reach_whom_they_name_veto_for_three_holds() {
    let mut roll = named_dead(true);
    for _ in 0..2 {
        roll.passes(HOLD).all_say(&dead(), 3, true);
        assert_eq!(roll.primary(), None);
    }
    roll.passes(Duration::from_secs(5));
    assert_eq!(roll.primary(), None);
    let deadline = roll.group.next_deadline(roll.now).unwrap();
    assert!(deadline <= roll.now.plus(Duration::from_secs(1)));
    roll.passes(Duration::from_secs(1));
    assert_eq!(roll.primary(), Some(A));
}

#[test]
fn r18_sentinels_that_reach_whom_they_name_veto_without_end() {
    let mut roll = named_dead(false);
    for _ in 0..20 {
        roll.passes(HOLD).all_say(&dead(), 3, false);
        assert_eq!(roll.primary(), None);
    }
    // It is told from the moment when they lose it.
    roll.all_say(&dead(), 3, true).passes(HOLD * 2);
    assert_eq!(roll.primary(), None);
    roll.all_say(&dead(), 3, true).passes(HOLD);
    assert_eq!(roll.primary(), Some(A));
}

#[test]
fn r18_a_sentinel_that_reaches_it_again_begins_anew() {
    let mut roll = named_dead(true);
    roll.passes(HOLD * 2)
        .all_say(&dead(), 3, false)
        .all_say(&dead(), 3, true)
        .passes(HOLD * 2);
    assert_eq!(roll.primary(), None);
}

#[test]
fn r18_the_same_holds_where_the_incumbent_is_gone() {
    let mut roll = watched();
    roll.all_say(&address(A), 3, false)
        .says(A, primary("a", "hist"))
        .says(B, follows("b", "hist", A))
        .says(C, follows("c", "hist", A));
    roll.refuses(A)
        .says(B, cut_off("b", "hist", &address(A), None))
        .says(C, copied("c2", "other", "hist", 900));
    for _ in 0..3 {
        roll.all_say(&address(A), 3, true)
            .passes(Duration::from_millis(5900));
        assert_eq!(roll.primary(), Some(A));
    }
    roll.passes(HOLD);
    assert_eq!(roll.primary(), Some(C));
}

#[test]
fn r18_sentinels_that_name_another_than_the_elected_one_are_told_before_they_act() {
    let mut roll = watched();
    roll.all_say(&address(A), 3, false)
        .says(A, primary("a", "hist"))
        .says(B, follows("b", "hist", A))
        .says(C, follows("c", "hist", A));
    assert_eq!(roll.dissent(), Vec::<String>::new());
    // By hand, behind the Sentinels' back.
    roll.says(B, promoted("b", "new", "hist", 1001));
    let told = roll.dissent();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("3 of 3 Sentinels name 10.1.1.1:6379"),
        "{told:?}"
    );
    assert!(roll.group.dissent(roll.now).is_some());
    roll.all_say(&address(A), 3, false);
    assert_eq!(roll.dissent(), Vec::<String>::new(), "once");
    roll.all_say(&address(B), 4, false);
    assert_eq!(
        roll.dissent(),
        ["the Sentinels name no other primary any more"]
    );
    assert!(roll.group.dissent(roll.now).is_none());
}

#[test]
fn r18_sentinels_that_have_not_noticed_a_restart_name_no_other() {
    use crate::core::facts::RunId;
    let mut roll = watched();
    roll.all_say(&address(A), 3, false)
        .says(A, primary("a", "hist"))
        .says(B, follows("b", "hist", A))
        .says(C, follows("c", "hist", A));
    for sentinel in 0..3 {
        let vote = Vote {
            address: address(A),
            run_id: Some(RunId("a".into())),
            config_epoch: 3,
            phase: Phase::Settled,
            down: false,
        };
        roll.group
            .sentinel(sentinel, SentinelReport::Votes(vote), roll.now);
    }
    roll.says(A, copied("a2", "again", "hist", 1001));
    assert_eq!((roll.primary(), roll.dissent()), (Some(A), Vec::new()));
}

#[test]
fn r18_in_a_failover_of_theirs_it_is_normal_for_a_while() {
    let mut roll = watched();
    roll.all_say(&address(A), 3, false)
        .says(A, primary("a", "hist"))
        .says(B, follows("b", "hist", A))
        .says(C, follows("c", "hist", A));
    roll.group.promotes(&address(B), roll.now);
    roll.says(B, promoted("b", "new", "hist", 1001))
        .passes(Duration::from_secs(14));
    assert_eq!(roll.dissent(), Vec::<String>::new());
    roll.passes(Duration::from_secs(2));
    assert_eq!(roll.dissent().len(), 1);
}

/// A primary with `min-replicas-to-write`, and so many good ones.
fn with_replicas(good: u32, facts: Facts) -> Facts {
    Facts {
        good_replicas: Some(good),
        ..facts
    }
}

#[test]
fn r19_new_writers_wait_for_the_replicas_of_a_new_primary() {
    let new = |good| with_replicas(good, promoted("b", "new", "hist", 1001));
    let mut roll = settled();
    roll.says(B, new(0));
    assert_eq!(
        (roll.primary(), roll.may_write(B)),
        (Some(B), Err(Ineligible::NoReplicas))
    );
    roll.says(B, new(1));
    assert_eq!(roll.may_write(B), Ok(()));
    roll.says(B, new(0));
    assert_eq!(roll.may_write(B), Ok(()), "later it is shown, and no more");
    assert!(
        roll.group.nodes()[1]
            .facts
            .as_ref()
            .unwrap()
            .lacks_replicas()
    );
}

#[test]
fn r19_they_wait_for_park_timeout_at_most() {
    let mut roll = settled();
    roll.says(B, with_replicas(0, promoted("b", "new", "hist", 1001)));
    let limit = Duration::from_secs(10);
    assert!(roll.group.next_deadline(roll.now).unwrap() <= roll.now.plus(limit));
    roll.passes(Duration::from_millis(9999));
    assert_eq!(roll.may_write(B), Err(Ineligible::NoReplicas));
    roll.passes(Duration::from_millis(1));
    assert_eq!(roll.may_write(B), Ok(()));
}

#[test]
fn r19_clients_that_came_for_reads_do_not_wait() {
    use crate::core::chain::Access::{ReadOnly, ReadWrite};
    use crate::core::pick::takers;
    use crate::core::sample::chain;
    let mut roll = settled();
    roll.refuses(C)
        .says(B, with_replicas(0, promoted("b", "new", "hist", 1001)));
    let reads = chain(&[(ReadOnly, &[0, 1, 2]), (ReadWrite, &[0, 1, 2])]);
    let writes = chain(&[(ReadWrite, &[0, 1, 2])]);
    let view = roll.group.view();
    assert_eq!(
        takers(&reads, view).map(|(tier, nodes)| (tier, nodes[0].id)),
        Some((1, NodeId(B)))
    );
    assert!(takers(&writes, view).is_none());
}

#[test]
fn r9_stale_reads_do_not_run_out_while_the_primary_loads() {
    let lost = |run| cut_off(run, "hist", &address(A), Some(Duration::ZERO));
    let mut roll = settled();
    roll.refuses(A).says(B, lost("b")).gets(A, Outcome::Loading);
    for _ in 0..85 {
        roll.passes(Duration::from_secs(1))
            .gets(A, Outcome::Loading);
        assert_eq!(roll.may_read(B), Ok(()));
    }
    // Back, and elected: its replicas link again within a second, and are not cut off at once.
    roll.says(A, copied("a2", "again", "hist", 1001));
    assert_eq!(roll.primary(), Some(A));
    let close = |roll: &Roll| roll.group.view().node(NodeId(B)).unwrap().close_reads;
    assert_eq!(
        (roll.may_read(B), close(&roll)),
        (Err(Ineligible::LinkDown), None)
    );
    roll.passes(Duration::from_secs(59));
    assert_eq!(close(&roll), None);
    roll.passes(Duration::from_secs(2));
    assert!(close(&roll).is_some());
}
