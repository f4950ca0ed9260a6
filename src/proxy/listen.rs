//! Listening sockets: one a worker for each TCP bind, one for all workers for each Unix bind.
//!
//! The kernel spreads connections over sockets that share a port by `SO_REUSEPORT`. It would let a
//! second instance share it too, silently; so each address is first bound without it, which fails when
//! anybody else is there, and then the message names who.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::holder::{self, Holder};
use super::inherit::{self, FileOwner, Inherited};
use super::socket_file::SocketFile;
use super::stream::{Peer, RawStream, Stream, tune};
use crate::config::model::Bind;

/// Connections that the kernel completes before we accept them: a whole fleet that reconnects.
const BACKLOG: i32 = 4096;

/// Why a listener could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody listens there.
    #[error("listener {listener} cannot listen on {bind}: the address is held by {}; stop that process, or change the listener's bind", held_by(.holder.as_ref()))]
    InUse {
        /// The listener's name.
        listener: Arc<str>,
        /// The address.
        bind: Bind,
        /// Who listens there, where it can be seen.
        holder: Option<Holder>,
    },
    /// There is a file at the path, and it is no socket.
    #[error(
        "listener {listener} cannot listen on {bind}: a file that is no socket is there; remove it, or change the listener's bind"
    )]
    NotASocket {
        /// The listener's name.
        listener: Arc<str>,
        /// The address.
        bind: Bind,
    },
    /// Anything else.
    #[error("listener {listener} cannot listen on {bind}: {source}{}", advice(.source))]
    Io {
        /// The listener's name.
        listener: Arc<str>,
        /// The address.
        bind: Bind,
        /// What the system said.
        source: io::Error,
    },
}

fn held_by(holder: Option<&Holder>) -> String {
    if holder.is_some_and(|holder| holder.pid == std::process::id()) {
        return "this very proxy, by an address that overlaps it: such a change needs a restart"
            .to_owned();
    }
    holder.map_or_else(
        || "a process that cannot be seen from here (root sees it with `ss -ltnp`, or `ss -lxp` for a Unix socket)".to_owned(),
        Holder::to_string,
    )
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::PermissionDenied => {
            "; ports below 1024 need CAP_NET_BIND_SERVICE, a socket file needs a directory that we may write to"
        }
        ErrorKind::AddrNotAvailable => {
            "; no interface of this host has the address: add it, or change the listener's bind"
        }
        ErrorKind::NotFound => "; make the directory, or change the listener's bind",
        _ => "",
    }
}

/// A listening socket of one worker, on its way to that worker's thread.
#[derive(Debug)]
pub(super) enum Acceptor {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A listening socket that belongs to the runtime of its worker.
#[derive(Debug)]
pub(super) enum Listening {
    Tcp(tokio::net::TcpListener),
    Unix(tokio::net::UnixListener),
}

/// One bind, opened: a socket for each worker.
#[derive(Debug)]
pub(super) struct Opened {
    /// The address, with the port that was given for port 0.
    pub(super) bind: Bind,
    /// One for each worker, in their order; when there are more, they begin again at the first worker.
    pub(super) acceptors: Vec<Acceptor>,
    /// The socket file, removed on drop.
    pub(super) file: Option<SocketFile>,
    /// Each socket once more, to hand over.
    pub(super) originals: Vec<Inherited>,
}

/// Opens a bind for so many workers, or takes the sockets of it that were inherited.
pub(super) fn open(
    listener: &Arc<str>,
    bind: &Bind,
    workers: usize,
    inherited: &mut Vec<Inherited>,
) -> Result<Opened, BindError> {
    let ours: Vec<Inherited> = inherited
        .extract_if(.., |each| each.bind == *bind)
        .collect();
    let opened = match bind {
        _ if !ours.is_empty() => inherit::adopt(ours, workers),
        Bind::Tcp(address) => open_tcp(*address, workers),
        Bind::Unix(path) => open_unix(path, workers),
    };
    opened.map_err(|source| failed(listener, bind, source))
}

/// Whether a listener could be opened there now. Nobody is disturbed: a TCP address is bound for a moment
/// and never listened on, at a Unix socket it is only looked.
pub fn try_bind(listener: &Arc<str>, bind: &Bind) -> Result<(), BindError> {
    let free = match bind {
        Bind::Tcp(address) => tcp_socket(*address, Sharing::Alone).map(drop),
        Bind::Unix(path) => vacant(path),
    };
    free.map_err(|source| failed(listener, bind, source))
}

fn vacant(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            std::fs::metadata(path.parent().unwrap_or(path)).map(drop)
        }
        Err(error) => Err(error),
        Ok(found) if !found.file_type().is_socket() => Err(ErrorKind::AlreadyExists.into()),
        Ok(_) if holder::is_listened_on(path) => Err(ErrorKind::AddrInUse.into()),
        Ok(_) => Ok(()),
    }
}

