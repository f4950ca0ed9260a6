//! `rolecall check --ready URL`: asks a running proxy whether it is ready.
//!
//! For the HEALTHCHECK of an image that holds no shell and no curl, so it is one small blocking request without
//! any runtime. Plain HTTP only: it talks to `admin.http`, which speaks nothing else.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use super::http::{self, body_of, left, printable, status_of};

/// For the whole request, the connection included.
const DEADLINE: Duration = Duration::from_secs(4);

/// An answer of /readyz is a few lines; whatever is longer is cut.
const MAX_ANSWER: usize = 64 * 1024;

/// Why the answer is no.
#[derive(Debug, thiserror::Error)]
pub enum NotReady {
    /// The argument is not a URL that can be asked.
    #[error("{url:?} is not a URL to ask: {why}; give one like http://127.0.0.1:9379/readyz")]
    Url {
        /// As given.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Nobody could be asked.
    #[error("cannot ask {url}: {source}: is rolecall running, with admin.http at that address?")]
    Unreachable {
        /// As given.
        url: String,
        /// What the system said.
        source: io::Error,
    },
    /// Something answered, but not HTTP.
    #[error("{url} did not answer in HTTP: {said:?}")]
    NotHttp {
        /// As given.
        url: String,
        /// How the answer began.
        said: String,
    },
    /// The answer was not 200.
    #[error("{url} answered {status}\n{body}")]
    Status {
        /// As given.
        url: String,
        /// The HTTP status.
        status: u16,
        /// The body: /readyz says there what is missing.
        body: String,
    },
}

/// Asks, says what came out, and returns 0 for ready or 1 for anything else.
pub fn run(url: &str) -> ExitCode {
    match ask(url, DEADLINE) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            // Docker keeps the output of a health check; without a reader the exit code still tells.
            let _nobody_reads =
                writeln!(io::stderr(), "rolecall: {}", reason.to_string().trim_end());
            ExitCode::FAILURE
        }
    }
}

/// Asks `url` once; ready is the status 200 within the deadline.
pub fn ask(url: &str, deadline: Duration) -> Result<(), NotReady> {
    let place = parse(url).map_err(|why| NotReady::Url {
        url: url.to_owned(),
        why,
    })?;
    let until = Instant::now() + deadline;
    let answer = fetch(&place, until).map_err(|source| NotReady::Unreachable {
        url: url.to_owned(),
        source,
    })?;
    let answer = String::from_utf8_lossy(&answer);
    match status_of(&answer) {
        Some(200) => Ok(()),
        Some(status) => Err(NotReady::Status {
            url: url.to_owned(),
            status,
            body: printable(body_of(&answer)),
        }),
        None => Err(NotReady::NotHttp {
            url: url.to_owned(),
            said: answer.chars().take(60).collect(),
        }),
    }
}

/// The parts of a URL.
#[derive(Debug, PartialEq, Eq)]
struct Place<'a> {
    /// As it goes into the Host header.
    authority: &'a str,
    /// Without brackets.
    host: &'a str,
    port: u16,
    /// With its query.
    path: &'a str,
}

fn parse(url: &str) -> Result<Place<'_>, &'static str> {
    if url.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("it holds a space or a control character");
    }
    let rest = url
        .strip_prefix("http://")
        .ok_or("it does not begin with http://")?;
    let (authority, path) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, "/"),
    };
    if authority.contains(['@', '?', '#']) || path.contains('#') {
        return Err("it holds more than a host, a port and a path");
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (
            host,
            port.parse()
                .map_err(|_| "its port is not a number from 1 to 65535")?,
        ),
        _ => (authority, 80),
    };
    let host = match host.strip_prefix('[') {
        Some(inner) => inner.strip_suffix(']').ok_or("its brackets do not match")?,
        None if host.contains(':') => return Err("an IPv6 address needs brackets"),
        None => host,
    };
    match (host, port) {
        ("", _) => Err("it names no host"),
        (_, 0) => Err("its port is not a number from 1 to 65535"),
        _ => Ok(Place {
            authority,
            host,
            port,
            path,
        }),
    }
}

fn fetch(place: &Place<'_>, until: Instant) -> io::Result<Vec<u8>> {
    let mut stream = connect(place, until)?;
    let Place {
        authority, path, ..
    } = place;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: rolecall/{}\r\nConnection: close\r\n\r\n",
        env!("CARGO_PKG_VERSION")
    );
    http::ask(&mut stream, &request, until, MAX_ANSWER)
}

