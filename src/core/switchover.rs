//! A planned change of primary: may it begin, and which way is it done.
//!
//! The proxy promotes nobody by itself; on an operator's order it asks who can. Where Sentinels watch
//! the group only they may: after a plain `FAILOVER` beneath them their votes would stay wrong. Otherwise
//! the primary itself hands over (`FAILOVER`, Redis 6.2 and later).

use std::fmt;
use std::sync::Arc;

use super::election::has_living_primary;
use super::facts::HostPort;
use super::group::Group;
use super::ids::NodeId;
use super::node::{NodeState, Order};
use super::time::Moment;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The primary now.
    pub from: NodeId,
    /// Its name.
    pub from_name: Arc<str>,
    /// The election that holds now: a later one ends the switchover.
    pub term: u64,
    /// Who does it.
    pub way: Way,
}

/// Who does it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// `SENTINEL FAILOVER`; the Sentinel chooses the replica. Holds the addresses, as written, of those
    /// that answer.
    Sentinel(Vec<Arc<str>>),
    /// `FAILOVER TO` this node.
    Failover {
        /// Which.
        to: NodeId,
        /// Its name.
        name: Arc<str>,
    },
}

/// Why it may not begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody is elected, or the elected one is gone.
    NoPrimary,
    /// Several claim.
    Conflict,
    /// The primary has missed its last check.
    Silent(Arc<str>),
    /// A handover or another switchover is under way.
    UnderWay,
    /// No node has that name. Holds the right ones.
    NoSuchNode(Arc<str>, Vec<Arc<str>>),
    /// It is the primary already.
    AlreadyPrimary(Arc<str>),
    /// It cannot be the primary. Holds why.
    Unfit(Arc<str>, Unfit),
    /// No replica can be the primary. Holds why not, for each.
    Nobody(Vec<(Arc<str>, Unfit)>),
    /// Sentinel chooses by itself.
    SentinelChooses(Arc<str>),
    /// The Sentinels do not name the primary by a majority.
    SentinelsDisagree,
    /// Too old for `FAILOVER`.
    TooOld(Arc<str>, Arc<str>),
}

/// Why a node cannot be the next primary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// `local: true`.
    Local,
    /// An operator's order, or it is leaving.
    Ordered,
    /// It may not even serve reads. Holds why, as a sentence's end.
    Ineligible(String),
    /// It is no replica of the primary itself.
    FollowsAnother,
}

/// Plans a switchover of a group, to a node if one is named.
///
/// # Errors
/// Why it may not begin.
pub fn plan(group: &Group, to: Option<&str>, now: Moment) -> Result<Plan, Refusal> {
    let election = group.election();
    let primary = election
        .holder()
        .zip(election.primary())
        .filter(|_| has_living_primary(election, group.nodes()));
    let Some((holder, view)) = primary else {
        return Err(Refusal::NoPrimary);
    };
    if group.claimants() > 1 {
        return Err(Refusal::Conflict);
    }
    let mut nodes = group.nodes().iter();
    let facts = nodes
        .find(|node| node.settings.id == holder.node)
        .and_then(NodeState::fresh_facts);
    let Some(facts) = facts else {
        return Err(Refusal::Silent(holder.name.clone()));
    };
    if facts.handover || group.holds_writes(now) {
        return Err(Refusal::UnderWay);
    }
    let named = to.map(|name| find(group, name, holder.node)).transpose()?;
    let watched = group.sentinels().witnesses().next().is_some();
    let way = match named {
        Some(node) if watched => {
            return Err(Refusal::SentinelChooses(node.settings.name.clone()));
        }
        None if watched => sentinel_way(group, holder.node, now)?,
        named => failover_way(group, holder.node, named, now)?,
    };
    Ok(Plan {
        from: holder.node,
        from_name: holder.name.clone(),
        term: view.term,
        way,
    })
}

fn find<'a>(group: &'a Group, name: &str, primary: NodeId) -> Result<&'a NodeState, Refusal> {
    let mut nodes = group.nodes().iter();
    let Some(node) = nodes.find(|node| *node.settings.name == *name) else {
        let others = group.nodes().iter();
        let others = others.filter(|node| node.settings.id != primary && !node.settings.local);
        let names = others.map(|node| node.settings.name.clone()).collect();
        return Err(Refusal::NoSuchNode(name.into(), names));
    };
    if node.settings.id == primary {
        return Err(Refusal::AlreadyPrimary(node.settings.name.clone()));
    }
    Ok(node)
}

