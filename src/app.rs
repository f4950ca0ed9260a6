//! Puts the house together: checks and admin on the control thread, traffic on the workers, signals.

mod handover;
mod service;
mod upgrade;
mod verbosity;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::admin::{self, Admin, AdminState};
use crate::config::model::{Config, ListenerConfig};
use crate::core::snapshot::Snapshot;
use crate::core::time::in_words;
use crate::journal::Journal;
use crate::notify::Notify;
use crate::proxy::{self, Begin, Feed, Proxy, ProxySettings};
use crate::telemetry::Telemetry;
use crate::{check, clock, config, metrics, takeover, telemetry};
use handover::Legacy;
use service::Service;

/// Nobody waits longer for the first verdict of every listener: a node whose packets are swallowed may
/// take longer, and the others have theirs by then.
const VERDICT_LIMIT: Duration = Duration::from_secs(10);

/// Why the proxy could not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The configuration has errors.
    #[error("{0}")]
    Config(#[from] config::Problems),
    /// Logging could not be set up.
    #[error("{0}")]
    Telemetry(#[from] telemetry::InitError),
    /// Metrics could not be set up.
    #[error("{0}")]
    Metrics(#[from] metrics::InstallError),
    /// A listener could not be opened.
    #[error("{0}")]
    Proxy(#[from] proxy::StartError),
    /// The admin address could not be opened.
    #[error("{0}")]
    Admin(#[from] admin::BindError),
    /// The running process did not hand over, and goes on.
    #[error("{0}")]
    Takeover(#[from] takeover::TakeoverError),
    /// A bug of ours: without checks nobody would enforce roles, so the process ends and is restarted.
    #[error("the checks have died: {0}: please report this bug")]
    ChecksDied(String),
    /// The runtime or the signals could not be set up.
    #[error("cannot set up the control thread: {0}")]
    Control(#[from] std::io::Error),
}

/// What the command line says beside the file.
#[derive(Clone, Copy, Debug, Default)]
pub struct RunOptions {
    /// Take the listening sockets over from the running process, which may keep the sessions that it has
    /// for so long.
    pub takeover: Option<Duration>,
}

/// Runs the proxy that a file describes, until a signal ends it, or another process has taken over
/// and the last session has ended.
pub fn run(path: &Path, options: RunOptions) -> Result<(), RunError> {
    clock::now();
    let activated = takeover::activated();
    let config = config::load(path)?;
    let telemetry = telemetry::init(config.log)?;
    for key in config::summary::not_yet(&config) {
        tracing::warn!("{key}");
    }
    let metrics = metrics::install()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let ended = runtime.block_on(async {
        let legacy = Legacy::collect(&config, options.takeover, activated).await?;
        control(config, legacy, metrics, &telemetry).await
    });
    // A look-up that hangs in the system's resolver must not hold up the end.
    runtime.shutdown_background();
    if let Err(error) = &ended {
        tracing::error!("{error}");
    }
    ended
}

async fn control(
    config: Config,
    mut legacy: Legacy,
    metrics: metrics::Handle,
    telemetry: &Telemetry,
) -> Result<(), RunError> {
    let mut signals = Signals::new()?;
    verbosity::obey_signal(telemetry.switch())?;
    upgrade::obey_signal()?;
    raise_descriptor_limit();
    let (alarms_in, alarms) = mpsc::unbounded_channel();
    let (publisher, snapshots) = watch::channel(Arc::new(Snapshot::default()));
    let stop = CancellationToken::new();
    let journal = Journal::default();
    let notify = Notify::from_env(legacy.origin());

    let inherited = config.admin.http.and_then(|http| legacy.take_admin(http));
    // The listeners open first: a client that comes before the first verdict is parked, not refused.
    let feed = Feed {
        snapshots: snapshots.clone(),
        journal: journal.clone(),
        alarms: alarms_in,
    };
    let proxy = proxy::start(settings(&config, &mut legacy), feed)?;
    let admin = match (config.admin.http, inherited) {
        (None, _) => None,
        (Some(_), Some(socket)) => Some(admin::adopt(socket)?),
        (Some(address), None) => Some(admin::bind(address).await?),
    };
    let dropped = telemetry.dropped();
    tokio::spawn(metrics::upkeep(
        metrics.clone(),
        move || dropped.lines(),
        stop.clone(),
    ));
    let loads = proxy.loads();
    let outlets = check::Outlets {
        snapshots: publisher,
        journal,
        sessions: Arc::new(move |node| loads.sessions(node)),
    };
    let (checks, _control) = check::start(&config, &outlets, alarms, &stop);
    announce(&config, &proxy);
    let mut house = House {
        config,
        proxy,
        checks,
        snapshots,
        notify,
        stop: stop.clone(),
        decided: legacy.predecessor.is_some(),
    };
    if let Some(predecessor) = legacy.predecessor.take() {
        let House {
            config,
            proxy,
            checks,
            snapshots,
            ..
        } = &mut house;
        tokio::select! {
            done = handover::succeed(predecessor, proxy, config, snapshots.clone()) => done?,
            () = signals.wait_for_end() => {
                tracing::info!("ended before it had taken over: the other process goes on");
                return Ok(());
            }
            Some(Err(bug)) = checks.join_next() => return Err(RunError::ChecksDied(bug.to_string())),
        }
    }
    let ended = house.live(admin, metrics, &mut signals).await;
    stop.cancel();
    ended
}

/// All that is up, from the moment that it is ours alone.
struct House {
    config: Config,
    proxy: Proxy,
    checks: JoinSet<()>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    notify: Notify,
    stop: CancellationToken,
    /// Every listener has had its verdict, or its time for it.
    decided: bool,
}

impl House {
    /// Serves until a signal or a successor comes, and then until the end.
    async fn live(
        mut self,
        admin: Option<Admin>,
        metrics: metrics::Handle,
        signals: &mut Signals,
    ) -> Result<(), RunError> {
        let in_charge = self.stop.child_token();
        let offering = in_charge.child_token();
        let draining = Arc::new(AtomicBool::new(false));
        let socket = admin.as_ref().and_then(handover::another);
        let mut successors = handover::offer(
            &self.config,
            &self.proxy,
            socket,
            self.snapshots.clone(),
            offering.clone(),
        );
        if let Some(admin) = admin {
            let known = self.snapshots.clone();
            serve_admin(admin, &self.config, metrics, known, &draining, &in_charge);
        }
        tokio::spawn(self.service().run(in_charge.clone()));
        let (notify, known) = (self.notify.clone(), self.snapshots.clone());
        if self.decided {
            notify.ready();
        } else {
            tokio::spawn(say_ready(notify, known, self.config.listeners.clone()));
        }

        tokio::select! {
            () = signals.wait_for_end() => {}
            Some(Err(bug)) = self.checks.join_next() => return Err(RunError::ChecksDied(bug.to_string())),
            successor = handover::next(&mut successors) => {
                draining.store(true, Ordering::Relaxed);
                in_charge.cancel();
                let (notify, grace) = (&self.notify, self.config.grace);
                return handover::outlive(
                    self.proxy, successor, notify, grace, signals, &mut self.checks,
                )
                .await;
            }
        }
        offering.cancel();
        draining.store(true, Ordering::Relaxed);
        self.notify.stopping();
        drain(self.proxy, self.config.grace, signals).await;
        Ok(())
    }

    fn service(&self) -> Service {
        Service {
            notify: self.notify.clone(),
            snapshots: self.snapshots.clone(),
            loads: self.proxy.loads(),
            pulse: self.proxy.pulse(),
            listeners: self.config.listeners.iter().map(|each| each.id).collect(),
        }
    }
}

fn settings(config: &Config, legacy: &mut Legacy) -> ProxySettings {
    ProxySettings {
        listeners: config.listeners.clone(),
        workers: config.workers,
        spare_descriptors: spare_descriptors(config),
        inherited: legacy.take_sockets(),
        begin: match legacy.predecessor {
            Some(_) => Begin::WhenTold,
            None => Begin::AtOnce,
        },
        may_hand_over: config.admin.socket.is_some(),
    }
}

fn serve_admin(
    admin: Admin,
    config: &Config,
    metrics: metrics::Handle,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    draining: &Arc<AtomicBool>,
    stop: &CancellationToken,
) {
    let listeners = config.listeners.clone();
    // Once ready, ready for good: a node that moves later is unknown for a moment, and no reason to
    // take the proxy out.
    let ready = AtomicBool::new(false);
    let draining = Arc::clone(draining);
    let readiness = move || {
        if draining.load(Ordering::Relaxed) {
            return vec!["draining: no new connections are accepted".to_owned()];
        }
        if ready.load(Ordering::Relaxed) {
            return Vec::new();
        }
        let missing = admin::readiness(&snapshots.borrow(), &listeners);
        ready.fetch_or(missing.is_empty(), Ordering::Relaxed);
        missing
    };
    let state = AdminState {
        metrics,
        readiness: Arc::new(readiness),
    };
    tracing::info!("admin listens on http://{}", admin.address());
    tokio::spawn(admin.serve(state, stop.clone()));
}

/// Ready is more than listening: whoever is started after us finds a proxy that knows whom to ask.
async fn say_ready(
    notify: Notify,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    listeners: Vec<ListenerConfig>,
) {
    first_verdicts(snapshots, &listeners).await;
    notify.ready();
}

/// Waits until every listener has had a verdict, and no longer than [`VERDICT_LIMIT`].
async fn first_verdicts(
    mut snapshots: watch::Receiver<Arc<Snapshot>>,
    listeners: &[ListenerConfig],
) {
    let all = snapshots.wait_for(|snapshot| admin::readiness(snapshot, listeners).is_empty());
    if !matches!(timeout(VERDICT_LIMIT, all).await, Ok(Ok(_))) {
        tracing::warn!(
            "some nodes have had no verdict in {}: going on without",
            in_words(VERDICT_LIMIT)
        );
    }
}

/// The first signal lets sessions go on for the grace, the second ends them now.
async fn drain(proxy: Proxy, grace: Duration, signals: &mut Signals) {
    tracing::info!(
        "draining: no new connections; open sessions may go on for {}; a second signal ends them now",
        in_words(grace)
    );
    tokio::select! {
        () = proxy.shutdown(grace) => tracing::info!("ended"),
        () = signals.wait_for_end() => tracing::warn!("a second signal: ended at once"),
    }
}

fn announce(config: &Config, proxy: &Proxy) {
    for (id, bind) in proxy.bound() {
        if let Some(listener) = config.listeners.iter().find(|listener| listener.id == id) {
            let (name, access) = (&listener.name, listener.access.label());
            tracing::info!(listener = %name, "{name} listens on {bind} ({access})");
        }
    }
}

/// Two descriptors a session: the soft limit is often 1024, and the hard one is meant to be used.
fn raise_descriptor_limit() {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) => tracing::info!("up to {limit} descriptors, two a session"),
        Err(error) => tracing::warn!(
            "cannot raise the limit of descriptors: {error}: raise it with ulimit -n or LimitNOFILE="
        ),
    }
}

/// What checks, scrapes and look-ups need beside the sessions: two a node or Sentinel, because a new
/// connection is opened before the old one is given up, those that are on their way to a successor, and some
/// for admin and its like.
fn spare_descriptors(config: &Config) -> usize {
    let checked = config.groups.iter().map(|group| {
        group.nodes.len()
            + group
                .sentinel
                .as_ref()
                .map_or(0, |sentinel| sentinel.addresses.len())
    });
    let binds: usize = config.listeners.iter().map(|each| each.binds.len()).sum();
    let handed_over = match config.admin.socket {
        Some(_) => binds * config.workers,
        None => 0,
    };
    16 + 2 * checked.sum::<usize>() + handed_over
}

/// The signals that the process answers to.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for SIGTERM or SIGINT.
    async fn wait_for_end(&mut self) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hang_up.recv() => tracing::warn!(
                    "SIGHUP: this version cannot reload; the running configuration stays. Restart \
                     it to use another one"
                ),
            }
        }
    }
}