fn failed(listener: &Arc<str>, bind: &Bind, source: io::Error) -> BindError {
    let (listener, bind) = (Arc::clone(listener), bind.clone());
    match (source.kind(), &bind) {
        (ErrorKind::AddrInUse, Bind::Tcp(address)) => BindError::InUse {
            holder: holder::of_tcp(*address),
            listener,
            bind,
        },
        (ErrorKind::AddrInUse, Bind::Unix(path)) => BindError::InUse {
            holder: holder::of_unix(path),
            listener,
            bind,
        },
        (ErrorKind::AlreadyExists, Bind::Unix(_)) => BindError::NotASocket { listener, bind },
        _ => BindError::Io {
            listener,
            bind,
            source,
        },
    }
}

fn open_tcp(address: SocketAddr, workers: usize) -> io::Result<Opened> {
    // Bound alone first, to notice whoever listens there already; it never listens itself, or it would
    // reset the clients that come in that moment.
    let probe = tcp_socket(address, Sharing::Alone)?;
    // Port 0 has become a real one here, the same for all workers.
    let bound = probe.local_addr()?.as_socket().unwrap_or(address);
    drop(probe);
    let sockets = (0..workers)
        .map(|_| listening(bound))
        .collect::<io::Result<_>>()?;
    inherit::adopt(sockets, workers)
}

/// Whether a socket lets others bind the same address.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sharing {
    Alone,
    AmongWorkers,
}

fn listening(address: SocketAddr) -> io::Result<Inherited> {
    let socket = tcp_socket(address, Sharing::AmongWorkers)?;
    socket.listen(BACKLOG)?;
    Inherited::new(socket.into(), FileOwner::Other)
}

fn tcp_socket(address: SocketAddr, sharing: Sharing) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    // Connections of an earlier run that linger in TIME_WAIT are no reason to fail.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // `[::]:6379` and `0.0.0.0:6379` are two listeners, and may stand side by side.
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_port(sharing == Sharing::AmongWorkers)?;
    tune(&SockRef::from(&socket))?;
    socket.bind(&address.into())?;
    Ok(socket)
}

fn open_unix(path: &Path, workers: usize) -> io::Result<Opened> {
    let (socket, file) = SocketFile::bind(path)?;
    socket.listen(BACKLOG)?;
    let socket = Inherited::new(socket.into(), FileOwner::Proxy)?;
    Ok(Opened {
        file: Some(file),
        ..inherit::adopt(vec![socket], workers)?
    })
}

impl Acceptor {
    /// Gives the socket to the runtime of the calling thread.
    pub(super) fn register(self) -> io::Result<Listening> {
        Ok(match self {
            Self::Tcp(socket) => Listening::Tcp(tokio::net::TcpListener::from_std(socket)?),
            Self::Unix(socket) => Listening::Unix(tokio::net::UnixListener::from_std(socket)?),
        })
    }

    /// Takes the next connection; `WouldBlock` when there is none.
    pub(super) fn accept(&self) -> io::Result<(RawStream, Peer)> {
        match self {
            Self::Tcp(socket) => {
                let (stream, peer) = socket.accept()?;
                stream.set_nonblocking(true)?;
                Ok((RawStream::Tcp(stream), Peer::Tcp(peer)))
            }
            Self::Unix(socket) => {
                let (stream, _) = socket.accept()?;
                stream.set_nonblocking(true)?;
                Ok((RawStream::Unix(stream), Peer::Unix))
            }
        }
    }
}

impl Listening {
    /// Waits for the next connection.
    pub(super) async fn accept(&self) -> io::Result<(Stream, Peer)> {
        match self {
            Self::Tcp(socket) => {
                let (stream, peer) = socket.accept().await?;
                Ok((Stream::Tcp(stream), Peer::Tcp(peer)))
            }
            Self::Unix(socket) => {
                let (stream, _) = socket.accept().await?;
                Ok((Stream::Unix(stream), Peer::Unix))
            }
        }
    }

