//! How a check can end (R8). One value gives the state machine its input, the metric its label and
//! the log its words.

use std::fmt;
use std::sync::Arc;

use super::facts::Facts;
use super::time::Moment;

/// What a check task tells the monitor about one check.
#[derive(Clone, Debug)]
pub struct Report {
    /// When the check began.
    pub started: Moment,
    /// When it ended.
    pub finished: Moment,
    /// It opened a new connection, so it also proves that the node accepts.
    pub dialled: bool,
    /// How it ended.
    pub outcome: Outcome,
}

/// How one check ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Complete: +PONG (or -MISCONF, -MASTERDOWN) and INFO.
    Answered(Box<Facts>),
    /// -LOADING: alive, reading its data from disk. INFO of a loading node says role:master.
    Loading,
    /// -BUSY: alive, running a long script.
    Busy,
    /// "max number of clients reached": alive, takes no new connections.
    TooManyClients,
    /// The deadline of the check passed.
    TimedOut(Stage),
    /// Nobody listens there: the connection was refused, or the Unix socket is missing.
    Refused,
    /// The network says that the host cannot be reached.
    Unreachable(Arc<str>),
    /// The host name could not be looked up.
    Unresolved(Arc<str>),
    /// The node closed the check connection: a reason to look again, no failure yet (R11).
    Closed,
    /// The node refuses to talk to us: a configuration error.
    Denied(Denial, Arc<str>),
    /// It speaks, but not RESP. Holds the beginning of what it said.
    NotRedis(Arc<str>),
    /// RESP, but not an answer to what was asked. Holds what is wrong with it.
    BadReply(Arc<str>),
    /// The name has several addresses, and the node answers at none of them. Counts as what happened at
    /// the first; holds in words what happened at each.
    AtNoAddress(Box<Outcome>, Arc<str>),
}

/// What a check was waiting for when its deadline passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The connection.
    Connect,
    /// The replies.
    Reply,
}

/// Why a node refuses to talk to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// -NOAUTH: it wants a password and none is configured.
    NoAuth,
    /// -WRONGPASS, or "invalid password" before Redis 6.
    WrongPass,
    /// -NOPERM: the user may not run PING or INFO.
    NoPerm,
    /// -DENIED: protected mode.
    ProtectedMode,
}

impl Outcome {
    /// The label of `rolecall_checks_total{outcome}`.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Answered(_) => "answered",
            Self::Loading => "loading",
            Self::Busy => "busy",
            Self::TooManyClients => "too_many_clients",
            Self::TimedOut(_) => "timed_out",
            Self::Refused => "refused",
            Self::Unreachable(_) => "unreachable",
            Self::Unresolved(_) => "unresolved",
            Self::Closed => "closed",
            Self::Denied(..) => "denied",
            Self::NotRedis(_) => "not_redis",
            Self::BadReply(_) => "bad_reply",
            Self::AtNoAddress(first, _) => first.label(),
        }
    }

    /// What it counts as: what happened at the first address.
    pub fn counts_as(&self) -> &Self {
        match self {
            Self::AtNoAddress(first, _) => first.counts_as(),
            other => other,
        }
    }

    /// Whether a Redis or Valkey spoke, though it may not serve now.
    pub fn is_answer(&self) -> bool {
        matches!(
            self,
            Self::Answered(_)
                | Self::Loading
                | Self::Busy
                | Self::TooManyClients
                | Self::Denied(..)
        )
    }

    /// Whether it counts as a time-out (R8): nothing was heard that proves life or death.
    pub fn is_silence(&self) -> bool {
        matches!(
            self.counts_as(),
            Self::TimedOut(_) | Self::Unreachable(_) | Self::Unresolved(_) | Self::Closed
        )
    }

    /// Every label that [`Outcome::label`] can give, so that counters start at zero.
    pub const LABELS: [&'static str; 12] = [
        "answered",
        "loading",
        "busy",
        "too_many_clients",
        "timed_out",
        "refused",
        "unreachable",
        "unresolved",
        "closed",
        "denied",
        "not_redis",
        "bad_reply",
    ];
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered(facts) if facts.claims() => f.write_str("says role:master"),
            Self::Answered(_) => f.write_str("says role:slave"),
            Self::Loading => f.write_str("is loading its data from disk"),
            Self::Busy => f.write_str("is busy with a long script"),
            Self::TooManyClients => f.write_str("has reached its maxclients"),
            Self::TimedOut(Stage::Connect) => f.write_str("did not accept a connection in time"),
            Self::TimedOut(Stage::Reply) => f.write_str("did not answer in time"),
            Self::Refused => f.write_str("refused the connection"),
            Self::Unreachable(why) => write!(f, "cannot be reached ({why})"),
            Self::Unresolved(why) => write!(f, "has a name that cannot be looked up ({why})"),
            Self::Closed => f.write_str("closed the check connection"),
            Self::Denied(denial, _) => write!(f, "{denial}"),
            Self::NotRedis(said) => write!(f, "is not Redis (it answered {said})"),
            Self::BadReply(why) => write!(f, "gave an answer that makes no sense ({why})"),
            Self::AtNoAddress(_, all) => {
                write!(f, "answers at none of the addresses of its name ({all})")
            }
        }
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoAuth => "wants a password and none is configured: set auth of the group",
            Self::WrongPass => "refused the password: correct auth of the group",
            Self::NoPerm => "does not let our user run PING and INFO: grant +ping +info",
            Self::ProtectedMode => "is in protected mode: set a password or bind it to our address",
        })
    }
}
