//! What operators have ordered outlives an upgrade: a node that is drained stays so under the new process.

use crate::check::Control;
use crate::core::node::Order;
use crate::takeover::NodeOrder;

/// The orders in force, other than to take part.
pub(super) async fn given(control: &Control) -> Vec<NodeOrder> {
    let mut all = Vec::new();
    for group in control.look().await {
        let ordered = group.nodes().iter().filter_map(|node| {
            Some(NodeOrder {
                group: group.view().name.to_string(),
                node: node.settings.name.to_string(),
                order: word(node.order)?.to_owned(),
            })
        });
        all.extend(ordered);
    }
    all
}

/// Gives the same orders here, and takes back those of before that are not among them.
pub(super) async fn obey(control: &Control, before: &[NodeOrder], now: &[NodeOrder]) {
    let ended = before
        .iter()
        .filter(|old| !now.iter().any(|new| new.is_for(old)));
    let ended = ended.map(|old| (old, Some(Order::Ready)));
    let new = now.iter().filter(|new| !before.contains(new));
    let new = new.map(|new| (new, order(&new.order)));
    let all: Vec<_> = ended.chain(new).collect();
    if all.is_empty() {
        return;
    }
    let groups = control.look().await;
    for (wanted, order) in all {
        let known = groups
            .iter()
            .find(|group| *group.view().name == *wanted.group);
        let known = known.and_then(|group| {
            let mut nodes = group.nodes().iter();
            let node = nodes.find(|node| *node.settings.name == *wanted.node)?;
            Some((group.view().id, node.settings.id))
        });
        let obeyed = match (known, order) {
            (Some((group, node)), Some(order)) => control.order(group, node, order).await,
            _ => false,
        };
        if !obeyed {
            let NodeOrder { group, node, order } = wanted;
            tracing::warn!(
                "the order of the old process for {node} of group {group} ({order}) means nothing here"
            );
        }
    }
}

/// None: nothing was ordered.
const fn word(order: Order) -> Option<&'static str> {
    match order {
        Order::Ready => None,
        Order::Drain => Some("drain"),
        Order::Maintenance => Some("maintenance"),
    }
}

fn order(wanted: &str) -> Option<Order> {
    let mut orders = [Order::Drain, Order::Maintenance].into_iter();
    orders.find(|order| word(*order) == Some(wanted))
}
