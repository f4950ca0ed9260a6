//! Whose data a node holds (R17): the histories that the group has had, and the nodes that hold another.
//!
//! An address proves nothing: a pod's address is given to another group's pod, and a script says `REPLICAOF`
//! to the wrong host. A replication history does: a replica carries its primary's `master_replid`, and a
//! promoted one keeps it as `master_replid2`. So chains through our listeners, through other proxies and
//! through nodes that are not configured stay possible.
//!
//! A primary that is started with nothing, or from an append-only file, draws a new `master_replid` without
//! any `master_replid2`. Such a history began with that process: it is no other group's, and R5 says what it
//! takes to be elected with it.

use std::time::Duration;

use super::election::Election;
use super::event::Evidence;
use super::facts::{Facts, HostPort, ReplId, RunId};
use super::ids::NodeId;
use super::node::{self, Kin, NodeState};
use super::time::Moment;

/// Histories that are remembered; the oldest is forgotten first. Each failover adds one.
const REMEMBERED: usize = 32;

/// Without a report for so long, or four intervals, the proxy itself did not run: it may have missed more than
/// one failover, and knows no more than one that starts now.
const LAPSE: Duration = Duration::from_secs(5);

/// The histories of one group.
#[derive(Clone, Debug, Default)]
pub(super) struct Lineage {
    /// Oldest first.
    known: Vec<ReplId>,
    /// What is not in `known` is foreign: a primary was elected, or an operator accepted a history.
    established: bool,
    /// The end of the last report.
    reported: Option<Moment>,
    /// The start of the first report after the last lapse.
    resumed: Moment,
}

impl Lineage {
    /// Takes in that a check began and ended. After a lapse the histories are to be established anew.
    pub(super) fn reported(&mut self, started: Moment, finished: Moment, interval: Duration) {
        let patience = LAPSE.max(interval * 4);
        if self
            .reported
            .is_some_and(|last| started.since(last) > patience)
        {
            self.established = false;
            self.resumed = started;
        }
        self.reported = self.reported.max(Some(finished));
    }

    /// The history that an elected primary tells is the group's; while none is known, so is the one that it
    /// branched from.
    pub(super) fn adopt(&mut self, facts: &Facts) {
        if !self.established {
            facts.replid2.iter().for_each(|history| self.add(history));
        }
        self.established = true;
        facts.replid.iter().for_each(|history| self.add(history));
    }

    /// An operator says that the data of a node are the group's from now on; all others are foreign.
    pub(super) fn accept(&mut self, facts: &Facts) {
        self.known.clear();
        self.established = false;
        self.adopt(facts);
    }

    fn add(&mut self, history: &ReplId) {
        if self.known.contains(history) {
            return;
        }
        if self.known.len() == REMEMBERED {
            self.known.remove(0);
        }
        self.known.push(history.clone());
    }

    /// Judges all nodes, and writes [`NodeState::kin`]. `own` says whether an address is one of our listeners.
    pub(super) fn place(
        &mut self,
        nodes: &mut [NodeState],
        election: &Election,
        own: impl Fn(&HostPort) -> bool,
    ) {
        self.follow_holder(nodes, election);
        let placed = if self.established {
            self.compare(nodes, election)
        } else {
            // A guess, which proves nothing later.
            let guesses = cold(nodes, own).into_iter();
            guesses.map(|kin| (kin, false)).collect()
        };
        let only = node::only(nodes);
        let last_history = election
            .incumbent()
            .and_then(|(incumbent, _)| incumbent.history.as_ref());
        for (node, (kin, is_proven)) in nodes.iter_mut().zip(placed) {
            let is_only = only == Some(node.settings.id);
            let history = node.facts.as_ref().and_then(|facts| facts.replid.clone());
            let told = node.run_id().cloned().zip(history);
            // After a lapse what was foreign before still is.
            let is_marked = !self.established && told.is_some() && told == node.foreign_since;
            let kin = if is_marked { Kin::Foreign } else { kin };
            if kin == Kin::Native && node.fresh && !is_only {
                if is_proven {
                    node.native.clone_from(&told);
                }
                node.foreign_since = None;
            } else if self.established && kin == Kin::Foreign {
                if node.native == told {
                    node.native = None;
                }
                node.foreign_since.clone_from(&told);
            }
            // R4: a group of one node has nobody to compare it with.
            node.kin = if is_only { Kin::Native } else { kin };
            let branched = node.facts.as_ref().is_none_or(|facts| {
                let from_last = facts.replid2.is_some() && facts.replid2.as_ref() == last_history;
                !facts.claims() || from_last || branched_from_its_own(node, facts)
            });
            node.needs_votes = self.established && !is_only && !is_proven && !branched;
        }
    }

