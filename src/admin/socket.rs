//! `admin.socket`: the Unix socket, its permissions, and the file that it leaves behind.
//!
//! Whoever may open it may order anything, so mode and owner are set between bind and listen: until then
//! nobody can connect. A file that nobody listens on is what a crash leaves, and is replaced; one that
//! somebody listens on is left alone.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Type};
use tokio::net::{UnixListener, UnixStream};

use crate::config::model::Bind;
use crate::proxy::{FileOwner, Inherited, SocketFile};

/// Connections that the kernel completes before we accept them.
const BACKLOG: i32 = 64;

/// Why `admin.socket` cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Somebody answers there.
    #[error("admin.socket: {who} answers on {}: stop it, or give this one another socket", .path.display())]
    Taken {
        /// Where.
        path: PathBuf,
        /// Who, as far as it can be seen.
        who: String,
    },
    /// There is a file, and it is no socket.
    #[error("admin.socket: {} is there and is no socket: remove it, or choose another path", .0.display())]
    NotASocket(PathBuf),
    /// The directory is missing.
    #[error("admin.socket: the directory of {} does not exist: make it (systemd does, with RuntimeDirectory=)", .0.display())]
    NoDirectory(PathBuf),
    /// The directory is not ours to write to.
    #[error("admin.socket: not permitted to make {}: the directory must belong to the user that rolecall runs as", .0.display())]
    Forbidden(PathBuf),
    /// The user or the group of `socket_owner` is not known.
    #[error(
        "admin.socket_owner: there is no {what} {name:?} in {file}: correct it, or write its number"
    )]
    Unknown {
        /// `user` or `group`.
        what: &'static str,
        /// Its name.
        name: String,
        /// Where it was looked for.
        file: &'static str,
    },
    /// The socket could not be given away.
    #[error(
        "admin.socket_owner: cannot give the socket to {owner}: {source}: only root can give it to another user, and others only to a group of theirs"
    )]
    Owner {
        /// As configured.
        owner: String,
        /// What the system said.
        source: io::Error,
    },
    /// Anything else.
    #[error("admin.socket: cannot listen on {}: {source}", .path.display())]
    Other {
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The listening socket and its file.
#[derive(Debug)]
pub(super) struct Socket {
    listener: UnixListener,
    /// None where somebody else keeps it, such as systemd.
    file: Option<SocketFile>,
}

impl Socket {
    /// Listens at a path, with these permission bits, for that owner (`user` or `user:group`).
    pub(super) async fn open(
        path: &Path,
        mode: u32,
        owner: Option<&str>,
    ) -> Result<Self, SocketError> {
        let failed = |source: io::Error| match source.kind() {
            ErrorKind::NotFound => SocketError::NoDirectory(path.to_owned()),
            ErrorKind::PermissionDenied => SocketError::Forbidden(path.to_owned()),
            ErrorKind::AddrInUse => SocketError::Taken {
                path: path.to_owned(),
                who: "another process".to_owned(),
            },
            _ => SocketError::Other {
                path: path.to_owned(),
                source,
            },
        };
        // A name that is not known is told before anything is made.
        owner.map(ids).transpose()?;
        make_way(path).await?;
        let socket = socket2::Socket::new(Domain::UNIX, Type::STREAM, None).map_err(failed)?;
        let address = SockAddr::unix(path).map_err(failed)?;
        socket.bind(&address).map_err(failed)?;
        // From here on the file goes with us, whatever happens.
        let file = SocketFile::ours(path).map_err(failed)?;
        permit(path, mode, owner)?;
        socket.listen(BACKLOG).map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        let listener = UnixListener::from_std(socket.into()).map_err(failed)?;
        Ok(Self {
            listener,
            file: Some(file),
        })
    }

    /// Goes on with a socket that listens already, with the permissions that it has. Its file is another
    /// process's until [`Socket::own`].
    pub(super) fn adopt(socket: Inherited) -> Result<Self, SocketError> {
        let path = match socket.bind {
            Bind::Unix(path) => path,
            Bind::Tcp(address) => address.to_string().into(),
        };
        let failed = |source| SocketError::Other {
            path: path.clone(),
            source,
        };
        let file = match socket.file {
            FileOwner::Proxy => Some(SocketFile::of_another(&path).map_err(failed)?),
            FileOwner::Other => None,
        };
        let listener = std::os::unix::net::UnixListener::from(socket.socket);
        listener.set_nonblocking(true).map_err(failed)?;
        let listener = UnixListener::from_std(listener).map_err(failed)?;
        Ok(Self { listener, file })
    }

    /// Whoever had the socket has let go of it: its file is ours to give permissions to, and to remove.
    pub(super) fn own(
        &mut self,
        path: &Path,
        mode: u32,
        owner: Option<&str>,
    ) -> Result<(), SocketError> {
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        file.set_ours(true);
        permit(path, mode, owner)
    }

    /// A second descriptor of the socket, to hand over.
    pub(super) fn another(&self) -> io::Result<Inherited> {
        let file = match self.file {
            Some(_) => FileOwner::Proxy,
            None => FileOwner::Other,
        };
        Inherited::new(self.listener.as_fd().try_clone_to_owned()?, file)
    }

    /// The socket to accept on, and the file to drop after it.
    pub(super) fn into_parts(self) -> (UnixListener, Option<SocketFile>) {
        (self.listener, self.file)
    }
}

/// Sets who may open the socket.
fn permit(path: &Path, mode: u32, owner: Option<&str>) -> Result<(), SocketError> {
    if let Some(owner) = owner {
        let (user, group) = ids(owner)?;
        std::os::unix::fs::chown(path, user, group).map_err(|source| SocketError::Owner {
            owner: owner.to_owned(),
            source,
        })?;
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(|source| {
        match source.kind() {
            ErrorKind::PermissionDenied => SocketError::Forbidden(path.to_owned()),
            _ => SocketError::Other {
                path: path.to_owned(),
                source,
            },
        }
    })
}

/// Removes what a crash has left, and only that.
async fn make_way(path: &Path) -> Result<(), SocketError> {
    let other = |source| SocketError::Other {
        path: path.to_owned(),
        source,
    };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            return Err(SocketError::Forbidden(path.to_owned()));
        }
        Err(error) => return Err(other(error)),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(SocketError::NotASocket(path.to_owned()));
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(other)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        // It lives, or it is full, or not ours to try: in any case it is not stale.
        answer => Err(SocketError::Taken {
            path: path.to_owned(),
            who: answer.map_or_else(|_| "another process".to_owned(), |stream| holder(&stream)),
        }),
    }
}

