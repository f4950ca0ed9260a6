//! The way in for people and monitors who want to know how the proxy is: HTTP on `admin.http`.
//!
//! Read only: nothing that arrives here changes anything, ever. It runs on the control thread beside the
//! checks, so it must not wait, and must not let anyone make it large: every connection is bounded in
//! number, age, header size and time to send a header, and request bodies are not read.

mod http;
mod process;
mod readiness;
mod server;

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::metrics;
pub use readiness::readiness;

/// Asks what is missing until every listener has had a verdict; empty: ready.
pub type Readiness = Arc<dyn Fn() -> Vec<String> + Send + Sync>;

/// What the pages are made from.
#[derive(Clone)]
pub struct AdminState {
    /// For /metrics.
    pub metrics: metrics::Handle,
    /// For /readyz; must not wait.
    pub readiness: Readiness,
}

/// How much one client, or all of them, may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at a time, at least 1; further ones get a 503.
    pub connections: usize,
    /// For a whole request header, counted from the end of the request before: so it also bounds how
    /// long an idle connection is kept.
    pub header: Duration,
    /// For a whole connection; a request in progress then is finished.
    pub age: Duration,
    /// For that last request, and for the connections that are open at the end.
    pub farewell: Duration,
    /// How long no connection is accepted after accepting failed for want of descriptors.
    pub accept_pause: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 32,
            header: Duration::from_secs(5),
            age: Duration::from_secs(60),
            farewell: Duration::from_secs(2),
            accept_pause: Duration::from_secs(1),
        }
    }
}

/// The listening socket, not yet serving.
#[derive(Debug)]
pub struct Admin {
    listener: TcpListener,
    address: SocketAddr,
    limits: Limits,
}

/// Why `admin.http` cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody listens there.
    #[error("admin.http: another process listens on {0}: stop it, or choose another address")]
    Taken(SocketAddr),
    /// No interface has the address.
    #[error("admin.http: no network interface of this host has {0}: add the address or correct it")]
    NotOurs(SocketAddr),
    /// The port is below 1024 and we are not root.
    #[error(
        "admin.http: not permitted to listen on {0}: choose a port from 1024 up, or grant CAP_NET_BIND_SERVICE"
    )]
    Forbidden(SocketAddr),
    /// Anything else.
    #[error("admin.http: cannot listen on {address}: {source}")]
    Other {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// Listens on `admin.http`. Connections wait in the kernel until [`Admin::serve`].
pub async fn bind(address: SocketAddr) -> Result<Admin, BindError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AddrInUse => BindError::Taken(address),
        io::ErrorKind::AddrNotAvailable => BindError::NotOurs(address),
        io::ErrorKind::PermissionDenied => BindError::Forbidden(address),
        _ => BindError::Other { address, source },
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok(Admin {
        listener,
        address,
        limits: Limits::default(),
    })
}

/// Takes a socket that listens already, from the process that had `admin.http` before.
pub fn adopt(socket: std::net::TcpListener) -> io::Result<Admin> {
    socket.set_nonblocking(true)?;
    let listener = TcpListener::from_std(socket)?;
    let address = listener.local_addr()?;
    Ok(Admin {
        listener,
        address,
        limits: Limits::default(),
    })
}

impl Admin {
    /// A second descriptor of its socket, to hand over.
    pub fn socket(&self) -> io::Result<OwnedFd> {
        self.listener.as_fd().try_clone_to_owned()
    }

    /// Where it listens, with the real port when 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same with other limits.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Answers until `cancel`, then lets requests in progress end. Survives every error of a connection
    /// and of accepting.
    pub async fn serve(self, state: AdminState, cancel: CancellationToken) {
        server::run(self.listener, self.limits, Arc::new(state), cancel).await;
    }
}
