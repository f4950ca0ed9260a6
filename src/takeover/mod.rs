//! An upgrade that refuses nobody: a new process takes the listening sockets of the running one over.
//!
//! The running process waits on a Unix socket beside `admin.socket`. The new one asks there, is sent
//! the sockets themselves (`SCM_RIGHTS`), starts its checks, and begins to accept when every listener
//! has had a verdict and the old one's primaries are elected here too. Until it says that it is ready the old one goes on, and does so as if nothing
//! had happened when the new one fails. Then the old one stops accepting, closes what the new one has
//! not taken, and keeps checking and enforcing roles for the sessions that it still has.
//!
//! A connection is never lost between the two, because there is one queue, which both may take from.

mod activation;
mod message;
mod predecessor;
mod successor;
mod wire;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub use activation::{Activated, activated};
pub use message::{NodeOrder, Primary};
pub use predecessor::{Predecessor, TakeoverError, ask};
pub use successor::{Estate, ShowEstate, Showing, Successor, offer};

/// Longest wait for the other process's next word, where it has nothing to do but to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// How long a new process may take until it is ready.
const READY_LIMIT: Duration = Duration::from_secs(60);

/// Where a process with this `admin.socket` is asked for its sockets.
pub fn path_beside(admin_socket: &Path) -> PathBuf {
    let mut path = admin_socket.as_os_str().to_owned();
    path.push(".takeover");
    path.into()
}
