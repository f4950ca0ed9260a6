//! Which sections are Redis, which are Sentinel, and which serve something else; and for each listener the
//! sections that it sends clients to, best first.

use std::collections::BTreeMap;

use super::account::Told;
use super::address::Target;
use super::condition::Term;
use super::place::Place;
use super::probe::Wish;
use super::proxy::{CheckKind, Proxy, Route};
use super::sections::Kind;
use super::topic::Gap;

/// What a section is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    Redis,
    Sentinel,
    /// The stats page, the exporter, a health URL.
    Stats,
    Other,
}

/// A listener of Redis, and where its clients go.
#[derive(Clone, Debug)]
pub(super) struct Entrance {
    /// The frontend or listen section.
    pub(super) proxy: usize,
    /// Sections with servers, best first; never empty.
    pub(super) chain: Vec<usize>,
    /// The rule that names each of them.
    pub(super) rules: BTreeMap<usize, Place>,
    /// Sections of Sentinels that its rules ask.
    pub(super) sentinels: Vec<usize>,
}

/// What a pool's check demands of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Primary,
    Replica,
    ActiveReplica,
    /// Any node that answers.
    Any,
}

const REDIS: [&str; 5] = ["redis", "valkey", "keydb", "dragonfly", "kvrocks"];
const BESIDE_REDIS: [&str; 6] = [
    "exporter",
    "insight",
    "commander",
    "admin-ui",
    "redisearch-ui",
    "rebrow",
];

