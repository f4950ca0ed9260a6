//! Sections that check Sentinels, and checks that ask Sentinels about a server: to the `sentinel` of the
//! group that they speak of.

use super::account::Told;
use super::address::Target;
use super::groups::Group;
use super::place::Place;
use super::pools::Pools;
use super::probe::Wish;
use super::proxy::Proxy;
use super::survey::{self, Entrance, Service};
use super::topic::Gap;

/// What is known of the Sentinels of one group.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    pub(super) name: Option<String>,
    pub(super) targets: Vec<(Target, Place)>,
    /// Sections whose AUTH is for Sentinels.
    pub(super) proxies: Vec<usize>,
}

/// The Sentinels of each group.
pub(super) fn find(
    proxies: &[Proxy<'_>],
    services: &[Service],
    entrances: &[Entrance],
    groups: &[Group],
    pools: &Pools,
    told: &mut Told<'_>,
) -> Vec<Found> {
    let mut found = vec![Found::default(); groups.len()];
    for (index, proxy) in proxies.iter().enumerate() {
        let elsewhere = survey::asks_sentinel_elsewhere(proxy);
        if services.get(index) == Some(&Service::Redis) && elsewhere {
            let group = group_of_pool(groups, pools, index);
            if let Some(found) = group.and_then(|group| found.get_mut(group)) {
                found.add(index, proxy, true, told);
            }
            continue;
        }
        if services.get(index) != Some(&Service::Sentinel) {
            continue;
        }
        if proxy.listens() {
            door(proxy, told);
        }
        if !proxy.serves() {
            continue;
        }
        let group = group_of(index, proxy, proxies, entrances, groups, pools);
        if let Some(found) = group.and_then(|group| found.get_mut(group)) {
            found.add(index, proxy, false, told);
        } else {
            orphans(proxy, told);
        }
    }
    for (found, group) in found.iter_mut().zip(groups) {
        found.without_nodes(group, pools, told);
        found.without_ourselves(proxies, entrances, told);
    }
    rules(proxies, services, told);
    found
}

/// Sentinels of which nobody can say whose they are.
fn orphans(proxy: &Proxy<'_>, told: &mut Told<'_>) {
    let sentence = format!(
        "{} checks Sentinels, but of which group cannot be seen: write sentinel: into it",
        proxy.section.title()
    );
    told.gap(proxy.section.head.place, Gap::Sentinel, &sentence);
    for server in &proxy.servers {
        told.gap(
            server.place,
            Gap::Sentinel,
            "a Sentinel of an unknown group",
        );
    }
}

/// Clients that ask Sentinels through HAProxy.
fn door(proxy: &Proxy<'_>, told: &mut Told<'_>) {
    let binds = proxy.binds.iter().map(|bind| bind.place);
    let routes = proxy.routes.iter().map(|route| route.place);
    let default = proxy.default_backend.iter().map(|name| name.place);
    for place in std::iter::once(proxy.section.head.place)
        .chain(binds)
        .chain(routes)
        .chain(default)
    {
        told.gap(
            place,
            Gap::Sentinel,
            "a listener in front of Sentinels: rolecall passes on no Sentinel traffic; clients that ask \
             Sentinel for the primary may ask it directly, or connect to rolecall instead",
        );
    }
}

/// `use-server X if { nbsrv(sentinels) ge 2 }` says what Sentinel says.
fn rules(proxies: &[Proxy<'_>], services: &[Service], told: &mut Told<'_>) {
    for proxy in proxies {
        for rule in &proxy.server_rules {
            let asks = rule.condition.sections(true).any(|name| {
                let section = survey::find(proxies, name);
                section.and_then(|section| services.get(section)) == Some(&Service::Sentinel)
            });
            if asks && rule.condition.is_about_servers() {
                told.sentinel_says(rule.place, "use-server by nbsrv of Sentinels");
            }
        }
    }
}

fn group_of_pool(groups: &[Group], pools: &Pools, proxy: usize) -> Option<usize> {
    let pool = pools.pools.iter().position(|pool| pool.proxy == proxy)?;
    groups.iter().position(|group| group.pools.contains(&pool))
}

/// By the rules that name it, by the address that it expects, by hosts in common, or the only group.
fn group_of(
    index: usize,
    proxy: &Proxy<'_>,
    proxies: &[Proxy<'_>],
    entrances: &[Entrance],
    groups: &[Group],
    pools: &Pools,
) -> Option<usize> {
    if groups.len() == 1 {
        return Some(0);
    }
    let by_entrance = || {
        let asked = entrances
            .iter()
            .position(|entrance| entrance.sentinels.contains(&index))?;
        groups
            .iter()
            .position(|group| group.entrances.contains(&asked))
    };
    let by_server_rule = || {
        let asking = proxies.iter().position(|other| {
            let mut rules = other.server_rules.iter();
            rules.any(|rule| rule.condition.sections(true).any(|name| name == proxy.name))
        })?;
        group_of_pool(groups, pools, asking)
    };
    let hosts: Vec<&str> = proxy
        .script
        .wishes
        .iter()
        .filter_map(|(_, wish)| match wish {
            Wish::Address(address) => Some(address.as_str()),
            _ => None,
        })
        .collect();
    let by_address = || group_with_hosts(groups, pools, &hosts);
    let own: Vec<&str> = proxy
        .servers
        .iter()
        .filter_map(|server| server.target.as_ref().ok()?.host())
        .collect();
    let by_hosts = || group_with_hosts(groups, pools, &own);
    by_entrance()
        .or_else(by_server_rule)
        .or_else(by_address)
        .or_else(by_hosts)
}

/// The only group that has one of these hosts.
fn group_with_hosts(groups: &[Group], pools: &Pools, hosts: &[&str]) -> Option<usize> {
    let has = |group: &Group| {
        group.nodes.iter().any(|node| {
            let host = pools.nodes.get(*node).and_then(|node| node.target.host());
            host.is_some_and(|host| hosts.contains(&host))
        })
    };
    let mut fitting = groups.iter().enumerate().filter(|(_, group)| has(group));
    let first = fitting.next()?;
    fitting.next().is_none().then_some(first.0)
}

impl Found {
    fn add(&mut self, index: usize, proxy: &Proxy<'_>, elsewhere: bool, told: &mut Told<'_>) {
        self.proxies.push(index);
        if let Some((place, name)) = proxy.script.master_name() {
            told.translated(place, "sentinel: name");
            match &self.name {
                None => self.name = Some(name.to_owned()),
                Some(known) if known != name => {
                    let sentence = format!(
                        "Sentinels are asked for {name} here and for {known} elsewhere in one group: \
                         {known} is written"
                    );
                    told.gap(place, Gap::Sentinel, &sentence);
                }
                Some(_) => {}
            }
        }
        for server in &proxy.servers {
            let target = if elsewhere {
                server.checked_at()
            } else {
                Some(server.target.clone())
            };
            told.notes(server.place, &server.notes);
            match target {
                Some(Ok(target)) if !server.disabled => {
                    told.translated(server.place, "sentinel: addresses");
                    let known = self
                        .targets
                        .iter()
                        .any(|(other, _)| other.key() == target.key());
                    if !known {
                        self.targets.push((target, server.place));
                    }
                }
                Some(Err(why)) => {
                    let sentence = format!("Sentinel {}: the address {why}", server.written);
                    told.gap(server.place, Gap::Sentinel, &sentence);
                }
                _ => {
                    let sentence = format!("Sentinel {} is disabled or left out", server.written);
                    told.gap(server.place, Gap::Sentinel, &sentence);
                }
            }
        }
    }

    /// A Sentinel is never at the address of a node.
    fn without_nodes(&mut self, group: &Group, pools: &Pools, told: &mut Told<'_>) {
        self.targets.retain(|(target, place)| {
            let node = group.nodes.iter().any(|node| {
                let node = pools.nodes.get(*node);
                node.is_some_and(|node| node.target.key() == target.key())
            });
            if node {
                let sentence = format!("{} is a node and cannot be a Sentinel too", target.text());
                told.gap(*place, Gap::Sentinel, &sentence);
            }
            !node
        });
    }

    /// Nor is it one of our own listeners.
    fn without_ourselves(
        &mut self,
        proxies: &[Proxy<'_>],
        entrances: &[Entrance],
        told: &mut Told<'_>,
    ) {
        let proxies = entrances
            .iter()
            .filter_map(|entrance| proxies.get(entrance.proxy));
        let doors: Vec<_> = proxies
            .flat_map(|proxy| {
                proxy
                    .binds
                    .iter()
                    .flat_map(|bind| bind.doors.iter().flatten())
            })
            .collect();
        self.targets.retain(|(target, place)| {
            let ours = doors.iter().any(|door| target.reaches(door));
            if ours {
                let sentence = format!("{} is a listener and no Sentinel", target.text());
                told.gap(*place, Gap::Sentinel, &sentence);
            }
            !ours
        });
    }
}
