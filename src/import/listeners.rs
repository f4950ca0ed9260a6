//! Entrances to listeners: access, nodes, backups, and what each falls back to.

use std::collections::BTreeMap;

use super::account::Told;
use super::address::Door;
use super::doors::BindLine;
use super::fallbacks;
use super::groups::{self, Group};
use super::place::Place;
use super::plan::PlannedListener;
use super::pools::{Pool, Pools};
use super::probe::Wish;
use super::proxy::{CheckKind, Proxy};
use super::survey::{Entrance, Wanted, wanted};
use super::topic::{Gap, Topic};
use super::values;
use crate::core::chain::Access;

/// What a listener is made from.
pub(super) struct Site<'s, 'd> {
    pub(super) proxies: &'s [Proxy<'d>],
    pub(super) entrances: &'s [Entrance],
    pub(super) pools: &'s Pools,
    pub(super) groups: &'s [Group],
    /// Per group: names of its nodes, and which are local.
    pub(super) names: &'s [BTreeMap<usize, String>],
    pub(super) local: &'s [Vec<usize>],
}

/// A listener with the numbers that it is to be joined by.
pub(super) struct Draft {
    pub(super) entrance: usize,
    pub(super) group: usize,
    pub(super) access: Access,
    pub(super) access_places: Vec<Place>,
    nodes: Vec<usize>,
    backup: Vec<(usize, Place)>,
    /// Entrances to fall back to, in order of preference.
    pub(super) onward: Vec<(usize, Vec<Place>)>,
}

/// Every listener that can be written.
pub(super) fn plan(site: &Site<'_, '_>, told: &mut Told<'_>) -> Vec<PlannedListener> {
    let mut drafts = Vec::new();
    for (number, group) in site.groups.iter().enumerate() {
        for entrance in &group.entrances {
            drafts.extend(site.draft(*entrance, number, told));
        }
    }
    drafts.sort_by_key(|draft: &Draft| draft.entrance);
    drafts.retain(|draft| site.has_nodes(draft, told));
    let doors = open_doors(site, &drafts, told);
    drafts.retain(|draft| {
        doors
            .get(&draft.entrance)
            .is_some_and(|doors| !doors.is_empty())
    });
    let fallbacks = fallbacks::choose(site, &drafts, told);
    let names = names(site, &drafts);
    let mut planned = Vec::new();
    for (index, draft) in drafts.iter().enumerate() {
        let fallback = fallbacks.get(index).cloned().flatten();
        let fallback = fallback.and_then(|(to, places)| Some((names.get(to)?.clone(), places)));
        let name = names.get(index).cloned().unwrap_or_default();
        let binds = doors.get(&draft.entrance).cloned().unwrap_or_default();
        planned.extend(site.listener(draft, name, binds, fallback, told));
    }
    planned
}

