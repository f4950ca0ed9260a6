//! One check of a node as a state machine: it says what to send, is fed what came back, and ends in an
//! [`Outcome`] (R8). Sockets and deadlines are its owner's business.
//!
//! What is asked: AUTH (on a new connection, when a password is configured), PING, INFO replication, and
//! INFO server until this connection's process is known; all in one write. PING is not ceremony: -LOADING,
//! -MISCONF and -MASTERDOWN show only there, and INFO of a loading node says role:master. A primary that
//! looks new is asked INFO keyspace as well, once per run (R5); one whose history branched from another is asked
//! INFO stats, once per branch: whether it received that history, or has a copy of a file (R3 (2)).

use std::collections::VecDeque;
use std::sync::Arc;

use super::info::{self, Replication, Server};
use super::product::Product;
use super::resp::{self, Reply, RespError};
use crate::core::facts::{Condition, Facts, Mode, ReplId, RunId};
use crate::core::outcome::{Denial, Outcome};

/// The longest error line that is shown, in characters.
const QUOTED: usize = 200;

/// User and password for AUTH.
#[derive(Clone, Copy)]
pub struct Login<'a> {
    /// None for the plain AUTH of a password.
    pub username: Option<&'a str>,
    /// Goes to the wire, and is cut out of whatever a node says.
    pub password: &'a str,
}

/// What a check finds when it begins.
#[derive(Clone, Copy)]
pub enum Opening<'a> {
    /// A new connection, on which nothing was said yet.
    Fresh(Option<Login<'a>>),
    /// The connection of an earlier check that ended in [`Fate::Keep`].
    Reused,
}

/// What earlier checks of the same node learned, so that this one need not ask again.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The process behind the connection.
    server: Option<Server>,
    /// Whether that run had keys when it was asked.
    keys: Option<(RunId, bool)>,
    /// What that run had received of replication streams when it began to show this `master_replid2`. A
    /// primary receives no more, so it is asked once.
    stream: Option<Stream>,
}

/// A run, the `master_replid2` that it shows, and what it received; none where it does not tell.
type Stream = (RunId, ReplId, Option<u64>);

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Feed more.
    NeedMore,
    /// Send this, then feed more.
    AlsoSend(Vec<u8>),
    /// The check has ended; feed nothing more.
    Done(Outcome),
}

/// What becomes of the connection after a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// All that was asked was answered, and nothing else was said.
    Keep,
    /// Its next bytes could be anything.
    Drop,
}

/// A question that is still to be answered, in the order of the questions.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ask {
    Auth,
    Ping,
    Replication,
    Server,
    Keyspace,
    Stats,
}

/// One check in progress.
pub struct Probe {
    known: Known,
    address: Arc<str>,
    secret: Option<String>,
    asked: VecDeque<Ask>,
    unread: Vec<u8>,
    condition: Condition,
    /// The node said that it is alive but busy with itself: Loading or Busy.
    occupied: Option<Outcome>,
    replication: String,
    facts: Option<Facts>,
    fate: Fate,
}

impl Ask {
    /// The section of INFO that is asked; empty for what is no INFO.
    const fn section(self) -> &'static str {
        match self {
            Self::Auth | Self::Ping => "",
            Self::Replication => "replication",
            Self::Server => "server",
            Self::Keyspace => "keyspace",
            Self::Stats => "stats",
        }
    }
}

impl Known {
    /// The product behind the connection; none while it was not asked.
    pub fn product(&self) -> Option<Product> {
        self.server.as_ref().map(|server| server.product)
    }
}

impl Probe {
    /// Begins a check of the node at `address`. The second value is what to send.
    pub fn new(opening: Opening<'_>, mut known: Known, address: Arc<str>) -> (Self, Vec<u8>) {
        let mut request = Vec::new();
        let mut asked = VecDeque::new();
        let mut secret = None;
        if let Opening::Fresh(login) = opening {
            // Another process may be behind the same address now.
            known.server = None;
            if let Some(Login { username, password }) = login {
                match username {
                    Some(name) => resp::command(&mut request, &["AUTH", name, password]),
                    None => resp::command(&mut request, &["AUTH", password]),
                }
                asked.push_back(Ask::Auth);
                secret = Some(password.to_owned());
            }
        }
        resp::command(&mut request, &["PING"]);
        resp::command(&mut request, &["INFO", "replication"]);
        asked.extend([Ask::Ping, Ask::Replication]);
        if known.server.is_none() {
            resp::command(&mut request, &["INFO", "server"]);
            asked.push_back(Ask::Server);
        }
        let probe = Self {
            known,
            address,
            secret,
            asked,
            unread: Vec::new(),
            condition: Condition::Normal,
            occupied: None,
            replication: String::new(),
            facts: None,
            fate: Fate::Drop,
        };
        (probe, request)
    }

