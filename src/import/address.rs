//! HAProxy's ways to write an address, to ours. What is a variable stays one.

use crate::config;

/// Where a server or a Sentinel listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A host, without brackets, and a port.
    Tcp { host: String, port: String },
    /// An absolute path.
    Unix(String),
    /// One variable holds all of it.
    Variable(String),
}

/// Where a listener listens.
pub(super) type Door = Target;

/// A range of ports longer than this is none of Redis.
const MOST_PORTS: u16 = 64;

/// Reads where a server listens; `port` is that of the listener, which stands in for a missing one.
///
/// # Errors
/// Why rolecall cannot dial it, to go on after the address.
pub(super) fn server(text: &str, port: Option<&str>) -> Result<Target, String> {
    let (family, plain) = family(text)?;
    if family == Family::Unix {
        return usable(Target::Unix(plain.to_owned()), false);
    }
    if is_one_variable(plain) {
        return Ok(Target::Variable(plain.to_owned()));
    }
    let (host, own_port) = split(plain);
    let host = unbracketed(host);
    if matches!(host, "" | "*" | "0.0.0.0" | "::") {
        return Err("names no host: HAProxy takes the one that the client connected to".to_owned());
    }
    let port = match (own_port, port) {
        (Some(own), _) if !own.starts_with(['+', '-']) => own.to_owned(),
        (Some(offset), Some(port)) => shifted(port, offset)?,
        (None, Some(port)) => port.to_owned(),
        (_, None) => {
            return Err(
                "has no port of its own, and the port of the listener is not one".to_owned(),
            );
        }
    };
    let host = host.to_owned();
    usable(Target::Tcp { host, port }, false)
}

/// Reads what a `bind` line opens: addresses divided by commas, ranges of ports.
pub(super) fn doors(text: &str) -> Vec<Result<Door, String>> {
    let parts = text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty());
    parts.flat_map(one_bind).collect()
}

fn one_bind(text: &str) -> Vec<Result<Door, String>> {
    let (family, plain) = match family(text) {
        Ok(found) => found,
        Err(why) => return vec![Err(why)],
    };
    if family == Family::Unix {
        return vec![usable(Door::Unix(plain.to_owned()), true)];
    }
    if is_one_variable(plain) {
        return vec![Ok(Door::Variable(plain.to_owned()))];
    }
    let (host, port) = split(plain);
    let any = if family == Family::V6 {
        "::"
    } else {
        "0.0.0.0"
    };
    let host = match unbracketed(host) {
        "" | "*" => any,
        "localhost" => "127.0.0.1",
        host => host,
    };
    let Some(port) = port else {
        return vec![Err("has no port".to_owned())];
    };
    let ports = match range(port) {
        Ok(ports) => ports,
        Err(why) => return vec![Err(why)],
    };
    let doors = ports.into_iter().map(|port| {
        let host = host.to_owned();
        usable(Door::Tcp { host, port }, true)
    });
    doors.collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    Any,
    V6,
    Unix,
}

/// Takes the prefix off: `ipv4@`, `unix@`, `abns@` and so on.
fn family(text: &str) -> Result<(Family, &str), String> {
    if text.starts_with('/') {
        return Ok((Family::Unix, text));
    }
    let Some((prefix, rest)) = text.split_once('@') else {
        return Ok((Family::Any, text));
    };
    match prefix {
        "ipv4" | "tcp" | "tcp4" | "stream+ipv4" => Ok((Family::Any, rest)),
        "ipv6" | "tcp6" | "stream+ipv6" => Ok((Family::V6, rest)),
        "unix" | "stream+unix" | "uxst" => Ok((Family::Unix, rest)),
        "abns" | "abnsz" => Err("is an abstract socket, which rolecall does not speak".to_owned()),
        "fd" | "sockpair" => Err(
            "is a socket that another process opened; systemd can hand rolecall its own \
             (deploy/rolecall.socket)"
                .to_owned(),
        ),
        _ => Err(format!(
            "has the prefix {prefix}@, which rolecall does not know"
        )),
    }
}

