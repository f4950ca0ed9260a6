//! The applications: writers and readers that behave as a plain blocking client does.
//!
//! Half of them keep their connection for good, as pools do; the others open a new one now and then, as
//! applications that connect for each page do: only new connections see a proxy change its mind.
//!
//! Each has one connection, sends one request and waits for its reply, and goes on with a new connection
//! after a short pause when it breaks. An error reply does not break it. A write that was not acknowledged
//! is never sent again: the next one has a new number, so a number that is there twice was doubled by
//! somebody else.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::direct::Compass;
use crate::wire::{Conn, Reply};

/// How many of each.
pub(crate) const WRITERS: usize = 8;
pub(crate) const READERS: usize = 4;
/// Between a reply and the next request.
const PACE: Duration = Duration::from_millis(4);
/// Before a client tries again.
const PAUSE: Duration = Duration::from_millis(10);
/// How many requests a client of the second kind makes on one connection.
const VISIT: u32 = 50;
/// A client that gets no answer for so long is stuck for ever.
pub(crate) const STUCK: Duration = Duration::from_secs(15);

/// Where clients connect.
#[derive(Clone)]
pub(crate) enum Target {
    /// A listener of a proxy.
    Proxy(SocketAddr),
    /// The primary that the Sentinels name.
    Sentinels(Arc<Compass>),
}

/// An answered request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    /// The write's number; of a read the newest number that it saw, 0 for none.
    pub(crate) number: u32,
    /// Whose list it was.
    pub(crate) writer: usize,
    pub(crate) sent: Instant,
    pub(crate) at: Instant,
    /// The port of the node that answered.
    pub(crate) port: u16,
}

/// What one client saw.
#[derive(Default)]
pub(crate) struct Diary {
    pub(crate) answers: Vec<Answer>,
    /// What went wrong, by kind.
    pub(crate) troubles: BTreeMap<String, u64>,
    /// Connections that ended against the client's will.
    pub(crate) cut: u64,
    /// Errors that say READONLY on one connection, at most.
    pub(crate) most_readonly: u64,
    /// From the wish to the answer, repeated attempts included: the longest, and when it ended.
    pub(crate) longest_wait: Duration,
    pub(crate) waited_until: Option<Instant>,
}

/// All diaries.
pub(crate) struct Diaries {
    pub(crate) writers: Vec<Diary>,
    pub(crate) readers: Vec<Diary>,
}

/// Running clients.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    writers: Vec<JoinHandle<Diary>>,
    readers: Vec<JoinHandle<Diary>>,
}

struct Client {
    target: Target,
    stop: Arc<AtomicBool>,
    keeps: bool,
    diary: Diary,
    /// Until the first connection is accepted, being refused does not count: the proxy may not run yet.
    arrived: bool,
    /// Since when it wants the answer that it has not got.
    wish: Instant,
}

impl Load {
    pub(crate) fn start(write: &Target, read: &Target) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let client = |target: &Target, number: usize| Client {
            keeps: number.is_multiple_of(2),
            target: target.clone(),
            stop: Arc::clone(&stop),
            diary: Diary::default(),
            arrived: false,
            wish: Instant::now(),
        };
        let writers = (0..WRITERS)
            .map(|number| {
                let client = client(write, number);
                thread::spawn(move || client.write(number))
            })
            .collect();
        let readers = (0..READERS)
            .map(|number| {
                let client = client(read, number);
                thread::spawn(move || client.read(number))
            })
            .collect();
        Self {
            stop,
            writers,
            readers,
        }
    }

    /// Ends all clients after the request that they are at.
    pub(crate) fn finish(self) -> Diaries {
        self.stop.store(true, Ordering::Relaxed);
        let join = |threads: Vec<JoinHandle<Diary>>| {
            let diaries = threads.into_iter().map(JoinHandle::join);
            diaries.map(|d| d.expect("a client")).collect()
        };
        Diaries {
            writers: join(self.writers),
            readers: join(self.readers),
        }
    }
}

impl Client {
    fn write(mut self, writer: usize) -> Diary {
        let key = key(writer);
        let mut number = 0;
        self.run(|conn| {
            number += 1;
            let reply = conn.ask(&["RPUSH", &key, &number.to_string()])?;
            Ok(accept(reply, |text| text.map(|_| (number, writer))))
        });
        self.diary
    }

    fn read(mut self, reader: usize) -> Diary {
        let mut turn = reader;
        self.run(|conn| {
            turn = (turn + 1) % WRITERS;
            let writer = turn;
            let reply = conn.ask(&["LINDEX", &key(writer), "-1"])?;
            // A list that is not there has no number in it yet.
            Ok(accept(reply, |text| {
                Some((text.map_or(Some(0), |text| text.parse().ok())?, writer))
            }))
        });
        self.diary
    }

