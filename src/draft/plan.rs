//! What was found, as the parts of a configuration: names, local nodes, and addresses for the listeners.
//! Pure: the machine is asked through [`Host`].

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::explore::{Explored, Seen};
use super::sort::description;
use super::{Auth, Host, Occupant, Wanted};
use crate::config::model::Address;
use crate::core::facts::Facts;
use crate::core::snapshot::Target;

/// The port that listeners have unless something is in the way.
const PORT: u16 = 6379;

/// The parts of a configuration.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) group: String,
    pub(super) nodes: Vec<Planned>,
    /// Lines that say what was left out.
    pub(super) left_out: Vec<String>,
    /// Of the nodes; none where they want none.
    pub(super) auth: Option<Auth>,
    /// Name, addresses, and whether they want the password too.
    pub(super) sentinel: Option<(String, Vec<Address>, Option<Auth>)>,
    pub(super) listeners: Vec<PlannedListener>,
    /// What was decided and may surprise.
    pub(super) remarks: Vec<String>,
}

/// A node to write down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Planned {
    pub(super) name: String,
    pub(super) address: Address,
    pub(super) local: bool,
    pub(super) remark: String,
}

/// A listener to write down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PlannedListener {
    pub(super) name: &'static str,
    pub(super) bind: SocketAddr,
    pub(super) access: &'static str,
    pub(super) fallback: Option<&'static str>,
}

/// Makes the plan.
pub(super) fn plan(explored: &Explored, wanted: &Wanted, host: &dyn Host) -> Plan {
    let mut remarks = Vec::new();
    let nodes = nodes(explored, host, &mut remarks);
    let has_local = nodes.iter().any(|node| node.local);
    let auth = wanted.auth.clone();
    let sentinel = explored.master_name.clone().map(|name| {
        let auth = auth.clone().filter(|_| explored.sentinel_auth);
        (name, explored.sentinels.clone(), auth)
    });
    let sentinel = sentinel.filter(|(_, addresses, _)| !addresses.is_empty());
    Plan {
        group: group_name(explored.master_name.as_deref()),
        listeners: listeners(&explored.nodes, has_local, host, &mut remarks),
        nodes,
        left_out: explored
            .left_out
            .iter()
            .map(|(address, why)| format!("{address} {why}"))
            .collect(),
        auth: auth.filter(|_| explored.nodes.iter().any(|seen| seen.auth)),
        sentinel,
        remarks,
    }
}

/// The Sentinels' name, where it can be one of ours.
fn group_name(master_name: Option<&str>) -> String {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let name = master_name.filter(|name| name.len() <= 128);
    name.filter(|name| {
        name.chars().all(good) && name.starts_with(|c: char| c.is_ascii_alphanumeric())
    })
    .unwrap_or("main")
    .to_owned()
}

fn nodes(explored: &Explored, host: &dyn Host, remarks: &mut Vec<String>) -> Vec<Planned> {
    let seen = &explored.nodes;
    let remote = seen.iter().any(|node| !is_here(node, host));
    let is_local = |node: &Seen| {
        let is_replica = node.answer.as_ref().is_ok_and(|facts| !facts.claims());
        remote && is_replica && is_here(node, host)
    };
    let locals = seen
        .iter()
        .filter(|node| is_local(node) && !node.listed)
        .count();
    let (mut number, mut local_number) = (0, 0);
    let planned = seen.iter().map(|node| {
        // One that Sentinel may promote must not be local: it would never take the writes.
        let local = is_local(node) && !node.listed;
        if is_local(node) && node.listed {
            remarks.push(format!(
                "{} is on this host; Sentinel may promote it, so it is not written as local",
                node.address
            ));
        }
        let name = if local {
            local_number += 1;
            if locals == 1 {
                "redis-local".to_owned()
            } else {
                format!("redis-local-{local_number}")
            }
        } else {
            number += 1;
            format!("redis-{number}")
        };
        Planned {
            name,
            address: node.address.clone(),
            local,
            remark: remark(node, local),
        }
    });
    planned.collect()
}

fn remark(node: &Seen, local: bool) -> String {
    let said = match &node.answer {
        Ok(facts) => said_of(node, facts, local),
        Err(why) => format!("it {why}"),
    };
    format!("{said}; {}", node.origin)
}

fn said_of(node: &Seen, facts: &Facts, local: bool) -> String {
    let about = description(node, facts);
    if local {
        format!("{about}, on this host: never the primary, has no vote")
    } else {
        about
    }
}

/// Whether a node is on this host.
fn is_here(node: &Seen, host: &dyn Host) -> bool {
    match (&node.target, &node.address) {
        (_, Address::Unix(_)) | (Some(Target::Unix(_)), _) => true,
        (Some(Target::Tcp(address)), _) => host.has(address.ip()),
        (None, Address::Tcp(_)) => false,
    }
}

fn listeners(
    nodes: &[Seen],
    has_local: bool,
    host: &dyn Host,
    remarks: &mut Vec<String>,
) -> Vec<PlannedListener> {
    let mut wanted = vec![
        ("redis-rw", 1, "read-write", None),
        ("redis-ro", 2, "read-only", Some("redis-rw")),
    ];
    if has_local {
        wanted.push(("redis-local-ro", 3, "local-read-only", Some("redis-ro")));
    }
    let all = wanted.into_iter().map(|(name, last, access, fallback)| {
        let ip = IpAddr::V4(Ipv4Addr::new(127, 0, 0, last));
        PlannedListener {
            name,
            bind: free(name, ip, nodes, host, remarks),
            access,
            fallback,
        }
    });
    all.collect()
}

/// The first port where no Redis listens. Another program, such as the proxy that is to be replaced, is not in
/// the way for ever.
fn free(
    name: &str,
    ip: IpAddr,
    nodes: &[Seen],
    host: &dyn Host,
    remarks: &mut Vec<String>,
) -> SocketAddr {
    let wanted = SocketAddr::new(ip, PORT);
    let mut bind = wanted;
    let mut why = None;
    while bind.port() < PORT + 1000 {
        let node = nodes.iter().find(|node| is_at(node, bind));
        let taken = match (node, host.holder(bind)) {
            (Some(_), _) => "a node of the group listens there".to_owned(),
            (None, Occupant::Redis(holder)) => format!("it is held by {holder}"),
            (None, Occupant::Other(holder)) => {
                if bind == wanted {
                    remarks.push(format!(
                        "{bind}, for {name}, is held by {holder}: stop that before rolecall starts"
                    ));
                    break;
                }
                format!("it is held by {holder}")
            }
            (None, Occupant::Nobody) => break,
        };
        why.get_or_insert(taken);
        bind.set_port(bind.port() + 1);
    }
    if let Some(why) = why {
        remarks.push(format!("{name} listens on {bind}, not on {wanted}: {why}"));
    }
    bind
}

fn is_at(node: &Seen, bind: SocketAddr) -> bool {
    match &node.target {
        Some(Target::Tcp(address)) => *address == bind,
        Some(Target::Unix(_)) | None => match &node.address {
            Address::Tcp(place) => place.to_string() == bind.to_string(),
            Address::Unix(_) => false,
        },
    }
}