    /// The incumbent may draw a new history while it goes on claiming: when it was a replica between two checks, or
    /// a while after its last replica has gone (`repl-backlog-ttl`).
    fn follow_holder(&mut self, nodes: &[NodeState], election: &Election) {
        let Some(holder) = election.holder() else {
            return;
        };
        let node = nodes
            .iter()
            .find(|node| node.settings.id == holder.node && node.run_id() == Some(&holder.run_id));
        let heard = node.filter(|node| node.fresh && node.answered_at >= self.resumed);
        let Some(facts) = heard.and_then(|node| node.facts.as_ref()) else {
            return;
        };
        let is_proven = if self.established {
            heard.is_some_and(|node| {
                self.is_own_claim(node, facts, Some(holder.node))
                    || branched_from_its_own(node, facts)
            })
        } else {
            // What was elected for want of another, or by time alone, may be another group's.
            !matches!(holder.evidence, Evidence::Hold { .. } | Evidence::Demotion)
        };
        let is_grounded = is_proven && !holder.unproven;
        if facts.claims() && (is_grounded || is_followed(nodes, facts)) {
            self.adopt(facts);
        }
    }

    /// What each node holds, once the group's histories are known, and whether its own history says so.
    fn compare(&self, nodes: &[NodeState], election: &Election) -> Vec<(Kin, bool)> {
        let last = election.incumbent().map(|(incumbent, _)| incumbent.node);
        let only = node::only(nodes);
        let claims = |holds: &dyn Fn(&NodeState, &Facts) -> bool| -> Vec<bool> {
            let judge = |node: &NodeState| {
                let facts = node.facts.as_ref().filter(|facts| facts.claims());
                facts.is_some_and(|facts| holds(node, facts))
            };
            nodes.iter().map(judge).collect()
        };
        let native = claims(&|node, facts| {
            only == Some(node.settings.id)
                || self.is_own_claim(node, facts, last)
                || branched_from_its_own(node, facts)
        });
        let known = claims(&is_known_process);
        let place = |node: &NodeState| {
            let Some(facts) = &node.facts else {
                return (Kin::Native, false);
            };
            let is_replica = facts.replica().is_some();
            let is_proven = if is_replica {
                self.shares(facts) || follows_a_claim(nodes, &native, facts)
            } else {
                self.is_own_claim(node, facts, last)
            };
            let is_trusted = branched_from_its_own(node, facts)
                || (!is_replica && is_known_process(node, facts))
                || (is_replica
                    && (!was_in_sync(facts) || is_vouched_for(nodes, &native, node, facts)));
            match () {
                () if is_proven || is_trusted => (Kin::Native, is_proven),
                // It votes for one that votes alone elect, and serves once that is elected.
                () if is_replica && follows_a_claim(nodes, &known, facts) => (Kin::Unplaced, false),
                () => (Kin::Foreign, false),
            }
        };
        nodes.iter().map(place).collect()
    }

    /// Before Redis 4, and where branches are not told, there is nothing to compare.
    fn shares(&self, facts: &Facts) -> bool {
        let knows = |history: &ReplId| self.known.contains(history);
        !facts.tells_branch
            || facts.replid.as_ref().is_none_or(knows)
            || facts.replid2.as_ref().is_some_and(knows)
    }

    fn is_own_claim(&self, node: &NodeState, facts: &Facts, last: Option<NodeId>) -> bool {
        let restarted = facts.replid2.is_none() && node.restarted && last == Some(node.settings.id);
        self.shares(facts) || began(node) || restarted
    }
}

/// The history that it tells began with this very process.
fn began(node: &NodeState) -> bool {
    let told = node.facts.as_ref().and_then(|facts| facts.replid.as_ref());
    told.is_some() && told == node.born.as_ref()
}

/// This very process told the history that it branched from, as one of the group.
fn branched_from_its_own(node: &NodeState, facts: &Facts) -> bool {
    node.native.as_ref().is_some_and(|(run, history)| {
        *run == facts.run_id && facts.replid2.as_ref() == Some(history)
    })
}

/// The group's own process, or one that was started in its place, claims with a history that is not known: it may
/// have been promoted twice out of our sight, or have been restarted from an old file. It is no stranger, and its
/// history proves nothing: votes alone elect it ([`NodeState::needs_votes`]).
fn is_known_process(node: &NodeState, facts: &Facts) -> bool {
    let is = |known: &Option<(RunId, ReplId)>| {
        known.as_ref().is_some_and(|(run, _)| *run == facts.run_id)
    };
    // One that was a replica first has its history from another.
    let restarted = node.restarted && !node.was_replica;
    !is(&node.foreign_since) && (is(&node.native) || restarted)
}

/// A fresh replica is in sync with the node that tells these facts.
fn is_followed(nodes: &[NodeState], facts: &Facts) -> bool {
    nodes
        .iter()
        .filter_map(NodeState::fresh_facts)
        .any(|other| {
            let in_sync = other.replica().is_some_and(|link| link.link_up);
            in_sync && other.replid.is_some() && other.replid == facts.replid
        })
}

/// A replica that is in sync, or was while this process runs.
fn was_in_sync(facts: &Facts) -> bool {
    facts
        .replica()
        .is_some_and(|link| link.link_up || link.link_down_for.is_some())
}

