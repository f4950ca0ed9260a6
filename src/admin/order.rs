//! `POST /api/order/NODE`: an operator's order for a node, and what follows from it in words.

use std::fmt::Write as _;

use hyper::StatusCode;

use super::commands::Refusal;
use super::query::Query;
use super::sources::Sources;
use crate::api::{NodeOrder, Ordered};
use crate::core::group::Group;
use crate::core::ids::{GroupId, ListenerId, NodeId};
use crate::core::node::{NodeState, Order};
use crate::core::pick::takers;
use crate::core::time::in_words;

/// Finds the node, gives the order to its owner, and tells what it changed.
pub(super) async fn order(
    sources: &Sources,
    name: &str,
    query: &Query,
) -> Result<Ordered, Refusal> {
    let order = wanted(query)?;
    let before = sources.control.look().await;
    let (group, node) = find(&before, name, query.get("group"))?;
    if node.leaving {
        let why = format!("{name} is being taken out, and takes no orders");
        return Err(Refusal::new(StatusCode::CONFLICT, why));
    }
    let (group_id, node_id) = (group.view().id, node.settings.id);
    let accepts = query.flag("accept_history")?;
    if accepts {
        accept_history(sources, order, group_id, node_id).await?;
    }
    if !sources.control.order(group_id, node_id, order).await {
        return Err(ending());
    }
    let after = sources.control.look().await;
    let after = after.iter().find(|group| group.view().id == group_id);
    let could = served(sources, group);
    let parks = served(sources, after.unwrap_or(group))
        .into_iter()
        .filter(|(id, name, serves)| !serves && could.contains(&(*id, name.clone(), true)))
        .map(|(_, name, _)| name)
        .collect();
    let holder = group.election().holder();
    let mut ordered = Ordered {
        group: group.view().name.to_string(),
        node: name.to_owned(),
        order: match order {
            Order::Ready => NodeOrder::Ready,
            Order::Drain => NodeOrder::Drain,
            Order::Maintenance => NodeOrder::Maintenance,
        },
        changed: node.order != order,
        primary: holder.is_some_and(|holder| holder.node == node_id),
        sessions: sources.loads.sessions(node_id),
        parks,
        text: String::new(),
    };
    ordered.text = words(&ordered, &patience(sources, group));
    if accepts {
        ordered.text += ". Its history is the group's from now on: nodes of another one serve nothing until they \
                         are in sync with it";
    }
    Ok(ordered)
}

fn ending() -> Refusal {
    let why = "the proxy is ending, and takes no orders";
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, why)
}

/// R17: an operator says in words that a group's data were replaced on purpose.
async fn accept_history(
    sources: &Sources,
    order: Order,
    group: GroupId,
    node: NodeId,
) -> Result<(), Refusal> {
    if order != Order::Ready {
        return Err("accept_history goes with order=ready only"
            .to_owned()
            .into());
    }
    let accepted = sources.control.accept_history(group, node).await;
    accepted
        .ok_or_else(ending)?
        .map_err(|why| Refusal::new(StatusCode::CONFLICT, why.to_string()))
}

fn wanted(query: &Query) -> Result<Order, Refusal> {
    match query.get("order") {
        Some("ready") => Ok(Order::Ready),
        Some("drain") => Ok(Order::Drain),
        Some("maintenance") => Ok(Order::Maintenance),
        Some(other) => {
            Err(format!("order={other:?} is no order: drain, maintenance or ready").into())
        }
        None => Err(
            "the parameter order is missing: drain, maintenance or ready"
                .to_owned()
                .into(),
        ),
    }
}

/// The one node of that name; an error lists the right ones.
fn find<'g>(
    groups: &'g [Group],
    name: &str,
    group: Option<&str>,
) -> Result<(&'g Group, &'g NodeState), Refusal> {
    let is_asked = |known: &&Group| group.is_none_or(|name| *known.view().name == *name);
    let asked: Vec<&Group> = groups.iter().filter(is_asked).collect();
    if let (Some(group), true) = (group, asked.is_empty()) {
        let names: Vec<&str> = groups.iter().map(|group| &*group.view().name).collect();
        let why = format!(
            "there is no group {group:?}; the groups are {}",
            names.join(", ")
        );
        return Err(Refusal::new(StatusCode::NOT_FOUND, why));
    }
    let mut found = asked.iter().flat_map(|group| {
        let named = group.nodes().iter();
        // One that was moved is leaving at its old address: the order is for the new one.
        let moved = |node: &NodeState| {
            let mut others = group.nodes().iter();
            node.leaving && others.any(|other| !other.leaving && *other.settings.name == *name)
        };
        let named = named.filter(move |node| *node.settings.name == *name && !moved(node));
        named.map(move |node| (*group, node))
    });
    match (found.next(), found.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => {
            let lists: Vec<String> = asked.iter().map(|group| nodes_of(group)).collect();
            let why = format!("there is no node {name:?}; {}", lists.join("; "));
            Err(Refusal::new(StatusCode::NOT_FOUND, why))
        }
        (Some((first, _)), Some((second, _))) => {
            let why = format!(
                "{name} is in the groups {} and {}: say which (--group, or group= in the query)",
                first.view().name,
                second.view().name
            );
            Err(why.into())
        }
    }
}

