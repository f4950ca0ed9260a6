//! The commands that speak to a running proxy over its admin socket.
//!
//! Each prints text for people, or JSON with `--json`; the exit code is 0 for yes, 1 for no or no answer (the
//! words on standard error tell which), 2 for wrong usage.

mod client;
mod events;
mod orders;
pub(super) mod paper;
mod plans;
pub(super) mod show;
mod top;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::api::{GroupState, ListenerStatus, Status};
use crate::config;
use client::{AskError, Client};
use paper::Style;

/// Where the socket is when nobody says otherwise.
const SOCKET: &str = "/run/rolecall/admin.sock";

/// What can be asked of a running proxy, and ordered.
#[derive(Debug, Subcommand)]
pub(super) enum AdminCommand {
    /// Show who is primary, since when and why, every node, and who serves each listener
    ///
    /// Exit code 0: every group has a living primary that takes writes, and nobody else claims to be primary.
    /// Exit code 1: some group is not so, or the proxy cannot be reached; in the latter case nothing is
    /// printed but an error that begins with "rolecall: cannot reach the proxy".
    Status {
        #[command(flatten)]
        target: Target,
        /// No colours; also with `NO_COLOR` set, and where the output is no terminal
        #[arg(long)]
        no_color: bool,
    },
    /// The same each second, with the latest events; ends with Ctrl-C
    Top {
        #[command(flatten)]
        target: Target,
        /// Show it once and end
        #[arg(long)]
        once: bool,
        /// No colours; also with `NO_COLOR` set, and where the output is no terminal
        #[arg(long)]
        no_color: bool,
    },
    /// Say for each node of a listener's chain why it gets new connections or not
    Explain {
        /// The listener; all of them when left out
        listener: Option<String>,
        #[command(flatten)]
        target: Target,
        /// No colours; also with `NO_COLOR` set, and where the output is no terminal
        #[arg(long)]
        no_color: bool,
    },
    /// Print the last events: elections with their evidence, verdicts, orders, closes
    Events {
        #[command(flatten)]
        target: Target,
        /// Go on with each event as it comes
        #[arg(short, long)]
        follow: bool,
        /// So many of the past at most, up to 1000
        #[arg(short = 'n', long, default_value_t = 50)]
        limit: usize,
    },
    /// Give a node no new sessions; the open ones go on
    ///
    /// To drain the elected primary parks new write connections until it is ready again or another is
    /// elected; they get an error after park.timeout.
    Drain {
        #[command(flatten)]
        node: NodeArgs,
        /// Return when its last session has gone (exit code 0), or at --timeout (exit code 1)
        #[arg(long)]
        wait: bool,
        /// How long to wait at most, such as 30s or 5m; it stays drained
        #[arg(long, value_parser = a_while, requires = "wait", default_value = "5m")]
        timeout: Duration,
    },
    /// Close a node's sessions and keep it out: it is not elected and has no vote
    Maintenance {
        #[command(flatten)]
        node: NodeArgs,
    },
    /// Take back drain or maintenance
    Ready {
        #[command(flatten)]
        node: NodeArgs,
        /// Its data replaced the group's on purpose: take its replication history for the group's
        ///
        /// Nodes of another history serve no reads and are not elected. After a migration from another group all
        /// nodes are so, and connections wait until one is accepted. Refused while a node that answers still
        /// holds the group's own history.
        #[arg(long)]
        accept_history: bool,
    },
    /// Have the proxy read its configuration again; prints what changed
    ///
    /// A file that is wrong changes nothing: exit code 1, and what is wrong with it.
    Reload {
        #[command(flatten)]
        target: Target,
    },
    /// Make another node the primary, and prints a timeline
    ///
    /// New write connections are parked meanwhile. With Sentinels configured one of them does it, and chooses
    /// the replica; otherwise the primary hands over by FAILOVER (Redis 6.2 and later). When Redis refuses or
    /// takes too long nothing stays parked, and the exit code is 1.
    Switchover {
        /// The group; may be left out where there is one
        group: Option<String>,
        /// The node that is to be primary; without it the replica that lacks least. Not with Sentinels
        #[arg(long, value_name = "NODE")]
        to: Option<String>,
        /// How long the handover may take, at most 40s
        #[arg(long, value_parser = handover_time, default_value = "10s")]
        timeout: Duration,
        #[command(flatten)]
        target: Target,
    },
    /// Change the level of the proxy's log until it is started again
    LogLevel {
        /// The least important line that is written
        #[arg(value_parser = ["error", "warn", "info", "debug", "trace"])]
        level: String,
        #[command(flatten)]
        target: Target,
    },
}

/// Which proxy, and how to answer.
#[derive(Debug, Args)]
pub(super) struct Target {
    /// The admin socket of the proxy [default: /run/rolecall/admin.sock]
    #[arg(long, value_name = "PATH", conflicts_with = "config")]
    socket: Option<PathBuf>,
    /// Take the admin socket from this configuration file
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON, as described at /api
    #[arg(long)]
    json: bool,
}

