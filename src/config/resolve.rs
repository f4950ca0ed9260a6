//! Names to numbers: which nodes, group and fallback a listener means, whether that can work (R2), and
//! the chain that comes of it. Chains follow a loop once around and stop; the loop itself is an error.

use super::groups::{GroupDraft, NodeDraft};
use super::listeners::ListenerDraft;
use super::reader::Reader;
use super::suggest;
use super::tree::{At, Place};
use crate::core::chain::{Access, Chain, Members, Tier};
use crate::core::ids::NodeId;

/// What the names of one listener stand for.
pub(super) struct Links {
    /// Index of its group; none where that is unknown.
    pub(super) group: Option<usize>,
    nodes: Option<Vec<NodeId>>,
    backup: Vec<NodeId>,
    /// Index of the listener that it falls back to.
    pub(super) fallback: Option<usize>,
    /// All names were found, so what follows from them may be judged.
    complete: bool,
}

/// Looks up every name.
pub(super) fn links(
    reader: &mut Reader<'_>,
    groups: &[GroupDraft],
    listeners: &[ListenerDraft],
) -> Vec<Links> {
    let mut links: Vec<Links> = Vec::new();
    for listener in listeners {
        let before = reader.problems.len();
        let group = group_of(reader, groups, listener);
        let (nodes, backup) = match group.and_then(|index| groups.get(index)) {
            Some(group) => nodes_of(reader, groups, listeners, listener, group),
            None => (None, Vec::new()),
        };
        let fallback = fallback_of(reader, groups, listeners, listener);
        links.push(Links {
            group,
            nodes,
            backup,
            fallback,
            complete: group.is_some()
                && listener.access.is_some()
                && listener
                    .nodes
                    .as_ref()
                    .is_none_or(|nodes| !nodes.is_empty())
                && reader.problems.len() == before,
        });
    }
    links
}

fn group_of(
    reader: &mut Reader<'_>,
    groups: &[GroupDraft],
    listener: &ListenerDraft,
) -> Option<usize> {
    let names: Vec<&str> = groups.iter().map(|group| &*group.name.value).collect();
    match (&listener.group, groups) {
        (Some(wanted), _) => {
            let found = names.iter().position(|name| *name == wanted.value);
            if found.is_none() && !groups.is_empty() {
                let message = format!("there is no group {}", reader.shown(wanted));
                reader.complain(
                    wanted.place,
                    message,
                    suggest::name_hint(&wanted.value, &names),
                );
            }
            found
        }
        (None, [_]) => Some(0),
        (None, []) => None,
        (None, _) => {
            let message = format!("listener {} does not say its group", listener.name.value);
            let hint = format!(
                "there are several: add group: with one of {}",
                names.join(", ")
            );
            reader.complain(listener.name.place, message, hint);
            None
        }
    }
}

/// The nodes and the backups that a listener names.
fn nodes_of(
    reader: &mut Reader<'_>,
    groups: &[GroupDraft],
    listeners: &[ListenerDraft],
    listener: &ListenerDraft,
    group: &GroupDraft,
) -> (Option<Vec<NodeId>>, Vec<NodeId>) {
    let mut find = |key: &str, name: &At<String>| {
        let found = group
            .nodes
            .iter()
            .find(|node| *node.name.value == *name.value);
        if found.is_none() {
            let (group_name, shown) = (&group.name.value, reader.shown(name));
            let message = format!("{key}: group {group_name} has no node {shown}");
            let hint = unknown_node_hint(&name.value, groups, listeners, group);
            reader.complain(name.place, message, hint);
        }
        if found.is_some_and(|node| node.local) && listener.access == Some(Access::ReadWrite) {
            let message = format!(
                "{key}: {} is local, and a local node is never the primary",
                name.value
            );
            let hint = "a read-write listener can only use nodes that are not local";
            reader.complain(name.place, message, hint);
        }
        found
    };
    let nodes: Option<Vec<NodeId>> = listener.nodes.as_ref().map(|names| {
        let found = names.iter().filter_map(|name| find("nodes", name));
        found.map(|node| node.id).collect()
    });
    let backup: Vec<(&NodeDraft, Place)> = listener
        .backup
        .iter()
        .filter_map(|name| Some((find("backup", name)?, name.place)))
        .collect();
    for (node, place) in &backup {
        check_backup(reader, listener, nodes.as_deref(), node, *place);
    }
    (nodes, backup.iter().map(|(node, _)| node.id).collect())
}

/// A backup that is in the first tier already would never be tried.
fn check_backup(
    reader: &mut Reader<'_>,
    listener: &ListenerDraft,
    nodes: Option<&[NodeId]>,
    node: &NodeDraft,
    place: Place,
) {
    let (already, hint) = match (nodes, listener.access) {
        (Some(nodes), _) => (
            nodes.contains(&node.id),
            "remove it from nodes or from backup",
        ),
        (None, access) => (
            access.is_some_and(|access| node.local == (access == Access::LocalReadOnly)),
            "without nodes: a listener has all of its kind; list the first choice in nodes: [..]",
        ),
    };
    if already {
        let message = format!("backup: {} is among the listener's nodes", node.name.value);
        reader.complain(place, message, hint);
    }
}

fn unknown_node_hint(
    name: &str,
    groups: &[GroupDraft],
    listeners: &[ListenerDraft],
    group: &GroupDraft,
) -> String {
    if listeners
        .iter()
        .any(|listener| *listener.name.value == *name)
    {
        return format!("{name} is a listener: use fallback: {name}");
    }
    let elsewhere = groups
        .iter()
        .find(|other| other.node_names().contains(&name));
    match elsewhere {
        Some(other) => format!("{name} belongs to group {}", other.name.value),
        None => suggest::name_hint(name, &group.node_names()),
    }
}

