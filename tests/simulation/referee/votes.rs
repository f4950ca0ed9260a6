//! Who votes for whom (R3 (3)), and what stands against the hold (R3 (4)), from what was reported.

use rolecall::core::facts::{HostPort, ReplicaFacts, RunId};
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
    /// It was heard, or asked in vain.
    tried: bool,
    /// R18: since when it has called the address that it names down, without a break.
    down_since: Option<Moment>,
}

impl Said {
    pub fn take_in(&mut self, report: &SentinelReport, now: Moment) {
        self.answers = false;
        self.tried = true;
        match report {
            SentinelReport::Votes(vote) => {
                self.answers = true;
                let same = self
                    .vote
                    .as_ref()
                    .is_some_and(|(last, _)| last.address == vote.address);
                let since = self.down_since.filter(|_| same).unwrap_or(now);
                self.down_since = vote.down.then_some(since);
                self.vote = Some((vote.clone(), now));
            }
            SentinelReport::UnknownName | SentinelReport::NotASentinel(_) => {
                self.vote = None;
                self.down_since = None;
            }
            SentinelReport::Unreachable(_) | SentinelReport::Denied(_) => {}
        }
    }

    fn settled(&self, now: Moment) -> Option<&Vote> {
        self.remembered(now)
            .filter(|vote| vote.phase == Phase::Settled)
    }

    fn remembered(&self, now: Moment) -> Option<&Vote> {
        let (vote, at) = self.vote.as_ref()?;
        (now.since(*at) < MEMORY).then_some(vote)
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
            .filter(|node| self.is_heard(*node))
            .filter_map(|node| Some((node, self.told[node].last.as_ref()?.replica()?)))
    }

    /// R11: a missed check takes back nothing that it said.
    pub fn is_heard(&self, node: usize) -> bool {
        self.told[node].fresh || self.told[node].state == State::Up
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

    /// R4: the votes of a majority when each was last heard: a missed check does not end a contradiction.
    pub fn had_votes(&self, node: usize) -> bool {
        let linked = |(voter, link): &(usize, &ReplicaFacts)| self.is_linked_to(*voter, link, node);
        let replicas = self.electorate().filter(linked).count();
        let named = self.said.iter().filter_map(|said| said.settled(self.now));
        let sentinels = named.filter(|vote| self.meant(vote) == Meant::Node(node));
        replicas * 2 > self.electorate().count() || self.is_sentinel_majority(sentinels.count())
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

    /// A majority, answering or remembered, names another than this one.
    pub fn sentinels_name_another(&self, node: usize) -> bool {
        let votes = self.said.iter().filter_map(|said| said.settled(self.now));
        let others = votes.filter(|vote| self.meant(vote) != Meant::Node(node));
        !self.said.is_empty() && self.is_sentinel_majority(others.count())
    }

    /// R4: nothing that a Sentinel has yet to say could change who is named, or all were asked.
    pub fn are_sentinels_decided(&self) -> bool {
        let answers = self.said.iter().filter(|said| said.answers);
        let named: Vec<(&HostPort, &Option<RunId>)> = answers
            .filter_map(|said| said.settled(self.now))
            .map(|vote| (&vote.address, &vote.run_id))
            .collect();
        let agree = |place: &(&HostPort, &Option<RunId>)| {
            named.iter().filter(|other| *other == place).count()
        };
        let majority = named
            .iter()
            .any(|place| self.is_sentinel_majority(agree(place)));
        majority || self.said.iter().all(|said| said.tried)
    }

    /// The proviso of the hold: why another node may be the primary out of our sight.
    pub fn elsewhere(&self, claimant: usize, now: Moment) -> Option<&'static str> {
        let replica = self.electorate().any(|(voter, link)| {
            let unseen = !(0..self.told.len()).any(|other| {
                let told = &self.told[other];
                told.is_at(&link.master) && told.fresh && !self.is_out(other)
            });
            link.link_up && unseen && !self.is_linked_to(voter, link, claimant)
        });
        if replica {
            return Some("held back: a replica follows an unseen node");
        }
        let hard = |said: &Said| said.down_since.is_none();
        self.do_name_an_unseen(claimant, now, hard)
            .then_some("held back: sentinels name an unseen node")
    }

    /// R18: those that call the node which they name down themselves delay an election without votes.
    pub fn delay_softly(&self, claimant: usize, now: Moment) -> bool {
        let patience = self.rules.claim_hold * 3;
        let counts = |said: &Said| {
            said.down_since
                .is_none_or(|since| now.since(since) < patience)
        };
        self.do_name_an_unseen(claimant, now, counts)
    }

    fn do_name_an_unseen(
        &self,
        claimant: usize,
        now: Moment,
        counts: impl Fn(&Said) -> bool,
    ) -> bool {
        let unseen: Vec<&Vote> = self
            .said
            .iter()
            .filter(|said| counts(said))
            // In the middle of a failover too: it may come to nothing.
            .filter_map(|said| said.remembered(now))
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
        unseen.iter().any(agree)
    }
}
