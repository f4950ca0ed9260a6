//! The relay by itself, for `benches/relay.rs`: two sockets, and nobody who may stop it.

use std::cell::RefCell;

use tokio::net::UnixStream;

use super::relay::{BUFFER_SIZE, Gate, SharedBuffer, relay};
use super::stream::Stream;
use super::table::Parting;
use crate::core::reason::CloseReason;

/// Relays between two connected sockets, as a session does, until both ends have finished.
pub async fn relay_plainly(client: UnixStream, node: UnixStream) -> CloseReason {
    let open = Open(RefCell::new(vec![0; BUFFER_SIZE].into_boxed_slice()));
    let (mut client, mut node) = (Stream::Unix(client), Stream::Unix(node));
    relay(open, &mut client, &mut node, None).await.reason
}

/// A gate that lets everything pass.
struct Open(SharedBuffer);

impl Gate for Open {
    fn buffer(&self) -> &SharedBuffer {
        &self.0
    }

    fn verdict(&self) -> Option<Parting> {
        None
    }

    fn sent(&self, _chunk: &[u8]) {}

    fn received(&self, chunk: &[u8]) -> usize {
        chunk.len()
    }

    fn abandoned(&self) {}

    fn awaits(&self) -> bool {
        false
    }

    fn linger(&self) {}

    fn keeps_up(&self, _all_taken: bool) {}

    fn is_late(&self) -> bool {
        true
    }
}
