//! Asks a running proxy over its admin socket.

use std::fs;
use std::io::{self, BufReader, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::cli::http::{self, Wire, body_of, length_of, printable, status_of};

/// For one question and its answer.
const DEADLINE: Duration = Duration::from_secs(10);

/// A status of thousands of nodes is a few megabytes; whatever is longer is cut, and an error.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// A proxy that lives sends something to a follower every five seconds.
const SILENCE: Duration = Duration::from_secs(20);

/// Why there is no answer, or a no.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum AskError {
    #[error("cannot reach the proxy: there is no socket {}: is rolecall running, and is admin.socket set? --socket PATH or -c FILE names another one", .0.display())]
    Missing(PathBuf),
    #[error("cannot reach the proxy: nobody listens on {}: rolecall is not running, and has left its socket behind", .0.display())]
    Nobody(PathBuf),
    #[error("cannot reach the proxy: not permitted to open {}{}: run this as its owner or as root, or set admin.socket_mode and admin.socket_owner", .0.display(), owner_of(.0))]
    Denied(PathBuf),
    #[error("cannot reach the proxy on {}: {source}", .path.display())]
    Unreachable { path: PathBuf, source: io::Error },
    #[error("what answers on {} is no rolecall: {said:?}", .path.display())]
    NotHttp { path: PathBuf, said: String },
    #[error("{said}")]
    No { status: u16, said: String },
    #[error("the answer makes no sense to this version ({0}): is the proxy of another version?")]
    Strange(serde_json::Error),
}

/// One proxy.
pub(in crate::cli) struct Client {
    path: PathBuf,
}

impl Client {
    pub(in crate::cli) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// GET, read into its type.
    pub(in crate::cli) fn get<T: DeserializeOwned>(&self, target: &str) -> Result<T, AskError> {
        self.send("GET", target, DEADLINE)
    }

    /// POST, its answer read into its type.
    pub(in crate::cli) fn post<T: DeserializeOwned>(&self, target: &str) -> Result<T, AskError> {
        self.send("POST", target, DEADLINE)
    }

    /// The same for what may take so long.
    pub(in crate::cli) fn post_slowly<T: DeserializeOwned>(
        &self,
        target: &str,
        patience: Duration,
    ) -> Result<T, AskError> {
        self.send("POST", target, patience)
    }

    fn send<T: DeserializeOwned>(
        &self,
        method: &str,
        target: &str,
        patience: Duration,
    ) -> Result<T, AskError> {
        let until = Instant::now() + patience;
        let mut stream = self.connect(DEADLINE)?;
        let answer = http::ask(&mut stream, &request(method, target), until, MAX_ANSWER);
        let answer = answer.map_err(|source| self.unreachable(source))?;
        let answer = String::from_utf8_lossy(&answer);
        self.check(&answer)?;
        let body = body_of(&answer);
        if length_of(&answer).is_some_and(|length| length != body.len()) {
            return Err(self.unreachable(io::ErrorKind::UnexpectedEof.into()));
        }
        serde_json::from_str(body).map_err(AskError::Strange)
    }

    /// GET, and the body as it comes, a line at a time.
    pub(in crate::cli) fn follow(&self, target: &str) -> Result<BufReader<UnixStream>, AskError> {
        let mut stream = self.connect(DEADLINE)?;
        let begin = |stream: &mut UnixStream| {
            stream.bound_writes(DEADLINE)?;
            stream.bound_reads(SILENCE)?;
            stream.write_all(request("GET", target).as_bytes())
        };
        begin(&mut stream).map_err(|source| self.unreachable(source))?;
        let mut lines = BufReader::new(stream);
        let mut head = String::new();
        let whole = |head: &str| head.ends_with("\r\n\r\n");
        while !whole(&head) {
            let read = io::BufRead::read_line(&mut lines, &mut head);
            if read.map_err(|source| self.unreachable(source))? == 0 {
                return Err(self.unreachable(io::ErrorKind::UnexpectedEof.into()));
            }
        }
        if status_of(&head) != Some(200) {
            // The reason is in the body.
            let mut rest = String::new();
            let _cut = io::Read::read_to_string(&mut lines, &mut rest);
            self.check(&(head + &rest))?;
        }
        Ok(lines)
    }

    fn check(&self, answer: &str) -> Result<(), AskError> {
        match status_of(answer) {
            Some(200) => Ok(()),
            Some(status) => Err(AskError::No {
                status,
                said: printable(body_of(answer)).trim_end().to_owned(),
            }),
            None => Err(AskError::NotHttp {
                path: self.path.clone(),
                said: answer.chars().take(60).collect(),
            }),
        }
    }

    /// The write time-out of a Unix socket bounds its connect too, which waits while the backlog is full.
    fn connect(&self, patience: Duration) -> Result<UnixStream, AskError> {
        let open = || {
            let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
            socket.set_write_timeout(Some(patience))?;
            socket.connect(&SockAddr::unix(&self.path)?)?;
            Ok(socket.into())
        };
        open().map_err(|source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => AskError::Missing(self.path.clone()),
            io::ErrorKind::ConnectionRefused => AskError::Nobody(self.path.clone()),
            io::ErrorKind::PermissionDenied => AskError::Denied(self.path.clone()),
            _ => self.unreachable(source),
        })
    }

    fn unreachable(&self, source: io::Error) -> AskError {
        let source = match source.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => http::too_late(),
            io::ErrorKind::UnexpectedEof => {
                io::Error::other("the connection was closed in the middle of an answer")
            }
            _ => source,
        };
        AskError::Unreachable {
            path: self.path.clone(),
            source,
        }
    }
}

/// HTTP/1.0: the answer comes in one piece and ends with the connection.
fn request(method: &str, target: &str) -> String {
    format!(
        "{method} {target} HTTP/1.0\r\nHost: rolecall\r\nUser-Agent: rolecall/{}\r\n\r\n",
        env!("CARGO_PKG_VERSION")
    )
}

/// `, which belongs to redis and has mode 0600`; empty where it cannot be seen.
fn owner_of(path: &Path) -> String {
    let Ok(found) = fs::metadata(path) else {
        return String::new();
    };
    let (user, mode) = (found.uid(), found.permissions().mode() & 0o777);
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let number: u32 = fields.nth(1)?.parse().ok()?;
        (number == user).then(|| name.to_owned())
    });
    let name = name.unwrap_or_else(|| format!("user {user}"));
    format!(", which belongs to {name} and has mode {mode:04o}")
}
