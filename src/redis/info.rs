//! The sections of INFO, read into facts.
//!
//! INFO is text for people that became an interface: `key:value` lines whose set differs by version and
//! by product. So a key goes up to the first colon, unknown keys are ignored, and of a key that occurs
//! twice (`KeyDB` with several masters) the first counts. A key that decides routing must be there and
//! must be right: nothing is guessed. The wire's words `master` and `slave` end here.

use std::sync::Arc;
use std::time::Duration;

use super::product::Product;
use crate::core::facts::{Condition, Facts, HostPort, Mode, ReplId, ReplicaFacts, Role, RunId};

/// Redis before 6.2 gives a Unix time for a link that never was up. No link is down for 31 years.
const UNIX_TIME: u64 = 1_000_000_000;

/// What INFO server says of the process behind a connection; the same as long as the connection lasts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// `run_id`.
    pub run_id: RunId,
    /// `valkey_version`, else `redis_version`.
    pub version: Arc<str>,
    /// `redis_mode`.
    pub mode: Mode,
    /// Whose version that is.
    pub product: Product,
    /// `uptime_in_seconds`, when it was asked.
    pub uptime: Option<Duration>,
}

/// What INFO replication says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replication {
    /// `role` and what belongs to it.
    pub role: Role,
    /// `master_replid`.
    pub replid: Option<ReplId>,
    /// `master_replid2`, unless it is all zeros.
    pub replid2: Option<ReplId>,
    /// `master_replid2` is there.
    pub tells_branch: bool,
    /// `second_repl_offset`, unless it is -1.
    pub second_offset: Option<u64>,
    /// `master_repl_offset`.
    pub offset: u64,
    /// `master_failover_state` is there and not `no-failover`.
    pub handover: bool,
    /// `min_slaves_good_slaves`; only there while a minimum is set.
    pub good_replicas: Option<u32>,
}

/// What is wrong with a section of INFO.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InfoError {
    /// A key without which there are no facts.
    #[error("INFO {section} without {key}")]
    Missing {
        /// The section.
        section: &'static str,
        /// The key.
        key: &'static str,
    },
    /// A key whose value cannot be read.
    #[error("INFO {section} with {key}:{value}")]
    Garbled {
        /// The section.
        section: &'static str,
        /// The key.
        key: &'static str,
        /// The value, shortened and made printable.
        value: String,
    },
}

impl Server {
    /// Reads INFO server. `address` is where the node was asked.
    ///
    /// # Errors
    /// When no version is there (then it is not INFO server), or the mode is an unknown word.
    pub fn read(text: &str, address: &str) -> Result<Self, InfoError> {
        let section = Section::new("server", text);
        let version = match section.get("valkey_version") {
            Some(version) => version,
            None => section.require("redis_version")?,
        };
        // Valkey writes server_mode where it does not care for old clients. Redis before 3 has neither.
        let (key, mode) = match section.get("redis_mode") {
            Some(mode) => ("redis_mode", mode),
            None => (
                "server_mode",
                section.get("server_mode").unwrap_or("standalone"),
            ),
        };
        let mode = match mode {
            "standalone" => Mode::Standalone,
            "cluster" => Mode::Cluster,
            "sentinel" => Mode::Sentinel,
            other => return Err(section.garbled(key, other)),
        };
        Ok(Self {
            run_id: section.run_id(address),
            version: version.into(),
            mode,
            product: Product::read(text),
            uptime: section
                .get("uptime_in_seconds")
                .and_then(|seconds| seconds.parse().ok())
                .map(Duration::from_secs),
        })
    }
}

impl Replication {
    /// Reads INFO replication.
    ///
    /// # Errors
    /// When a key that routing needs is missing, or one that is there cannot be read.
    pub fn read(text: &str) -> Result<Self, InfoError> {
        let section = Section::new("replication", text);
        let role = match section.require("role")? {
            "master" => Role::Primary {
                connected_replicas: section.number("connected_slaves")?,
            },
            // As Redis and Valkey, Dragonfly, and KeyDB say it.
            "slave" | "replica" | "active-replica" => Role::Replica(section.replica()?),
            other => return Err(section.garbled("role", other)),
        };
        Ok(Self {
            role,
            replid: section.replid("master_replid"),
            replid2: section.replid("master_replid2"),
            tells_branch: section.get("master_replid2").is_some(),
            second_offset: section.unless_minus_one("second_repl_offset")?,
            offset: section.unless_minus_one("master_repl_offset")?.unwrap_or(0),
            handover: section
                .get("master_failover_state")
                .is_some_and(|state| state != "no-failover"),
            good_replicas: section
                .get("min_slaves_good_slaves")
                .map(|_| section.number("min_slaves_good_slaves"))
                .transpose()?,
        })
    }

    /// What stands in for INFO replication at a Sentinel, which has no such section: no claim, no vote
    /// and no data, so that nothing can follow from it but the complaint about its mode.
    pub fn of_a_sentinel() -> Self {
        Self {
            role: Role::Replica(ReplicaFacts {
                master: HostPort::new("", 0),
                link_up: false,
                link_down_for: None,
                syncing: false,
                offset: 0,
                last_io: None,
            }),
            replid: None,
            replid2: None,
            tells_branch: false,
            second_offset: None,
            offset: 0,
            handover: false,
            good_replicas: None,
        }
    }

