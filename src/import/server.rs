//! `server`, `server-template` and `default-server` lines: the address, and every word after it.

use super::address::{self, Target};
use super::lexer::{Variable, Word};
use super::place::Place;
use super::sections::Directive;
use super::topic::{Gap, Topic};
use super::values;

/// What a word of a line came to, beside what the line itself became.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Note {
    Changed(Topic, String),
    Gap(Gap, String),
}

/// One server line.
#[derive(Clone, Debug)]
pub(super) struct Server {
    pub(super) place: Place,
    pub(super) name: String,
    /// As written.
    pub(super) written: String,
    pub(super) target: Result<Target, String>,
    pub(super) backup: bool,
    pub(super) disabled: bool,
    pub(super) check: bool,
    pub(super) weight: Option<u64>,
    pub(super) check_addr: Option<String>,
    pub(super) check_port: Option<String>,
    /// How many servers a template stands for.
    pub(super) count: Option<u64>,
    pub(super) variables: Vec<Variable>,
    pub(super) notes: Vec<Note>,
}

/// What `default-server` lines set for the lines below them.
#[derive(Clone, Debug, Default)]
pub(super) struct Defaults {
    words: Vec<Word>,
}

impl Defaults {
    /// Later words win over earlier ones, so they are just put behind them.
    pub(super) fn add(&mut self, line: &Directive) {
        self.words.extend_from_slice(line.from(1));
    }
}

/// What the words of a line say, as far as later code needs it.
#[derive(Default)]
struct Options {
    backup: bool,
    disabled: bool,
    check: bool,
    weight: Option<u64>,
    addr: Option<String>,
    port: Option<String>,
}

