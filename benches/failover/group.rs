//! The Redis group that a failover is played on: a primary, two replicas, and three Sentinels as in the
//! set-up that rolecall takes over (quorum 2, down-after-milliseconds 3000), each on its own address.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::net::free_address;
use crate::process::{Process, wait_for, within};
use crate::wire::ask_once;

/// What the Sentinels call the group.
pub(crate) const MASTER_NAME: &str = "redis-ha";
/// How many nodes there are; the first is the primary at the beginning.
pub(crate) const NODES: usize = 3;
const SOON: Duration = Duration::from_secs(30);

/// How a group is to be set up.
#[derive(Clone, Copy, Default)]
pub(crate) struct Wishes {
    /// Nodes write an append-only file, so that a restarted one has its data.
    pub(crate) persistent: bool,
    /// Keys that are there before anything else.
    pub(crate) keys: u32,
    /// Whether Sentinels run. Their addresses are known to the proxy all the same.
    pub(crate) sentinels: bool,
}

/// The whole group; everything ends when it is dropped.
pub(crate) struct Group {
    pub(crate) nodes: Vec<Node>,
    pub(crate) sentinels: Vec<SocketAddr>,
    _sentinel_processes: Vec<Process>,
}

/// One redis-server.
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    directory: PathBuf,
    process: Process,
}

impl Group {
    /// Starts everything below `directory`, and waits until all are in sync and know each other.
    pub(crate) fn start(directory: &Path, wishes: Wishes) -> Self {
        let mut nodes: Vec<Node> = Vec::new();
        for number in 1..=NODES {
            let primary = nodes.first().map(|node| node.address);
            let node = Node::start(directory, number, primary, wishes);
            if primary.is_none() && wishes.keys > 0 {
                let keys = wishes.keys.to_string();
                let mut client = crate::wire::Conn::open(node.address, SOON).expect("redis-1");
                client
                    .ask(&["DEBUG", "POPULATE", &keys, "key", "100"])
                    .expect("DEBUG POPULATE");
            }
            nodes.push(node);
        }
        for replica in &nodes[1..] {
            wait_for("a replica is in sync", SOON, || replica.is_linked());
        }
        let sentinels: Vec<SocketAddr> = (0..NODES).map(|_| free_address()).collect();
        let mut processes = Vec::new();
        if wishes.sentinels {
            for (number, address) in sentinels.iter().enumerate() {
                processes.push(sentinel(directory, number, *address, nodes[0].address));
            }
            for address in &sentinels {
                wait_for("the Sentinels know all", SOON, || knows_all(*address));
            }
        }
        Self {
            nodes,
            sentinels,
            _sentinel_processes: processes,
        }
    }

    /// The one node that claims to be primary while all others that run are linked to theirs.
    pub(crate) fn settled(&mut self) -> Option<usize> {
        let mut primary = None;
        for (number, node) in self.nodes.iter_mut().enumerate() {
            if !node.process.runs() {
                continue;
            }
            match node.info("role").as_deref() {
                Some("master") if primary.is_none() => primary = Some(number),
                Some("slave") if node.is_linked() => {}
                _ => return None,
            }
        }
        primary
    }

    /// Waits until the group has settled; none when it does not within a minute.
    pub(crate) fn wait_settled(&mut self) -> Option<usize> {
        let mut primary = None;
        within(Duration::from_secs(60), || {
            primary = self.settled();
            primary.is_some()
        });
        primary
    }
}

impl Node {
    fn start(dir: &Path, number: usize, primary: Option<SocketAddr>, wishes: Wishes) -> Self {
        let name = format!("redis-{number}");
        let address = free_address();
        let directory = dir.join(&name);
        fs::create_dir_all(&directory).expect("create a directory");
        let replicaof = primary.map_or(String::new(), |primary| {
            format!("replicaof {} {}\n", primary.ip(), primary.port())
        });
        let text = format!(
            "bind {ip}\nport {port}\ndir {dir}\nprotected-mode no\nsave \"\"\nappendonly {append}\n\
             repl-diskless-sync yes\nrepl-diskless-sync-delay 0\nreplica-announce-ip {ip}\n\
             enable-debug-command yes\n{replicaof}",
            ip = address.ip(),
            port = address.port(),
            dir = directory.display(),
            append = if wishes.persistent { "yes" } else { "no" },
        );
        // Sentinels rewrite redis.conf; "the old configuration" is the one kept beside it.
        for file in ["redis.conf", "redis.old.conf"] {
            fs::write(directory.join(file), &text).expect("write a configuration");
        }
        let mut node = Self {
            process: run(&directory, "redis.conf"),
            name,
            address,
            directory,
        };
        node.wait_answering();
        node
    }

