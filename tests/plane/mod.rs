//! A data plane with a hand-made view, and the servers behind it.

mod server;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rolecall::config::model::{Bind, ListenerConfig};
use rolecall::core::alarm::Alarm;
use rolecall::core::chain::{Access, Chain, Members, Tier};
use rolecall::core::ids::{GroupId, ListenerId, NodeId};
use rolecall::core::reason::Ineligible;
use rolecall::core::snapshot::{GroupView, NodeView, PrimaryView, Silence, Snapshot};
use rolecall::journal::Journal;
use rolecall::proxy::{self, Begin, Feed, Loads, Proxy, ProxySettings, StartError};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};

pub(crate) use server::Server;

/// What everything here must be done in. Only ever reached by a failure.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) const LISTENER: ListenerId = ListenerId(7);

/// A data plane to be started.
pub(crate) struct Builder {
    group: GroupView,
    listener: ListenerConfig,
    workers: usize,
}

/// A running one.
pub(crate) struct Plane {
    group: Mutex<GroupView>,
    feed: watch::Sender<Arc<Snapshot>>,
    alarms: Mutex<mpsc::UnboundedReceiver<Alarm>>,
    proxy: Proxy,
    runtime: Runtime,
}

impl Plane {
    /// A read-only listener in front of replicas that all may serve.
    pub(crate) fn reads(servers: &[Server]) -> Builder {
        Builder::new(servers, "redis-ro", Access::ReadOnly)
    }

    /// A read-write listener; the node of this number is the primary, in term 1.
    pub(crate) fn writes(servers: &[Server], primary: u32) -> Builder {
        Builder::new(servers, "redis-rw", Access::ReadWrite).edit(|group| elect(group, primary, 1))
    }

    pub(crate) fn address(&self) -> SocketAddr {
        let tcp = self
            .proxy
            .bound()
            .into_iter()
            .find_map(|(_, bind)| match bind {
                Bind::Tcp(address) => Some(address),
                Bind::Unix(_) => None,
            });
        tcp.unwrap()
    }

    pub(crate) fn loads(&self) -> Arc<Loads> {
        self.proxy.loads()
    }

    /// Sessions by node.
    pub(crate) fn sessions(&self) -> Vec<usize> {
        let group = self.group.lock().unwrap();
        group
            .nodes
            .iter()
            .map(|node| self.loads().sessions(node.id))
            .collect()
    }

    /// Publishes a changed view; on return it is published.
    pub(crate) fn publish(&self, change: impl FnOnce(&mut GroupView)) {
        let mut group = self.group.lock().unwrap();
        change(&mut group);
        self.feed
            .send_replace(Arc::new(Snapshot::default().with(group.clone())));
    }

    pub(crate) fn eventually_parked(&self, count: usize) {
        eventually("parked", || self.loads().parked(LISTENER) == count);
    }

    /// The next alarm.
    pub(crate) fn alarm(&self) -> Alarm {
        let mut alarms = self.alarms.lock().unwrap();
        let next = self
            .runtime
            .block_on(async { tokio::time::timeout(DEADLINE, alarms.recv()).await });
        next.expect("no alarm came").unwrap()
    }

    /// Whether no alarm is there.
    pub(crate) fn no_alarm(&self) -> bool {
        self.alarms.lock().unwrap().try_recv().is_err()
    }

    pub(crate) fn drain(&self) {
        self.runtime.block_on(self.proxy.drain());
    }

    pub(crate) fn shutdown(self, grace: Duration) {
        self.runtime.block_on(self.proxy.shutdown(grace));
    }
}

impl Builder {
    fn new(servers: &[Server], name: &str, access: Access) -> Self {
        let nodes = servers.iter().zip(0..);
        let group = GroupView {
            id: GroupId(1),
            name: "main".into(),
            primary: None,
            ended: None,
            nodes: nodes.map(|(server, number)| node(server, number)).collect(),
        };
        let tier = Tier {
            listener: LISTENER,
            access,
            members: Members::NotLocal,
        };
        let bind = Bind::Tcp(([127, 0, 0, 1], 0).into());
        let chain = Chain { tiers: vec![tier] };
        Self {
            listener: ListenerConfig::new(LISTENER, name, group.id, access, vec![bind], chain),
            group,
            workers: 1,
        }
    }

    pub(crate) fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// Changes the first view.
    pub(crate) fn edit(mut self, change: impl FnOnce(&mut GroupView)) -> Self {
        change(&mut self.group);
        self
    }

    pub(crate) fn listener(mut self, change: impl FnOnce(&mut ListenerConfig)) -> Self {
        change(&mut self.listener);
        self
    }

