//! Everything that the demo starts: the nodes, the Sentinels, the proxy, and the directory they live in.
//!
//! It owns all of them; dropping it ends the processes and removes the directory.

use std::fs::{self, DirBuilder};
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::addresses::Addresses;
use super::client::{Client, Metrics, Reply, Role, role_of};
use super::error::DemoError;
use super::process::{BREATH, Keeper, Process, Server};
use super::settings::{DOWN_AFTER_MS, Kind, node_config, proxy_config, sentinel_config};
use super::signals::Stop;

/// The names of the nodes; the last is the local replica.
pub(super) const NODES: [&str; 4] = ["redis-1", "redis-2", "redis-3", "redis-local"];
/// The names of the listeners.
pub(super) const LISTENERS: [&str; 3] = ["redis-rw", "redis-ro", "redis-local-ro"];
/// For everything that should take moments but may meet a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// One Redis server.
pub(super) struct Node {
    /// As the configuration calls it.
    pub(super) name: &'static str,
    /// Where it listens.
    pub(super) address: SocketAddr,
    /// None while it is killed.
    process: Option<Process>,
    /// Whether SIGSTOP holds it.
    pub(super) frozen: bool,
}

/// What has become of a node's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// With its process id.
    Running(u32),
    /// Stopped by SIGSTOP; it keeps its connections and answers nothing.
    Frozen,
    /// Killed.
    Killed,
}

/// Everything that the demo starts. Fields are dropped in this order: processes before their directory.
pub(super) struct Topology {
    nodes: Vec<Node>,
    sentinels: Vec<Process>,
    proxy: Option<Process>,
    server: Server,
    /// Where everything listens.
    pub(super) addresses: Addresses,
    /// Whether somebody asked the demo to end.
    pub(super) stop: Stop,
    directory: Directory,
}

/// A directory that goes away with its owner.
struct Directory {
    path: PathBuf,
    keeper: Keeper,
    keep: bool,
}

impl Directory {
    fn create() -> Result<Self, DemoError> {
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| since.as_nanos());
        let name = format!("rolecall-demo-{}-{now}", std::process::id());
        let path = std::env::temp_dir().join(name);
        DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(DemoError::system(format!("create {}", path.display())))?;
        let keeper = Keeper::start(&path)?;
        Ok(Self {
            path,
            keeper,
            keep: false,
        })
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // Where it cannot be removed, the keeper tries once more and the system's own cleaning is left.
        if self.keep || fs::remove_dir_all(&self.path).is_ok() {
            self.keeper.done();
        }
    }
}

impl Topology {
    /// Looks for the server program and free addresses; starts nothing yet.
    pub(super) fn prepare(stop: Stop) -> Result<Self, DemoError> {
        let server = Server::find()?;
        let addresses = Addresses::find()?;
        let nodes = NODES
            .iter()
            .zip(&addresses.nodes)
            .map(|(name, address)| Node {
                name,
                address: *address,
                process: None,
                frozen: false,
            })
            .collect();
        Ok(Self {
            nodes,
            sentinels: Vec::new(),
            proxy: None,
            server,
            addresses,
            stop,
            directory: Directory::create()?,
        })
    }

    /// Starts everything in order and waits until it stands. `say` gets a line for each step.
    pub(super) fn start(&mut self, say: &mut dyn FnMut(&str)) -> Result<(), DemoError> {
        let program = self.server.program;
        say(&format!(
            "Starting redis-1 (primary), redis-2 and redis-3 (replicas) with {program}, as {}",
            listed(&self.addresses.nodes[..3])
        ));
        for name in &NODES[..3] {
            self.start_node(name)?;
        }
        self.wait("redis-2 and redis-3 to be in sync with redis-1", |it| {
            in_sync(it.addresses.nodes[1]) && in_sync(it.addresses.nodes[2])
        })?;
        say(&format!(
            "Starting three Sentinels (quorum 2, down-after-milliseconds {DOWN_AFTER_MS}) at {}",
            listed(&self.addresses.sentinels)
        ));
        self.start_sentinels()?;
        say(&format!(
            "Starting rolecall: redis-rw, redis-ro and redis-local-ro at {}",
            listed(&self.addresses.listeners)
        ));
        self.start_proxy()?;
        say("Starting redis-local, a replica of redis-ro: its replication runs through rolecall");
        self.start_node(NODES[3])?;
        self.wait("redis-local to be in sync through redis-ro", |it| {
            in_sync(it.addresses.nodes[3])
        })?;
        self.wait("rolecall to serve redis-local-ro by redis-local", |it| {
            it.metrics().is_ok_and(|metrics| {
                let labels = [("listener", LISTENERS[2]), ("node", NODES[3])];
                metrics.is_set("rolecall_node_eligible", &labels)
            })
        })?;
        self.wait("the Sentinels to know both replicas and each other", |it| {
            it.addresses
                .sentinels
                .iter()
                .all(|address| is_ready(*address))
        })
    }