    /// Takes in what the node sent.
    pub fn feed(&mut self, bytes: &[u8]) -> Progress {
        self.unread.extend_from_slice(bytes);
        // An incomplete line is not searched again for every byte of it.
        let in_line = matches!(self.unread.first(), Some(b'+' | b'-' | b':'));
        if in_line && !bytes.contains(&b'\n') && self.unread.len() <= resp::REPLY_CAP {
            return Progress::NeedMore;
        }
        loop {
            match resp::next_reply(&self.unread) {
                Ok(None) => return Progress::NeedMore,
                Err(RespError::NotResp { .. }) if !self.said_enough() => return Progress::NeedMore,
                Err(error) => return Progress::Done(self.no_reply(&error)),
                Ok(Some((reply, length))) => {
                    self.unread.drain(..length);
                    match self.take(reply) {
                        Ok(None) => {}
                        Ok(Some(progress)) => return progress,
                        Err(outcome) => return Progress::Done(outcome),
                    }
                }
            }
        }
    }

    /// What follows from what came so far, when no more will come: the node closed, or the deadline
    /// passed. None when nothing does.
    pub fn cut_off(&mut self) -> Option<Outcome> {
        if let Err(error) = resp::next_reply(&self.unread) {
            return Some(self.no_reply(&error));
        }
        if self.asked.front() == Some(&Ask::Stats) {
            self.note_stream(None);
            return self
                .facts
                .take()
                .map(|facts| Outcome::Answered(Box::new(facts)));
        }
        self.occupied.clone()
    }

    /// INFO replication as it came, for whoever wants to know more than the facts; empty when it did not.
    pub fn take_replication(&mut self) -> String {
        std::mem::take(&mut self.replication)
    }

    /// What becomes of the connection, and what the next check need not ask.
    pub fn finish(self) -> (Fate, Known) {
        (self.fate, self.known)
    }

    /// Takes one reply. Progress when there is something to do; an outcome as error when the check can
    /// only end in it, whatever else comes.
    fn take(&mut self, reply: Reply) -> Result<Option<Progress>, Outcome> {
        let Some(ask) = self.asked.pop_front() else {
            return Err(Outcome::BadReply("a reply that nobody asked for".into()));
        };
        match (ask, reply) {
            (Ask::Stats, Reply::Bulk(text)) => self.note_stream(info::stream_bytes(&lossy(&text))),
            // Without it the node is judged as one that does not tell.
            (Ask::Stats, _) => self.note_stream(None),
            (_, Reply::Error(text)) => self.complaint(ask, &text)?,
            (Ask::Auth, Reply::Simple(_)) => {}
            (Ask::Ping, Reply::Simple(text)) if text == "PONG" => {}
            (Ask::Replication, Reply::Bulk(text)) => self.replication = lossy(&text),
            (Ask::Server, Reply::Bulk(text)) => {
                let server = Server::read(&lossy(&text), &self.address).map_err(bad_info)?;
                self.known.server = Some(server);
            }
            (Ask::Keyspace, Reply::Bulk(text)) => {
                let has_keys = info::has_keys(&lossy(&text)).map_err(bad_info)?;
                self.note_keys(has_keys);
            }
            (_, reply) => return Err(self.off_topic(ask, &reply)),
        }
        if self.asked.is_empty() {
            self.conclude().map(Some)
        } else {
            Ok(None)
        }
    }

    /// Takes an error reply: a complaint that ends the check, or one that is part of the picture.
    fn complaint(&mut self, ask: Ask, text: &str) -> Result<(), Outcome> {
        let denied = |denial| Err(Outcome::Denied(denial, self.quote(text).into()));
        match text.split(' ').next().unwrap_or_default() {
            "LOADING" => self.occupied = Some(Outcome::Loading),
            "BUSY" if self.occupied.is_none() => self.occupied = Some(Outcome::Busy),
            "BUSY" => {}
            "MISCONF" if ask == Ask::Ping => self.condition = Condition::Misconf,
            "MASTERDOWN" if ask == Ask::Ping => self.condition = Condition::MasterDown,
            "NOAUTH" => return denied(Denial::NoAuth),
            "WRONGPASS" => return denied(Denial::WrongPass),
            "NOPERM" => return denied(Denial::NoPerm),
            // Said unasked, right after the node accepted.
            "DENIED" => return denied(Denial::ProtectedMode),
            "ERR" if text.starts_with("ERR max number of clients") => {
                return Err(Outcome::TooManyClients);
            }
            "ERR" if ask == Ask::Auth && needs_no_password(text) => {}
            // Before Redis 6; the second to a user name, which it does not know.
            "ERR"
                if ask == Ask::Auth
                    && (text.starts_with("ERR invalid password")
                        || text.starts_with("ERR wrong number of arguments")) =>
            {
                return denied(Denial::WrongPass);
            }
            // Before Redis 2.8.
            "ERR" if text.starts_with("ERR operation not permitted") => {
                return denied(Denial::NoAuth);
            }
            _ => return Err(self.off_topic(ask, &Reply::Error(text.to_owned()))),
        }
        Ok(())
    }

