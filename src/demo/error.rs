//! Why the demo could not go on, and what to do about it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

/// Why the demo could not go on.
#[derive(Debug, Error)]
pub enum DemoError {
    /// Neither redis-server nor valkey-server is on the PATH.
    #[error(
        "the demo runs real Redis servers, and found neither redis-server nor valkey-server on the PATH. \
         Install one and try again:\n  \
         Debian, Ubuntu:  sudo apt-get install redis-server\n  \
         Fedora, RHEL:    sudo dnf install redis        (or valkey)\n  \
         Alpine:          sudo apk add redis            (or valkey)\n  \
         macOS:           brew install redis            (or valkey)"
    )]
    NoServer,
    /// Something of the operating system failed.
    #[error("cannot {doing}: {source}")]
    System {
        /// What was being done, as the words after "cannot".
        doing: String,
        /// What the system said.
        source: io::Error,
    },
    /// A process of the demo ended although it should run.
    #[error("{name} ended by itself ({status}); its log is {}{}", log.display(), tail(last_lines))]
    Died {
        /// Which one.
        name: String,
        /// How it ended.
        status: String,
        /// Where it wrote why.
        log: PathBuf,
        /// The end of that log.
        last_lines: String,
    },
    /// Something did not happen in time.
    #[error("waited {}s in vain for {what}; the logs are in {}", waited.as_secs(), logs.display())]
    Missing {
        /// What should have happened.
        what: String,
        /// How long the demo waited for it.
        waited: Duration,
        /// Where the logs of all processes are.
        logs: PathBuf,
    },
    /// The story ended, and something in it was wrong.
    #[error("the story went wrong: {what}; the logs are in {}", logs.display())]
    Wrong {
        /// What was wrong.
        what: String,
        /// Where the logs of all processes are.
        logs: PathBuf,
    },
    /// SIGINT, SIGTERM or SIGHUP came before the story had ended.
    #[error("interrupted; everything that was started has been ended")]
    Interrupted,
}

impl DemoError {
    /// An error of the operating system, with what was being done as the words after "cannot".
    pub(super) fn system(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::System { doing, source }
    }

    /// Whether the logs are worth keeping: they tell what went wrong.
    pub(super) fn needs_logs(&self) -> bool {
        matches!(
            self,
            Self::Died { .. } | Self::Missing { .. } | Self::Wrong { .. }
        )
    }
}

fn tail(last_lines: &str) -> String {
    if last_lines.is_empty() {
        String::new()
    } else {
        format!(", and ends with:\n{last_lines}")
    }
}
