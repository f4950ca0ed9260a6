//! Logging: lines to standard output, written by a thread of their own.
//!
//! Its one rule is that logging never stalls traffic. A line goes into a bounded queue; when the queue is full
//! because standard output is slow, or when standard output is closed, lines are dropped and counted.
//! The level comes from the configuration alone (`RUST_LOG` is not read), and can be changed while running.

mod sink;

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tracing::Subscriber;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry, fmt, reload};

use self::sink::Sink;
use crate::config::model::{LogConfig, LogFormat, LogLevel};

/// Lines that wait for standard output. The end of every session is a line, so a mass close must fit;
/// the queue is allocated at the start, 32 bytes a line.
const QUEUE_LINES: usize = 16 * 1024;

/// How long the end of the process waits for the last lines, at most. The library gives up earlier when
/// the output is stuck: after 0.1 s with a full queue, else after a second.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// Why nothing can be logged.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// No descriptor is left to copy standard output to. (When it is closed, std has opened /dev/null.)
    #[error(
        "cannot log to standard output: {0}: raise the limit of open descriptors (ulimit -n, LimitNOFILE=)"
    )]
    Stdout(io::Error),
    /// A bug of ours: logging is set up once.
    #[error("cannot set up logging: it is set up already")]
    Already,
}

/// Logging, while it lasts: dropping it writes the lines that still wait.
#[derive(Debug)]
pub struct Telemetry {
    switch: Switch,
    dropped: Dropped,
    /// Some until the drop.
    worker: Option<WorkerGuard>,
}

/// Counts the lines that were lost. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Dropped {
    queue_full: ErrorCounter,
    not_written: Arc<AtomicU64>,
}

/// Whether lines are coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Colour {
    Ansi,
    Plain,
}

/// Logs to standard output from now on.
pub fn init(config: LogConfig) -> Result<Telemetry, InitError> {
    // A descriptor of its own: the lock of std's stdout would be held by the writing thread while a
    // pipe is full, and stall whoever prints.
    let stdout = io::stdout()
        .as_fd()
        .try_clone_to_owned()
        .map_err(InitError::Stdout)?;
    let stdout = File::from(stdout);
    let colour = if stdout.is_terminal() {
        Colour::Ansi
    } else {
        Colour::Plain
    };
    let (subscriber, telemetry) = build(config, stdout, colour);
    tracing::subscriber::set_global_default(subscriber).map_err(|_| InitError::Already)?;
    Ok(telemetry)
}

/// Changes the level while the process runs. Cheap to clone; all clones are one switch. Outlives
/// [`Telemetry`] without effect.
#[derive(Clone, Debug)]
pub struct Switch {
    handle: reload::Handle<Targets, Registry>,
    levels: Arc<Mutex<Levels>>,
}

/// What the switch chooses between.
#[derive(Clone, Copy, Debug)]
struct Levels {
    configured: LogLevel,
    raised: bool,
}

impl Switch {
    /// Raises the level to debug, or takes it back to the configured one. Returns the level from now
    /// on. Where debug or trace is configured, it stays.
    pub fn toggle(&self) -> LogLevel {
        self.change(|levels| levels.raised = !levels.raised)
    }

    /// Takes another level for the configured one; a raised one stays raised.
    pub fn configure(&self, level: LogLevel) {
        self.change(|levels| levels.configured = level);
    }

    /// Sets the level, whether it was raised or not.
    pub fn set(&self, level: LogLevel) {
        self.change(|levels| {
            *levels = Levels {
                configured: level,
                raised: false,
            };
        });
    }

    fn change(&self, change: impl FnOnce(&mut Levels)) -> LogLevel {
        let mut levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut levels);
        let level = levels.effective();
        // It fails only when the subscriber is gone, and then nobody logs.
        let _gone = self.handle.reload(filter(level));
        level
    }
}

impl Levels {
    fn effective(self) -> LogLevel {
        match self.configured {
            LogLevel::Error | LogLevel::Warn | LogLevel::Info if self.raised => LogLevel::Debug,
            configured => configured,
        }
    }
}

impl Telemetry {
    /// How the level is changed.
    pub fn switch(&self) -> Switch {
        self.switch.clone()
    }

