//! Every metric: its name, its type, its labels, its help and its buckets. One file, so that a name
//! exists once and a change of a metric is one diff.
//!
//! Whoever owns a figure feeds it, by `metrics::counter!(NAME, ..)` and its like, with labels whose values
//! come from the configuration or from an enum, never from the wire. A counter starts at zero when it is
//! first named, so owners name theirs at the start. Nothing here knows what the figures mean.
//!
//! Counters of the `metrics` crate are whole numbers, and half a second without a primary must not
//! count as none: counters of seconds are kept in microseconds, fed by [`add_seconds`] alone, and divided when
//! they are rendered (`text`).

mod hidden;
mod text;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use metrics::{Counter, Unit};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio_util::sync::CancellationToken;

pub use hidden::{hide, show};

/// Recorders keep each histogram sample until it is folded into its buckets; this is how often.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Seconds that a client may wait for a node: from a promotion noticed at once to a lost one.
const PARK_BUCKETS: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
];
/// Seconds of one dial: from the same host to a lost SYN sent again.
const CONNECT_BUCKETS: &[f64] = &[
    0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
];
/// Seconds of one check: from the same host to a generous time-out.
const CHECK_BUCKETS: &[f64] = &[
    0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 1.0, 2.5,
];

/// What there is to know of one metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// The name on the page, prefix included.
    pub name: &'static str,
    /// How it is counted.
    pub kind: Kind,
    /// What its numbers are.
    pub unit: Unit,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// One sentence for people.
    pub help: &'static str,
}

/// How a metric is counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Whole things that only grow in number.
    Counter,
    /// Time that only grows: kept in microseconds, rendered in seconds. See [`add_seconds`].
    Seconds,
    /// Goes up and down.
    Gauge,
    /// A distribution over buckets with these upper bounds.
    Histogram(&'static [f64]),
}

/// Makes a constant of each metric, documented by its own help text, and a table of them all.
macro_rules! table {
    ($($constant:ident = $name:literal, $kind:expr, $unit:ident, [$($label:literal),*], $help:literal;)*) => {
        $(
            #[doc = $help]
            #[doc = concat!("\n\nLabels: ", $("`", $label, "` ",)* ".")]
            pub const $constant: &str = $name;
        )*
        /// All metrics.
        pub const ALL: &[Metric] = &[$(Metric {
            name: $constant,
            kind: $kind,
            unit: Unit::$unit,
            labels: &[$($label),*],
            help: $help,
        }),*];
    };
}

