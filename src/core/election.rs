//! Who is the primary (R2 to R6). The proxy promotes nobody: it decides which claimant to believe.
//!
//! The incumbent stays while it claims. A claimant replaces it with evidence only: the incumbent's
//! own demotion, descent from its history, the votes of replicas or of Sentinels, or, when nobody else is left, time.
//! A node that merely turns up as primary beside it (a restart, a healed partition) has none of these.

use std::sync::Arc;
use std::time::Duration;

use super::ballot;
use super::candidacy::Field;
use super::event::{EventKind, Evidence, Loss, LossReason};
use super::facts::{Facts, ReplId, RunId};
use super::health::Status;
use super::ids::NodeId;
use super::node::{Kin, NodeState};
use super::sentinel::{Sentinels, Veto};
use super::snapshot::PrimaryView;
use super::time::Moment;

/// R6: how long the sessions of a primary that hands over wait for the end of it.
pub const HANDOVER_PATIENCE: Duration = Duration::from_secs(5);

/// The run of a node that was elected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incumbent {
    /// Which node.
    pub node: NodeId,
    /// Its name.
    pub name: Arc<str>,
    /// Which process of it.
    pub run_id: RunId,
    /// Its history, as it told it when it last claimed.
    pub history: Option<ReplId>,
    /// When it was elected.
    pub elected_at: Moment,
    /// Why.
    pub evidence: Evidence,
    /// It descends from the incumbent before it: old votes cannot bring that one back (R3 (3)).
    pub by_descent: bool,
    /// It is the incumbent's own node, restarted from a file, or was elected by time alone: where its history
    /// branched. A replica promoted from the same history at a later offset holds more of it.
    pub restarted_from: Option<(ReplId, u64)>,
    /// What its data lacked when it was elected.
    pub loss: Option<Loss>,
    /// R5: it had no trace of a past when it was elected: an empty node that was taken for want of another says
    /// nothing of the group's history (R17).
    pub unproven: bool,
    /// Which votes of Sentinels count against it.
    pub bar: EpochBar,
}

/// R3 (3): votes of Sentinels that are older than an election do not undo it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EpochBar {
    /// All count: nothing newer than they was seen in that election.
    Open,
    /// Those under a greater epoch than this, the greatest that was known at the election.
    Above(u64),
    /// None yet: no Sentinel had told an epoch. The first one that is told becomes the bar.
    Unknown,
}

impl EpochBar {
    fn above(epoch: Option<u64>) -> Self {
        epoch.map_or(Self::Unknown, Self::Above)
    }
}

/// What became of the incumbent since its election.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It holds the election, answering or not.
    Holds,
    /// R6: it says that it is a replica, in the middle of a handover that began then.
    HandsOver(Moment),
    /// It lost the election then; its history still counts for descent.
    Lost(LossReason, Moment),
}

/// The election of one group.
#[derive(Clone, Debug, Default)]
pub struct Election {
    term: u64,
    incumbent: Option<(Incumbent, Standing)>,
    /// R3 (4): the only claimant, and since when it has been that without the proviso.
    pub(super) hold: Option<(NodeId, RunId, Moment)>,
    /// R4: the runs that descent and votes speak for where they contradict each other, and since when.
    pub(super) contradiction: Option<(Vec<RunId>, Moment)>,
    conflict: Vec<NodeId>,
}

impl Election {
    /// R2: the elected primary, if any.
    pub fn primary(&self) -> Option<PrimaryView> {
        self.holder().map(|incumbent| PrimaryView {
            node: incumbent.node,
            term: self.term,
        })
    }

    /// The incumbent that holds the election, if any.
    pub fn holder(&self) -> Option<&Incumbent> {
        match &self.incumbent {
            Some((incumbent, Standing::Holds | Standing::HandsOver(_))) => Some(incumbent),
            Some((_, Standing::Lost(..))) | None => None,
        }
    }

