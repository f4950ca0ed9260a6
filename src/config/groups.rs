//! The `groups` section: nodes, checks, limits and Sentinels, each value by itself. What they mean to one
//! another and to the listeners is for [`super::resolve`] and [`super::conflicts`].

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::keys::{AUTH, CHECK, GROUP, MAX_LAG, NODE, SENTINEL};
use super::model::{
    Address, CheckConfig, Credentials, GroupConfig, MaxLag, NodeConfig, Secret, SentinelConfig,
};
use super::reader::{Fields, Reader, quoted};
use super::tree::{At, Entry, Place, Value};
use super::units;
use crate::core::ids::{GroupId, NodeId};

const CLAIM_HOLD: Duration = Duration::from_secs(6);
const STALE_READS: Duration = Duration::from_secs(60);
const NODE_EXAMPLE: &str = "redis-1: 10.1.1.1:6379";

/// A group as written.
pub(super) struct GroupDraft {
    pub(super) id: GroupId,
    pub(super) name: At<Arc<str>>,
    pub(super) nodes: Vec<NodeDraft>,
    /// Where `claim_hold` is written, if it is.
    pub(super) claim_hold: (Duration, Option<Place>),
    /// Addresses of Sentinels, to compare.
    pub(super) sentinels: Vec<At<Address>>,
    rest: Rest,
}

/// A node as written; one whose address could not be read still has a name that others may use.
pub(super) struct NodeDraft {
    pub(super) id: NodeId,
    pub(super) name: At<Arc<str>>,
    pub(super) address: Option<At<Address>>,
    pub(super) local: bool,
    weight: u32,
}

/// What needs no second look.
struct Rest {
    auth: Option<Credentials>,
    check: CheckConfig,
    max_lag: Option<MaxLag>,
    stale_reads: Duration,
    sentinel: Option<SentinelConfig>,
}

/// Reads all groups, in file order.
pub(super) fn read(reader: &mut Reader<'_>, entry: &Entry) -> Vec<GroupDraft> {
    let example = "main: { nodes: { redis-1: 10.1.1.1:6379 } }";
    let mut groups = Vec::new();
    let mut next_node = 0;
    for entry in reader.named("groups", example, entry) {
        let id = GroupId(number(groups.len()));
        groups.extend(group(reader, entry, id, &mut next_node));
    }
    groups
}

