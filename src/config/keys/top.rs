//! The top of the file, `admin` and `log`.

use super::Reload::{AtOnce, NextStart};
use super::Without::{Is, Required, Words};
use super::forms::{NONE, OFF, map};
use super::{GROUP, Key, LISTENER, Needs, Section, Value};
use crate::config::model::LogLevel;
use crate::config::units;

/// The whole file.
pub static TOP: Section = Section {
    name: "the configuration",
    needs: Needs::Nothing,
    keys: &[
        map(
            "groups",
            Value::Named(&Value::Map(&GROUP)),
            Required,
            "The replication groups, by name: each is one primary with its replicas.",
        ),
        map(
            "listeners",
            Value::Named(&Value::Map(&LISTENER)),
            Required,
            "The addresses that applications connect to, by name.",
        ),
        map(
            "admin",
            Value::Or(NONE, &Value::Map(&ADMIN)),
            Is("none"),
            "Where to ask the proxy how it is, and where to give it orders.",
        ),
        Key {
            name: "workers",
            value: Value::Or(&["auto"], &Value::Count(units::WORKERS)),
            default: Is("auto"),
            about: "Threads that carry traffic. `auto` is one for each core that the process may use.",
            example: "2",
            reload: NextStart,
        },
        Key {
            name: "grace",
            value: Value::DurationOrZero,
            default: Is("10s"),
            about: "How long open sessions may go on after SIGTERM, and on a node that a reload has taken out.",
            example: "30s",
            reload: AtOnce,
        },
        map("log", Value::Map(&LOG), Words("see below"), "How to log."),
    ],
};

/// `admin`.
pub static ADMIN: Section = Section {
    name: "admin",
    needs: Needs::Nothing,
    keys: &[
        Key {
            name: "http",
            value: Value::Or(NONE, &Value::SocketAddress),
            default: Is("none"),
            about: "Read only: the status page, `/metrics`, `/readyz`, `/livez`, `/api/status`, `/api/events`.",
            example: "127.0.0.1:9379",
            reload: NextStart,
        },
        Key {
            name: "socket",
            value: Value::Or(NONE, &Value::SocketPath),
            default: Is("none"),
            about: "A Unix socket with the same, and for commands. Its directory must exist. An upgrade with `--takeover` needs it.",
            example: "/run/rolecall/admin.sock",
            reload: NextStart,
        },
        Key {
            name: "socket_mode",
            value: Value::Or(OFF, &Value::Mode),
            default: Is("\"0600\""),
            about: "Its permission bits, in octal. Whoever may open it may order anything.",
            example: "\"0660\"",
            reload: NextStart,
        },
        Key {
            name: "socket_owner",
            value: Value::Or(NONE, &Value::Owner),
            default: Is("none"),
            about: "The user, or `user:group`, that it is given to, by name or by number.",
            example: "\"root:redis\"",
            reload: NextStart,
        },
    ],
};

/// `log`.
pub static LOG: Section = Section {
    name: "log",
    needs: Needs::Nothing,
    keys: &[
        Key {
            name: "format",
            value: Value::Word(&["text", "json"]),
            default: Is("text"),
            about: "`text` for people, `json` for machines: one object a line.",
            example: "json",
            reload: NextStart,
        },
        Key {
            name: "level",
            value: Value::Word(&[
                LogLevel::Error.label(),
                LogLevel::Warn.label(),
                LogLevel::Info.label(),
                LogLevel::Debug.label(),
                LogLevel::Trace.label(),
            ]),
            default: Is("info"),
            about: "The least important line that is written. `rolecall log-level` and SIGUSR1 change it in the running process.",
            example: "warn",
            reload: AtOnce,
        },
    ],
};
