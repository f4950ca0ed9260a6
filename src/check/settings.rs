//! What the core needs to know of the configuration of a group.

use std::sync::Arc;

use crate::config::model::{Address, Bind, GroupConfig, ListenerConfig};
use crate::core::group::{Group, OwnListener, Settings};
use crate::core::health::Thresholds;
use crate::core::lag::LagLimits;
use crate::core::node::NodeSettings;
use crate::core::time::Moment;

/// A group of which nothing is known yet. All listeners of the process belong to it (R14).
pub fn new_group(listeners: &[ListenerConfig], group: &GroupConfig, now: Moment) -> Group {
    let names = sentinel_names(group);
    let sentinels = names.len();
    let fresh = Group::new(settings(listeners, group), now).with_sentinels(names);
    if group.sentinel.as_ref().is_some_and(|each| each.discover) {
        fresh.with_discovery(sentinels)
    } else {
        fresh
    }
}

/// The Sentinels' addresses as written, in the order of the configuration.
pub(super) fn sentinel_names(group: &GroupConfig) -> Vec<Arc<str>> {
    let addresses = group.sentinel.iter().flat_map(|each| &each.addresses);
    addresses
        .map(|address| address.to_string().into())
        .collect()
}

/// The settings of a group; all listeners of the process belong to them (R14).
pub(super) fn settings(listeners: &[ListenerConfig], group: &GroupConfig) -> Settings {
    let nodes = group.nodes.iter().map(|node| NodeSettings {
        id: node.id,
        name: node.name.clone(),
        address: match &node.address {
            Address::Tcp(host_port) => Some(host_port.clone()),
            Address::Unix(_) => None,
        },
        local: node.local,
        weight: node.weight,
    });
    let own = listeners.iter().map(|listener| OwnListener {
        name: listener.name.clone(),
        binds: listener
            .binds
            .iter()
            .filter_map(|bind| match bind {
                Bind::Tcp(address) => Some(*address),
                Bind::Unix(_) => None,
            })
            .collect(),
        reaches: listener.chain.listeners(),
    });
    Settings {
        id: group.id,
        name: group.name.clone(),
        nodes: nodes.collect(),
        limits: Thresholds {
            fall: group.check.fall,
            rise: group.check.rise,
        },
        interval: group.check.interval,
        fast_interval: group.check.fast_interval,
        claim_hold: group.claim_hold,
        stale_reads: group.stale_reads,
        max_lag: group
            .max_lag
            .map_or_else(LagLimits::default, |most| LagLimits {
                bytes: most.bytes,
                age: most.seconds,
            }),
        park_limit: listeners
            .iter()
            .filter(|listener| listener.group == group.id)
            .map(|listener| listener.park.timeout)
            .min()
            .unwrap_or_default(),
        own: own.collect(),
    }
}
