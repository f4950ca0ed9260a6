//! What the live demo shows: one look at the proxy and the processes, and what changed since the last.
//!
//! Pure: a look goes in, text comes out, so that it can be tested without a terminal.

use std::fmt::Write;
use std::net::SocketAddr;

use super::client::Metrics;
use super::topology::{Condition, LISTENERS, Node};

/// One look.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct View {
    /// Whether the proxy answered.
    pub(super) answered: bool,
    /// All nodes, the local replica last.
    pub(super) nodes: Vec<NodeRow>,
    /// Connections held open until a node is there.
    pub(super) parked: u64,
}

/// What is shown of one node.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct NodeRow {
    /// Its name.
    pub(super) name: &'static str,
    /// Where it listens.
    pub(super) address: SocketAddr,
    /// The role that the proxy last heard from it; empty when it heard none.
    pub(super) role: String,
    /// Whether the proxy holds it for the primary.
    pub(super) is_primary: bool,
    /// The listeners that it may serve.
    pub(super) serves: Vec<&'static str>,
    /// Sessions joined to it.
    pub(super) sessions: u64,
    /// Its process.
    pub(super) condition: Condition,
}

impl View {
    /// Takes a look; without metrics only the processes are known.
    pub(super) fn new(metrics: Option<&Metrics>, nodes: &[Node]) -> Self {
        let nothing = Metrics::default();
        let known = metrics.unwrap_or(&nothing);
        Self {
            answered: metrics.is_some(),
            nodes: nodes.iter().map(|node| row(known, node)).collect(),
            parked: count(known, "rolecall_listener_parked", &[]),
        }
    }

    /// The name of the primary.
    pub(super) fn primary(&self) -> Option<&'static str> {
        let primary = self.nodes.iter().find(|node| node.is_primary);
        primary.map(|node| node.name)
    }

    /// The table of the nodes.
    pub(super) fn table(&self) -> String {
        let mut text = format!(
            "  {:<12} {:<18} {:<8} {:<26} {:>8}  {}\n",
            "node", "address", "role", "may serve", "sessions", "process"
        );
        for node in &self.nodes {
            let serves = if node.serves.is_empty() {
                "-".to_owned()
            } else {
                node.serves.join(", ")
            };
            let _ = writeln!(
                text,
                "{} {:<12} {:<18} {:<8} {serves:<26} {:>8}  {}",
                if node.is_primary { "*" } else { " " },
                node.name,
                node.address.to_string(),
                if node.role.is_empty() {
                    "?"
                } else {
                    &node.role
                },
                node.sessions,
                node.condition.words(),
            );
        }
        text
    }

    /// What is different from an earlier look, one line each. Sessions and parked connections come and
    /// go all the time and are not told.
    pub(super) fn changes_since(&self, earlier: &Self) -> Vec<String> {
        let mut changes = Vec::new();
        match (earlier.answered, self.answered) {
            (true, false) => changes.push("rolecall does not answer at /metrics".to_owned()),
            (false, true) => changes.push("rolecall answers at /metrics".to_owned()),
            _ => {}
        }
        if !self.answered {
            return changes;
        }
        match (earlier.primary(), self.primary()) {
            (before, now) if before == now => {}
            (None, Some(now)) => changes.push(format!("{now} is the primary")),
            (Some(before), None) => changes.push(format!("no primary; it was {before}")),
            (before, now) => changes.push(format!(
                "{} is the primary, after {}",
                now.unwrap_or("nobody"),
                before.unwrap_or("nobody")
            )),
        }
        for node in &self.nodes {
            let before = earlier.nodes.iter().find(|old| old.name == node.name);
            if before.is_none_or(|old| old.serves != node.serves || old.role != node.role) {
                changes.push(node.words());
            }
        }
        changes
    }
}

impl NodeRow {
    fn words(&self) -> String {
        let role = match self.role.as_str() {
            "" => "has said no role",
            "primary" => "says it is a primary",
            "replica" => "says it is a replica",
            other => other,
        };
        let serves = match self.serves.as_slice() {
            [] => "nobody".to_owned(),
            some => some.join(" and "),
        };
        format!("{} {role}, and may serve {serves}", self.name)
    }
}

impl Condition {
    fn words(self) -> String {
        match self {
            Self::Running(pid) => format!("running, pid {pid}"),
            Self::Frozen => "stopped by SIGSTOP (s lets it go on)".to_owned(),
            Self::Killed => "killed (r restarts it)".to_owned(),
        }
    }
}

fn row(metrics: &Metrics, node: &Node) -> NodeRow {
    let own = ("node", node.name);
    let role = ["primary", "replica"]
        .into_iter()
        .find(|role| metrics.is_set("rolecall_node_role", &[own, ("role", role)]));
    NodeRow {
        name: node.name,
        address: node.address,
        role: role.unwrap_or_default().to_owned(),
        is_primary: metrics.is_set("rolecall_group_primary", &[own]),
        serves: LISTENERS
            .into_iter()
            .filter(|name| metrics.is_set("rolecall_node_eligible", &[own, ("listener", name)]))
            .collect(),
        sessions: count(metrics, "rolecall_node_sessions", &[own]),
        condition: node.condition(),
    }
}

/// A gauge of things that can be counted: it is never negative, and far from where a float is not exact.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float to an integer saturates, and a count of sessions is small"
)]
fn count(metrics: &Metrics, name: &str, labels: &[(&str, &str)]) -> u64 {
    metrics.value(name, labels).unwrap_or(0.0) as u64
}

#[cfg(test)]
mod tests {
    use super::{Condition, NodeRow, View};

    fn node(name: &'static str, role: &str, serves: &[&'static str]) -> NodeRow {
        NodeRow {
            name,
            address: "127.0.0.11:20000".parse().unwrap(),
            role: role.to_owned(),
            is_primary: serves.contains(&"redis-rw"),
            serves: serves.to_vec(),
            sessions: 3,
            condition: Condition::Running(1),
        }
    }

    fn view(nodes: Vec<NodeRow>) -> View {
        View {
            answered: true,
            nodes,
            parked: 0,
        }
    }

    #[test]
    fn nothing_is_told_while_only_sessions_change() {
        let before = view(vec![node("redis-1", "primary", &["redis-rw"])]);
        let mut after = before.clone();
        after.nodes[0].sessions = 9;
        after.parked = 2;
        assert_eq!(after.changes_since(&before), Vec::<String>::new());
    }

    #[test]
    fn a_failover_is_told_in_words() {
        let before = view(vec![
            node("redis-1", "primary", &["redis-rw"]),
            node("redis-2", "replica", &["redis-ro"]),
        ]);
        let after = view(vec![
            node("redis-1", "", &[]),
            node("redis-2", "primary", &["redis-rw"]),
        ]);
        assert_eq!(
            after.changes_since(&before),
            [
                "redis-2 is the primary, after redis-1",
                "redis-1 has said no role, and may serve nobody",
                "redis-2 says it is a primary, and may serve redis-rw",
            ]
        );
        assert!(after.table().contains("* redis-2"));
        assert!(!after.table().contains("* redis-1"));
    }

    #[test]
    fn a_proxy_that_does_not_answer_is_told_once() {
        let before = view(vec![node("redis-1", "primary", &["redis-rw"])]);
        let silent = View {
            answered: false,
            ..before.clone()
        };
        assert_eq!(
            silent.changes_since(&before),
            ["rolecall does not answer at /metrics"]
        );
        assert!(silent.changes_since(&silent).is_empty());
    }
}