    /// Waits until `check` holds. Fails when the time is up, when a process that should run has ended,
    /// and when somebody asked the demo to end.
    pub(super) fn wait(
        &mut self,
        what: &str,
        mut check: impl FnMut(&Self) -> bool,
    ) -> Result<(), DemoError> {
        self.wait_for(what, |it| check(it).then_some(()))
    }

    /// Waits until `find` finds something; fails like [`Topology::wait`].
    pub(super) fn wait_for<T>(
        &mut self,
        what: &str,
        mut find: impl FnMut(&Self) -> Option<T>,
    ) -> Result<T, DemoError> {
        let start = Instant::now();
        loop {
            self.stop.check()?;
            self.must_run()?;
            if let Some(found) = find(self) {
                return Ok(found);
            }
            if start.elapsed() > PATIENCE {
                return Err(DemoError::Missing {
                    what: what.to_owned(),
                    waited: start.elapsed(),
                    logs: self.directory.path.clone(),
                });
            }
            thread::sleep(BREATH);
        }
    }

    /// Fails when a process that should run has ended.
    pub(super) fn must_run(&mut self) -> Result<(), DemoError> {
        let nodes = self
            .nodes
            .iter_mut()
            .filter_map(|node| node.process.as_mut());
        for process in nodes.chain(&mut self.sentinels).chain(&mut self.proxy) {
            process.must_run()?;
        }
        Ok(())
    }

    /// What the proxy says of itself.
    pub(super) fn metrics(&self) -> std::io::Result<Metrics> {
        Metrics::fetch(self.addresses.admin)
    }

