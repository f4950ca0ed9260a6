//! R20: what becomes of the answers that a primary gave before its term ended.
//!
//! What it acknowledged is certain when its whole history is part of the new primary's. Two things prove
//! that, both told by the old primary as a replica, which acknowledges no write any more. It was granted a
//! partial resynchronisation with the new primary, which Redis refuses to a node that has a byte beyond
//! the branch. Or it has not been linked to anything since it became a replica, so its offset is the last
//! of its own, and lies before the branch. A handover (R6) is no proof by itself: `FAILOVER .. FORCE` does
//! not wait for the replica.

use std::time::Duration;

use super::election::{Election, Incumbent};
use super::facts::{Facts, ReplId, RunId};
use super::ids::NodeId;
use super::node::NodeState;
use super::time::Moment;

/// How long after the end of a term its answers are waited for, and a decision about them.
pub const ANSWERS_PATIENCE: Duration = Duration::from_millis(50);

/// Whether the answers of an ended term may still go to the clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    /// All of them are part of the new primary's history.
    Deliver,
    /// Not known yet; it is decided within [`ANSWERS_PATIENCE`], or they are dropped.
    Undecided,
    /// Some may be of a history that is lost.
    Drop,
}

/// The last term that ended, as the data plane needs to know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TermEnd {
    /// Which term.
    pub term: u64,
    /// What becomes of its answers.
    pub answers: Answers,
}

/// The last term that ended, and what its answers are judged by.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    term: u64,
    node: NodeId,
    run_id: RunId,
    history: Option<ReplId>,
    at: Moment,
    answers: Answers,
}

impl Ended {
    /// The term of an incumbent that ends now; undecided.
    pub(super) fn new(term: u64, incumbent: &Incumbent, now: Moment) -> Self {
        Self {
            term,
            node: incumbent.node,
            run_id: incumbent.run_id.clone(),
            history: incumbent.history.clone(),
            at: now,
            answers: Answers::Undecided,
        }
    }

    pub(super) fn view(&self) -> TermEnd {
        TermEnd {
            term: self.term,
            answers: self.answers,
        }
    }

    /// Decides if that is possible now. A decision stands.
    pub(super) fn follow(&mut self, nodes: &[NodeState], election: &Election, now: Moment) {
        if self.answers == Answers::Undecided {
            self.answers = self.judge(nodes, election, now);
        }
    }

    fn judge(&self, nodes: &[NodeState], election: &Election, now: Moment) -> Answers {
        if now.since(self.at) >= ANSWERS_PATIENCE {
            return Answers::Drop;
        }
        let find = |id: NodeId| nodes.iter().find(|node| node.settings.id == id);
        let Some(node) = find(self.node).filter(|node| self.may_tell(node)) else {
            return Answers::Drop;
        };
        let (Some(facts), Some(history)) = (&node.facts, &self.history) else {
            return Answers::Drop;
        };
        let unproven = if self.was_heard(node) {
            Answers::Drop
        } else {
            Answers::Undecided
        };
        if facts.claims() {
            return unproven;
        }
        let Some(heir) = election.holder() else {
            return Answers::Undecided;
        };
        if heir.node == self.node {
            return Answers::Drop;
        }
        match find(heir.node).and_then(|heir| heir.facts.as_ref()) {
            Some(heir) if is_part(facts, history, heir) => Answers::Deliver,
            _ => unproven,
        }
    }

    /// Whether it is the process of that term, and can still be heard.
    fn may_tell(&self, node: &NodeState) -> bool {
        node.is_admitted() && !node.is_gone() && node.run_id() == Some(&self.run_id)
    }

    /// Whether it has answered a check that began after the end.
    fn was_heard(&self, node: &NodeState) -> bool {
        node.fresh
            && node
                .last_check
                .as_ref()
                .is_some_and(|check| check.finished.minus(check.took) >= self.at)
    }
}

/// Whether all that a replica, once primary of `history`, has acknowledged is in the history of `heir`.
fn is_part(replica: &Facts, history: &ReplId, heir: &Facts) -> bool {
    let Some(link) = replica.replica() else {
        return false;
    };
    let resynchronised = heir.replid.is_some()
        && replica.replid == heir.replid
        && replica.replid2.as_ref() == Some(history);
    // Never linked since: else its offset may be that of a copy that it was given in the same history.
    let untouched = replica.replid.as_ref() == Some(history)
        && !link.link_up
        && !link.syncing
        && link.link_down_for.is_none();
    let before_branch = heir.replid2.as_ref() == Some(history)
        && heir
            .second_offset
            .is_some_and(|branch| replica.offset < branch);
    resynchronised || (untouched && before_branch)
}