    /// Replaces the chain by read-only tiers of these nodes.
    pub(crate) fn tiers(mut self, tiers: &[&[u32]]) -> Self {
        let tier = |nodes: &&[u32]| Tier {
            listener: LISTENER,
            access: Access::ReadOnly,
            members: Members::Listed(nodes.iter().map(|id| NodeId(*id)).collect()),
        };
        self.listener.chain.tiers = tiers.iter().map(tier).collect();
        self
    }

    /// Puts a tier into the chain.
    pub(crate) fn add_tier(mut self, access: Access, nodes: &[u32], at: usize) -> Self {
        let tier = Tier {
            listener: LISTENER,
            access,
            members: Members::Listed(nodes.iter().map(|id| NodeId(*id)).collect()),
        };
        self.listener.chain.tiers.insert(at, tier);
        self
    }

    pub(crate) fn start(self) -> Plane {
        self.try_start().unwrap()
    }

    pub(crate) fn try_start(self) -> Result<Plane, StartError> {
        let snapshot = Arc::new(Snapshot::default().with(self.group.clone()));
        let (feed, snapshots) = watch::channel(snapshot);
        let (sender, alarms) = mpsc::unbounded_channel();
        let settings = ProxySettings {
            spare_descriptors: 0,
            inherited: Vec::new(),
            begin: Begin::AtOnce,
            may_hand_over: false,
            listeners: vec![self.listener],
            workers: self.workers,
        };
        let proxy = proxy::start(
            settings,
            Feed {
                journal: Journal::default(),
                snapshots,
                alarms: sender,
            },
        )?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        Ok(Plane {
            group: Mutex::new(self.group),
            feed,
            alarms: Mutex::new(alarms),
            proxy,
            runtime,
        })
    }
}

impl std::fmt::Debug for Plane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.proxy.fmt(f)
    }
}

fn node(server: &Server, number: u32) -> NodeView {
    NodeView {
        id: NodeId(number),
        name: format!("redis-{number}").into(),
        target: Some(server.target()),
        local: false,
        weight: 1,
        run: 1,
        redeemed: 0,
        write: Err(Ineligible::IsReplica),
        read: Ok(()),
        close_reads: None,
        silence: Silence::None,
        stale: false,
        looping: None,
    }
}

/// Makes a node the primary; the others become replicas.
pub(crate) fn elect(group: &mut GroupView, primary: u32, term: u64) {
    group.primary = Some(PrimaryView {
        node: NodeId(primary),
        term,
    });
    for node in &mut group.nodes {
        let elected = node.id == NodeId(primary);
        node.write = if elected {
            Ok(())
        } else {
            Err(Ineligible::IsReplica)
        };
        node.read = if elected {
            Err(Ineligible::IsPrimary)
        } else {
            Ok(())
        };
    }
}

/// Takes a node out of the reads.
pub(crate) fn unserve(group: &mut GroupView, node: usize) {
    group.nodes[node].read = Err(Ineligible::Unchecked);
}

/// Lets a node serve reads.
pub(crate) fn serve(group: &mut GroupView, node: usize) {
    group.nodes[node].read = Ok(());
}

/// Polls until it holds.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < DEADLINE, "never came true: {what}");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

pub(crate) fn read_line(client: &mut TcpStream) -> String {
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut line = Vec::new();
    while !line.ends_with(b"\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        line.push(byte[0]);
    }
    String::from_utf8(line).unwrap()
}

/// Everything up to an orderly end; a reset fails.
pub(crate) fn read_to_end(client: &mut TcpStream) -> String {
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut text = String::new();
    client.read_to_string(&mut text).unwrap();
    text
}

/// Whether the session ends, by an end or a reset, before the deadline.
pub(crate) fn closed(client: &mut TcpStream) -> bool {
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut buffer = [0; 1024];
    loop {
        match client.read(&mut buffer) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => {
                return matches!(error.kind(), std::io::ErrorKind::ConnectionReset);
            }
        }
    }
}

/// A client that has been joined to an echoing node.
pub(crate) fn connected(address: SocketAddr) -> TcpStream {
    let mut client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    echo(&mut client, b"hi");
    client
}

/// Sends a line and gets it back.
pub(crate) fn echo(client: &mut TcpStream, words: &[u8]) {
    let line = [words, b"\r\n"].concat();
    client.write_all(&line).unwrap();
    let mut reply = vec![0; line.len()];
    client.read_exact(&mut reply).unwrap();
    assert_eq!(reply, line);
}
