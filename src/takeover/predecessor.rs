//! The new process's side: it asks the running one for its sockets, and tells it when it may let go.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::time::timeout;

use super::message::{Answer, Hello, NodeOrder, Primary, Ready};
use super::wire::Wire;
use super::{ANSWER_LIMIT, READY_LIMIT};
use crate::config::model::Bind;
use crate::core::time::in_words;
use crate::proxy::{FileOwner, Inherited};

/// Why a takeover failed. The running process goes on in any case.
#[derive(Debug, thiserror::Error)]
pub enum TakeoverError {
    /// There is no place to ask.
    #[error(
        "--takeover needs admin.socket in the configuration: the running process is asked beside it"
    )]
    NoSocket,
    /// The running process says no.
    #[error("the running process does not hand over: {0}")]
    Refused(String),
    /// Going on here would stop writes that go on there.
    #[error(
        "the running process has elected {} in group {}, and this one has not in {}: it goes on, and this one ends; try again when the group is calm",
        .primary.node, .primary.group, in_words(*.waited)
    )]
    OtherPrimary {
        /// Whom the running process has elected.
        primary: Primary,
        /// How long this process looked.
        waited: Duration,
    },
    /// It could not be asked, or did not answer.
    #[error("cannot take over by {}: {source}", .path.display())]
    Io {
        /// Where it was asked.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
}

/// The running process, which waits for us to be ready. It goes on alone when this is dropped.
#[derive(Debug)]
pub struct Predecessor {
    wire: Wire,
    /// Its process id.
    pub pid: u32,
    /// Its version.
    pub version: String,
    /// The primaries that take writes there.
    pub primaries: Vec<Primary>,
    /// What operators have ordered there.
    pub orders: Vec<NodeOrder>,
}

/// Asks whoever waits at `path` for its listening sockets; none when nobody does. The process there may
/// keep the sessions that it has for `limit`.
pub async fn ask(
    path: &Path,
    limit: Duration,
) -> Result<Option<(Predecessor, Vec<Inherited>)>, TakeoverError> {
    let failed = |source| TakeoverError::Io {
        path: path.to_owned(),
        source,
    };
    let stream = match UnixStream::connect(path).await {
        Ok(stream) => stream,
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::NotFound | ErrorKind::ConnectionRefused
            ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(failed(error)),
    };
    let mut wire = Wire::new(stream);
    let talk = async {
        wire.send(&Hello::new(limit)).await?;
        match wire.receive().await? {
            Answer::Sockets {
                pid,
                version,
                owned,
                primaries,
                orders,
            } => {
                let sockets = wire.receive_descriptors(owned.len()).await?;
                let sockets = sockets.into_iter().zip(owned).map(|(socket, owned)| {
                    let file = if owned {
                        FileOwner::Proxy
                    } else {
                        FileOwner::Other
                    };
                    Inherited::new(socket, file)
                });
                let sockets: Vec<_> = sockets.collect::<io::Result<_>>()?;
                let predecessor = Predecessor {
                    wire,
                    pid,
                    version,
                    primaries,
                    orders,
                };
                Ok(Ok((predecessor, sockets)))
            }
            Answer::Refused { why } => Ok(Err(why)),
            Answer::Released { .. } => Err(io::Error::other("it answers out of turn")),
        }
    };
    let answer = timeout(ANSWER_LIMIT, talk)
        .await
        .unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
        .map_err(failed)?;
    answer.map(Some).map_err(TakeoverError::Refused)
}

impl Predecessor {
    /// Tells it that we accept on these binds. Returns when it has stopped accepting, on those that we
    /// have not taken too, and gives the orders that were in force there at the end. An error means that
    /// it goes on, and we must not.
    pub async fn release(mut self, taken: &[Bind]) -> Result<Vec<NodeOrder>, TakeoverError> {
        let talk = async {
            // It may have refused and closed already; then that is what there is to read.
            let sent = self.wire.send(&Ready::new(taken)).await;
            let answer = self.wire.receive().await;
            answer.or_else(|error| sent.and(Err(error)))
        };
        let answer = timeout(READY_LIMIT, talk)
            .await
            .unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()));
        match answer {
            Ok(Answer::Released { orders }) => return Ok(orders),
            Ok(Answer::Refused { why }) => return Err(TakeoverError::Refused(why)),
            // It has died or hangs. We accept already, and are all that new clients have.
            Ok(Answer::Sockets { .. }) => tracing::warn!(
                pid = self.pid,
                "pid {} answers out of turn: going on without its word",
                self.pid
            ),
            Err(error) => tracing::warn!(
                pid = self.pid, %error,
                "pid {} did not say that it has let go ({error}): going on without its word",
                self.pid
            ),
        }
        Ok(self.orders)
    }
}