fn nodes_of(group: &Group) -> String {
    let names: Vec<&str> = group.nodes().iter().map(|n| &*n.settings.name).collect();
    format!(
        "the nodes of {} are {}",
        group.view().name,
        names.join(", ")
    )
}

/// Each listener of the group, and whether anybody takes its new connections.
fn served(sources: &Sources, group: &Group) -> Vec<(ListenerId, String, bool)> {
    let config = sources.in_force().config;
    let listeners = config.listeners.iter();
    listeners
        .filter(|listener| listener.group == group.view().id)
        .map(|listener| {
            let serves = takers(&listener.chain, group.view()).is_some();
            (listener.id, listener.name.to_string(), serves)
        })
        .collect()
}

/// How long a parked connection waits at least, of all listeners of the group.
fn patience(sources: &Sources, group: &Group) -> String {
    let config = sources.in_force().config;
    let listeners = config.listeners.iter();
    let own = listeners.filter(|listener| listener.group == group.view().id);
    let shortest = own.map(|listener| listener.park.timeout).min();
    shortest.map_or_else(|| "a while".to_owned(), in_words)
}

fn words(ordered: &Ordered, patience: &str) -> String {
    let node = &ordered.node;
    let already = if ordered.changed { "" } else { " already" };
    let open = match ordered.sessions {
        0 => "it has none open".to_owned(),
        1 => "1 is open and goes on".to_owned(),
        more => format!("{more} are open and go on"),
    };
    let mut text = match ordered.order {
        NodeOrder::Ready | NodeOrder::Leaving => {
            format!("{node} is ready{already}: it takes part as soon as its checks allow it")
        }
        NodeOrder::Drain => format!("{node} is drained{already}: no new sessions; {open}"),
        NodeOrder::Maintenance => format!(
            "{node} is in maintenance{already}: its sessions are closed, it is not elected and has no vote"
        ),
    };
    if ordered.primary && ordered.order == NodeOrder::Drain {
        text += ". It is the elected primary, and stays it: new writes wait";
    }
    if ordered.primary && ordered.order == NodeOrder::Maintenance {
        text += ". It was the elected primary: writes wait until another node claims to be primary and is elected";
    }
    if !ordered.parks.is_empty() {
        let _infallible = write!(
            text,
            ". New connections to {} are parked from now on, and get an error after {patience}; `rolecall ready \
             {node}` lets them go on",
            ordered.parks.join(", ")
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::status::tests::settings;
    use crate::core::group::Settings;
    use crate::core::time::Moment;

    fn group(name: &str) -> Group {
        let settings = Settings {
            name: name.into(),
            ..settings(&crate::admin::tests::in_force())
        };
        Group::new(settings, Moment::default())
    }

    #[test]
    fn a_name_that_is_in_two_groups_needs_its_group() {
        let groups = [group("one"), group("two")];
        let refused = |name, group| {
            let refusal = find(&groups, name, group).expect_err("a refusal");
            (refusal.status.as_u16(), refusal.why)
        };
        let (status, why) = refused("redis-1", None);
        assert_eq!(status, 400);
        assert!(
            why.contains("one and two") && why.contains("--group"),
            "{why}"
        );
        let (found, _) = find(&groups, "redis-1", Some("two")).expect("a node");
        assert_eq!(&*found.view().name, "two");
        let (status, why) = refused("redis-9", None);
        assert_eq!(status, 404);
        assert!(
            why.contains("of one are redis-1, redis-2") && why.contains("of two are"),
            "{why}"
        );
        let (status, why) = refused("redis-1", Some("three"));
        assert_eq!(status, 404);
        assert!(why.contains("the groups are one, two"), "{why}");
    }

    #[test]
    fn words_say_what_follows() {
        let ordered = |order, primary, parks: &[&str]| Ordered {
            group: "main".into(),
            node: "redis-1".into(),
            order,
            changed: true,
            primary,
            sessions: 3,
            parks: parks.iter().map(ToString::to_string).collect(),
            text: String::new(),
        };
        let drained = words(&ordered(NodeOrder::Drain, true, &["redis-rw"]), "10.0s");
        for part in [
            "3 are open and go on",
            "elected primary",
            "redis-rw are parked",
            "10.0s",
        ] {
            assert!(drained.contains(part), "no {part:?} in {drained}");
        }
        let replica = words(&ordered(NodeOrder::Drain, false, &[]), "10.0s");
        assert!(
            !replica.contains("parked") && !replica.contains("primary"),
            "{replica}"
        );
        let out = words(
            &ordered(NodeOrder::Maintenance, true, &["redis-rw"]),
            "10.0s",
        );
        assert!(
            out.contains("closed") && out.contains("another node claims"),
            "{out}"
        );
    }
}