table! {
    BUILD_INFO = "rolecall_build_info", Kind::Gauge, Count, ["version", "os", "arch"],
        "Always 1; the labels say what is running.";
    CONFIG_LAST_RELOAD_SUCCESSFUL = "rolecall_config_last_reload_successful", Kind::Gauge, Count, [],
        "Whether the last attempt to load the configuration succeeded (1) or the earlier one was kept (0).";
    CONFIG_LAST_RELOAD_TIMESTAMP_SECONDS = "rolecall_config_last_reload_timestamp_seconds", Kind::Gauge, Seconds, [],
        "Unix time at which the running configuration was loaded.";
    LOG_LINES_DROPPED_TOTAL = "rolecall_log_lines_dropped_total", Kind::Counter, Count, [],
        "Log lines thrown away because standard output was too slow or closed.";

    LISTENER_INFO = "rolecall_listener_info", Kind::Gauge, Count, ["listener", "group", "access", "fallback"],
        "Always 1; the labels say what the listener is for. fallback is empty where it has none.";
    LISTENER_CONNECTIONS = "rolecall_listener_connections", Kind::Gauge, Count, ["listener"],
        "Open client connections, parked ones included.";
    LISTENER_CONNECTIONS_TOTAL = "rolecall_listener_connections_total", Kind::Counter, Count, ["listener"],
        "Client connections accepted.";
    LISTENER_REJECTED_TOTAL = "rolecall_listener_rejected_total", Kind::Counter, Count, ["listener", "reason"],
        "Client connections sent away without having been served.";
    LISTENER_PARKED = "rolecall_listener_parked", Kind::Gauge, Count, ["listener"],
        "Client connections held open until an eligible node appears.";
    PARK_WAIT_SECONDS = "rolecall_park_wait_seconds", Kind::Histogram(PARK_BUCKETS), Seconds, ["listener", "result"],
        "How long parked connections waited, by how the wait ended.";
    CONNECT_SECONDS = "rolecall_connect_seconds", Kind::Histogram(CONNECT_BUCKETS), Seconds, ["node"],
        "How long it took to connect to a node for a client.";
    SESSIONS_CLOSED_TOTAL = "rolecall_sessions_closed_total", Kind::Counter, Count, ["listener", "reason"],
        "Client connections that ended, by reason.";

    NODE_SESSIONS = "rolecall_node_sessions", Kind::Gauge, Count, ["group", "node"],
        "Open sessions on the node, those of all listeners together.";
    NODE_SESSIONS_TOTAL = "rolecall_node_sessions_total", Kind::Counter, Count, ["group", "node"],
        "Sessions that were joined to the node.";
    NODE_RECEIVED_BYTES_TOTAL = "rolecall_node_received_bytes_total", Kind::Counter, Bytes, ["group", "node"],
        "Bytes that came from the node.";
    NODE_SENT_BYTES_TOTAL = "rolecall_node_sent_bytes_total", Kind::Counter, Bytes, ["group", "node"],
        "Bytes that were sent to the node.";
    NODE_UP = "rolecall_node_up", Kind::Gauge, Count, ["group", "node"],
        "Whether the node answers its checks (1) or not (0).";
    NODE_ROLE = "rolecall_node_role", Kind::Gauge, Count, ["group", "node", "role"],
        "1 for the role that the node reported last, 0 for the others.";
    NODE_FOREIGN = "rolecall_node_foreign", Kind::Gauge, Count, ["group", "node"],
        "1 while the node holds data of a history that its group never had, so that it serves nothing.";
    NODE_ELIGIBLE = "rolecall_node_eligible", Kind::Gauge, Count, ["listener", "node"],
        "Whether the node may serve new connections of the listener (1) or not (0).";
    NODE_REPLICATION_LAG_BYTES = "rolecall_node_replication_lag_bytes", Kind::Gauge, Bytes, ["group", "node"],
        "How far the replica is behind its primary, in bytes of the replication stream.";
    NODE_REPLICATION_LAG_SECONDS = "rolecall_node_replication_lag_seconds", Kind::Gauge, Seconds, ["group", "node"],
        "How long ago the primary was where the replica is now.";
    CHECK_DURATION_SECONDS = "rolecall_check_duration_seconds", Kind::Histogram(CHECK_BUCKETS), Seconds, ["group", "node"],
        "How long one check of the node took.";
    CHECKS_TOTAL = "rolecall_checks_total", Kind::Counter, Count, ["group", "node", "outcome"],
        "Checks of the node, by outcome.";

    GROUP_PRIMARY = "rolecall_group_primary", Kind::Gauge, Count, ["group", "node"],
        "1 for the elected primary while it lives, 0 for the others.";
    GROUP_PRIMARY_CHANGES_TOTAL = "rolecall_group_primary_changes_total", Kind::Counter, Count, ["group"],
        "Elections that replaced one primary by another.";
    GROUP_CLAIMANTS = "rolecall_group_claimants", Kind::Gauge, Count, ["group"],
        "Nodes that report role:master at present; more than one is a conflict.";
    GROUP_WITHOUT_PRIMARY_SECONDS_TOTAL = "rolecall_group_without_primary_seconds_total", Kind::Seconds, Seconds, ["group"],
        "Time that the group spent without a living elected primary.";
    GROUP_CONFLICT_SECONDS_TOTAL = "rolecall_group_conflict_seconds_total", Kind::Seconds, Seconds, ["group"],
        "Time during which more than one node of the group reported role:master.";

    GROUP_DISSENTING_SENTINELS = "rolecall_group_dissenting_sentinels", Kind::Gauge, Count, ["group"],
        "Sentinels that name another primary than the elected one, while they are a majority; 0 otherwise.";
    GROUP_DISSENT_SECONDS_TOTAL = "rolecall_group_dissent_seconds_total", Kind::Seconds, Seconds, ["group"],
        "Time during which a majority of the Sentinels named another primary than the elected one.";

    PROCESS_CPU_SECONDS_TOTAL = "process_cpu_seconds_total", Kind::Seconds, Seconds, [],
        "Processor time used, in user mode and in the kernel.";
    PROCESS_RESIDENT_MEMORY_BYTES = "process_resident_memory_bytes", Kind::Gauge, Bytes, [],
        "Memory that is in RAM.";
    PROCESS_VIRTUAL_MEMORY_BYTES = "process_virtual_memory_bytes", Kind::Gauge, Bytes, [],
        "Address space in use.";
    PROCESS_OPEN_FDS = "process_open_fds", Kind::Gauge, Count, [],
        "Open file descriptors.";
    PROCESS_MAX_FDS = "process_max_fds", Kind::Gauge, Count, [],
        "Soft limit of open file descriptors.";
    PROCESS_START_TIME_SECONDS = "process_start_time_seconds", Kind::Gauge, Seconds, [],
        "Unix time at which the process started.";
    PROCESS_THREADS = "process_threads", Kind::Gauge, Count, [],
        "Operating system threads.";
}

