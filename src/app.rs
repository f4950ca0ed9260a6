//! Puts the house together: checks and admin on the control thread, traffic on the workers, signals.

mod reload;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::admin::{self, AdminState, Sources};
use crate::config::model::{Config, InForce};
use crate::core::snapshot::Snapshot;
use crate::core::time::in_words;
use crate::journal::Journal;
use crate::proxy::{self, Feed, Proxy, ProxySettings};
use crate::switchover::Director;
use crate::telemetry::Telemetry;
use crate::{check, clock, config, metrics, telemetry};
use reload::{Parts, Reloader};

/// Reloads that may wait for one under way.
const RELOADS: usize = 8;

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
    /// The admin address or socket could not be opened.
    #[error("{0}")]
    Admin(#[from] admin::OpenError),
    /// A bug of ours: without checks nobody would enforce roles, so the process ends and is restarted.
    #[error("the checks have died: {0}: please report this bug")]
    ChecksDied(String),
    /// The runtime or the signals could not be set up.
    #[error("cannot set up the control thread: {0}")]
    Control(#[from] std::io::Error),
}

/// Runs the proxy that a file describes, until a signal ends it.
pub fn run(path: &Path) -> Result<(), RunError> {
    clock::now();
    let config = config::load(path)?;
    let telemetry = telemetry::init(config.log)?;
    let metrics = metrics::install()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let ended = runtime.block_on(control(path, config, metrics, &telemetry));
    // A look-up that hangs in the system's resolver must not hold up the end.
    runtime.shutdown_background();
    if let Err(error) = &ended {
        tracing::error!("{error}");
    }
    ended
}

async fn control(
    path: &Path,
    config: Config,
    metrics: metrics::Handle,
    telemetry: &Telemetry,
) -> Result<(), RunError> {
    let mut signals = Signals::new()?;
    raise_descriptor_limit();
    let (alarms_in, alarms) = mpsc::unbounded_channel();
    let (publisher, snapshots) = watch::channel(Arc::new(Snapshot::default()));
    let stop = CancellationToken::new();
    let draining = Arc::new(AtomicBool::new(false));
    let journal = Journal::default();

    // The listeners open first: a client that comes before the first verdict is parked, not refused.
    let settings = ProxySettings {
        listeners: config.listeners.clone(),
        workers: config.workers,
        spare_descriptors: spare_descriptors(&config),
    };
    let feed = Feed {
        snapshots: snapshots.clone(),
        journal: journal.clone(),
        alarms: alarms_in,
    };
    let proxy = proxy::start(settings, feed)?;
    let loads = proxy.loads();
    let outlets = check::Outlets {
        snapshots: publisher,
        journal: journal.clone(),
        sessions: Arc::new({
            let loads = Arc::clone(&loads);
            move |node| loads.sessions(node)
        }),
    };
    // Whoever connects waits in the kernel until there is something to tell.
    let admin = admin::open(&config.admin).await?;
    let mut checks = check::start(&config, outlets, alarms, &stop);
    announce(&config, &proxy);
    let mut reloader = Reloader::new(path, config, checks.ids());
    let level = telemetry.switch();
    let (reloads_in, mut reloads) = mpsc::channel(RELOADS);
    let state = AdminState {
        metrics: metrics.clone(),
        readiness: readiness(reloader.watch(), snapshots, &draining),
        sources: Sources {
            control: checks.control(),
            journal: journal.clone(),
            loads,
            in_force: reloader.watch(),
            draining: Arc::clone(&draining),
            reload: reloads_in,
            director: Director {
                control: checks.control(),
                journal: journal.clone(),
                in_force: reloader.watch(),
                busy: Arc::default(),
            },
            set_level: Arc::new(move |wanted| level.set(wanted)),
        },
    };
    let admin = admin.serve(&state, &stop);
    let dropped = telemetry.dropped();
    tokio::spawn(metrics::upkeep(
        metrics,
        move || dropped.lines(),
        stop.clone(),
    ));
    loop {
        // Whoever sent a signal reads the log.
        let asked = tokio::select! {
            signal = signals.next() => match signal {
                Asked::End => break,
                Asked::Reload => None,
            },
            Some(asked) = reloads.recv() => Some(asked),
            bug = checks.died() => return Err(RunError::ChecksDied(bug.to_string())),
        };
        let parts = Parts {
            proxy: &proxy,
            checks: &mut checks,
            telemetry,
            journal: &journal,
        };
        let done = reloader.reload(parts).await;
        if let Some(asked) = asked {
            // They may have gone meanwhile.
            let _ = asked.send(done);
        }
    }
    drop(reloads);
    let grace = reloader.watch().borrow().config.grace;
    draining.store(true, Ordering::Relaxed);
    drain(proxy, grace, &mut signals).await;
    stop.cancel();
    admin.ended().await;
    Ok(())
}

/// What /readyz asks.
fn readiness(
    in_force: watch::Receiver<InForce>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    draining: &Arc<AtomicBool>,
) -> admin::Readiness {
    // Once ready, ready for good: a node that moves later is unknown for a moment, and no reason to
    // take the proxy out.
    let ready = AtomicBool::new(false);
    let draining = Arc::clone(draining);
    Arc::new(move || {
        if draining.load(Ordering::Relaxed) {
            return vec!["draining: no new connections are accepted".to_owned()];
        }
        if ready.load(Ordering::Relaxed) {
            return Vec::new();
        }
        let listeners = &in_force.borrow().config.listeners;
        let missing = admin::readiness(&snapshots.borrow(), listeners);
        ready.fetch_or(missing.is_empty(), Ordering::Relaxed);
        missing
    })
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
/// connection is opened before the old one is given up, and some for admin and its like.
fn spare_descriptors(config: &Config) -> usize {
    let checked = config.groups.iter().map(|group| {
        group.nodes.len()
            + group
                .sentinel
                .as_ref()
                .map_or(0, |sentinel| sentinel.addresses.len())
    });
    16 + 2 * checked.sum::<usize>()
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

    /// Waits for what a signal asks for.
    async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::End,
            _ = self.interrupt.recv() => Asked::End,
            _ = self.hang_up.recv() => Asked::Reload,
        }
    }

    /// Waits for SIGTERM or SIGINT.
    async fn wait_for_end(&mut self) {
        while self.next().await == Asked::Reload {
            tracing::warn!("SIGHUP: draining, so the configuration is not read again");
        }
    }
}

/// What a signal asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// SIGTERM or SIGINT.
    End,
    /// SIGHUP.
    Reload,
}
