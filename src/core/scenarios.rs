//! The rules of election as scenarios: what nodes say, and who is believed.

use std::time::Duration;

use super::event::{EventKind, Evidence, LossReason};
use super::facts::{Facts, HostPort};
use super::group::{Group, OwnListener, Settings};
use super::health::Thresholds;
use super::ids::{GroupId, ListenerId, NodeId};
use super::lag::LagLimits;
use super::node::{NodeSettings, Order};
use super::outcome::{Outcome, Stage};
use super::reason::Ineligible;
use super::sample::{at, blank, cut_off, primary, promoted, replica, report};
use super::time::Moment;

const HOLD: Duration = Duration::from_secs(6);
const A: u32 = 0;
const B: u32 = 1;
const C: u32 = 2;

/// A group under test, and its clock.
struct Roll {
    group: Group,
    now: Moment,
}

fn address(node: u32) -> HostPort {
    HostPort::new(&format!("10.1.1.{}", node + 1), 6379)
}

impl Roll {
    /// So many nodes that are not local, and one that is.
    fn of(nodes: u32) -> Self {
        let all = (0..=nodes).map(|index| NodeSettings {
            id: NodeId(index),
            name: format!("redis-{}", index + 1).into(),
            address: Some(address(index)),
            local: index == nodes,
            weight: 1,
        });
        let settings = Settings {
            id: GroupId(0),
            name: "main".into(),
            nodes: all.collect(),
            limits: Thresholds { fall: 6, rise: 2 },
            interval: Duration::from_millis(500),
            fast_interval: Duration::from_millis(50),
            claim_hold: HOLD,
            stale_reads: Duration::from_secs(60),
            max_lag: LagLimits::default(),
            own: vec![OwnListener {
                name: "redis-ro".into(),
                binds: vec!["127.0.0.2:6379".parse().unwrap()],
                reaches: vec![ListenerId(1), ListenerId(0)],
            }],
        };
        Self {
            group: Group::new(settings, at(0)),
            now: at(0),
        }
    }

    fn gets(&mut self, node: u32, outcome: Outcome) -> &mut Self {
        self.now = self.now.plus(Duration::from_millis(10));
        self.group.report(NodeId(node), &report(self.now, outcome));
        self
    }

    fn says(&mut self, node: u32, facts: Facts) -> &mut Self {
        self.gets(node, Outcome::Answered(Box::new(facts)))
    }

    fn refuses(&mut self, node: u32) -> &mut Self {
        self.gets(node, Outcome::Refused)
    }

    fn goes_silent(&mut self, node: u32, times: u32) -> &mut Self {
        for _ in 0..times {
            self.gets(node, Outcome::TimedOut(Stage::Reply));
        }
        self
    }

    fn passes(&mut self, time: Duration) -> &mut Self {
        self.now = self.now.plus(time);
        self.group.tick(self.now);
        self
    }

    fn primary(&self) -> Option<u32> {
        self.group.view().primary.map(|primary| primary.node.0)
    }

    fn term(&self) -> u64 {
        self.group.view().primary.map_or(0, |primary| primary.term)
    }

    fn evidence(&mut self) -> Option<Evidence> {
        let elected = self
            .group
            .take_events()
            .into_iter()
            .filter_map(|event| match event.kind {
                EventKind::Elected { evidence, .. } => Some(evidence),
                _ => None,
            });
        elected.last()
    }

    fn may_write(&self, node: u32) -> Result<(), Ineligible> {
        self.group.view().node(NodeId(node)).unwrap().write.clone()
    }

    fn may_read(&self, node: u32) -> Result<(), Ineligible> {
        self.group.view().node(NodeId(node)).unwrap().read.clone()
    }
}

fn follows(run: &str, history: &str, node: u32) -> Facts {
    replica(run, history, &address(node))
}

/// redis-1 is primary, elected by the votes of redis-2 and redis-3.
fn settled() -> Roll {
    let mut roll = Roll::of(3);
    roll.says(B, follows("b", "hist", A))
        .says(C, follows("c", "hist", A));
    roll.says(A, primary("a", "hist"));
    assert_eq!(roll.primary(), Some(A));
    roll
}

