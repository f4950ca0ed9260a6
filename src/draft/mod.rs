//! `rolecall init`: asks the nodes that are named, finds the others through them and through Sentinel, and
//! drafts a configuration.
//!
//! `explore` asks and follows what the answers name (`sentinels` for its part), `sort` says which of them are
//! nodes of the group, `plan` decides what that means for the configuration
//! (names, local nodes, addresses of listeners), `write` makes the text. Only what answered is written as a
//! node; what was named and did not is told in the file, as a comment. Nothing is written to a node.

mod explore;
mod plan;
mod sentinels;
mod sort;
#[cfg(test)]
mod tests;
mod write;

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;

use crate::clock;
use crate::config::model::{Address, Bind, Credentials};
use crate::proxy::{BindError, try_bind};

/// What to draft a configuration from.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Nodes, in the order in which they were named.
    pub nodes: Vec<Address>,
    /// Sentinels, in the order in which they were named.
    pub sentinels: Vec<Address>,
    /// What the Sentinels call the group; may be left out while they watch one group only.
    pub name: Option<String>,
    /// For nodes and Sentinels that ask for a password.
    pub auth: Option<Auth>,
}

/// A password, and where the configuration is to take it from.
#[derive(Clone, Debug)]
pub struct Auth {
    /// For AUTH.
    pub credentials: Credentials,
    /// Where it came from.
    pub source: Source,
}

/// Where a password comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The environment variable of this name.
    Variable(&'static str),
    /// This file.
    File(PathBuf),
}

/// A drafted configuration.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The file.
    pub text: String,
    /// What was found, a line each.
    pub found: Vec<String>,
    /// What was asked for and could not be had, a line each; empty: all of it is in the file.
    pub wrong: Vec<String>,
}

/// Why there is no draft.
#[derive(Debug, thiserror::Error)]
pub enum DraftError {
    /// Nobody who was asked is a node that could be written down.
    #[error("no node answered{}", lines(.0))]
    Nobody(Vec<String>),
    /// The Sentinels watch several groups, or none.
    #[error("{0}")]
    Name(String),
    /// The system gives us no runtime.
    #[error("cannot ask: {0}")]
    Runtime(#[from] io::Error),
}

fn lines(all: &[String]) -> String {
    let each: Vec<String> = all.iter().map(|line| format!("\n  {line}")).collect();
    each.concat()
}

/// Asks, and drafts. An address is asked for 2.6 s at most, and the addresses that one answer names all at the
/// same time; six rounds are made at most.
///
/// # Errors
/// When there is nothing to write.
pub fn draft(wanted: &Wanted) -> Result<Draft, DraftError> {
    clock::now();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let explored = runtime.block_on(explore::explore(wanted));
    // A look-up that hangs in the system's resolver must not hold up the end.
    runtime.shutdown_background();
    let explored = explored?;
    if explored.nodes.is_empty() {
        let learned = explored
            .left_out
            .iter()
            .filter(|(address, _)| !wanted.nodes.contains(address));
        let learned = learned.map(|(address, why)| format!("{address} {why}"));
        return Err(DraftError::Nobody(
            explored.wrong.iter().cloned().chain(learned).collect(),
        ));
    }
    let plan = plan::plan(&explored, wanted, &Here);
    let mut found = explored.told();
    found.extend(plan.remarks.iter().cloned());
    Ok(Draft {
        text: write::write(&plan),
        found,
        wrong: explored.wrong,
    })
}

/// What is asked of the machine that the draft is for.
trait Host {
    /// Whether an address belongs to this host.
    fn has(&self, ip: IpAddr) -> bool;
    /// Who listens on an address, as far as it matters.
    fn holder(&self, address: SocketAddr) -> Occupant;
}

/// Who listens on an address.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Occupant {
    Nobody,
    /// A Redis of some kind, which will not go away.
    Redis(String),
    /// Another program, such as the proxy that rolecall is to replace.
    Other(String),
}

/// This machine.
struct Here;

impl Host for Here {
    fn has(&self, ip: IpAddr) -> bool {
        ip.is_loopback() || UdpSocket::bind((ip, 0)).is_ok()
    }

    fn holder(&self, address: SocketAddr) -> Occupant {
        let name: Arc<str> = "init".into();
        match try_bind(&name, &Bind::Tcp(address)) {
            Err(BindError::InUse {
                holder: Some(holder),
                ..
            }) => {
                let kinds = ["redis-", "valkey-", "keydb-", "dragonfly"];
                let is_redis = kinds.iter().any(|kind| holder.command.starts_with(kind));
                if is_redis {
                    Occupant::Redis(holder.to_string())
                } else {
                    Occupant::Other(holder.to_string())
                }
            }
            Err(BindError::InUse { holder: None, .. }) => {
                Occupant::Other("a process that cannot be seen from here".to_owned())
            }
            _ => Occupant::Nobody,
        }
    }
}