    /// The last elected node and what became of it.
    pub fn incumbent(&self) -> Option<&(Incumbent, Standing)> {
        self.incumbent.as_ref()
    }

    /// A reload may give the last elected node another name.
    pub(super) fn rename(&mut self, node: NodeId, name: &Arc<str>) {
        if let Some((incumbent, _)) = &mut self.incumbent
            && incumbent.node == node
        {
            incumbent.name = Arc::clone(name);
        }
    }

    /// R6: whether the incumbent is between its roles.
    pub fn is_handing_over(&self) -> bool {
        matches!(self.incumbent, Some((_, Standing::HandsOver(_))))
    }

    /// When the election must be looked at again although nothing was reported.
    pub fn next_deadline(&self, claim_hold: Duration) -> Option<Moment> {
        let hold = self
            .hold
            .as_ref()
            .map(|(_, _, since)| since.plus(claim_hold));
        let handover = match &self.incumbent {
            Some((_, Standing::HandsOver(since))) => Some(since.plus(HANDOVER_PATIENCE)),
            Some((_, Standing::Lost(_, since))) => Some(since.plus(claim_hold)),
            Some((_, Standing::Holds)) | None => None,
        };
        let contradiction = self
            .contradiction
            .as_ref()
            .map(|(_, since)| since.plus(claim_hold));
        hold.into_iter().chain(handover).chain(contradiction).min()
    }

    /// Looks at all nodes again: the incumbent's standing, then the claimants.
    pub fn decide(
        &mut self,
        nodes: &[NodeState],
        sentinels: &Sentinels,
        claim_hold: Duration,
        now: Moment,
    ) -> Vec<EventKind> {
        let mut events = Vec::new();
        self.follow_incumbent(nodes, now, &mut events);
        let epoch = sentinels.highest_epoch();
        if let Some((incumbent, _)) = &mut self.incumbent
            && incumbent.bar == EpochBar::Unknown
        {
            incumbent.bar = EpochBar::above(epoch);
        }
        self.follow_hold(nodes, sentinels, claim_hold, now);
        self.follow_contradiction(nodes, sentinels, claim_hold, now);
        let field = self.field(nodes, sentinels, claim_hold, now);
        if let Some((winner, evidence, by_descent)) = field.winner() {
            let loss = loss_of(nodes, winner);
            events.push(self.elect(winner, evidence, by_descent, epoch, loss, now));
        }
        self.tell_conflict(nodes, &mut events);
        events
    }

    fn follow_incumbent(&mut self, nodes: &[NodeState], now: Moment, events: &mut Vec<EventKind>) {
        let Some((incumbent, standing)) = &mut self.incumbent else {
            return;
        };
        if matches!(standing, Standing::Lost(..)) {
            return;
        }
        let node = nodes.iter().find(|node| node.settings.id == incumbent.node);
        let next = next_standing(incumbent, standing, node, now);
        if let Standing::Lost(why, _) = next {
            let follows = node
                .and_then(NodeState::fresh_facts)
                .and_then(Facts::replica)
                .map(|link| link.master.clone());
            events.push(EventKind::Lost {
                node: incumbent.node,
                name: incumbent.name.clone(),
                why,
                follows: follows.filter(|_| why == LossReason::Demoted),
            });
        } else if let Some(facts) = node.and_then(NodeState::fresh_facts)
            && facts.claims()
            && incumbent.history != facts.replid
        {
            incumbent.restarted_from = None;
            incumbent.history.clone_from(&facts.replid);
        }
        *standing = next;
    }