#[test]
fn r1_nobody_serves_before_the_first_check() {
    let roll = Roll::of(3);
    for node in [A, B, C] {
        assert_eq!(roll.may_write(node), Err(Ineligible::Unchecked));
        assert_eq!(roll.may_read(node), Err(Ineligible::Unchecked));
    }
}

#[test]
fn r1_one_run_behind_two_addresses_is_one_node() {
    let mut roll = Roll::of(3);
    roll.says(A, primary("same", "hist"))
        .says(B, primary("same", "hist"));
    roll.says(C, follows("c", "hist", B));
    assert_eq!(
        roll.primary(),
        Some(A),
        "a vote for the second address is one for the first"
    );
    assert_eq!(
        roll.may_write(B),
        Err(Ineligible::SameProcessAs("redis-1".into()))
    );
    assert_eq!(roll.group.claimants(), 1);
}

#[test]
fn r3_the_incumbent_stays_whatever_turns_up_beside_it() {
    let mut roll = settled();
    for stranger in [
        primary("b2", "other"),
        promoted("b3", "more", "elsewhere", 9_999_999),
    ] {
        roll.says(B, stranger)
            .passes(HOLD * 2)
            .says(A, primary("a", "hist"));
        assert_eq!((roll.primary(), roll.term()), (Some(A), 1));
        assert_eq!(roll.may_write(B), Err(Ineligible::NotElected));
    }
}

#[test]
fn r3_1_demotion_ends_the_term_at_once_and_the_next_claimant_has_it() {
    let mut roll = settled();
    roll.says(A, follows("a", "hist", B));
    assert_eq!(roll.primary(), None);
    roll.says(B, primary("b", "fresh"));
    assert_eq!(
        (roll.primary(), roll.evidence()),
        (Some(B), Some(Evidence::Demotion))
    );
}

#[test]
fn r3_1_the_node_that_the_demoted_one_follows_is_heard_first() {
    let mut roll = settled();
    roll.says(A, follows("a", "hist", B));
    roll.says(C, primary("stale", "other"));
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
    roll.says(B, promoted("b2", "new", "hist", 1001));
    assert_eq!(roll.primary(), Some(A));
    roll.refuses(A);
    assert_eq!(
        roll.primary(),
        Some(B),
        "where the incumbent is gone, the history suffices"
    );
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
    roll.says(A, promoted("a2", "again", "hist", 500))
        .passes(HOLD);
    assert_eq!(roll.primary(), Some(B));
}

