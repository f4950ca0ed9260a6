//! Sessions that are merely there.

use std::net::SocketAddr;

use crate::client::Client;
use crate::figures::{Column, Figures};
use crate::meter::resident;
use crate::sides::Running;
use crate::{Result, address};

/// Opens sessions one after the other, from several addresses; each has had an answer.
pub(crate) fn open(address: SocketAddr, count: usize) -> Result<Vec<Client>> {
    let each = (0..count).map(|number| {
        let mut client = Client::connect_from(address::source(number), address)?;
        client.ping()?;
        Ok(client)
    });
    each.collect()
}

/// What a proxy needs to hold so many sessions. Without one there is nothing to measure.
pub(crate) fn measure(side: &Running, sessions: usize) -> Result<Figures> {
    let mut figures = Figures::default();
    let pids = side.pids();
    if !pids.is_empty() {
        let held = open(side.address, sessions)?;
        figures.set(Column::Memory, resident(&pids) / 1e6);
        drop(held);
    }
    Ok(figures)
}

/// Sessions that a proxy can hold: two descriptors each, and some for itself.
pub(crate) fn most() -> usize {
    let (limit, _) = rlimit::Resource::NOFILE.get().unwrap_or((1024, 1024));
    usize::try_from(limit.saturating_sub(500) / 2)
        .unwrap_or(usize::MAX)
        .min(9_500)
}
