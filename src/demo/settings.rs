//! The settings of what the demo starts: Redis nodes, Sentinels and the proxy. Text only.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;

use super::addresses::Addresses;
use super::topology::{LISTENERS, NODES};

/// After how long without an answer a Sentinel takes a node for down, in milliseconds.
pub(super) const DOWN_AFTER_MS: u32 = 1000;

/// What Sentinel may do with a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Promote it.
    Voter,
    /// Not promote it. Before Redis 6.2 a node cannot hide: when it comes to replicate from the primary,
    /// Sentinel sees it, and may make it a replica of the primary directly.
    Local,
    /// Not even see it.
    HiddenLocal,
}

/// The configuration of a Redis node. With an append-only file a killed node comes back with its data, as
/// in production.
pub(super) fn node_config(
    home: &Path,
    address: SocketAddr,
    upstream: Option<SocketAddr>,
    kind: Kind,
) -> String {
    let (ip, port) = (address.ip(), address.port());
    let mut text = format!(
        "bind {ip}\nport {port}\ndir \"{}\"\nsave \"\"\nappendonly yes\n\
         repl-diskless-sync yes\nrepl-diskless-sync-delay 0\n\
         replica-announce-ip {ip}\nreplica-announce-port {port}\n",
        home.display()
    );
    if let Some(upstream) = upstream {
        let _ = writeln!(text, "replicaof {} {}", upstream.ip(), upstream.port());
    }
    text += match kind {
        Kind::Voter => "",
        Kind::Local => "replica-priority 0\n",
        Kind::HiddenLocal => "replica-priority 0\nreplica-announced no\n",
    };
    text
}

/// The configuration of a Sentinel, which it rewrites as it learns.
pub(super) fn sentinel_config(
    directory: &Path,
    address: SocketAddr,
    primary: SocketAddr,
) -> String {
    let (ip, port) = (address.ip(), address.port());
    format!(
        "bind {ip}\nport {port}\ndir \"{}\"\n\
         sentinel announce-ip {ip}\nsentinel announce-port {port}\n\
         sentinel monitor redis-ha {} {} 2\n\
         sentinel down-after-milliseconds redis-ha {DOWN_AFTER_MS}\n\
         sentinel failover-timeout redis-ha 10000\n",
        directory.display(),
        primary.ip(),
        primary.port()
    )
}

/// The configuration of the proxy: that of `config/demo.yaml`, with the addresses found.
pub(super) fn proxy_config(addresses: &Addresses) -> String {
    let [rw, ro, local] = LISTENERS;
    let mut text = String::from("groups:\n  main:\n    nodes:\n");
    for (name, address) in NODES[..3].iter().zip(&addresses.nodes) {
        let _ = writeln!(text, "      {name}: {address}");
    }
    let _ = write!(
        text,
        "      {}: {{ address: \"{}\", local: true }}\n\
         listeners:\n  \
         {rw}: {{ bind: \"{}\", access: read-write }}\n  \
         {ro}: {{ bind: \"{}\", access: read-only, fallback: {rw} }}\n  \
         {local}: {{ bind: \"{}\", access: local-read-only, fallback: {ro} }}\n\
         admin:\n  http: {}\n",
        NODES[3],
        addresses.nodes[3],
        addresses.listeners[0],
        addresses.listeners[1],
        addresses.listeners[2],
        addresses.admin,
    );
    text
}
