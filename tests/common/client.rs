//! A blocking RESP client that hides nothing: raw bytes, half-close, and whether the peer has closed.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::redis::name_of_port;
use super::{SOON, eventually};

/// One RESP2 reply.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    Simple(String),
    Error(String),
    Int(i64),
    Bulk(Option<Vec<u8>>),
    Array(Vec<Reply>),
}

impl Reply {
    /// The text of a reply that is not an error.
    #[track_caller]
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Simple(text) => text.clone(),
            Self::Int(number) => number.to_string(),
            Self::Bulk(Some(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
            other => panic!("expected a text, got {other:?}"),
        }
    }

    /// The text of an error.
    pub(crate) fn error(&self) -> Option<&str> {
        match self {
            Self::Error(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn is_ok(&self) -> bool {
        *self == Self::Simple("OK".into())
    }

    pub(crate) fn is_nil(&self) -> bool {
        *self == Self::Bulk(None)
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Simple(text) => write!(f, "+{text}"),
            Self::Error(text) => write!(f, "-{text}"),
            Self::Int(number) => write!(f, ":{number}"),
            Self::Bulk(None) => f.write_str("nil"),
            Self::Bulk(Some(bytes)) => {
                let shown = &bytes[..bytes.len().min(200)];
                write!(
                    f,
                    "{} bytes {:?}",
                    bytes.len(),
                    String::from_utf8_lossy(shown)
                )
            }
            Self::Array(items) => f.debug_list().entries(items).finish(),
        }
    }
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A connection that speaks RESP.
pub(crate) struct Client {
    stream: Stream,
    buffer: Vec<u8>,
}

impl Client {
    /// Connects, or says why not.
    pub(crate) fn try_connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, SOON)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(SOON))?;
        stream.set_write_timeout(Some(SOON))?;
        Ok(Self::over(Stream::Tcp(stream)))
    }

    #[track_caller]
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).unwrap_or_else(|error| panic!("connect to {address}: {error}"))
    }

    #[track_caller]
    pub(crate) fn connect_unix(path: &Path) -> Self {
        let stream = UnixStream::connect(path)
            .unwrap_or_else(|error| panic!("connect to {}: {error}", path.display()));
        stream.set_read_timeout(Some(SOON)).expect("a time-out");
        stream.set_write_timeout(Some(SOON)).expect("a time-out");
        Self::over(Stream::Unix(stream))
    }

    fn over(stream: Stream) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
        }
    }

    /// One command and its reply; an error of the connection is a panic.
    #[track_caller]
    pub(crate) fn cmd(&mut self, words: &[&str]) -> Reply {
        self.try_cmd(words)
            .unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    /// One command and its reply.
    pub(crate) fn try_cmd(&mut self, words: &[&str]) -> io::Result<Reply> {
        self.send(&encode(words))?;
        self.read_reply()
    }

    /// Which node answers, by the name that the test gave it.
    #[track_caller]
    pub(crate) fn node(&mut self) -> String {
        self.try_node()
            .unwrap_or_else(|error| panic!("which node answers: {error}"))
    }

    /// The same; an error when the connection breaks or the answer is none.
    pub(crate) fn try_node(&mut self) -> io::Result<String> {
        let reply = self.try_cmd(&["INFO", "server"])?;
        let Reply::Bulk(Some(info)) = &reply else {
            return Err(io::Error::other(format!("INFO gave {reply:?}")));
        };
        let info = String::from_utf8_lossy(info);
        let port = info.lines().find_map(|line| line.strip_prefix("tcp_port:"));
        port.and_then(|port| port.trim().parse().ok())
            .map(name_of_port)
            .ok_or_else(|| io::Error::other("INFO server has no tcp_port"))
    }

    /// Writes raw bytes.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Stream::Tcp(stream) => stream.write_all(bytes),
            Stream::Unix(stream) => stream.write_all(bytes),
        }
    }

    /// Shuts down the writing half.
    pub(crate) fn half_close(&mut self) {
        match &self.stream {
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Stream::Unix(stream) => stream.shutdown(Shutdown::Write),
        }
        .expect("shut down writing");
    }

    /// Reads one reply.
    pub(crate) fn read_reply(&mut self) -> io::Result<Reply> {
        loop {
            if let Some((reply, used)) = parse(&self.buffer)? {
                self.buffer.drain(..used);
                return Ok(reply);
            }
            if self.fill()? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Reads until the peer closes its side, and gives all that was not taken as a reply.
    pub(crate) fn read_to_end(&mut self) -> io::Result<Vec<u8>> {
        while self.fill()? > 0 {}
        Ok(std::mem::take(&mut self.buffer))
    }

    /// Whether the peer has closed or reset the connection. What it sent before is kept.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.nonblocking(true);
        let closed = loop {
            match self.fill() {
                Ok(0) => break true,
                Ok(_) => {}
                Err(error) => break error.kind() != ErrorKind::WouldBlock,
            }
        };
        self.nonblocking(false);
        closed
    }

    /// Waits until the peer has closed the connection.
    #[track_caller]
    pub(crate) fn wait_closed(&mut self, what: &str) {
        eventually(SOON, what, || self.is_closed());
    }

    fn nonblocking(&mut self, on: bool) {
        match &self.stream {
            Stream::Tcp(stream) => stream.set_nonblocking(on),
            Stream::Unix(stream) => stream.set_nonblocking(on),
        }
        .expect("change the mode of a socket");
    }

    fn fill(&mut self) -> io::Result<usize> {
        let mut chunk = [0; 16 * 1024];
        let count = match &mut self.stream {
            Stream::Tcp(stream) => stream.read(&mut chunk)?,
            Stream::Unix(stream) => stream.read(&mut chunk)?,
        };
        self.buffer.extend_from_slice(&chunk[..count]);
        Ok(count)
    }
}

/// A command as RESP.
pub(crate) fn encode(words: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
    bytes
}

/// The first reply in a buffer and its length, or none while it is not whole.
pub(crate) fn parse(buffer: &[u8]) -> io::Result<Option<(Reply, usize)>> {
    let Some(end) = buffer.windows(2).position(|pair| pair == b"\r\n") else {
        return Ok(None);
    };
    let line = String::from_utf8_lossy(&buffer[1..end.max(1)]).into_owned();
    let used = end + 2;
    match buffer[0] {
        b'+' => Ok(Some((Reply::Simple(line), used))),
        b'-' => Ok(Some((Reply::Error(line), used))),
        b':' => Ok(Some((Reply::Int(number(&line)?), used))),
        b'$' => {
            let Ok(length) = usize::try_from(number(&line)?) else {
                return Ok(Some((Reply::Bulk(None), used)));
            };
            let whole = used + length + 2;
            let body = buffer.get(used..used + length).map(<[u8]>::to_vec);
            Ok((buffer.len() >= whole).then_some((Reply::Bulk(body), whole)))
        }
        b'*' => {
            let mut used = used;
            let mut items = Vec::new();
            for _ in 0..number(&line)? {
                let Some((item, length)) = parse(&buffer[used..])? else {
                    return Ok(None);
                };
                items.push(item);
                used += length;
            }
            Ok(Some((Reply::Array(items), used)))
        }
        other => Err(io::Error::other(format!(
            "not RESP: {:?}",
            char::from(other)
        ))),
    }
}

fn number(line: &str) -> io::Result<i64> {
    line.parse()
        .map_err(|_| io::Error::other(format!("not a number: {line:?}")))
}
