//! Puts the steps together: a document becomes a plan, and every line gets its account.

use std::collections::BTreeMap;

use super::account::{self, Told};
use super::groups::{self, Group};
use super::ledger::{Fate, Ledger};
use super::listeners::{self, Site};
use super::passwords::{Needed, Passwords};
use super::place::Place;
use super::plan::{Plan, PlannedGroup, PlannedNode, PlannedSentinel};
use super::pools::{self, Pools};
use super::proxy::{self, Proxy};
use super::sections::Document;
use super::sentinels::{self, Found};
use super::standins;
use super::survey;
use super::topic::{Gap, Topic};
use crate::core::chain::Access;

/// Translates all of it.
pub(super) fn translate(document: &Document, ledger: &mut Ledger) -> (Plan, Vec<Needed>) {
    let proxies = proxy::read_all(document);
    let services = survey::services(&proxies);
    let mut told = Told { ledger };
    let entrances = survey::entrances(&proxies, &services, &mut told);
    let found = pools::read(&proxies, &services, &entrances, &mut told);
    let groups = groups::groups(&proxies, &entrances, &found);
    let sentinels = sentinels::find(&proxies, &services, &entrances, &groups, &found, &mut told);
    let names: Vec<BTreeMap<usize, String>> = groups
        .iter()
        .map(|group| groups::node_names(group, &found.nodes))
        .collect();
    let local: Vec<Vec<usize>> = groups
        .iter()
        .map(|group| groups::local_nodes(group, &proxies, &found))
        .collect();
    let site = Site {
        proxies: &proxies,
        entrances: &entrances,
        pools: &found,
        groups: &groups,
        names: &names,
        local: &local,
    };
    let listeners = listeners::plan(&site, &mut told);
    let mut passwords = Passwords::beside(&proxies);
    let mut needed = Vec::new();
    let planned = (0..groups.len()).filter_map(|number| {
        group(
            &site,
            number,
            sentinels.get(number)?,
            &mut passwords,
            &mut needed,
            &mut told,
        )
    });
    let mut plan = Plan {
        groups: planned.collect(),
        listeners,
        stats: Vec::new(),
    };
    drop_unused(&mut plan);
    lonely(&plan, &mut told);
    account::rest(ledger, document, &proxies, &services);
    always(ledger, &proxies, &entrances);
    plan.stats = stats_lines(ledger, document);
    let used = standins::of(&plan);
    let mut others = other_variables(&proxies, ledger, &needed);
    others.retain(|needed| used.contains_key(&needed.variable));
    needed.extend(others);
    (plan, needed)
}

/// Readers who have nowhere to go while there is no replica, though there is a primary; perhaps in another
/// group, because no section names both.
fn lonely(plan: &Plan, told: &mut Told<'_>) {
    for listener in &plan.listeners {
        if listener.access == Access::ReadWrite || listener.fallback.is_some() {
            continue;
        }
        let mut writers = plan
            .listeners
            .iter()
            .filter(|other| other.access == Access::ReadWrite);
        if writers.clone().any(|writer| writer.group == listener.group) {
            told.ledger
                .note(listener.place, Topic::Lonely, &listener.name);
        } else if let Some(writer) = writers.next() {
            let group = |index: usize| plan.groups.get(index).map_or("", |group| &*group.name);
            let sentence = format!(
                "no section writes to the nodes of `{}`, so they became a group of their own, {}, which has no \
                 primary. If they are replicas of the primary behind `{}`, move them to the nodes of group {}, and \
                 give `{0}` that group and `fallback: {2}`",
                listener.name,
                group(listener.group),
                writer.name,
                group(writer.group),
            );
            told.gap(listener.place, Gap::Nodes, &sentence);
        }
    }
}

/// A group without a listener would serve nobody.
fn drop_unused(plan: &mut Plan) {
    let used: Vec<usize> = plan
        .listeners
        .iter()
        .map(|listener| listener.group)
        .collect();
    let mut number = 0;
    let mut moved = BTreeMap::new();
    let mut index = 0;
    plan.groups.retain(|_| {
        let keep = used.contains(&index);
        if keep {
            moved.insert(index, number);
            number += 1;
        }
        index += 1;
        keep
    });
    for listener in &mut plan.listeners {
        listener.group = moved.get(&listener.group).copied().unwrap_or(0);
    }
}

fn group(
    site: &Site<'_, '_>,
    number: usize,
    sentinels: &Found,
    passwords: &mut Passwords,
    needed: &mut Vec<Needed>,
    told: &mut Told<'_>,
) -> Option<PlannedGroup> {
    let group = site.groups.get(number)?;
    let names = site.names.get(number)?;
    let local = site.local.get(number)?;
    let weights = groups::weights(group, &site.pools.nodes, told);
    let nodes = group.nodes.iter().filter_map(|index| {
        let node = site.pools.nodes.get(*index)?;
        Some(PlannedNode {
            name: names.get(index)?.clone(),
            address: node.target.text(),
            local: local.contains(index),
            weight: weights.get(index).copied(),
            places: node.places.clone(),
        })
    });
    let of_sentinels: Vec<&Proxy<'_>> = sentinels
        .proxies
        .iter()
        .filter_map(|index| site.proxies.get(*index))
        .collect();
    let asking = proxies_of(group, site.pools, site.proxies, sentinels);
    Some(PlannedGroup {
        name: group.name.clone(),
        nodes: nodes.collect(),
        auth: passwords.auth(&group.name, &asking, told, needed),
        sentinel: sentinel(group, sentinels, &of_sentinels, passwords, needed, told),
    })
}

