//! Sentinels as witnesses (R3 (3), R4): whom each of the configured ones names as the primary.
//!
//! They are evidence and an alarm clock, not a dependency. What they say elects nobody who does not
//! claim, and with all of them away the roles alone decide. Only a majority of the *configured*
//! Sentinels counts, so one that lies or lags behind says nothing.
//!
//! How old a vote may be: as evidence it counts while its Sentinel answers, since it is asked again at
//! every event and every ten seconds. One that does not answer convinces nobody, but it goes on to
//! delay the hold for [`MEMORY`]: waiting is cheap and a second primary is not.
//!
//! What is no vote: the answer of a Sentinel in the middle of a failover, which names the old primary
//! under the new epoch for up to a second, and one for a process that was at the address before.

use std::sync::Arc;
use std::time::Duration;

use super::facts::{HostPort, RunId};
use super::ids::NodeId;
use super::node::NodeState;
use super::time::Moment;

/// How long the last vote is remembered of a Sentinel that does not answer any more.
pub const MEMORY: Duration = Duration::from_secs(30);

/// How long the node that a Sentinel promotes is asked at the pace of [`BURST_PACE`].
pub const BURST: Duration = Duration::from_secs(1);

/// From one check of such a node to the next.
pub const BURST_PACE: Duration = Duration::from_millis(5);

/// Whom a Sentinel names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vote {
    /// The address of the primary, as the Sentinel knows it.
    pub address: HostPort,
    /// The process there; none while the Sentinel has not asked it yet, as after a switch.
    pub run_id: Option<RunId>,
    /// The version of the Sentinels' configuration: it grows with each failover.
    pub config_epoch: u64,
    /// Whether that Sentinel is about to name another.
    pub phase: Phase,
    /// It does not reach that primary itself (its flags `s_down`, `o_down`).
    pub down: bool,
}

/// Whether a Sentinel that names a primary stands by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It does.
    Settled,
    /// It leads a failover (its flag `failover_in_progress`).
    FailingOver,
}

/// What one question to a Sentinel brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SentinelReport {
    /// It names a primary.
    Votes(Vote),
    /// It watches no group of that name.
    UnknownName,
    /// It answers, and not as a Sentinel. Holds what it is or said.
    NotASentinel(Arc<str>),
    /// It does not let us ask. Holds what it said.
    Denied(Arc<str>),
    /// No answer. Holds why.
    Unreachable(Arc<str>),
}

/// What a Sentinel announced about our group, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SentinelNews {
    /// It makes the node at this address the primary, or has done so.
    Promotes(HostPort),
    /// Something else that is a reason to check now.
    Stirs,
}

/// One configured Sentinel.
#[derive(Clone, Debug)]
struct Witness {
    /// Its address as written.
    name: Arc<str>,
    /// Its last vote, and when it was heard.
    said: Option<(Vote, Moment)>,
    /// Its last answer was that vote.
    answers: bool,
}

/// All configured Sentinels of a group.
#[derive(Clone, Debug, Default)]
pub struct Sentinels {
    witnesses: Vec<Witness>,
}

/// A majority of the Sentinels that names one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Majority {
    pub(super) sentinels: Vec<Arc<str>>,
    pub(super) of: usize,
}

/// Whom a vote means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// This run of this node.
    Run(NodeId),
    /// A process that was at the address of one of our nodes before.
    Former(NodeId),
    /// Nobody whom we know.
    Stranger,
}

impl Sentinels {
    /// None of them was asked yet.
    pub fn new(names: impl IntoIterator<Item = Arc<str>>) -> Self {
        let witnesses = names.into_iter().map(|name| Witness {
            name,
            said: None,
            answers: false,
        });
        Self {
            witnesses: witnesses.collect(),
        }
    }

    /// Each Sentinel's address as written, its last vote, and whether that was its last answer.
    pub fn witnesses(&self) -> impl Iterator<Item = (&Arc<str>, Option<&Vote>, bool)> {
        self.witnesses.iter().map(|witness| {
            let vote = witness.said.as_ref().map(|(vote, _)| vote);
            (&witness.name, vote, witness.answers)
        })
    }

    /// Whether a majority names this run of this node.
    pub fn agree_on(&self, nodes: &[NodeState], node: &NodeState, now: Moment) -> bool {
        self.majority_for(nodes, node, None, now).is_some()
    }

