//! Addresses that nobody else uses.
//!
//! Connections to 127.0.0.0/8 come from 127.0.0.1, so on any other loopback address there are no
//! ports but those that somebody listens on. Each test process has its own 254 addresses, by its pid.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// Ports are unique in the whole test process, so that a port is enough to tell who answers.
static PORTS: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// An address where nobody listens, and that is given out only once.
pub(crate) fn free_address() -> SocketAddr {
    loop {
        let ip = next_ip();
        let port = TcpListener::bind((ip, 0))
            .and_then(|socket| socket.local_addr())
            .expect("bind a free port on loopback")
            .port();
        if take(port) {
            return SocketAddr::new(ip, port);
        }
    }
}

/// A free port on 127.0.0.1, outside the range that the kernel gives to outgoing connections.
pub(crate) fn free_address_on_localhost() -> SocketAddr {
    let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let first = std::process::id().wrapping_mul(31);
    (0..10_000)
        .map(|n| 20_000 + u16::try_from(first.wrapping_add(n) % 10_000).expect("below 10,000"))
        .find(|&port| TcpListener::bind((ip, port)).is_ok() && take(port))
        .map(|port| SocketAddr::new(ip, port))
        .expect("a free port on 127.0.0.1")
}

fn take(port: u16) -> bool {
    PORTS.lock().expect("no test panics here").insert(port)
}

fn next_ip() -> IpAddr {
    let pid = std::process::id();
    let count = NEXT.fetch_add(1, Ordering::Relaxed);
    let octet = |value: u32| u8::try_from(value).expect("below 256");
    IpAddr::V4(Ipv4Addr::new(
        127,
        octet(16 + pid / 256 % 224),
        octet(pid % 256),
        octet(1 + count % 254),
    ))
}
