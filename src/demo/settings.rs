//! The settings of what the demo starts: Redis nodes, Sentinels and the proxy. Text only.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;

use super::addresses::Addresses;

/// After how long without an answer a Sentinel takes a node for down, in milliseconds.
pub(super) const DOWN_AFTER_MS: u32 = 3000;

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

/// What the proxy runs, with the addresses of a textbook.
const PROXY: &str = include_str!("../../config/demo.yaml");
/// The addresses in that file: nodes, listeners and `admin.http`, in this order.
const TEXTBOOK: [&str; 8] = [
    "127.0.1.1:6379",
    "127.0.1.2:6379",
    "127.0.1.3:6379",
    "127.0.0.4:6379",
    "127.0.0.1:6379",
    "127.0.0.2:6379",
    "127.0.0.3:6379",
    "127.0.0.1:9379",
];

/// The configuration of the proxy: that of `config/demo.yaml`, with the addresses found.
pub(super) fn proxy_config(addresses: &Addresses) -> String {
    let found = addresses.nodes.iter().chain(&addresses.listeners);
    let found = found.chain([&addresses.admin]);
    TEXTBOOK
        .iter()
        .zip(found)
        .fold(PROXY.to_owned(), |text, (old, new)| {
            text.replace(old, &new.to_string())
        })
}

#[cfg(test)]
mod tests {
    use super::{Addresses, PROXY, TEXTBOOK, proxy_config};

    #[test]
    fn every_address_of_the_file_is_replaced_by_one_that_was_found() {
        for address in TEXTBOOK {
            assert!(PROXY.contains(address), "config/demo.yaml has no {address}");
        }
        let addresses = Addresses::find().unwrap();
        let text = proxy_config(&addresses);
        assert!(!text.contains(":6379"), "{text}");
        assert!(!text.contains(":9379"), "{text}");
        for address in addresses.nodes.iter().chain(&addresses.listeners) {
            assert!(text.contains(&address.to_string()), "{text}");
        }
    }
}
