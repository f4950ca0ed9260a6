//! Puts the house together: checks and admin on the control thread, traffic on the workers, signals.

mod handover;
mod house;
mod orders;
mod ready;
mod reload;
mod service;
mod signals;
mod upgrade;
mod verbosity;
mod watcher;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::config::model::Config;
use crate::core::snapshot::Snapshot;
use crate::journal::Journal;
use crate::notify::Notify;
use crate::proxy::{self, Begin, Feed, Proxy, ProxySettings};
use crate::telemetry::Telemetry;
use crate::{admin, check, clock, config, metrics, takeover, telemetry};
use handover::Legacy;
use house::House;
use reload::Reloader;
use signals::Signals;
use watcher::Watch;

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
    /// Read the file again when it changes.
    pub watch: bool,
}

/// Runs the proxy that a file describes, until a signal ends it, or another process has taken over
/// and the last session has ended.
pub fn run(path: &Path, options: RunOptions) -> Result<(), RunError> {
    clock::now();
    let activated = takeover::activated();
    // Looked at first, so that no change falls between the two.
    let watch = options.watch.then(|| Watch::begin(path));
    let config = config::load(path)?;
    let telemetry = telemetry::init(config.log)?;
    let metrics = metrics::install()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let ended = runtime.block_on(async {
        let legacy = Legacy::collect(&config, options.takeover, activated).await?;
        control(path, config, legacy, watch, metrics, &telemetry).await
    });
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
    mut legacy: Legacy,
    watch: Option<Watch>,
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

    let inherited = legacy.take_admin(&config.admin);
    // The listeners open first: a client that comes before the first verdict is parked, not refused.
    let feed = Feed {
        snapshots: snapshots.clone(),
        journal: journal.clone(),
        alarms: alarms_in,
    };
    let proxy = proxy::start(settings(&config, &mut legacy), feed)?;
    let loads = proxy.loads();
    let outlets = check::Outlets {
        snapshots: publisher,
        journal: journal.clone(),
        sessions: Arc::new(move |node| loads.sessions(node)),
    };
    // Whoever connects waits in the kernel until there is something to tell.
    let mut admin = admin::open(&config.admin, inherited).await?;
    let dropped = telemetry.dropped();
    tokio::spawn(metrics::upkeep(
        metrics.clone(),
        move || dropped.lines(),
        stop.clone(),
    ));
    let checks = check::start(&config, outlets, alarms, &stop);
    announce(&config, &proxy);
    let mut house = House {
        reloader: Reloader::new(path, config, checks.ids()),
        proxy,
        checks,
        snapshots,
        journal,
        metrics,
        notify,
        level: telemetry.switch(),
        stop,
        watch,
        decided: legacy.predecessor.is_some(),
    };
    if let Some(predecessor) = legacy.predecessor.take() {
        let config = house.config();
        let ours = handover::Ours {
            control: house.checks.control(),
            proxy: &house.proxy,
            admin: &mut admin,
            config: &config,
            snapshots: house.snapshots.clone(),
        };
        tokio::select! {
            done = handover::succeed(predecessor, ours) => done?,
            () = signals.wait_for_end("not in charge yet") => {
                tracing::info!("ended before it had taken over: the other process goes on");
                return Ok(());
            }
            bug = house.checks.died() => return Err(RunError::ChecksDied(bug.to_string())),
        }
    }
    house.live(admin, &mut signals).await
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
