//! One run: a group, a proxy in front of it, clients, and what was done to them.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::group::{Group, Wishes};
use crate::hiccup::Hiccup;
use crate::load::{Diaries, Load};
use crate::process::wait_for;
use crate::proxies::{Candidate, Proxy};
use crate::watch::{Promotion, Watch};

const PROXY_STARTS: &str = "the proxy starts";
const CLIENTS_START: &str = "the clients start";
const CLIENTS_STOP: &str = "the clients stop";

/// Everything of one run; it all ends when the stage is dropped.
pub(crate) struct Stage {
    pub(crate) group: Group,
    pub(crate) proxy: Proxy,
    pub(crate) watch: Watch,
    pub(crate) began: Instant,
    /// When the proxy was started, and when it had its first verdicts.
    pub(crate) started: Option<Instant>,
    pub(crate) ready: Option<Instant>,
    /// What was done, and when.
    pub(crate) acts: Vec<(Instant, String)>,
    pub(crate) elections: [Option<u64>; 2],
    load: Option<(Load, Hiccup)>,
    /// How long the machine stood still at most while the clients were at work.
    pub(crate) hiccup: Duration,
}

impl Stage {
    pub(crate) fn set(
        candidate: Candidate,
        directory: &Path,
        wishes: Wishes,
        order: [usize; 3],
    ) -> Self {
        fs::create_dir_all(directory).expect("create a directory");
        let group = Group::start(directory, wishes);
        let addresses: Vec<_> = group.nodes.iter().map(|node| node.address).collect();
        let watch = Watch::start(&addresses);
        wait_for("all are watched", Duration::from_secs(10), || {
            watch.claims().len() >= addresses.len()
        });
        Self {
            proxy: Proxy::prepare(candidate, directory, &group, order),
            group,
            watch,
            began: Instant::now(),
            started: None,
            ready: None,
            acts: Vec::new(),
            elections: [None; 2],
            load: None,
            hiccup: Duration::ZERO,
        }
    }

    /// The usual beginning: the proxy knows all nodes, and the clients have been at work for a while.
    pub(crate) fn open(&mut self) {
        self.start_proxy();
        self.ready = Some(self.proxy.wait_ready());
        self.elections[0] = self.proxy.elections();
        self.start_load();
        thread::sleep(Duration::from_secs(2));
    }

    pub(crate) fn start_proxy(&mut self) {
        self.act(PROXY_STARTS);
        self.started = Some(Instant::now());
        self.proxy.start();
    }

    pub(crate) fn start_load(&mut self) {
        self.act(CLIENTS_START);
        let load = Load::start(&self.proxy.write, &self.proxy.read);
        self.load = Some((load, Hiccup::start()));
    }

    /// Notes what is done now.
    pub(crate) fn act(&mut self, what: &str) {
        self.acts.push((Instant::now(), what.to_owned()));
    }

    pub(crate) fn kill(&mut self, node: usize) {
        self.act(&format!("kill -9 redis-{}", node + 1));
        self.group.nodes[node].kill();
    }

    pub(crate) fn freeze(&mut self, node: usize) {
        self.act(&format!("SIGSTOP redis-{}", node + 1));
        self.group.nodes[node].freeze();
    }

    pub(crate) fn thaw(&mut self, node: usize) {
        self.act(&format!("SIGCONT redis-{}", node + 1));
        self.group.nodes[node].thaw();
    }

    pub(crate) fn restart(&mut self, node: usize) {
        self.watch.restarted(node);
        self.act(&format!("redis-{} starts as it was", node + 1));
        self.group.nodes[node].restart_as_it_was();
    }

    /// One command on a connection of its own.
    pub(crate) fn tell(&mut self, node: usize, words: &[&str]) {
        self.act(&format!("{} at redis-{}", words.join(" "), node + 1));
        self.group.nodes[node].tell(words);
    }

    /// `REPLICAOF`.
    pub(crate) fn follow(&mut self, node: usize, primary: usize) {
        self.act(&format!(
            "redis-{} REPLICAOF redis-{}",
            node + 1,
            primary + 1
        ));
        let address = self.group.nodes[primary].address;
        self.group.nodes[node].follow(address);
    }

    /// Waits until a node has been promoted.
    pub(crate) fn wait_promotion(&mut self) -> Promotion {
        let mut found = None;
        wait_for("a promotion", Duration::from_secs(90), || {
            found = self.watch.promotions().last().copied();
            found.is_some()
        });
        found.expect("it was waited for")
    }

    /// Waits until a node says that it is a replica and is linked.
    pub(crate) fn wait_replica(&mut self, node: usize) {
        let node = &self.group.nodes[node];
        wait_for(
            "a node is a linked replica",
            Duration::from_secs(90),
            || node.is_linked(),
        );
    }

    /// Ends the clients; gives what they saw, and the primary that all agree on.
    pub(crate) fn close(&mut self) -> (Diaries, Option<usize>) {
        if self.group.wait_settled().is_some() {
            thread::sleep(Duration::from_secs(1));
        }
        self.elections[1] = self.proxy.elections();
        self.act(CLIENTS_STOP);
        let (load, hiccup) = self.load.take().expect("the clients were started");
        self.hiccup = hiccup.worst();
        let diaries = load.finish();
        self.act("the clients have stopped");
        (diaries, self.group.wait_settled())
    }

    /// From when on both the proxy and the clients ran, until the clients were told to stop.
    pub(crate) fn under_load(&self) -> (Instant, Instant) {
        let when = |wanted: &str| {
            let act = self.acts.iter().find(|(_, what)| what == wanted);
            act.map_or(self.began, |(at, _)| *at)
        };
        let start = when(CLIENTS_START).max(when(PROXY_STARTS));
        (start, when(CLIENTS_STOP))
    }

    /// From the first thing that was done to the group under load, to the promotion.
    pub(crate) fn promotion_took(&self) -> Option<Duration> {
        let start = self
            .acts
            .iter()
            .position(|(_, what)| what == CLIENTS_START)?;
        let (struck, _) = self.acts.get(start + 1)?;
        let promotion = self.watch.promotions().first().copied()?;
        Some(promotion.at.saturating_duration_since(*struck))
    }

    /// All that was done and all that the nodes said, in order.
    pub(crate) fn timeline(&self) -> String {
        let mut lines: Vec<(Instant, String)> = self.acts.clone();
        for claim in self.watch.claims() {
            let role = if claim.is_primary { "master" } else { "slave" };
            lines.push((claim.at, format!("redis-{} says {role}", claim.node + 1)));
        }
        lines.sort_by_key(|(at, _)| *at);
        let mut text = String::new();
        for (at, line) in lines {
            let since = at.saturating_duration_since(self.began).as_secs_f64();
            let _ = writeln!(text, "{since:8.3}  {line}");
        }
        text
    }
}
