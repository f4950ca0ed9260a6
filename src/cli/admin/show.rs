//! A status as a page of text: groups, nodes, listeners. And one listener explained.

use std::fmt::Write as _;

use super::paper::{Cell, Side, Style, Table, Tint};
use crate::api::{
    GroupState, GroupStatus, ListenerStatus, NodeOrder, NodeRole, NodeStatus, Serves, Status,
};

/// The words that a listener's sentence begins with while somebody serves.
pub(in crate::cli) const GO_TO: &str = "new connections go to ";

/// The whole page.
pub(super) fn status(status: &Status, style: Style) -> String {
    let mut page = head(status, style);
    for group in &status.groups {
        page += "\n";
        page += &self::group(group, style);
    }
    page += "\n";
    page += &listeners(&status.listeners, style);
    page
}

fn head(status: &Status, style: Style) -> String {
    let connections: usize = status.workers.iter().map(|worker| worker.connections).sum();
    let line = format!(
        "rolecall {}, process {}, up {}, {}, {} UTC",
        status.build.version,
        status.build.pid,
        span(status.uptime_seconds),
        clients(connections),
        clock(&status.time),
    );
    let mut out = style
        .paragraph("", Tint::Plain, &line)
        .trim_start()
        .to_owned();
    if status.draining {
        out += &style.paragraph("DRAINING", Tint::Bad, "no new connections are accepted");
    }
    if let Some(why) = &status.config.refused {
        let why = format!(
            "the newest {} was refused, the one before it is in force: {why}",
            status.config.path
        );
        out += &style.paragraph("CONFIG", Tint::Bad, &why);
    }
    out
}

fn group(group: &GroupStatus, style: Style) -> String {
    let (word, tint) = match group.state {
        GroupState::Ok => ("OK", Tint::Good),
        GroupState::Degraded => ("DEGRADED", Tint::Warn),
        GroupState::Handover => ("HANDOVER", Tint::Warn),
        GroupState::Conflict => ("CONFLICT", Tint::Bad),
        GroupState::NoPrimary => ("NO PRIMARY", Tint::Bad),
    };
    let mut out = style.paragraph(&format!("{} {word}", group.name), tint, &group.text);
    let silent = group.sentinels.iter().filter(|sentinel| !sentinel.answers);
    let silent: Vec<&str> = silent.map(|sentinel| sentinel.address.as_str()).collect();
    if !silent.is_empty() {
        let words = format!(
            "{} of {} do not answer: {}",
            silent.len(),
            group.sentinels.len(),
            silent.join(", ")
        );
        out += &style.paragraph("  Sentinels", Tint::Warn, &words);
    }
    let mut table = Table::new([
        ("NODE", Side::Left),
        ("ROLE", Side::Left),
        ("SERVES", Side::Left),
        ("LAG", Side::Right),
        ("SESSIONS", Side::Right),
        ("NOTE", Side::Left),
    ]);
    for node in &group.nodes {
        table.push(row(node));
    }
    out + &table.print(style)
}

fn row(node: &NodeStatus) -> [Cell; 6] {
    let role = match node.role {
        NodeRole::Primary => "primary",
        NodeRole::Replica => "replica",
        NodeRole::Unknown => "unknown",
    };
    let (serves, tint) = match node.serves {
        Serves::Writes => ("writes", Tint::Good),
        Serves::Reads => ("reads", Tint::Good),
        Serves::Nothing if node.trouble => ("nothing", Tint::Bad),
        Serves::Nothing => ("nothing", Tint::Plain),
    };
    let note = if node.trouble {
        Tint::Warn
    } else {
        Tint::Plain
    };
    let plain = |text: &str| Cell(text.to_owned(), Tint::Plain);
    [
        Cell(node.name.clone(), Tint::Strong),
        plain(role),
        Cell(serves.to_owned(), tint),
        plain(&lag(node)),
        plain(&node.sessions.to_string()),
        Cell(remark(node), note),
    ]
}

fn remark(node: &NodeStatus) -> String {
    let reason = node.reason.as_deref().unwrap_or_default();
    // The reason says it already where the order is what stands in the way.
    let order = match node.order {
        NodeOrder::Maintenance if !reason.contains("maintenance") => "in maintenance",
        NodeOrder::Drain if !reason.contains("drain") => "being drained",
        _ => "",
    };
    match (reason, order) {
        (reason, "") => reason.to_owned(),
        ("", order) => order.to_owned(),
        (reason, order) => format!("{reason}; {order}"),
    }
}

fn listeners(all: &[ListenerStatus], style: Style) -> String {
    let mut table = Table::new([
        ("LISTENER", Side::Left),
        ("CLIENTS", Side::Right),
        ("PARKED", Side::Right),
        ("NEW CONNECTIONS GO TO", Side::Left),
    ]);
    for listener in all {
        let (to, tint) = match listener.text.strip_prefix(GO_TO) {
            Some(to) => (to, Tint::Plain),
            None => (listener.text.as_str(), Tint::Bad),
        };
        let parked = if listener.parked > 0 {
            Tint::Warn
        } else {
            Tint::Plain
        };
        table.push([
            Cell(listener.name.clone(), Tint::Strong),
            Cell(listener.connections.to_string(), Tint::Plain),
            Cell(listener.parked.to_string(), parked),
            Cell(to.to_owned(), tint),
        ]);
    }
    table.print(style)
}

