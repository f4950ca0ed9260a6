//! An operator's switchover: when it may begin, and what is parked meanwhile.

use super::*;
use crate::core::sentinel::{Phase, SentinelReport, Vote};
use crate::core::switchover::{Refusal, Unfit, Way, plan};

fn refused(roll: &Roll, to: Option<&str>) -> Refusal {
    plan(&roll.group, to, roll.now).expect_err("a refusal")
}

/// `settled`, whose versions are known to be recent, with a local replica.
fn ready() -> Roll {
    let mut roll = settled();
    roll.says(3, follows("d", "hist", A));
    roll
}

#[test]
fn the_fit_replica_that_lacks_least_is_chosen_or_the_one_that_is_named() {
    let mut roll = ready();
    let mut behind = follows("b", "hist", A);
    if let crate::core::facts::Role::Replica(link) = &mut behind.role {
        link.offset = 10;
    }
    roll.says(A, primary("a", "hist"))
        .says(B, behind)
        .says(C, follows("c", "hist", A));
    let way = |to| plan(&roll.group, to, roll.now).map(|plan| plan.way);
    let failover = |node: u32| Way::Failover {
        to: NodeId(node),
        name: format!("redis-{}", node + 1).into(),
    };
    assert_eq!(way(None), Ok(failover(C)));
    assert_eq!(way(Some("redis-2")), Ok(failover(B)));
    let plan = plan(&roll.group, None, roll.now).unwrap();
    assert_eq!(
        (plan.from, &*plan.from_name, plan.term),
        (NodeId(A), "redis-1", 1)
    );
}

#[test]
fn names_that_cannot_be_are_refused_with_the_right_ones() {
    let roll = ready();
    let names = vec!["redis-2".into(), "redis-3".into()];
    let unknown = Refusal::NoSuchNode("redis-9".into(), names);
    assert_eq!(refused(&roll, Some("redis-9")), unknown);
    let already = Refusal::AlreadyPrimary("redis-1".into());
    assert_eq!(refused(&roll, Some("redis-1")), already);
    let local = Refusal::Unfit("redis-4".into(), Unfit::Local);
    assert_eq!(refused(&roll, Some("redis-4")), local);
}

#[test]
fn unfit_replicas_are_refused_each_with_its_reason() {
    let mut roll = ready();
    roll.group.order(NodeId(B), Order::Drain, roll.now);
    let ordered = Refusal::Unfit("redis-2".into(), Unfit::Ordered);
    assert_eq!(refused(&roll, Some("redis-2")), ordered);
    roll.says(C, follows("c", "hist", B));
    let chained = Refusal::Unfit("redis-3".into(), Unfit::FollowsAnother);
    assert_eq!(refused(&roll, Some("redis-3")), chained);
    let Refusal::Nobody(why) = refused(&roll, None) else {
        panic!("nobody is fit");
    };
    assert_eq!(why.len(), 3, "{why:?}");
    roll.goes_silent(C, 6);
    let down = refused(&roll, Some("redis-3"));
    assert!(
        matches!(down, Refusal::Unfit(_, Unfit::Ineligible(_))),
        "{down:?}"
    );
}

#[test]
fn a_group_in_trouble_is_left_alone() {
    let mut roll = ready();
    roll.says(B, copied("b2", "other", "hist", 900));
    assert_eq!(refused(&roll, None), Refusal::Conflict);
    let mut roll = ready();
    roll.refuses(A);
    assert_eq!(refused(&roll, None), Refusal::NoPrimary);
    let mut roll = ready();
    let mut facts = primary("a", "hist");
    facts.handover = true;
    roll.says(A, facts);
    assert_eq!(refused(&roll, None), Refusal::UnderWay);
}

#[test]
fn before_6_2_there_is_no_failover() {
    let mut roll = ready();
    let mut old = primary("a", "hist");
    old.version = "6.0.16".into();
    roll.says(A, old);
    let too_old = Refusal::TooOld("redis-1".into(), "6.0.16".into());
    assert_eq!(refused(&roll, None), too_old);
    let mut just = primary("a", "hist");
    just.version = "6.2.0".into();
    roll.says(A, just);
    assert!(plan(&roll.group, None, roll.now).is_ok());
}

#[test]
fn beneath_sentinels_they_alone_switch_over_and_choose() {
    let mut roll = ready();
    roll.group = roll
        .group
        .clone()
        .with_sentinels(["s1".into(), "s2".into(), "s3".into()]);
    assert_eq!(refused(&roll, None), Refusal::SentinelsDisagree);
    let vote = || {
        SentinelReport::Votes(Vote {
            address: address(A),
            run_id: None,
            config_epoch: 1,
            phase: Phase::Settled,
            down: false,
        })
    };
    roll.group.sentinel(0, vote(), roll.now);
    assert_eq!(
        refused(&roll, None),
        Refusal::SentinelsDisagree,
        "one of three"
    );
    roll.group.sentinel(2, vote(), roll.now);
    let way = plan(&roll.group, None, roll.now).unwrap().way;
    assert_eq!(way, Way::Sentinel(vec!["s1".into(), "s3".into()]));
    let chooses = Refusal::SentinelChooses("redis-2".into());
    assert_eq!(refused(&roll, Some("redis-2")), chooses);
}

#[test]
fn new_writes_wait_until_the_hold_ends_or_another_is_elected() {
    let mut roll = ready();
    let until = roll.now.plus(Duration::from_secs(2));
    roll.group.hold_writes(Some(until), roll.now);
    assert_eq!(roll.may_write(A), Err(Ineligible::Switchover));
    assert_eq!(roll.may_read(B), Ok(()), "reads go on");
    assert_eq!(roll.primary(), Some(A), "and so do open sessions");
    assert_eq!(refused(&roll, None), Refusal::UnderWay);
    assert!(roll.group.next_deadline(roll.now).unwrap() <= until);
    roll.passes(Duration::from_secs(2));
    assert_eq!(roll.may_write(A), Ok(()), "by itself");

    roll.group.hold_writes(Some(roll.now.plus(HOLD)), roll.now);
    roll.group.hold_writes(None, roll.now);
    assert_eq!(roll.may_write(A), Ok(()), "by order");

    roll.group.hold_writes(Some(roll.now.plus(HOLD)), roll.now);
    roll.says(B, promoted("b", "new", "hist", 1001));
    assert_eq!(roll.primary(), Some(B));
    assert_eq!(roll.may_write(B), Ok(()), "another was elected");
}
