//! Other listeners while traffic flows: what a reload changes in the data plane.
//!
//! All new addresses are opened before anything is changed, so a reload that fails has changed nothing. An
//! address that stays keeps its sockets, even when it goes to another listener: nobody is refused.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::listen::{self, BindError, Opened};
use super::listener::Listener;
use super::ports::OpenPort;
use super::worker::Order;
use super::{Proxy, descriptors};
use crate::config::model::{Bind, ListenerConfig};

impl Proxy {
    /// Serves these listeners from now on, known by their numbers. Open connections stay, under the new
    /// configuration; those of listeners that are no longer there end. Returns when addresses that are no
    /// longer used are closed. `spare_descriptors` as in [`super::ProxySettings`].
    ///
    /// # Errors
    /// When a new address cannot be opened; nothing has changed then.
    pub async fn reload(
        &self,
        configs: Vec<ListenerConfig>,
        spare_descriptors: usize,
    ) -> Result<(), BindError> {
        let opened = self.open_new(&configs)?;
        let (listeners, removed) = self.configure(configs);
        self.announce(&listeners, opened);
        // First the addresses, then the end of what was there: who comes now comes to the new listener.
        let gone = self.reassign(&listeners);
        for listener in removed {
            listener.remove();
        }
        let binds = self.ports.lock().len();
        // What is open counts as used, sessions included: they are given back to the limit.
        let spare = spare_descriptors + descriptors::of_workers(self.shared.doors.len(), binds);
        let doors = self.shared.doors.iter();
        let connections = doors
            .map(|door| door.connections.load(Ordering::Relaxed))
            .sum::<usize>();
        let most = descriptors::connections(spare) + connections;
        self.shared.most_connections.store(most, Ordering::Relaxed);
        for door in &self.shared.doors {
            // A worker that has ended has no sessions to judge.
            let _ = door.orders.send(Order::Judge);
        }
        for open in gone {
            open.close().await;
        }
        Ok(())
    }

    /// Opens every address that is not open yet.
    fn open_new(&self, configs: &[ListenerConfig]) -> Result<Vec<(Bind, Opened)>, BindError> {
        let ports = self.ports.lock();
        let is_open = |bind: &Bind| ports.iter().any(|open| open.written == *bind);
        let mut all = Vec::new();
        for config in configs {
            for bind in config.binds.iter().filter(|bind| !is_open(bind)) {
                let opened =
                    listen::open(&config.name, bind, self.shared.doors.len(), &mut Vec::new())?;
                all.push((bind.clone(), opened));
            }
        }
        Ok(all)
    }

    /// Gives each listener its new configuration, and makes those that are new. Returns all of them, and
    /// those that are no longer there.
    fn configure(&self, configs: Vec<ListenerConfig>) -> (Vec<Arc<Listener>>, Vec<Arc<Listener>>) {
        let before = self.shared.listeners.load_full();
        let listeners: Vec<Arc<Listener>> = configs
            .into_iter()
            .map(|config| {
                let mut known = before.iter();
                match known.find(|listener| listener.config().id == config.id) {
                    Some(known) => {
                        known.configure(config);
                        Arc::clone(known)
                    }
                    None => Arc::new(Listener::new(config, &self.shared.loads)),
                }
            })
            .collect();
        let stays = |old: &Arc<Listener>| listeners.iter().any(|each| Arc::ptr_eq(each, old));
        let removed = before.iter().filter(|old| !stays(old)).cloned().collect();
        self.shared.listeners.store(Arc::new(listeners.clone()));
        (listeners, removed)
    }

    /// Has the workers accept at the new addresses.
    fn announce(&self, listeners: &[Arc<Listener>], opened: Vec<(Bind, Opened)>) {
        for (written, opened) in opened {
            let Some(listener) = owner(listeners, &written) else {
                continue;
            };
            let (open, acceptors) = OpenPort::new(listener, &written, opened, self.may_hand_over);
            for (door, acceptor) in self.shared.doors.iter().zip(acceptors) {
                let accepting = self.accepting.subscribe();
                let _ =
                    door.orders
                        .send(Order::Listen(Arc::clone(&open.port), acceptor, accepting));
            }
            self.ports.lock().push(open);
        }
    }

    /// Gives each open address to its listener. Returns those that nobody has any more.
    fn reassign(&self, listeners: &[Arc<Listener>]) -> Vec<OpenPort> {
        let mut ports = self.ports.lock();
        let (stay, gone) = ports
            .drain(..)
            .partition(|open| owner(listeners, &open.written).is_some());
        *ports = stay;
        for open in ports.iter() {
            if let Some(listener) = owner(listeners, &open.written) {
                open.port.listener.store(Arc::clone(listener));
            }
        }
        gone
    }
}

fn owner<'a>(listeners: &'a [Arc<Listener>], bind: &Bind) -> Option<&'a Arc<Listener>> {
    let mut all = listeners.iter();
    all.find(|listener| listener.config().binds.contains(bind))
}
