//! Facts, reports and published views for tests, as short as a scenario needs them.

use std::time::Duration;

use super::chain::{Access, Chain, Members, Tier};
use super::facts::{Condition, Facts, HostPort, Mode, ReplId, ReplicaFacts, Role, RunId};
use super::ids::{GroupId, ListenerId, NodeId};
use super::outcome::{Outcome, Report};
use super::reason::Ineligible;
use super::snapshot::{GroupView, NodeView, PrimaryView, Silence};
use super::time::Moment;

/// A moment so many milliseconds after the start.
pub(crate) fn at(millis: u64) -> Moment {
    Moment::at(Duration::from_millis(millis))
}

/// A report of a check that took a millisecond.
pub(crate) fn report(finished: Moment, outcome: Outcome) -> Report {
    Report {
        started: finished.minus(Duration::from_millis(1)),
        finished,
        dialled: true,
        outcome,
    }
}

/// A primary with one replica, some history and no ancestor.
pub(crate) fn primary(run: &str, history: &str) -> Facts {
    Facts {
        run_id: RunId(run.into()),
        version: "7.0.15".into(),
        mode: Mode::Standalone,
        role: Role::Primary {
            connected_replicas: 1,
        },
        replid: Some(ReplId(history.into())),
        replid2: None,
        tells_branch: true,
        second_offset: None,
        offset: 1000,
        handover: false,
        condition: Condition::Normal,
        has_keys: None,
        stream_bytes: None,
        good_replicas: None,
        uptime: None,
    }
}

/// A primary that branched from another history at an offset.
pub(crate) fn promoted(run: &str, history: &str, from: &str, offset: u64) -> Facts {
    Facts {
        replid2: Some(ReplId(from.into())),
        second_offset: Some(offset),
        ..primary(run, history)
    }
}

/// A primary that received the history that it branched from, so much of it.
pub(crate) fn received(run: &str, history: &str, from: &str, offset: u64) -> Facts {
    Facts {
        stream_bytes: Some(offset),
        ..promoted(run, history, from, offset)
    }
}

/// A primary that loaded a copy of another's file.
pub(crate) fn copied(run: &str, history: &str, from: &str, offset: u64) -> Facts {
    Facts {
        stream_bytes: Some(0),
        ..promoted(run, history, from, offset)
    }
}

/// A primary that was just started with nothing.
pub(crate) fn blank(run: &str, history: &str) -> Facts {
    Facts {
        role: Role::Primary {
            connected_replicas: 0,
        },
        offset: 0,
        ..primary(run, history)
    }
}

/// A replica in sync with the node at `host:port`.
pub(crate) fn replica(run: &str, history: &str, master: &HostPort) -> Facts {
    Facts {
        role: Role::Replica(ReplicaFacts {
            master: master.clone(),
            link_up: true,
            link_down_for: None,
            syncing: false,
            offset: 1000,
            last_io: Some(Duration::ZERO),
        }),
        ..primary(run, history)
    }
}

/// A replica whose link went down so long ago; none: it was never up.
pub(crate) fn cut_off(run: &str, history: &str, master: &HostPort, ago: Option<Duration>) -> Facts {
    let mut facts = replica(run, history, master);
    if let Role::Replica(link) = &mut facts.role {
        link.link_up = false;
        link.link_down_for = ago;
        link.last_io = None;
    }
    facts
}

/// The view of `redis-{id}`: a replica that may serve reads.
pub(crate) fn serving(id: u32) -> NodeView {
    NodeView {
        id: NodeId(id),
        name: format!("redis-{id}").into(),
        target: None,
        local: false,
        weight: 1,
        run: 1,
        redeemed: 0,
        write: Err(Ineligible::IsReplica),
        read: Ok(()),
        close_reads: None,
        silence: Silence::None,
        stale: false,
        looping: None,
    }
}

/// The view of a group of these nodes whose primary, in term 1, is the one that may take writes.
pub(crate) fn group(nodes: Vec<NodeView>) -> GroupView {
    let elected = nodes.iter().find(|node| node.write.is_ok());
    GroupView {
        id: GroupId(0),
        name: "main".into(),
        primary: elected.map(|node| PrimaryView {
            node: node.id,
            term: 1,
        }),
        ended: None,
        nodes,
    }
}

/// The view of a node that is the elected primary.
pub(crate) fn elected(id: u32) -> NodeView {
    NodeView {
        write: Ok(()),
        read: Err(Ineligible::IsPrimary),
        ..serving(id)
    }
}

/// A chain of one tier for each listener, which are numbered from 0.
pub(crate) fn chain(tiers: &[(Access, &[u32])]) -> Chain {
    let tier = |(listener, (access, ids)): (u32, &(Access, &[u32]))| Tier {
        listener: ListenerId(listener),
        access: *access,
        members: Members::Listed(ids.iter().copied().map(NodeId).collect()),
    };
    Chain {
        tiers: (0..).zip(tiers).map(tier).collect(),
    }
}
