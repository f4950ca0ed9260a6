//! What is different between two configurations, in words, one line each. Secrets are compared and never
//! shown.

use std::fmt;
use std::time::Duration;

use super::model::{Config, GroupConfig, ListenerConfig, LogFormat, NodeConfig, SentinelConfig};

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Where, and what it was and is: `listener redis-ro: idle_timeout off -> 60s`.
    pub text: String,
    /// It takes effect with the next start only.
    pub needs_restart: bool,
}

/// All differences, in the order of a file.
pub(super) fn between(old: &Config, new: &Config) -> Vec<Change> {
    let mut found = Found::default();
    pairs(
        &mut found,
        "group",
        (&old.groups, &new.groups),
        |group| &*group.name,
        group,
    );
    listeners(&mut found, old, new);
    found.at("grace", span(old.grace), span(new.grace));
    found.at("log.level", words(&old.log.level), words(&new.log.level));
    let format = |format: LogFormat| words(&format);
    found.restart("log.format", format(old.log.format), format(new.log.format));
    found.restart("workers", old.workers, new.workers);
    let http = |config: &Config| or_none(config.admin.http.as_ref());
    found.restart("admin.http", http(old), http(new));
    let socket = |config: &Config| or_none(config.admin.socket.as_ref().map(|path| path.display()));
    found.restart("admin.socket", socket(old), socket(new));
    let mode = |config: &Config| format!("{:04o}", config.admin.socket_mode);
    found.restart("admin.socket_mode", mode(old), mode(new));
    let owner = |config: &Config| or_none(config.admin.socket_owner.as_ref());
    found.restart("admin.socket_owner", owner(old), owner(new));
    found.0
}

#[derive(Default)]
struct Found(Vec<Change>);

impl Found {
    fn tell(&mut self, text: String) {
        self.0.push(Change {
            text,
            needs_restart: false,
        });
    }

    fn at(&mut self, place: &str, old: impl fmt::Display, new: impl fmt::Display) {
        let (old, new) = (old.to_string(), new.to_string());
        if old != new {
            self.tell(format!("{place}: {old} -> {new}"));
        }
    }

    fn restart(&mut self, place: &str, old: impl fmt::Display, new: impl fmt::Display) {
        let before = self.0.len();
        self.at(place, old, new);
        for change in self.0.iter_mut().skip(before) {
            change.needs_restart = true;
            change.text.push_str(" (takes effect with the next start)");
        }
    }
}

/// What came, what went, and what changed of those that stayed.
fn pairs<T>(
    found: &mut Found,
    what: &str,
    (old, new): (&[T], &[T]),
    name: impl Fn(&T) -> &str,
    compare: impl Fn(&mut Found, &T, &T),
) {
    for gone in old {
        if !new.iter().any(|other| name(other) == name(gone)) {
            found.tell(format!("{what} {}: removed", name(gone)));
        }
    }
    for item in new {
        match old.iter().find(|other| name(other) == name(item)) {
            None => found.tell(format!("{what} {}: added", name(item))),
            Some(before) => compare(found, before, item),
        }
    }
}

fn group(found: &mut Found, old: &GroupConfig, new: &GroupConfig) {
    let at = |key: &str| format!("group {}: {key}", new.name);
    nodes(found, old, new);
    if old.auth != new.auth {
        found.tell(at("auth changed"));
    }
    let (before, after) = (old.check, new.check);
    found.at(
        &at("check.interval"),
        span(before.interval),
        span(after.interval),
    );
    found.at(
        &at("check.fast_interval"),
        span(before.fast_interval),
        span(after.fast_interval),
    );
    found.at(
        &at("check.timeout"),
        span(before.timeout),
        span(after.timeout),
    );
    found.at(&at("check.fall"), before.fall, after.fall);
    found.at(&at("check.rise"), before.rise, after.rise);
    found.at(
        &at("claim_hold"),
        span(old.claim_hold),
        span(new.claim_hold),
    );
    let bytes = |group: &GroupConfig| or_off(group.max_lag.and_then(|lag| lag.bytes));
    found.at(&at("max_lag.bytes"), bytes(old), bytes(new));
    let seconds = |group: &GroupConfig| span_or_off(group.max_lag.and_then(|lag| lag.seconds));
    found.at(&at("max_lag.seconds"), seconds(old), seconds(new));
    found.at(
        &at("stale_reads"),
        span(old.stale_reads),
        span(new.stale_reads),
    );
    sentinel(
        found,
        &at("sentinel"),
        old.sentinel.as_ref(),
        new.sentinel.as_ref(),
    );
}