fn clients(count: usize) -> String {
    format!("{count} {}", if count == 1 { "client" } else { "clients" })
}

/// One listener: each step of its chain, each node of it, and why.
pub(super) fn explain(status: &Status, listener: &ListenerStatus, style: Style) -> String {
    let mut out = style.paragraph(&listener.name, Tint::Strong, &listener.text);
    let mut facts = format!(
        "{}, group {}, on {}; {}, {} parked",
        listener.access,
        listener.group,
        listener.binds.join(" "),
        clients(listener.connections),
        listener.parked
    );
    if let Some(most) = listener.max_connections {
        let _infallible = write!(facts, ", at most {most}");
    }
    out += &style.paragraph("", Tint::Plain, &facts);
    let mut groups = status.groups.iter();
    let group = groups.find(|group| group.name == listener.group);
    for (place, tier) in listener.chain.iter().enumerate() {
        let own = tier.listener == listener.name;
        let whose = if own {
            String::new()
        } else {
            format!(", by the fallback {}", tier.listener)
        };
        let (word, tint) = match (tier.serves, tier.nodes.is_empty()) {
            (true, _) => ("serves", Tint::Good),
            (false, false) => ("does not serve", Tint::Plain),
            (false, true) => ("has no nodes", Tint::Plain),
        };
        let line = format!("step {}: {}{whose}: ", place + 1, tier.access);
        let _infallible = write!(out, "\n{line}{}\n", style.paint(word, tint));
        let mut table = Table::new([
            ("NODE", Side::Left),
            ("VERDICT", Side::Left),
            ("SESSIONS", Side::Right),
            ("WHY, AND WHAT ITS LAST CHECK SAID", Side::Left),
        ]);
        for node in &tier.nodes {
            let mut nodes = group.into_iter().flat_map(|group| &group.nodes);
            let known = nodes.find(|known| known.name == node.node);
            let (word, tint) = match (node.chosen, node.eligible) {
                (true, _) => ("chosen", Tint::Good),
                (false, true) => ("passed over", Tint::Plain),
                (false, false) => ("not eligible", Tint::Plain),
            };
            let why = node
                .reason
                .clone()
                .unwrap_or_else(|| "gets new connections".to_owned());
            table.push([
                Cell(node.node.clone(), Tint::Strong),
                Cell(word.to_owned(), tint),
                Cell(
                    known.map_or(0, |known| known.sessions).to_string(),
                    Tint::Plain,
                ),
                Cell(
                    format!("{why}{}", known.map_or_else(String::new, last_check)),
                    Tint::Plain,
                ),
            ]);
        }
        if !tier.nodes.is_empty() {
            out += &table.print(style);
        }
    }
    out
}

fn last_check(node: &NodeStatus) -> String {
    match &node.last_check {
        None => "; not checked yet".to_owned(),
        Some(check) => {
            let ago = span(check.age_seconds);
            let at = node.dialled.as_ref().filter(|at| **at != node.address);
            let at = at.map_or_else(String::new, |at| format!(" at {at}"));
            format!("; checked {ago} ago{at}: {}", check.text)
        }
    }
}

/// An address as written, and where it was dialled if that says more.
pub(in crate::cli) fn place(address: &str, dialled: Option<&String>) -> String {
    match dialled {
        Some(dialled) if dialled != address => format!("{address} ({dialled})"),
        _ => address.to_owned(),
    }
}

/// `14:02:11` of an RFC 3339 time.
pub(super) fn clock(time: &str) -> &str {
    time.get(11..19).unwrap_or(time)
}

/// Seconds as people say them.
pub(in crate::cli) fn span(seconds: f64) -> String {
    let duration = std::time::Duration::try_from_secs_f64(seconds).unwrap_or_default();
    crate::core::time::in_words(duration)
}

/// Of a node; empty for a primary.
fn lag(node: &NodeStatus) -> String {
    if node.role != NodeRole::Replica {
        return String::new();
    }
    behind(node.lag_bytes, node.lag_seconds)
}

/// `0`, `12 KiB 1.2s`, `?`.
pub(in crate::cli) fn behind(lag_bytes: Option<u64>, lag_seconds: Option<f64>) -> String {
    match (lag_bytes, lag_seconds) {
        (Some(0), _) => "0".to_owned(),
        (None, None) => "?".to_owned(),
        (bytes, seconds) => {
            let parts = [bytes.map(size), seconds.map(span)];
            let parts: Vec<String> = parts.into_iter().flatten().collect();
            parts.join(" ")
        }
    }
}

/// Bytes in at most four digits and a unit.
fn size(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes;
    let mut unit = 0;
    while value >= 10_000 && unit + 1 < units.len() {
        value /= 1024;
        unit += 1;
    }
    format!("{value} {}", units[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short() {
        assert_eq!(size(0), "0 B");
        assert_eq!(size(12_345), "12 KiB");
        assert_eq!(size(u64::MAX), "16777215 TiB");
        assert_eq!(span(190.0), "3m10s");
        assert_eq!(clock("2026-11-21T14:02:11.123Z"), "14:02:11");
    }
}