/// How many words follow a keyword, and what comes of it.
enum Meaning {
    Known,
    Changed(Topic),
    Missing(Gap, &'static str),
}

use Meaning::{Changed, Known, Missing};

const TLS: &str = "rolecall has no TLS yet: the node must have a plain port for rolecall, or a TLS tunnel \
                   beside it";
const PROXY: &str =
    "rolecall sends no PROXY protocol: Redis does not understand it; name Redis itself";

const WORDS: &[(&str, usize, Meaning)] = &[
    ("check", 0, Known),
    ("no-check", 0, Known),
    ("backup", 0, Known),
    ("no-backup", 0, Known),
    ("disabled", 0, Known),
    ("enabled", 0, Known),
    ("weight", 1, Known),
    ("addr", 1, Known),
    ("port", 1, Known),
    ("id", 1, Known),
    ("guid", 1, Known),
    ("inter", 1, Changed(Topic::Timing)),
    ("fastinter", 1, Changed(Topic::Timing)),
    ("downinter", 1, Changed(Topic::Timing)),
    ("fall", 1, Changed(Topic::Timing)),
    ("rise", 1, Changed(Topic::Timing)),
    ("error-limit", 1, Changed(Topic::Timing)),
    ("on-error", 1, Changed(Topic::Timing)),
    ("observe", 1, Changed(Topic::Timing)),
    ("on-marked-down", 1, Changed(Topic::Demotion)),
    ("on-marked-up", 1, Changed(Topic::Demotion)),
    ("maxconn", 1, Changed(Topic::Limits)),
    ("minconn", 1, Changed(Topic::Limits)),
    ("maxqueue", 1, Changed(Topic::Limits)),
    ("slowstart", 1, Changed(Topic::StartUp)),
    ("init-state", 1, Changed(Topic::StartUp)),
    ("init-addr", 1, Changed(Topic::Names)),
    ("resolvers", 1, Changed(Topic::Names)),
    ("resolve-prefer", 1, Changed(Topic::Names)),
    ("resolve-opts", 1, Changed(Topic::Names)),
    ("resolve-net", 1, Changed(Topic::Names)),
    ("track", 1, Changed(Topic::Checks)),
    ("check-pool-conn-name", 1, Changed(Topic::Checks)),
    ("check-reuse-pool", 0, Changed(Topic::Checks)),
    ("no-check-reuse-pool", 0, Changed(Topic::Checks)),
    ("no-agent-check", 0, Changed(Topic::Checks)),
    (
        "agent-check",
        0,
        Missing(
            Gap::Check,
            "rolecall asks no agents, it asks Redis itself; `rolecall drain` and `maintenance` take a node out by hand",
        ),
    ),
    ("agent-port", 1, Changed(Topic::Checks)),
    ("agent-addr", 1, Changed(Topic::Checks)),
    ("agent-inter", 1, Changed(Topic::Checks)),
    ("agent-send", 1, Changed(Topic::Checks)),
    ("cookie", 1, Changed(Topic::Http)),
    ("redir", 1, Changed(Topic::Http)),
    ("proto", 1, Changed(Topic::Http)),
    ("check-proto", 1, Changed(Topic::Http)),
    ("ws", 1, Changed(Topic::Http)),
    ("pool-max-conn", 1, Changed(Topic::Http)),
    ("pool-low-conn", 1, Changed(Topic::Http)),
    ("pool-purge-delay", 1, Changed(Topic::Http)),
    ("pool-conn-name", 1, Changed(Topic::Http)),
    ("max-reuse", 1, Changed(Topic::Http)),
    ("log-proto", 1, Changed(Topic::Logging)),
    ("log-bufsize", 1, Changed(Topic::Logging)),
    ("stick", 0, Changed(Topic::Stickiness)),
    ("non-stick", 0, Changed(Topic::Stickiness)),
    ("hash-key", 1, Changed(Topic::Balance)),
    ("tcp-ut", 1, Changed(Topic::Sockets)),
    (
        "tcp-md5sig",
        1,
        Missing(Gap::Server, "rolecall signs no segments"),
    ),
    ("tfo", 0, Changed(Topic::Sockets)),
    ("no-tfo", 0, Changed(Topic::Sockets)),
    ("shard", 1, Changed(Topic::Sockets)),
    ("strict-maxconn", 0, Changed(Topic::Limits)),
    (
        "namespace",
        1,
        Missing(Gap::Server, "rolecall dials from its own network namespace"),
    ),
    (
        "source",
        1,
        Missing(
            Gap::Server,
            "rolecall dials from the address that the system chooses",
        ),
    ),
    (
        "usesrc",
        1,
        Missing(Gap::Server, "rolecall dials from its own address"),
    ),
    (
        "interface",
        1,
        Missing(
            Gap::Server,
            "rolecall dials by the interface that the system chooses",
        ),
    ),
    (
        "socks4",
        1,
        Missing(Gap::Server, "rolecall dials nodes directly"),
    ),
    (
        "check-via-socks4",
        0,
        Missing(Gap::Server, "rolecall dials nodes directly"),
    ),
    ("send-proxy", 0, Missing(Gap::Server, PROXY)),
    ("send-proxy-v2", 0, Missing(Gap::Server, PROXY)),
    ("send-proxy-v2-ssl", 0, Missing(Gap::Server, PROXY)),
    ("send-proxy-v2-ssl-cn", 0, Missing(Gap::Server, PROXY)),
    ("set-proxy-v2-tlv-fmt", 1, Missing(Gap::Server, PROXY)),
    ("proxy-v2-options", 1, Missing(Gap::Server, PROXY)),
    ("check-send-proxy", 0, Missing(Gap::Server, PROXY)),
    ("no-send-proxy", 0, Known),
    ("no-send-proxy-v2", 0, Known),
    ("no-send-proxy-v2-ssl", 0, Known),
    ("no-send-proxy-v2-ssl-cn", 0, Known),
    ("no-ssl", 0, Known),
    ("no-check-ssl", 0, Known),
    ("no-verifyhost", 0, Known),
    ("ssl", 0, Missing(Gap::Tls, TLS)),
    ("check-ssl", 0, Missing(Gap::Tls, TLS)),
    ("verify", 1, Missing(Gap::Tls, TLS)),
    ("verifyhost", 1, Missing(Gap::Tls, TLS)),
    ("ca-file", 1, Missing(Gap::Tls, TLS)),
    ("crl-file", 1, Missing(Gap::Tls, TLS)),
    ("crt", 1, Missing(Gap::Tls, TLS)),
    ("ciphers", 1, Missing(Gap::Tls, TLS)),
    ("ciphersuites", 1, Missing(Gap::Tls, TLS)),
    ("curves", 1, Missing(Gap::Tls, TLS)),
    ("client-sigalgs", 1, Missing(Gap::Tls, TLS)),
    ("sigalgs", 1, Missing(Gap::Tls, TLS)),
    ("sni", 1, Missing(Gap::Tls, TLS)),
    ("sni-auto", 0, Missing(Gap::Tls, TLS)),
    ("no-sni-auto", 0, Missing(Gap::Tls, TLS)),
    ("check-sni", 1, Missing(Gap::Tls, TLS)),
    ("check-sni-auto", 0, Missing(Gap::Tls, TLS)),
    ("check-alpn", 1, Missing(Gap::Tls, TLS)),
    ("alpn", 1, Missing(Gap::Tls, TLS)),
    ("npn", 1, Missing(Gap::Tls, TLS)),
    ("allow-0rtt", 0, Missing(Gap::Tls, TLS)),
    ("ssl-max-ver", 1, Missing(Gap::Tls, TLS)),
    ("ssl-min-ver", 1, Missing(Gap::Tls, TLS)),
    ("ssl-reuse", 0, Missing(Gap::Tls, TLS)),
    ("no-ssl-reuse", 0, Missing(Gap::Tls, TLS)),
    ("force-sslv3", 0, Missing(Gap::Tls, TLS)),
    ("force-tlsv10", 0, Missing(Gap::Tls, TLS)),
    ("force-tlsv11", 0, Missing(Gap::Tls, TLS)),
    ("force-tlsv12", 0, Missing(Gap::Tls, TLS)),
    ("force-tlsv13", 0, Missing(Gap::Tls, TLS)),
    ("no-sslv3", 0, Missing(Gap::Tls, TLS)),
    ("no-tlsv10", 0, Missing(Gap::Tls, TLS)),
    ("no-tlsv11", 0, Missing(Gap::Tls, TLS)),
    ("no-tlsv12", 0, Missing(Gap::Tls, TLS)),
    ("no-tlsv13", 0, Missing(Gap::Tls, TLS)),
    ("tls-tickets", 0, Missing(Gap::Tls, TLS)),
    ("no-tls-tickets", 0, Missing(Gap::Tls, TLS)),
    ("renegotiate", 0, Missing(Gap::Tls, TLS)),
    ("no-renegotiate", 0, Missing(Gap::Tls, TLS)),
];

/// Reads a `server` or `server-template` line; none where it has no address.
pub(super) fn read(line: &Directive, defaults: &Defaults, port: Option<&str>) -> Option<Server> {
    let template = line.keyword() == "server-template";
    let at = if template { 3 } else { 2 };
    let address = line.words.get(at)?;
    let count = template.then(|| range_of(line.word(2)));
    let own = line.from(at + 1);
    let mut options = Options::default();
    // What default-server says is told at its own line.
    let _told_there = options.read(&defaults.words);
    let notes = options.read(own);
    let named = format!("{} {}", line.word(1), address.text);
    let variables = [address]
        .into_iter()
        .chain(line.words.get(1))
        .flat_map(|word| word.variables.iter().cloned())
        .collect();
    Some(Server {
        place: line.place,
        name: line.word(1).to_owned(),
        written: named,
        target: address::server(&address.text, port),
        backup: options.backup,
        disabled: options.disabled,
        check: options.check,
        weight: options.weight,
        check_addr: options.addr,
        check_port: options.port,
        count,
        variables,
        notes,
    })
}

/// `3`, or `1-3`.
fn range_of(text: &str) -> u64 {
    match text.split_once('-') {
        Some((first, last)) => match (values::count(first), values::count(last)) {
            (Some(first), Some(last)) => last.saturating_sub(first).saturating_add(1),
            _ => 0,
        },
        None => values::count(text).unwrap_or(0),
    }
}

/// What the words of a `default-server` line came to.
pub(super) fn default_notes(line: &Directive) -> Vec<Note> {
    Options::default().read(line.from(1))
}

impl Options {
    fn read(&mut self, words: &[Word]) -> Vec<Note> {
        let mut notes = Vec::new();
        let mut tls = Vec::new();
        let mut rest = words;
        while let Some((word, after)) = rest.split_first() {
            let found = WORDS.iter().find(|(known, _, _)| word.is(known));
            let taken = found.map_or(0, |(_, count, _)| *count).min(after.len());
            let (values, after) = after.split_at(taken);
            rest = after;
            let meaning = found.map(|(_, _, meaning)| meaning);
            if let Some(Missing(Gap::Tls, _)) = meaning {
                let written = std::iter::once(word).chain(values);
                tls.extend(written.map(|word| word.text.as_str()));
            } else {
                self.note(word, values, meaning, &mut notes);
            }
        }
        if !tls.is_empty() {
            notes.push(Note::Gap(Gap::Tls, format!("`{}`: {TLS}", tls.join(" "))));
        }
        notes
    }