/// The sections whose AUTH is for the nodes.
fn proxies_of<'p, 'd>(
    group: &Group,
    found: &Pools,
    proxies: &'p [Proxy<'d>],
    sentinels: &Found,
) -> Vec<&'p Proxy<'d>> {
    let pools = group
        .pools
        .iter()
        .filter_map(|index| found.pools.get(*index));
    pools
        .map(|pool| pool.proxy)
        .filter(|proxy| !sentinels.proxies.contains(proxy))
        .filter_map(|proxy| proxies.get(proxy))
        .collect()
}

fn sentinel(
    group: &Group,
    sentinels: &Found,
    proxies: &[&Proxy<'_>],
    passwords: &mut Passwords,
    needed: &mut Vec<Needed>,
    told: &mut Told<'_>,
) -> Option<PlannedSentinel> {
    let places: Vec<Place> = sentinels.targets.iter().map(|(_, place)| *place).collect();
    let first = *places.first()?;
    if sentinels.name.is_none() {
        let sentence = format!(
            "Sentinels of group {}, but no check says under which name they know the primary: put the name \
             from sentinel.conf (sentinel monitor NAME) into the comment sentinel: and take the # away",
            group.name
        );
        told.gap(first, Gap::Sentinel, &sentence);
    }
    let whose = format!("{}_SENTINEL", group.name);
    Some(PlannedSentinel {
        name: sentinels.name.clone(),
        addresses: sentinels
            .targets
            .iter()
            .map(|(target, _)| target.text())
            .collect(),
        auth: passwords.auth(&whose, proxies, told, needed),
        places,
    })
}

/// What is different for everybody, whatever the old configuration says about it.
fn always(ledger: &mut Ledger, proxies: &[Proxy<'_>], entrances: &[survey::Entrance]) {
    for entrance in entrances {
        let Some(proxy) = proxies.get(entrance.proxy) else {
            continue;
        };
        let place = proxy.section.head.place;
        let title = proxy.section.title();
        ledger.note(place, Topic::NobodyUp, &title);
        ledger.note(place, Topic::Demotion, &title);
        let writes = entrance
            .chain
            .first()
            .and_then(|first| proxies.get(*first))
            .is_some_and(|first| survey::wanted(first) == survey::Wanted::Primary);
        if writes {
            ledger.note(place, Topic::Roles, &title);
        }
    }
}

/// Lines that admin.http and admin.socket stand in for.
fn stats_lines(ledger: &Ledger, document: &Document) -> Vec<Place> {
    let lines = document
        .sections
        .iter()
        .flat_map(|section| std::iter::once(&section.head).chain(&section.body));
    let first_words = |keyword: &str, next: &str| {
        matches!(
            (keyword, next),
            ("stats", "socket" | "uri" | "enable") | ("monitor-uri", _)
        )
    };
    lines
        .filter(|line| first_words(line.keyword(), line.word(1)))
        .map(|line| line.place)
        .filter(|place| ledger.fates().get(place) == Some(&Fate::Changed))
        .collect()
}

/// Variables in addresses and names, which rolecall needs as well.
fn other_variables(proxies: &[Proxy<'_>], ledger: &mut Ledger, known: &[Needed]) -> Vec<Needed> {
    let mut found: BTreeMap<String, Vec<Place>> = BTreeMap::new();
    for proxy in proxies {
        let servers = proxy
            .servers
            .iter()
            .map(|server| (server.place, &server.variables));
        let binds = proxy.binds.iter().map(|bind| (bind.place, &bind.variables));
        for (place, variables) in servers.chain(binds) {
            if ledger
                .fates()
                .get(&place)
                .is_none_or(|fate| *fate == Fate::Aside)
            {
                continue;
            }
            for variable in variables.iter().filter(|it| it.default.is_none()) {
                found.entry(variable.name.clone()).or_default().push(place);
                if !variable.quoted {
                    let words = format!("${}", variable.name);
                    ledger.note(place, Topic::Variables, &words);
                }
            }
        }
    }
    for proxy in proxies {
        if let Some((place, name)) = proxy.script.master_name() {
            for variable in standins::names_in(name) {
                found.entry(variable.to_owned()).or_default().push(place);
            }
        }
    }
    found.retain(|name, _| !known.iter().any(|known| known.variable == *name));
    let needed = found.into_iter().map(|(variable, places)| Needed {
        variable,
        places,
        in_file: false,
    });
    needed.collect()
}
