//! `drain`, `maintenance`, `ready`, `log-level`: what changes something.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::client::Client;
use super::{Failure, NodeArgs, Target, print};
use crate::api::{LogLevelSet, NodeOrder, NodeStatus, Ordered, Status};
use crate::core::time::in_words;

/// How often a drained node is asked for its sessions.
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// What need not be escaped in a URL.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// Gives an order, and says what follows.
pub(super) fn order(node: &NodeArgs, order: &str) -> Result<ExitCode, Failure> {
    let ordered = send(&node.target.client()?, node, order)?;
    print(&node.target, &ordered, &format!("{}\n", ordered.text))?;
    Ok(ExitCode::SUCCESS)
}

/// Drains a node, and waits for its last session if asked to.
pub(super) fn drain(node: &NodeArgs, patience: Option<Duration>) -> Result<ExitCode, Failure> {
    let client = node.target.client()?;
    let ordered = send(&client, node, "drain")?;
    let Some(patience) = patience else {
        print(&node.target, &ordered, &format!("{}\n", ordered.text))?;
        return Ok(ExitCode::SUCCESS);
    };
    if !node.target.json {
        let mut out = io::stdout().lock();
        writeln!(out, "{}", ordered.text)?;
        out.flush()?;
    }
    wait(&client, &ordered, patience)?;
    let text = format!("{} has no sessions left\n", ordered.node);
    let done = Ordered {
        sessions: 0,
        ..ordered
    };
    print(&node.target, &done, &text)?;
    Ok(ExitCode::SUCCESS)
}

fn wait(client: &Client, ordered: &Ordered, patience: Duration) -> Result<(), Failure> {
    let until = Instant::now() + patience;
    let name = &ordered.node;
    // A worker may be about to join one to the node by the view before the order: none twice in a row.
    let mut none_before = false;
    loop {
        let status: Status = client.get("/api/status")?;
        let Some(node) = find(&status, ordered) else {
            return Ok(());
        };
        if node.order == NodeOrder::Ready {
            let why = format!("{name} was made ready again before its last session had gone");
            return Err(Failure::Waited(why));
        }
        let none = node.sessions == 0;
        if none && none_before {
            return Ok(());
        }
        none_before = none;
        if Instant::now() >= until {
            let why = format!(
                "{} sessions are still open on {name} after {}: it stays drained; `rolecall maintenance \
                 {name}` closes them, `rolecall ready {name}` ends it",
                node.sessions,
                in_words(patience)
            );
            return Err(Failure::Waited(why));
        }
        thread::sleep(ASK_AGAIN);
    }
}

fn find<'s>(status: &'s Status, ordered: &Ordered) -> Option<&'s NodeStatus> {
    let mut groups = status.groups.iter();
    let group = groups.find(|group| group.name == ordered.group)?;
    group.nodes.iter().find(|node| node.name == ordered.node)
}

fn send(client: &Client, node: &NodeArgs, order: &str) -> Result<Ordered, Failure> {
    let mut target = format!("/api/order/{}?order={order}", escaped(&node.node));
    if let Some(group) = &node.group {
        let _infallible = write!(target, "&group={}", escaped(group));
    }
    Ok(client.post(&target)?)
}

pub(super) fn escaped(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

/// Changes the level of the log.
pub(super) fn log_level(target: &Target, level: &str) -> Result<ExitCode, Failure> {
    let client = target.client()?;
    let set: LogLevelSet = client.post(&format!("/api/log-level?level={level}"))?;
    let text = format!("the proxy logs from level {} up now\n", set.level);
    print(target, &set, &text)?;
    Ok(ExitCode::SUCCESS)
}
