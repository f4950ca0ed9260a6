//! One dial of a node.

use std::fs;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::LazyLock;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpSocket, TcpStream, UnixStream};
use tokio::time::timeout;

use super::stream::{Stream, is_exhaustion, tune};
use crate::core::snapshot::Target;

/// Ports that the system gives to outgoing connections; where it does not say, all that it might.
static EPHEMERAL: LazyLock<RangeInclusive<u16>> = LazyLock::new(|| {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    read_range(&text).unwrap_or(1024..=u16::MAX)
});

fn read_range(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.trim().split_once(char::is_whitespace)?;
    Some(first.parse().ok()?..=last.trim().parse().ok()?)
}

/// Why a dial failed.
#[derive(Debug)]
pub(super) enum DialError {
    /// The node did not accept: refused, unreachable, or too slow.
    Node(io::Error),
    /// We have no descriptors left; that says nothing about the node.
    Ours(io::Error),
}

/// Connects to a node.
pub(super) async fn dial(target: Option<&Target>, limit: Duration) -> Result<Stream, DialError> {
    let dialled = match target {
        None => Err(io::Error::other("its name could not be looked up")),
        Some(Target::Tcp(address)) => timeout(limit, tcp(*address))
            .await
            .unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
            .map(Stream::Tcp),
        Some(Target::Unix(path)) => timeout(limit, UnixStream::connect(path))
            .await
            .unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
            .map(Stream::Unix),
    };
    dialled.map_err(|error| {
        if is_exhaustion(&error) {
            DialError::Ours(error)
        } else {
            DialError::Node(error)
        }
    })
}

async fn tcp(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    tune(&SockRef::from(&socket))?;
    let stream = socket.connect(address).await?;
    // A dial to a port of this host where nobody listens can get that very port as its own, and then
    // TCP connects it to itself. Only ports from the ephemeral range can meet this.
    let may_be_ours = EPHEMERAL.contains(&address.port()) && address.ip().is_loopback();
    if may_be_ours && stream.local_addr()? == address {
        return Err(ErrorKind::ConnectionRefused.into());
    }
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_of_outgoing_ports_is_read() {
        assert_eq!(read_range("32768\t60999\n"), Some(32768..=60999));
        assert_eq!(read_range(""), None);
        assert_eq!(read_range("1\t70000"), None);
    }
}
