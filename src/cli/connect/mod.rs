//! `rolecall check -c FILE --connect`: asks everybody now, and prints what came out.

mod show;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::Args;

use super::admin::paper::Style;
use crate::api::Survey;
use crate::{config, survey};

/// Whether the nodes are asked too, and how to print what they said.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Asking {
    /// Also ask every node and every Sentinel now, and tell what a proxy would make of the answers
    ///
    /// Prints the nodes (role, version, link, lag), whom each Sentinel names, whom each listener would choose,
    /// what is wrong and what to do. Exit code 0: every listener could be served and nothing is wrong; hints,
    /// such as an address that HAProxy still holds, do not count. 1: something is wrong. 2: wrong usage.
    ///
    /// It takes as long as the slowest answer. A node that is silent is asked as often as a proxy would ask
    /// before calling it down (`fall` times for `timeout`: 2.6 s by default, 10 s at most), a Sentinel for
    /// 2 s at least. Nothing is written to a node, no address is listened on, and no connection is left.
    #[arg(long, requires = "config", conflicts_with = "ready")]
    connect: bool,
    /// Print what --connect found as JSON (the type Survey of src/api)
    #[arg(long, requires = "connect")]
    json: bool,
    /// No colours, as with `NO_COLOR`
    #[arg(long, requires = "connect")]
    no_color: bool,
}

impl Asking {
    /// Whether the nodes are to be asked.
    pub(super) fn is_wanted(self) -> bool {
        self.connect
    }
}

/// Loads the file and asks.
pub(super) fn run(path: &Path, how: Asking) -> ExitCode {
    let config = match config::load(path) {
        Ok(config) => config,
        Err(problems) => return complain(&problems),
    };
    let found = match survey::run(&config, path) {
        Ok(found) => found,
        Err(error) => return complain(&error),
    };
    match print(&found, how) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => complain(&error),
        // The exit code is the answer; whoever closed standard output does not want the words.
        _ => ExitCode::from(u8::from(!found.ok)),
    }
}

fn print(found: &Survey, how: Asking) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if how.json {
        let json = serde_json::to_string_pretty(found)?;
        writeln!(out, "{json}")?;
    } else {
        let style = Style::of_stdout(how.no_color);
        write!(out, "{}", show::survey(found, style))?;
    }
    out.flush()
}

fn complain(error: &dyn std::fmt::Display) -> ExitCode {
    let _unread = writeln!(io::stderr(), "rolecall: {error}");
    ExitCode::FAILURE
}

/// What is wrong and what to do, for a command that has just written a configuration.
pub(super) fn findings(found: &Survey, style: Style) -> String {
    show::findings(found, style)
}