impl Site<'_, '_> {
    fn proxy(&self, draft: &Draft) -> Option<&Proxy<'_>> {
        self.proxies.get(self.entrances.get(draft.entrance)?.proxy)
    }

    fn draft(&self, entrance: usize, group: usize, told: &mut Told<'_>) -> Option<Draft> {
        let here = self.entrances.get(entrance)?;
        let pools: Vec<&Pool> = here
            .chain
            .iter()
            .filter_map(|proxy| self.pools.of(*proxy))
            .collect();
        let first = *pools.first()?;
        let access = self.access(entrance, group, first, told)?;
        let mut draft = Draft {
            entrance,
            group,
            access,
            access_places: self.reasons(first),
            nodes: Vec::new(),
            backup: Vec::new(),
            onward: Vec::new(),
        };
        for (position, pool) in pools.iter().enumerate() {
            self.add_pool(&mut draft, pool, position == 0, told);
        }
        Some(draft)
    }

    /// A listener without any node cannot be written.
    fn has_nodes(&self, draft: &Draft, told: &mut Told<'_>) -> bool {
        let none = draft.nodes.is_empty();
        if let Some(proxy) = self.proxy(draft).filter(|_| none) {
            let title = proxy.section.title();
            let sentence = format!("{title}: none of its servers can be a node: left out");
            told.gap(proxy.section.head.place, Gap::Nodes, &sentence);
        }
        !none
    }

    /// The lines of the check that name the role.
    fn reasons(&self, pool: &Pool) -> Vec<Place> {
        let Some(proxy) = self.proxies.get(pool.proxy) else {
            return Vec::new();
        };
        let says = |wish: &Wish| !matches!(wish, Wish::Answer | Wish::Unknown | Wish::NotLoading);
        let places = proxy.script.wishes.iter();
        let mut places: Vec<Place> = places
            .filter(|(_, wish)| says(wish))
            .map(|(place, _)| *place)
            .collect();
        if places.is_empty() {
            places.push(proxy.section.head.place);
        }
        places
    }

    fn access(
        &self,
        entrance: usize,
        group: usize,
        pool: &Pool,
        told: &mut Told<'_>,
    ) -> Option<Access> {
        let proxy = self.proxies.get(pool.proxy)?;
        let front = self.proxies.get(self.entrances.get(entrance)?.proxy)?;
        let here = self
            .local
            .get(group)
            .is_some_and(|local| pool.active.iter().any(|node| local.contains(node)));
        let reads = if here {
            Access::LocalReadOnly
        } else {
            Access::ReadOnly
        };
        let sentinel_chosen = self
            .entrances
            .get(entrance)
            .is_some_and(|entrance| !entrance.sentinels.is_empty())
            || !proxy.server_rules.is_empty();
        Some(match wanted(proxy) {
            Wanted::Primary => Access::ReadWrite,
            Wanted::Replica | Wanted::ActiveReplica => reads,
            Wanted::Any if here => reads,
            Wanted::Any if sentinel_chosen => Access::ReadWrite,
            Wanted::Any => untold(front, proxy, told),
        })
    }

    fn add_pool(&self, draft: &mut Draft, pool: &Pool, first: bool, told: &mut Told<'_>) {
        let Some(proxy) = self.proxies.get(pool.proxy) else {
            return;
        };
        let leads_there = |entrance: &usize| {
            let entrance = self.entrances.get(*entrance);
            entrance.and_then(|entrance| entrance.chain.first()) == Some(&pool.proxy)
        };
        let mut others = (0..self.entrances.len()).filter(|other| *other != draft.entrance);
        let own = others.find(leads_there);
        let primary = matches!(wanted(proxy), Wanted::Primary);
        let local = self.local.get(draft.group).map_or(&[][..], |local| local);
        if draft.access == Access::ReadWrite {
            if first || primary || wanted(proxy) == Wanted::Any {
                add_writers(draft, pool, local, told);
            } else {
                let sentence = format!(
                    "{} after a read-write section: writes go to the primary only, so a read-write \
                     listener falls back to nothing",
                    proxy.section.title()
                );
                told.gap(proxy.section.head.place, Gap::Routing, &sentence);
            }
        } else if first {
            add_readers(draft, pool, told);
        } else if let Some(entrance) = own {
            let rule = self
                .here(draft)
                .and_then(|here| here.rules.get(&pool.proxy));
            let place = rule.copied().unwrap_or(proxy.section.head.place);
            draft.onward.push((entrance, vec![place]));
        } else if primary {
            let sentence = format!(
                "{} takes over when no replica is up, but no listener is its own to fall back to: add a \
                 read-write listener and fallback: to it",
                proxy.section.title()
            );
            told.gap(proxy.section.head.place, Gap::Routing, &sentence);
        } else {
            let more = pool
                .active
                .iter()
                .map(|node| (*node, proxy.section.head.place));
            draft.backup.extend(more.chain(pool.backup.iter().copied()));
        }
        let onward = pool.onward.iter().map(|(to, place)| (*to, vec![*place]));
        draft.onward.extend(onward);
    }

    pub(super) fn here(&self, draft: &Draft) -> Option<&Entrance> {
        self.entrances.get(draft.entrance)
    }

    fn listener(
        &self,
        draft: &Draft,
        name: String,
        binds: Vec<(String, Place)>,
        fallback: Option<(String, Vec<Place>)>,
        told: &mut Told<'_>,
    ) -> Option<PlannedListener> {
        let proxy = self.proxy(draft)?;
        let first = self.proxies.get(*self.here(draft)?.chain.first()?)?;
        let names = self.names.get(draft.group)?;
        let group = self.groups.get(draft.group)?;
        let local = self.local.get(draft.group)?;
        let of_kind: Vec<usize> = group
            .nodes
            .iter()
            .copied()
            .filter(|node| local.contains(node) == (draft.access == Access::LocalReadOnly))
            .collect();
        let all = of_kind.iter().all(|node| draft.nodes.contains(node))
            && draft.nodes.iter().all(|node| of_kind.contains(node));
        let named = |nodes: &[usize]| -> Vec<String> {
            nodes
                .iter()
                .filter_map(|node| names.get(node).cloned())
                .collect()
        };
        let backup: Vec<(String, Place)> = draft
            .backup
            .iter()
            .filter(|(node, _)| !draft.nodes.contains(node))
            .filter_map(|(node, place)| Some((names.get(node)?.clone(), *place)))
            .collect();
        told.translated(proxy.section.head.place, &format!("listener {name}"));
        told.translated(first.section.head.place, &format!("listener {name}"));
        note_check(first, told);
        Some(PlannedListener {
            name,
            place: proxy.section.head.place,
            group: draft.group,
            access: draft.access,
            access_places: draft.access_places.clone(),
            binds,
            nodes: (!all || !backup.is_empty()).then(|| named(&draft.nodes)),
            node_places: self.node_places(draft),
            backup,
            fallback,
            max_connections: max_connections(proxy, told),
            connect_timeout: connect_timeout(first, proxy, told),
        })
    }

    fn node_places(&self, draft: &Draft) -> Vec<Place> {
        let nodes = draft
            .nodes
            .iter()
            .filter_map(|node| self.pools.nodes.get(*node));
        let sections = self.here(draft).map_or(&[][..], |here| &here.chain);
        let lines = sections
            .iter()
            .filter_map(|proxy| self.proxies.get(*proxy))
            .flat_map(|proxy| proxy.servers.iter().map(|server| server.place));
        let lines: Vec<Place> = lines.collect();
        let places = nodes.flat_map(|node| node.places.iter().copied());
        places.filter(|place| lines.contains(place)).collect()
    }
}

