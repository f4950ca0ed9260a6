//! The file of a Unix socket: taken over from a crash, never from somebody who lives, and removed at the end.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};

/// A Unix socket's file. Where it is ours, it is removed on drop, unless another has been put in its place.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
    ours: bool,
}

impl SocketFile {
    /// Binds a socket there, which does not listen yet. `AddrInUse`: somebody listens there;
    /// `AlreadyExists`: a file that is no socket is there.
    pub fn bind(path: &Path) -> io::Result<(Socket, Self)> {
        remove_stale(path)?;
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.bind(&SockAddr::unix(path)?)?;
        Ok((socket, Self::ours(path)?))
    }

    /// The file of a socket that was just made there, ours to remove.
    pub fn ours(path: &Path) -> io::Result<Self> {
        let mut file = Self::of_another(path)?;
        file.ours = true;
        Ok(file)
    }

    /// The file of a socket that another process has made, and that is its own until it says otherwise.
    pub fn of_another(path: &Path) -> io::Result<Self> {
        let found = fs::symlink_metadata(path)?;
        Ok(Self {
            path: path.to_owned(),
            device: found.dev(),
            inode: found.ino(),
            ours: false,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// It is ours to remove from now on, or another process's.
    pub fn set_ours(&mut self, ours: bool) {
        self.ours = ours;
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let still_there = || {
            fs::symlink_metadata(&self.path)
                .is_ok_and(|found| found.dev() == self.device && found.ino() == self.inode)
        };
        if self.ours
            && still_there()
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove our socket file");
        }
    }
}

/// Removes a socket that nobody listens on, as a crash leaves behind.
fn remove_stale(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(found) if !found.file_type().is_socket() => return Err(ErrorKind::AlreadyExists.into()),
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path),
        // It lives, or it is full, or not ours to try: in any case it is not stale.
        _ => Err(ErrorKind::AddrInUse.into()),
    }
}
