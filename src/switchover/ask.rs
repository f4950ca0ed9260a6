//! The few words that a switchover has for a Sentinel or a primary, on connections of their own.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::config::model::{Address, Credentials, GroupConfig};
use crate::core::facts::HostPort;
use crate::core::group::Group;
use crate::core::ids::NodeId;
use crate::core::snapshot::Target;
use crate::redis::resp::{self, Reply};

/// For a connection, and for each answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// From one question to the next while a replica is not online yet.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// Bytes read at a time.
const CHUNK: usize = 16 * 1024;

/// A byte stream of either kind.
trait Wire: Read + Write + Send {}

impl<T: Read + Write + Send> Wire for T {}

/// A connection that is logged in.
struct Line {
    wire: Box<dyn Wire>,
    unread: Vec<u8>,
}

/// Where to call.
enum Callee {
    Address(Address),
    Target(Target),
}

/// Asks one Sentinel after the other to promote a replica; the first that agrees does it. Says which.
pub(super) async fn sentinels(
    config: &GroupConfig,
    answering: &[Arc<str>],
) -> Result<String, String> {
    let Some(sentinel) = config.sentinel.clone() else {
        return Err("no Sentinels are configured".to_owned());
    };
    let mut refusals = Vec::new();
    for address in sentinel.addresses {
        let name = address.to_string();
        if !answering.iter().any(|known| **known == *name) {
            continue;
        }
        let (auth, master) = (sentinel.auth.clone(), sentinel.name.clone());
        let said = aside(move || {
            let mut line = Line::call(&Callee::Address(address), auth.as_ref())?;
            line.ask(&["SENTINEL", "FAILOVER", &master])
        });
        match said.await {
            Ok(_) => return Ok(format!("Sentinel {name} promotes a replica")),
            Err(why) => refusals.push(format!("Sentinel {name}: {why}")),
        }
    }
    if refusals.is_empty() {
        return Err("no Sentinel answers".to_owned());
    }
    Err(refusals.join("; "))
}

/// Asks the primary to hand over to a node, by the address under which it knows it.
pub(super) async fn primary(
    config: &GroupConfig,
    known: &Group,
    from: NodeId,
    (to, name): (NodeId, &str),
    patience: Duration,
) -> Result<String, String> {
    let callee = Callee::Target(target(known, from)?);
    let auth = config.auth.clone();
    let (known, name) = (known.clone(), name.to_owned());
    aside(move || {
        let mut line = Line::call(&callee, auth.as_ref())?;
        let node = known.nodes().iter().find(|node| node.settings.id == to);
        let is_it = |place: &HostPort| node.is_some_and(|node| node.is_at(place));
        let place = line.online(is_it, &name)?;
        let (port, millis) = (place.port.to_string(), patience.as_millis().to_string());
        line.ask(&["FAILOVER", "TO", &place.host, &port, "TIMEOUT", &millis])?;
        Ok(format!("the primary hands over to {name} ({place})"))
    })
    .await
}

/// Has the primary end a handover that did not come to an end. Says what came of it.
pub(super) async fn abort(config: &GroupConfig, known: &Group, from: NodeId) -> String {
    let auth = config.auth.clone();
    let callee = target(known, from).map(Callee::Target);
    let said = aside(move || {
        let mut line = Line::call(&callee?, auth.as_ref())?;
        line.ask(&["FAILOVER", "ABORT"])
    });
    match said.await {
        Ok(_) => "the handover was aborted".to_owned(),
        // It has ended by itself, or the primary has gone.
        Err(why) => format!("there was no handover to abort: {why}"),
    }
}

fn target(known: &Group, node: NodeId) -> Result<Target, String> {
    let view = known.view().node(node);
    let target = view.and_then(|view| view.target.clone());
    target.ok_or_else(|| "the primary's address is not known".to_owned())
}

/// The replicas that a primary names, by the lines `slave0:ip=10.1.1.2,port=6379,state=online,..`, and
/// whether each is online.
fn replicas(info: &str) -> Vec<(HostPort, bool)> {
    let lines = info.lines().filter_map(|line| {
        let (key, value) = line.split_once(':')?;
        let number = key.strip_prefix("slave")?;
        number.parse::<u32>().ok()?;
        let field = |name: &str| {
            let mut fields = value.split(',').filter_map(|field| field.split_once('='));
            fields.find_map(|(key, value)| (key == name).then_some(value))
        };
        let place = HostPort::new(field("ip")?, field("port")?.trim().parse().ok()?);
        Some((place, field("state") == Some("online")))
    });
    lines.collect()
}

/// Not on the control thread, where checks want to be on time.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|bug| Err(format!("a bug, please report it: {bug}")))
}

