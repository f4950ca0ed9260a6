//! Listening sockets that somebody else has opened: the process that we take over from, or systemd.
//!
//! They are the same sockets, with the same queues: what the kernel has completed there waits for
//! whoever accepts. So every one of them must be accepted from, and none may be closed while somebody else
//! is to go on: both would leave clients waiting, or reset them.

use std::io::{self, ErrorKind};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;

use socket2::SockRef;

use super::listen::{Acceptor, Opened};
use super::socket_file::SocketFile;
use super::stream::tune;
use crate::config::model::Bind;

/// A listening socket, and where it listens.
#[derive(Debug)]
pub struct Inherited {
    /// Its address, as the kernel tells it.
    pub bind: Bind,
    /// The socket.
    pub socket: OwnedFd,
    /// Who removes its file.
    pub file: FileOwner,
}

/// Who removes the file of a Unix socket at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileOwner {
    /// Whoever listens last: the proxy made it.
    Proxy,
    /// Somebody else, such as systemd; or there is no file.
    Other,
}

impl Inherited {
    /// Asks the kernel what a descriptor is. An error for anything that is no listening TCP or Unix
    /// socket with an address.
    pub fn new(socket: OwnedFd, file: FileOwner) -> io::Result<Self> {
        let known = SockRef::from(&socket);
        if !known.is_listener()? {
            return Err(io::Error::new(
                ErrorKind::InvalidInput,
                "it does not listen",
            ));
        }
        let address = known.local_addr()?;
        let bind = address.as_socket().map(Bind::Tcp).or_else(|| {
            address
                .as_pathname()
                .map(|path| Bind::Unix(path.to_owned()))
        });
        let bind = bind.ok_or_else(|| {
            io::Error::new(ErrorKind::InvalidInput, "it has no address that we know")
        })?;
        Ok(Self { bind, socket, file })
    }

    /// A second descriptor of the same socket.
    pub fn another(&self) -> io::Result<Self> {
        Ok(Self {
            bind: self.bind.clone(),
            socket: self.socket.try_clone()?,
            file: self.file,
        })
    }

    fn acceptor(&self) -> io::Result<Acceptor> {
        let socket = self.socket.try_clone()?;
        Ok(match self.bind {
            Bind::Tcp(_) => Acceptor::Tcp(TcpListener::from(socket)),
            Bind::Unix(_) => Acceptor::Unix(UnixListener::from(socket)),
        })
    }
}

/// Makes a bind of sockets that are open already, at least one. Each has one worker at least, and each
/// worker one socket at least.
pub(super) fn adopt(sockets: Vec<Inherited>, workers: usize) -> io::Result<Opened> {
    let bind = sockets[0].bind.clone();
    let mut file = None;
    for each in &sockets {
        let socket = SockRef::from(&each.socket);
        socket.set_nonblocking(true)?;
        match &each.bind {
            Bind::Tcp(_) => tune(&socket)?,
            Bind::Unix(path) if each.file == FileOwner::Proxy => {
                file = Some(SocketFile::of_another(path)?);
            }
            Bind::Unix(_) => {}
        }
    }
    let acceptors = (0..sockets.len().max(workers))
        .map(|place| sockets[place % sockets.len()].acceptor())
        .collect::<io::Result<_>>()?;
    Ok(Opened {
        bind,
        acceptors,
        file,
        originals: sockets,
    })
}
