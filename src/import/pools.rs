//! The servers of each Redis section to nodes: one node per address, however many sections name it. A
//! server that is another listener of the same file is no node but a way on.

use super::account::Told;
use super::address::Target;
use super::place::Place;
use super::proxy::Proxy;
use super::server::Server;
use super::survey::{self, Entrance, Service};
use super::topic::{Gap, Topic};

/// One address.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) target: Target,
    pub(super) places: Vec<Place>,
    pub(super) weights: Vec<(Place, u64)>,
    /// By the name of a server or its section it is on this host.
    pub(super) called_local: bool,
}

/// The servers of one section.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    pub(super) proxy: usize,
    pub(super) active: Vec<usize>,
    pub(super) backup: Vec<(usize, Place)>,
    /// Servers that are listeners: which entrance, and on which line.
    pub(super) onward: Vec<(usize, Place)>,
}

/// Everything that sections name.
#[derive(Clone, Debug, Default)]
pub(super) struct Pools {
    pub(super) nodes: Vec<Node>,
    pub(super) pools: Vec<Pool>,
}

/// Reads the servers of every Redis section that clients are sent to.
pub(super) fn read(
    proxies: &[Proxy<'_>],
    services: &[Service],
    entrances: &[Entrance],
    told: &mut Told<'_>,
) -> Pools {
    let mut found = Pools::default();
    for (index, proxy) in proxies.iter().enumerate() {
        if services.get(index) != Some(&Service::Redis) || !proxy.serves() {
            continue;
        }
        if !entrances
            .iter()
            .any(|entrance| entrance.chain.contains(&index))
        {
            let sentence = format!(
                "{} is Redis, but no listener sends clients there: left out",
                proxy.section.title()
            );
            told.gap(proxy.section.head.place, Gap::Routing, &sentence);
            for server in &proxy.servers {
                told.gap(
                    server.place,
                    Gap::Routing,
                    "a server of a section that nobody is sent to",
                );
            }
            continue;
        }
        found.pool(index, proxy, proxies, entrances, told);
    }
    found
}

impl Pools {
    fn pool(
        &mut self,
        index: usize,
        proxy: &Proxy<'_>,
        proxies: &[Proxy<'_>],
        entrances: &[Entrance],
        told: &mut Told<'_>,
    ) {
        let mut pool = Pool {
            proxy: index,
            active: Vec::new(),
            backup: Vec::new(),
            onward: Vec::new(),
        };
        for server in &proxy.servers {
            told.notes(server.place, &server.notes);
            let Some(target) = usable(server, proxy, told) else {
                continue;
            };
            if let Some(entrance) = listener_at(target, proxies, entrances) {
                onward(&mut pool, entrance, server, entrances, told);
                continue;
            }
            let node = self.node(server, target, proxy);
            note_server(server, told);
            let known =
                pool.active.contains(&node) || pool.backup.iter().any(|(other, _)| *other == node);
            match (known, server.backup) {
                (true, _) => {}
                (false, true) => pool.backup.push((node, server.place)),
                (false, false) => pool.active.push(node),
            }
        }
        self.pools.push(pool);
    }

    fn node(&mut self, server: &Server, target: &Target, proxy: &Proxy<'_>) -> usize {
        let key = target.key();
        let known = self.nodes.iter().position(|node| node.target.key() == key);
        let index = known.unwrap_or(self.nodes.len());
        if known.is_none() {
            // There the names of servers are those of Sentinels.
            let named_by_host = survey::asks_sentinel_elsewhere(proxy);
            let host = target.host().filter(|_| named_by_host);
            self.nodes.push(Node {
                name: host.unwrap_or(&server.name).to_owned(),
                target: target.clone(),
                places: Vec::new(),
                weights: Vec::new(),
                called_local: false,
            });
        }
        if let Some(node) = self.nodes.get_mut(index) {
            node.places.push(server.place);
            node.weights
                .extend(server.weight.map(|weight| (server.place, weight)));
            let names = [server.name.as_str(), proxy.name.as_str()];
            node.called_local |= names
                .iter()
                .any(|name| name.to_ascii_lowercase().contains("local"));
        }
        index
    }

    /// The pool of a section.
    pub(super) fn of(&self, proxy: usize) -> Option<&Pool> {
        self.pools.iter().find(|pool| pool.proxy == proxy)
    }
}

/// The address of a server that can be a node; else it is told why not.
fn usable<'s>(server: &'s Server, proxy: &Proxy<'_>, told: &mut Told<'_>) -> Option<&'s Target> {
    let written = &server.written;
    if server.disabled {
        let sentence =
            format!("server {written} is disabled and left out: add the node when it is to serve");
        told.gap(server.place, Gap::Nodes, &sentence);
        return None;
    }
    let target = match &server.target {
        Ok(target) => target,
        Err(why) => {
            let sentence = format!("server {written}: the address {why}");
            told.gap(server.place, Gap::Nodes, &sentence);
            return None;
        }
    };
    if proxy
        .binds
        .iter()
        .flat_map(|bind| bind.doors.iter().flatten())
        .any(|door| target.reaches(door))
    {
        let sentence = format!("server {written} is the section's own listener: left out");
        told.gap(server.place, Gap::Nodes, &sentence);
        return None;
    }
    if server.weight == Some(0) {
        let sentence = format!(
            "server {written} has weight 0, which takes no clients; it is written with weight 1: \
             `rolecall drain` does it by hand, or leave the node out"
        );
        told.gap(server.place, Gap::Server, &sentence);
    }
    if server.count.is_some_and(|count| count != 1) {
        let sentence = format!(
            "server-template {written} stands for several servers behind one name, which rolecall takes \
             for one node: write a line for each node under nodes: (a headless service has names such \
             as redis-0.NAME, redis-1.NAME); rolecall check --connect names the processes behind a name"
        );
        told.gap(server.place, Gap::Nodes, &sentence);
    }
    Some(target)
}

fn listener_at(target: &Target, proxies: &[Proxy<'_>], entrances: &[Entrance]) -> Option<usize> {
    entrances.iter().position(|entrance| {
        let proxy = proxies.get(entrance.proxy);
        proxy.is_some_and(|proxy| {
            let mut doors = proxy
                .binds
                .iter()
                .flat_map(|bind| bind.doors.iter().flatten());
            doors.any(|door| target.reaches(door))
        })
    })
}

fn onward(
    pool: &mut Pool,
    entrance: usize,
    server: &Server,
    entrances: &[Entrance],
    told: &mut Told<'_>,
) {
    let loops = entrances
        .get(entrance)
        .is_some_and(|entrance| entrance.chain.first() == Some(&pool.proxy));
    if loops {
        let sentence = format!(
            "server {} leads back to its own section: left out",
            server.written
        );
        told.gap(server.place, Gap::Nodes, &sentence);
    } else {
        pool.onward.push((entrance, server.place));
        told.translated(server.place, "fallback");
    }
}

fn note_server(server: &Server, told: &mut Told<'_>) {
    told.translated(server.place, "nodes");
    if !server.check {
        told.ledger.changed(
            server.place,
            Topic::Unchecked,
            &format!("server {}", server.name),
        );
    }
    if server.check_addr.is_some() || server.check_port.is_some() {
        let words = "addr, port of the check";
        told.ledger.changed(server.place, Topic::Checks, words);
    }
}