    /// The counter of lost lines, for the metrics.
    pub fn dropped(&self) -> Dropped {
        self.dropped.clone()
    }
}

impl Dropped {
    /// How many lines were lost so far.
    pub fn lines(&self) -> u64 {
        let queue_full = u64::try_from(self.queue_full.dropped_lines()).unwrap_or(u64::MAX);
        queue_full.saturating_add(self.not_written.load(Ordering::Relaxed))
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        let Some(worker) = self.worker.take() else {
            return;
        };
        // With a full queue in front of a stuck pipe the worker's own farewell never returns, so it happens
        // aside, and is left behind when it takes too long.
        let (done, flushed) = mpsc::channel();
        let aside = std::thread::Builder::new()
            .name("log-flush".into())
            .spawn(move || {
                drop(worker);
                let _nobody_waits = done.send(());
            });
        if aside.is_ok() {
            let _too_late = flushed.recv_timeout(FLUSH_TIMEOUT);
        }
    }
}

fn build<W: Write + Send + 'static>(
    config: LogConfig,
    output: W,
    colour: Colour,
) -> (impl Subscriber + Send + Sync, Telemetry) {
    let not_written = Arc::new(AtomicU64::new(0));
    let sink = Sink::new(output, Arc::clone(&not_written));
    let (queue, worker) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(QUEUE_LINES)
        .thread_name("log")
        .finish(sink);
    let queue_full = queue.error_counter();
    let (filter, handle) = reload::Layer::new(filter(config.level));
    let levels = Levels {
        configured: config.level,
        raised: false,
    };
    let lines = match config.format {
        LogFormat::Text => fmt::layer()
            .with_timer(UtcMillis)
            .with_ansi(colour == Colour::Ansi)
            .with_target(false)
            .with_writer(queue)
            .boxed(),
        LogFormat::Json => fmt::layer()
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .with_timer(UtcMillis)
            .with_writer(queue)
            .boxed(),
    };
    let telemetry = Telemetry {
        switch: Switch {
            handle,
            levels: Arc::new(Mutex::new(levels)),
        },
        dropped: Dropped {
            queue_full,
            not_written,
        },
        worker: Some(worker),
    };
    let subscriber = tracing_subscriber::registry().with(filter).with(lines);
    (subscriber, telemetry)
}

/// Our own lines from `level` up. What the libraries below us have to say at debug is not for operators,
/// and at trace would drown everything.
fn filter(level: LogLevel) -> Targets {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target(env!("CARGO_PKG_NAME"), level)
}

/// `2025-03-01T12:00:00.123Z`.
struct UtcMillis;

impl FormatTime for UtcMillis {
    fn format_time(&self, writer: &mut Writer<'_>) -> std::fmt::Result {
        // A clock before 1970 is a machine without a clock; the formatter would panic.
        let now = SystemTime::now().max(UNIX_EPOCH);
        write!(writer, "{}", humantime::format_rfc3339_millis(now))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Condvar;
    use std::time::Instant;

    use tracing::subscriber::with_default;
    use tracing::{debug, error, info, warn};

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Page {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, level: LogLevel, speak: impl FnOnce(&Telemetry)) -> String {
        let page = Page::default();
        let config = LogConfig { format, level };
        let (subscriber, telemetry) = build(config, page.clone(), Colour::Plain);
        with_default(subscriber, || speak(&telemetry));
        drop(telemetry);
        page.text()
    }

    #[test]
    fn text_has_utc_milliseconds_level_words_and_fields() {
        let page = logged(LogFormat::Text, LogLevel::Info, |_| {
            info!(node = "redis-1", "primary elected");
        });
        let (stamp, rest) = page.split_once(' ').unwrap();
        assert!(humantime::parse_rfc3339(stamp).is_ok(), "{page}");
        assert_eq!(stamp.len(), "2025-03-01T12:00:00.123Z".len(), "{page}");
        assert_eq!(rest.trim_start(), "INFO primary elected node=\"redis-1\"\n");
    }

    #[test]
    fn json_is_one_object_a_line() {
        let page = logged(LogFormat::Json, LogLevel::Info, |_| {
            info!(node = "redis-1", lag = 3, "one\nline");
            warn!("two");
        });
        let lines: Vec<serde_json::Value> = page
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines.len(), 2, "{page}");
        assert_eq!(lines[0]["message"], "one\nline");
        assert_eq!(lines[0]["node"], "redis-1");
        assert_eq!(lines[0]["lag"], 3);
        assert_eq!(lines[1]["level"], "WARN");
        assert!(lines[1]["timestamp"].as_str().unwrap().ends_with('Z'));
    }