fn nodes(found: &mut Found, old: &GroupConfig, new: &GroupConfig) {
    let at = |node: &NodeConfig| format!("group {}: node {}", new.name, node.name);
    for gone in &old.nodes {
        if !new.nodes.iter().any(|node| node.address == gone.address) {
            found.tell(format!("{} at {}: removed", at(gone), gone.address));
        }
    }
    for node in &new.nodes {
        let mut before = old.nodes.iter();
        match before.find(|before| before.address == node.address) {
            None => found.tell(format!("{} at {}: added", at(node), node.address)),
            Some(before) => {
                found.at(&format!("{}: name", at(node)), &before.name, &node.name);
                found.at(&format!("{}: local", at(node)), before.local, node.local);
                found.at(&format!("{}: weight", at(node)), before.weight, node.weight);
            }
        }
    }
}

fn sentinel(
    found: &mut Found,
    at: &str,
    old: Option<&SentinelConfig>,
    new: Option<&SentinelConfig>,
) {
    let words = |sentinel: Option<&SentinelConfig>| match sentinel {
        None => "none".to_owned(),
        Some(sentinel) => {
            let addresses = sentinel.addresses.iter().map(ToString::to_string);
            let addresses: Vec<String> = addresses.collect();
            let discover = if sentinel.discover { ", discover" } else { "" };
            format!("{} at {}{discover}", sentinel.name, addresses.join(" "))
        }
    };
    found.at(at, words(old), words(new));
    if let (Some(old), Some(new)) = (old, new)
        && old.auth != new.auth
    {
        found.tell(format!("{at}.auth changed"));
    }
}

fn listeners(found: &mut Found, old: &Config, new: &Config) {
    pairs(
        found,
        "listener",
        (&old.listeners, &new.listeners),
        |listener| &*listener.name,
        |found, before, after| listener(found, (old, before), (new, after)),
    );
}

fn listener(
    found: &mut Found,
    (old_config, old): (&Config, &ListenerConfig),
    (new_config, new): (&Config, &ListenerConfig),
) {
    let at = |key: &str| format!("listener {}: {key}", new.name);
    let binds = |listener: &ListenerConfig| {
        let binds: Vec<String> = listener.binds.iter().map(ToString::to_string).collect();
        binds.join(" ")
    };
    found.at(&at("bind"), binds(old), binds(new));
    found.at(&at("access"), old.access.label(), new.access.label());
    let group = |config: &Config, listener: &ListenerConfig| {
        let mut groups = config.groups.iter();
        let group = groups.find(|group| group.id == listener.group);
        group.map_or_else(String::new, |group| group.name.to_string())
    };
    found.at(&at("group"), group(old_config, old), group(new_config, new));
    let chain =
        |config: &Config, listener: &ListenerConfig| super::summary::chain(config, listener);
    found.at(&at("chain"), chain(old_config, old), chain(new_config, new));
    found.at(
        &at("max_connections"),
        or_off(old.max_connections),
        or_off(new.max_connections),
    );
    found.at(
        &at("idle_timeout"),
        span_or_off(old.idle_timeout),
        span_or_off(new.idle_timeout),
    );
    found.at(
        &at("connect_timeout"),
        span(old.connect_timeout),
        span(new.connect_timeout),
    );
    found.at(
        &at("park.timeout"),
        span(old.park.timeout),
        span(new.park.timeout),
    );
    found.at(&at("park.max"), old.park.max, new.park.max);
    found.at(
        &at("fallback_max_age"),
        span_or_off(old.fallback_max_age),
        span_or_off(new.fallback_max_age),
    );
}

/// `500ms`, as the file spells it.
fn span(duration: Duration) -> String {
    humantime::format_duration(duration)
        .to_string()
        .replace(' ', "")
}

fn span_or_off(duration: Option<Duration>) -> String {
    duration.map_or_else(|| "off".to_owned(), span)
}

fn or_off(value: Option<impl fmt::Display>) -> String {
    value.map_or_else(|| "off".to_owned(), |value| value.to_string())
}

fn or_none(value: Option<impl fmt::Display>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| value.to_string())
}

/// The word of an enum as the file spells it.
fn words(value: &impl fmt::Debug) -> String {
    format!("{value:?}").to_lowercase()
}
