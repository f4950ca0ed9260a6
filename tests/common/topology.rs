//! Configuration files, built from the nodes of a test.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use super::net::free_address;
use super::redis::RedisNode;
use super::rolecall::{Launch, Rolecall};

/// A configuration in the making. All that is not said keeps the proxy's default.
#[derive(Clone)]
pub(crate) struct Topology {
    nodes: Vec<String>,
    group: Vec<String>,
    listeners: Vec<String>,
    binds: BTreeMap<String, SocketAddr>,
    top: Vec<String>,
    admin: Vec<String>,
    log: String,
    admin_http: Option<SocketAddr>,
    has_local: bool,
    launch: Launch,
}

impl Topology {
    pub(crate) fn new() -> Self {
        Self {
            nodes: Vec::new(),
            group: Vec::new(),
            listeners: Vec::new(),
            binds: BTreeMap::new(),
            top: Vec::new(),
            admin: Vec::new(),
            log: "{ format: text, level: info }".to_owned(),
            admin_http: None,
            has_local: false,
            launch: Launch::default(),
        }
    }

    /// These nodes in this order, with the usual listeners: redis-rw, and redis-ro that falls back to it.
    pub(crate) fn standard(nodes: &[&RedisNode]) -> Self {
        nodes
            .iter()
            .fold(Self::new(), |all, node| all.node(node))
            .usual_listeners()
    }

    /// Adds a node.
    pub(crate) fn node(self, node: &RedisNode) -> Self {
        self.node_at(node.name(), &node.address().to_string())
    }

    /// Adds a node at any address.
    pub(crate) fn node_at(mut self, name: &str, address: &str) -> Self {
        self.nodes.push(format!("{name}: \"{address}\""));
        self
    }

    /// Adds a node with more keys than its address.
    pub(crate) fn node_with(mut self, node: &RedisNode, keys: &str) -> Self {
        let (name, address) = (node.name(), node.address());
        self.nodes
            .push(format!("{name}: {{ address: \"{address}\", {keys} }}"));
        self
    }

    /// Adds a local node.
    pub(crate) fn local(mut self, node: &RedisNode) -> Self {
        self.has_local = true;
        self.node_with(node, "local: true")
    }

    /// Adds a local node at any address.
    pub(crate) fn local_at(mut self, name: &str, address: SocketAddr) -> Self {
        self.has_local = true;
        self.nodes
            .push(format!("{name}: {{ address: \"{address}\", local: true }}"));
        self
    }

    /// Adds a key of the group, as `key: value`.
    pub(crate) fn group(mut self, line: &str) -> Self {
        self.group.push(line.to_owned());
        self
    }

    /// Checks that a busy test machine cannot make time out.
    pub(crate) fn patient_checks(self) -> Self {
        self.group("check: { interval: 5s, fast_interval: 50ms, timeout: 4s, fall: 6, rise: 2 }")
    }

    /// Adds a key of the whole file, as `key: value`.
    pub(crate) fn top(mut self, line: &str) -> Self {
        self.top.push(line.to_owned());
        self
    }

    /// Opens the admin socket there.
    pub(crate) fn socket(self, path: &Path) -> Self {
        self.admin(&format!("socket: \"{}\"", path.display()))
    }

    /// Adds a key of `admin`, as `key: value`.
    pub(crate) fn admin(mut self, line: &str) -> Self {
        self.admin.push(line.to_owned());
        self
    }

    /// Sets `log`.
    pub(crate) fn log(mut self, value: &str) -> Self {
        value.clone_into(&mut self.log);
        self
    }

    /// Adds a listener at an address of its own; `keys` are further keys, such as `fallback: redis-rw`.
    pub(crate) fn listener(self, name: &str, access: &str, keys: &str) -> Self {
        self.listener_at(name, free_address(), access, keys)
    }

    /// Adds a listener at a given address.
    pub(crate) fn listener_at(
        self,
        name: &str,
        address: SocketAddr,
        access: &str,
        keys: &str,
    ) -> Self {
        self.listener_bound(name, address, &[], access, keys)
    }

    /// Adds a listener with more binds than one.
    pub(crate) fn listener_bound(
        mut self,
        name: &str,
        address: SocketAddr,
        more: &[&str],
        access: &str,
        keys: &str,
    ) -> Self {
        let mut bind = format!("\"{address}\"");
        for other in more {
            let _ = write!(bind, ", \"{other}\"");
        }
        if !more.is_empty() {
            bind = format!("[{bind}]");
        }
        let comma = if keys.is_empty() { "" } else { ", " };
        self.listeners.push(format!(
            "{name}: {{ bind: {bind}, access: {access}{comma}{keys} }}"
        ));
        self.binds.insert(name.to_owned(), address);
        self
    }