/// Host and port: the last colon outside braces and brackets divides them, as in HAProxy.
pub(super) fn split(text: &str) -> (&str, Option<&str>) {
    let (mut depth, mut at) = (0_usize, None);
    for (index, c) in text.char_indices() {
        match c {
            '{' | '[' => depth += 1,
            '}' | ']' => depth = depth.saturating_sub(1),
            ':' if depth == 0 => at = Some(index),
            _ => {}
        }
    }
    match at {
        Some(at) => {
            let port = text.get(at + 1..).filter(|port| !port.is_empty());
            (text.get(..at).unwrap_or(text), port)
        }
        None => (text, None),
    }
}

fn unbracketed(host: &str) -> &str {
    let inside = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    inside.unwrap_or(host)
}

/// Whether the text is a variable and nothing else.
pub(super) fn is_one_variable(text: &str) -> bool {
    let inside = text
        .strip_prefix("${")
        .and_then(|text| text.strip_suffix('}'));
    inside.is_some_and(|inside| !inside.contains(['{', '}']))
}

fn shifted(port: &str, offset: &str) -> Result<String, String> {
    let number = |text: &str| text.parse::<i32>().ok();
    let sum = number(port)
        .zip(number(offset))
        .map(|(port, offset)| port + offset);
    match sum {
        Some(port) if (1..=65535).contains(&port) => Ok(port.to_string()),
        _ => Err("has a port that is counted from the listener's".to_owned()),
    }
}

fn range(text: &str) -> Result<Vec<String>, String> {
    let Some((first, last)) = text.split_once('-').filter(|_| !text.contains('$')) else {
        return Ok(vec![text.to_owned()]);
    };
    match (first.parse::<u16>(), last.parse::<u16>()) {
        (Ok(first), Ok(last)) if first <= last && last - first < MOST_PORTS => {
            Ok((first..=last).map(|port| port.to_string()).collect())
        }
        _ => Err(format!("is no range of at most {MOST_PORTS} ports")),
    }
}

/// Has our own configuration judge it, with something in the place of each variable.
fn usable(target: Target, listens: bool) -> Result<Target, String> {
    let filled = filled(&target);
    let judged = if listens {
        config::check_bind(&filled)
    } else {
        config::check_address(&filled)
    };
    judged.map(|()| target)
}

fn filled(target: &Target) -> String {
    match target {
        Target::Tcp { host, port } => {
            let host = if is_one_variable(host) {
                "127.0.0.1".to_owned()
            } else {
                without_variables(host)
            };
            let port = without_variables(port);
            written(&host, &port)
        }
        _ => without_variables(&target.text()),
    }
}

fn without_variables(text: &str) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        filled.push_str(before);
        filled.push('7');
        rest = after.split_once('}').map_or("", |(_, rest)| rest);
    }
    filled + rest
}

fn written(host: &str, port: &str) -> String {
    if host.contains(':') && !host.contains('$') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

impl Target {
    /// As our configuration writes it.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Tcp { host, port } => written(host, port),
            Self::Unix(path) => format!("unix:{path}"),
            Self::Variable(text) => text.clone(),
        }
    }

    /// The same for two ways to write one address.
    pub(super) fn key(&self) -> String {
        match self {
            Self::Tcp { host, port } if host.eq_ignore_ascii_case("localhost") => {
                written("127.0.0.1", port)
            }
            other => other.text().to_ascii_lowercase(),
        }
    }

    /// The host; none of a Unix socket.
    pub(super) fn host(&self) -> Option<&str> {
        match self {
            Self::Tcp { host, .. } => Some(host),
            _ => None,
        }
    }

    /// The port; none of a Unix socket.
    pub(super) fn port(&self) -> Option<&str> {
        match self {
            Self::Tcp { port, .. } => Some(port),
            _ => None,
        }
    }

    /// On this host for sure: loopback, or a Unix socket.
    pub(super) fn is_loopback(&self) -> bool {
        match self {
            Self::Unix(_) => true,
            Self::Variable(_) => false,
            Self::Tcp { host, .. } => {
                let ip = host.parse::<std::net::IpAddr>();
                host.eq_ignore_ascii_case("localhost") || ip.is_ok_and(|ip| ip.is_loopback())
            }
        }
    }

    /// Whether dialling this leads to that door, as far as can be told without looking names up.
    pub(super) fn reaches(&self, door: &Door) -> bool {
        if self.key() == door.key() {
            return true;
        }
        let any = matches!(door.host(), Some("0.0.0.0" | "::"));
        any && self.is_loopback() && self.port().is_some() && self.port() == door.port()
    }

    /// Whether both doors cannot be opened.
    pub(super) fn clashes(&self, other: &Self) -> bool {
        let any = |door: &Self| match door.host() {
            Some("0.0.0.0") => Some(false),
            Some("::") => Some(true),
            _ => None,
        };
        let six = |door: &Self| door.host().is_some_and(|host| host.contains(':'));
        let covers = |a: &Self, b: &Self| {
            a.port().is_some() && a.port() == b.port() && any(a) == Some(six(b))
        };
        self.key() == other.key() || covers(self, other) || covers(other, self)
    }
}