/// How an attempt to load a configuration ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// It is in force.
    Applied,
    /// It had errors; the earlier one stays in force.
    Refused,
}

/// Why there are no metrics.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The recorder could not be built. A bug of ours: its settings are constants.
    #[error("cannot set up metrics: {0}")]
    Build(#[from] metrics_exporter_prometheus::BuildError),
    /// A recorder is in place already. A bug of ours: it is set once, at the start.
    #[error("cannot set up metrics: they are set up already")]
    Already,
}

/// Reads the recorder. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    recorder: PrometheusHandle,
}

impl Handle {
    /// All metrics in the text format of Prometheus, version 0.0.4, sorted by name.
    pub fn render(&self) -> String {
        text::tidy(&self.recorder.render(), &hidden::hidden())
    }

    /// Folds samples into buckets. Without it they pile up from scrape to scrape, so [`upkeep`] calls
    /// it whether anybody scrapes or not.
    pub fn run_upkeep(&self) {
        self.recorder.run_upkeep();
    }
}

/// Makes the recorder that the whole process reports to. Call it once, before the first metric is fed:
/// what is fed earlier is lost.
pub fn install() -> Result<Handle, InstallError> {
    let (recorder, handle) = recorder()?;
    metrics::set_global_recorder(recorder).map_err(|_| InstallError::Already)?;
    describe();
    metrics::gauge!(
        BUILD_INFO,
        "version" => env!("CARGO_PKG_VERSION"),
        "os" => std::env::consts::OS,
        "arch" => std::env::consts::ARCH,
    )
    .set(1.0);
    metrics::counter!(LOG_LINES_DROPPED_TOTAL).absolute(0);
    config_reloaded(Reload::Applied);
    Ok(handle)
}

/// A recorder by itself, for tests that use `metrics::with_local_recorder`.
pub fn recorder() -> Result<(impl metrics::Recorder + Sync + 'static, Handle), InstallError> {
    let mut builder = PrometheusBuilder::new();
    for metric in ALL {
        if let Kind::Histogram(bounds) = metric.kind {
            builder =
                builder.set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), bounds)?;
        }
    }
    let recorder = builder.build_recorder();
    let handle = Handle {
        recorder: recorder.handle(),
    };
    Ok((recorder, handle))
}

/// Tells the recorder the help and the unit of each metric.
pub fn describe() {
    for metric in ALL {
        match metric.kind {
            Kind::Counter | Kind::Seconds => {
                metrics::describe_counter!(metric.name, metric.unit, metric.help);
            }
            Kind::Gauge => metrics::describe_gauge!(metric.name, metric.unit, metric.help),
            Kind::Histogram(_) => {
                metrics::describe_histogram!(metric.name, metric.unit, metric.help);
            }
        }
    }
}

/// Adds time to a counter of [`Kind::Seconds`]: what is below a microsecond is lost, so add rarely rather
/// than in tiny steps.
pub fn add_seconds(counter: &Counter, time: Duration) {
    counter.increment(micros(time));
}