    /// The node that the proxy holds for the primary.
    pub(super) fn primary(&self) -> Option<&'static str> {
        let metrics = self.metrics().ok()?;
        NODES
            .into_iter()
            .find(|name| metrics.is_set("rolecall_group_primary", &[("node", name)]))
    }

    /// How often the Sentinels have promoted a replica: each promotion takes a new epoch.
    pub(super) fn promotions(&self) -> u64 {
        let sentinels = self.addresses.sentinels.iter();
        let epochs = sentinels.filter_map(|address| sentinel_says(*address, "config-epoch"));
        epochs
            .filter_map(|epoch| epoch.parse().ok())
            .max()
            .unwrap_or(0)
    }

    /// All nodes, the local replica last.
    pub(super) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The address of a node; `name` is one of [`NODES`].
    pub(super) fn address(&self, name: &str) -> SocketAddr {
        let place = NODES.iter().position(|own| *own == name).unwrap_or(0);
        self.addresses.nodes[place]
    }

    /// Starts a node that does not run, with the data that it had.
    pub(super) fn start_node(&mut self, name: &'static str) -> Result<(), DemoError> {
        let address = self.address(name);
        let upstream = match name {
            "redis-1" => None,
            "redis-local" => Some(self.addresses.listeners[1]),
            _ => Some(self.addresses.nodes[0]),
        };
        let home = self.directory.path.join(name);
        let first_start = !home.exists();
        fs::create_dir_all(&home)
            .map_err(DemoError::system(format!("create {}", home.display())))?;
        let config = home.join("redis.conf");
        if first_start {
            let text = node_config(&home, address, upstream, self.kind(name));
            fs::write(&config, text)
                .map_err(DemoError::system(format!("write {}", config.display())))?;
        }
        let log = self.directory.path.join(format!("{name}.log"));
        // Sentinel rewrites the file when it makes the node a replica, so the file says what the node
        // was when it was killed: the old primary comes back as a primary, as in real life.
        let process = Process::start(
            name,
            log,
            Command::new(self.server.program).arg(&config),
            &self.directory.keeper,
        )?;
        if let Some(node) = self.nodes.iter_mut().find(|node| node.name == name) {
            node.process = Some(process);
            node.frozen = false;
        }
        self.wait(&format!("{name} to answer at {address}"), |_| {
            role_of(address).is_ok()
        })
    }

    fn kind(&self, name: &str) -> Kind {
        match name {
            "redis-local" if self.server.can_hide => Kind::HiddenLocal,
            "redis-local" => Kind::Local,
            _ => Kind::Voter,
        }
    }

    fn start_sentinels(&mut self) -> Result<(), DemoError> {
        let primary = self.addresses.nodes[0];
        for (number, address) in self.addresses.sentinels.clone().into_iter().enumerate() {
            let name = format!("sentinel-{}", number + 1);
            let config = self.directory.path.join(format!("{name}.conf"));
            fs::write(
                &config,
                sentinel_config(&self.directory.path, address, primary),
            )
            .map_err(DemoError::system(format!("write {}", config.display())))?;
            let process = Process::start(
                &name,
                self.directory.path.join(format!("{name}.log")),
                Command::new(self.server.program)
                    .arg(&config)
                    .arg("--sentinel"),
                &self.directory.keeper,
            )?;
            self.sentinels.push(process);
        }
        Ok(())
    }

    fn start_proxy(&mut self) -> Result<(), DemoError> {
        let config = self.directory.path.join("rolecall.yaml");
        fs::write(&config, proxy_config(&self.addresses))
            .map_err(DemoError::system(format!("write {}", config.display())))?;
        let program = std::env::current_exe().map_err(DemoError::system("find this program"))?;
        self.proxy = Some(Process::start(
            "rolecall",
            self.proxy_log(),
            Command::new(program).arg("run").arg("-c").arg(&config),
            &self.directory.keeper,
        )?);
        self.wait("rolecall to hold redis-1 for the primary", |it| {
            it.primary() == Some(NODES[0])
        })
    }

    /// Where the proxy writes its log.
    pub(super) fn proxy_log(&self) -> PathBuf {
        self.directory.path.join("rolecall.log")
    }

    /// Where all logs are.
    pub(super) fn logs(&self) -> &Path {
        &self.directory.path
    }

    /// Leaves the directory behind when the demo ends.
    pub(super) fn keep_logs(&mut self) {
        self.directory.keep = true;
    }

    /// `kill -9` of a node.
    pub(super) fn kill_node(&mut self, name: &str) {
        if let Some(node) = self.nodes.iter_mut().find(|node| node.name == name) {
            // Dropping a process kills it.
            node.process = None;
            node.frozen = false;
        }
    }

    /// SIGSTOP for a node, or SIGCONT when it is stopped already.
    pub(super) fn freeze_or_thaw(&mut self, name: &str) -> Result<(), DemoError> {
        let found = self.nodes.iter_mut().find(|node| node.name == name);
        if let Some(node) = found
            && let Some(process) = &node.process
        {
            if node.frozen {
                process.thaw()?;
            } else {
                process.freeze()?;
            }
            node.frozen = !node.frozen;
        }
        Ok(())
    }
}

impl Node {
    /// What has become of its process.
    pub(super) fn condition(&self) -> Condition {
        match &self.process {
            None => Condition::Killed,
            Some(_) if self.frozen => Condition::Frozen,
            Some(process) => Condition::Running(process.pid()),
        }
    }
}

fn listed(addresses: &[SocketAddr]) -> String {
    let all: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    all.join(", ")
}

/// Whether a replica says that it is in sync.
pub(super) fn in_sync(address: SocketAddr) -> bool {
    matches!(role_of(address), Ok(Role::Replica { in_sync: true }))
}

/// Whether a Sentinel knows enough for a failover: two replicas and two other Sentinels.
fn is_ready(address: SocketAddr) -> bool {
    let says = |key| sentinel_says(address, key).as_deref() == Some("2");
    says("num-slaves") && says("num-other-sentinels")
}

/// One field of what a Sentinel says of the group.
fn sentinel_says(address: SocketAddr, key: &str) -> Option<String> {
    let mut client = Client::connect(address, Duration::from_millis(500)).ok()?;
    let Ok(Reply::Array(fields)) = client.call(&["SENTINEL", "MASTER", "redis-ha"]) else {
        return None;
    };
    fields.chunks(2).find_map(|pair| match pair {
        [Reply::Bulk(Some(name)), Reply::Bulk(Some(value))] if name == key => Some(value.clone()),
        _ => None,
    })
}