/// A check that knows no role: the names of the sections may tell.
fn untold(front: &Proxy<'_>, proxy: &Proxy<'_>, told: &mut Told<'_>) -> Access {
    let place = proxy.section.head.place;
    let named = groups::access_by_name(&[&front.name, &proxy.name]);
    match named {
        Some(Access::ReadOnly) => {
            told.ledger
                .changed(place, Topic::Readers, &proxy.section.title());
            Access::ReadOnly
        }
        Some(_) => Access::ReadWrite,
        None => {
            told.ledger
                .changed(place, Topic::Guessed, &front.section.title());
            Access::ReadWrite
        }
    }
}

/// All nodes of a read-write listener are equal.
fn add_writers(draft: &mut Draft, pool: &Pool, local: &[usize], told: &mut Told<'_>) {
    for (_, place) in &pool.backup {
        told.ledger.changed(*place, Topic::Backups, "backup");
    }
    let all = pool
        .active
        .iter()
        .chain(pool.backup.iter().map(|(node, _)| node));
    for node in all.filter(|node| !local.contains(node)) {
        if !draft.nodes.contains(node) {
            draft.nodes.push(*node);
        }
    }
}

/// Where all are backups the first is the first choice.
fn add_readers(draft: &mut Draft, pool: &Pool, told: &mut Told<'_>) {
    let mut backups = pool.backup.as_slice();
    draft.nodes.extend(&pool.active);
    if let ([], [(node, _), rest @ ..]) = (pool.active.as_slice(), backups) {
        draft.nodes.push(*node);
        backups = rest;
    }
    for (_, place) in backups {
        told.translated(*place, "backup");
    }
    draft.backup.extend(backups);
}

