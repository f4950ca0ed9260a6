//! The connection of one check: dial, one exchange, and watching it between checks.
//!
//! It owns the socket and the split between what the node did (an [`Outcome`]) and what went wrong on
//! our own side, which must never count against a node. It sets no deadline: its user wraps each call.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{TcpStream, UnixStream};

use crate::core::outcome::{Outcome, Stage};
use crate::core::snapshot::Target;
use crate::redis::probe::{Probe, Progress};

/// Idle time until the kernel asks whether the peer is there. Checks run far more often; this is for
/// middleboxes and for very long intervals.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Bytes read at a time: INFO of a node fits at once.
const CHUNK: usize = 4 * 1024;

/// A connection to a node. TLS will join the two.
#[derive(Debug)]
pub(super) enum Connection {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Why a dial gave no connection.
#[derive(Debug)]
pub(super) enum DialError {
    /// It says something about the node.
    Node(Outcome),
    /// It says something about us: no descriptors, ports or memory left.
    Ourselves(io::Error),
}

/// The node closed the connection before it had answered.
#[derive(Debug)]
pub(super) struct Lost;

impl Connection {
    /// Dials a node.
    pub(super) async fn dial(target: &Target) -> Result<Self, DialError> {
        match target {
            Target::Tcp(address) => dial_tcp(*address).await.map_err(tcp_error),
            Target::Unix(path) => dial_unix(path).await.map_err(unix_error),
        }
    }

    /// Sends `request` and feeds the answers to `probe` until it is done. May be dropped at any time;
    /// the connection is of no use then.
    pub(super) async fn exchange(
        &mut self,
        probe: &mut Probe,
        request: &[u8],
    ) -> Result<Outcome, Lost> {
        // A node that refuses us says so and closes, perhaps before it was asked: its words are still
        // there to be read when the write fails.
        let _ = self.write_all(request).await;
        let mut chunk = [0; CHUNK];
        loop {
            let length = match self.read(&mut chunk).await {
                Ok(0) | Err(_) => return probe.cut_off().ok_or(Lost),
                Ok(length) => length,
            };
            match probe.feed(chunk.get(..length).unwrap_or_default()) {
                Progress::NeedMore => {}
                Progress::AlsoSend(more) => {
                    let _ = self.write_all(&more).await;
                }
                Progress::Done(outcome) => return Ok(outcome),
            }
        }
    }

    /// Ends when the idle connection is of no use any more: closed by the node, broken, or with bytes
    /// on it that nobody asked for.
    pub(super) async fn lost(&self) {
        loop {
            let ready = match self {
                Self::Tcp(stream) => stream.ready(Interest::READABLE).await,
                Self::Unix(stream) => stream.ready(Interest::READABLE).await,
            };
            if ready.is_err() {
                return;
            }
            let read = match self {
                Self::Tcp(stream) => stream.try_read(&mut [0; 1]),
                Self::Unix(stream) => stream.try_read(&mut [0; 1]),
            };
            match read {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(_) | Err(_) => return,
            }
        }
    }

    pub(super) async fn read(&mut self, chunk: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(chunk).await,
            Self::Unix(stream) => stream.read(chunk).await,
        }
    }

    pub(super) async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.write_all(bytes).await,
            Self::Unix(stream) => stream.write_all(bytes).await,
        }
    }
}

async fn dial_tcp(address: SocketAddr) -> io::Result<Connection> {
    let stream = TcpStream::connect(address).await?;
    // They fail only on a connection that is gone again, and the exchange finds that out in better words.
    let _ = stream.set_nodelay(true);
    let _ = SockRef::from(&stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE));
    Ok(Connection::Tcp(stream))
}

async fn dial_unix(path: &Path) -> io::Result<Connection> {
    Ok(Connection::Unix(UnixStream::connect(path).await?))
}

fn tcp_error(error: io::Error) -> DialError {
    match error.kind() {
        _ if is_ours(&error) => DialError::Ourselves(error),
        io::ErrorKind::ConnectionRefused => DialError::Node(Outcome::Refused),
        io::ErrorKind::TimedOut => DialError::Node(Outcome::TimedOut(Stage::Connect)),
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => {
            DialError::Node(Outcome::Closed)
        }
        _ => DialError::Node(Outcome::Unreachable(error.to_string().into())),
    }
}

fn unix_error(error: io::Error) -> DialError {
    match error.kind() {
        _ if is_ours(&error) => DialError::Ourselves(error),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => {
            DialError::Node(Outcome::Refused)
        }
        // Its accept queue is full. (TCP drops the SYN in that case.)
        io::ErrorKind::WouldBlock => DialError::Node(Outcome::TimedOut(Stage::Connect)),
        _ => DialError::Node(Outcome::Unreachable(error.to_string().into())),
    }
}

/// Descriptors or memory ran out here: nothing that a node did. A missing local address is told of the
/// node: it cannot be reached from here, be it for want of its address family or of ports towards it.
fn is_ours(error: &io::Error) -> bool {
    const ENOMEM: i32 = 12;
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    const ENOBUFS: i32 = 105;
    matches!(
        error.raw_os_error(),
        Some(ENOMEM | ENFILE | EMFILE | ENOBUFS)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(number: i32) -> DialError {
        tcp_error(io::Error::from_raw_os_error(number))
    }

    #[test]
    fn r8_failed_dials_are_told_apart() {
        assert!(matches!(tcp(111), DialError::Node(Outcome::Refused)));
        assert!(matches!(
            tcp(110),
            DialError::Node(Outcome::TimedOut(Stage::Connect))
        ));
        assert!(matches!(tcp(104), DialError::Node(Outcome::Closed)));
        for unreachable in [113, 101, 99, 13, 1] {
            assert!(matches!(
                tcp(unreachable),
                DialError::Node(Outcome::Unreachable(_))
            ));
        }
    }

    #[test]
    fn what_ran_out_here_is_no_failure_of_the_node() {
        for ours in [23, 24, 12, 105] {
            assert!(matches!(tcp(ours), DialError::Ourselves(_)));
            let unix = unix_error(io::Error::from_raw_os_error(ours));
            assert!(matches!(unix, DialError::Ourselves(_)));
        }
    }

    #[tokio::test]
    async fn a_unix_socket_that_is_missing_or_dead_refuses() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.sock");
        let dial = || async {
            Connection::dial(&Target::Unix(path.clone()))
                .await
                .map(|_| ())
        };
        assert!(matches!(
            dial().await,
            Err(DialError::Node(Outcome::Refused))
        ));
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        assert!(dial().await.is_ok());
        drop(listener);
        assert!(matches!(
            dial().await,
            Err(DialError::Node(Outcome::Refused))
        ));
    }
}
