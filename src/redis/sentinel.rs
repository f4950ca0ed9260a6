//! What a Sentinel says, as the core's types: its answer to `SENTINEL MASTER`, and its announcements.
//!
//! Both are state machines that are fed bytes. Sentinel speaks of masters and slaves, so this file does
//! too where it quotes the wire.

use super::probe::{Login, needs_no_password, quoted};
use super::resp::{self, Reply, RespError};
use crate::core::facts::{HostPort, RunId};
use crate::core::sentinel::{Phase, SentinelNews, SentinelReport, Vote};

/// One question to a Sentinel, on a connection of its own: whom do you name?
pub struct Query {
    secret: Option<String>,
    awaits_auth: bool,
    unread: Vec<u8>,
}

/// The connection on which a Sentinel announces what it does.
pub struct Subscription {
    /// The group, as the Sentinels call it.
    master_name: String,
    secret: Option<String>,
    awaits_auth: bool,
    unread: Vec<u8>,
}

/// What came on a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The subscription stands.
    Subscribed,
    /// The answer to [`Subscription::ping`].
    Pong,
    /// News of our group.
    News(SentinelNews),
}

/// A reply of either kind.
enum Frame {
    Plain(Reply),
    Array(Vec<Reply>),
}

impl Query {
    /// Begins to ask about a group. The second value is what to send.
    pub fn new(login: Option<Login<'_>>, master_name: &str) -> (Self, Vec<u8>) {
        let (secret, mut request) = opening(login);
        resp::command(&mut request, &["SENTINEL", "MASTER", master_name]);
        let query = Self {
            awaits_auth: secret.is_some(),
            secret,
            unread: Vec::new(),
        };
        (query, request)
    }

    /// Takes in what came; none while more is needed. After an answer feed nothing more.
    pub fn feed(&mut self, bytes: &[u8]) -> Option<SentinelReport> {
        self.unread.extend_from_slice(bytes);
        loop {
            let said = match next_frame(&mut self.unread) {
                Ok(None) => return None,
                Ok(Some(frame)) => frame,
                Err(error) => return Some(self.no_sentinel(&error)),
            };
            match said {
                Frame::Plain(Reply::Error(text)) if self.awaits_auth => {
                    if !needs_no_password(&text) {
                        return Some(self.complaint(&text));
                    }
                    self.awaits_auth = false;
                }
                Frame::Plain(_) if self.awaits_auth => self.awaits_auth = false,
                Frame::Plain(Reply::Error(text)) => return Some(self.complaint(&text)),
                Frame::Plain(_) => return Some(no_answer()),
                Frame::Array(fields) => {
                    return Some(vote(&fields).map_or_else(no_answer, SentinelReport::Votes));
                }
            }
        }
    }

    fn complaint(&self, text: &str) -> SentinelReport {
        let said = quoted(text, self.secret.as_deref());
        let is_denied = ["NOAUTH", "WRONGPASS", "NOPERM", "DENIED"]
            .contains(&text.split(' ').next().unwrap_or_default())
            || (self.awaits_auth && text.starts_with("ERR"));
        if is_denied {
            SentinelReport::Denied(said.into())
        } else if text.starts_with("ERR No such master") {
            SentinelReport::UnknownName
        } else if text.starts_with("ERR unknown command") {
            SentinelReport::NotASentinel("it is a data node: list it under nodes".into())
        } else {
            SentinelReport::Unreachable(format!("it said {said}").into())
        }
    }

    fn no_sentinel(&self, error: &RespError) -> SentinelReport {
        let why = quoted(&error.to_string(), self.secret.as_deref());
        SentinelReport::NotASentinel(format!("it answered with {why}").into())
    }
}

impl Subscription {
    /// Begins to listen to what concerns a group. The second value is what to send.
    pub fn new(login: Option<Login<'_>>, master_name: &str) -> (Self, Vec<u8>) {
        let (secret, mut request) = opening(login);
        // Every event of a Sentinel, and little of what applications publish at a data node that was
        // listed by mistake.
        resp::command(&mut request, &["PSUBSCRIBE", "+*", "-*"]);
        let subscription = Self {
            master_name: master_name.to_owned(),
            awaits_auth: secret.is_some(),
            secret,
            unread: Vec::new(),
        };
        (subscription, request)
    }

    /// What to send to learn whether the Sentinel is still there.
    pub fn ping() -> Vec<u8> {
        let mut request = Vec::new();
        resp::command(&mut request, &["PING"]);
        request
    }

    /// Takes in what came. What is of no concern gives nothing.
    ///
    /// # Errors
    /// What the Sentinel said when it does not let us listen, or what came instead of RESP. The
    /// connection is of no use then.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Heard>, String> {
        self.unread.extend_from_slice(bytes);
        let mut all = Vec::new();
        while let Some(frame) = next_frame(&mut self.unread)
            .map_err(|error| quoted(&error.to_string(), self.secret.as_deref()))?
        {
            match frame {
                Frame::Plain(Reply::Error(text)) => {
                    if !(self.awaits_auth && needs_no_password(&text)) {
                        return Err(quoted(&text, self.secret.as_deref()));
                    }
                    self.awaits_auth = false;
                }
                Frame::Plain(_) => self.awaits_auth = false,
                Frame::Array(items) => all.extend(self.take(&items)),
            }
        }
        Ok(all)
    }

    fn take(&self, items: &[Reply]) -> Option<Heard> {
        let words: Vec<&str> = items.iter().map(text).collect();
        match *words.as_slice() {
            ["psubscribe" | "subscribe", ..] => Some(Heard::Subscribed),
            ["pong", ..] => Some(Heard::Pong),
            ["message", channel, payload] | ["pmessage", _, channel, payload] => {
                news(channel, payload, &self.master_name).map(Heard::News)
            }
            _ => None,
        }
    }
}

