//! Both ends of an upgrade: what we get from the process that was here before, and what we still owe our
//! sessions after the next one has taken over. How they talk is [`crate::takeover`]'s business.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::house::House;
use super::ready::{VERDICT_LIMIT, first_verdicts};
use super::signals::Signals;
use super::{RunError, orders, upgrade};
use crate::admin::Admin;
use crate::check::Control;
use crate::config::model::{AdminConfig, Bind, Config};
use crate::core::snapshot::{Snapshot, Target};
use crate::core::time::in_words;
use crate::notify::Origin;
use crate::proxy::{Inherited, Listening, Proxy};
use crate::switchover::Director;
use crate::takeover::{
    self, Activated, Estate, Predecessor, Primary, Showing, Successor, TakeoverError, path_beside,
};

/// What is there before we begin.
pub(super) struct Legacy {
    /// The process that we take over from, and that still serves.
    pub(super) predecessor: Option<Predecessor>,
    sockets: Vec<Inherited>,
}

impl Legacy {
    /// Asks the running process, if we are to take over, and takes what systemd has given us.
    pub(super) async fn collect(
        config: &Config,
        takeover: Option<Duration>,
        activated: Activated,
    ) -> Result<Self, TakeoverError> {
        for trouble in activated.troubles {
            tracing::warn!("{trouble}");
        }
        let (predecessor, mut sockets) = match takeover {
            None => (None, Vec::new()),
            Some(limit) => ask(config, limit).await?,
        };
        let at_work: Vec<Bind> = sockets.iter().map(|each| each.bind.clone()).collect();
        let fresh = activated.sockets.into_iter();
        sockets.extend(fresh.filter(|each| !at_work.contains(&each.bind)));
        Ok(Self {
            predecessor,
            sockets,
        })
    }

    /// Those of the admin API.
    pub(super) fn take_admin(&mut self, config: &AdminConfig) -> Vec<Inherited> {
        let http = config.http.map(Bind::Tcp);
        let socket = config.socket.clone().map(Bind::Unix);
        let wanted = [http, socket];
        let is_wanted =
            |each: &mut Inherited| wanted.iter().flatten().any(|bind| *bind == each.bind);
        self.sockets.extract_if(.., is_wanted).collect()
    }

    /// All others.
    pub(super) fn take_sockets(&mut self) -> Vec<Inherited> {
        std::mem::take(&mut self.sockets)
    }

    /// Whose watchdog we have to feed.
    pub(super) fn origin(&self) -> Origin {
        match self.predecessor {
            Some(_) => Origin::Takeover,
            None => Origin::Manager,
        }
    }
}

async fn ask(
    config: &Config,
    limit: Duration,
) -> Result<(Option<Predecessor>, Vec<Inherited>), TakeoverError> {
    let socket = config.admin.socket.as_ref();
    let path = path_beside(socket.ok_or(TakeoverError::NoSocket)?);
    if let Some((predecessor, sockets)) = takeover::ask(&path, limit).await? {
        let (pid, version) = (predecessor.pid, &predecessor.version);
        tracing::info!(
            pid,
            version,
            "taking over from pid {pid} (version {version}), which serves until every listener here has had a verdict"
        );
        return Ok((Some(predecessor), sockets));
    }
    tracing::warn!(
        "nobody waits at {} to be taken over from: starting alone",
        path.display()
    );
    Ok((None, Vec::new()))
}

/// The old process waits for 60 s until we are ready; a group's `claim_hold` may be longer.
const ELECTION_LIMIT: Duration = Duration::from_secs(40);

/// What a successor begins with.
pub(super) struct Ours<'a> {
    pub(super) control: Control,
    pub(super) proxy: &'a Proxy,
    pub(super) admin: &'a mut Admin,
    pub(super) config: &'a Config,
    pub(super) snapshots: watch::Receiver<Arc<Snapshot>>,
}

/// Waits for the verdicts and for the primaries of the old process, begins to serve, and has the old
/// process let go. Until then nothing that fails here has harmed anybody.
pub(super) async fn succeed(predecessor: Predecessor, ours: Ours<'_>) -> Result<(), TakeoverError> {
    let (proxy, config) = (ours.proxy, ours.config);
    first_verdicts(ours.snapshots.clone(), &config.listeners).await;
    let before = predecessor.orders.clone();
    orders::obey(&ours.control, &[], &before).await;
    same_primaries(&predecessor.primaries, config, ours.snapshots).await?;
    proxy.serve();
    let pid = predecessor.pid;
    let mut taken = proxy.adopted();
    taken.extend_from_slice(ours.admin.adopted());
    let orders = predecessor.release(&taken).await?;
    orders::obey(&ours.control, &before, &orders).await;
    proxy.own();
    if let Err(error) = ours.admin.own(&config.admin) {
        tracing::warn!(%error, "{error}: it keeps the permissions that it has");
    }
    tracing::info!(
        pid,
        "took over: pid {pid} serves its open sessions only, and its metrics are gone with it"
    );
    Ok(())
}

