//! What a configuration means, in words: groups, nodes, and each listener with its chain.

use std::fmt::Write as _;

use super::model::{Config, GroupConfig, ListenerConfig, NodeConfig};
use crate::core::chain::{Access, Members, Tier};

/// A short table for people; ends with a line break. Holds no secret.
pub fn summary(config: &Config) -> String {
    let mut text = String::new();
    for group in &config.groups {
        group_lines(&mut text, group);
    }
    let width = widest(config.listeners.iter().map(|listener| &*listener.name));
    text.push_str("listeners\n");
    for listener in &config.listeners {
        listener_line(&mut text, config, listener, width);
    }
    if let Some(http) = config.admin.http {
        line(&mut text, format_args!("admin http://{http}"));
    }
    if let Some(socket) = &config.admin.socket {
        line(&mut text, format_args!("admin socket {}", socket.display()));
    }
    text
}

/// Writing to a `String` cannot fail.
fn line(text: &mut String, words: std::fmt::Arguments<'_>) {
    let _infallible = writeln!(text, "{words}");
}

fn widest<'a>(names: impl Iterator<Item = &'a str>) -> usize {
    names.map(|name| name.chars().count()).max().unwrap_or(0)
}

fn group_lines(text: &mut String, group: &GroupConfig) {
    line(text, format_args!("group {}", group.name));
    let width = widest(group.nodes.iter().map(|node| &*node.name));
    for node in &group.nodes {
        let local = if node.local { "  local" } else { "" };
        let weight = match node.weight {
            1 => String::new(),
            weight => format!("  weight {weight}"),
        };
        line(
            text,
            format_args!("  {:width$}  {}{local}{weight}", node.name, node.address),
        );
    }
    if let Some(sentinel) = &group.sentinel {
        let addresses: Vec<String> = sentinel.addresses.iter().map(ToString::to_string).collect();
        let addresses = addresses.join(", ");
        line(
            text,
            format_args!("  Sentinel {}: {addresses}", sentinel.name),
        );
    }
}

fn listener_line(text: &mut String, config: &Config, listener: &ListenerConfig, width: usize) {
    let binds: Vec<String> = listener.binds.iter().map(ToString::to_string).collect();
    let (binds, access) = (binds.join(" "), listener.access.label());
    let chain = chain(config, listener);
    line(
        text,
        format_args!("  {:width$}  {binds} {access}: {chain}", listener.name),
    );
}

/// The chain of a listener in words, best tier first.
pub(super) fn chain(config: &Config, listener: &ListenerConfig) -> String {
    let group = config
        .groups
        .iter()
        .find(|group| group.id == listener.group);
    let nodes = group
        .map(|group| group.nodes.as_slice())
        .unwrap_or_default();
    let tiers: Vec<String> = listener
        .chain
        .tiers
        .iter()
        .filter_map(|tier| tier_words(config, listener, tier, nodes))
        .collect();
    tiers.join(", then ")
}

/// A tier, or nothing where it holds no node.
fn tier_words(
    config: &Config,
    entered: &ListenerConfig,
    tier: &Tier,
    nodes: &[NodeConfig],
) -> Option<String> {
    let members: Vec<&str> = nodes
        .iter()
        .filter(|node| match &tier.members {
            Members::NotLocal => !node.local,
            Members::Local => node.local,
            Members::Listed(ids) => ids.contains(&node.id),
        })
        .map(|node| &*node.name)
        .collect();
    if members.is_empty() {
        return None;
    }
    let words = match (tier.access, &tier.members) {
        (Access::ReadWrite, Members::NotLocal | Members::Local) => "the primary".to_owned(),
        (Access::ReadWrite, Members::Listed(_)) => {
            format!("the primary if it is {}", members.join(" or "))
        }
        (Access::ReadOnly | Access::LocalReadOnly, _) => members.join(", "),
    };
    let via = config
        .listeners
        .iter()
        .find(|listener| listener.id == tier.listener && listener.id != entered.id);
    Some(match via {
        Some(listener) => format!("{words} ({})", listener.name),
        None => words,
    })
}
