//! Who is compared: the same Redis, straight and behind each proxy, all configured as their manuals
//! would have it. None of them logs single connections, and only rolecall checks its node (it cannot do
//! without): what that costs is in its figures.

use std::env;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use crate::client::wait_for;
use crate::process::Process;
use crate::{Result, address, hold, meter};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    Direct,
    Rolecall,
    Haproxy,
    HaproxyOne,
    /// Scheduled as rolecall schedules its workers when they are busy, to see what is due to that alone.
    HaproxyBatch,
    Nginx,
    /// Another build of rolecall.
    Other,
}

/// Names the program of [`Side::Other`].
const OTHER: &str = "OTHER";

impl Side {
    /// Those that take part.
    pub(crate) fn all() -> Vec<Self> {
        let mut all = vec![
            Self::Direct,
            Self::Rolecall,
            Self::Haproxy,
            Self::HaproxyOne,
            Self::Nginx,
        ];
        if let Ok(words) = env::var("SIDES").as_deref()
            && !words.is_empty()
        {
            all.push(Self::HaproxyBatch);
            all.retain(|side| words.split([',', ' ']).any(|word| word == side.label()));
        }
        if env::var(OTHER).is_ok_and(|path| !path.is_empty()) {
            all.push(Self::Other);
        }
        all
    }

    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Rolecall => "rolecall",
            Self::Haproxy => "haproxy",
            Self::HaproxyOne => "haproxy-1",
            Self::HaproxyBatch => "haproxy-batch",
            Self::Nginx => "nginx",
            Self::Other => "other",
        }
    }
}

/// A started side.
pub(crate) struct Running {
    /// Where clients connect.
    pub(crate) address: SocketAddr,
    /// Empty for [`Side::Direct`].
    process: Option<Process>,
}

impl Running {
    /// Starts a side in front of a node, with its files in a directory, and waits until it serves.
    pub(crate) fn start(side: Side, node: SocketAddr, directory: &Path) -> Result<Self> {
        if side == Side::Direct {
            return Ok(Self {
                address: node,
                process: None,
            });
        }
        let address = address::free()?;
        let text = match side {
            Side::Direct | Side::Rolecall | Side::Other => rolecall(address, node)?,
            Side::Haproxy | Side::HaproxyBatch => haproxy(address, node, meter::cores()),
            Side::HaproxyOne => haproxy(address, node, 1),
            Side::Nginx => nginx(address, node, directory),
        };
        let process = launch(side, &text, directory)?;
        wait_for(address)
            .map_err(|error| format!("{}: {error}\n{}", side.label(), process.last_words()))?;
        Ok(Self {
            address,
            process: Some(process),
        })
    }

    /// The proxy's processes.
    pub(crate) fn pids(&self) -> Vec<u32> {
        self.process.as_ref().map(Process::pids).unwrap_or_default()
    }
}

fn launch(side: Side, text: &str, directory: &Path) -> Result<Process> {
    let file = directory.join(format!("{}.conf", side.label()));
    fs::write(&file, text)?;
    let file = file.to_string_lossy();
    let other = env::var(OTHER).unwrap_or_default();
    let words: &[&str] = match side {
        Side::Other => &[&other, "run", "-c", &file],
        Side::Direct | Side::Rolecall => &[env!("CARGO_BIN_EXE_rolecall"), "run", "-c", &file],
        Side::Haproxy | Side::HaproxyOne => &["haproxy", "-db", "-f", &file],
        Side::HaproxyBatch => &["chrt", "-b", "0", "haproxy", "-db", "-f", &file],
        Side::Nginx => &["nginx", "-c", &file, "-e", "stderr"],
    };
    Process::start(words, &directory.join(format!("{}.log", side.label())))
}

/// A read listener that falls back to the primary, which is the only node: replicas and reads take the
/// way that they take in production.
fn rolecall(address: SocketAddr, node: SocketAddr) -> Result<String> {
    let write = address::free()?;
    Ok(format!(
        "groups: {{ main: {{ nodes: {{ redis-1: \"{node}\" }} }} }}\n\
         listeners:\n\
         \x20 rw: {{ bind: \"{write}\", access: read-write }}\n\
         \x20 ro: {{ bind: \"{address}\", access: read-only, fallback: rw }}\n\
         log: {{ level: warn }}\n"
    ))
}

fn haproxy(address: SocketAddr, node: SocketAddr, threads: usize) -> String {
    let sessions = hold::most();
    format!(
        "global\n  maxconn {sessions}\n  nbthread {threads}\n\
         defaults\n  mode tcp\n  maxconn {sessions}\n  timeout connect 1s\n  timeout client 1h\n  \
         timeout server 1h\n\
         listen redis\n  bind {address}\n  balance leastconn\n  server redis-1 {node}\n"
    )
}

fn nginx(address: SocketAddr, node: SocketAddr, directory: &Path) -> String {
    let directory = directory.display();
    format!(
        "load_module /usr/lib/nginx/modules/ngx_stream_module.so;\n\
         daemon off;\nworker_processes auto;\nworker_rlimit_nofile {files};\n\
         pid {directory}/nginx.pid;\nerror_log stderr warn;\n\
         events {{ worker_connections {files}; }}\n\
         stream {{\n  upstream redis {{ least_conn; server {node}; }}\n  server {{\n    \
         listen {address} reuseport backlog=4096;\n    proxy_pass redis;\n    proxy_timeout 1h;\n    \
         proxy_connect_timeout 1s;\n  }}\n}}\n",
        files = 2 * hold::most() + 500,
    )
}
