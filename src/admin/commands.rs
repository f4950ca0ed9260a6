//! The commands: which path takes a POST, and what it does. On the socket only; the TCP port changes
//! nothing, ever.
//!
//! A new command is a line in [`COMMANDS`] and an arm of [`obey`].

use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode, Uri};

use super::body::Body;
use super::http::{not_allowed, text};
use super::order::order;
use super::query::{Query, decoded};
use super::server::{Room, Way};
use super::{ask, sources::Sources};
use crate::api::LogLevelSet;
use crate::config::model::LogLevel;

/// What can be ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Command {
    Order,
    LogLevel,
}

/// Each path and its command; one that ends in a slash is followed by a name.
const COMMANDS: [(&str, Command); 2] = [
    ("/api/order/", Command::Order),
    ("/api/log-level", Command::LogLevel),
];

/// Why a command was not carried out.
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    /// One sentence.
    pub(super) why: String,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, why: impl Into<String>) -> Self {
        let why = why.into();
        Self { status, why }
    }
}

/// A wrong parameter.
impl From<String> for Refusal {
    fn from(why: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, why)
    }
}

/// Whether the path is one of a command.
pub(super) fn is_command(path: &str) -> bool {
    find(path).is_some()
}

fn find(path: &str) -> Option<(Command, &str)> {
    COMMANDS.iter().find_map(|(known, command)| {
        let rest = path.strip_prefix(known)?;
        (known.ends_with('/') != rest.is_empty()).then_some((*command, rest))
    })
}

/// Answers a request for a command.
pub(super) async fn answer(request: &Request<Incoming>, room: &Room) -> Response<Body> {
    if room.way == Way::Http {
        let why = "commands are taken on admin.socket only, this port changes nothing: use the admin \
                   socket, as `rolecall drain` does\n";
        return text(StatusCode::FORBIDDEN, why);
    }
    if *request.method() != Method::POST {
        let why = format!(
            "{} is not possible: this is a command, use POST\n",
            request.method()
        );
        return not_allowed("POST", why);
    }
    match obey(request.uri(), &room.state.sources).await {
        Ok(answer) => answer,
        Err(Refusal { status, why }) => text(status, format!("{why}\n")),
    }
}

async fn obey(uri: &Uri, sources: &Sources) -> Result<Response<Body>, Refusal> {
    let Some((command, name)) = find(uri.path()) else {
        return Err(Refusal::new(
            StatusCode::NOT_FOUND,
            "there is no such command",
        ));
    };
    match command {
        Command::Order => {
            let query = Query::parse(uri, &["group", "order"])?;
            Ok(ask::json(&order(sources, &decoded(name)?, &query).await?))
        }
        Command::LogLevel => log_level(&Query::parse(uri, &["level"])?, sources),
    }
}

fn log_level(query: &Query, sources: &Sources) -> Result<Response<Body>, Refusal> {
    let wanted = query.get("level").unwrap_or_default();
    let level = match wanted {
        "error" => LogLevel::Error,
        "warn" => LogLevel::Warn,
        "info" => LogLevel::Info,
        "debug" => LogLevel::Debug,
        "trace" => LogLevel::Trace,
        other => {
            let why = format!("level={other:?} is no level: error, warn, info, debug or trace");
            return Err(why.into());
        }
    };
    (sources.set_level)(level);
    tracing::info!("an operator sets the level of the log to {wanted}");
    Ok(ask::json(&LogLevelSet {
        level: wanted.to_owned(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_commands() {
        assert_eq!(
            find("/api/order/redis-1"),
            Some((Command::Order, "redis-1"))
        );
        assert_eq!(find("/api/log-level"), Some((Command::LogLevel, "")));
        for other in [
            "/api/order/",
            "/api/order",
            "/api/log-level/x",
            "/api/status",
            "/",
        ] {
            assert_eq!(find(other), None, "{other}");
        }
    }
}
