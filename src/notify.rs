//! What the service manager is told: systemd's notification protocol, datagrams to `$NOTIFY_SOCKET`.
//!
//! Written here because the crates for it do not know abstract addresses (`@name`, as container managers
//! use) and wait without limit for a manager that does not read. A message is small and rare; a
//! manager that takes none for a moment loses it, and traffic and checks go on.

use std::env;
use std::ffi::OsString;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The control thread waits no longer than this for the manager's queue.
const PATIENCE: Duration = Duration::from_millis(100);

/// The way to the service manager; without one, nobody is told. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Notify {
    manager: Option<Arc<Manager>>,
}

#[derive(Debug)]
struct Manager {
    socket: UnixDatagram,
    address: SocketAddr,
    watchdog: Option<Duration>,
}

/// Whose environment the watchdog's settings were made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// This process was started by the manager, or by whoever it started.
    Manager,
    /// It takes over from the process that was, so what was meant for that one is meant for it.
    Takeover,
}

impl Notify {
    /// The manager that the environment names.
    pub fn from_env(origin: Origin) -> Self {
        let Some(name) = env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
            return Self::default();
        };
        match Manager::connect(&name, watchdog(origin)) {
            Ok(manager) => Self {
                manager: Some(Arc::new(manager)),
            },
            Err(error) => {
                tracing::warn!(%error, "NOTIFY_SOCKET={} cannot be used; the service manager is told nothing", name.display());
                Self::default()
            }
        }
    }

    /// Everything is up. Ends what [`Notify::reloading`] began, too.
    pub fn ready(&self) {
        self.send("READY=1");
    }

    /// A new configuration is being read. [`Notify::ready`] must follow, whatever comes of it.
    pub fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let micros = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1_000;
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
    }

    /// The end has begun.
    pub fn stopping(&self) {
        self.send("STOPPING=1");
    }

    /// A line for people who ask how the service is.
    pub fn status(&self, words: &str) {
        self.send(&format!("STATUS={}", words.replace('\n', " ")));
    }

    /// All threads are alive.
    pub fn alive(&self) {
        self.send("WATCHDOG=1");
    }

    /// Another process is the service from now on.
    pub fn main_pid(&self, pid: u32) {
        self.send(&format!("MAINPID={pid}"));
    }

    /// Whether anybody listens.
    pub fn is_there(&self) -> bool {
        self.manager.is_some()
    }

    /// How long the manager waits for [`Notify::alive`] before it ends the process; none: for ever.
    pub fn watchdog(&self) -> Option<Duration> {
        self.manager.as_ref()?.watchdog
    }

    fn send(&self, message: &str) {
        let Some(manager) = &self.manager else { return };
        let sent = manager
            .socket
            .send_to_addr(message.as_bytes(), &manager.address);
        if let Err(error) = sent {
            tracing::debug!(%error, message, "the service manager did not take a message");
        }
    }
}

impl Manager {
    fn connect(name: &OsString, watchdog: Option<Duration>) -> io::Result<Self> {
        let address = match name.as_bytes() {
            [b'@', rest @ ..] => SocketAddr::from_abstract_name(rest)?,
            _ => SocketAddr::from_pathname(Path::new(name))?,
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(Self {
            socket,
            address,
            watchdog,
        })
    }
}

fn watchdog(origin: Origin) -> Option<Duration> {
    let number = |name| env::var(name).ok()?.parse::<u64>().ok();
    watchdog_for(
        origin,
        std::process::id().into(),
        number("WATCHDOG_PID"),
        number("WATCHDOG_USEC"),
    )
}

fn watchdog_for(
    origin: Origin,
    own: u64,
    meant_for: Option<u64>,
    micros: Option<u64>,
) -> Option<Duration> {
    let ours = origin == Origin::Takeover || meant_for.is_none_or(|pid| pid == own);
    let period = Duration::from_micros(micros?);
    (ours && !period.is_zero()).then_some(period)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watchdog_of_another_process_is_none_of_ours_unless_we_take_over() {
        let micros = Some(2_000_000);
        let two = Some(Duration::from_secs(2));
        assert_eq!(watchdog_for(Origin::Manager, 7, Some(7), micros), two);
        assert_eq!(watchdog_for(Origin::Manager, 7, None, micros), two);
        assert_eq!(watchdog_for(Origin::Manager, 7, Some(8), micros), None);
        assert_eq!(watchdog_for(Origin::Takeover, 7, Some(8), micros), two);
        assert_eq!(watchdog_for(Origin::Manager, 7, None, None), None);
        assert_eq!(watchdog_for(Origin::Manager, 7, None, Some(0)), None);
    }

    #[test]
    fn an_abstract_address_is_reached_too() {
        let name = format!("rolecall-notify-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        let notify = Notify {
            manager: Some(Arc::new(
                Manager::connect(&format!("@{name}").into(), None).unwrap(),
            )),
        };
        notify.status("one\ntwo");
        notify.reloading();
        let mut buffer = [0; 200];
        let length = manager.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"STATUS=one two");
        let length = manager.recv(&mut buffer).unwrap();
        let text = std::str::from_utf8(&buffer[..length]).unwrap();
        let stamp = text.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
        assert!(stamp.parse::<u64>().unwrap() > 0);
    }

    #[test]
    fn a_manager_that_does_not_read_holds_nobody_up() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let _manager = UnixDatagram::bind(&path).unwrap();
        let notify = Notify {
            manager: Some(Arc::new(
                Manager::connect(&path.into_os_string(), None).unwrap(),
            )),
        };
        // More than its queue holds; blocked for good it would never end.
        let queue = std::fs::read_to_string("/proc/sys/net/unix/max_dgram_qlen").unwrap();
        let queue: usize = queue.trim().parse().unwrap();
        for _ in 0..queue + 5 {
            notify.alive();
        }
    }
}
