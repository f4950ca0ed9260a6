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

use std::fmt;
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
    /// It was asked, and has answered or failed to.
    heard: bool,
    /// R18: since when it has called the primary that it names down.
    down_since: Option<Moment>,
}

/// All configured Sentinels of a group.
#[derive(Clone, Debug, Default)]
pub struct Sentinels {
    witnesses: Vec<Witness>,
}

/// R18: for so many times `claim_hold` a Sentinel vetoes the hold for a primary that it calls down itself.
const VETOES: u32 = 3;

/// What Sentinels say against the hold (R3 (4), R18).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Veto {
    /// Nothing.
    None,
    /// They name another, and do not reach it either: the clock runs, and nobody is elected by it yet.
    Soft,
    /// They name another and reach it: the clock does not run.
    Hard,
}

/// A majority of the Sentinels that names one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Majority {
    pub(super) sentinels: Vec<Arc<str>>,
    pub(super) of: usize,
}

/// Whom a majority of the Sentinels names .
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The address that they name.
    pub place: HostPort,
    /// The Sentinels, by address as written.
    pub sentinels: Vec<Arc<str>>,
    /// How many are configured.
    pub of: usize,
    /// All of these call it down themselves (`s_down`).
    pub down: bool,
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
            heard: false,
            down_since: None,
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
        witness.heard = true;
        match report {
            SentinelReport::Votes(vote) => {
                witness.note_down(&vote, now);
                witness.said = Some((vote, now));
            }
            // It may know more than it can tell us now.
            SentinelReport::Unreachable(_) | SentinelReport::Denied(_) => {}
            SentinelReport::UnknownName | SentinelReport::NotASentinel(_) => {
                witness.said = None;
                witness.down_since = None;
            }
        }
    }

    /// R4: those that were not heard yet could make a majority.
    pub(super) fn is_undecided(&self, now: Moment) -> bool {
        if self.witnesses.iter().all(|witness| witness.heard) {
            return false;
        }
        let named = || {
            let answers = self.witnesses.iter().filter(|witness| witness.answers);
            answers.filter_map(|witness| {
                let vote = witness.vote(now)?;
                // Whom an unknown address means, the run says.
                Some((&vote.address, &vote.run_id))
            })
        };
        !named().any(|place| self.is_majority(named().filter(|other| *other == place).count()))
    }

    /// Whether a majority named this run of this node when each was last heard.
    pub(super) fn had_majority(&self, nodes: &[NodeState], node: &NodeState, now: Moment) -> bool {
        let named = self
            .witnesses
            .iter()
            .filter_map(|witness| witness.vote(now))
            .filter(|vote| meaning(nodes, vote) == Meaning::Run(node.settings.id));
        self.is_majority(named.count())
    }

    /// Whether a majority names another than this run of this node.
    pub(super) fn is_majority_against(
        &self,
        nodes: &[NodeState],
        node: &NodeState,
        now: Moment,
    ) -> bool {
        let others = self
            .witnesses
            .iter()
            .filter_map(|witness| witness.vote(now))
            .filter(|vote| meaning(nodes, vote) != Meaning::Run(node.settings.id));
        self.is_majority(others.count())
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

    /// R18: the address that a majority names, which is not this run of this node.
    pub(super) fn naming_another(
        &self,
        nodes: &[NodeState],
        node: &NodeState,
        now: Moment,
    ) -> Option<Named> {
        // The process that was there before is the same node, which they will find restarted.
        self.naming(now, |vote| match meaning(nodes, vote) {
            Meaning::Run(id) | Meaning::Former(id) => id != node.settings.id,
            Meaning::Stranger => true,
        })
    }

    /// The address that a majority names, where no node of the group answers.
    pub(super) fn naming_unseen(&self, nodes: &[NodeState], now: Moment) -> Option<Named> {
        self.naming(now, |vote| match meaning(nodes, vote) {
            Meaning::Run(id) | Meaning::Former(id) => nodes
                .iter()
                .any(|node| node.settings.id == id && !node.fresh),
            Meaning::Stranger => true,
        })
    }

    /// The address that a majority of those that answer names, among the votes that are wanted.
    fn naming(&self, now: Moment, wanted: impl Fn(&Vote) -> bool) -> Option<Named> {
        let votes = || {
            let answers = self.witnesses.iter().filter(|witness| witness.answers);
            answers.filter_map(|witness| Some((&witness.name, witness.vote(now)?)))
        };
        let naming = |place: &HostPort| -> Vec<(Arc<str>, bool)> {
            votes()
                .filter(|(_, vote)| wanted(vote) && vote.address == *place)
                .map(|(name, vote)| (name.clone(), vote.down))
                .collect()
        };
        let mut places = votes().map(|(_, vote)| &vote.address);
        let place = places.find(|place| self.is_majority(naming(place).len()))?;
        let named = naming(place);
        Some(Named {
            place: place.clone(),
            down: named.iter().all(|(_, down)| *down),
            sentinels: named.into_iter().map(|(name, _)| name).collect(),
            of: self.witnesses.len(),
        })
    }

    /// The proviso of the hold (R3 (4)): a majority names one and the same other node that does not answer us,
    /// which may well be alive elsewhere. R18: Sentinels that do not reach it either veto for three times
    /// `claim_hold` only.
    pub(super) fn veto(
        &self,
        nodes: &[NodeState],
        node: &NodeState,
        claim_hold: Duration,
        now: Moment,
    ) -> Veto {
        // In the middle of a failover too: it may come to nothing, again and again.
        let unseen = |witness: &&Witness| {
            witness
                .remembered(now)
                .is_some_and(|vote| is_unseen(nodes, vote, node))
        };
        let patience = claim_hold * VETOES;
        let all: Vec<(&HostPort, bool)> = self
            .witnesses
            .iter()
            .filter(unseen)
            .filter(|witness| {
                witness
                    .down_since
                    .is_none_or(|since| now.since(since) < patience)
            })
            .filter_map(|witness| {
                let reaches = witness.down_since.is_none();
                Some((&witness.said.as_ref()?.0.address, reaches))
            })
            .collect();
        let agree = |place: &HostPort, only_hard: bool| {
            let same = all
                .iter()
                .filter(|(other, hard)| *other == place && (*hard || !only_hard));
            self.is_majority(same.count())
        };
        if all.iter().any(|(place, _)| agree(place, true)) {
            Veto::Hard
        } else if all.iter().any(|(place, _)| agree(place, false)) {
            Veto::Soft
        } else {
            Veto::None
        }
    }

    /// When the next vote is forgotten, or no longer vetoes.
    pub(super) fn next_deadline(&self, claim_hold: Duration, now: Moment) -> Option<Moment> {
        let forgotten = |witness: &Witness| Some(witness.said.as_ref()?.1.plus(MEMORY));
        let ends = |witness: &Witness| Some(witness.down_since?.plus(claim_hold * VETOES));
        let all = self.witnesses.iter();
        all.flat_map(|witness| [forgotten(witness), ends(witness)])
            .flatten()
            .filter(|end| *end > now)
            .min()
    }

    fn is_majority(&self, count: usize) -> bool {
        count * 2 > self.witnesses.len()
    }
}

