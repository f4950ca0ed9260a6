//! Socket activation: systemd has opened the listening sockets and hands them to us (`LISTEN_FDS`).
//!
//! They are matched to listeners by address, so the names that systemd gives them do not matter.

use std::io;

use listenfd::ListenFd;

use crate::proxy::{FileOwner, Inherited};

/// What systemd has given us.
#[derive(Debug, Default)]
pub struct Activated {
    /// Listening sockets.
    pub sockets: Vec<Inherited>,
    /// What is wrong with others, a line each.
    pub troubles: Vec<String>,
}

/// Takes what the environment names. Call it once, before there are other threads: it takes the
/// variables out of the environment, so that no child takes them for its own.
pub fn activated() -> Activated {
    let mut given = ListenFd::from_env();
    let mut found = Activated::default();
    for index in 0..given.len() {
        match take(&mut given, index) {
            Ok(socket) => found.sockets.push(socket),
            Err(error) => found.troubles.push(format!(
                "socket {index} of LISTEN_FDS cannot be used: {error}"
            )),
        }
    }
    found
}

fn take(given: &mut ListenFd, index: usize) -> io::Result<Inherited> {
    let gone = || io::Error::other("it was taken already");
    let socket = match given.take_tcp_listener(index) {
        Ok(socket) => socket.ok_or_else(gone)?.into(),
        Err(_) => given.take_unix_listener(index)?.ok_or_else(gone)?.into(),
    };
    Inherited::new(socket, FileOwner::Other)
}