    /// kill -9.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// SIGSTOP.
    pub(crate) fn freeze(&self) {
        self.process.freeze();
    }

    /// SIGCONT.
    pub(crate) fn thaw(&self) {
        self.process.thaw();
    }

    /// Starts it again with the configuration that it had at the very beginning, and does not wait.
    pub(crate) fn restart_as_it_was(&mut self) {
        self.process.kill();
        fs::copy(
            self.directory.join("redis.old.conf"),
            self.directory.join("redis.conf"),
        )
        .expect("copy a configuration");
        self.process = run(&self.directory, "redis.conf");
    }

    fn wait_answering(&mut self) {
        let address = self.address;
        wait_for("a node answers", SOON, || {
            ask_once(address, &["PING"]).is_ok()
        });
    }

    /// A field of INFO replication; none when it does not answer.
    pub(crate) fn info(&self, field: &str) -> Option<String> {
        let reply = ask_once(self.address, &["INFO", "replication"]).ok()?;
        let key = format!("{field}:");
        let lines = reply.text()?.to_owned();
        let value = lines.lines().find_map(|line| line.strip_prefix(&key))?;
        Some(value.trim().to_owned())
    }

    /// Whether it is a replica whose link is up.
    pub(crate) fn is_linked(&self) -> bool {
        self.info("master_link_status").as_deref() == Some("up")
    }

    /// One command, whatever comes of it.
    pub(crate) fn tell(&self, words: &[&str]) {
        let reply = ask_once(self.address, words);
        assert!(
            matches!(reply, Ok(crate::wire::Reply::Text(_))),
            "{words:?} at {}: {reply:?}",
            self.name
        );
    }

    /// `REPLICAOF` another node.
    pub(crate) fn follow(&self, primary: SocketAddr) {
        let (ip, port) = (primary.ip().to_string(), primary.port().to_string());
        self.tell(&["REPLICAOF", &ip, &port]);
    }
}

fn run(directory: &Path, config: &str) -> Process {
    let config = directory.join(config);
    Process::start(
        "redis-server",
        &[&config.to_string_lossy()],
        &directory.join("redis.log"),
    )
}

fn sentinel(dir: &Path, number: usize, address: SocketAddr, primary: SocketAddr) -> Process {
    let directory = dir.join(format!("sentinel-{}", number + 1));
    fs::create_dir_all(&directory).expect("create a directory");
    let text = format!(
        "bind {ip}\nport {port}\ndir {dir}\nprotected-mode no\nsentinel announce-ip {ip}\n\
         sentinel monitor {MASTER_NAME} {primary_ip} {primary_port} 2\n\
         sentinel down-after-milliseconds {MASTER_NAME} 3000\n\
         sentinel failover-timeout {MASTER_NAME} 10000\n",
        ip = address.ip(),
        port = address.port(),
        dir = directory.display(),
        primary_ip = primary.ip(),
        primary_port = primary.port(),
    );
    let config = directory.join("sentinel.conf");
    fs::write(&config, text).expect("write a configuration");
    Process::start(
        "redis-sentinel",
        &[&config.to_string_lossy()],
        &directory.join("sentinel.log"),
    )
}

/// Whether a Sentinel knows both others and both replicas.
fn knows_all(address: SocketAddr) -> bool {
    let Ok(reply) = ask_once(address, &["SENTINEL", "MASTER", MASTER_NAME]) else {
        return false;
    };
    let field = |name: &str| {
        let found = reply.items().chunks(2).find(|p| p[0].text() == Some(name));
        found.and_then(|pair| pair.get(1)?.text().map(str::to_owned))
    };
    let wanted = (NODES - 1).to_string();
    field("num-slaves").as_ref() == Some(&wanted)
        && field("num-other-sentinels").as_ref() == Some(&wanted)
}