    /// Joins the sections to the facts of one check.
    pub fn into_facts(self, server: Server, condition: Condition) -> Facts {
        Facts {
            run_id: server.run_id,
            version: server.version,
            mode: server.mode,
            role: self.role,
            replid: self.replid,
            replid2: self.replid2,
            tells_branch: self.tells_branch,
            second_offset: self.second_offset,
            offset: self.offset,
            handover: self.handover,
            condition,
            has_keys: None,
            stream_bytes: None,
            good_replicas: self.good_replicas,
            uptime: server.uptime,
        }
    }
}

/// `total_net_repl_input_bytes` of INFO stats; none before Redis 7.0, or where it cannot be read: a value
/// that proves something is never guessed.
pub fn stream_bytes(text: &str) -> Option<u64> {
    let section = Section::new("stats", text);
    section.get("total_net_repl_input_bytes")?.parse().ok()
}

/// Whether INFO keyspace names a database with keys. (Dragonfly lists db0 with `keys=0`.)
///
/// # Errors
/// When a database is listed without a number of keys.
pub fn has_keys(text: &str) -> Result<bool, InfoError> {
    let section = Section::new("keyspace", text);
    let mut found = false;
    for (key, value) in section.lines() {
        let is_database = key
            .strip_prefix("db")
            .is_some_and(|number| number.parse::<u32>().is_ok());
        if !is_database {
            continue;
        }
        let keys = value.split(',').find_map(|part| part.strip_prefix("keys="));
        match keys.and_then(|keys| keys.parse::<u64>().ok()) {
            Some(keys) => found |= keys > 0,
            None => return Err(section.garbled("db", value)),
        }
    }
    Ok(found)
}

/// The lines of one section.
struct Section<'a> {
    name: &'static str,
    text: &'a str,
}

impl<'a> Section<'a> {
    fn new(name: &'static str, text: &'a str) -> Self {
        Self { name, text }
    }

    /// `key:value`; comments and empty lines have no colon that matters.
    fn lines(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.text.lines().filter_map(|line| line.split_once(':'))
    }

    fn get(&self, key: &str) -> Option<&'a str> {
        self.lines()
            .find(|(name, _)| *name == key)
            .map(|(_, value)| value)
    }

    fn require(&self, key: &'static str) -> Result<&'a str, InfoError> {
        self.get(key).ok_or(InfoError::Missing {
            section: self.name,
            key,
        })
    }

    fn number<T: std::str::FromStr>(&self, key: &'static str) -> Result<T, InfoError> {
        let value = self.require(key)?;
        value.parse().map_err(|_| self.garbled(key, value))
    }

    /// A count that is -1 where there is none, or missing where the product has no such thing
    /// (Dragonfly has no offsets).
    fn unless_minus_one(&self, key: &'static str) -> Result<Option<u64>, InfoError> {
        match self.get(key) {
            None | Some("-1") => Ok(None),
            Some(value) => match value.parse() {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(self.garbled(key, value)),
            },
        }
    }

    fn replid(&self, key: &str) -> Option<ReplId> {
        self.get(key)
            .filter(|id| id.bytes().any(|byte| byte != b'0'))
            .map(|id| ReplId(id.into()))
    }

    fn replica(&self) -> Result<ReplicaFacts, InfoError> {
        let status = self.require("master_link_status")?;
        let link_up = match status {
            "up" => true,
            "down" => false,
            other => return Err(self.garbled("master_link_status", other)),
        };
        let down_for = self.unless_minus_one("master_link_down_since_seconds")?;
        Ok(ReplicaFacts {
            master: HostPort::new(self.require("master_host")?, self.number("master_port")?),
            link_up,
            link_down_for: down_for
                .filter(|seconds| !link_up && *seconds <= UNIX_TIME)
                .map(Duration::from_secs),
            syncing: self.get("master_sync_in_progress") == Some("1"),
            offset: self.unless_minus_one("slave_repl_offset")?.unwrap_or(0),
            last_io: self
                .unless_minus_one("master_last_io_seconds_ago")?
                .map(Duration::from_secs),
        })
    }

    /// Some products have no `run_id`. What stands in for it must differ between nodes, or two of them
    /// would pass for one (R1): so neither a constant nor the replication ID, which a replica shares with
    /// its primary, but the address, with the process where one is told, which shows most restarts.
    fn run_id(&self, address: &str) -> RunId {
        match self.get("run_id") {
            Some(id) if !id.is_empty() => RunId(id.into()),
            _ => {
                let process = self.get("process_id").unwrap_or("unknown");
                RunId(format!("process {process} at {address}").into())
            }
        }
    }

    fn garbled(&self, key: &'static str, value: &str) -> InfoError {
        InfoError::Garbled {
            section: self.name,
            key,
            value: super::resp::printable(value.as_bytes()),
        }
    }
}

#[cfg(test)]
#[path = "info_tests.rs"]
mod tests;