/// Sets a counter of [`Kind::Seconds`] that somebody else keeps; it never goes back.
pub fn set_seconds(counter: &Counter, total: Duration) {
    counter.absolute(micros(total));
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Notes how an attempt to load a configuration ended. [`install`] notes the first.
pub fn config_reloaded(outcome: Reload) {
    let successful = metrics::gauge!(CONFIG_LAST_RELOAD_SUCCESSFUL);
    match outcome {
        Reload::Refused => successful.set(0.0),
        Reload::Applied => {
            successful.set(1.0);
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            metrics::gauge!(CONFIG_LAST_RELOAD_TIMESTAMP_SECONDS)
                .set(now.unwrap_or_default().as_secs_f64());
        }
    }
}

/// Keeps the recorder tidy until `cancel`. `dropped_lines` says how many log lines were dropped so far.
pub async fn upkeep(handle: Handle, dropped_lines: impl Fn() -> u64, cancel: CancellationToken) {
    let mut ticks = tokio::time::interval(UPKEEP_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = cancel.cancelled() => return,
            _ = ticks.tick() => {
                handle.run_upkeep();
                metrics::counter!(LOG_LINES_DROPPED_TOTAL).absolute(dropped_lines());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(feed: impl FnOnce()) -> String {
        let (recorder, handle) = recorder().unwrap();
        metrics::with_local_recorder(&recorder, || {
            describe();
            feed();
        });
        handle.render()
    }

    #[test]
    fn names_are_unique_and_follow_the_rules() {
        let mut seen = std::collections::HashSet::new();
        for metric in ALL {
            assert!(seen.insert(metric.name), "{} is there twice", metric.name);
            let counts = matches!(metric.kind, Kind::Counter | Kind::Seconds);
            assert_eq!(metric.name.ends_with("_total"), counts, "{}", metric.name);
            let prefixed = ["rolecall_", "process_"].iter();
            assert!(
                prefixed
                    .into_iter()
                    .any(|prefix| metric.name.starts_with(prefix))
            );
            assert!(metric.help.ends_with('.'), "{}", metric.name);
            if matches!(metric.kind, Kind::Seconds) {
                assert!(metric.name.ends_with("_seconds_total"), "{}", metric.name);
            }
        }
    }

    #[test]
    fn a_counter_that_is_only_named_shows_zero() {
        let page =
            rendered(|| drop(metrics::counter!(LISTENER_CONNECTIONS_TOTAL, "listener" => "rw")));
        assert!(
            page.contains("rolecall_listener_connections_total{listener=\"rw\"} 0\n"),
            "{page}"
        );
    }

    #[test]
    fn less_than_a_second_without_a_primary_is_counted() {
        let page = rendered(|| {
            let counter = metrics::counter!(GROUP_WITHOUT_PRIMARY_SECONDS_TOTAL, "group" => "main");
            add_seconds(&counter, Duration::from_millis(140));
            add_seconds(&counter, Duration::from_micros(2_000_500));
        });
        let line = "rolecall_group_without_primary_seconds_total{group=\"main\"} 2.1405\n";
        assert!(page.contains(line), "{page}");
    }

    #[test]
    fn histograms_are_histograms_and_not_summaries() {
        for metric in ALL.iter().filter(|m| matches!(m.kind, Kind::Histogram(_))) {
            let page = rendered(|| metrics::histogram!(metric.name).record(0.3));
            assert!(
                page.contains(&format!("# TYPE {} histogram\n", metric.name)),
                "{page}"
            );
            assert!(
                page.contains(&format!("{}_bucket{{le=\"+Inf\"}} 1\n", metric.name)),
                "{page}"
            );
            assert!(!page.contains("quantile"), "{page}");
        }
    }

    #[test]
    fn a_refused_reload_keeps_the_time_of_the_one_in_force() {
        let page = rendered(|| {
            config_reloaded(Reload::Applied);
            config_reloaded(Reload::Refused);
        });
        assert!(
            page.contains("rolecall_config_last_reload_successful 0\n"),
            "{page}"
        );
        let stamp = page
            .lines()
            .find_map(|line| line.strip_prefix("rolecall_config_last_reload_timestamp_seconds "))
            .and_then(|value| value.parse::<f64>().ok());
        assert!(stamp.is_some_and(|at| at > 1.0e9), "{page}");
    }
}
