//! One dial of a node.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpSocket, TcpStream, UnixStream};
use tokio::time::timeout;

use super::stream::{Stream, is_exhaustion, tune};
use crate::core::snapshot::Target;

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
    if address.port() >= 1024 && address.ip().is_loopback() && stream.local_addr()? == address {
        return Err(ErrorKind::ConnectionRefused.into());
    }
    Ok(stream)
}