fn connect(place: &Place<'_>, until: Instant) -> io::Result<TcpStream> {
    let addresses: Vec<SocketAddr> = (place.host, place.port).to_socket_addrs()?.collect();
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the host name has no address");
    for address in addresses {
        match TcpStream::connect_timeout(&address, left(until)?) {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// Answers one connection with `answer`, and returns what was asked.
    fn serve(answer: &'static [u8]) -> (String, thread::JoinHandle<Vec<u8>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/readyz", listener.local_addr().unwrap());
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() > 0 {
                request.push(byte[0]);
            }
            stream.write_all(answer).unwrap();
            request
        });
        (url, server)
    }

    fn verdict(answer: &'static [u8]) -> Result<(), NotReady> {
        let (url, server) = serve(answer);
        let verdict = ask(&url, Duration::from_secs(20));
        server.join().unwrap();
        verdict
    }

    #[test]
    fn the_request_is_what_a_server_expects() {
        let (url, server) = serve(b"HTTP/1.1 200 OK\r\n\r\n");
        ask(&url, Duration::from_secs(20)).unwrap();
        let request = String::from_utf8(server.join().unwrap()).unwrap();
        assert!(
            request.starts_with("GET /readyz HTTP/1.1\r\nHost: 127.0.0.1:"),
            "{request}"
        );
        assert!(request.contains("\r\nConnection: close\r\n"), "{request}");
    }

    #[test]
    fn only_200_is_ready() {
        assert!(verdict(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n").is_ok());
        let no = verdict(
            b"HTTP/1.1 503 Service Unavailable\r\n\r\nnot ready yet\nlistener rw: \x1bredis-1\n",
        );
        let words = no.unwrap_err().to_string();
        assert!(
            words.contains("answered 503\nnot ready yet\nlistener rw: redis-1"),
            "{words:?}"
        );
        assert!(verdict(b"HTTP/1.1 404 Not Found\r\n\r\n").is_err());
    }

    #[test]
    fn what_is_not_http_is_not_ready() {
        for answer in [
            &b"+PONG 200\r\n"[..],
            b"HTTP/1.1 200",
            b"HTTP/1.1 2000 x\r\n",
            b"\n200\n",
        ] {
            let verdict = verdict(answer);
            assert!(
                matches!(verdict, Err(NotReady::NotHttp { .. })),
                "{answer:?}: {verdict:?}"
            );
        }
        assert!(matches!(verdict(b""), Err(NotReady::Unreachable { .. })));
    }

    #[test]
    fn nobody_there_is_not_ready() {
        let free = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let verdict = ask(&format!("http://{free}/readyz"), Duration::from_secs(20));
        assert!(
            matches!(verdict, Err(NotReady::Unreachable { .. })),
            "{verdict:?}"
        );
    }

    #[test]
    fn silence_ends_at_the_deadline() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let verdict = ask(&url, Duration::from_millis(50));
        let words = verdict.unwrap_err().to_string();
        assert!(words.contains("no answer in time"), "{words}");
    }

    #[test]
    fn urls_are_taken_apart() {
        let place = |authority, host, port, path| {
            Ok(Place {
                authority,
                host,
                port,
                path,
            })
        };
        assert_eq!(
            parse("http://a:9379/readyz?x"),
            place("a:9379", "a", 9379, "/readyz?x")
        );
        assert_eq!(parse("http://[::1]:1/"), place("[::1]:1", "::1", 1, "/"));
        assert_eq!(parse("http://[::1]"), place("[::1]", "::1", 80, "/"));
        assert_eq!(
            parse("http://localhost"),
            place("localhost", "localhost", 80, "/")
        );
    }

    #[test]
    fn what_is_no_url_is_told_so() {
        for url in [
            "",
            "127.0.0.1:9379",
            "https://a/",
            "http://",
            "http://:1/",
            "http://a:b/",
            "http://a:0/",
            "http://a:70000/",
            "http://::1/",
            "http://[::1/",
            "http://u@a/",
            "http://a/\r\nX: y",
            "http://a/#x",
        ] {
            assert!(
                matches!(ask(url, DEADLINE), Err(NotReady::Url { .. })),
                "{url:?}"
            );
        }
    }
}
