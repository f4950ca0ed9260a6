//! `/api/events`: the journal in the words of [`crate::api`], as a list or as a stream of lines.

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::{Duration, timeout};
use tokio_util::sync::CancellationToken;

use super::status::rfc3339;
use crate::api::{ClosedEvent, Event, Events, Evidence, Severity};
use crate::core::event::{self, EventKind, Loss};
use crate::journal::{self, Happening, Journal, Level};

/// A follower gets an empty line when nothing happened for so long: it learns that the proxy lives, and
/// the proxy that the follower does.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// Batches that wait for a follower that reads slowly; then the journal keeps them for it.
const AHEAD: usize = 1;

/// What came after the event with this number, oldest first: the last `limit` of it.
pub(super) fn events(journal: &Journal, after: u64, limit: usize) -> Events {
    let all = journal.after(after);
    let skipped = all.len().saturating_sub(limit);
    Events {
        events: all[skipped..].iter().map(event).collect(),
    }
}

/// The same, one a line, and then each event as it comes, until the follower or the proxy has gone.
/// Needs a runtime.
pub(super) fn follow(
    journal: &Journal,
    after: u64,
    limit: usize,
    cancel: CancellationToken,
) -> mpsc::Receiver<Bytes> {
    let (lines, received) = mpsc::channel(AHEAD);
    let journal = journal.clone();
    tokio::spawn(async move {
        tokio::select! {
            () = cancel.cancelled() => {}
            () = lines.closed() => {}
            () = tell(&journal, after, limit, &lines) => {}
        }
    });
    received
}

async fn tell(journal: &Journal, after: u64, limit: usize, lines: &mpsc::Sender<Bytes>) {
    let mut last = journal.watch();
    let end = *last.borrow_and_update();
    let mut batch = events(journal, after, limit).events;
    let mut told = batch.last().map_or(end, |event| event.number);
    loop {
        let text: String = batch.iter().map(line).collect();
        // An empty line is sent at the start too: the head of the answer goes out with it.
        let text = if text.is_empty() {
            "\n".to_owned()
        } else {
            text
        };
        if lines.send(text.into()).await.is_err() {
            return;
        }
        if let Ok(Err(_)) = timeout(HEARTBEAT, last.wait_for(|number| *number > told)).await {
            return;
        }
        batch = events(journal, told, usize::MAX).events;
        told = batch.last().map_or(told, |event| event.number);
    }
}

fn line(event: &Event) -> String {
    // Our own types always serialise.
    let mut line = serde_json::to_string(event).unwrap_or_default();
    line.push('\n');
    line
}

fn event(event: &journal::Event) -> Event {
    let (group, node) = about(&event.what);
    let evidence = match &event.what {
        Happening::Group { kind, .. } => evidence(kind),
        _ => None,
    };
    let closed = match &event.what {
        Happening::Closed {
            sessions,
            reason,
            worker,
            ..
        } => Some(ClosedEvent {
            sessions: *sessions,
            reason: reason.label().to_owned(),
            worker: *worker,
        }),
        _ => None,
    };
    Event {
        number: event.number,
        time: rfc3339(event.time),
        severity: match event.level {
            Level::Info => Severity::Info,
            Level::Warn => Severity::Warning,
        },
        kind: kind(&event.what).to_owned(),
        group,
        node,
        text: event.what.to_string(),
        evidence,
        closed,
    }
}

/// The word for machines.
fn kind(what: &Happening) -> &'static str {
    let kind = match what {
        Happening::Closed { .. } => return "closed",
        Happening::Switchover { .. } => return "switchover",
        Happening::Reloaded { .. } | Happening::ReloadRefused { .. } => return "reload",
        Happening::Group { kind, .. } => kind,
    };
    match kind {
        EventKind::Role { .. } => "role",
        EventKind::Verdict { .. } => "verdict",
        EventKind::Elected { .. } => "elected",
        EventKind::Lost { .. } => "lost",
        EventKind::Gone { .. } => "gone",
        EventKind::Back { .. } => "back",
        EventKind::Added { .. } => "added",
        EventKind::Learned { .. } => "learned",
        EventKind::Moved { .. } => "moved",
        EventKind::Leaving { .. } => "leaving",
        EventKind::Returned { .. } => "returned",
        EventKind::Dropped { .. } => "dropped",
        EventKind::Ordered { .. } => "order",
        EventKind::Conflict { .. } => "conflict",
        EventKind::ConflictOver => "conflict-over",
        EventKind::Dissent { .. } => "dissent",
        EventKind::DissentOver => "dissent-over",
        EventKind::HistoryAccepted { .. } => "history-accepted",
    }
}

fn about(what: &Happening) -> (Option<String>, Option<String>) {
    let (group, node) = match what {
        Happening::Closed { group, node, .. } => (group, Some(node)),
        Happening::Switchover { group, .. } => (group, None),
        Happening::Group { group, kind } => (group, kind.node()),
        Happening::Reloaded { .. } | Happening::ReloadRefused { .. } => return (None, None),
    };
    (Some(group.to_string()), node.map(ToString::to_string))
}

