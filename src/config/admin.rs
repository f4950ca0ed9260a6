//! The `admin` and `log` sections.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::keys::{ADMIN, LOG};
use super::model::{AdminConfig, LogConfig, LogFormat, LogLevel};
use super::reader::{Fields, Reader};
use super::suggest;
use super::tree::At;
use super::units::{self, Wrong};

/// The mode of the socket where none is given: its owner alone.
const SOCKET_MODE: u32 = 0o600;

/// The admin section as written: with the places, to compare addresses.
#[derive(Default)]
pub(super) struct AdminDraft {
    pub(super) http: Option<At<SocketAddr>>,
    pub(super) socket: Option<At<PathBuf>>,
    mode: Option<u32>,
    owner: Option<String>,
}

/// Reads `admin`.
pub(super) fn read(reader: &mut Reader<'_>, top: &Fields<'_>) -> AdminDraft {
    let Some(entry) = top.get_unless_off("admin") else {
        return AdminDraft::default();
    };
    let Some(fields) = reader.fields("admin", entry.key.place, &entry.value, &ADMIN) else {
        return AdminDraft::default();
    };
    let socket = fields.get_unless_off("socket");
    for key in ["socket_mode", "socket_owner"] {
        if let (None, Some(entry)) = (socket, fields.get_unless_off(key)) {
            let message = format!("{key} without socket");
            let hint = "write socket: /run/rolecall/admin.sock, or remove the key";
            reader.complain(entry.key.place, message, hint);
        }
    }
    AdminDraft {
        http: fields
            .get_unless_off("http")
            .and_then(|entry| reader.value(entry, units::socket_address)),
        socket: socket.and_then(|entry| reader.value(entry, units::socket_path)),
        mode: reader.value_unless_off(&fields, "socket_mode", units::mode),
        owner: reader.value_unless_off(&fields, "socket_owner", units::owner),
    }
}

impl AdminDraft {
    /// The validated section.
    pub(super) fn into_config(self) -> AdminConfig {
        AdminConfig {
            http: self.http.map(|at| at.value),
            socket: self.socket.map(|at| at.value),
            socket_mode: self.mode.unwrap_or(SOCKET_MODE),
            socket_owner: self.owner,
        }
    }
}

/// Reads `log`.
pub(super) fn log(reader: &mut Reader<'_>, top: &Fields<'_>) -> LogConfig {
    let mut log = LogConfig {
        format: LogFormat::Text,
        level: LogLevel::Info,
    };
    let Some(entry) = top.get("log") else {
        return log;
    };
    if let Some(fields) = reader.fields("log", entry.key.place, &entry.value, &LOG) {
        log.format = reader.value_or(&fields, "format", format, log.format);
        log.level = reader.value_or(&fields, "level", level, log.level);
    }
    log
}

fn format(text: &str) -> Result<LogFormat, Wrong> {
    choice(
        text,
        &[("text", LogFormat::Text), ("json", LogFormat::Json)],
    )
}

fn level(text: &str) -> Result<LogLevel, Wrong> {
    let levels = [
        ("error", LogLevel::Error),
        ("warn", LogLevel::Warn),
        ("info", LogLevel::Info),
        ("debug", LogLevel::Debug),
        ("trace", LogLevel::Trace),
    ];
    choice(text, &levels)
}

fn choice<T: Copy>(text: &str, all: &[(&str, T)]) -> Result<T, Wrong> {
    let words: Vec<&str> = all.iter().map(|(word, _)| *word).collect();
    all.iter()
        .find(|(word, _)| *word == text)
        .map(|(_, value)| *value)
        .ok_or_else(|| Wrong {
            what: "is not known here".to_owned(),
            hint: suggest::hint(text, &words),
        })
}
