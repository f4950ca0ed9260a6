//! `bind` lines, and the addresses that old configurations put on the line of `listen`: what they open,
//! and every word after it.

use super::address::{self, Door};
use super::lexer::{Variable, Word};
use super::place::Place;
use super::sections::Directive;
use super::server::{Note, unknown_word};
use super::topic::{Gap, Topic};
use super::values;

/// One `bind` line.
#[derive(Clone, Debug)]
pub(super) struct BindLine {
    pub(super) place: Place,
    pub(super) written: String,
    pub(super) doors: Vec<Result<Door, String>>,
    pub(super) tls: bool,
    pub(super) max_connections: Option<u64>,
    pub(super) variables: Vec<Variable>,
    pub(super) notes: Vec<Note>,
}

enum Meaning {
    Known,
    Changed(Topic),
    Missing(Gap, &'static str),
}

use Meaning::{Changed, Known, Missing};

const OWNER: &str = "a Unix socket of rolecall belongs to its user; UMask= and Group= of the service decide \
                     who may connect";

const WORDS: &[(&str, usize, Meaning)] = &[
    ("name", 1, Known),
    ("id", 1, Known),
    ("guid-prefix", 1, Known),
    ("maxconn", 1, Known),
    ("v4v6", 0, Known),
    ("v6only", 0, Known),
    ("ssl", 0, Known),
    ("backlog", 1, Changed(Topic::Limits)),
    ("defer-accept", 0, Changed(Topic::Sockets)),
    ("tfo", 0, Changed(Topic::Sockets)),
    ("tcp-ut", 1, Changed(Topic::Sockets)),
    ("tcp-ss", 1, Changed(Topic::Sockets)),
    ("mss", 1, Changed(Topic::Sockets)),
    ("cc", 1, Changed(Topic::Sockets)),
    ("nice", 1, Changed(Topic::Process)),
    ("process", 1, Changed(Topic::Process)),
    ("thread", 1, Changed(Topic::Process)),
    ("shards", 1, Changed(Topic::Process)),
    ("expose-fd", 1, Changed(Topic::Process)),
    ("level", 1, Changed(Topic::Stats)),
    ("severity-output", 1, Changed(Topic::Stats)),
    ("proto", 1, Changed(Topic::Http)),
    ("mode", 1, Missing(Gap::Other, OWNER)),
    ("user", 1, Missing(Gap::Other, OWNER)),
    ("group", 1, Missing(Gap::Other, OWNER)),
    ("uid", 1, Missing(Gap::Other, OWNER)),
    ("gid", 1, Missing(Gap::Other, OWNER)),
    (
        "interface",
        1,
        Missing(
            Gap::AccessControl,
            "rolecall listens by address: write the address of that interface",
        ),
    ),
    (
        "namespace",
        1,
        Missing(Gap::Other, "rolecall listens in its own network namespace"),
    ),
    (
        "transparent",
        0,
        Missing(
            Gap::Other,
            "rolecall listens on addresses of this host only; net.ipv4.ip_nonlocal_bind=1 lets it open one that comes later (VRRP)",
        ),
    ),
    (
        "accept-proxy",
        0,
        Missing(
            Gap::Other,
            "rolecall does not read the PROXY protocol: whoever sends it here must stop to, or Redis answers with an error",
        ),
    ),
    (
        "accept-netscaler-cip",
        1,
        Missing(
            Gap::Other,
            "rolecall does not read client addresses from the stream",
        ),
    ),
    ("quic-cc-algo", 1, Changed(Topic::Http)),
    ("quic-force-retry", 0, Changed(Topic::Http)),
];

/// Words that belong to `ssl`, and how many values each takes.
const TLS_WORDS: &[(&str, usize)] = &[
    ("crt", 1),
    ("crt-list", 1),
    ("ca-file", 1),
    ("ca-ignore-err", 1),
    ("ca-sign-file", 1),
    ("ca-sign-pass", 1),
    ("ca-verify-file", 1),
    ("crl-file", 1),
    ("crt-ignore-err", 1),
    ("ciphers", 1),
    ("ciphersuites", 1),
    ("curves", 1),
    ("ecdhe", 1),
    ("sigalgs", 1),
    ("client-sigalgs", 1),
    ("alpn", 1),
    ("npn", 1),
    ("verify", 1),
    ("ssl-min-ver", 1),
    ("ssl-max-ver", 1),
    ("tls-ticket-keys", 1),
    ("allow-0rtt", 0),
    ("generate-certificates", 0),
    ("strict-sni", 0),
    ("prefer-client-ciphers", 0),
    ("no-alpn", 0),
    ("no-ca-names", 0),
    ("no-sslv3", 0),
    ("no-tlsv10", 0),
    ("no-tlsv11", 0),
    ("no-tlsv12", 0),
    ("no-tlsv13", 0),
    ("no-tls-tickets", 0),
    ("force-sslv3", 0),
    ("force-tlsv10", 0),
    ("force-tlsv11", 0),
    ("force-tlsv12", 0),
    ("force-tlsv13", 0),
];

/// Reads the words from `at` on as what a `bind` line holds; none where there is no address.
pub(super) fn read(line: &Directive, at: usize) -> Option<BindLine> {
    let address = line.words.get(at)?;
    let mut bind = BindLine {
        place: line.place,
        written: address.text.clone(),
        doors: address::doors(&address.text),
        tls: false,
        max_connections: None,
        variables: address.variables.clone(),
        notes: Vec::new(),
    };
    let mut six = None;
    let mut rest = line.from(at + 1);
    while let Some((word, after)) = rest.split_first() {
        let taken = bind.word(word, after, &mut six);
        rest = after.get(taken..).unwrap_or_default();
    }
    if bind.tls {
        bind.keep_on_this_host();
    }
    bind.both_families(six);
    Some(bind)
}

/// Whether a listener's line in old style names an address.
pub(super) fn looks_like_address(text: &str) -> bool {
    text.contains(':') || text.starts_with('/')
}

impl BindLine {
    /// Takes one word with its values; says how many values.
    fn word(&mut self, word: &Word, after: &[Word], six: &mut Option<bool>) -> usize {
        let value = after.first().map_or("", |value| value.text.as_str());
        let shown = |count: usize| match count {
            0 => word.text.clone(),
            _ => format!("{} {value}", word.text),
        };
        if let Some((_, count)) = TLS_WORDS.iter().find(|(known, _)| word.is(known)) {
            self.tls = true;
            return *count;
        }
        let found = WORDS.iter().find(|(known, _, _)| word.is(known));
        let Some((_, count, meaning)) = found else {
            unknown_word(&mut self.notes, &word.text, "bind");
            return 0;
        };
        match meaning {
            Known => match word.text.as_str() {
                "ssl" => self.tls = true,
                "v4v6" => *six = Some(true),
                "v6only" => *six = Some(false),
                "maxconn" => self.max_connections = values::count(value),
                _ => {}
            },
            Changed(topic) => self.notes.push(Note::Changed(*topic, shown(*count))),
            Missing(gap, what) => {
                let told = format!("`{}`: {what}", shown(*count));
                self.notes.push(Note::Gap(*gap, told));
            }
        }
        *count
    }