impl Witness {
    /// Whom it stands by.
    fn vote(&self, now: Moment) -> Option<&Vote> {
        self.remembered(now)
            .filter(|vote| vote.phase == Phase::Settled)
    }

    /// Whom it named last, unless that is too long ago.
    fn remembered(&self, now: Moment) -> Option<&Vote> {
        let (vote, at) = self.said.as_ref()?;
        (now.since(*at) < MEMORY).then_some(vote)
    }

    /// R18: since when it has called one and the same primary down.
    fn note_down(&mut self, vote: &Vote, now: Moment) {
        let same = self
            .said
            .as_ref()
            .is_some_and(|(before, _)| before.address == vote.address);
        self.down_since = match self.down_since {
            _ if !vote.down => None,
            Some(since) if same => Some(since),
            _ => Some(now),
        };
    }
}

/// Whether a vote means another than `node` that does not answer us.
fn is_unseen(nodes: &[NodeState], vote: &Vote, node: &NodeState) -> bool {
    match meaning(nodes, vote) {
        Meaning::Run(id) | Meaning::Former(id) => {
            id != node.settings.id
                && nodes
                    .iter()
                    .any(|other| other.settings.id == id && !other.fresh)
        }
        Meaning::Stranger => true,
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            place,
            sentinels,
            of,
            down,
        } = self;
        write!(f, "{} of {of} Sentinels name {place}", sentinels.len())?;
        if *down {
            f.write_str(", which they do not reach either (s_down)")?;
        }
        Ok(())
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