fn fallback_of(
    reader: &mut Reader<'_>,
    groups: &[GroupDraft],
    listeners: &[ListenerDraft],
    listener: &ListenerDraft,
) -> Option<usize> {
    let wanted = listener.fallback.as_ref()?;
    let found = listeners
        .iter()
        .position(|other| *other.name.value == *wanted.value);
    if found.is_none() {
        let is_node = groups
            .iter()
            .any(|group| group.node_names().contains(&wanted.value.as_str()));
        let names: Vec<&str> = listeners.iter().map(|other| &*other.name.value).collect();
        let hint = if is_node {
            format!("{0} is a node: use backup: [{0}]", wanted.value)
        } else {
            suggest::name_hint(&wanted.value, &names)
        };
        let message = format!("there is no listener {}", reader.shown(wanted));
        reader.complain(wanted.place, message, hint);
    }
    found
}

/// What a fallback may be: of the same group, of no lesser access, and no way back.
pub(super) fn check_fallbacks(
    reader: &mut Reader<'_>,
    listeners: &[ListenerDraft],
    links: &[Links],
) {
    for (listener, link) in listeners.iter().zip(links) {
        let (Some(to), Some(wanted)) = (link.fallback, &listener.fallback) else {
            continue;
        };
        let (target, target_link) = (&listeners[to], &links[to]);
        let name = &listener.name.value;
        if link.group.is_some() && target_link.group.is_some() && link.group != target_link.group {
            let message = format!("{name} falls back to {}, of another group", wanted.value);
            reader.complain(wanted.place, message, "the two groups hold different data");
        } else if listener.access == Some(Access::ReadWrite)
            && target
                .access
                .is_some_and(|access| access != Access::ReadWrite)
        {
            let message = format!(
                "{name} is read-write and cannot fall back to {}",
                wanted.value
            );
            let hint =
                "writes go to the primary only: remove fallback, or name a read-write listener";
            reader.complain(wanted.place, message, hint);
        }
    }
    check_loops(reader, listeners, links);
}

/// Each loop is told once, at its first listener.
fn check_loops(reader: &mut Reader<'_>, listeners: &[ListenerDraft], links: &[Links]) {
    for first in 0..links.len() {
        let path = path(links, first);
        let closes = path.last().and_then(|last| links[*last].fallback) == Some(first);
        if !closes || path.iter().any(|index| *index < first) {
            continue;
        }
        let names: Vec<&str> = path
            .iter()
            .chain(std::iter::once(&first))
            .map(|index| &*listeners[*index].name.value)
            .collect();
        let place = listeners[first]
            .fallback
            .as_ref()
            .map_or(Place::start(), |at| at.place);
        let message = format!("fallback loop: {}", names.join(" -> "));
        reader.complain(place, message, "remove the fallback of one of them");
    }
}

/// The listener and those it falls back to, each once.
fn path(links: &[Links], first: usize) -> Vec<usize> {
    let mut path = vec![first];
    let mut at = first;
    while let Some(next) = links.get(at).and_then(|link| link.fallback) {
        if path.contains(&next) {
            break;
        }
        path.push(next);
        at = next;
    }
    path
}

/// The chain of a listener. An access that could not be read was told, and is replaced by any.
pub(super) fn chain(listeners: &[ListenerDraft], links: &[Links], first: usize) -> Chain {
    let mut tiers = Vec::new();
    for index in path(links, first) {
        let (listener, link) = (&listeners[index], &links[index]);
        let access = listener.access.unwrap_or(Access::ReadOnly);
        let own = match (&link.nodes, access) {
            (Some(nodes), _) => Members::Listed(nodes.clone()),
            (None, Access::LocalReadOnly) => Members::Local,
            (None, Access::ReadWrite | Access::ReadOnly) => Members::NotLocal,
        };
        let backups = link.backup.iter().map(|id| Members::Listed(vec![*id]));
        tiers.extend(std::iter::once(own).chain(backups).map(|members| Tier {
            listener: listener.id,
            access,
            members,
        }));
    }
    Chain { tiers }
}

/// Every chain must hold a node, and one of a read-write listener a node that could be primary.
pub(super) fn check_chains(
    reader: &mut Reader<'_>,
    groups: &[GroupDraft],
    listeners: &[ListenerDraft],
    links: &[Links],
) {
    for (index, listener) in listeners.iter().enumerate() {
        let complete = path(links, index).iter().all(|step| links[*step].complete);
        let Some(group) = links[index].group.and_then(|group| groups.get(group)) else {
            continue;
        };
        let chain = chain(listeners, links, index);
        let served = chain.tiers.iter().any(|tier| {
            group.nodes.iter().any(|node| match &tier.members {
                Members::NotLocal => !node.local,
                Members::Local => node.local,
                Members::Listed(ids) => ids.contains(&node.id),
            })
        });
        if served || !complete || group.nodes.is_empty() {
            continue;
        }
        let (name, group) = (&listener.name.value, &group.name.value);
        let (message, hint) = match listener.access {
            Some(Access::ReadWrite) => (
                format!("read-write listener {name} has no node that could be the primary"),
                format!("every node of group {group} is local: add one that is not"),
            ),
            Some(Access::LocalReadOnly) => (
                format!("local-read-only listener {name} has no local node and no fallback"),
                format!(
                    "mark a node of group {group} with local: true, or add nodes: or fallback:"
                ),
            ),
            _ => (
                format!("read-only listener {name} has no node and no fallback"),
                format!("every node of group {group} is local: add nodes: or fallback:"),
            ),
        };
        reader.complain(listener.name.place, message, hint);
    }
}