    /// R3 (4): the clock of the only claimant; it starts again whenever a condition fails.
    fn follow_hold(
        &mut self,
        nodes: &[NodeState],
        sentinels: &Sentinels,
        claim_hold: Duration,
        now: Moment,
    ) {
        let mut claimants = nodes.iter().filter(|node| node.is_contender());
        let sole = claimants
            .next()
            .filter(|node| claimants.next().is_none() && node.is_claimant());
        let free = self.incumbent_node(nodes).is_none_or(NodeState::is_gone);
        let waiting = sole.filter(|node| {
            free && !ballot::follows_another_unseen(nodes, node)
                && sentinels.veto(nodes, node, claim_hold, now) != Veto::Hard
                && !self.holds(node)
        });
        self.hold = waiting.and_then(|node| {
            let run = node.run_id()?.clone();
            let since = match &self.hold {
                Some((id, held, since)) if *id == node.settings.id && *held == run => *since,
                _ => now,
            };
            Some((node.settings.id, run, since))
        });
    }

    fn field<'n, 'e>(
        &'e self,
        nodes: &'n [NodeState],
        sentinels: &'e Sentinels,
        claim_hold: Duration,
        now: Moment,
    ) -> Field<'n, 'e> {
        Field {
            nodes,
            sentinels,
            election: self,
            claim_hold,
            now,
        }
    }

    /// R4: the clock of a contradiction; it starts again when other runs are meant.
    fn follow_contradiction(
        &mut self,
        nodes: &[NodeState],
        sentinels: &Sentinels,
        claim_hold: Duration,
        now: Moment,
    ) {
        let before = self.contradiction.take();
        if self.incumbent.is_some() {
            return;
        }
        let field = self.field(nodes, sentinels, claim_hold, now);
        self.contradiction = field.contradiction().map(|runs| match before {
            Some((known, since)) if known == runs => (runs, since),
            _ => (runs, now),
        });
    }

    /// The node of the incumbent while that holds the election.
    fn incumbent_node<'a>(&self, nodes: &'a [NodeState]) -> Option<&'a NodeState> {
        let holder = self.holder()?;
        nodes.iter().find(|node| node.settings.id == holder.node)
    }

    pub(super) fn holds(&self, node: &NodeState) -> bool {
        self.holder()
            .is_some_and(|incumbent| incumbent.node == node.settings.id)
    }

    fn elect(
        &mut self,
        node: &NodeState,
        evidence: Evidence,
        by_descent: bool,
        epoch: Option<u64>,
        loss: Option<Loss>,
        now: Moment,
    ) -> EventKind {
        let before = self.incumbent.take().map(|(incumbent, _)| incumbent);
        let restarted = before
            .as_ref()
            .is_some_and(|old| old.node == node.settings.id && Some(&old.run_id) != node.run_id());
        let same_node = before
            .as_ref()
            .is_some_and(|old| old.node == node.settings.id);
        let replaced_by_votes = before.is_some() && matches!(evidence, Evidence::Votes { .. });
        // What was too old to move the writes stays too old.
        let inherited = before.as_ref().map_or(EpochBar::Open, |old| old.bar);
        // A copy of a file, perhaps: a replica that was promoted from the same history later holds more.
        let by_time = matches!(evidence, Evidence::Hold { .. } | Evidence::AllChecked);
        let chosen_by_sentinels = matches!(evidence, Evidence::SentinelVotes { .. });
        let facts = node.facts.as_ref();
        let branch = facts.and_then(|facts| facts.replid2.clone().zip(facts.second_offset));
        let incumbent = Incumbent {
            node: node.settings.id,
            name: node.settings.name.clone(),
            run_id: node.run_id().cloned().unwrap_or_else(|| RunId("".into())),
            history: facts.and_then(|facts| facts.replid.clone()),
            elected_at: now,
            evidence: evidence.clone(),
            by_descent,
            restarted_from: branch.filter(|_| (by_descent && restarted) || by_time),
            loss,
            unproven: node.unproven,
            bar: if by_descent || replaced_by_votes || chosen_by_sentinels {
                EpochBar::above(epoch)
            } else {
                inherited
            },
        };
        self.incumbent = Some((incumbent, Standing::Holds));
        self.hold = None;
        self.term += 1;
        EventKind::Elected {
            node: node.settings.id,
            name: node.settings.name.clone(),
            term: self.term,
            evidence,
            replaces: before.filter(|_| !same_node).map(|old| old.name),
            loss,
        }
    }

    fn tell_conflict(&mut self, nodes: &[NodeState], events: &mut Vec<EventKind>) {
        let claimants: Vec<&NodeState> = nodes.iter().filter(|node| node.claims()).collect();
        let ids: Vec<NodeId> = match claimants.len() {
            0 | 1 => Vec::new(),
            _ => claimants.iter().map(|node| node.settings.id).collect(),
        };
        if ids == self.conflict {
            return;
        }
        events.push(if ids.is_empty() {
            EventKind::ConflictOver
        } else {
            EventKind::Conflict {
                claimants: claimants
                    .iter()
                    .map(|node| node.settings.name.clone())
                    .collect(),
                incumbent: self.holder().map(|incumbent| incumbent.name.clone()),
            }
        });
        self.conflict = ids;
    }
}