    /// Takes in what the Sentinel with that index said; an index that is none is ignored.
    pub(super) fn hear(&mut self, index: usize, report: SentinelReport, now: Moment) {
        let Some(witness) = self.witnesses.get_mut(index) else {
            return;
        };
        witness.answers = matches!(report, SentinelReport::Votes(_));
        match report {
            SentinelReport::Votes(vote) => witness.said = Some((vote, now)),
            // It may know more than it can tell us now.
            SentinelReport::Unreachable(_) | SentinelReport::Denied(_) => {}
            SentinelReport::UnknownName | SentinelReport::NotASentinel(_) => witness.said = None,
        }
    }

    /// The greatest epoch that any of them has told; none when none has told one.
    pub(super) fn highest_epoch(&self) -> Option<u64> {
        let told = |witness: &Witness| Some(witness.said.as_ref()?.0.config_epoch);
        self.witnesses.iter().filter_map(told).max()
    }

    /// R3 (3): the majority that names this run of this node, with `newer_than` only under a greater
    /// epoch.
    pub(super) fn majority_for(
        &self,
        nodes: &[NodeState],
        node: &NodeState,
        newer_than: Option<u64>,
        now: Moment,
    ) -> Option<Majority> {
        let sentinels: Vec<Arc<str>> = self
            .witnesses
            .iter()
            .filter(|witness| witness.answers)
            .filter(|witness| {
                witness.vote(now).is_some_and(|vote| {
                    newer_than.is_none_or(|epoch| vote.config_epoch > epoch)
                        && meaning(nodes, vote) == Meaning::Run(node.settings.id)
                })
            })
            .map(|witness| witness.name.clone())
            .collect();
        self.is_majority(sentinels.len()).then_some(Majority {
            sentinels,
            of: self.witnesses.len(),
        })
    }

    /// The proviso of the hold (R3 (4)): a majority names one and the same other node that does not
    /// answer us, which may well be alive elsewhere.
    pub(super) fn name_another_unseen(
        &self,
        nodes: &[NodeState],
        node: &NodeState,
        now: Moment,
    ) -> bool {
        let unseen: Vec<&HostPort> = self
            .witnesses
            .iter()
            .filter_map(|witness| witness.vote(now))
            .filter(|vote| match meaning(nodes, vote) {
                Meaning::Run(id) | Meaning::Former(id) => {
                    id != node.settings.id
                        && nodes
                            .iter()
                            .any(|other| other.settings.id == id && !other.fresh)
                }
                Meaning::Stranger => true,
            })
            .map(|vote| &vote.address)
            .collect();
        let agree = |place: &&HostPort| unseen.iter().filter(|other| *other == place).count();
        unseen.iter().any(|place| self.is_majority(agree(place)))
    }

    /// When the next vote is forgotten.
    pub(super) fn next_deadline(&self, now: Moment) -> Option<Moment> {
        let ends = |witness: &Witness| Some(witness.said.as_ref()?.1.plus(MEMORY));
        let all = self.witnesses.iter().filter_map(ends);
        all.filter(|end| *end > now).min()
    }

    fn is_majority(&self, count: usize) -> bool {
        count * 2 > self.witnesses.len()
    }
}

impl Witness {
    fn vote(&self, now: Moment) -> Option<&Vote> {
        self.said
            .as_ref()
            .filter(|(vote, at)| vote.phase == Phase::Settled && now.since(*at) < MEMORY)
            .map(|(vote, _)| vote)
    }
}

/// By address, else by run: announced addresses differ from ours behind NAT.
fn meaning(nodes: &[NodeState], vote: &Vote) -> Meaning {
    let run = vote.run_id.as_ref();
    let known = nodes.iter().find(|node| node.is_meant_by(&vote.address));
    let by_run = || {
        nodes
            .iter()
            .find(|node| run.is_some() && node.run_id() == run)
    };
    let Some(node) = known.or_else(by_run) else {
        return Meaning::Stranger;
    };
    // R1: one run behind two addresses is one node.
    let first = node.same_as.as_ref();
    let node = first
        .and_then(|name| nodes.iter().find(|other| other.settings.name == *name))
        .unwrap_or(node);
    let other_run = matches!((run, node.run_id()), (Some(named), Some(known)) if named != known);
    if other_run {
        Meaning::Former(node.settings.id)
    } else {
        Meaning::Run(node.settings.id)
    }
}
