//! What a client without any proxy does: it asks the Sentinels for the primary, and listens to their
//! `+switch-master`, as the better client libraries do.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use crate::group::MASTER_NAME;
use crate::wire::{Conn, ask_once};

/// Points at the primary.
pub(crate) struct Compass {
    sentinels: Vec<SocketAddr>,
    /// Counts the changes that the Sentinels told of.
    heading: AtomicU64,
}

impl Compass {
    pub(crate) fn new(sentinels: &[SocketAddr]) -> Arc<Self> {
        let compass = Arc::new(Self {
            sentinels: sentinels.to_vec(),
            heading: AtomicU64::new(0),
        });
        for &sentinel in sentinels {
            let compass = Arc::downgrade(&compass);
            // It ends with the compass: at the latest one second later.
            thread::spawn(move || listen(&compass, sentinel));
        }
        compass
    }

    /// The primary by the first Sentinel that answers, and the count of changes so far.
    pub(crate) fn read(&self) -> Option<(SocketAddr, u64)> {
        let heading = self.heading();
        let words = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER_NAME];
        self.sentinels.iter().find_map(|&sentinel| {
            let reply = ask_once(sentinel, &words).ok()?;
            let [ip, port] = reply.items() else {
                return None;
            };
            let address = format!("{}:{}", ip.text()?, port.text()?);
            Some((address.parse().ok()?, heading))
        })
    }

    /// The count of changes so far.
    pub(crate) fn heading(&self) -> u64 {
        self.heading.load(Ordering::Relaxed)
    }
}

fn listen(compass: &Weak<Compass>, sentinel: SocketAddr) {
    while compass.strong_count() > 0 {
        let Ok(mut conn) = Conn::open(sentinel, Duration::from_secs(1)) else {
            thread::sleep(Duration::from_millis(100));
            continue;
        };
        if conn.send(&["SUBSCRIBE", "+switch-master"]).is_err() {
            continue;
        }
        while let Ok(reply) = conn.reply() {
            let is_message = reply.items().first().and_then(|item| item.text()) == Some("message");
            let Some(compass) = compass.upgrade() else {
                return;
            };
            if is_message {
                compass.heading.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}