pub(super) fn number(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn group(
    reader: &mut Reader<'_>,
    entry: &Entry,
    id: GroupId,
    next_node: &mut u32,
) -> Option<GroupDraft> {
    let what = format!("group {}", entry.key.value);
    let fields = reader.fields(&what, entry.key.place, &entry.value, &GROUP)?;
    let nodes = match reader.required(&what, &fields, "nodes", NODE_EXAMPLE) {
        Some(entry) => nodes(reader, entry, next_node),
        None => Vec::new(),
    };
    let claim_hold = fields.get("claim_hold");
    let (sentinel, sentinels) = sentinel(reader, &fields).unzip();
    Some(GroupDraft {
        id,
        name: name_of(entry),
        nodes,
        claim_hold: (
            reader.value_or(&fields, "claim_hold", units::duration, CLAIM_HOLD),
            claim_hold.map(|entry| entry.value.place),
        ),
        sentinels: sentinels.unwrap_or_default(),
        rest: Rest {
            auth: auth(reader, &fields),
            check: check(reader, &fields),
            max_lag: max_lag(reader, &fields),
            stale_reads: reader.value_or(
                &fields,
                "stale_reads",
                units::duration_or_zero,
                STALE_READS,
            ),
            sentinel,
        },
    })
}

pub(super) fn name_of(entry: &Entry) -> At<Arc<str>> {
    At {
        value: entry.key.value.as_str().into(),
        place: entry.key.place,
    }
}

fn nodes(reader: &mut Reader<'_>, entry: &Entry, next_node: &mut u32) -> Vec<NodeDraft> {
    let mut nodes = Vec::new();
    for entry in reader.named("nodes", NODE_EXAMPLE, entry) {
        nodes.push(node(reader, entry, NodeId(*next_node)));
        *next_node = next_node.saturating_add(1);
    }
    nodes
}

/// `name: host:port`, or `name: { address: host:port, .. }`.
fn node(reader: &mut Reader<'_>, entry: &Entry, id: NodeId) -> NodeDraft {
    let mut draft = NodeDraft {
        id,
        name: name_of(entry),
        address: None,
        local: false,
        weight: 1,
    };
    if !matches!(entry.value.value, Value::Map(_)) {
        draft.address = reader.value(entry, units::address);
        return draft;
    }
    let what = format!("node {}", entry.key.value);
    let Some(fields) = reader.fields(&what, entry.key.place, &entry.value, &NODE) else {
        return draft;
    };
    draft.address = reader
        .required(&what, &fields, "address", "address: 10.1.1.1:6379")
        .and_then(|entry| reader.value(entry, units::address));
    draft.local = reader.value_or(&fields, "local", units::switch, false);
    draft.weight = reader.value_or(&fields, "weight", units::weight, 1);
    draft
}

fn check(reader: &mut Reader<'_>, fields: &Fields<'_>) -> CheckConfig {
    let mut check = CheckConfig {
        interval: Duration::from_millis(500),
        fast_interval: Duration::from_millis(50),
        timeout: Duration::from_millis(400),
        fall: 6,
        rise: 2,
    };
    let Some(entry) = fields.get("check") else {
        return check;
    };
    let Some(fields) = reader.fields("check", entry.key.place, &entry.value, &CHECK) else {
        return check;
    };
    let before = reader.problems.len();
    check.interval = reader.value_or(&fields, "interval", units::duration, check.interval);
    check.fast_interval = reader.value_or(
        &fields,
        "fast_interval",
        units::duration,
        check.fast_interval,
    );
    check.timeout = reader.value_or(&fields, "timeout", units::duration, check.timeout);
    check.fall = reader.value_or(&fields, "fall", units::times, check.fall);
    check.rise = reader.value_or(&fields, "rise", units::times, check.rise);
    if check.fast_interval > check.interval && reader.problems.len() == before {
        let at = fields.get("fast_interval").or(fields.get("interval"));
        let place = at.map_or(fields.place, |entry| entry.value.place);
        let (fast, slow) = (check.fast_interval, check.interval);
        let message = format!("fast_interval ({fast:?}) is longer than interval ({slow:?})");
        reader.complain(
            place,
            message,
            "set fast_interval to at most interval (50ms by default)",
        );
    }
    check
}

fn max_lag(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<MaxLag> {
    let entry = fields.get_unless_off("max_lag")?;
    let fields = reader.fields("max_lag", entry.key.place, &entry.value, &MAX_LAG)?;
    let (bytes, seconds) = (fields.get("bytes"), fields.get("seconds"));
    if bytes.is_none() && seconds.is_none() {
        let hint = "give bytes (64MiB), seconds (30s) or both; or write max_lag: off";
        reader.complain(entry.key.place, "max_lag limits nothing".to_owned(), hint);
    }
    Some(MaxLag {
        bytes: reader.value_unless_off(&fields, "bytes", units::size),
        seconds: reader.value_unless_off(&fields, "seconds", units::duration),
    })
}

fn sentinel(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
) -> Option<(SentinelConfig, Vec<At<Address>>)> {
    let entry = fields.get_unless_off("sentinel")?;
    let fields = reader.fields("sentinel", entry.key.place, &entry.value, &SENTINEL)?;
    let name = reader
        .required(
            "sentinel",
            &fields,
            "name",
            "name: mymaster, as in sentinel.conf",
        )
        .and_then(|entry| reader.value(entry, units::word));
    let addresses = reader
        .required(
            "sentinel",
            &fields,
            "addresses",
            "addresses: [\"10.1.1.1:26379\"]",
        )
        .map(|entry| reader.list(entry, units::address))
        .unwrap_or_default();
    let config = SentinelConfig {
        name: name.map(|at| at.value).unwrap_or_default().into(),
        addresses: addresses.iter().map(|at| at.value.clone()).collect(),
        discover: reader.value_or(&fields, "discover", units::switch, false),
        auth: auth(reader, &fields),
    };
    Some((config, addresses))
}

/// An empty password means no AUTH, so that one file serves with a password and without.
fn auth(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Credentials> {
    let entry = fields.get_unless_off("auth")?;
    let place = entry.key.place;
    let fields = reader.fields("auth", place, &entry.value, &AUTH)?;
    let username = fields
        .get("username")
        .and_then(|entry| reader.scalar(entry))
        .map(|(_, name)| name.to_owned())
        .filter(|name| !name.is_empty());
    let password = match (fields.get("password"), fields.get("password_file")) {
        (Some(_), Some(file)) => {
            let message = "auth has both password and password_file".to_owned();
            reader.complain(file.key.place, message, "keep one of them");
            return None;
        }
        (Some(entry), None) => reader.scalar(entry)?.1.to_owned(),
        (None, Some(entry)) => password_from(reader, entry)?,
        (None, None) => {
            let message = "auth has no password".to_owned();
            let hint =
                "write password: \"${REDIS_PASSWORD}\" or password_file: /path, or remove auth";
            reader.complain(place, message, hint);
            return None;
        }
    };
    (!password.is_empty()).then(|| Credentials {
        username,
        password: Secret::new(password),
    })
}

fn password_from(reader: &mut Reader<'_>, entry: &Entry) -> Option<String> {
    let (scalar, path) = reader.scalar(entry)?;
    match (reader.read_file)(Path::new(path)) {
        Ok(content) => {
            let line = content.strip_suffix('\n').unwrap_or(&content);
            Some(line.strip_suffix('\r').unwrap_or(line).to_owned())
        }
        Err(error) => {
            let shown = quoted(&scalar.written);
            let message = format!("password_file {shown} cannot be read: {error}");
            let hint = "the user that runs rolecall must be able to read it";
            reader.complain(entry.value.place, message, hint);
            None
        }
    }
}

impl GroupDraft {
    /// The validated group; a node without an address is left out, which has been told.
    pub(super) fn into_config(self) -> GroupConfig {
        let nodes = self.nodes.into_iter().filter_map(NodeDraft::into_config);
        GroupConfig {
            id: self.id,
            name: self.name.value,
            nodes: nodes.collect(),
            auth: self.rest.auth,
            check: self.rest.check,
            claim_hold: self.claim_hold.0,
            max_lag: self.rest.max_lag,
            stale_reads: self.rest.stale_reads,
            sentinel: self.rest.sentinel,
        }
    }

    /// The names of its nodes.
    pub(super) fn node_names(&self) -> Vec<&str> {
        self.nodes.iter().map(|node| &*node.name.value).collect()
    }
}

impl NodeDraft {
    fn into_config(self) -> Option<NodeConfig> {
        Some(NodeConfig {
            id: self.id,
            name: self.name.value,
            address: self.address?.value,
            local: self.local,
            weight: self.weight,
        })
    }
}