    /// redis-rw, redis-ro falling back to it, and redis-local-ro falling back to that if a node is local.
    pub(crate) fn usual_listeners(self) -> Self {
        let with_local = self.has_local;
        let two = self.listener("redis-rw", "read-write", "").listener(
            "redis-ro",
            "read-only",
            "fallback: redis-rw",
        );
        if with_local {
            two.listener("redis-local-ro", "local-read-only", "fallback: redis-ro")
        } else {
            two
        }
    }

    /// Sets a variable of the proxy's environment.
    pub(crate) fn env(mut self, key: &str, value: &str) -> Self {
        self.launch.env.push((key.to_owned(), value.to_owned()));
        self
    }

    /// The variables of its environment.
    pub(crate) fn environment(&self) -> Vec<(&str, &str)> {
        let all = self.launch.env.iter();
        all.map(|(key, value)| (key.as_str(), value.as_str()))
            .collect()
    }

    /// Sends the proxy's log elsewhere.
    pub(crate) fn stdout(mut self, file: File) -> Self {
        self.launch.stdout = Some(Arc::new(file));
        self
    }

    /// Hands the proxy a listening socket as systemd does.
    pub(crate) fn activated_by(mut self, socket: TcpListener) -> Self {
        self.launch.stdin = Some(Arc::new(File::from(OwnedFd::from(socket))));
        // The third descriptor is the first that systemd uses.
        let words = "exec 3<&0 0</dev/null && export LISTEN_PID=$$ LISTEN_FDS=1";
        self.launch.prelude = Some(words.to_owned());
        self
    }

    /// Sets where the proxy answers HTTP; an address of its own for each start by default.
    pub(crate) fn admin_at(mut self, address: SocketAddr) -> Self {
        self.admin_http = Some(address);
        self
    }

    /// Adds an argument of `rolecall run`.
    pub(crate) fn argument(mut self, word: &str) -> Self {
        self.launch.arguments.push(word.to_owned());
        self
    }

    /// Gives the proxy only so many descriptors, as its hard limit.
    pub(crate) fn descriptors(mut self, limit: u32) -> Self {
        self.launch.prelude = Some(format!("ulimit -n {limit}"));
        self
    }

    /// Gives the proxy only so many descriptors at its start; the hard limit stays.
    pub(crate) fn soft_descriptors(mut self, limit: u32) -> Self {
        self.launch.prelude = Some(format!("ulimit -S -n {limit}"));
        self
    }

    /// Starts the proxy and waits until it says that it is ready.
    #[track_caller]
    pub(crate) fn start(&self) -> Rolecall {
        let proxy = self.spawn();
        proxy.wait_ready();
        proxy
    }

    /// Starts the proxy and waits until it listens, whatever it knows of the nodes.
    #[track_caller]
    pub(crate) fn start_unready(&self) -> Rolecall {
        let proxy = self.spawn();
        proxy.wait_alive();
        proxy
    }

    /// Starts the proxy and does not wait.
    #[track_caller]
    pub(crate) fn spawn(&self) -> Rolecall {
        self.spawn_at(self.admin_http.unwrap_or_else(free_address))
    }

    /// The same with a given address for `admin.http`.
    #[track_caller]
    pub(crate) fn spawn_at(&self, admin: SocketAddr) -> Rolecall {
        Rolecall::spawn(&self.yaml(admin), self.binds.clone(), admin, &self.launch)
    }

    /// Where the listeners listen.
    pub(crate) fn binds(&self) -> &BTreeMap<String, SocketAddr> {
        &self.binds
    }

    /// The same without a listener.
    pub(crate) fn without_listener(mut self, name: &str) -> Self {
        let start = format!("{name}:");
        self.listeners.retain(|line| !line.starts_with(&start));
        self.binds.remove(name);
        self
    }

    /// The same without a node.
    pub(crate) fn without_node(mut self, name: &str) -> Self {
        let start = format!("{name}:");
        self.nodes.retain(|line| !line.starts_with(&start));
        self
    }

    /// The text of the file.
    pub(crate) fn yaml(&self, admin: SocketAddr) -> String {
        let mut text = String::from("groups:\n  main:\n    nodes:\n");
        for node in &self.nodes {
            let _ = writeln!(text, "      {node}");
        }
        for line in &self.group {
            let _ = writeln!(text, "    {line}");
        }
        text.push_str("listeners:\n");
        for listener in &self.listeners {
            let _ = writeln!(text, "  {listener}");
        }
        let mut keys = vec![format!("http: \"{admin}\"")];
        keys.extend(self.admin.iter().cloned());
        let keys = keys.join(", ");
        let _ = writeln!(text, "admin: {{ {keys} }}\nlog: {}", self.log);
        for line in &self.top {
            let _ = writeln!(text, "{line}");
        }
        text
    }
}