/// Waits until each group has the primary here that it has there. After a cold start the proof takes
/// time where a node is down (R4), and until then writes would be parked that are served there.
async fn same_primaries(
    there: &[Primary],
    config: &Config,
    mut snapshots: watch::Receiver<Arc<Snapshot>>,
) -> Result<(), TakeoverError> {
    let longest = config.groups.iter().map(|group| group.claim_hold).max();
    let limit = ELECTION_LIMIT.min(VERDICT_LIMIT + longest.unwrap_or_default());
    let missing = |snapshot: &Snapshot| {
        let here = primaries(snapshot);
        let ours = there
            .iter()
            .filter(|there| config.groups.iter().any(|group| *group.name == there.group));
        ours.clone()
            .find(|there| !here.iter().any(|here| here.is(there)))
            .cloned()
    };
    let all = snapshots.wait_for(|snapshot| missing(snapshot).is_none());
    // The guard of a found one would keep the view from being published.
    if timeout(limit, all).await.is_ok_and(|found| found.is_ok()) {
        return Ok(());
    }
    let missing = missing(&snapshots.borrow());
    missing.map_or(Ok(()), |primary| {
        Err(TakeoverError::OtherPrimary {
            primary,
            waited: limit,
        })
    })
}

/// The primaries that take writes.
fn primaries(snapshot: &Snapshot) -> Vec<Primary> {
    let groups = snapshot.groups.iter();
    groups
        .filter_map(|group| {
            let node = group.node(group.primary?.node)?;
            let address = match node.target.as_ref()? {
                Target::Tcp(address) => address.to_string(),
                Target::Unix(path) => path.display().to_string(),
            };
            node.write.as_ref().ok()?;
            Some(Primary {
                group: group.name.to_string(),
                node: node.name.to_string(),
                address,
            })
        })
        .collect()
}

/// What is offered to a successor, as it is when that asks.
pub(super) struct Offer {
    listening: Listening,
    /// A reload changes the listeners and never these.
    admin: Vec<Inherited>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    director: Director,
}

impl Offer {
    pub(super) fn new(house: &House, admin: &Admin, director: Director) -> Self {
        Self {
            listening: house.proxy.listening(),
            admin: admin.sockets().unwrap_or_else(|error| {
                tracing::warn!(%error, "the admin addresses cannot be handed over");
                Vec::new()
            }),
            snapshots: house.snapshots.clone(),
            director,
        }
    }

    async fn show(&self) -> io::Result<Estate> {
        // The new process would know nothing of the parked writes. Held, so that none begins either.
        let Ok(hold) = Arc::clone(&self.director.busy).try_lock_owned() else {
            return Err(io::Error::other(
                "a switchover is under way: try again after it",
            ));
        };
        let orders = orders::given(&self.director.control).await;
        let mut sockets = self.listening.sockets()?;
        for each in &self.admin {
            sockets.push(each.another()?);
        }
        Ok(Estate {
            sockets,
            primaries: primaries(&self.snapshots.borrow()),
            orders,
            hold: Box::new(hold),
        })
    }
}

/// Lets a new process ask for our sockets, until `stop`; none when that cannot be.
pub(super) fn offer(
    config: &Config,
    offer: Offer,
    stop: CancellationToken,
) -> Option<mpsc::Receiver<Successor>> {
    let path = path_beside(config.admin.socket.as_ref()?);
    let offer = Arc::new(offer);
    let show = move || -> Showing {
        let offer = Arc::clone(&offer);
        Box::pin(async move { offer.show().await })
    };
    match takeover::offer(&path, Arc::new(show), stop) {
        Ok(successors) => Some(successors),
        Err(error) => {
            tracing::warn!(
                %error,
                "cannot listen on {}: this process cannot be taken over from without a restart",
                path.display()
            );
            None
        }
    }
}

/// The next process that is ready to go on without us.
pub(super) async fn next(successors: &mut Option<mpsc::Receiver<Successor>>) -> Successor {
    if let Some(successors) = successors
        && let Some(successor) = successors.recv().await
    {
        return successor;
    }
    std::future::pending().await
}

/// Lets go of everything but the sessions, and goes on enforcing roles for these until the last one has
/// ended, the limit has passed, or somebody wants an end.
pub(super) async fn outlive(
    mut house: House,
    successor: Successor,
    signals: &mut Signals,
) -> Result<(), RunError> {
    house.proxy.hand_over(&successor.taken).await;
    let (pid, limit) = (successor.pid, successor.limit);
    // Ours is the word that the service manager still takes.
    house.notify.main_pid(pid);
    let orders = orders::given(&house.checks.control()).await;
    if !successor.released(orders).await {
        // We have let go of the addresses and it has died: another one opens them again.
        if let Err(error) = upgrade::start("the successor has died") {
            tracing::error!(%error, "cannot start another successor: start rolecall again");
        }
    }
    tracing::info!(
        pid,
        "handed over to pid {pid}: open sessions go on for up to {}, and their roles are enforced",
        in_words(limit)
    );
    let grace = house.config().grace;
    let mut shutdown = pin!(house.proxy.shutdown(limit));
    tokio::select! {
        () = shutdown.as_mut() => {
            tracing::info!("ended after the hand-over");
            return Ok(());
        }
        () = signals.wait_for_end("another process has taken over") => {}
        bug = house.checks.died() => return Err(RunError::ChecksDied(bug.to_string())),
    }
    tracing::info!("draining: open sessions may go on for {}", in_words(grace));
    tokio::select! {
        _ = timeout(grace, shutdown) => tracing::info!("ended"),
        () = signals.wait_for_end("draining") => tracing::warn!("a second signal: ended at once"),
    }
    Ok(())
}