    fn note(
        &mut self,
        word: &Word,
        values: &[Word],
        meaning: Option<&Meaning>,
        notes: &mut Vec<Note>,
    ) {
        let value = values.first().map_or("", |value| value.text.as_str());
        let written = format!("{} {value}", word.text).trim_end().to_owned();
        match meaning {
            Some(Known) => self.keep(word, value, notes),
            Some(Changed(topic)) => notes.push(Note::Changed(*topic, written)),
            Some(Missing(gap, what)) => {
                notes.push(Note::Gap(*gap, format!("`{written}`: {what}")));
            }
            None => unknown_word(notes, &word.text, "server"),
        }
    }

    fn keep(&mut self, word: &Word, value: &str, notes: &mut Vec<Note>) {
        match word.text.as_str() {
            "check" => self.check = true,
            "no-check" => self.check = false,
            "backup" => self.backup = true,
            "no-backup" => self.backup = false,
            "disabled" => self.disabled = true,
            "enabled" => self.disabled = false,
            "weight" => {
                self.weight = values::count(value);
                if self.weight.is_none() {
                    notes.push(Note::Gap(
                        Gap::Server,
                        format!("`weight {value}` is no number: 1 is taken"),
                    ));
                }
            }
            "addr" => self.addr = Some(value.to_owned()),
            "port" => self.port = Some(value.to_owned()),
            _ => {}
        }
    }
}

/// Words that nobody knows are told together: a comment that lacks its # is many of them.
pub(super) fn unknown_word(notes: &mut Vec<Note>, word: &str, line: &str) {
    let what = format!("` is not known here as part of a {line} line");
    // The first one tells where to look; the next may be a password that it is followed by.
    if let Some(Note::Gap(Gap::Server, told)) = notes.last_mut()
        && told.ends_with(&what)
    {
        if !told.ends_with(&format!(" ...{what}")) {
            told.insert_str(told.len() - what.len(), " ...");
        }
        return;
    }
    notes.push(Note::Gap(Gap::Server, format!("`{word}{what}")));
}

impl Server {
    /// Where its check goes, if that is elsewhere than its traffic.
    pub(super) fn checked_at(&self) -> Option<Result<Target, String>> {
        let target = self.target.as_ref().ok()?;
        if self.check_addr.is_none() && self.check_port.is_none() {
            return None;
        }
        let host = self.check_addr.as_deref().or(target.host())?;
        let port = self.check_port.as_deref().or(target.port())?;
        let host = if host.contains(':') && !host.starts_with('[') {
            format!("[{host}]")
        } else {
            host.to_owned()
        };
        let checked = address::server(&format!("{host}:{port}"), None);
        let elsewhere = checked
            .as_ref()
            .map_or(true, |checked| checked.key() != target.key());
        elsewhere.then_some(checked)
    }
}

#[cfg(test)]
mod tests {
    use super::{Defaults, Note, Server, read};
    use crate::import::place::Source;
    use crate::import::sections;
    use crate::import::topic::{Gap, Topic};

