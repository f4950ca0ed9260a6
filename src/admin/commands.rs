//! The commands: which path takes a POST, and what it does. On the socket only; the TCP port changes
//! nothing, ever.
//!
//! A new command is a line in [`COMMANDS`] and an arm of [`obey`].

use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode, Uri};
use tokio::sync::oneshot;

use super::body::Body;
use super::http::{not_allowed, text};
use super::order::order;
use super::query::{Query, decoded};
use super::server::{Room, Way};
use super::{ask, sources::Sources};
use crate::api::{LogLevelSet, Reloaded};
use crate::config::model::LogLevel;

/// What can be ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Command {
    Order,
    Reload,
    Switchover,
    LogLevel,
}

/// Each path and its command; one that ends in a slash is followed by a name.
const COMMANDS: [(&str, Command); 4] = [
    ("/api/order/", Command::Order),
    ("/api/reload", Command::Reload),
    ("/api/switchover", Command::Switchover),
    ("/api/log-level", Command::LogLevel),
];

/// How long a handover may take when nobody says otherwise.
const PATIENCE: Duration = Duration::from_secs(10);

/// The same at most, in milliseconds: an answer must come while the connection may last.
const MOST_PATIENCE: u64 = 40_000;

/// Why a command was not carried out.
#[derive(Debug)]
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
            let query = Query::parse(uri, &["group", "order", "accept_history"])?;
            Ok(ask::json(&order(sources, &decoded(name)?, &query).await?))
        }
        Command::Reload => {
            Query::parse(uri, &[])?;
            reload(sources).await
        }
        Command::Switchover => {
            let query = Query::parse(uri, &["group", "to", "timeout_ms"])?;
            switchover(&query, sources).await
        }
        Command::LogLevel => log_level(&Query::parse(uri, &["level"])?, sources),
    }
}

/// The reload goes on when whoever asked for it has gone.
async fn reload(sources: &Sources) -> Result<Response<Body>, Refusal> {
    let ending = || Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "the proxy is ending");
    let (answer, asked) = oneshot::channel();
    sources.reload.send(answer).await.map_err(|_| ending())?;
    match asked.await.map_err(|_| ending())? {
        Ok(changes) => Ok(ask::json(&Reloaded { changes })),
        Err(why) => Err(Refusal::new(StatusCode::CONFLICT, why)),
    }
}

async fn switchover(query: &Query, sources: &Sources) -> Result<Response<Body>, Refusal> {
    let config = sources.in_force().config;
    let group = match (query.get("group"), config.groups.as_slice()) {
        (Some(group), _) => group.to_owned(),
        (None, [only]) => only.name.to_string(),
        (None, _) => {
            let names: Vec<&str> = config.groups.iter().map(|group| &*group.name).collect();
            return Err(format!("the parameter group is missing: {}", names.join(", ")).into());
        }
    };
    let patience = match query.get("timeout_ms").map(str::parse::<u64>) {
        None => PATIENCE,
        Some(Ok(millis)) if (1..=MOST_PATIENCE).contains(&millis) => Duration::from_millis(millis),
        Some(_) => {
            return Err(format!("timeout_ms must be a number from 1 to {MOST_PATIENCE}").into());
        }
    };
    let (director, to) = (sources.director.clone(), query.get("to").map(str::to_owned));
    // It comes to its end even when whoever asked for it has gone.
    let run = tokio::spawn(async move { director.switch(&group, to.as_deref(), patience).await });
    match run.await {
        Ok(outcome) => Ok(ask::json(&outcome)),
        Err(bug) => {
            let why = format!("a bug, please report it: {bug}");
            Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, why))
        }
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
