//! What /readyz waits for: a verdict for every listener. Pure, so that it can be tested by tables.
//!
//! Ready does not mean healthy. A listener whose nodes were all found down has its verdict: the proxy
//! knows what to do with its clients (R13), and taking the proxy out would help nobody.

use std::sync::Arc;

use crate::config::model::ListenerConfig;
use crate::core::reason::Ineligible;
use crate::core::snapshot::{NodeView, Snapshot};
use crate::core::time::Moment;

/// What is missing until every listener has had a verdict: a line for each listener and each node of its
/// whole chain that has not been checked yet. Empty: ready.
pub fn readiness(snapshot: &Snapshot, listeners: &[ListenerConfig]) -> Vec<String> {
    listeners
        .iter()
        .flat_map(|listener| missing(snapshot, listener))
        .collect()
}

fn missing(snapshot: &Snapshot, listener: &ListenerConfig) -> Vec<String> {
    let Some(group) = snapshot.group(listener.group) else {
        return vec![format!(
            "listener {}: no node of its group has been checked yet",
            listener.name
        )];
    };
    let mut undecided: Vec<&Arc<str>> = Vec::new();
    for tier in &listener.chain.tiers {
        for node in tier.nodes(group) {
            // A node may be in several tiers, its name is told once.
            if is_undecided(node) && !undecided.contains(&&node.name) {
                undecided.push(&node.name);
            }
        }
    }
    let why = Ineligible::Unchecked.explain(Moment::default());
    undecided
        .into_iter()
        .map(|node| format!("listener {}: {node} {why}", listener.name))
        .collect()
}

/// A node that waits for its first check may be barred from one access for another reason already
/// (a local one is never primary), so either verdict tells.
fn is_undecided(node: &NodeView) -> bool {
    [&node.read, &node.write]
        .into_iter()
        .any(|verdict| matches!(verdict, Err(Ineligible::Unchecked)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::model::ParkConfig;
    use crate::core::chain::{Access, Chain, Members, Tier};
    use crate::core::ids::{GroupId, ListenerId, NodeId};
    use crate::core::outcome::Outcome;
    use crate::core::snapshot::{GroupView, Silence};

    const GROUP: GroupId = GroupId(0);

    fn node(
        id: u32,
        name: &str,
        read: Result<(), Ineligible>,
        write: Result<(), Ineligible>,
    ) -> NodeView {
        NodeView {
            id: NodeId(id),
            name: name.into(),
            target: None,
            local: name == "local",
            weight: 1,
            run: 0,
            redeemed: 0,
            write,
            read,
            close_reads: None,
            silence: Silence::None,
            stale: false,
            looping: None,
        }
    }

    fn unchecked(id: u32, name: &str) -> NodeView {
        node(
            id,
            name,
            Err(Ineligible::Unchecked),
            Err(Ineligible::Unchecked),
        )
    }

    fn down(id: u32, name: &str) -> NodeView {
        let down = Ineligible::NotServing {
            outcome: Outcome::Refused,
            since: Moment::default(),
        };
        node(id, name, Err(down.clone()), Err(down))
    }

    fn snapshot(nodes: Vec<NodeView>) -> Snapshot {
        let view = GroupView {
            id: GROUP,
            name: "main".into(),
            primary: None,
            ended: None,
            nodes,
        };
        Snapshot::default().with(view)
    }

    fn listener(name: &str, tiers: &[(Access, Members)]) -> ListenerConfig {
        let tier = |(access, members): &(Access, Members)| Tier {
            listener: ListenerId(0),
            access: *access,
            members: members.clone(),
        };
        ListenerConfig {
            id: ListenerId(0),
            name: name.into(),
            group: GROUP,
            access: tiers[0].0,
            binds: Vec::new(),
            chain: Chain {
                tiers: tiers.iter().map(tier).collect(),
            },
            fallback: None,
            max_connections: None,
            idle_timeout: None,
            connect_timeout: Duration::from_secs(1),
            park: ParkConfig {
                timeout: Duration::from_secs(10),
                max: 1,
            },
            fallback_max_age: None,
        }
    }

    fn rw() -> ListenerConfig {
        listener("rw", &[(Access::ReadWrite, Members::NotLocal)])
    }

    fn ro_then_rw() -> ListenerConfig {
        let tiers = [
            (Access::ReadOnly, Members::NotLocal),
            (Access::ReadWrite, Members::NotLocal),
        ];
        listener("ro", &tiers)
    }

    #[test]
    fn before_the_first_view_each_listener_is_named() {
        let missing = readiness(&Snapshot::default(), &[rw(), ro_then_rw()]);
        assert_eq!(missing.len(), 2, "{missing:?}");
        assert_eq!(
            missing[0],
            "listener rw: no node of its group has been checked yet"
        );
    }

    #[test]
    fn an_unchecked_node_is_named_once_however_many_tiers_take_it() {
        let snapshot = snapshot(vec![down(1, "redis-1"), unchecked(2, "redis-2")]);
        let missing = readiness(&snapshot, &[ro_then_rw()]);
        assert_eq!(missing, ["listener ro: redis-2 has not been checked yet"]);
    }

    #[test]
    fn a_node_of_a_lower_tier_counts_too() {
        let local_first = listener(
            "local",
            &[
                (Access::LocalReadOnly, Members::Local),
                (Access::ReadOnly, Members::NotLocal),
            ],
        );
        let snapshot = snapshot(vec![
            node(0, "local", Ok(()), Err(Ineligible::Local)),
            unchecked(1, "redis-1"),
        ]);
        assert_eq!(readiness(&snapshot, &[local_first]).len(), 1);
    }

    #[test]
    fn a_local_node_that_waits_for_its_check_is_undecided() {
        let local = listener("local", &[(Access::LocalReadOnly, Members::Local)]);
        let waiting = node(
            0,
            "local",
            Err(Ineligible::Unchecked),
            Err(Ineligible::Local),
        );
        assert_eq!(readiness(&snapshot(vec![waiting]), &[local]).len(), 1);
    }

    #[test]
    fn a_node_outside_the_chain_does_not_count() {
        let snapshot = snapshot(vec![unchecked(0, "local"), down(1, "redis-1")]);
        assert_eq!(readiness(&snapshot, &[rw()]), Vec::<String>::new());
    }

    #[test]
    fn everything_down_is_a_verdict() {
        let snapshot = snapshot(vec![down(1, "redis-1"), down(2, "redis-2")]);
        assert_eq!(
            readiness(&snapshot, &[rw(), ro_then_rw()]),
            Vec::<String>::new()
        );
    }
}