/// Who listens at the other end: the kernel knows its process.
fn holder(stream: &UnixStream) -> String {
    let Some(pid) = stream.peer_cred().ok().and_then(|peer| peer.pid()) else {
        return "another process".to_owned();
    };
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    match name.trim() {
        "rolecall" => format!("another rolecall (process {pid})"),
        "" => format!("process {pid}"),
        other => format!("another program ({other}, process {pid})"),
    }
}

/// The numbers of `user` or `user:group`.
fn ids(owner: &str) -> Result<(Option<u32>, Option<u32>), SocketError> {
    let (user, group) = match owner.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (owner, None),
    };
    let user = id("user", user, "/etc/passwd")?;
    let group = group
        .map(|group| id("group", group, "/etc/group"))
        .transpose()?;
    Ok((Some(user), group))
}

/// A number as it is, a name by the system's file. What only a directory service knows is written as a
/// number.
fn id(what: &'static str, name: &str, file: &'static str) -> Result<u32, SocketError> {
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    let text = fs::read_to_string(file).unwrap_or_default();
    find_id(&text, name).ok_or_else(|| SocketError::Unknown {
        what,
        name: name.to_owned(),
        file,
    })
}

/// `name:x:number:...`, in both files.
fn find_id(text: &str, name: &str) -> Option<u32> {
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let is_it = fields.next() == Some(name);
        is_it.then(|| fields.nth(1)?.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nredis:x:104:112::/var/lib/redis:/bin/sh\n";

    #[test]
    fn owners_are_numbers_or_names() {
        assert_eq!(find_id(PASSWD, "redis"), Some(104));
        assert_eq!(find_id(PASSWD, "red"), None);
        assert_eq!(ids("1000:1001").ok(), Some((Some(1000), Some(1001))));
        assert_eq!(ids("root").ok(), Some((Some(0), None)));
        let words = ids("no-such-user-here").map_err(|error| error.to_string());
        assert!(words.is_err_and(|words| words.contains("no-such-user-here")));
    }
}