#[test]
fn r3_3_votes_move_the_primary_unless_they_are_older_than_its_descent() {
    let mut roll = settled();
    roll.says(B, primary("b2", "other"));
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
    roll.says(B, primary("b2", "other")).passes(HOLD * 2);
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
    roll.says(B, primary("b2", "other"))
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
fn r4_the_only_node_is_elected_as_soon_as_it_claims() {
    let mut roll = Roll::of(1);
    roll.says(A, blank("a", "hist"));
    assert_eq!(
        (roll.primary(), roll.evidence()),
        (Some(A), Some(Evidence::OnlyNode))
    );
    roll.says(A, blank("a2", "hist2"));
    assert_eq!((roll.primary(), roll.term()), (Some(A), 2));
}

#[test]
fn r4_one_claimant_is_elected_when_every_node_was_checked_or_after_the_hold() {
    let mut roll = Roll::of(3);
    let lost = |run| cut_off(run, "hist", &address(A), Some(Duration::ZERO));
    roll.says(A, primary("a", "hist")).says(B, lost("b"));
    assert_eq!(roll.primary(), None);
    roll.says(C, lost("c"));
    assert_eq!(
        (roll.primary(), roll.evidence()),
        (Some(A), Some(Evidence::AllChecked))
    );
    let mut roll = Roll::of(3);
    roll.says(A, primary("a", "hist"))
        .says(B, lost("b"))
        .goes_silent(C, 9)
        .passes(HOLD);
    assert_eq!(roll.primary(), Some(A));
}

#[test]
fn r4_two_claimants_need_descent_or_votes() {
    let mut roll = Roll::of(3);
    roll.says(C, cut_off("c", "hist", &address(A), Some(Duration::ZERO)));
    roll.says(A, primary("a", "hist"))
        .says(B, primary("b", "other"))
        .passes(HOLD * 3);
    assert_eq!(roll.primary(), None);
    assert_eq!(roll.may_write(A), Err(Ineligible::NotElected));
    let mut roll = Roll::of(3);
    roll.says(A, primary("a", "hist"))
        .says(B, promoted("b", "new", "hist", 77));
    assert_eq!(
        (roll.primary(), roll.evidence()),
        (Some(B), Some(Evidence::Descent { offset: Some(77) }))
    );
}

#[test]
fn r5_an_unproven_master_never_wins_against_another_claimant() {
    let mut roll = settled();
    roll.refuses(A)
        .says(B, primary("b2", "other"))
        .says(A, blank("a2", "empty"));
    roll.says(C, follows("c", "empty", A)).passes(HOLD * 2);
    assert_eq!(roll.primary(), None);
    let mut alone = settled();
    alone.says(A, blank("a2", "empty"));
    alone.says(B, cut_off("b", "hist", &address(A), Some(Duration::ZERO)));
    alone.says(C, cut_off("c", "hist", &address(A), Some(Duration::ZERO)));
    assert_eq!(
        alone.primary(),
        None,
        "alone it waits for votes or the hold"
    );
    alone.passes(HOLD);
    assert_eq!(alone.primary(), Some(A));
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
fn r8_a_silent_or_busy_primary_keeps_its_election() {
    let mut roll = settled();
    roll.goes_silent(A, 5);
    assert_eq!((roll.primary(), roll.may_write(A)), (Some(A), Ok(())));
    roll.gets(A, Outcome::Busy).passes(HOLD * 2);
    assert_eq!((roll.primary(), roll.may_write(A)), (Some(A), Ok(())));
    roll.goes_silent(A, 6);
    assert_eq!(roll.primary(), Some(A), "nobody else was elected");
    assert!(matches!(
        roll.may_write(A),
        Err(Ineligible::NotServing { .. })
    ));
}

#[test]
fn r9_reads_outlive_the_primary_and_end_when_a_new_one_lives() {
    let mut roll = settled();
    let lost = |run| cut_off(run, "hist", &address(A), Some(Duration::ZERO));
    roll.refuses(A).says(B, lost("b")).says(C, lost("c"));
    assert_eq!((roll.may_read(B), roll.may_read(C)), (Ok(()), Ok(())));
    roll.says(B, promoted("b", "new", "hist", 1001));
    assert_eq!(roll.may_read(C), Err(Ineligible::LinkDown));
    roll.says(C, follows("c", "new", B));
    assert_eq!(roll.may_read(C), Ok(()));
}

#[test]
fn r9_the_clock_alone_ends_stale_reads() {
    let mut roll = settled();
    roll.refuses(A)
        .says(B, cut_off("b", "hist", &address(A), Some(Duration::ZERO)));
    let deadline = roll.group.next_deadline(roll.now).unwrap();
    roll.passes(deadline.since(roll.now));
    assert_eq!(roll.may_read(B), Err(Ineligible::LinkDownTooLong));
}

#[test]
fn r14_a_replica_that_hangs_on_our_listener_is_barred_from_it_and_has_no_vote() {
    let mut roll = Roll::of(2);
    let through_us = HostPort::new("127.0.0.2", 6379);
    roll.says(A, primary("a", "hist"))
        .says(B, replica("b", "hist", &through_us));
    let view = roll.group.view().node(NodeId(B)).unwrap();
    assert_eq!(
        view.looping.as_ref().unwrap().barred,
        [ListenerId(1), ListenerId(0)]
    );
    assert_ne!(
        roll.evidence(),
        Some(Evidence::Votes {
            voters: vec!["redis-2".into()],
            of: 1
        })
    );
}

#[test]
fn checks_hurry_while_anything_is_in_motion_and_not_towards_the_dead() {
    let (slow, fast) = (Duration::from_millis(500), Duration::from_millis(50));
    let mut roll = settled();
    roll.says(3, follows("d", "hist", A));
    assert_eq!(roll.group.pace(NodeId(A)), slow);
    roll.goes_silent(B, 1);
    assert_eq!(roll.group.pace(NodeId(A)), fast);
    roll.says(B, follows("b", "hist", A));
    assert_eq!(roll.group.pace(NodeId(A)), slow);
    roll.refuses(A);
    assert_eq!(
        (roll.group.pace(NodeId(A)), roll.group.pace(NodeId(B))),
        (slow, fast)
    );
}