/// What the data of a new primary lack, compared with what other nodes told of the history that it branched
/// from. Its file, or its copy, ends just before the branch.
fn loss_of(nodes: &[NodeState], winner: &NodeState) -> Option<Loss> {
    if winner.empty {
        return Some(Loss::NoKeys);
    }
    let facts = winner.facts.as_ref()?;
    let (history, branch) = (facts.replid2.as_ref()?, facts.second_offset?);
    let others = nodes
        .iter()
        .filter(|node| node.settings.id != winner.settings.id && node.kin != Kin::Foreign);
    let replicas = others
        .filter_map(|node| node.facts.as_ref())
        .filter(|facts| facts.replid.as_ref() == Some(history))
        .filter_map(|facts| Some(facts.replica()?.offset));
    let bytes = replicas.max()?.checked_sub(branch.saturating_sub(1))?;
    (bytes > 0).then_some(Loss::Older { bytes })
}

/// What the incumbent's node says of it now.
fn next_standing(
    incumbent: &Incumbent,
    standing: &Standing,
    node: Option<&NodeState>,
    now: Moment,
) -> Standing {
    let lost = |why| Standing::Lost(why, now);
    let Some(node) = node.filter(|node| node.is_admitted()) else {
        return lost(LossReason::Removed);
    };
    // A node that moved to another address has no facts: whoever was elected is not known to be there.
    if node.run_id().is_none_or(|run| *run != incumbent.run_id) {
        return lost(LossReason::Restarted);
    }
    let timed_out = |since: Moment| now.since(since) >= HANDOVER_PATIENCE;
    match (node.fresh_facts(), standing) {
        (Some(facts), _) if facts.claims() && node.kin == Kin::Foreign => lost(LossReason::Foreign),
        (Some(facts), _) if facts.claims() => Standing::Holds,
        (Some(facts), Standing::HandsOver(since)) if facts.handover && !timed_out(*since) => {
            Standing::HandsOver(*since)
        }
        (Some(facts), Standing::Holds) if facts.handover => Standing::HandsOver(now),
        (Some(facts), _) if facts.handover => lost(LossReason::HandoverTimedOut),
        (Some(_), _) => lost(LossReason::Demoted),
        (None, Standing::HandsOver(since)) if timed_out(*since) => {
            lost(LossReason::HandoverTimedOut)
        }
        (None, current) => current.clone(),
    }
}

/// Whether the incumbent can be taken for a living primary: it answers, or is silent for less than
/// `fall` time-outs.
pub fn has_living_primary(election: &Election, nodes: &[NodeState]) -> bool {
    let holds = matches!(election.incumbent(), Some((_, Standing::Holds)));
    holds
        && election
            .incumbent_node(nodes)
            .is_some_and(|node| !matches!(node.health.status(), Status::Unknown) && !node.is_gone())
}