    fn server(line: &str) -> Server {
        let text = format!("backend b\n default-server inter 1s weight 7 check\n {line}\n");
        let document = sections::read(&[Source {
            name: "h".to_owned(),
            text,
        }]);
        let body = &document.sections[0].body;
        let mut defaults = Defaults::default();
        defaults.add(&body[0]);
        read(&body[1], &defaults, None).unwrap()
    }

    #[test]
    fn each_word_of_a_server_has_its_end() {
        let found = server(
            "server r1 10.0.0.1:6379 no-check weight 3 backup fall 2 ssl verify none resolvers d strange",
        );
        assert_eq!(
            (found.weight, found.backup, found.check),
            (Some(3), true, false)
        );
        let seen: Vec<_> = found
            .notes
            .iter()
            .map(|note| match note {
                Note::Changed(topic, words) => (Some(*topic), None, words.as_str()),
                Note::Gap(gap, words) => (
                    None,
                    Some(*gap),
                    words.split('`').nth(1).unwrap_or_default(),
                ),
            })
            .collect();
        assert_eq!(
            seen,
            [
                (Some(Topic::Timing), None, "fall 2"),
                (Some(Topic::Names), None, "resolvers d"),
                (None, Some(Gap::Server), "strange"),
                (None, Some(Gap::Tls), "ssl verify none"),
            ]
        );
    }

    #[test]
    fn defaults_and_templates_count() {
        let found = server("server-template r 1-3 redis.svc:6379");
        assert_eq!(
            (found.weight, found.check, found.count),
            (Some(7), true, Some(3))
        );
        let found = server("server r 10.0.0.1:6379 addr 10.0.0.2 port 26379");
        let checked = found.checked_at().unwrap().unwrap();
        assert_eq!(checked.text(), "10.0.0.2:26379");
        assert!(
            server("server r 10.0.0.1:6379 port 6379")
                .checked_at()
                .is_none()
        );
    }
}
