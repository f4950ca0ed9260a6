//! Many groups behind one rolecall, as a large installation has them.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use crate::client::{Client, wait_for};
use crate::node::Node;
use crate::process::Process;
use crate::{Result, address};

/// Nodes of a group; the first is its primary.
pub(crate) const GROUP: usize = 5;

/// Running servers, group by group.
pub(crate) struct Fleet {
    nodes: Vec<Node>,
}

/// A rolecall in front of some of them.
pub(crate) struct Front {
    process: Process,
    listeners: Vec<SocketAddr>,
    pub(crate) admin: SocketAddr,
}

impl Fleet {
    pub(crate) fn start(nodes: usize, directory: &Path) -> Result<Self> {
        let nodes = (0..nodes)
            .map(|_| Node::start(directory))
            .collect::<Result<Vec<_>>>()?;
        for group in nodes.chunks(GROUP) {
            for replica in &group[1..] {
                replica.follow(group[0].address)?;
            }
        }
        for group in nodes.chunks(GROUP) {
            group[0].wait_for_replicas(group.len() - 1)?;
        }
        Ok(Self { nodes })
    }

    pub(crate) fn node(&self, group: usize, number: usize) -> &Node {
        &self.nodes[group * GROUP + number]
    }

    /// A rolecall for the first so many nodes, with so many listeners, that has found all primaries.
    pub(crate) fn front(&self, nodes: usize, listeners: usize, directory: &Path) -> Result<Front> {
        let admin = address::free()?;
        let mut text = format!("admin: {{ http: \"{admin}\" }}\nlog: {{ level: warn }}\ngroups:\n");
        let groups: Vec<&[Node]> = self.nodes[..nodes].chunks(GROUP).collect();
        for (group, members) in groups.iter().enumerate() {
            writeln!(text, "  g{group}:\n    nodes:")?;
            for (number, node) in members.iter().enumerate() {
                writeln!(text, "      {}: \"{}\"", name(group, number), node.address)?;
            }
        }
        text.push_str("listeners:\n");
        let mut bound = Vec::new();
        for number in 0..listeners.max(groups.len()) {
            let (group, bind) = (number % groups.len(), address::free()?);
            let access = if number < groups.len() {
                "read-write"
            } else {
                "read-only"
            };
            writeln!(
                text,
                "  l{number}: {{ group: g{group}, bind: \"{bind}\", access: {access} }}"
            )?;
            bound.push(bind);
        }
        let file = directory.join(format!("fleet-{nodes}.yaml"));
        std::fs::write(&file, text)?;
        let words = [
            env!("CARGO_BIN_EXE_rolecall"),
            "run",
            "-c",
            &file.to_string_lossy(),
        ];
        let process = Process::start(&words, &file.with_extension("log"))?;
        for address in &bound {
            wait_for(*address).map_err(|error| format!("{error}\n{}", process.last_words()))?;
        }
        Ok(Front {
            process,
            listeners: bound,
            admin,
        })
    }
}

/// What the configuration calls a node.
pub(crate) fn name(group: usize, number: usize) -> String {
    format!("g{group}-{number}")
}

impl Front {
    pub(crate) fn pids(&self) -> Vec<u32> {
        self.process.pids()
    }

    /// So many sessions, spread over all listeners.
    pub(crate) fn sessions(&self, count: usize) -> Result<Vec<Client>> {
        let each = (0..count).map(|number| {
            let address = self.listeners[number % self.listeners.len()];
            let mut client = Client::connect_from(address::source(number), address)?;
            client.ping()?;
            Ok(client)
        });
        each.collect()
    }
}
