//! What the failover is played to: rolecall without and with Sentinel, HAProxy with its textbook and its best
//! configuration, and a client without any proxy. The configurations are the files in `templates/`.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::direct::Compass;
use crate::group::{Group, MASTER_NAME};
use crate::load::Target;
use crate::net::free_address;
use crate::process::{Process, wait_for};

/// One of those that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Candidate {
    Rolecall,
    RolecallSentinel,
    HaproxyTextbook,
    HaproxyBest,
    Direct,
}

/// All of them, in the order of the table.
pub(crate) const CANDIDATES: [Candidate; 5] = [
    Candidate::Rolecall,
    Candidate::RolecallSentinel,
    Candidate::HaproxyTextbook,
    Candidate::HaproxyBest,
    Candidate::Direct,
];

impl Candidate {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rolecall => "rolecall",
            Self::RolecallSentinel => "rolecall+sentinel",
            Self::HaproxyTextbook => "haproxy-textbook",
            Self::HaproxyBest => "haproxy-best",
            Self::Direct => "direct",
        }
    }

    pub(crate) fn is_rolecall(self) -> bool {
        matches!(self, Self::Rolecall | Self::RolecallSentinel)
    }

    /// How soon after a promotion the first durable write is to be there. Until then a proxy cannot have
    /// known, so what the old primary acknowledges in between is counted apart.
    pub(crate) fn notice(self) -> Duration {
        match self {
            Self::RolecallSentinel => Duration::from_millis(30),
            _ => Duration::from_millis(100),
        }
    }

    fn template(self) -> &'static str {
        match self {
            Self::Rolecall | Self::RolecallSentinel => include_str!("templates/rolecall.yaml"),
            Self::HaproxyTextbook => include_str!("templates/haproxy-textbook.cfg"),
            Self::HaproxyBest => include_str!("templates/haproxy-best.cfg"),
            Self::Direct => "",
        }
    }
}

/// A candidate with its addresses; it may not run yet. What runs ends when it is dropped.
pub(crate) struct Proxy {
    pub(crate) candidate: Candidate,
    pub(crate) write: Target,
    pub(crate) read: Target,
    directory: PathBuf,
    admin: SocketAddr,
    socket: PathBuf,
    process: Option<Process>,
}

impl Proxy {
    /// Writes the configuration. `order` is the order in which the nodes are listed.
    pub(crate) fn prepare(
        candidate: Candidate,
        directory: &Path,
        group: &Group,
        order: [usize; 3],
    ) -> Self {
        let (write, read, admin) = (free_address(), free_address(), free_address());
        // The path of a Unix socket is short.
        let socket = std::env::temp_dir().join(format!("rolecall-failover-{}", write.port()));
        let sentinels: Vec<String> = group.sentinels.iter().map(|a| format!("\"{a}\"")).collect();
        let sentinel = match candidate {
            Candidate::RolecallSentinel => format!(
                "sentinel: {{ name: {MASTER_NAME}, addresses: [{}] }}",
                sentinels.join(", ")
            ),
            _ => String::new(),
        };
        let mut text = candidate.template().to_owned();
        for (place, value) in [
            ("{node1}", group.nodes[order[0]].address.to_string()),
            ("{node2}", group.nodes[order[1]].address.to_string()),
            ("{node3}", group.nodes[order[2]].address.to_string()),
            ("{write}", write.to_string()),
            ("{read}", read.to_string()),
            ("{admin}", admin.to_string()),
            ("{socket}", socket.display().to_string()),
            ("{sentinel}", sentinel),
        ] {
            text = text.replace(place, &value);
        }
        fs::write(directory.join("proxy.conf"), text).expect("write a configuration");
        let target = |address| match candidate {
            Candidate::Direct => Target::Sentinels(Compass::new(&group.sentinels)),
            _ => Target::Proxy(address),
        };
        Self {
            candidate,
            write: target(write),
            read: target(read),
            directory: directory.to_owned(),
            admin,
            socket,
            process: None,
        }
    }

    /// Starts it, and does not wait.
    pub(crate) fn start(&mut self) {
        let config = self.directory.join("proxy.conf");
        let config = config.to_string_lossy();
        let log = self.directory.join("proxy.log");
        self.process = match self.candidate {
            Candidate::Rolecall | Candidate::RolecallSentinel => Some(Process::start(
                env!("CARGO_BIN_EXE_rolecall"),
                &["run", "-c", &config],
                &log,
            )),
            Candidate::HaproxyTextbook | Candidate::HaproxyBest => {
                Some(Process::start("haproxy", &["-db", "-f", &config], &log))
            }
            Candidate::Direct => None,
        };
    }

    /// Waits until it knows the role of every node, and gives that moment.
    pub(crate) fn wait_ready(&mut self) -> Instant {
        wait_for("the proxy is ready", Duration::from_secs(60), || {
            assert!(
                self.process.as_mut().is_none_or(Process::runs),
                "{} has ended: see {}",
                self.candidate.name(),
                self.directory.display()
            );
            self.is_ready()
        });
        Instant::now()
    }

    fn is_ready(&self) -> bool {
        match self.candidate {
            Candidate::Direct => true,
            Candidate::Rolecall | Candidate::RolecallSentinel => {
                self.http("/readyz").is_some_and(|text| {
                    text.starts_with("HTTP/1.1 200") || text.starts_with("HTTP/1.0 200")
                })
            }
            // Servers count as up before their first check. One primary and two replicas are left after it.
            Candidate::HaproxyTextbook | Candidate::HaproxyBest => {
                self.servers_up("redis-rw") == 1 && self.servers_up("redis-ro") == 2
            }
        }
    }

    /// How often rolecall has elected a primary; none for the others.
    pub(crate) fn elections(&self) -> Option<u64> {
        if !self.candidate.is_rolecall() {
            return None;
        }
        let text = self.http("/metrics")?;
        let line = text
            .lines()
            .find(|line| line.starts_with("rolecall_group_primary_changes_total{"))?;
        line.rsplit(' ').next()?.parse().ok()
    }

    fn http(&self, path: &str) -> Option<String> {
        let patience = Duration::from_secs(2);
        let mut stream = TcpStream::connect_timeout(&self.admin, patience).ok()?;
        stream.set_read_timeout(Some(patience)).ok()?;
        let request = format!("GET {path} HTTP/1.0\r\nHost: {}\r\n\r\n", self.admin);
        stream.write_all(request.as_bytes()).ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        Some(text)
    }

    /// HAProxy's own word, from its statistics.
    fn servers_up(&self, backend: &str) -> usize {
        let ask = || -> std::io::Result<String> {
            let mut stream = UnixStream::connect(&self.socket)?;
            stream.set_read_timeout(Some(Duration::from_secs(2)))?;
            stream.write_all(b"show stat\n")?;
            let mut text = String::new();
            stream.read_to_string(&mut text)?;
            Ok(text)
        };
        let text = ask().unwrap_or_default();
        let start = format!("{backend},redis-");
        let is_up = |line: &&str| line.split(',').nth(17).is_some_and(|s| s.starts_with("UP"));
        text.lines()
            .filter(|line| line.starts_with(&start))
            .filter(is_up)
            .count()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // Its owner may have ended before it could remove it.
        let _ = fs::remove_file(&self.socket);
    }
}
