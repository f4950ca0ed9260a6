//! Nodes to groups: sections that share an address, or that lead on to one another, serve one primary and
//! its replicas. Here nodes get their names, and the one on this host is told from the others.

use std::collections::BTreeMap;

use super::account::Told;
use super::pools::{Node, Pool, Pools};
use super::proxy::Proxy;
use super::survey::{Entrance, Wanted, wanted};
use super::topic::Topic;
use super::values;
use crate::core::chain::Access;

/// One group: which nodes, pools and entrances belong to it, by number.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) nodes: Vec<usize>,
    pub(super) pools: Vec<usize>,
    pub(super) entrances: Vec<usize>,
}

/// Puts everything together that is connected.
pub(super) fn groups(proxies: &[Proxy<'_>], entrances: &[Entrance], found: &Pools) -> Vec<Group> {
    let mut parts = Parts::new(found.pools.len());
    let mut by_node: BTreeMap<usize, usize> = BTreeMap::new();
    for (index, pool) in found.pools.iter().enumerate() {
        for node in members(pool) {
            let first = *by_node.entry(node).or_insert(index);
            parts.join(first, index);
        }
    }
    let pool_of = |proxy: usize| found.pools.iter().position(|pool| pool.proxy == proxy);
    for entrance in entrances {
        let pools: Vec<usize> = entrance
            .chain
            .iter()
            .filter_map(|proxy| pool_of(*proxy))
            .collect();
        for pair in pools.windows(2) {
            parts.join(pair[0], pair[1]);
        }
    }
    for (index, pool) in found.pools.iter().enumerate() {
        for (entrance, _) in &pool.onward {
            let there = entrances
                .get(*entrance)
                .and_then(|there| there.chain.first());
            if let Some(there) = there.and_then(|proxy| pool_of(*proxy)) {
                parts.join(index, there);
            }
        }
    }
    let mut groups: Vec<(usize, Group)> = Vec::new();
    for (index, pool) in found.pools.iter().enumerate() {
        let root = parts.root(index);
        let at = groups.iter().position(|(other, _)| *other == root);
        let at = at.unwrap_or_else(|| {
            let group = Group {
                name: String::new(),
                nodes: Vec::new(),
                pools: Vec::new(),
                entrances: Vec::new(),
            };
            groups.push((root, group));
            groups.len() - 1
        });
        if let Some((_, group)) = groups.get_mut(at) {
            group.pools.push(index);
            for node in members(pool) {
                if !group.nodes.contains(&node) {
                    group.nodes.push(node);
                }
            }
        }
    }
    let mut groups: Vec<Group> = groups.into_iter().map(|(_, group)| group).collect();
    for (index, entrance) in entrances.iter().enumerate() {
        let pool = entrance.chain.iter().find_map(|proxy| pool_of(*proxy));
        let group = groups
            .iter_mut()
            .find(|group| pool.is_some_and(|pool| group.pools.contains(&pool)));
        if let Some(group) = group {
            group.entrances.push(index);
        }
    }
    groups.retain(|group| !group.nodes.is_empty() && !group.entrances.is_empty());
    name_groups(&mut groups, proxies, entrances);
    groups
}

fn members(pool: &Pool) -> impl Iterator<Item = usize> {
    let backup = pool.backup.iter().map(|(node, _)| *node);
    pool.active.iter().copied().chain(backup)
}

/// One group is `main`; several are called after their first listener.
fn name_groups(groups: &mut [Group], proxies: &[Proxy<'_>], entrances: &[Entrance]) {
    if let [group] = groups {
        "main".clone_into(&mut group.name);
        return;
    }
    let mut taken: Vec<String> = Vec::new();
    for group in groups {
        let proxy = group
            .entrances
            .first()
            .and_then(|entrance| entrances.get(*entrance))
            .and_then(|entrance| proxies.get(entrance.proxy));
        let base = proxy.map_or("group", |proxy| proxy.name.as_str());
        let name = values::new_name(&values::name(&stem(base)), &|name| {
            taken.iter().any(|taken| taken == name)
        });
        taken.push(name.clone());
        group.name = name;
    }
}

/// A section's name without the words that tell a listener from another: `ft_cache_master` is `cache`.
fn stem(name: &str) -> String {
    const COMMON: [&str; 22] = [
        "ft", "fe", "bk", "be", "frontend", "backend", "front", "back", "in", "master", "primary",
        "slave", "replica", "replicas", "rw", "ro", "write", "read", "readonly", "listener",
        "main", "local",
    ];
    let words: Vec<&str> = name
        .split(['-', '_', '.', ':'])
        .filter(|word| !word.is_empty() && !COMMON.contains(&word.to_ascii_lowercase().as_str()))
        .collect();
    if words.is_empty() {
        name.to_owned()
    } else {
        words.join("-")
    }
}

/// Union of sets of pools.
struct Parts(Vec<usize>);

impl Parts {
    fn new(count: usize) -> Self {
        Self((0..count).collect())
    }

    fn root(&self, mut at: usize) -> usize {
        while let Some(above) = self.0.get(at).copied().filter(|above| *above != at) {
            at = above;
        }
        at
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        let (low, high) = (a.min(b), a.max(b));
        if let Some(above) = self.0.get_mut(high) {
            *above = low;
        }
    }
}

/// The name of each node, unique in its group.
pub(super) fn node_names(group: &Group, nodes: &[Node]) -> BTreeMap<usize, String> {
    let mut names: BTreeMap<usize, String> = BTreeMap::new();
    for index in &group.nodes {
        let Some(node) = nodes.get(*index) else {
            continue;
        };
        let wanted = values::name(&node.name);
        let name = values::new_name(&wanted, &|name| names.values().any(|taken| taken == name));
        names.insert(*index, name);
    }
    names
}

/// The nodes on this host that a section of its own serves first.
pub(super) fn local_nodes(group: &Group, proxies: &[Proxy<'_>], found: &Pools) -> Vec<usize> {
    let pools: Vec<&Pool> = group
        .pools
        .iter()
        .filter_map(|index| found.pools.get(*index))
        .collect();
    let mut local = Vec::new();
    for pool in &pools {
        let ([node], [], Some(proxy)) = (
            pool.active.as_slice(),
            pool.backup.as_slice(),
            proxies.get(pool.proxy),
        ) else {
            continue;
        };
        let elsewhere = pools
            .iter()
            .filter(|other| members(other).any(|member| member == *node))
            .count();
        let on_this_host = found
            .nodes
            .get(*node)
            .is_some_and(|node| node.target.is_loopback() || node.called_local);
        let reads = match wanted(proxy) {
            Wanted::Replica => true,
            Wanted::Any => !pool.onward.is_empty(),
            Wanted::Primary | Wanted::ActiveReplica => false,
        };
        if elsewhere == 1 && on_this_host && reads && group.nodes.len() > 1 {
            local.push(*node);
        }
    }
    // A group must have a node that can be the primary.
    if local.len() == group.nodes.len() {
        local.clear();
    }
    local
}

/// The weight of each node, where weights differ: equal ones say nothing.
pub(super) fn weights(group: &Group, nodes: &[Node], told: &mut Told<'_>) -> BTreeMap<usize, u64> {
    let mut weights = BTreeMap::new();
    for index in &group.nodes {
        let Some(node) = nodes.get(*index) else {
            continue;
        };
        let weight = node.weights.first().map_or(1, |(_, weight)| *weight);
        weights.insert(*index, weight.clamp(1, 256));
        for (place, other) in &node.weights {
            if *other != weight {
                let words = format!(
                    "weight {other} of {}, which is {weight} elsewhere",
                    node.name
                );
                told.ledger.changed(*place, Topic::Balance, &words);
            }
        }
    }
    let first = weights.values().next().copied();
    if weights.values().all(|weight| Some(*weight) == first) {
        weights.clear();
    }
    weights
}

/// What names of sections say: reads or writes.
pub(super) fn access_by_name(names: &[&str]) -> Option<Access> {
    const WRITES: [&str; 8] = [
        "rw",
        "write",
        "writes",
        "writer",
        "master",
        "primary",
        "leader",
        "readwrite",
    ];
    const READS: [&str; 13] = [
        "ro",
        "read",
        "reads",
        "reader",
        "readonly",
        "slave",
        "slaves",
        "replica",
        "replicas",
        "secondary",
        "secondaries",
        "follower",
        "followers",
    ];
    let words: Vec<String> = names
        .iter()
        .flat_map(|name| name.split(|c: char| !c.is_ascii_alphabetic()))
        .map(str::to_ascii_lowercase)
        .collect();
    let has = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
    if has(&WRITES) {
        Some(Access::ReadWrite)
    } else {
        has(&READS).then_some(Access::ReadOnly)
    }
}

#[cfg(test)]
mod tests {
    use super::{access_by_name, stem};
    use crate::core::chain::Access;

    #[test]
    fn names_tell_groups_and_access() {
        assert_eq!(stem("ft_cache_master"), "cache");
        assert_eq!(stem("redis-rw"), "redis");
        assert_eq!(stem("master"), "master");
        for (name, access) in [
            ("redis-read", Some(Access::ReadOnly)),
            ("redis_rw", Some(Access::ReadWrite)),
            ("redis-master-read", Some(Access::ReadWrite)),
            ("redis", None),
            ("already", None),
            ("redis-slave2", Some(Access::ReadOnly)),
        ] {
            assert_eq!(access_by_name(&[name]), access, "{name}");
        }
    }
}
