//! What is told of an election: whom the new primary replaces and what may be lost, why the old one lost,
//! and that several claim.

use super::*;

impl Roll {
    /// What was told of elections, losses and conflicts since this was last asked.
    fn told(&mut self) -> Vec<EventKind> {
        let of_election = |kind: &EventKind| {
            matches!(
                kind,
                EventKind::Elected { .. }
                    | EventKind::Lost { .. }
                    | EventKind::Conflict { .. }
                    | EventKind::ConflictOver
            )
        };
        let events = self.group.take_events().into_iter();
        events.map(|event| event.kind).filter(of_election).collect()
    }

    /// Why the primary lost its election, if that was told.
    fn loss(&mut self) -> Option<LossReason> {
        self.told().into_iter().find_map(|kind| match kind {
            EventKind::Lost { why, .. } => Some(why),
            _ => None,
        })
    }

    /// Whom the new primary replaces, and whether data may be lost.
    fn change(&mut self) -> Option<(Option<String>, bool)> {
        self.told().into_iter().find_map(|kind| match kind {
            EventKind::Elected { replaces, loss, .. } => {
                Some((replaces.map(|name| name.to_string()), loss.is_some()))
            }
            _ => None,
        })
    }
}

/// redis-1 is between its roles, in a handover to redis-2.
fn between() -> Facts {
    Facts {
        handover: true,
        ..follows("a", "hist", B)
    }
}

#[test]
fn a_new_primary_replaces_another_node_and_not_its_own_last_run() {
    let mut roll = settled();
    assert_eq!(roll.change(), Some((None, false)), "the first");
    roll.says(B, promoted("b", "new", "hist", 1001));
    assert_eq!(roll.change(), Some((Some("redis-1".into()), false)));
    roll.says(A, follows("a", "new", B))
        .says(C, follows("c", "new", B))
        .says(B, primary("b2", "again"))
        .says(A, follows("a", "again", B))
        .says(C, follows("c", "again", B));
    assert_eq!(roll.term(), 3);
    assert_eq!(roll.change(), Some((None, false)));
}

#[test]
fn r5_data_may_be_lost_only_where_an_unproven_primary_has_no_keys() {
    for (facts, lost) in [
        (blank("a", "hist"), Some(false)),
        (blank("a", "hist"), Some(true)),
        (primary("a", "hist"), Some(false)),
    ]
    .map(|(facts, has_keys)| {
        let lost = facts.looks_unproven() && has_keys == Some(false);
        (Facts { has_keys, ..facts }, lost)
    }) {
        let mut roll = Roll::of(1);
        roll.says(A, facts.clone());
        assert_eq!(roll.change(), Some((None, lost)), "{facts:?}");
    }
}

#[test]
fn r3_a_conflict_is_told_when_it_begins_when_it_grows_and_when_it_is_over() {
    let mut roll = settled();
    roll.told();
    let conflict = |names: &[&str]| {
        vec![EventKind::Conflict {
            claimants: names.iter().map(|name| (*name).into()).collect(),
            incumbent: Some("redis-1".into()),
        }]
    };
    roll.says(B, copied("b2", "other", "hist", 900));
    assert_eq!(roll.told(), conflict(&["redis-1", "redis-2"]));
    roll.says(B, copied("b2", "other", "hist", 900));
    assert_eq!(roll.told(), [], "once");
    roll.says(C, copied("c2", "third", "hist", 900));
    assert_eq!(roll.told(), conflict(&["redis-1", "redis-2", "redis-3"]));
    roll.says(C, follows("c2", "hist", A))
        .says(B, follows("b2", "hist", A));
    assert_eq!(roll.told().last(), Some(&EventKind::ConflictOver));
}

#[test]
fn r6_a_primary_between_its_roles_is_told_from_one_that_was_demoted() {
    let mut roll = settled();
    assert!(!roll.group.election().is_handing_over());
    roll.says(A, between());
    assert!(roll.group.election().is_handing_over());
    roll.says(A, follows("a", "hist", B));
    assert_eq!(
        (roll.primary(), roll.loss()),
        (None, Some(LossReason::Demoted))
    );
    assert!(!roll.group.election().is_handing_over());
}

#[test]
fn r6_a_handover_without_end_is_told_as_such() {
    let mut roll = settled();
    roll.says(A, between())
        .passes(Duration::from_secs(6))
        .says(A, between());
    assert_eq!(
        (roll.primary(), roll.loss()),
        (None, Some(LossReason::HandoverTimedOut))
    );
}

#[test]
fn r6_a_primary_that_falls_silent_between_its_roles_is_waited_for_as_long() {
    let mut roll = settled();
    roll.says(A, between())
        .goes_silent(A, 1)
        .passes(Duration::from_secs(4));
    assert_eq!(roll.primary(), Some(A));
    roll.passes(Duration::from_secs(1));
    assert_eq!(
        (roll.primary(), roll.loss()),
        (None, Some(LossReason::HandoverTimedOut))
    );
}