/// What an announcement means for the group that the Sentinels call `master_name`; none when it does not
/// concern it.
pub fn news(channel: &str, payload: &str, master_name: &str) -> Option<SentinelNews> {
    let words: Vec<&str> = payload.split(' ').collect();
    if channel == "+switch-master" {
        return match *words.as_slice() {
            [name, _, _, host, port] if name == master_name => Some(promotes(host, port)),
            _ => None,
        };
    }
    // "slave <name> <ip> <port> @ <master-name> <ip> <port>", or "master <master-name> <ip> <port>".
    let (kind, of_group) = match *words.as_slice() {
        ["master", name, ..] => ("master", name),
        [kind, _, _, _, "@", name, ..] => (kind, name),
        _ => return None,
    };
    if of_group != master_name {
        return None;
    }
    let place = || Some(promotes(words.get(2)?, words.get(3)?));
    match (kind, channel) {
        (
            "slave",
            "+selected-slave"
            | "+failover-state-send-slaveof-noone"
            | "+failover-state-wait-promotion"
            | "+promoted-slave",
        ) => place(),
        ("sentinel", "+config-update-from") => Some(SentinelNews::Stirs),
        ("sentinel", _) => None,
        (_, channel) => stirs(channel).then_some(SentinelNews::Stirs),
    }
}

/// Whether an announcement about a node of the group is a reason to check now.
fn stirs(channel: &str) -> bool {
    let Some(what) = channel.strip_prefix(['+', '-']) else {
        return false;
    };
    what.starts_with("failover")
        || what.starts_with("slave-reconf")
        || matches!(
            what,
            "sdown"
                | "odown"
                | "role-change"
                | "convert-to-slave"
                | "try-failover"
                | "elected-leader"
                | "fix-slave-config"
                | "reboot"
                | "reset-master"
                | "slave"
        )
}

fn promotes(host: &str, port: &str) -> SentinelNews {
    // An address that makes no sense still tells that something happens.
    port.parse().map_or(SentinelNews::Stirs, |port| {
        SentinelNews::Promotes(HostPort::new(host, port))
    })
}

/// Reads the fields of `SENTINEL MASTER`; none without an address.
fn vote(fields: &[Reply]) -> Option<Vote> {
    let field = |name: &str| {
        let mut pairs = fields.chunks_exact(2);
        pairs.find_map(|pair| (text(pair.first()?) == name).then(|| pair.get(1).map(text))?)
    };
    let flags = field("flags").unwrap_or_default();
    let has = |wanted: &str| flags.split(',').any(|flag| flag == wanted);
    Some(Vote {
        address: HostPort::new(
            field("ip").filter(|ip| !ip.is_empty())?,
            field("port")?.parse().ok()?,
        ),
        run_id: field("runid")
            .filter(|run| !run.is_empty())
            .map(|run| RunId(run.into())),
        config_epoch: field("config-epoch")
            .and_then(|epoch| epoch.parse().ok())
            .unwrap_or(0),
        phase: if has("failover_in_progress") {
            Phase::FailingOver
        } else {
            Phase::Settled
        },
        down: has("s_down") || has("o_down"),
    })
}

fn no_answer() -> SentinelReport {
    SentinelReport::NotASentinel("its answer to SENTINEL MASTER names no address".into())
}

/// The password to cut out of answers, and AUTH.
fn opening(login: Option<Login<'_>>) -> (Option<String>, Vec<u8>) {
    let mut request = Vec::new();
    if let Some(Login { username, password }) = login {
        match username {
            Some(name) => resp::command(&mut request, &["AUTH", name, password]),
            None => resp::command(&mut request, &["AUTH", password]),
        }
    }
    (login.map(|login| login.password.to_owned()), request)
}

/// Takes the first whole reply off `unread`.
fn next_frame(unread: &mut Vec<u8>) -> Result<Option<Frame>, RespError> {
    let found = if unread.first() == Some(&b'*') {
        resp::next_flat_array(unread)?.map(|(items, length)| (Frame::Array(items), length))
    } else {
        resp::next_reply(unread)?.map(|(reply, length)| (Frame::Plain(reply), length))
    };
    Ok(found.map(|(frame, length)| {
        unread.drain(..length);
        frame
    }))
}

/// Texts only: a number or bytes that are no UTF-8 are nothing that we read.
fn text(reply: &Reply) -> &str {
    match reply {
        Reply::Bulk(bytes) => std::str::from_utf8(bytes).unwrap_or_default(),
        Reply::Simple(text) => text,
        Reply::Error(_) | Reply::Integer(_) | Reply::Null => "",
    }
}

#[cfg(test)]
#[path = "sentinel_tests.rs"]
mod tests;
