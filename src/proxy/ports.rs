//! The addresses that are open, and what a takeover does with them: some were another process's before, and
//! all may be another's next.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Proxy;
use super::inherit::Inherited;
use super::listen::{Acceptor, Opened};
use super::listener::{Listener, Port};
use super::socket_file::SocketFile;
use crate::config::model::Bind;

/// One address that is open.
pub(super) struct OpenPort {
    /// As configured.
    pub(super) written: Bind,
    /// The same with the real port where that says 0.
    pub(super) bound: Bind,
    pub(super) port: Arc<Port>,
    /// It was open already when we came.
    pub(super) inherited: bool,
    /// A second descriptor of each of its sockets, to hand over.
    originals: Vec<Inherited>,
    /// The socket file, removed on drop.
    file: Option<SocketFile>,
}

impl OpenPort {
    /// An address that was opened for a listener, and its sockets.
    pub(super) fn new(
        listener: &Arc<Listener>,
        written: &Bind,
        opened: Opened,
        may_hand_over: bool,
    ) -> (Self, Vec<Acceptor>) {
        let open = Self {
            written: written.clone(),
            bound: opened.bind,
            port: Port::new(Arc::clone(listener)),
            inherited: false,
            originals: if may_hand_over {
                opened.originals
            } else {
                Vec::new()
            },
            file: opened.file,
        };
        (open, opened.acceptors)
    }

    /// Closes it: what the kernel had completed is served. Returns when the sockets are closed.
    pub(super) async fn close(mut self) {
        // Ours first, as in [`Proxy::drain`].
        self.originals.clear();
        drop(self.file.take());
        self.port.close().await;
    }

    /// Leaves its sockets, and what waits there, to another process.
    fn give(&mut self) {
        self.port.give();
        if let Some(file) = &mut self.file {
            file.set_ours(false);
        }
    }
}

/// The listening sockets of a proxy as they are at any time, none of them after its end. Cheap to clone.
#[derive(Clone)]
pub struct Listening(Arc<Mutex<Vec<OpenPort>>>);

impl Listening {
    pub(super) fn of(ports: Vec<OpenPort>) -> Self {
        Self(Arc::new(Mutex::new(ports)))
    }

    /// A second descriptor of each socket. While a descriptor of one is open anywhere, the kernel
    /// completes connections there: keep them no longer than it takes to send them.
    pub fn sockets(&self) -> io::Result<Vec<Inherited>> {
        let ports = self.lock();
        let originals = ports.iter().flat_map(|open| &open.originals);
        originals.map(Inherited::another).collect()
    }

    /// Closes our second descriptors.
    pub(super) fn let_go(&self) {
        for open in self.lock().iter_mut() {
            open.originals.clear();
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Vec<OpenPort>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Listening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ports = self.lock();
        f.debug_list()
            .entries(ports.iter().map(|open| &open.bound))
            .finish()
    }
}

impl Proxy {
    /// Whoever had the inherited sockets has let go of them: their files are ours to remove at the end.
    pub fn own(&self) {
        let mut ports = self.ports.lock();
        for file in ports.iter_mut().filter_map(|open| open.file.as_mut()) {
            file.set_ours(true);
        }
    }

    /// The binds that were open already when it started.
    pub fn adopted(&self) -> Vec<Bind> {
        let ports = self.ports.lock();
        let adopted = ports.iter().filter(|open| open.inherited);
        adopted.map(|open| open.bound.clone()).collect()
    }

    /// The listening sockets, for another process.
    pub fn listening(&self) -> Listening {
        self.ports.clone()
    }

    /// Stops accepting as [`Proxy::drain`] does, but for these binds, with which another process goes on:
    /// what waits there is left to it.
    pub async fn hand_over(&self, taken: &[Bind]) {
        for open in self.ports.lock().iter_mut() {
            if taken.contains(&open.bound) {
                open.give();
            }
        }
        self.drain().await;
    }
}
