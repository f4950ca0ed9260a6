//! Finding a node for a connection: pick, dial, and park when there is nobody (R12, R13).

use std::sync::Arc;

use super::dial::{DialError, dial};
use super::nodes::Claim;
use super::park::{Lot, Woken, take_in};
use super::reject::{LISTENER_REMOVED, NO_DESCRIPTORS, SHUTTING_DOWN, reject};
use super::relay::Rest;
use super::session::Connection;
use super::stream::Stream;
use super::table::Seat;
use super::telemetry::ParkResult;
use crate::clock;
use crate::core::alarm::AlarmKind;
use crate::core::ids::NodeId;
use crate::core::judge::{Held, judge};
use crate::core::pick::{explain_none, pick};
use crate::core::reason::CloseReason;
use crate::core::snapshot::{GroupView, NodeView, Target};

/// How the search ended.
pub(super) enum Found {
    /// The client, the node that it is joined to, and what the client sent while it was parked; the
    /// connection's entry says by what right.
    Node(Stream, Stream, Option<Box<Rest>>),
    /// The client has gone, or has been told why there is no node.
    Ended(CloseReason),
}

/// Nodes that did not accept this connection. Each is out until a check of it has succeeded.
#[derive(Default)]
struct Refused(Vec<(NodeId, u32)>);

/// A node reserved for this connection.
struct Reserved {
    claim: Claim,
    seat: Seat,
    target: Option<Target>,
    redeemed: u32,
}

/// Finds a node and joins the connection to it.
pub(super) async fn find_node(connection: &Connection, mut client: Stream) -> Found {
    let mut refused = Refused::default();
    let mut lot: Option<Lot<'_>> = None;
    loop {
        connection.worker.refresh();
        if connection.worker.is_ending() {
            return send_away(connection, client, lot, CloseReason::Shutdown, &refused).await;
        }
        if connection.listener().is_removed() {
            let reason = CloseReason::ListenerRemoved;
            return send_away(connection, client, lot, reason, &refused).await;
        }
        if let Some(reserved) = reserve(connection, &refused) {
            if lot.is_some() {
                // What a parked client sent may go to a node only if it is still there.
                if client.has_left().await {
                    return left(lot);
                }
                client = match client.registered_again() {
                    Ok(client) => client,
                    Err(_) => return left(lot),
                };
            }
            match join(connection, reserved, &mut refused).await {
                Joined::Node(node) => {
                    let Some(lot) = lot else {
                        return Found::Node(client, node, None);
                    };
                    // It may have hung up, before or while the node was dialled.
                    let Some(sent) = take_in(&connection.worker, &mut client).await else {
                        return left(Some(lot));
                    };
                    lot.leave(ParkResult::Served);
                    return Found::Node(client, node, Rest::new(sent));
                }
                Joined::Outdated => {}
                Joined::Refused => {
                    if client.has_left().await {
                        return left(lot);
                    }
                }
                Joined::NoDescriptors => {
                    let reason = CloseReason::NoDescriptors;
                    return send_away(connection, client, lot, reason, &refused).await;
                }
            }
            continue;
        }
        let Some(place) = lot.take().or_else(|| Lot::enter(connection)) else {
            return send_away(connection, client, None, CloseReason::ParkFull, &refused).await;
        };
        match place.wait(&client).await {
            Woken::Changed => lot = Some(place),
            Woken::Left => return left(Some(place)),
            Woken::TimedOut => {
                let reason = CloseReason::ParkTimeout;
                return send_away(connection, client, Some(place), reason, &refused).await;
            }
        }
    }
}

/// What came of a dial.
enum Joined {
    Node(Stream),
    /// The view changed while dialling, and the node is no longer the one to serve: pick again.
    Outdated,
    Refused,
    NoDescriptors,
}

/// Dials the reserved node, and joins the connection to it if that is still right.
async fn join(connection: &Connection, reserved: Reserved, refused: &mut Refused) -> Joined {
    let worker = &connection.worker;
    let node = reserved.claim.node();
    let begun = clock::now();
    let limit = connection.config().connect_timeout;
    match dial(reserved.target.as_ref(), limit).await {
        Ok(stream) => {
            let now = clock::now();
            node.meters.connect.record(now.since(begun).as_secs_f64());
            let Some(seat) = still_right(connection, reserved.seat) else {
                return Joined::Outdated;
            };
            tracing::debug!(
                target: "rolecall::session",
                listener = %connection.config().name, client = %connection.peer(), node = %node.name,
                "joined to {}", node.name
            );
            connection.entry().join(reserved.claim, seat, now);
            Joined::Node(stream)
        }
        Err(DialError::Node(error)) => {
            tracing::info!(
                target: "rolecall::proxy",
                listener = %connection.config().name, node = %node.name, %error,
                "{} did not accept a client's connection: {error}", node.name
            );
            refused.0.push((node.id, reserved.redeemed));
            worker.alarm(node.id, AlarmKind::DialFailed);
            Joined::Refused
        }
        Err(DialError::Ours(error)) => {
            if worker.trouble.begins(clock::now()) {
                tracing::error!(
                    target: "rolecall::proxy",
                    listener = %connection.config().name, node = %node.name, %error,
                    "cannot open connections to nodes now; sessions go on: raise the limit of open files \
                     (LimitNOFILE in systemd, ulimit -n)"
                );
            }
            Joined::NoDescriptors
        }
    }
}

