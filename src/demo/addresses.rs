//! Free addresses for everything that the demo starts.
//!
//! As in production each host has its own address and all use the same port. Where the system knows only
//! 127.0.0.1 (macOS), each gets its own port there instead. Ports lie below those that systems hand
//! to outgoing connections, so that no client of anybody takes one while a node is down.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::Range;
use std::time::SystemTime;

use super::error::DemoError;

const PORTS: Range<u16> = 20_000..32_000;

/// Where everything listens.
#[derive(Clone, Debug)]
pub(super) struct Addresses {
    /// redis-1, redis-2, redis-3 and redis-local.
    pub(super) nodes: Vec<SocketAddr>,
    /// The three Sentinels.
    pub(super) sentinels: Vec<SocketAddr>,
    /// redis-rw, redis-ro and redis-local-ro.
    pub(super) listeners: Vec<SocketAddr>,
    /// `/metrics` of the proxy.
    pub(super) admin: SocketAddr,
}

impl Addresses {
    /// Looks for free ones.
    pub(super) fn find() -> Result<Self, DemoError> {
        let mut search = Search::new();
        Ok(Self {
            nodes: search.claim(&[11, 12, 13, 14])?,
            sentinels: search.claim(&[11, 12, 13])?,
            listeners: search.claim(&[1, 2, 3])?,
            admin: search.claim(&[1])?.swap_remove(0),
        })
    }
}

struct Search {
    spread: bool,
    next: u16,
    tries: usize,
}

impl Search {
    fn new() -> Self {
        // Two demos that start at once begin at different places.
        let nanos = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| since.subsec_nanos());
        let seed = nanos.wrapping_add(std::process::id().wrapping_mul(7919));
        let offset = u16::try_from(seed % u32::from(PORTS.end - PORTS.start)).unwrap_or(0);
        Self {
            spread: TcpListener::bind((Ipv4Addr::new(127, 0, 0, 11), 0)).is_ok(),
            next: PORTS.start + offset,
            tries: 0,
        }
    }

    /// One address per host (the last number of 127.0.0.x).
    fn claim(&mut self, hosts: &[u8]) -> Result<Vec<SocketAddr>, DemoError> {
        if self.spread {
            let ips: Vec<Ipv4Addr> = hosts.iter().map(|x| Ipv4Addr::new(127, 0, 0, *x)).collect();
            return self.port_on_all(&ips);
        }
        let mut all = Vec::new();
        for _ in hosts {
            all.extend(self.port_on_all(&[Ipv4Addr::LOCALHOST])?);
        }
        Ok(all)
    }

    fn port_on_all(&mut self, ips: &[Ipv4Addr]) -> Result<Vec<SocketAddr>, DemoError> {
        while self.tries < PORTS.len() {
            let port = self.next;
            self.tries += 1;
            self.next = if port + 1 < PORTS.end {
                port + 1
            } else {
                PORTS.start
            };
            if ips.iter().all(|ip| TcpListener::bind((*ip, port)).is_ok()) {
                return Ok(ips.iter().map(|ip| (*ip, port).into()).collect());
            }
        }
        let none = std::io::Error::from(std::io::ErrorKind::AddrInUse);
        Err(DemoError::system(format!(
            "find a free port between {} and {} on {ips:?}",
            PORTS.start, PORTS.end
        ))(none))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Addresses;

    #[test]
    fn no_address_is_given_twice() {
        let found = Addresses::find().unwrap();
        let all: Vec<_> = [found.nodes, found.sentinels, found.listeners]
            .concat()
            .into_iter()
            .chain([found.admin])
            .collect();
        assert_eq!(all.len(), 11);
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 11);
    }
}