fn evidence(kind: &EventKind) -> Option<Evidence> {
    let EventKind::Elected {
        term,
        evidence,
        replaces,
        loss,
        ..
    } = kind
    else {
        return None;
    };
    let (voters, of) = match evidence {
        event::Evidence::Votes { voters, of } => (voters.as_slice(), Some(*of)),
        event::Evidence::SentinelVotes { sentinels, of } => (sentinels.as_slice(), Some(*of)),
        _ => (&[][..], None),
    };
    Some(Evidence {
        rule: evidence.rule().to_owned(),
        term: *term,
        replaces: replaces.as_ref().map(ToString::to_string),
        voters: voters.iter().map(ToString::to_string).collect(),
        of,
        offset: match evidence {
            event::Evidence::Descent { offset } => *offset,
            _ => None,
        },
        held_seconds: match evidence {
            event::Evidence::Hold { held } => Some(held.as_secs_f64()),
            _ => None,
        },
        may_have_lost_data: loss.is_some(),
        lacks_bytes: match loss {
            Some(Loss::Older { bytes }) => Some(*bytes),
            _ => None,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ids::NodeId;
    use crate::core::reason::CloseReason;

    fn elected(name: &str) -> Happening {
        Happening::Group {
            group: "main".into(),
            kind: EventKind::Elected {
                node: NodeId(2),
                name: name.into(),
                term: 3,
                evidence: event::Evidence::Votes {
                    voters: vec!["redis-1".into(), "redis-3".into()],
                    of: 2,
                },
                replaces: Some("redis-1".into()),
                loss: None,
            },
        }
    }

    fn closed(sessions: usize) -> Happening {
        Happening::Closed {
            group: "main".into(),
            node: "redis-1".into(),
            sessions,
            reason: CloseReason::Demoted,
            worker: 1,
        }
    }

    #[test]
    fn an_election_is_told_with_its_evidence() {
        let journal = Journal::default();
        journal.record(elected("redis-2"));
        let told = events(&journal, 0, 10).events.remove(0);
        assert_eq!((told.kind.as_str(), told.number), ("elected", 1));
        assert_eq!(told.node.as_deref(), Some("redis-2"));
        let evidence = told.evidence.expect("evidence");
        assert_eq!(evidence.rule, "R3.3");
        assert_eq!((evidence.voters.len(), evidence.of), (2, Some(2)));
        assert_eq!(evidence.replaces.as_deref(), Some("redis-1"));
        assert!(told.closed.is_none());
    }

    #[test]
    fn the_last_ones_are_told_oldest_first() {
        let journal = Journal::default();
        for sessions in 1..=5 {
            journal.record(closed(sessions));
        }
        let numbers = |after, limit| -> Vec<u64> {
            let told = events(&journal, after, limit).events;
            told.iter().map(|event| event.number).collect()
        };
        assert_eq!(numbers(0, 2), [4, 5]);
        assert_eq!(numbers(3, 100), [4, 5]);
        assert_eq!(numbers(5, 100), [0_u64; 0]);
        let last = events(&journal, 4, 1).events.remove(0);
        let closed = last.closed.expect("what was closed");
        assert_eq!((closed.sessions, closed.worker), (5, 1));
        assert_eq!(closed.reason, "demoted");
    }

    #[tokio::test(start_paused = true)]
    async fn a_follower_gets_each_event_once_and_a_sign_of_life() {
        let journal = Journal::default();
        journal.record(closed(1));
        journal.record(closed(2));
        let cancel = CancellationToken::new();
        let mut lines = follow(&journal, 0, 1, cancel.clone());
        let numbers = |bytes: Bytes| -> Vec<u64> {
            let text = String::from_utf8(bytes.to_vec()).expect("UTF-8");
            let parsed = text.lines().filter(|line| !line.is_empty());
            let parsed = parsed.map(|line| serde_json::from_str::<Event>(line).expect("JSON"));
            parsed.map(|event| event.number).collect()
        };
        assert_eq!(numbers(lines.recv().await.expect("a batch")), [2]);
        assert_eq!(lines.recv().await.expect("a heartbeat"), "\n");
        journal.record(elected("redis-2"));
        let mut told = Vec::new();
        while told.is_empty() {
            told = numbers(lines.recv().await.expect("a batch"));
        }
        assert_eq!(told, [3]);
        cancel.cancel();
        while lines.recv().await.is_some() {}
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_works_for_a_follower_that_has_gone() {
        let journal = Journal::default();
        let lines = follow(&journal, 0, 1, CancellationToken::new());
        tokio::task::yield_now().await;
        drop(lines);
        let metrics = tokio::runtime::Handle::current().metrics();
        while metrics.num_alive_tasks() > 0 {
            tokio::task::yield_now().await;
        }
    }
}
