//! The command line: what can be asked for, and the exit codes (0 yes, 1 no, 2 usage).

mod admin;
mod connect;
mod http;
mod import;
mod init;
pub mod ready;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::app::RunOptions;
use crate::demo::{self, DemoOptions};
use crate::{app, config};

/// A role-aware TCP proxy for Redis and Valkey: writes go to the primary, reads to replicas in sync.
#[derive(Debug, Parser)]
#[command(name = "rolecall", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the proxy until SIGTERM or SIGINT; a second signal ends it at once
    ///
    /// SIGUSR1 raises the level of the log to debug, the next one takes it back to the configured one.
    /// SIGUSR2 starts the binary that is installed now, with the same arguments and --takeover: an upgrade.
    /// Listening sockets that systemd hands over (socket activation) are used by the listeners of the
    /// same address.
    Run {
        /// The configuration file
        #[arg(short, long, value_name = "FILE")]
        config: PathBuf,
        /// Read the configuration again when the file changes, or a password file that it names
        ///
        /// What the files say is looked at once a second, and taken when two looks in a row find the
        /// same: links that are swapped are followed, as Kubernetes updates what it mounts, and no
        /// half-written file is taken. As with SIGHUP, a bad file changes nothing and says why.
        #[arg(long)]
        watch: bool,
        /// Take over from the running process without refusing anybody: an upgrade
        ///
        /// The running process is asked for its listening sockets, on a socket beside admin.socket, which
        /// the configuration must have. It serves until every listener here has had a verdict (10 s at
        /// most) and this process has elected the same primaries, and goes on if this one fails before
        /// or elects others. Then it keeps the sessions that it has,
        /// goes on checking and enforcing roles for them, and ends with the last one. Its admin
        /// addresses become this one's, and its metrics are gone: counters begin at zero.
        #[arg(long)]
        takeover: bool,
        /// How long the process that is taken over from may keep its sessions
        #[arg(long, value_name = "DURATION", default_value = "1h", requires = "takeover",
              value_parser = humantime::parse_duration)]
        takeover_limit: Duration,
    },
    /// Say whether a configuration file is valid and its nodes are well, or whether a running proxy is ready
    Check(Check),
    /// Translate a configuration of HAProxy in front of Redis; tells what became of each line
    ///
    /// Writes a configuration of rolecall with the line of HAProxy's beside each of its own, and reports what
    /// was translated, what rolecall does in another way and why, and what could not be translated. It copies
    /// no password. The exit code is 1 when no valid configuration can be written.
    Import(import::Arguments),
    Init(init::Init),
    /// Show a failover on this machine: starts real Redis and Sentinel processes; needs redis-server
    Demo {
        /// Play a whole failover by itself, with times, and end
        #[arg(long)]
        story: bool,
    },
    #[command(flatten)]
    Admin(admin::AdminCommand),
}

#[derive(Debug, Args)]
struct Check {
    #[command(flatten)]
    of: CheckOf,
    #[command(flatten)]
    asking: connect::Asking,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct CheckOf {
    /// The configuration file to validate; tells all its errors
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The /readyz address of a running proxy, such as <http://127.0.0.1:9379/readyz>
    #[arg(long, value_name = "URL")]
    ready: Option<String>,
}

/// The command line as data, for man pages and completions.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Does what the command line asks for.
pub fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Run {
            config,
            watch,
            takeover,
            takeover_limit,
        } => {
            let takeover = takeover.then_some(takeover_limit);
            told(app::run(&config, RunOptions { takeover, watch }))
        }
        Command::Check(Check { of, asking }) => match (of.ready, of.config.unwrap_or_default()) {
            (Some(url), _) => ready::run(&url),
            (None, path) if asking.is_wanted() => connect::run(&path, asking),
            (None, path) => check(&path),
        },
        Command::Init(init) => init::run(&init),
        Command::Import(arguments) => import::run(&arguments),
        Command::Admin(command) => admin::run(command),
        Command::Demo { story } => told(demo::run(DemoOptions { story })),
    }
}

fn check(path: &Path) -> ExitCode {
    let loaded = config::load(path).map(|config| {
        let summary = config::summary::summary(&config);
        // The exit code is the answer; whoever closed standard output does not want the words.
        let _unread = write!(io::stdout(), "{} is valid\n\n{summary}", path.display());
    });
    told(loaded)
}

/// Errors go to standard error, whole; exit code 1.
fn told<E: std::fmt::Display>(result: Result<(), E>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _unread = writeln!(io::stderr(), "rolecall: {error}");
            ExitCode::FAILURE
        }
    }
}