/// A replica of one of these claimants, which was not elected yet.
fn follows_a_claim(nodes: &[NodeState], claims: &[bool], facts: &Facts) -> bool {
    nodes.iter().zip(claims).any(|(other, counts)| {
        let claim = other.facts.as_ref().filter(|facts| facts.claims());
        *counts
            && !other.is_gone()
            && claim.is_some_and(|claim| claim.replid.is_some() && claim.replid == facts.replid)
    })
}

/// This very process held the group's data, and is in sync with a node of the group that does not answer us
/// just now: that one may have been promoted out of our sight.
fn is_vouched_for(
    nodes: &[NodeState],
    native_claims: &[bool],
    node: &NodeState,
    facts: &Facts,
) -> bool {
    let link = facts.replica().filter(|link| link.link_up);
    let is_same_run = node
        .native
        .as_ref()
        .is_some_and(|(run, _)| *run == facts.run_id);
    // A missed check of its primary must not make it one of the group's (R11).
    is_same_run
        && node.kin == Kin::Native
        && link.is_some_and(|link| {
            nodes.iter().zip(native_claims).any(|(other, is_native)| {
                let claims = other.facts.as_ref().is_some_and(Facts::claims);
                other.is_at(&link.master)
                    && other.settings.id != node.settings.id
                    && !other.fresh
                    && other.was_checked()
                    && other.kin != Kin::Foreign
                    && other.native.is_some()
                    && (!claims || *is_native)
                    && other.is_wanted()
            })
        })
}

/// Before the first election nothing says which history is the group's; but one that has a claimant, or a
/// replica that follows a node of the group, is more likely to be it than one that has neither.
fn cold(nodes: &[NodeState], own: impl Fn(&HostPort) -> bool) -> Vec<Kin> {
    let families = families(nodes);
    let of = |family: usize| {
        let members = nodes.iter().zip(&families);
        members
            .filter(move |(_, other)| **other == Some(family))
            .map(|(node, _)| node)
    };
    let is_anchored = |family: usize| {
        of(family).any(|node| {
            // One that nobody waits for must not tell more when it is heard first.
            let facts = node
                .facts
                .as_ref()
                .filter(|_| !node.learned && node.is_admitted());
            facts.is_some_and(|facts| match facts.replica() {
                None => true,
                Some(link) => {
                    own(&link.master) || nodes.iter().any(|node| node.is_at(&link.master))
                }
            })
        })
    };
    let all: Vec<usize> = families.iter().flatten().copied().collect();
    let is_one = all.windows(2).all(|pair| pair[0] == pair[1]);
    let any_anchored = all.iter().any(|family| is_anchored(*family));
    let any_written = nodes
        .iter()
        .zip(&families)
        .any(|(node, family)| !node.learned && family.is_some());
    let unheard = nodes.iter().any(NodeState::is_unheard);
    let judge = |(node, family): (&NodeState, &Option<usize>)| {
        let Some(family) = *family else {
            return Kin::Native;
        };
        if node.learned {
            let shares = of(family).any(|other| !other.learned) || (!any_written && is_one);
            return if shares { Kin::Native } else { Kin::Foreign };
        }
        if !node.facts.as_ref().is_some_and(was_in_sync) || is_anchored(family) {
            Kin::Native
        } else if any_anchored {
            Kin::Foreign
        } else if unheard {
            Kin::Unplaced
        } else {
            Kin::Native
        }
    };
    nodes.iter().zip(&families).map(judge).collect()
}

/// Numbers the nodes by the histories that connect them; none for those that told none.
fn families(nodes: &[NodeState]) -> Vec<Option<usize>> {
    let tells = |node: &NodeState| {
        let facts = node.facts.clone();
        facts.filter(|facts| facts.replid.is_some() && facts.tells_branch)
    };
    let facts: Vec<Option<Facts>> = nodes.iter().map(tells).collect();
    let mut families: Vec<Option<usize>> = facts
        .iter()
        .enumerate()
        .map(|(place, facts)| facts.as_ref().map(|_| place))
        .collect();
    loop {
        let before = families.clone();
        for (a, of_a) in facts.iter().enumerate() {
            for (b, of_b) in facts.iter().enumerate() {
                if let (Some(of_a), Some(of_b)) = (of_a, of_b)
                    && is_kin(of_a, of_b)
                {
                    families[a] = families[a].min(families[b]);
                }
            }
        }
        if families == before {
            return families;
        }
    }
}

/// Whether two nodes tell of a common history, or one of them tells none.
pub(super) fn is_kin(a: &Facts, b: &Facts) -> bool {
    let (Some(first), Some(second)) = (&a.replid, &b.replid) else {
        return true;
    };
    if !a.tells_branch || !b.tells_branch {
        return true;
    }
    let is = |history: &ReplId, branch: &Option<ReplId>| branch.as_ref() == Some(history);
    first == second
        || is(first, &b.replid2)
        || is(second, &a.replid2)
        || (a.replid2.is_some() && a.replid2 == b.replid2)
}