#[cfg(test)]
mod tests {
    use super::{doors, server};

    #[test]
    fn servers_have_addresses_that_can_be_dialled() {
        for (text, port, expected) in [
            ("10.0.0.1:6379", None, Ok("10.0.0.1:6379")),
            ("ipv4@10.0.0.1:6379", None, Ok("10.0.0.1:6379")),
            ("[2001:db8::1]:6379", None, Ok("[2001:db8::1]:6379")),
            ("2001:db8::1:6379", None, Ok("[2001:db8::1]:6379")),
            ("redis-0.redis.svc:6379", None, Ok("redis-0.redis.svc:6379")),
            ("redis", Some("6379"), Ok("redis:6379")),
            ("redis:+1", Some("6379"), Ok("redis:6380")),
            ("redis", None, Err(())),
            ("/run/redis.sock", None, Ok("unix:/run/redis.sock")),
            ("unix@/run/redis.sock", None, Ok("unix:/run/redis.sock")),
            ("abns@redis", None, Err(())),
            ("*:6379", None, Err(())),
            ("${HOST}:6379", None, Ok("${HOST}:6379")),
            (
                "${HOST:-a}:${PORT:-6379}",
                None,
                Ok("${HOST:-a}:${PORT:-6379}"),
            ),
            ("redis-${N}.svc:6379", None, Ok("redis-${N}.svc:6379")),
            ("${ALL}", None, Ok("${ALL}")),
            ("redis:99999", None, Err(())),
            ("<ip>:6379", None, Err(())),
        ] {
            let found = server(text, port).map(|target| target.text()).map_err(drop);
            assert_eq!(found, expected.map(str::to_owned), "{text}");
        }
    }

    #[test]
    fn binds_open_all_that_they_name() {
        for (text, expected) in [
            ("*:6379", &["0.0.0.0:6379"][..]),
            (":6379", &["0.0.0.0:6379"]),
            ("ipv6@:6379", &["[::]:6379"]),
            (":::6379", &["[::]:6379"]),
            ("[::]:6379", &["[::]:6379"]),
            (
                "10.0.0.1:6379,10.0.0.2:6380",
                &["10.0.0.1:6379", "10.0.0.2:6380"],
            ),
            (
                "*:6379-6381",
                &["0.0.0.0:6379", "0.0.0.0:6380", "0.0.0.0:6381"],
            ),
            ("/run/r.sock", &["unix:/run/r.sock"]),
            ("localhost:6379", &["127.0.0.1:6379"]),
            ("*:${PORT}", &["0.0.0.0:${PORT}"]),
            ("${IP}:6379", &["${IP}:6379"]),
            ("*:1-60000", &["!"]),
            ("redis-vip:6379", &["!"]),
            ("fd@3", &["!"]),
            ("10.0.0.1", &["!"]),
        ] {
            let found: Vec<String> = doors(text)
                .into_iter()
                .map(|door| door.map_or("!".to_owned(), |door| door.text()))
                .collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn an_address_may_lead_to_a_door_or_bar_it() {
        let at = |text: &str| server(text, None).unwrap();
        let door = |text: &str| doors(text).remove(0).unwrap();
        assert!(at("localhost:6379").reaches(&door("*:6379")));
        assert!(at("127.0.0.2:6379").reaches(&door("127.0.0.2:6379")));
        assert!(!at("10.0.0.1:6379").reaches(&door("*:6379")));
        assert!(!at("127.0.0.2:6380").reaches(&door("*:6379")));
        assert!(door("*:6379").clashes(&door("127.0.0.1:6379")));
        assert!(!door("*:6379").clashes(&door("[::]:6379")));
        assert!(!door("*:6379").clashes(&door("*:6380")));
    }
}