/// `tcp-check` lines do nothing in HAProxy unless `option tcp-check` is there.
fn note_check(proxy: &Proxy<'_>, told: &mut Told<'_>) {
    let silent = !proxy.script.wishes.is_empty() && proxy.check != CheckKind::Tcp;
    if let Some((place, _)) = proxy.script.wishes.first().filter(|_| silent) {
        let words = "tcp-check without `option tcp-check`, which HAProxy passes over";
        told.ledger.changed(*place, Topic::Checks, words);
    }
}

/// TLS is not spoken: the plain doors beside it are enough, else nobody but this host is let in.
fn tls_door(bind: &BindLine, plain: bool, told: &mut Told<'_>) {
    let instead = if plain {
        "this address is left out, the others of the section are opened"
    } else {
        "the port is opened on 127.0.0.1 instead, for a TLS terminator on this host that clients connect to"
    };
    let written = &bind.written;
    let sentence = format!("`bind {written} ssl`: rolecall has no TLS yet: {instead}");
    told.gap(bind.place, Gap::Tls, &sentence);
}

/// What each entrance opens; an address that is open already is left out of the later one.
fn open_doors(
    site: &Site<'_, '_>,
    drafts: &[Draft],
    told: &mut Told<'_>,
) -> BTreeMap<usize, Vec<(String, Place)>> {
    let mut taken: Vec<(Door, String)> = Vec::new();
    let mut doors = BTreeMap::new();
    for draft in drafts {
        let Some(proxy) = site.proxy(draft) else {
            continue;
        };
        let plain = proxy.binds.iter().any(|bind| !bind.tls);
        let mut own = Vec::new();
        for bind in &proxy.binds {
            told.notes(bind.place, &bind.notes);
            if bind.tls {
                tls_door(bind, plain, told);
            }
            if bind.tls && plain {
                continue;
            }
            for door in &bind.doors {
                match door {
                    Err(why) => {
                        let sentence = format!("bind {}: the address {why}", bind.written);
                        told.gap(bind.place, Gap::Nodes, &sentence);
                    }
                    Ok(door) => {
                        let clash = taken.iter().find(|(other, _)| other.clashes(door));
                        let again = clash.is_some_and(|(other, whose)| {
                            *whose == proxy.name && other.key() == door.key()
                        });
                        if again {
                            told.translated(bind.place, "bind");
                        } else if let Some((other, whose)) = clash {
                            let sentence = format!(
                                "bind {}: {} is open already as {} of {whose}: left out",
                                bind.written,
                                door.text(),
                                other.text()
                            );
                            told.gap(bind.place, Gap::Nodes, &sentence);
                        } else {
                            taken.push((door.clone(), proxy.name.clone()));
                            own.push((door.text(), bind.place));
                            told.translated(bind.place, "bind");
                        }
                    }
                }
            }
        }
        doors.insert(draft.entrance, own);
    }
    doors
}

fn names(site: &Site<'_, '_>, drafts: &[Draft]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for draft in drafts {
        let wanted = site
            .proxy(draft)
            .map_or("listener", |proxy| proxy.name.as_str());
        let name = values::new_name(&values::name(wanted), &|name| {
            names.iter().any(|taken| taken == name)
        });
        names.push(name);
    }
    names
}

/// The smallest of the limits on the section and its binds.
fn max_connections(proxy: &Proxy<'_>, told: &mut Told<'_>) -> Option<(u64, Place)> {
    let own = proxy
        .max_connections
        .iter()
        .map(|cited| (cited.value, cited.place));
    let binds = proxy
        .binds
        .iter()
        .filter_map(|bind| Some((bind.max_connections?, bind.place)));
    let (limit, place) = own.chain(binds).min()?;
    if limit == 0 || limit > 10_000_000 {
        return None;
    }
    told.translated(place, "max_connections");
    Some((limit, place))
}

/// One second is the default.
fn connect_timeout(
    first: &Proxy<'_>,
    front: &Proxy<'_>,
    told: &mut Told<'_>,
) -> Option<(String, Place)> {
    let cited = first
        .connect_timeout
        .as_ref()
        .or(front.connect_timeout.as_ref())?;
    told.translated(cited.place, "connect_timeout");
    let milliseconds = cited.value.as_millis();
    let usable = (1..=86_400_000).contains(&milliseconds) && milliseconds != 1000;
    usable.then(|| (values::duration(cited.value), cited.place))
}