    /// The same socket without the runtime, to take what is there without waiting.
    pub(super) fn raw(&self) -> io::Result<Acceptor> {
        Ok(match self {
            Self::Tcp(socket) => Acceptor::Tcp(socket.as_fd().try_clone_to_owned()?.into()),
            Self::Unix(socket) => Acceptor::Unix(socket.as_fd().try_clone_to_owned()?.into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn open(bind: &Bind, workers: usize) -> Result<Opened, BindError> {
        super::open(&"rw".into(), bind, workers, &mut Vec::new())
    }

    fn anywhere() -> Bind {
        Bind::Tcp(([127, 0, 0, 1], 0).into())
    }

    #[test]
    fn workers_share_one_port_and_what_they_accept_is_tuned() {
        let opened = open(&anywhere(), 2).unwrap();
        let Bind::Tcp(address) = opened.bind else {
            panic!("no TCP address")
        };
        assert_ne!(address.port(), 0);
        let _client = std::net::TcpStream::connect(address).unwrap();
        let accepted = loop {
            let found = opened.acceptors.iter().find_map(|a| a.accept().ok());
            if let Some((RawStream::Tcp(stream), _)) = found {
                break stream;
            }
        };
        let socket = SockRef::from(&accepted);
        assert!(socket.tcp_nodelay().unwrap(), "inherited from the listener");
        assert!(socket.keepalive().unwrap(), "inherited from the listener");
    }

    #[test]
    fn an_address_that_is_held_already_is_told_with_its_holder() {
        let first = open(&anywhere(), 2).unwrap();
        let error = open(&first.bind, 2).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("held by this very proxy"), "{text}");
        assert!(matches!(error, BindError::InUse { .. }));
    }

    #[test]
    fn socket_files() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("r.sock");
        let bind = Bind::Unix(path.clone());
        // What a crash leaves behind: the file without a listener.
        drop(UnixListener::bind(&path).unwrap());
        let first = open(&bind, 2).unwrap();
        let error = open(&bind, 2).unwrap_err();
        assert!(
            error.to_string().contains("held by this very proxy"),
            "{error}"
        );
        drop(first);
        assert!(!path.exists(), "removed at the end");
        fs::write(&path, "precious").unwrap();
        let error = open(&bind, 2).unwrap_err();
        assert!(matches!(error, BindError::NotASocket { .. }), "{error}");
        assert!(path.exists());
    }

    #[test]
    fn every_inherited_socket_has_a_worker_and_every_worker_a_socket() {
        for (before, after) in [(3, 2), (2, 3), (2, 2)] {
            let first = open(&anywhere(), before).unwrap();
            let mut inherited = first
                .originals
                .iter()
                .map(|each| each.another().unwrap())
                .collect();
            let clients: Vec<_> = (0..20)
                .map(|_| {
                    let Bind::Tcp(address) = first.bind else {
                        panic!("no TCP address")
                    };
                    std::net::TcpStream::connect(address).unwrap()
                })
                .collect();
            let second = super::open(&"rw".into(), &first.bind, after, &mut inherited).unwrap();
            assert_eq!(second.originals.len(), before);
            assert!(inherited.is_empty());
            drop(first);
            let served = (0..after).map(|worker| {
                let own = second.acceptors.iter().skip(worker).step_by(after);
                assert!(own.len() > 0, "worker {worker} of {after} has a socket");
                own.map(|each| std::iter::from_fn(|| each.accept().ok()).count())
                    .sum::<usize>()
            });
            assert_eq!(served.sum::<usize>(), clients.len());
        }
    }

    #[test]
    fn a_trial_tells_who_is_there_and_leaves_nothing_behind() {
        let trial = |bind: &Bind| try_bind(&"rw".into(), bind);
        let held = TcpListener::bind("127.0.0.1:0").unwrap();
        let tcp = Bind::Tcp(held.local_addr().unwrap());
        assert!(matches!(
            trial(&tcp),
            Err(BindError::InUse { holder: Some(holder), .. }) if holder.pid == std::process::id()
        ));
        drop(held);
        trial(&tcp).unwrap();
        trial(&tcp).unwrap();

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rw.sock");
        let unix = Bind::Unix(path.clone());
        trial(&unix).unwrap();
        assert!(!path.exists());
        let socket = UnixListener::bind(&path).unwrap();
        assert!(matches!(trial(&unix), Err(BindError::InUse { .. })));
        drop(socket);
        trial(&unix).unwrap();
        assert!(path.exists(), "a stale file is removed by whoever listens");
        fs::remove_file(&path).unwrap();
        fs::write(&path, "").unwrap();
        assert!(matches!(trial(&unix), Err(BindError::NotASocket { .. })));
        let nowhere = Bind::Unix(folder.path().join("missing/rw.sock"));
        assert!(matches!(trial(&nowhere), Err(BindError::Io { .. })));
    }
}