/// Which node.
#[derive(Debug, Args)]
pub(super) struct NodeArgs {
    /// The node's name
    node: String,
    /// Its group, where several groups have a node of that name
    #[arg(long)]
    group: Option<String>,
    #[command(flatten)]
    target: Target,
}

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error("{0}")]
    Config(#[from] config::Problems),
    #[error("{} sets no admin.socket: commands need one", .0.display())]
    NoSocket(PathBuf),
    #[error("there is no listener {name:?}; the listeners are {known}")]
    NoListener { name: String, known: String },
    #[error("{0}")]
    Waited(String),
    /// Nobody reads the output any more, which is how `| head` ends.
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
}

/// A duration that can be waited for: at most a year.
fn a_while(text: &str) -> Result<Duration, String> {
    bounded(text, Duration::from_secs(365 * 24 * 3600))
}

/// A duration that the proxy accepts for a handover.
fn handover_time(text: &str) -> Result<Duration, String> {
    bounded(text, Duration::from_secs(40))
}

fn bounded(text: &str, most: Duration) -> Result<Duration, String> {
    let wanted = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if wanted.is_zero() || wanted > most {
        let most = humantime::format_duration(most);
        return Err(format!("must be more than 0s and at most {most}"));
    }
    Ok(wanted)
}

/// Does what was asked for.
pub(super) fn run(command: AdminCommand) -> ExitCode {
    let done = match command {
        AdminCommand::Status { target, no_color } => status(&target, no_color),
        AdminCommand::Top {
            target,
            once,
            no_color,
        } => top::run(&target, once, Style::of_stdout(no_color)),
        AdminCommand::Explain {
            listener,
            target,
            no_color,
        } => explain(&target, listener.as_deref(), no_color),
        AdminCommand::Events {
            target,
            follow,
            limit,
        } => events::run(&target, follow, limit),
        AdminCommand::Drain {
            node,
            wait,
            timeout,
        } => orders::drain(&node, wait.then_some(timeout)),
        AdminCommand::Maintenance { node } => orders::order(&node, "maintenance"),
        AdminCommand::Ready {
            node,
            accept_history,
        } => orders::order(
            &node,
            if accept_history {
                "ready&accept_history=1"
            } else {
                "ready"
            },
        ),
        AdminCommand::Reload { target } => plans::reload(&target),
        AdminCommand::Switchover {
            group,
            to,
            timeout,
            target,
        } => plans::switchover(&target, group.as_deref(), to.as_deref(), timeout),
        AdminCommand::LogLevel { level, target } => orders::log_level(&target, &level),
    };
    match done {
        Ok(code) => code,
        Err(Failure::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(failure) => {
            let _unread = writeln!(io::stderr(), "rolecall: {failure}");
            ExitCode::FAILURE
        }
    }
}

impl Target {
    fn client(&self) -> Result<Client, Failure> {
        let path = match (&self.socket, &self.config) {
            (Some(path), _) => path.clone(),
            (None, Some(file)) => {
                let config = config::load(file)?;
                let socket = config.admin.socket;
                socket.ok_or_else(|| Failure::NoSocket(file.clone()))?
            }
            (None, None) => Path::new(SOCKET).to_owned(),
        };
        Ok(Client::new(path))
    }
}

/// Prints for a machine, if that was asked for, else for people.
fn print(target: &Target, answer: &impl Serialize, text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    if target.json {
        let json = serde_json::to_string_pretty(answer).map_err(io::Error::from)?;
        writeln!(out, "{json}")?;
    } else {
        write!(out, "{text}")?;
    }
    Ok(out.flush()?)
}

fn status(target: &Target, no_color: bool) -> Result<ExitCode, Failure> {
    let status: Status = target.client()?.get("/api/status")?;
    print(
        target,
        &status,
        &show::status(&status, Style::of_stdout(no_color)),
    )?;
    Ok(verdict(&status))
}

/// 0 when all groups are as they should be.
fn verdict(status: &Status) -> ExitCode {
    let mut groups = status.groups.iter();
    ExitCode::from(u8::from(!groups.all(|group| group.state == GroupState::Ok)))
}

fn explain(target: &Target, name: Option<&str>, no_color: bool) -> Result<ExitCode, Failure> {
    let status: Status = target.client()?.get("/api/status")?;
    let asked = |listener: &&ListenerStatus| name.is_none_or(|name| listener.name == name);
    let found: Vec<&ListenerStatus> = status.listeners.iter().filter(asked).collect();
    if let (Some(name), true) = (name, found.is_empty()) {
        let known: Vec<&str> = status.listeners.iter().map(|l| l.name.as_str()).collect();
        return Err(Failure::NoListener {
            name: name.to_owned(),
            known: known.join(", "),
        });
    }
    let style = Style::of_stdout(no_color);
    let pages: Vec<String> = found
        .iter()
        .map(|listener| show::explain(&status, listener, style))
        .collect();
    print(target, &found, &pages.join("\n"))?;
    Ok(ExitCode::SUCCESS)
}