    #[test]
    fn a_terminal_is_not_at_the_mercy_of_what_is_logged() {
        let page = logged(LogFormat::Text, LogLevel::Info, |_| {
            info!("said {}", "\u{1b}[2J");
        });
        assert!(!page.contains('\u{1b}'), "{page:?}");
    }

    #[test]
    fn the_level_is_raised_and_taken_back_while_running() {
        let page = logged(LogFormat::Text, LogLevel::Warn, |telemetry| {
            let switch = telemetry.switch();
            info!("first");
            assert_eq!(switch.toggle(), LogLevel::Debug);
            debug!("second");
            switch.configure(LogLevel::Error);
            debug!("third");
            assert_eq!(switch.toggle(), LogLevel::Error);
            warn!("fourth");
            error!("fifth");
        });
        let said: Vec<bool> = ["first", "second", "third", "fourth", "fifth"]
            .iter()
            .map(|word| page.contains(word))
            .collect();
        assert_eq!(said, [false, true, true, false, true], "{page}");
    }

    #[test]
    fn an_order_sets_the_level_whether_it_was_raised_or_not() {
        let page = logged(LogFormat::Text, LogLevel::Info, |telemetry| {
            let switch = telemetry.switch();
            switch.toggle();
            switch.set(LogLevel::Warn);
            info!("first");
            assert_eq!(switch.toggle(), LogLevel::Debug);
            debug!("second");
        });
        assert!(!page.contains("first") && page.contains("second"), "{page}");
    }

    #[test]
    fn a_chattier_level_is_not_raised() {
        logged(LogFormat::Text, LogLevel::Trace, |telemetry| {
            assert_eq!(telemetry.switch().toggle(), LogLevel::Trace);
        });
    }

    #[test]
    fn libraries_are_heard_from_warnings_up() {
        let page = logged(LogFormat::Text, LogLevel::Trace, |_| {
            info!(target: "some_library", "chatter");
            warn!(target: "some_library", "trouble");
        });
        assert!(
            page.contains("trouble") && !page.contains("chatter"),
            "{page}"
        );
    }

    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }

    #[test]
    fn a_closed_output_costs_lines_and_nothing_else() {
        let config = LogConfig {
            format: LogFormat::Text,
            level: LogLevel::Info,
        };
        let (subscriber, telemetry) = build(config, Closed, Colour::Plain);
        let dropped = telemetry.dropped();
        with_default(subscriber, || (0..3).for_each(|i| info!(i, "lost")));
        drop(telemetry);
        assert_eq!(dropped.lines(), 3);
    }

    /// An output that takes nothing until the gate opens: a pipe that nobody reads.
    #[derive(Clone, Default)]
    struct Gate(Arc<(Mutex<bool>, Condvar)>);

    impl Gate {
        fn open(&self) {
            *self.0.0.lock().unwrap() = true;
            self.0.1.notify_all();
        }
    }

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut open = self.0.0.lock().unwrap();
            while !*open {
                open = self.0.1.wait(open).unwrap();
            }
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stuck_output_stalls_neither_the_logger_nor_the_end() {
        let gate = Gate::default();
        let config = LogConfig {
            format: LogFormat::Text,
            level: LogLevel::Info,
        };
        let (subscriber, telemetry) = build(config, gate.clone(), Colour::Plain);
        let dropped = telemetry.dropped();
        let begun = Instant::now();
        // The writing thread has taken some lines, to write them together.
        with_default(subscriber, || {
            (0..2 * QUEUE_LINES).for_each(|i| info!(i, "line"));
        });
        assert!(dropped.lines() >= 9, "{}", dropped.lines());
        drop(telemetry);
        // Generous: it would hang for ever otherwise.
        assert!(begun.elapsed() < Duration::from_secs(30));
        gate.open();
    }
}
