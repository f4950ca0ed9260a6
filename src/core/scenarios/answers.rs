//! R20: which answers of a term that ended are certain.

use super::*;
use crate::core::answers::{ANSWERS_PATIENCE, Answers, Answers::*, TermEnd};

impl Roll {
    fn answers(&self) -> Option<Answers> {
        let ended = self.group.view().ended;
        if let Some(TermEnd { term, .. }) = ended {
            assert_eq!(term, 1, "the term of redis-1");
        }
        ended.map(|ended| ended.answers)
    }

    fn heir_claims(&mut self, branch: u64) -> &mut Self {
        self.says(B, promoted("b", "new", "hist", branch))
    }
}

/// redis-1 as a replica that is not linked yet; its own history ends at 1000.
fn demoted() -> Facts {
    cut_off("a", "hist", &address(B), None)
}

/// redis-1 as a replica to which redis-2 granted a partial resynchronisation.
fn resynchronised() -> Facts {
    Facts {
        replid2: primary("a", "hist").replid,
        second_offset: Some(1001),
        ..follows("a", "new", B)
    }
}

fn handing_over() -> Facts {
    Facts {
        handover: true,
        ..demoted()
    }
}

#[test]
fn r20_while_the_term_lasts_there_is_nothing_to_decide() {
    let mut roll = settled();
    assert_eq!(roll.answers(), None);
    roll.goes_silent(A, 3).says(A, handing_over());
    assert_eq!((roll.primary(), roll.answers()), (Some(A), None));
    roll.says(A, primary("a", "hist"));
    assert_eq!((roll.term(), roll.answers()), (1, None));
}

#[test]
fn r20_after_a_handover_the_answers_are_delivered_at_once() {
    let mut roll = settled();
    roll.says(A, handing_over()).heir_claims(1001);
    assert_eq!((roll.primary(), roll.answers()), (Some(B), Some(Deliver)));
    roll.says(A, resynchronised());
    assert_eq!(roll.answers(), Some(Deliver), "a decision stands");
}

#[test]
fn r20_a_forced_handover_that_left_something_behind_delivers_nothing() {
    let mut roll = settled();
    roll.says(A, handing_over()).heir_claims(990);
    assert_eq!(roll.answers(), Some(Undecided), "its end was not heard yet");
    roll.says(A, handing_over());
    assert_eq!(roll.answers(), Some(Drop));
}

#[test]
fn r20_where_another_claims_first_the_old_primary_is_heard() {
    for (says, expected) in [
        (resynchronised(), Deliver),
        (demoted(), Deliver),
        (handing_over(), Deliver),
        // It goes on claiming, and may acknowledge more.
        (primary("a", "hist"), Drop),
        // A full synchronisation has replaced its data.
        (follows("a", "new", B), Drop),
        // It was linked to somebody of the same history, and may have been given a copy.
        (follows("a", "hist", C), Drop),
        (
            cut_off("a", "hist", &address(C), Some(Duration::ZERO)),
            Drop,
        ),
        (cut_off("a", "foreign", &address(C), None), Drop),
        (primary("a2", "hist"), Drop),
    ] {
        let mut roll = settled();
        roll.heir_claims(1001);
        assert_eq!(roll.primary(), Some(B));
        assert_eq!(roll.answers(), Some(Undecided));
        assert!(roll.group.has_undecided_answers());
        roll.says(A, says.clone());
        assert_eq!(roll.answers(), Some(expected), "{says:?}");
        assert!(!roll.group.has_undecided_answers());
    }
}

#[test]
fn r20_where_the_old_primary_is_demoted_first_the_new_one_is_awaited() {
    for (says, branch, expected) in [
        (demoted(), 1001, Deliver),
        (resynchronised(), 1001, Deliver),
        (resynchronised(), 990, Deliver),
        (follows("a", "new", B), 1001, Undecided),
        (demoted(), 1000, Undecided),
    ] {
        let mut roll = settled();
        roll.says(A, says.clone());
        assert_eq!((roll.primary(), roll.answers()), (None, Some(Undecided)));
        roll.heir_claims(branch);
        assert_eq!(roll.primary(), Some(B));
        assert_eq!(roll.answers(), Some(expected), "{says:?} {branch}");
        roll.says(A, says.clone());
        let last = if expected == Deliver { Deliver } else { Drop };
        assert_eq!(roll.answers(), Some(last), "{says:?} {branch}");
    }
}

#[test]
fn r20_an_answer_of_a_check_that_began_before_the_end_decides_nothing() {
    let mut roll = settled();
    roll.heir_claims(1001);
    let mut late = report(
        roll.now.plus(Duration::from_millis(5)),
        Outcome::Answered(Box::new(primary("a", "hist"))),
    );
    late.started = roll.now.minus(Duration::from_millis(1));
    roll.group.report(NodeId(A), &late);
    assert_eq!(roll.answers(), Some(Undecided));
}

#[test]
fn r20_what_is_not_decided_soon_is_dropped() {
    let mut roll = settled();
    roll.heir_claims(1001).passes(ANSWERS_PATIENCE);
    assert_eq!(roll.answers(), Some(Drop));
    roll.says(A, resynchronised());
    assert_eq!(roll.answers(), Some(Drop), "a decision stands");
}

#[test]
fn r20_nothing_is_delivered_of_a_primary_that_is_gone_taken_out_or_another_process() {
    let mut gone = settled();
    gone.refuses(A).says(B, promoted("b", "new", "hist", 1001));
    assert_eq!((gone.primary(), gone.answers()), (Some(B), Some(Drop)));

    let mut restarted = settled();
    restarted.says(A, primary("a2", "other"));
    assert_eq!(restarted.answers(), Some(Drop));

    let mut taken_out = settled();
    taken_out
        .group
        .order(NodeId(A), Order::Maintenance, at(1000));
    assert_eq!(taken_out.answers(), Some(Drop));
}

#[test]
fn r20_a_new_primary_that_holds_less_of_the_history_proves_nothing() {
    let mut roll = settled();
    roll.says(A, demoted());
    roll.says(B, copied("b2", "new", "hist", 900));
    assert_eq!(roll.primary(), Some(B));
    roll.says(A, demoted());
    assert_eq!(roll.answers(), Some(Drop));
}

#[test]
fn r20_an_old_primary_that_is_elected_again_proves_nothing() {
    let mut roll = settled();
    roll.says(A, demoted());
    assert_eq!(roll.answers(), Some(Undecided));
    roll.says(A, primary("a", "hist"));
    assert_eq!((roll.primary(), roll.term()), (Some(A), 2));
    assert_eq!(roll.answers(), Some(Drop));
}