/// The seat by the newest view; none when that has taken it away.
fn still_right(connection: &Connection, seat: Seat) -> Option<Seat> {
    connection.worker.refresh();
    let (snapshot, version) = connection.worker.view();
    // A reload may have taken its listener out while the node was dialled.
    if connection.listener().is_removed() {
        return None;
    }
    if version == seat.version {
        return Some(seat);
    }
    let config = connection.config();
    let group = snapshot.group(config.group)?;
    judge(&seat.held, &config.chain, group)
        .is_none()
        .then_some(Seat { version, ..seat })
}

/// Picks a node by the view as last taken, and counts the session there.
fn reserve(connection: &Connection, refused: &Refused) -> Option<Reserved> {
    let worker = &connection.worker;
    let config = connection.config();
    let (snapshot, version) = worker.view();
    let group = Arc::clone(snapshot.group(config.group)?);
    loop {
        // The counts as seen by this pick: another worker may change them while we choose.
        let counts: Vec<(NodeId, usize)> = group
            .nodes
            .iter()
            .filter_map(|view| Some((view.id, worker.nodes.get(view.id)?.sessions())))
            .collect();
        let seen = |id: NodeId| {
            let found = counts.iter().find(|(node, _)| *node == id);
            found.map_or(0, |(_, sessions)| *sessions)
        };
        let choice = pick(
            &config.chain,
            &group,
            |node| refused.has(node),
            seen,
            worker.rotation(),
        )?;
        let Some(claim) = worker.nodes.get(choice.node)?.claim(seen(choice.node)) else {
            continue;
        };
        let view = group.node(choice.node)?;
        let held = Held::grant(&config.chain, &group, choice.node, choice.tier)?;
        return Some(Reserved {
            claim,
            seat: Seat { held, version },
            target: view.target.clone(),
            redeemed: view.redeemed,
        });
    }
}

fn left(lot: Option<Lot<'_>>) -> Found {
    if let Some(lot) = lot {
        lot.leave(ParkResult::Left);
    }
    Found::Ended(CloseReason::ParkLeft)
}

async fn send_away(
    connection: &Connection,
    client: Stream,
    lot: Option<Lot<'_>>,
    reason: CloseReason,
    refused: &Refused,
) -> Found {
    if let Some(lot) = lot {
        lot.leave(match reason {
            CloseReason::ParkTimeout => ParkResult::TimedOut,
            _ => ParkResult::Shutdown,
        });
    }
    let line = match reason {
        CloseReason::Shutdown => SHUTTING_DOWN.to_owned(),
        CloseReason::NoDescriptors => NO_DESCRIPTORS.to_owned(),
        CloseReason::ListenerRemoved => LISTENER_REMOVED.to_owned(),
        _ => format!("-MASTERDOWN rolecall: {}", explain(connection, refused)),
    };
    reject(&connection.worker, client, &line).await;
    Found::Ended(reason)
}

/// Why there is no node: what the core knows, and the dials that only this connection knows of.
fn explain(connection: &Connection, refused: &Refused) -> String {
    let config = connection.config();
    let (snapshot, _) = connection.worker.view();
    let Some(group) = snapshot.group(config.group) else {
        return "the group has not been checked yet".to_owned();
    };
    let mut words = explain_none(&config.chain, group, clock::now());
    for name in refused.names(group) {
        if !words.ends_with(' ') {
            words.push_str(", ");
        }
        words.push_str(name);
        words.push_str(" did not accept the connection");
    }
    words
}

impl Refused {
    fn has(&self, node: &NodeView) -> bool {
        self.0.contains(&(node.id, node.redeemed))
    }

    /// Those that the view itself does not know of yet.
    fn names<'a>(&'a self, group: &'a GroupView) -> impl Iterator<Item = &'a str> {
        group
            .nodes
            .iter()
            .filter(|node| self.has(node) && (node.read.is_ok() || node.write.is_ok()))
            .map(|node| &*node.name)
    }
}
