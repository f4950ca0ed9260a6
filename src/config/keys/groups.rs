//! A group and what is below it.

use super::Reload::AtOnce;
use super::Without::{Is, Required, Words};
use super::forms::{ADDRESS, DURATION, NONE, OFF, SIZE, map};
use super::{Key, Needs, Section, Value};
use crate::config::units;

/// One group.
pub static GROUP: Section = Section {
    name: "group",
    needs: Needs::Nothing,
    keys: &[
        map(
            "nodes",
            Value::Named(&Value::Short(&NODE, &ADDRESS)),
            Required,
            "The Redis or Valkey processes of the group, by name: an address, or a map.",
        ),
        map(
            "auth",
            Value::Or(NONE, &Value::Map(&AUTH)),
            Is("none"),
            "How the checks log in. Clients log in themselves, through the proxy.",
        ),
        map(
            "check",
            Value::Map(&CHECK),
            Words("see below"),
            "How nodes are checked.",
        ),
        Key {
            name: "claim_hold",
            value: DURATION,
            default: Is("6s"),
            about: "How long the only node that claims the role waits when nothing else speaks for it (R3.4). Below `park.timeout` of every listener of the group.",
            example: "4s",
            reload: AtOnce,
        },
        map(
            "max_lag",
            Value::Or(OFF, &Value::Map(&MAX_LAG)),
            Is("off"),
            "A replica that is further behind serves no new reads while a primary lives (R10).",
        ),
        Key {
            name: "stale_reads",
            value: Value::DurationOrZero,
            default: Is("60s"),
            about: "How long replicas go on serving reads without a primary, counted from when their link went down (R9).",
            example: "5m",
            reload: AtOnce,
        },
        map(
            "sentinel",
            Value::Or(NONE, &Value::Map(&SENTINEL)),
            Is("none"),
            "The Sentinels of the group: evidence in elections, and an alarm clock. Not a dependency.",
        ),
    ],
};

/// One node.
pub static NODE: Section = Section {
    name: "node",
    needs: Needs::Nothing,
    keys: &[
        Key {
            name: "address",
            value: ADDRESS,
            default: Required,
            about: "Where it listens. A host name is looked up at each dial and every 10 s; the last good answer is kept. Where it has several addresses one of them is used: see [names](#names-of-hosts).",
            example: "redis-3.example.net:6379",
            reload: AtOnce,
        },
        Key {
            name: "local",
            value: Value::Switch,
            default: Is("false"),
            about: "It runs on this host: it is never the primary, has no vote, and serves `local-read-only` listeners.",
            example: "true",
            reload: AtOnce,
        },
        Key {
            name: "weight",
            value: Value::Count(units::WEIGHT),
            default: Is("1"),
            about: "Its share of the sessions, relative to the other nodes of a tier.",
            example: "2",
            reload: AtOnce,
        },
    ],
};

/// `auth`, of a group and of its Sentinels.
pub static AUTH: Section = Section {
    name: "auth",
    needs: Needs::OneOf("password", "password_file"),
    keys: &[
        Key {
            name: "username",
            value: Value::Text,
            default: Words("none: the plain AUTH of a password"),
            about: "An ACL user (Redis 6 and later).",
            example: "rolecall",
            reload: AtOnce,
        },
        Key {
            name: "password",
            value: Value::Text,
            default: Words("none"),
            about: "The password. Empty means no AUTH, so one file can serve with a password and without.",
            example: "\"${REDIS_PASSWORD}\"",
            reload: AtOnce,
        },
        Key {
            name: "password_file",
            value: Value::FilePath,
            default: Words("none"),
            about: "A file that holds the password and nothing else; a line break at its end is dropped. A relative path begins beside the configuration.",
            example: "/etc/rolecall/password",
            reload: AtOnce,
        },
    ],
};

/// `check` of a group.
pub static CHECK: Section = Section {
    name: "check",
    needs: Needs::Nothing,
    keys: &[
        Key {
            name: "interval",
            value: DURATION,
            default: Is("500ms"),
            about: "From the start of one check to the start of the next.",
            example: "1s",
            reload: AtOnce,
        },
        Key {
            name: "fast_interval",
            value: DURATION,
            default: Is("50ms"),
            about: "The same while anything is in motion: no primary, several claimants, a node that is silent, new or loading. At most `interval`.",
            example: "20ms",
            reload: AtOnce,
        },
        Key {
            name: "timeout",
            value: DURATION,
            default: Is("400ms"),
            about: "For one whole check: connecting, PING, INFO.",
            example: "800ms",
            reload: AtOnce,
        },
        Key {
            name: "fall",
            value: Value::Count(units::TIMES),
            default: Is("6"),
            about: "Time-outs in a row until a node is down. A refused connection counts at once.",
            example: "3",
            reload: AtOnce,
        },
        Key {
            name: "rise",
            value: Value::Count(units::TIMES),
            default: Is("2"),
            about: "Good checks in a row until a node that was down by time-outs is up again.",
            example: "3",
            reload: AtOnce,
        },
    ],
};

/// `max_lag` of a group.
pub static MAX_LAG: Section = Section {
    name: "max_lag",
    needs: Needs::Any,
    keys: &[
        Key {
            name: "bytes",
            value: Value::Or(OFF, &SIZE),
            default: Is("off"),
            about: "In bytes of the replication stream.",
            example: "64MiB",
            reload: AtOnce,
        },
        Key {
            name: "seconds",
            value: Value::Or(OFF, &DURATION),
            default: Is("off"),
            about: "In time: how long ago the primary was where the replica is now.",
            example: "30s",
            reload: AtOnce,
        },
    ],
};

/// `sentinel` of a group.
pub static SENTINEL: Section = Section {
    name: "sentinel",
    needs: Needs::Nothing,
    keys: &[
        Key {
            name: "name",
            value: Value::Text,
            default: Required,
            about: "The master name in `sentinel.conf`.",
            example: "mymaster",
            reload: AtOnce,
        },
        Key {
            name: "addresses",
            value: Value::List(&ADDRESS),
            default: Required,
            about: "All Sentinels of the group: a majority of those written here counts.",
            example: "[\"10.1.1.1:26379\", \"10.1.1.2:26379\", \"10.1.1.3:26379\"]",
            reload: AtOnce,
        },
        Key {
            name: "discover",
            value: Value::Switch,
            default: Is("false"),
            about: "Learn nodes that a majority of the Sentinels lists, and let those go that none has listed for 30 s.",
            example: "true",
            reload: AtOnce,
        },
        map(
            "auth",
            Value::Or(NONE, &Value::Map(&AUTH)),
            Is("none"),
            "How to log in to the Sentinels themselves. The keys are those of `auth` of the group.",
        ),
    ],
};
