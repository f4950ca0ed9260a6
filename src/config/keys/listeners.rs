//! A listener and what is below it.

use super::Reload::AtOnce;
use super::Without::{Is, Required, Words};
use super::forms::{BIND, DURATION, NAME, NONE, OFF, map};
use super::{Key, Needs, Section, Value};
use crate::config::units;
use crate::core::chain::Access;

/// One listener.
pub static LISTENER: Section = Section {
    name: "listener",
    needs: Needs::Nothing,
    keys: &[
        Key {
            name: "bind",
            value: Value::List(&BIND),
            default: Required,
            about: "Where it listens: one address or several. IP addresses only: names are not looked up to listen.",
            example: "[\"127.0.0.2:6379\", \"unix:/run/rolecall/redis-ro.sock\"]",
            reload: AtOnce,
        },
        Key {
            name: "access",
            value: Value::Word(&[
                Access::ReadWrite.label(),
                Access::ReadOnly.label(),
                Access::LocalReadOnly.label(),
            ]),
            default: Required,
            about: "What it is for: the elected primary, the replicas in sync, or the replicas on this host.",
            example: "local-read-only",
            reload: AtOnce,
        },
        Key {
            name: "group",
            value: NAME,
            default: Words("the only group"),
            about: "Whose nodes it serves. Must be written where there are several groups.",
            example: "main",
            reload: AtOnce,
        },
        Key {
            name: "nodes",
            value: Value::List(&NAME),
            default: Words("all that are not local; for `local-read-only` the local ones"),
            about: "Its first choice: some of the group's nodes.",
            example: "[redis-1, redis-2]",
            reload: AtOnce,
        },
        Key {
            name: "backup",
            value: Value::Or(NONE, &Value::List(&NAME)),
            default: Is("none"),
            about: "Nodes for when none of the first choice is eligible: one tier each, in this order.",
            example: "[redis-local]",
            reload: AtOnce,
        },
        Key {
            name: "fallback",
            value: Value::Or(NONE, &NAME),
            default: Is("none"),
            about: "Another listener of the same group, whose tiers follow, by that listener's rules. No second connection is made.",
            example: "redis-rw",
            reload: AtOnce,
        },
        Key {
            name: "max_connections",
            value: Value::Or(OFF, &Value::Count(units::CONNECTIONS)),
            default: Is("off"),
            about: "Client connections at a time, parked ones included. More are told `-ERR max number of clients reached`.",
            example: "5000",
            reload: AtOnce,
        },
        Key {
            name: "idle_timeout",
            value: Value::Or(OFF, &DURATION),
            default: Is("off"),
            about: "Closes sessions that moved no byte for so long. Never those of replication.",
            example: "1h",
            reload: AtOnce,
        },
        Key {
            name: "connect_timeout",
            value: DURATION,
            default: Is("1s"),
            about: "For one dial of a node; then the next eligible one is dialled.",
            example: "300ms",
            reload: AtOnce,
        },
        map(
            "park",
            Value::Map(&PARK),
            Words("see below"),
            "Connections that wait for a node (R13).",
        ),
        Key {
            name: "fallback_max_age",
            value: Value::Or(OFF, &DURATION),
            default: Is("off"),
            about: "Closes a session on a backup or a fallback that is older than this once a better tier is there (R16).",
            example: "10m",
            reload: AtOnce,
        },
    ],
};

/// `park` of a listener.
pub static PARK: Section = Section {
    name: "park",
    needs: Needs::Nothing,
    keys: &[
        Key {
            name: "timeout",
            value: DURATION,
            default: Is("10s"),
            about: "How long one waits. Above `claim_hold` of the group.",
            example: "30s",
            reload: AtOnce,
        },
        Key {
            name: "max",
            value: Value::Count(units::PARKED),
            default: Is("1024"),
            about: "How many wait at a time. 0 parks nobody.",
            example: "100",
            reload: AtOnce,
        },
    ],
};