impl Line {
    fn call(callee: &Callee, auth: Option<&Credentials>) -> Result<Self, String> {
        let wire = dial(callee).map_err(|error| format!("cannot be reached: {error}"))?;
        let mut line = Self {
            wire,
            unread: Vec::new(),
        };
        if let Some(Credentials { username, password }) = auth {
            let password = password.expose();
            let said = match username {
                Some(name) => line.ask(&["AUTH", name, password]),
                None => line.ask(&["AUTH", password]),
            };
            said.map_err(|_| "it refuses our password".to_owned())?;
        }
        Ok(line)
    }

    /// The address by which a primary knows the replica that is meant, once that is online: one that has
    /// just linked is so only after a moment.
    fn online(
        &mut self,
        is_it: impl Fn(&HostPort) -> bool,
        name: &str,
    ) -> Result<HostPort, String> {
        let until = Instant::now() + PATIENCE;
        loop {
            let Reply::Bulk(info) = self.ask(&["INFO", "replication"])? else {
                return Err("INFO was answered with something else".to_owned());
            };
            let replicas = replicas(&String::from_utf8_lossy(&info));
            match replicas.iter().find(|(place, _)| is_it(place)) {
                Some((place, true)) => return Ok(place.clone()),
                Some(_) if Instant::now() < until => thread::sleep(ASK_AGAIN),
                Some(_) => return Err(format!("{name} is not online at the primary yet")),
                None => {
                    let all = replicas.iter().map(|(place, _)| place.to_string());
                    return Err(format!(
                        "the primary does not know {name} by our address for it, its replicas are {}: set \
                         replica-announce-ip and replica-announce-port of {name} to that address",
                        all.collect::<Vec<_>>().join(", ")
                    ));
                }
            }
        }
    }

    /// One command and its answer; an error reply is an error.
    fn ask(&mut self, words: &[&str]) -> Result<Reply, String> {
        let mut request = Vec::new();
        resp::command(&mut request, words);
        let broken = |error: io::Error| format!("its connection broke: {error}");
        self.wire.write_all(&request).map_err(broken)?;
        let mut chunk = [0; CHUNK];
        loop {
            let found = resp::next_reply(&self.unread).map_err(|error| error.to_string())?;
            if let Some((reply, length)) = found {
                self.unread.drain(..length);
                return match reply {
                    Reply::Error(text) => Err(format!("it said {text}")),
                    reply => Ok(reply),
                };
            }
            match self.wire.read(&mut chunk).map_err(broken)? {
                0 => return Err("it closed the connection".to_owned()),
                length => self
                    .unread
                    .extend_from_slice(chunk.get(..length).unwrap_or_default()),
            }
        }
    }
}

fn dial(callee: &Callee) -> io::Result<Box<dyn Wire>> {
    match callee {
        Callee::Target(Target::Unix(path)) | Callee::Address(Address::Unix(path)) => {
            let wire = UnixStream::connect(path)?;
            wire.set_read_timeout(Some(PATIENCE))?;
            wire.set_write_timeout(Some(PATIENCE))?;
            Ok(Box::new(wire))
        }
        Callee::Target(Target::Tcp(address)) => dial_tcp(&[*address]),
        Callee::Address(Address::Tcp(place)) => {
            let found = (&*place.host, place.port).to_socket_addrs()?;
            dial_tcp(&found.collect::<Vec<_>>())
        }
    }
}

fn dial_tcp(addresses: &[std::net::SocketAddr]) -> io::Result<Box<dyn Wire>> {
    let mut failures = Vec::new();
    for address in addresses {
        match TcpStream::connect_timeout(address, PATIENCE) {
            Err(error) if addresses.len() == 1 => return Err(error),
            Err(error) => failures.push(format!("{address}: {error}")),
            Ok(wire) => {
                wire.set_read_timeout(Some(PATIENCE))?;
                wire.set_write_timeout(Some(PATIENCE))?;
                return Ok(Box::new(wire));
            }
        }
    }
    if failures.is_empty() {
        return Err(io::Error::other("its name has no address"));
    }
    Err(io::Error::other(failures.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_replicas_of_a_primary_are_read_by_its_own_addresses() {
        let info = "role:master\r\nconnected_slaves:2\r\n\
            slave0:ip=10.1.1.2,port=6379,state=online,offset=14,lag=1\r\n\
            slave1:ip=fd00::3,port=6380,state=wait_bgsave,offset=0,lag=0\r\n\
            slave_read_only:1\r\nmaster_failover_state:no-failover\r\n";
        let expected = [
            (HostPort::new("10.1.1.2", 6379), true),
            (HostPort::new("fd00::3", 6380), false),
        ];
        assert_eq!(replicas(info), expected);
    }
}
