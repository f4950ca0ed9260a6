//! A service manager as far as the notification protocol goes: a datagram socket that keeps what it hears.

use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::SOON;

/// The other end of `NOTIFY_SOCKET`.
pub(crate) struct Manager {
    socket: UnixDatagram,
    dir: TempDir,
}

impl Manager {
    pub(crate) fn new() -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let socket = UnixDatagram::bind(dir.path().join("notify")).expect("bind a socket");
        Self { socket, dir }
    }

    /// What `NOTIFY_SOCKET` is set to.
    pub(crate) fn address(&self) -> String {
        let path: PathBuf = self.dir.path().join("notify");
        path.to_str().expect("UTF-8").to_owned()
    }

    /// The next message, or none for so long.
    pub(crate) fn next_within(&self, limit: Duration) -> Option<String> {
        self.socket
            .set_read_timeout(Some(limit.max(Duration::from_millis(1))))
            .expect("set a time-out");
        let mut buffer = [0; 4096];
        let length = self.socket.recv(&mut buffer).ok()?;
        Some(String::from_utf8(buffer[..length].to_vec()).expect("UTF-8"))
    }

    /// Waits for a message of which a line begins so; those that come before it are given to `seen`.
    #[track_caller]
    pub(crate) fn wait_for_line(&self, begin: &str, mut seen: impl FnMut(&str)) -> String {
        let end = Instant::now() + SOON;
        while let Some(message) = self.next_within(end.saturating_duration_since(Instant::now())) {
            if let Some(line) = message.lines().find(|line| line.starts_with(begin)) {
                return line.to_owned();
            }
            seen(&message);
        }
        panic!("waited {SOON:?} in vain for {begin}");
    }

    /// The same, whatever comes before.
    #[track_caller]
    pub(crate) fn wait_for(&self, begin: &str) -> String {
        self.wait_for_line(begin, |_| {})
    }

    /// Waits until for so long not one message of this kind has come.
    #[track_caller]
    pub(crate) fn wait_silence(&self, begin: &str, while_long: Duration) {
        let end = Instant::now() + while_long + SOON;
        let mut last = Instant::now();
        while last.elapsed() < while_long {
            assert!(Instant::now() < end, "{begin} goes on and on");
            let heard = self.next_within(while_long.saturating_sub(last.elapsed()));
            if heard.is_some_and(|message| message.starts_with(begin)) {
                last = Instant::now();
            }
        }
    }
}
