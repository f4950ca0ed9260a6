//! A small blocking Redis client and a reader of `/metrics`: all that the demo must ask.
//!
//! The demo looks at the proxy from outside, as an application does, so it shares no code with it: what
//! it shows cannot be right only because both make the same mistake.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// The longest bulk string or line that is accepted, in bytes.
const MAX_TEXT: usize = 1024 * 1024;
/// How deep arrays may nest: ROLE of a primary needs two.
const MAX_DEPTH: u8 = 4;

/// One reply of a Redis node.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// `+OK`
    Status(String),
    /// `-ERR ...`
    Error(String),
    /// `:1`
    Integer(i64),
    /// `$3 foo`; none for the null of `$-1`.
    Bulk(Option<String>),
    /// `*2 ...`; a null array is empty.
    Array(Vec<Reply>),
}

/// What a node says of itself when it is asked for its ROLE.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It claims to be the primary.
    Primary,
    /// It is a replica.
    Replica {
        /// Its link to its primary is up and it is in sync.
        in_sync: bool,
    },
}

/// One connection.
pub(super) struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    /// Connects; `patience` is for the connection, and for each read and write after it.
    pub(super) fn connect(address: SocketAddr, patience: Duration) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, patience)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        Ok(Self {
            stream: BufReader::new(stream),
        })
    }

    /// Sends one command and waits for its reply.
    pub(super) fn call(&mut self, words: &[&str]) -> io::Result<Reply> {
        self.stream.get_mut().write_all(&encode(words))?;
        read_reply(&mut self.stream, MAX_DEPTH)
    }

    /// Sends all commands at once, then reads as many replies.
    pub(super) fn pipeline(&mut self, commands: &[Vec<&str>]) -> io::Result<Vec<Reply>> {
        let bytes: Vec<u8> = commands.iter().flat_map(|words| encode(words)).collect();
        self.stream.get_mut().write_all(&bytes)?;
        commands
            .iter()
            .map(|_| read_reply(&mut self.stream, MAX_DEPTH))
            .collect()
    }

    /// The role that the node claims.
    pub(super) fn role(&mut self) -> io::Result<Role> {
        let reply = self.call(&["ROLE"])?;
        let Reply::Array(parts) = &reply else {
            return Err(unexpected("ROLE", &reply));
        };
        match parts.as_slice() {
            [Reply::Bulk(Some(name)), ..] if name == "master" => Ok(Role::Primary),
            [Reply::Bulk(Some(name)), _, _, Reply::Bulk(Some(state)), ..] if name == "slave" => {
                Ok(Role::Replica {
                    in_sync: state == "connected",
                })
            }
            _ => Err(unexpected("ROLE", &reply)),
        }
    }

    /// One line of an INFO section, for example `run_id` of `server`.
    pub(super) fn info(&mut self, section: &str, key: &str) -> io::Result<String> {
        let reply = self.call(&["INFO", section])?;
        let Reply::Bulk(Some(text)) = &reply else {
            return Err(unexpected("INFO", &reply));
        };
        text.lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))
            .map(|value| value.trim_end().to_owned())
            .ok_or_else(|| io::Error::other(format!("INFO {section} has no {key}")))
    }
}

/// Asks one node once: connects, asks for its role, hangs up.
pub(super) fn role_of(address: SocketAddr) -> io::Result<Role> {
    Client::connect(address, Duration::from_millis(500))?.role()
}

fn encode(words: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
    bytes
}

fn unexpected(command: &str, reply: &Reply) -> io::Error {
    io::Error::other(format!("unexpected reply to {command}: {reply:?}"))
}

fn read_reply(stream: &mut impl BufRead, depth: u8) -> io::Result<Reply> {
    let line = read_line(stream)?;
    let Some((kind, rest)) = line.split_at_checked(1) else {
        return Err(io::Error::other("an empty line is no reply"));
    };
    match kind {
        "+" => Ok(Reply::Status(rest.to_owned())),
        "-" => Ok(Reply::Error(rest.to_owned())),
        ":" => Ok(Reply::Integer(number(rest)?)),
        "$" => read_bulk(stream, number(rest)?),
        "*" if depth > 0 => {
            let count = number(rest)?.max(0);
            let replies = (0..count).map(|_| read_reply(stream, depth - 1));
            Ok(Reply::Array(replies.collect::<io::Result<_>>()?))
        }
        _ => Err(io::Error::other(format!("not a Redis reply: {line:?}"))),
    }
}