fn sentinel_way(group: &Group, primary: NodeId, now: Moment) -> Result<Way, Refusal> {
    let node = group
        .nodes()
        .iter()
        .find(|node| node.settings.id == primary);
    let agreed = node.is_some_and(|node| group.sentinels().agree_on(group.nodes(), node, now));
    if !agreed {
        return Err(Refusal::SentinelsDisagree);
    }
    let answer = group
        .sentinels()
        .witnesses()
        .filter(|(_, _, answers)| *answers);
    Ok(Way::Sentinel(
        answer.map(|(name, ..)| name.clone()).collect(),
    ))
}

fn failover_way(
    group: &Group,
    primary: NodeId,
    named: Option<&NodeState>,
    now: Moment,
) -> Result<Way, Refusal> {
    let nodes = group.nodes();
    let Some(from) = nodes.iter().find(|node| node.settings.id == primary) else {
        return Err(Refusal::NoPrimary);
    };
    let to = match named {
        Some(node) => {
            fitness(group, from, node, now)
                .map_err(|why| Refusal::Unfit(node.settings.name.clone(), why))?;
            node
        }
        None => best(group, from, now)?,
    };
    for node in [from, to] {
        let version = node.facts.as_ref().map(|facts| facts.version.clone());
        let version = version.unwrap_or_else(|| "unknown".into());
        if !is_at_least(&version, (6, 2)) {
            return Err(Refusal::TooOld(node.settings.name.clone(), version));
        }
    }
    Ok(Way::Failover {
        to: to.settings.id,
        name: to.settings.name.clone(),
    })
}

/// The fit replica that lacks least.
fn best<'a>(group: &'a Group, primary: &NodeState, now: Moment) -> Result<&'a NodeState, Refusal> {
    let others = || {
        let nodes = group.nodes().iter();
        nodes.filter(|node| node.settings.id != primary.settings.id)
    };
    let fit = others().filter(|node| fitness(group, primary, node, now).is_ok());
    fit.min_by_key(|node| node.lag.bytes().unwrap_or(u64::MAX))
        .ok_or_else(|| {
            let why = others().filter_map(|node| {
                let why = fitness(group, primary, node, now).err()?;
                Some((node.settings.name.clone(), why))
            });
            Refusal::Nobody(why.collect())
        })
}

fn fitness(group: &Group, primary: &NodeState, node: &NodeState, now: Moment) -> Result<(), Unfit> {
    if node.settings.local {
        return Err(Unfit::Local);
    }
    if node.order != Order::Ready || node.leaving {
        return Err(Unfit::Ordered);
    }
    let view = group.view().node(node.settings.id);
    if let Some(Err(why)) = view.map(|view| &view.read) {
        return Err(Unfit::Ineligible(why.explain(now)));
    }
    let follows = |place: &HostPort| primary.is_at(place);
    match node.fresh_facts().and_then(|facts| facts.replica()) {
        Some(link) if follows(&link.master) && link.link_up => Ok(()),
        _ => Err(Unfit::FollowsAnother),
    }
}

fn is_at_least(version: &str, least: (u32, u32)) -> bool {
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    let (major, minor) = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    (major, minor) >= least
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPrimary => f.write_str("there is no living primary to switch over from"),
            Self::Conflict => f.write_str(
                "several nodes claim to be primary: settle that first (REPLICAOF on the wrong one)",
            ),
            Self::Silent(name) => write!(
                f,
                "{name} did not answer its last check: try again when it does"
            ),
            Self::UnderWay => f.write_str("a handover is under way already"),
            Self::NoSuchNode(name, names) => {
                write!(
                    f,
                    "there is no node {name}: choose one of {}",
                    names.join(", ")
                )
            }
            Self::AlreadyPrimary(name) => write!(f, "{name} is the primary already"),
            Self::Unfit(name, why) => write!(f, "{name} {why}"),
            Self::Nobody(all) => {
                let clauses = all.iter().map(|(name, why)| format!("{name} {why}"));
                let clauses: Vec<String> = clauses.collect();
                write!(f, "no replica can take over: {}", clauses.join(", "))
            }
            Self::SentinelChooses(name) => write!(
                f,
                "Sentinel watches this group and chooses the replica by itself; a FAILOVER to {name} beneath \
                 it would leave its votes wrong. Leave the node out, or give {name} the lowest \
                 replica-priority first"
            ),
            Self::SentinelsDisagree => f.write_str(
                "no majority of the Sentinels names this primary: see who they name with status",
            ),
            Self::TooOld(name, version) => write!(
                f,
                "{name} runs version {version}, and FAILOVER came with 6.2: use REPLICAOF by hand"
            ),
        }
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("is local, and never primary"),
            Self::Ordered => f.write_str("is drained, in maintenance or leaving"),
            Self::Ineligible(why) => f.write_str(why),
            Self::FollowsAnother => f.write_str("does not replicate from the primary itself"),
        }
    }
}
