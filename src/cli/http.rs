//! One small blocking HTTP request, for commands that need no runtime: over TCP to `admin.http`, over the
//! Unix socket to `admin.socket`.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// A connection whose reads and writes can be bounded in time.
pub(super) trait Wire: Read + Write {
    fn bound_reads(&self, time: Duration) -> io::Result<()>;
    fn bound_writes(&self, time: Duration) -> io::Result<()>;
}

impl Wire for TcpStream {
    fn bound_reads(&self, time: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(time))
    }

    fn bound_writes(&self, time: Duration) -> io::Result<()> {
        self.set_write_timeout(Some(time))
    }
}

impl Wire for UnixStream {
    fn bound_reads(&self, time: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(time))
    }

    fn bound_writes(&self, time: Duration) -> io::Result<()> {
        self.set_write_timeout(Some(time))
    }
}

/// Sends a request and reads the answer to the end of the connection, `most` bytes of it at most.
pub(super) fn ask(
    stream: &mut impl Wire,
    request: &str,
    until: Instant,
    most: usize,
) -> io::Result<Vec<u8>> {
    stream.bound_writes(left(until)?)?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while answer.len() < most {
        let read = left(until)
            .and_then(|time| stream.bound_reads(time))
            .and_then(|()| stream.read(&mut buffer));
        match read {
            Ok(0) => break,
            Ok(count) => answer.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // A whole status line is an answer, whatever becomes of the rest.
            Err(_) if answer.contains(&b'\n') => break,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(too_late()),
            Err(error) => return Err(error),
        }
    }
    if answer.is_empty() {
        let why = "the connection was closed without an answer";
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, why));
    }
    Ok(answer)
}

/// The time left, never zero: a time-out of zero would mean none.
pub(super) fn left(until: Instant) -> io::Result<Duration> {
    match until.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(too_late()),
        left => Ok(left),
    }
}

pub(super) fn too_late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "no answer in time")
}

/// `HTTP/1.1 200 OK`, once its line is whole.
pub(super) fn status_of(answer: &str) -> Option<u16> {
    let (line, _) = answer.split_once('\n')?;
    let mut words = line.split_whitespace();
    words
        .next()
        .filter(|version| version.starts_with("HTTP/1."))?;
    words
        .next()?
        .parse()
        .ok()
        .filter(|status| (100..600).contains(status))
}

/// What follows the head.
pub(super) fn body_of(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

/// The length that the head promises.
pub(super) fn length_of(answer: &str) -> Option<usize> {
    let (head, _) = answer.split_once("\r\n\r\n")?;
    head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_it = name.eq_ignore_ascii_case("content-length");
        is_it.then(|| value.trim().parse().ok()).flatten()
    })
}

/// Without what a terminal would act on, and cut where it is long.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .filter(|c| *c == '\n' || !c.is_control())
        .take(4000)
        .collect()
}