    /// Clients of a port with TLS would get none: nobody but this host is to reach it.
    fn keep_on_this_host(&mut self) {
        for door in self.doors.iter_mut().flatten() {
            if let Door::Tcp { host, .. } = door {
                "127.0.0.1".clone_into(host);
            }
        }
        self.doors.dedup();
    }

    /// `[::]` of HAProxy also takes IPv4, unless the system or `v6only` says otherwise; ours does not.
    fn both_families(&mut self, six: Option<bool>) {
        if six == Some(false) {
            return;
        }
        let mut doors = Vec::new();
        for door in self.doors.drain(..) {
            let four = match &door {
                Ok(Door::Tcp { host, port }) if host == "::" => Some(Door::Tcp {
                    host: "0.0.0.0".to_owned(),
                    port: port.clone(),
                }),
                _ => None,
            };
            doors.extend(four.map(Ok));
            doors.push(door);
        }
        self.doors = doors;
    }
}

#[cfg(test)]
mod tests {
    use super::read;
    use crate::import::place::Source;
    use crate::import::sections;

    fn doors(line: &str) -> (Vec<String>, usize) {
        let text = format!("listen a\n {line}\n");
        let document = sections::read(&[Source {
            name: "h".to_owned(),
            text,
        }]);
        let bind = read(&document.sections[0].body[0], 1).unwrap();
        let doors = bind
            .doors
            .into_iter()
            .map(|door| door.map_or("!".to_owned(), |door| door.text()));
        (doors.collect(), bind.notes.len())
    }

    #[test]
    fn every_word_of_a_bind_line_is_read() {
        for (line, expected, notes) in [
            ("bind *:6379 name redis", &["0.0.0.0:6379"][..], 0),
            ("bind [::]:6379 v4v6", &["0.0.0.0:6379", "[::]:6379"], 0),
            ("bind :::6379 v6only", &["[::]:6379"], 0),
            (
                "bind 10.0.0.1:6380 ssl crt /a verify none",
                &["127.0.0.1:6380"],
                0,
            ),
            (
                "bind /run/a.sock mode 660 user redis",
                &["unix:/run/a.sock"],
                2,
            ),
            (
                "bind *:1 accept-proxy interface eth0 odd",
                &["0.0.0.0:1"],
                3,
            ),
            ("bind 10.0.0.1:1 maxconn 5 tfo", &["10.0.0.1:1"], 1),
        ] {
            let (found, told) = doors(line);
            assert_eq!(
                (found.as_slice(), told),
                (
                    &*expected
                        .iter()
                        .map(|text| (*text).to_owned())
                        .collect::<Vec<_>>(),
                    notes
                ),
                "{line}"
            );
        }
    }
}
