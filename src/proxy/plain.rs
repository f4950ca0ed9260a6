//! The relay by itself, for `benches/relay.rs`: two sockets, and nobody who may stop it.

use std::cell::RefCell;

use tokio::net::UnixStream;

use super::relay::{BUFFER_SIZE, Gate, relay};
use super::stream::Stream;
use crate::core::reason::CloseReason;

/// Relays between two connected sockets, as a session does, until both ends have finished.
pub async fn relay_plainly(client: UnixStream, node: UnixStream) -> CloseReason {
    let buffer = RefCell::new(vec![0; BUFFER_SIZE].into_boxed_slice());
    let (mut client, mut node) = (Stream::Unix(client), Stream::Unix(node));
    relay(Open, &buffer, &mut client, &mut node, None).await
}

/// A gate that lets everything pass.
struct Open;

impl Gate for Open {
    fn verdict(&self) -> Option<CloseReason> {
        None
    }

    fn sent(&self, _chunk: &[u8]) {}

    fn received(&self, _chunk: &[u8]) {}

    fn abandoned(&self) {}
}