    /// Connects and sends requests until it is stopped.
    fn run(
        &mut self,
        mut request: impl FnMut(&mut Conn) -> io::Result<Result<(u32, usize), String>>,
    ) {
        self.wish = Instant::now();
        while self.goes_on() {
            let Some((mut conn, port, heading)) = self.connect() else {
                thread::sleep(PAUSE);
                continue;
            };
            let mut readonly = 0;
            let mut requests = 0;
            while (self.keeps || requests < VISIT) && self.goes_on() && self.is_right(heading) {
                requests += 1;
                let sent = Instant::now();
                match request(&mut conn) {
                    Ok(Ok((number, writer))) => {
                        self.answered(Answer {
                            number,
                            writer,
                            sent,
                            at: Instant::now(),
                            port,
                        });
                        thread::sleep(PACE);
                        self.wish = Instant::now();
                    }
                    Ok(Err(line)) => {
                        readonly += u64::from(line.starts_with("READONLY"));
                        self.diary.most_readonly = self.diary.most_readonly.max(readonly);
                        self.trouble(&kind_of_line(&line));
                        thread::sleep(PAUSE);
                    }
                    Err(error) => {
                        self.trouble(kind_of_break(&error));
                        self.diary.cut += 1;
                        thread::sleep(PAUSE);
                        break;
                    }
                }
            }
        }
        // The last wish may never have been granted.
        self.waited();
    }

    /// Opens a connection and asks on it who answers. The number tells a compass' readings apart.
    fn connect(&mut self) -> Option<(Conn, u16, u64)> {
        let (address, heading) = match &self.target {
            Target::Proxy(address) => (*address, 0),
            Target::Sentinels(compass) => compass.read()?,
        };
        let mut conn = match Conn::open(address, STUCK) {
            Ok(conn) => conn,
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                if self.arrived {
                    self.trouble("refused");
                }
                return None;
            }
            Err(error) => {
                self.trouble(kind_of_break(&error));
                return None;
            }
        };
        self.arrived = true;
        match conn.ask(&["CONFIG", "GET", "port"]) {
            Ok(Reply::Error(line)) => {
                self.trouble(&kind_of_line(&line));
                None
            }
            Ok(reply) => {
                let port = reply.items().get(1).and_then(|item| item.text());
                Some((
                    conn,
                    port.and_then(|p| p.parse().ok()).unwrap_or(0),
                    heading,
                ))
            }
            Err(error) if kind_of_break(&error) == "closed" => {
                self.trouble("turned away");
                None
            }
            Err(error) => {
                self.trouble(kind_of_break(&error));
                None
            }
        }
    }

    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    fn is_right(&self, heading: u64) -> bool {
        match &self.target {
            Target::Proxy(_) => true,
            Target::Sentinels(compass) => compass.heading() == heading,
        }
    }

    fn answered(&mut self, answer: Answer) {
        self.waited();
        self.diary.answers.push(answer);
    }

    /// Ends a wait. Before the first answer there may have been no proxy.
    fn waited(&mut self) {
        let waited = self.wish.elapsed();
        if self.diary.answers.is_empty() {
            return;
        }
        if waited > self.diary.longest_wait {
            self.diary.longest_wait = waited;
            self.diary.waited_until = Some(Instant::now());
        }
    }

    fn trouble(&mut self, kind: &str) {
        *self.diary.troubles.entry(kind.to_owned()).or_default() += 1;
    }
}

/// The list of a writer.
pub(crate) fn key(writer: usize) -> String {
    format!("failover:{writer}")
}

fn accept(
    reply: Reply,
    read: impl FnOnce(Option<&str>) -> Option<(u32, usize)>,
) -> Result<(u32, usize), String> {
    match reply {
        Reply::Error(line) => Err(line),
        Reply::Text(text) => read(Some(&text)).ok_or_else(|| "strange".to_owned()),
        Reply::Nil => read(None).ok_or_else(|| "strange".to_owned()),
        Reply::List(_) => Err("strange".to_owned()),
    }
}

/// The code of an error reply; those of the proxy itself are told apart.
fn kind_of_line(line: &str) -> String {
    let code = line.split(' ').next().unwrap_or_default();
    if line.contains("rolecall:") {
        format!("{code} by rolecall")
    } else {
        code.to_owned()
    }
}

fn kind_of_break(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::ConnectionRefused => "refused",
        ErrorKind::WouldBlock | ErrorKind::TimedOut => "stuck",
        ErrorKind::Other => "not RESP",
        _ => "closed",
    }
}
