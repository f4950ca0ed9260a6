//! Addresses that nobody else uses.
//!
//! Connections to 127.0.0.0/8 come from 127.0.0.1, so on any other loopback address only those ports are
//! taken that somebody listens on. Each run has its own addresses, by its pid.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::Result;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// The port that everybody uses in production. It lies below those of outgoing connections, which
/// matters: a proxy may treat a node among those with more care.
const PORT: u16 = 6379;

/// An address where nobody listens now, and that this run gives out once.
pub(crate) fn free() -> Result<SocketAddr> {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let ip = IpAddr::V4(loopback(1 + number % 200));
    // Each round of 200 has a port of its own: what lingers of earlier ones is not met again.
    let port = PORT + u16::try_from(number / 200)?;
    Ok(TcpListener::bind((ip, port))?.local_addr()?)
}

/// An address to connect from; those of [`free`] are others.
pub(crate) fn source(number: usize) -> IpAddr {
    IpAddr::V4(loopback(201 + (number % 50) as u32))
}

fn loopback(last: u32) -> Ipv4Addr {
    let pid = std::process::id();
    let octet = |value: u32| u8::try_from(value % 256).unwrap_or_default();
    Ipv4Addr::new(127, octet(16 + pid / 256 % 224), octet(pid), octet(last))
}
