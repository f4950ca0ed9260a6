//! A blocking RESP connection, as a plain client library has it: one request, then its reply.

use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// One RESP2 reply.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// A status, a number or a bulk string.
    Text(String),
    /// Nothing is there.
    Nil,
    /// The line after the minus.
    Error(String),
    /// An array.
    List(Vec<Reply>),
}

impl Reply {
    /// The text of a reply that is one.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The items of an array; none of anything else.
    pub(crate) fn items(&self) -> &[Reply] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }
}

/// A connection.
pub(crate) struct Conn {
    stream: BufReader<TcpStream>,
}

impl Conn {
    /// Connects. `patience` bounds the dial and each wait for a reply.
    pub(crate) fn open(address: SocketAddr, patience: Duration) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, patience)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        Ok(Self {
            stream: BufReader::new(stream),
        })
    }

    /// One command and its reply.
    pub(crate) fn ask(&mut self, words: &[&str]) -> io::Result<Reply> {
        self.send(words)?;
        self.reply()
    }

    /// Sends a command.
    pub(crate) fn send(&mut self, words: &[&str]) -> io::Result<()> {
        let mut bytes = format!("*{}\r\n", words.len());
        for word in words {
            let _ = write!(bytes, "${}\r\n{word}\r\n", word.len());
        }
        self.stream.get_mut().write_all(bytes.as_bytes())
    }

    /// Reads one reply.
    pub(crate) fn reply(&mut self) -> io::Result<Reply> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end();
        let (kind, rest) = line.split_at_checked(1).unwrap_or(("", ""));
        match kind {
            "+" | ":" => Ok(Reply::Text(rest.to_owned())),
            "-" => Ok(Reply::Error(rest.to_owned())),
            "$" => self.bulk(rest),
            "*" => {
                let count: i64 = number(rest)?;
                let items: io::Result<Vec<Reply>> = (0..count).map(|_| self.reply()).collect();
                Ok(Reply::List(items?))
            }
            _ => Err(io::Error::other(format!("not RESP: {line:?}"))),
        }
    }

    fn bulk(&mut self, length: &str) -> io::Result<Reply> {
        let Ok(length) = usize::try_from(number(length)?) else {
            return Ok(Reply::Nil);
        };
        let mut body = vec![0; length + 2];
        self.stream.read_exact(&mut body)?;
        body.truncate(length);
        Ok(Reply::Text(String::from_utf8_lossy(&body).into_owned()))
    }
}

/// One command on a connection of its own, with a short patience.
pub(crate) fn ask_once(address: SocketAddr, words: &[&str]) -> io::Result<Reply> {
    Conn::open(address, Duration::from_secs(2))?.ask(words)
}

fn number(text: &str) -> io::Result<i64> {
    text.parse()
        .map_err(|_| io::Error::other(format!("not a number: {text:?}")))
}