    /// All that was asked is answered.
    fn conclude(&mut self) -> Result<Progress, Outcome> {
        if let Some(occupied) = self.occupied.clone() {
            return Ok(self.done(occupied));
        }
        if let Some(facts) = self.facts.take() {
            return Ok(self.done(Outcome::Answered(Box::new(facts))));
        }
        let Some(server) = self.known.server.clone() else {
            return Err(Outcome::BadReply("no answer to INFO server".into()));
        };
        let replication = match server.mode {
            Mode::Sentinel => Replication::of_a_sentinel(),
            Mode::Standalone | Mode::Cluster => {
                Replication::read(&self.replication).map_err(bad_info)?
            }
        };
        let mut facts = replication.into_facts(server, self.condition);
        // A primary that looks new has no earlier history, so at most one of the two is asked.
        let question = if facts.looks_unproven() {
            facts.has_keys = self.keys_of(&facts.run_id);
            facts.has_keys.is_none().then_some(Ask::Keyspace)
        } else {
            let asked = self.asked_for_stream(&facts);
            if let Some((.., bytes)) = asked {
                facts.stream_bytes = *bytes;
            }
            (asked.is_none() && facts.claims() && facts.replid2.is_some()).then_some(Ask::Stats)
        };
        let Some(ask) = question else {
            return Ok(self.done(Outcome::Answered(Box::new(facts))));
        };
        if !self.unread.is_empty() {
            // Said before the question, so it is no answer to it.
            return Err(Outcome::BadReply("a reply that nobody asked for".into()));
        }
        let mut request = Vec::new();
        resp::command(&mut request, &["INFO", ask.section()]);
        self.asked.push_back(ask);
        self.facts = Some(facts);
        Ok(Progress::AlsoSend(request))
    }

    /// What came of asking this run for its streams, while it shows the same branch.
    fn asked_for_stream(&self, facts: &Facts) -> Option<&Stream> {
        self.known.stream.as_ref().filter(|(run, branch, _)| {
            *run == facts.run_id && Some(branch) == facts.replid2.as_ref()
        })
    }

    fn note_stream(&mut self, bytes: Option<u64>) {
        if let Some(facts) = &mut self.facts {
            facts.stream_bytes = bytes;
            let branch = facts.replid2.clone();
            self.known.stream = branch.map(|branch| (facts.run_id.clone(), branch, bytes));
        }
    }

    fn keys_of(&self, run_id: &RunId) -> Option<bool> {
        match &self.known.keys {
            Some((run, has_keys)) if run == run_id => Some(*has_keys),
            _ => None,
        }
    }

    fn note_keys(&mut self, has_keys: bool) {
        if let Some(facts) = &mut self.facts {
            facts.has_keys = Some(has_keys);
            self.known.keys = Some((facts.run_id.clone(), has_keys));
        }
    }

    /// The regular end: question and answer are in step, unless the node said more than it was asked.
    fn done(&mut self, outcome: Outcome) -> Progress {
        if self.unread.is_empty() {
            self.fate = Fate::Keep;
        }
        Progress::Done(outcome)
    }

    /// Whether a stranger's first line is complete enough to be shown.
    fn said_enough(&self) -> bool {
        self.unread.len() > QUOTED || self.unread.contains(&b'\n')
    }

    fn no_reply(&self, error: &RespError) -> Outcome {
        match error {
            // Quoted anew: the password may be in what a stranger says.
            RespError::NotResp { .. } => {
                let said = self.quote(&lossy(&self.unread));
                Outcome::NotRedis(said.chars().take(resp::SAID).collect::<String>().into())
            }
            other => Outcome::BadReply(other.to_string().into()),
        }
    }

    fn off_topic(&self, ask: Ask, reply: &Reply) -> Outcome {
        let asked = match ask {
            Ask::Auth => "AUTH".to_owned(),
            Ask::Ping => "PING".to_owned(),
            info => format!("INFO {}", info.section()),
        };
        let answer = match reply {
            Reply::Simple(text) => format!("+{}", self.quote(text)),
            Reply::Error(text) => format!("-{}", self.quote(text)),
            Reply::Integer(number) => format!("the number {number}"),
            Reply::Bulk(text) => format!("{} bytes", text.len()),
            Reply::Null => "null".to_owned(),
        };
        Outcome::BadReply(format!("{asked} was answered by {answer}").into())
    }

    fn quote(&self, text: &str) -> String {
        quoted(text, self.secret.as_deref())
    }
}

/// The first line of what a node said, fit to be shown: without the password (a server whose AUTH is
/// renamed says "unknown command, with args beginning with: ..."), printable, and not endless.
pub(super) fn quoted(text: &str, secret: Option<&str>) -> String {
    let text = text.split("args beginning with").next().unwrap_or_default();
    let text = match secret {
        Some(secret) if !secret.is_empty() => text.replace(secret, "[secret]"),
        _ => text.to_owned(),
    };
    let line = text.lines().next().unwrap_or_default();
    line.escape_debug().take(QUOTED).collect()
}

/// AUTH was sent to a node that wants none: the rest of the check works.
pub(super) fn needs_no_password(text: &str) -> bool {
    text.contains("without any password configured") || text.contains("no password is set")
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[expect(clippy::needless_pass_by_value, reason = "a function for map_err")]
fn bad_info(error: info::InfoError) -> Outcome {
    Outcome::BadReply(error.to_string().into())
}

#[cfg(test)]
#[path = "probe_tests.rs"]
mod tests;
