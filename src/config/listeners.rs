//! The `listeners` section, each value by itself. Names of nodes, groups and other listeners are kept as
//! written: [`super::resolve`] looks them up.

use std::sync::Arc;
use std::time::Duration;

use super::groups::{name_of, number};
use super::keys::{LISTENER, PARK};
use super::model::{Bind, CONNECT_TIMEOUT, ParkConfig};
use super::reader::{Fields, Reader};
use super::suggest;
use super::tree::{At, Entry, Place};
use super::units::{self, Wrong};
use crate::core::chain::Access;
use crate::core::ids::ListenerId;

/// A listener as written.
pub(super) struct ListenerDraft {
    pub(super) id: ListenerId,
    pub(super) name: At<Arc<str>>,
    pub(super) group: Option<At<String>>,
    /// None where it could not be read.
    pub(super) access: Option<Access>,
    pub(super) binds: Vec<At<Bind>>,
    /// None: by access.
    pub(super) nodes: Option<Vec<At<String>>>,
    pub(super) backup: Vec<At<String>>,
    pub(super) fallback: Option<At<String>>,
    pub(super) max_connections: Option<usize>,
    pub(super) idle_timeout: Option<Duration>,
    pub(super) connect_timeout: Duration,
    pub(super) park: ParkConfig,
    /// Where `park.timeout` is written, if it is.
    pub(super) park_timeout: Option<Place>,
    pub(super) fallback_max_age: Option<Duration>,
}

/// Reads all listeners, in file order.
pub(super) fn read(reader: &mut Reader<'_>, entry: &Entry) -> Vec<ListenerDraft> {
    let example = "redis-rw: { bind: \"127.0.0.1:6379\", access: read-write }";
    let mut listeners = Vec::new();
    for entry in reader.named("listeners", example, entry) {
        let id = ListenerId(number(listeners.len()));
        listeners.extend(listener(reader, entry, id));
    }
    listeners
}

fn listener(reader: &mut Reader<'_>, entry: &Entry, id: ListenerId) -> Option<ListenerDraft> {
    let what = format!("listener {}", entry.key.value);
    let fields = reader.fields(&what, entry.key.place, &entry.value, &LISTENER)?;
    let binds = reader.required(&what, &fields, "bind", "bind: \"127.0.0.1:6379\"");
    let accesses = "access: read-write, read-only or local-read-only";
    let access = reader.required(&what, &fields, "access", accesses);
    let (park, park_timeout) = park(reader, &fields);
    Some(ListenerDraft {
        id,
        name: name_of(entry),
        group: name(reader, fields.get("group")),
        access: access
            .and_then(|entry| reader.value(entry, access_word))
            .map(|at| at.value),
        binds: binds
            .map(|entry| reader.list(entry, units::bind))
            .unwrap_or_default(),
        nodes: fields
            .get("nodes")
            .map(|entry| reader.list(entry, units::word)),
        backup: fields
            .get_unless_off("backup")
            .map(|entry| reader.list(entry, units::word))
            .unwrap_or_default(),
        fallback: name(reader, fields.get_unless_off("fallback")),
        max_connections: reader.value_unless_off(&fields, "max_connections", units::connections),
        idle_timeout: reader.value_unless_off(&fields, "idle_timeout", units::duration_or_off),
        connect_timeout: reader.value_or(
            &fields,
            "connect_timeout",
            units::duration,
            CONNECT_TIMEOUT,
        ),
        park,
        park_timeout,
        fallback_max_age: reader.value_unless_off(
            &fields,
            "fallback_max_age",
            units::duration_or_off,
        ),
    })
}

fn name(reader: &mut Reader<'_>, entry: Option<&Entry>) -> Option<At<String>> {
    entry.and_then(|entry| reader.value(entry, units::word))
}

fn park(reader: &mut Reader<'_>, fields: &Fields<'_>) -> (ParkConfig, Option<Place>) {
    let mut park = ParkConfig::default();
    let Some(entry) = fields.get("park") else {
        return (park, None);
    };
    let Some(fields) = reader.fields("park", entry.key.place, &entry.value, &PARK) else {
        return (park, None);
    };
    park.timeout = reader.value_or(&fields, "timeout", units::duration, park.timeout);
    park.max = reader.value_or(&fields, "max", units::parked, park.max);
    let place = fields.get("timeout").map(|entry| entry.value.place);
    (park, place)
}

fn access_word(text: &str) -> Result<Access, Wrong> {
    let all = [Access::ReadWrite, Access::ReadOnly, Access::LocalReadOnly];
    all.into_iter()
        .find(|access| access.label() == text)
        .ok_or_else(|| Wrong {
            what: "is no access".to_owned(),
            hint: suggest::hint(text, &all.map(Access::label)),
        })
}
