//! Who holds an address: for the error message of a bind that failed, and for nothing else.
//!
//! The kernel's tables name the inode of the listening socket, and the process that has a descriptor
//! of that inode is the holder. Processes of other users can only be seen by root.

use std::fmt;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

/// The state of a listening socket in /proc/net/tcp, and the flag of one in /proc/net/unix.
const TCP_LISTEN: &str = "0A";
const UNIX_LISTENS: &str = "00010000";

/// The process that listens on an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its process id.
    pub pid: u32,
    /// Its command, as `ps` shows it without arguments.
    pub command: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pid {} ({})", self.pid, self.command)
    }
}

/// Who listens on a TCP address, or on its port on all addresses; none when it cannot be seen.
pub(super) fn of_tcp(address: SocketAddr) -> Option<Holder> {
    let inodes: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .into_iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| tcp_inodes(&table, address))
        .collect();
    owner(&inodes)
}

/// Who listens on a Unix socket; none when it cannot be seen.
pub(super) fn of_unix(path: &Path) -> Option<Holder> {
    let table = fs::read_to_string("/proc/net/unix").ok()?;
    owner(&unix_inodes(&table, path))
}

/// Whether anybody listens on a Unix socket, seen or not.
pub(super) fn is_listened_on(path: &Path) -> bool {
    let table = fs::read_to_string("/proc/net/unix").unwrap_or_default();
    !unix_inodes(&table, path).is_empty()
}

fn tcp_inodes(table: &str, address: SocketAddr) -> Vec<String> {
    table
        .lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            let local = parse_address(fields.get(1)?)?;
            let clashes = local.port() == address.port()
                && (local.ip().to_canonical() == address.ip().to_canonical()
                    || local.ip().is_unspecified()
                    || address.ip().is_unspecified());
            let inode = (*fields.get(9)?).to_owned();
            (*fields.get(3)? == TCP_LISTEN && clashes).then_some(inode)
        })
        .collect()
}

/// `0100007F:18EB`: words of the address in the machine's byte order, the port in hexadecimal.
fn parse_address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let mut bytes = Vec::with_capacity(16);
    for start in (0..ip.len()).step_by(8) {
        let word = u32::from_str_radix(ip.get(start..start + 8)?, 16).ok()?;
        bytes.extend_from_slice(&word.to_ne_bytes());
    }
    let ip = match bytes.len() {
        4 => IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?),
        _ => IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?),
    };
    Some(SocketAddr::new(ip, port))
}

fn unix_inodes(table: &str, path: &Path) -> Vec<String> {
    table
        .lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            let listens = *fields.get(3)? == UNIX_LISTENS && Path::new(fields.get(7)?) == path;
            let inode = (*fields.get(6)?).to_owned();
            listens.then_some(inode)
        })
        .collect()
}

/// The first process that has a descriptor of one of these sockets.
fn owner(inodes: &[String]) -> Option<Holder> {
    let links: Vec<String> = inodes.iter().map(|i| format!("socket:[{i}]")).collect();
    if links.is_empty() {
        return None;
    }
    fs::read_dir("/proc").ok()?.flatten().find_map(|process| {
        let pid: u32 = process.file_name().to_str()?.parse().ok()?;
        let holds = fs::read_dir(process.path().join("fd"))
            .ok()?
            .flatten()
            .filter_map(|descriptor| fs::read_link(descriptor.path()).ok())
            .any(|target| links.iter().any(|link| target.as_os_str() == link.as_str()));
        let command = fs::read_to_string(process.path().join("comm")).ok()?;
        holds.then(|| Holder {
            pid,
            command: command.trim().to_owned(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_kernels_tables() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:18EB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1\n\
             1: 0100007F:18EB 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 4712 1\n\
             2: 00000000:18EC 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1\n";
        let inodes = |address: &str| tcp_inodes(table, address.parse().unwrap());
        assert_eq!(inodes("127.0.0.1:6379"), ["4711"]);
        assert_eq!(inodes("127.0.0.2:6379"), Vec::<String>::new());
        assert_eq!(inodes("127.0.0.2:6380"), ["4713"], "all addresses");
        let table = "Num RefCount Protocol Flags Type St Inode Path\n\
             0000: 00000002 00000000 00010000 0001 01 815 /run/r.sock\n\
             0000: 00000003 00000000 00000000 0001 03 816 /run/r.sock\n";
        assert_eq!(unix_inodes(table, Path::new("/run/r.sock")), ["815"]);
    }

    #[test]
    fn finds_this_process() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let holder = of_tcp(socket.local_addr().unwrap()).unwrap();
        assert_eq!(holder.pid, std::process::id());
        assert!(!holder.command.is_empty());
    }
}
