//! From the configuration in force to another one: which things stay what they were, and what changes, in
//! words. Pure; who carries it out is told by the numbers.
//!
//! A group and a listener are known by their names, a node by its group and its address: a node at another
//! address is another node (R1), and one with another name is not. What stays keeps its number, and with it its sessions, its
//! checks and all that is known of it; what is new gets a number that nothing had before.

use std::collections::HashMap;

use super::changes::{self, Change};
use super::model::{Config, GroupConfig, ListenerConfig};
use crate::core::chain::Members;
use crate::core::ids::{GroupId, ListenerId, NodeId};

/// Gives numbers that were never given.
pub trait Numbers {
    /// To a node.
    fn node(&mut self) -> NodeId;
    /// To a group.
    fn group(&mut self) -> GroupId;
    /// To a listener.
    fn listener(&mut self) -> ListenerId;
}

/// What a reload comes to.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What is to be in force. Keys that cannot change in a running process have their old values.
    pub config: Config,
    /// What is different from before, in words. Empty: nothing.
    pub changes: Vec<Change>,
}

/// Plans the way from `old` to `new`, which was just read. `known` is `old` with the nodes that were learned
/// since, so that one of them that is written down now keeps its number.
pub fn plan(old: &Config, known: &Config, new: Config, numbers: &mut dyn Numbers) -> Plan {
    let mut config = new;
    let changes = changes::between(old, &config);
    renumber(known, &mut config, numbers);
    config.workers = old.workers;
    config.admin = old.admin.clone();
    config.log.format = old.log.format;
    Plan { config, changes }
}

/// Old numbers by new ones as read from the file.
#[derive(Default)]
struct Renamed {
    nodes: HashMap<NodeId, NodeId>,
    groups: HashMap<GroupId, GroupId>,
    listeners: HashMap<ListenerId, ListenerId>,
}

fn renumber(old: &Config, new: &mut Config, numbers: &mut dyn Numbers) {
    let mut renamed = Renamed::default();
    for group in &mut new.groups {
        let known = old.groups.iter().find(|known| known.name == group.name);
        number_group(known, group, numbers, &mut renamed);
    }
    for listener in &mut new.listeners {
        let mut all = old.listeners.iter();
        let known = all.find(|known| known.name == listener.name);
        let id = known.map_or_else(|| numbers.listener(), |known| known.id);
        renamed.listeners.insert(listener.id, id);
        listener.id = id;
    }
    for listener in &mut new.listeners {
        renamed.apply(listener);
    }
}

fn number_group(
    known: Option<&GroupConfig>,
    group: &mut GroupConfig,
    numbers: &mut dyn Numbers,
    renamed: &mut Renamed,
) {
    let id = known.map_or_else(|| numbers.group(), |known| known.id);
    renamed.groups.insert(group.id, id);
    group.id = id;
    for node in &mut group.nodes {
        let mut before = known.into_iter().flat_map(|group| &group.nodes);
        let same = before.find(|before| before.address == node.address);
        let id = same.map_or_else(|| numbers.node(), |same| same.id);
        renamed.nodes.insert(node.id, id);
        node.id = id;
    }
}

impl Renamed {
    fn apply(&self, listener: &mut ListenerConfig) {
        swap(&self.groups, &mut listener.group);
        if let Some(fallback) = &mut listener.fallback {
            swap(&self.listeners, fallback);
        }
        for tier in &mut listener.chain.tiers {
            swap(&self.listeners, &mut tier.listener);
            if let Members::Listed(nodes) = &mut tier.members {
                for node in nodes {
                    swap(&self.nodes, node);
                }
            }
        }
    }
}

fn swap<T: Copy + Eq + std::hash::Hash>(renamed: &HashMap<T, T>, number: &mut T) {
    if let Some(other) = renamed.get(number) {
        *number = *other;
    }
}