/// What each section is for.
pub(super) fn services(proxies: &[Proxy<'_>]) -> Vec<Service> {
    let mut services: Vec<Service> = proxies.iter().map(own_service).collect();
    chosen_by_sentinels(proxies, &mut services);
    of_known_nodes(proxies, &mut services);
    for (index, proxy) in proxies.iter().enumerate() {
        if proxy.serves() || services.get(index) != Some(&Service::Other) {
            continue;
        }
        let targets: Vec<Service> = targets(proxy)
            .filter_map(|name| services.get(find(proxies, name)?).copied())
            .collect();
        // One that leads nowhere but looks like Redis is Redis too, so that it is told.
        let lost = targets.is_empty() && !proxy.http && looks_like_redis(proxy);
        let found = [Service::Redis, Service::Sentinel, Service::Stats]
            .into_iter()
            .find(|service| targets.contains(service))
            .or(lost.then_some(Service::Redis));
        if let (Some(found), Some(service)) = (found, services.get_mut(index)) {
            *service = found;
        }
    }
    services
}

/// A section that a rule takes when Sentinels say so is Redis, however it checks its servers.
fn chosen_by_sentinels(proxies: &[Proxy<'_>], services: &mut [Service]) {
    for route in proxies.iter().flat_map(|proxy| &proxy.routes) {
        let mut asked = route.condition.sections(true);
        let sentinels = asked.any(|name| {
            let section = find(proxies, name);
            section.and_then(|section| services.get(section)) == Some(&Service::Sentinel)
        });
        if let Some(target) = find(proxies, &route.target).filter(|_| sentinels) {
            make_redis(proxies, services, target);
        }
    }
}

/// A section that only connects to servers which another section knows for Redis.
fn of_known_nodes(proxies: &[Proxy<'_>], services: &mut [Service]) {
    let keys = |proxy: &Proxy<'_>| -> Vec<String> {
        let targets = proxy
            .servers
            .iter()
            .filter_map(|server| server.target.as_ref().ok());
        targets.map(Target::key).collect()
    };
    let redis = proxies.iter().zip(services.iter());
    let known: Vec<String> = redis
        .filter(|(_, service)| **service == Service::Redis)
        .flat_map(|(proxy, _)| keys(proxy))
        .collect();
    for (index, proxy) in proxies.iter().enumerate() {
        if keys(proxy).iter().any(|key| known.contains(key)) {
            make_redis(proxies, services, index);
        }
    }
}

fn make_redis(proxies: &[Proxy<'_>], services: &mut [Service], index: usize) {
    let fits = proxies.get(index).is_some_and(|proxy| {
        !proxy.http && proxy.serves() && proxy.check != CheckKind::OtherService
    });
    if let Some(service @ Service::Other) = services.get_mut(index).filter(|_| fits) {
        *service = Service::Redis;
    }
}

fn targets<'p>(proxy: &'p Proxy<'_>) -> impl Iterator<Item = &'p str> {
    let default = proxy.default_backend.iter().map(|name| name.value.as_str());
    let routes = proxy.routes.iter().map(|route| route.target.as_str());
    routes.chain(default)
}

/// The section with servers of this name.
pub(super) fn find(proxies: &[Proxy<'_>], name: &str) -> Option<usize> {
    let by = |kind: Kind| {
        let fits = |proxy: &Proxy<'_>| proxy.name == name && proxy.section.kind == kind;
        proxies.iter().position(fits)
    };
    by(Kind::Backend).or_else(|| by(Kind::Listen))
}

fn own_service(proxy: &Proxy<'_>) -> Service {
    let stats = proxy.section.body.iter().any(|line| {
        matches!(line.keyword(), "stats" | "monitor-uri" | "monitor")
            || line.words.iter().any(|word| word.is("prometheus-exporter"))
    });
    // A check that asks for a role is Redis, whatever mode a defaults section forgot to change.
    if proxy.http && wanted(proxy) == Wanted::Any || !proxy.serves() {
        return if stats {
            Service::Stats
        } else {
            Service::Other
        };
    }
    if proxy.check == CheckKind::OtherService {
        return Service::Other;
    }
    if asks_sentinel_elsewhere(proxy) {
        return Service::Redis;
    }
    let wants_role = wanted(proxy) != Wanted::Any;
    if proxy.script.asks_sentinel() || (!wants_role && looks_like_sentinel(proxy)) {
        return Service::Sentinel;
    }
    if wants_role || proxy.script.speaks() || proxy.check == CheckKind::Redis {
        return Service::Redis;
    }
    if looks_like_redis(proxy) {
        Service::Redis
    } else {
        Service::Other
    }
}

fn looks_like_redis(proxy: &Proxy<'_>) -> bool {
    let by_name = named(proxy, &REDIS) && !named(proxy, &BESIDE_REDIS);
    by_name || has_port(proxy, "6379")
}

/// Servers whose check goes to a Sentinel while their traffic goes to Redis.
pub(super) fn asks_sentinel_elsewhere(proxy: &Proxy<'_>) -> bool {
    let elsewhere = |server: &super::server::Server| server.checked_at().is_some();
    proxy.script.asks_sentinel() && proxy.servers.iter().any(elsewhere)
}

fn looks_like_sentinel(proxy: &Proxy<'_>) -> bool {
    let ports: Vec<_> = proxy
        .servers
        .iter()
        .filter_map(|server| server.target.as_ref().ok()?.port())
        .collect();
    let by_port = !ports.is_empty() && ports.iter().all(|port| *port == "26379");
    let of_redis = ports.contains(&"6379");
    by_port || !of_redis && proxy.name.to_ascii_lowercase().contains("sentinel")
}

fn named(proxy: &Proxy<'_>, hints: &[&str]) -> bool {
    let servers = proxy
        .servers
        .iter()
        .flat_map(|server| [server.name.as_str(), server.written.as_str()]);
    std::iter::once(proxy.name.as_str())
        .chain(servers)
        .any(|name| {
            let name = name.to_ascii_lowercase();
            hints.iter().any(|hint| name.contains(hint))
        })
}

fn has_port(proxy: &Proxy<'_>, wanted: &str) -> bool {
    let servers = proxy
        .servers
        .iter()
        .filter_map(|server| server.target.as_ref().ok());
    let doors = proxy
        .binds
        .iter()
        .flat_map(|bind| bind.doors.iter().flatten());
    servers.chain(doors).any(|at| at.port() == Some(wanted))
}

/// What the check of a section demands.
pub(super) fn wanted(proxy: &Proxy<'_>) -> Wanted {
    let script = &proxy.script;
    let wants = |wish: &Wish| script.wants(wish);
    if wants(&Wish::ActiveReplica) {
        Wanted::ActiveReplica
    } else if wants(&Wish::Primary) || asks_sentinel_elsewhere(proxy) {
        Wanted::Primary
    } else if wants(&Wish::Replica) || wants(&Wish::LinkUp) || wants(&Wish::NotSyncing) {
        Wanted::Replica
    } else if wants(&Wish::HasReplicas) {
        Wanted::Primary
    } else {
        Wanted::Any
    }
}

/// Every listener of Redis, in file order.
pub(super) fn entrances(
    proxies: &[Proxy<'_>],
    services: &[Service],
    told: &mut Told<'_>,
) -> Vec<Entrance> {
    let mut entrances = Vec::new();
    for (index, proxy) in proxies.iter().enumerate() {
        let redis = services.get(index) == Some(&Service::Redis);
        if !redis || !proxy.listens() {
            continue;
        }
        if let Some(place) = proxy.disabled {
            let name = &proxy.name;
            let sentence = format!("{name} is disabled in HAProxy and left out");
            told.gap(place, Gap::Routing, &sentence);
            continue;
        }
        let mut walk = Walk {
            proxies,
            services,
            told: &mut *told,
            order: Vec::new(),
            rules: BTreeMap::new(),
            followers: Vec::new(),
            sentinels: Vec::new(),
            done: false,
        };
        walk.go(index, proxy);
        entrances.push(Entrance {
            proxy: index,
            chain: walk.order,
            rules: walk.rules,
            sentinels: walk.sentinels,
        });
    }
    entrances.retain(|entrance| !entrance.chain.is_empty());
    entrances
}

struct Walk<'w, 'd, 't> {
    proxies: &'w [Proxy<'d>],
    services: &'w [Service],
    told: &'w mut Told<'t>,
    order: Vec<usize>,
    rules: BTreeMap<usize, Place>,
    /// When none of these has servers up, that one is taken.
    followers: Vec<(Vec<usize>, usize)>,
    sentinels: Vec<usize>,
    /// A rule that always holds came by.
    done: bool,
}

impl Walk<'_, '_, '_> {
    fn go(&mut self, index: usize, proxy: &Proxy<'_>) {
        for route in &proxy.routes {
            self.route(route);
        }
        if let Some(default) = proxy.default_backend.as_ref().filter(|_| !self.done) {
            let target = self.target(&default.value, default.place);
            if let Some(target) = target {
                self.push(target);
                self.told.translated(default.place, "where clients go");
            }
        } else if let Some(default) = &proxy.default_backend {
            self.unreached(default.place);
        }
        if proxy.serves() {
            self.push(index);
        }
        self.place_followers(index);
    }

    fn push(&mut self, target: usize) {
        if !self.order.contains(&target) {
            self.order.push(target);
        }
    }

    fn unreached(&mut self, place: Place) {
        let sentence = "a rule above it always holds, so that it is never reached";
        self.told.gap(place, Gap::Routing, sentence);
    }

    fn target(&mut self, name: &str, place: Place) -> Option<usize> {
        let Some(target) = find(self.proxies, name) else {
            let sentence = format!("there is no section {name} to send clients to");
            self.told.gap(place, Gap::Routing, &sentence);
            return None;
        };
        if self.services.get(target) == Some(&Service::Redis) {
            self.rules.entry(target).or_insert(place);
            return Some(target);
        }
        let sentence =
            format!("{name} is not Redis as far as can be seen: clients are not sent there");
        self.told.gap(place, Gap::Routing, &sentence);
        None
    }

    fn route(&mut self, route: &Route) {
        if self.done {
            return self.unreached(route.place);
        }
        let condition = &route.condition;
        if !condition.is_about_servers() {
            let sentence = "`use_backend` under a condition on clients, ports or content: rolecall chooses \
                            by role and by which nodes can serve; give such clients a listener of their own";
            return self.told.gap(route.place, Gap::Routing, sentence);
        }
        let Some(target) = self.target(&route.target, route.place) else {
            return;
        };
        self.told.translated(route.place, "where clients go");
        let empty = |term: &Term| matches!(term, Term::Servers { up: false, .. });
        if condition.terms.iter().any(empty) {
            let names: Vec<usize> = condition
                .sections(false)
                .filter_map(|name| find(self.proxies, name))
                .collect();
            self.followers.push((names, target));
        } else {
            self.done = condition.holds_always();
            self.push(target);
        }
        self.note_sentinels(route);
    }

    fn note_sentinels(&mut self, route: &Route) {
        let asked: Vec<usize> = route
            .condition
            .sections(true)
            .filter_map(|name| find(self.proxies, name))
            .filter(|index| self.services.get(*index) == Some(&Service::Sentinel))
            .collect();
        if !asked.is_empty() {
            self.told
                .sentinel_says(route.place, "use_backend by nbsrv of Sentinels");
        }
        self.sentinels.extend(asked);
    }

    /// The later ones first, so that of two that follow the same section the first comes first.
    fn place_followers(&mut self, index: usize) {
        for (before, target) in std::mem::take(&mut self.followers).into_iter().rev() {
            let at = before
                .iter()
                .filter_map(|wanted| self.order.iter().position(|found| found == wanted))
                .max()
                .or_else(|| self.order.iter().position(|found| *found == index));
            self.order.retain(|found| *found != target || at.is_none());
            match at {
                Some(at) => {
                    let at = (at + 1).min(self.order.len());
                    self.order.insert(at, target);
                }
                None => self.push(target),
            }
        }
    }
}
