//! The way in for people and monitors who want to know how the proxy is: HTTP on `admin.http` and on the
//! Unix socket `admin.socket`.
//!
//! One API on both ways. The TCP port is read only: nothing that arrives there changes anything, ever. The
//! socket takes commands too (`commands`), from whoever may open it. It runs on the control thread beside
//! the checks, so it must not wait, and must not let anyone make it large: every connection is bounded in
//! number, age, header size and time to send a header, and request bodies are not read. Each way has its own
//! bounds, so a crowd on the port keeps nobody from the socket.

mod ask;
mod body;
mod commands;
mod events;
mod http;
mod order;
mod page;
mod process;
mod query;
mod readiness;
mod seat;
mod server;
mod socket;
mod sources;
mod status;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::model::{AdminConfig, Bind};
use crate::metrics;
use crate::proxy::{FileOwner, Inherited, SocketFile};
pub use readiness::readiness;
use socket::Socket;
pub use socket::SocketError;
pub use sources::{ReloadRequest, SetLevel, Sources};
pub use status::foretold;

/// Asks what is missing until every listener has had a verdict; empty: ready.
pub type Readiness = Arc<dyn Fn() -> Vec<String> + Send + Sync>;

/// What the pages are made from.
#[derive(Clone)]
pub struct AdminState {
    /// For /metrics.
    pub metrics: metrics::Handle,
    /// For /readyz; must not wait.
    pub readiness: Readiness,
    /// For /api.
    pub sources: Sources,
}

/// How much one client, or all of them, may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at a time, at least 1. Further ones take the place of the longest idle one, and get a
    /// 503 when all are at work.
    pub connections: usize,
    /// Of these, how many may follow the events (on the socket).
    pub followers: usize,
    /// For a whole request header, counted from the end of the request before: so it also bounds how
    /// long an idle connection is kept.
    pub header: Duration,
    /// For a whole connection; a request in progress then is finished, however long it takes.
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
            followers: 8,
            header: Duration::from_secs(5),
            age: Duration::from_secs(60),
            farewell: Duration::from_secs(2),
            accept_pause: Duration::from_secs(1),
        }
    }
}

/// The listening sockets, not yet serving.
#[derive(Debug, Default)]
pub struct Admin {
    http: Option<TcpListener>,
    socket: Option<Socket>,
    /// Those that listened already when it was opened.
    adopted: Vec<Bind>,
    limits: Limits,
}

/// A serving admin API.
#[derive(Debug)]
pub struct Serving {
    ways: JoinSet<()>,
    /// Removed after the socket is closed.
    file: Option<SocketFile>,
}

/// Why the admin API cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// `admin.http`.
    #[error(transparent)]
    Http(#[from] BindError),
    /// `admin.socket`.
    #[error(transparent)]
    Socket(#[from] SocketError),
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

/// Opens what the configuration asks for, if anything, or goes on with sockets of it that listen
/// already. Connections wait in the kernel until [`Admin::serve`].
pub async fn open(config: &AdminConfig, inherited: Vec<Inherited>) -> Result<Admin, OpenError> {
    let adopted = inherited.iter().map(|each| each.bind.clone()).collect();
    let mut found = Admin::default();
    for each in inherited {
        match each.bind {
            Bind::Tcp(address) => found.http = Some(adopt(address, each.socket.into())?),
            Bind::Unix(_) => found.socket = Some(Socket::adopt(each)?),
        }
    }
    let mut admin = match config.http {
        Some(address) if found.http.is_none() => bind(address).await?,
        _ => Admin {
            http: found.http,
            ..Admin::default()
        },
    };
    if let Some(path) = &config.socket {
        let owner = config.socket_owner.as_deref();
        admin.socket = Some(match found.socket {
            Some(socket) => socket,
            None => Socket::open(path, config.socket_mode, owner).await?,
        });
        tracing::info!("admin listens on {}", path.display());
    }
    if let Some(address) = admin.address() {
        tracing::info!("admin listens on http://{address}");
    }
    Ok(Admin { adopted, ..admin })
}

fn adopt(address: SocketAddr, socket: std::net::TcpListener) -> Result<TcpListener, BindError> {
    let failed = |source| BindError::Other { address, source };
    socket.set_nonblocking(true).map_err(failed)?;
    TcpListener::from_std(socket).map_err(failed)
}

/// Listens on a TCP address and on no socket.
pub async fn bind(address: SocketAddr) -> Result<Admin, BindError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AddrInUse => BindError::Taken(address),
        io::ErrorKind::AddrNotAvailable => BindError::NotOurs(address),
        io::ErrorKind::PermissionDenied => BindError::Forbidden(address),
        _ => BindError::Other { address, source },
    };
    Ok(Admin {
        http: Some(TcpListener::bind(address).await.map_err(failed)?),
        ..Admin::default()
    })
}

impl Admin {
    /// Where it listens on TCP, with the real port when 0 was asked for.
    pub fn address(&self) -> Option<SocketAddr> {
        self.http.as_ref()?.local_addr().ok()
    }

    /// The addresses that were open already when it was opened.
    pub fn adopted(&self) -> &[Bind] {
        &self.adopted
    }

    /// Whoever had the adopted sockets has let go of them: the file of `admin.socket` is ours from now
    /// on, and gets the permissions of this configuration.
    ///
    /// # Errors
    /// When it cannot be given these; the socket works, with those that it has.
    pub fn own(&mut self, config: &AdminConfig) -> Result<(), SocketError> {
        let (Some(socket), Some(path)) = (&mut self.socket, &config.socket) else {
            return Ok(());
        };
        socket.own(path, config.socket_mode, config.socket_owner.as_deref())
    }

    /// A second descriptor of each socket, to hand over.
    pub fn sockets(&self) -> io::Result<Vec<Inherited>> {
        let http = self
            .http
            .as_ref()
            .map(|socket| Inherited::new(socket.as_fd().try_clone_to_owned()?, FileOwner::Other));
        let socket = self.socket.as_ref().map(Socket::another);
        http.into_iter().chain(socket).collect()
    }

    /// The same with other limits, of each way by itself.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Answers until `cancel`, then lets requests in progress end. Survives every error of a connection
    /// and of accepting. Needs a runtime.
    pub fn serve(self, state: &AdminState, cancel: &CancellationToken) -> Serving {
        let mut ways = JoinSet::new();
        if let Some(listener) = self.http {
            ways.spawn(server::run(
                listener,
                self.limits,
                state.clone(),
                cancel.clone(),
            ));
        }
        let mut file = None;
        if let Some(socket) = self.socket {
            let (listener, own) = socket.into_parts();
            file = own;
            ways.spawn(server::run(
                listener,
                self.limits,
                state.clone(),
                cancel.clone(),
            ));
        }
        Serving { ways, file }
    }
}

impl Serving {
    /// Waits until all has ended after `cancel`.
    pub async fn ended(mut self) {
        while self.ways.join_next().await.is_some() {}
    }

    /// Another process goes on with these: when `admin.socket` is among them, its file is not ours to
    /// remove.
    pub fn leave_to(&mut self, taken: &[Bind]) {
        self.file.take_if(|file| {
            let left = taken.contains(&Bind::Unix(file.path().to_owned()));
            if left {
                file.set_ours(false);
            }
            left
        });
    }
}