fn read_line(stream: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    let limit = u64::try_from(MAX_TEXT).unwrap_or(u64::MAX);
    stream.take(limit).read_until(b'\n', &mut line)?;
    if !line.ends_with(b"\r\n") {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    line.truncate(line.len() - 2);
    Ok(String::from_utf8_lossy(&line).into_owned())
}

fn read_bulk(stream: &mut impl BufRead, length: i64) -> io::Result<Reply> {
    if length == -1 {
        return Ok(Reply::Bulk(None));
    }
    let length = usize::try_from(length)
        .ok()
        .filter(|length| *length <= MAX_TEXT)
        .ok_or_else(|| io::Error::other(format!("a bulk string of {length} bytes")))?;
    let mut bytes = vec![0; length + 2];
    stream.read_exact(&mut bytes)?;
    bytes.truncate(length);
    Ok(Reply::Bulk(Some(
        String::from_utf8_lossy(&bytes).into_owned(),
    )))
}

fn number(text: &str) -> io::Result<i64> {
    text.parse()
        .map_err(|_| io::Error::other(format!("not a number: {text:?}")))
}

/// What `/metrics` says: each series as it is written, and its value.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Metrics {
    series: BTreeMap<String, f64>,
}

impl Metrics {
    /// Fetches and reads `http://address/metrics`.
    pub(super) fn fetch(address: SocketAddr) -> io::Result<Self> {
        let patience = Duration::from_secs(2);
        let mut stream = TcpStream::connect_timeout(&address, patience)?;
        stream.set_read_timeout(Some(patience))?;
        write!(
            stream,
            "GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
        )?;
        let mut text = String::new();
        let limit = u64::try_from(MAX_TEXT).unwrap_or(u64::MAX);
        stream.take(limit).read_to_string(&mut text)?;
        if !text.starts_with("HTTP/1.1 200") {
            let first = text.lines().next().unwrap_or_default();
            return Err(io::Error::other(format!("/metrics answered {first:?}")));
        }
        Ok(Self::parse(&text))
    }

    fn parse(text: &str) -> Self {
        let series = text
            .lines()
            .filter(|line| line.starts_with("rolecall_"))
            .filter_map(|line| {
                let (name, value) = line.rsplit_once(' ')?;
                Some((name.to_owned(), value.parse().ok()?))
            })
            .collect();
        Self { series }
    }

    /// The sum of the series of this name that carry all these labels; none when there is no such series.
    pub(super) fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let wanted: Vec<String> = labels
            .iter()
            .map(|(key, value)| format!("{key}=\"{value}\""))
            .collect();
        self.series
            .iter()
            .filter_map(|(series, value)| {
                let rest = series.strip_prefix(name)?;
                let labels = rest.strip_prefix('{')?.strip_suffix('}')?;
                wanted
                    .iter()
                    .all(|label| labels.split(',').any(|own| own == label))
                    .then_some(*value)
            })
            .reduce(|sum, value| sum + value)
    }

    /// Whether such a series is there and is not zero.
    pub(super) fn is_set(&self, name: &str, labels: &[(&str, &str)]) -> bool {
        self.value(name, labels).is_some_and(|value| value > 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_DEPTH, Metrics, Reply, encode, read_reply};

    fn read(mut bytes: &[u8]) -> std::io::Result<Reply> {
        read_reply(&mut bytes, MAX_DEPTH)
    }

    #[test]
    fn commands_are_written_as_arrays_of_bulk_strings() {
        assert_eq!(encode(&["GET", "a"]), b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n");
    }

    #[test]
    fn replies_of_every_kind_are_read() {
        assert_eq!(read(b"+OK\r\n").unwrap(), Reply::Status("OK".into()));
        assert_eq!(read(b"-ERR x\r\n").unwrap(), Reply::Error("ERR x".into()));
        assert_eq!(read(b":-3\r\n").unwrap(), Reply::Integer(-3));
        assert_eq!(read(b"$-1\r\n").unwrap(), Reply::Bulk(None));
        assert_eq!(
            read(b"*2\r\n$3\r\na\nb\r\n*0\r\n").unwrap(),
            Reply::Array(vec![
                Reply::Bulk(Some("a\nb".into())),
                Reply::Array(Vec::new())
            ])
        );
    }

    #[test]
    fn what_is_no_reply_is_an_error() {
        for bytes in [
            &b""[..],
            b"+OK",
            b"HTTP/1.1 400\r\n",
            b"$5\r\nab",
            b":x\r\n",
            b"$99999999999\r\n",
        ] {
            assert!(read(bytes).is_err(), "{bytes:?}");
        }
        assert!(read(&b"*1\r\n".repeat(10_000)).is_err());
    }

    #[test]
    fn metrics_are_found_by_name_and_labels() {
        let metrics = Metrics::parse(
            "# HELP rolecall_node_sessions x\n\
             rolecall_node_sessions{group=\"main\",node=\"redis-1\"} 3\n\
             rolecall_node_sessions{group=\"main\",node=\"redis-10\"} 4\n\
             rolecall_node_sessions_total{group=\"main\",node=\"redis-1\"} 9\n",
        );
        let of = |node| metrics.value("rolecall_node_sessions", &[("node", node)]);
        assert_eq!(of("redis-1"), Some(3.0));
        assert_eq!(of("redis-10"), Some(4.0));
        assert_eq!(of("redis-2"), None);
        assert_eq!(
            metrics.value("rolecall_node_sessions", &[("group", "main")]),
            Some(7.0)
        );
        assert!(!metrics.is_set("rolecall_group_primary", &[]));
    }
}
