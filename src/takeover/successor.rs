//! The running process's side: it waits for one that wants its sockets, and goes on until that one is ready.

use std::any::Any;
use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::message::{Answer, Hello, NodeOrder, PROTOCOL, Primary, Ready};
use super::wire::Wire;
use super::{ANSWER_LIMIT, READY_LIMIT};
use crate::config::model::Bind;
use crate::proxy::{FileOwner, Inherited, SocketFile};

/// What there is to hand over.
#[derive(Debug)]
pub struct Estate {
    /// All listening sockets of the process, a second descriptor of each.
    pub sockets: Vec<Inherited>,
    /// The primaries that take writes at present.
    pub primaries: Vec<Primary>,
    /// What operators have ordered.
    pub orders: Vec<NodeOrder>,
    /// Kept until the takeover is over, one way or the other.
    pub hold: Hold,
}

/// What must not be let go of meanwhile.
pub type Hold = Box<dyn Any + Send + Sync>;

/// Gives what there is to hand over now. An error is told to whoever asks.
pub type ShowEstate = Arc<dyn Fn() -> Showing + Send + Sync>;

/// An estate on its way.
pub type Showing = Pin<Box<dyn Future<Output = io::Result<Estate>> + Send>>;

/// The pause after an accept that failed.
const PAUSE: Duration = Duration::from_secs(1);

/// A new process that is ready, and waits for us to let go.
#[derive(Debug)]
pub struct Successor {
    wire: Wire,
    /// Its process id.
    pub pid: u32,
    /// Its version.
    pub version: String,
    /// The binds that it goes on with.
    pub taken: Vec<Bind>,
    /// How long we may keep the sessions that we have.
    pub limit: Duration,
    _hold: Hold,
}

/// Waits at `path`, which only our own user and root may open, until `stop`. Gives the process that has
/// become ready; there is at most one.
pub fn offer(
    path: &Path,
    show: ShowEstate,
    stop: CancellationToken,
) -> io::Result<mpsc::Receiver<Successor>> {
    let (socket, file) = SocketFile::bind(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    socket.listen(1)?;
    socket.set_nonblocking(true)?;
    let listener = UnixListener::from_std(OwnedFd::from(socket).into())?;
    let (found, successors) = mpsc::channel(1);
    tokio::spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            successor = wait(&listener, &show) => drop(found.send(successor).await),
        }
        drop((listener, file));
    });
    Ok(successors)
}

async fn wait(listener: &UnixListener, show: &ShowEstate) -> Successor {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => match meet(stream, show).await {
                Ok(Some(successor)) => return successor,
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, "a takeover failed: serving on"),
            },
            Err(error) => {
                tracing::warn!(%error, "cannot be asked for a takeover just now");
                sleep(PAUSE).await;
            }
        }
    }
}

/// One conversation; none when it came to nothing and that was said.
async fn meet(stream: UnixStream, show: &ShowEstate) -> io::Result<Option<Successor>> {
    let peer = stream.peer_cred()?.uid();
    let own = rustix::process::geteuid().as_raw();
    let mut wire = Wire::new(stream);
    if peer != own && peer != 0 {
        return refuse(&mut wire, "only the same user or root may take over").await;
    }
    let hello: Hello = timeout(ANSWER_LIMIT, wire.receive()).await??;
    if hello.protocol != PROTOCOL {
        let why = format!(
            "version {} is too different from {}: restart instead",
            hello.version,
            env!("CARGO_PKG_VERSION")
        );
        return refuse(&mut wire, &why).await;
    }
    let limit = hello.limit();
    let Hello { pid, version, .. } = hello;
    let estate = match show().await {
        Ok(estate) => estate,
        Err(error) => return refuse(&mut wire, &error.to_string()).await,
    };
    let (binds, hold) = send_all(&mut wire, estate).await?;
    tracing::info!(
        pid,
        version,
        "pid {pid} (version {version}) takes over: serving on until it is ready"
    );
    let ready: Ready = match timeout(READY_LIMIT, wire.receive()).await {
        Ok(Ok(ready)) => ready,
        Ok(Err(error)) if error.kind() == ErrorKind::UnexpectedEof => {
            tracing::warn!(
                pid,
                "pid {pid}, which was to take over, has ended before it was ready: serving on"
            );
            return Ok(None);
        }
        Ok(Err(error)) => return Err(error),
        Err(_) => return refuse(&mut wire, "it took too long to get ready").await,
    };
    Ok(Some(Successor {
        wire,
        pid,
        version,
        taken: ready.taken(binds),
        limit,
        _hold: hold,
    }))
}

async fn refuse(wire: &mut Wire, why: &str) -> io::Result<Option<Successor>> {
    tracing::warn!("a takeover was refused: {why}");
    let why = why.to_owned();
    wire.send(&Answer::Refused { why }).await?;
    Ok(None)
}

/// Sends all sockets, and closes our second descriptors of them.
async fn send_all(wire: &mut Wire, estate: Estate) -> io::Result<(Vec<Bind>, Hold)> {
    let Estate {
        sockets,
        primaries,
        orders,
        hold,
    } = estate;
    let owned = sockets.iter().map(|each| each.file == FileOwner::Proxy);
    let answer = Answer::Sockets {
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        owned: owned.collect(),
        primaries,
        orders,
    };
    let (binds, descriptors): (_, Vec<OwnedFd>) = sockets
        .into_iter()
        .map(|each| (each.bind, each.socket))
        .unzip();
    let talk = async {
        wire.send(&answer).await?;
        wire.send_descriptors(&descriptors).await
    };
    timeout(ANSWER_LIMIT, talk).await??;
    Ok((binds, hold))
}

impl Successor {
    /// Tells it that it is alone now, and what operators have ordered. False when it does not hear it, because
    /// it has died between its last word and this one: then nobody listens.
    pub async fn released(mut self, orders: Vec<NodeOrder>) -> bool {
        let told = timeout(ANSWER_LIMIT, self.wire.send(&Answer::Released { orders })).await;
        let heard = matches!(told, Ok(Ok(())));
        if !heard {
            tracing::error!(
                pid = self.pid,
                "pid {} took over and did not hear that it is alone now",
                self.pid
            );
        }
        heard
    }
}
