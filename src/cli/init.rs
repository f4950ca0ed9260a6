//! `rolecall init`: finds a group through the nodes and Sentinels that are named, and writes a configuration.
//!
//! The file goes to standard output or to `-o`, what was found to standard error. What is written is read
//! back as `rolecall run` would read it and its nodes are asked as by `check --connect`, so that nobody
//! finds out later that it does not load.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::admin::paper::Style;
use super::connect;
use crate::config;
use crate::config::model::{Address, Credentials, Secret};
use crate::draft::{self, Auth, DraftError, Source, Wanted};
use crate::survey;

/// The environment variable with the password.
const VARIABLE: &str = "REDIS_PASSWORD";

/// Find a group through some of its nodes or its Sentinels, and write a configuration for it
///
/// One node is enough: a replica names its primary, and a primary its replicas. A password is taken from the
/// environment variable `REDIS_PASSWORD` or from --password-file, and is never written: the configuration
/// says where it comes from. Exit code 0: the configuration is written, and `check --connect` finds nothing
/// wrong with it. 1: something is wrong; what answered is written nevertheless. 2: wrong usage.
///
/// An address is asked for 2.6 s at most, all that one answer names at the same time.
#[derive(Debug, Args)]
pub(super) struct Init {
    /// Nodes: host, host:port (6379 by default) or `unix:/path`
    #[arg(value_name = "NODE", required_unless_present = "sentinel", value_parser = node)]
    nodes: Vec<Address>,
    /// A Sentinel: host or host:port (26379 by default); may be repeated, it names the others
    #[arg(long, value_name = "ADDR", value_parser = sentinel)]
    sentinel: Vec<Address>,
    /// What Sentinel calls the group; may be left out while it watches one group only
    #[arg(long, value_name = "NAME", requires = "sentinel")]
    name: Option<String>,
    /// The ACL user for the checks (Redis 6 and later)
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// Take the password from this file instead of the environment variable `REDIS_PASSWORD`
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Write the configuration here instead of to standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write over a file that is there
    #[arg(long, requires = "output")]
    force: bool,
}

/// Why nothing is written.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Draft(#[from] DraftError),
    #[error("{}: {source}", path.display())]
    PasswordFile { path: PathBuf, source: io::Error },
    #[error("{}: holds no password", .0.display())]
    NoPassword(PathBuf),
    #[error("--user needs a password: set {VARIABLE}, or give --password-file")]
    UserAlone,
    #[error("{} is there already: choose another file, or --force", .0.display())]
    Exists(PathBuf),
    #[error("cannot write {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
    #[error("the draft does not load, which is a bug: {0}")]
    Bug(#[from] config::Problems),
}

fn node(text: &str) -> Result<Address, String> {
    config::address(text, 6379)
}

fn sentinel(text: &str) -> Result<Address, String> {
    config::address(text, 26379)
}

/// Does what was asked for.
pub(super) fn run(init: &Init) -> ExitCode {
    match write(init) {
        Ok(well) => ExitCode::from(u8::from(!well)),
        Err(failure) => {
            tell(&format!("rolecall: {failure}"));
            ExitCode::FAILURE
        }
    }
}

/// True when nothing is wrong with what was written.
fn write(init: &Init) -> Result<bool, Failure> {
    if let Some(path) = init
        .output
        .as_deref()
        .filter(|path| !init.force && path.exists())
    {
        return Err(Failure::Exists(path.to_owned()));
    }
    let draft = draft::draft(&Wanted {
        nodes: init.nodes.clone(),
        sentinels: init.sentinel.clone(),
        name: init.name.clone(),
        auth: auth(init)?,
    })?;
    for line in &draft.found {
        tell(line);
    }
    for line in &draft.wrong {
        tell(&format!("WRONG  {line}"));
    }
    let path = init
        .output
        .clone()
        .unwrap_or_else(|| "rolecall.yaml".into());
    let origin = path.display().to_string();
    // A relative password file was made absolute: nothing is looked for beside the file.
    let read = |file: &Path| fs::read_to_string(file);
    let config = config::parse(
        &draft.text,
        &origin,
        &|name| std::env::var(name).ok(),
        &read,
    )?;
    save(init, &draft.text)?;
    let found = survey::run(&config, &path)?;
    tell(connect::findings(&found, Style::plain()).trim_end());
    Ok(found.ok && draft.wrong.is_empty())
}

fn save(init: &Init, text: &str) -> Result<(), Failure> {
    let Some(path) = &init.output else {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        return Ok(out.flush()?);
    };
    let mut options = OpenOptions::new();
    options.write(true);
    if init.force {
        options.create(true).truncate(true);
    } else {
        options.create_new(true);
    }
    let written = options
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => Failure::Exists(path.clone()),
        _ => Failure::Write {
            path: path.clone(),
            source,
        },
    })?;
    tell(&format!("wrote {}", path.display()));
    Ok(())
}

/// The password, and where it is to come from.
fn auth(init: &Init) -> Result<Option<Auth>, Failure> {
    let (password, source) = match &init.password_file {
        Some(path) => {
            let failed = |source| Failure::PasswordFile {
                path: path.clone(),
                source,
            };
            let text = fs::read_to_string(path).map_err(failed)?;
            let password = text.trim_end_matches(['\r', '\n']).to_owned();
            if password.is_empty() {
                return Err(Failure::NoPassword(path.clone()));
            }
            let whole = std::path::absolute(path).map_err(failed)?;
            (password, Source::File(whole))
        }
        None => match std::env::var(VARIABLE) {
            Ok(password) if !password.is_empty() => (password, Source::Variable(VARIABLE)),
            _ if init.user.is_some() => return Err(Failure::UserAlone),
            _ => return Ok(None),
        },
    };
    Ok(Some(Auth {
        credentials: Credentials {
            username: init.user.clone(),
            password: Secret::new(password),
        },
        source,
    }))
}

fn tell(line: &str) {
    // Nobody reads it, perhaps; the file and the exit code are there all the same.
    let _unread = writeln!(io::stderr(), "{line}");
}
