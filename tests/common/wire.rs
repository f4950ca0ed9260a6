//! A cable that can be cut: a TCP forwarder whose connections stay open while nothing passes any more,
//! as in a network partition.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::net::free_address;

/// Forwards to one address until dropped; its threads end with their connections.
pub(crate) struct Wire {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    cut: AtomicBool,
    ended: AtomicBool,
}

impl Wire {
    pub(crate) fn to(target: SocketAddr) -> Self {
        let address = free_address();
        let listener = TcpListener::bind(address).expect("listen for the wire");
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if shared.ended.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(server) = TcpStream::connect(target) else {
                    continue;
                };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (from, to) = (from.try_clone(), to.try_clone());
                    let shared = Arc::clone(&shared);
                    let (from, to) = (from.expect("a handle"), to.expect("a handle"));
                    thread::spawn(move || forward(from, to, &shared));
                }
            }
        });
        Self { address, state }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on nothing passes, in both directions and on new connections too.
    pub(crate) fn cut(&self) {
        self.state.cut.store(true, Ordering::Relaxed);
    }

    /// What waits goes on.
    pub(crate) fn mend(&self) {
        self.state.cut.store(false, Ordering::Relaxed);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::Relaxed);
        let _wake = TcpStream::connect(self.address);
    }
}

fn forward(mut from: TcpStream, mut to: TcpStream, state: &State) {
    let mut chunk = [0; 16 * 1024];
    while let Ok(length) = from.read(&mut chunk) {
        while state.cut.load(Ordering::Relaxed) && !state.ended.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(5));
        }
        if length == 0 || to.write_all(&chunk[..length]).is_err() {
            break;
        }
    }
    let _gone = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
