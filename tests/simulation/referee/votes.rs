//! Who votes for whom (R3 (3)), and what stands against the hold (R3 (4)), from what was reported.

use rolecall::core::facts::{HostPort, ReplicaFacts};
use rolecall::core::sentinel::{Phase, SentinelReport, Vote};
use rolecall::core::time::Moment;

use super::Referee;
use super::told::State;

/// How long a Sentinel that has fallen silent still delays the hold.
const MEMORY: std::time::Duration = std::time::Duration::from_secs(30);

/// What one Sentinel said last.
#[derive(Clone, Debug, Default)]
pub struct Said {
    pub vote: Option<(Vote, Moment)>,
    pub answers: bool,
}

impl Said {
    pub fn take_in(&mut self, report: &SentinelReport, now: Moment) {
        self.answers = false;
        match report {
            SentinelReport::Votes(vote) => {
                self.answers = true;
                self.vote = Some((vote.clone(), now));
            }
            SentinelReport::UnknownName | SentinelReport::NotASentinel(_) => self.vote = None,
            SentinelReport::Unreachable(_) | SentinelReport::Denied(_) => {}
        }
    }

    fn settled(&self, now: Moment) -> Option<&Vote> {
        let (vote, at) = self.vote.as_ref()?;
        (vote.phase == Phase::Settled && now.since(*at) < MEMORY).then_some(vote)
    }
}

/// The process that a vote or a link means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meant {
    Node(usize),
    FormerRunOf(usize),
    Stranger,
}

impl Referee {
    /// The node that stands for a process with two addresses.
    fn first(&self, node: usize) -> usize {
        self.double[node].unwrap_or(node)
    }

    fn node_at(&self, place: &HostPort) -> Option<usize> {
        self.told.iter().position(|told| told.is_at(place))
    }

    /// Who could vote. R11: also one that misses a check just now.
    fn electorate(&self) -> impl Iterator<Item = (usize, &ReplicaFacts)> {
        (0..self.told.len())
            .filter(|node| self.takes_part(*node))
            .filter(|node| self.told[*node].fresh || self.told[*node].state == State::Up)
            .filter_map(|node| Some((node, self.told[node].last.as_ref()?.replica()?)))
    }

    fn is_linked_to(&self, voter: usize, link: &ReplicaFacts, claimant: usize) -> bool {
        let history = |node: usize| self.told[node].last.as_ref().and_then(|f| f.replid.clone());
        let same = history(voter) == history(claimant);
        let named = self.node_at(&link.master).map(|node| self.first(node));
        link.link_up && same && named.is_none_or(|named| named == claimant)
    }

    /// Which replicas vote for a claimant, and how many could.
    pub fn replica_votes(
        &self,
        claimant: usize,
        newer_than: Option<Moment>,
    ) -> (Vec<usize>, usize) {
        let votes = self
            .electorate()
            .filter(|(voter, link)| {
                self.told[*voter].fresh && self.is_linked_to(*voter, link, claimant)
            })
            .map(|(voter, _)| voter)
            .filter(|voter| newer_than.is_none() || self.told[*voter].turned_at > newer_than);
        (votes.collect(), self.electorate().count())
    }

    fn meant(&self, vote: &Vote) -> Meant {
        let by_run = || {
            let run = vote.run_id.as_ref()?;
            self.told.iter().position(|told| told.run() == Some(run))
        };
        let Some(node) = self.node_at(&vote.address).or_else(by_run) else {
            return Meant::Stranger;
        };
        let node = self.first(node);
        match (&vote.run_id, self.told[node].run()) {
            (Some(named), Some(known)) if named != known => Meant::FormerRunOf(node),
            _ => Meant::Node(node),
        }
    }

    /// Which Sentinels name this run of a claimant, with `above` under a greater epoch only.
    pub fn sentinel_votes(&self, claimant: usize, above: Option<u64>, now: Moment) -> Vec<usize> {
        let names = |index: &usize| {
            let said = &self.said[*index];
            said.answers
                && said.settled(now).is_some_and(|vote| {
                    above.is_none_or(|epoch| vote.config_epoch > epoch)
                        && self.meant(vote) == Meant::Node(claimant)
                })
        };
        (0..self.said.len()).filter(names).collect()
    }

    pub fn is_sentinel_majority(&self, count: usize) -> bool {
        count * 2 > self.said.len()
    }

    /// Whether a vote that made a majority was matched by the run alone.
    pub fn is_named_by_run(&self, index: usize) -> bool {
        let vote = self.said[index].vote.as_ref();
        vote.is_some_and(|(vote, _)| self.node_at(&vote.address).is_none())
    }

    pub fn highest_epoch(&self) -> Option<u64> {
        let told = self.said.iter().filter_map(|said| said.vote.as_ref());
        told.map(|(vote, _)| vote.config_epoch).max()
    }

    /// The proviso of the hold: why another node may be the primary out of our sight.
    pub fn elsewhere(&self, claimant: usize, now: Moment) -> Option<&'static str> {
        let replica = self.electorate().any(|(voter, link)| {
            let unseen = !self
                .told
                .iter()
                .any(|told| told.is_at(&link.master) && told.fresh && !told.out);
            link.link_up && unseen && !self.is_linked_to(voter, link, claimant)
        });
        if replica {
            return Some("held back: a replica follows an unseen node");
        }
        let unseen: Vec<&Vote> = self
            .said
            .iter()
            .filter_map(|said| said.settled(now))
            .filter(|vote| match self.meant(vote) {
                Meant::Node(node) | Meant::FormerRunOf(node) => {
                    node != claimant && !self.told[node].fresh
                }
                Meant::Stranger => true,
            })
            .collect();
        let agree = |vote: &&Vote| {
            let same = unseen.iter().filter(|other| other.address == vote.address);
            self.is_sentinel_majority(same.count())
        };
        let majority = unseen.iter().any(agree);
        majority.then_some("held back: sentinels name an unseen node")
    }
}
