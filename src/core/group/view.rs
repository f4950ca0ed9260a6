//! The published view of a group, and which of its addresses mean one process, or ourselves (R1, R14).

use super::{Group, NodeState, OwnListener};
use crate::core::answers::Ended;
use crate::core::eligibility::{self, Circumstances};
use crate::core::facts::{Facts, HostPort};
use crate::core::node::Order;
use crate::core::reason::Ineligible;
use crate::core::snapshot::{GroupView, Looping, NodeView, Target};
use crate::core::time::Moment;

impl Group {
    pub(super) fn know_own_addresses(&mut self) {
        let own = &self.settings.own;
        for node in &mut self.nodes {
            node.own_listener = matches!(&node.target, Some(Target::Tcp(address))
                if own.iter().any(|listener| listener.binds.contains(address)));
            node.looping = node
                .facts
                .as_ref()
                .and_then(Facts::replica)
                .and_then(|link| own.iter().find(|listener| listener.is_at(&link.master)))
                .map(|listener| Looping {
                    through: listener.name.clone(),
                    barred: listener.reaches.clone(),
                });
        }
    }

    /// Which node each replica replicates from, and whether that is the same process.
    pub(super) fn find_masters(&mut self) {
        let master = |node: &NodeState| {
            let link = node.facts.as_ref().and_then(Facts::replica)?;
            let mut named = self.nodes.iter().filter(|other| other.is_at(&link.master));
            let itself = named.clone().any(|other| other.run_id() == node.run_id());
            Some((named.next()?.settings.name.clone(), itself))
        };
        let masters: Vec<_> = self.nodes.iter().map(master).collect();
        for (node, master) in self.nodes.iter_mut().zip(masters) {
            node.follows_itself = master.as_ref().is_some_and(|(_, itself)| *itself);
            node.master_name = master.map(|(name, _)| name);
        }
    }

    /// R1: one `run_id` behind two addresses is one node: the one that was elected last, else the first in the
    /// configuration; one that is leaving comes after those that stay. A missed check makes no difference. A local
    /// node may be another address of one that is not local: it has no vote of its own anyway.
    pub(super) fn find_duplicates(&mut self) {
        // Its other address, not asked since, must not take over what it has just lost.
        let last = self.election.incumbent();
        let last = last.map(|(incumbent, _)| incumbent.node);
        let mut order: Vec<usize> = (0..self.nodes.len()).collect();
        // A learned one is the other address, even of a local node.
        order.sort_by_key(|index| {
            let node = &self.nodes[*index];
            (last != Some(node.settings.id), node.leaving, node.learned)
        });
        for (rank, index) in order.iter().enumerate() {
            let node = &self.nodes[*index];
            let earlier = order[..rank].iter().map(|earlier| &self.nodes[*earlier]);
            let mut same = earlier.filter(|earlier| {
                let comparable = node.learned || earlier.settings.local == node.settings.local;
                comparable
                    && earlier.same_as.is_none()
                    && earlier.run_id().is_some()
                    && earlier.run_id() == node.run_id()
                    && !earlier.is_gone()
                    && !node.is_gone()
            });
            let same = same.next().map(|earlier| earlier.settings.name.clone());
            self.nodes[*index].same_as = same;
        }
        self.find_maintained();
    }

    /// Maintenance of one address holds for the process, whichever of its addresses counts.
    fn find_maintained(&mut self) {
        let maintained = |node: &NodeState| {
            let mut others = self.nodes.iter();
            node.run_id().is_some()
                && others.any(|other| {
                    other.settings.id != node.settings.id
                        && other.order == Order::Maintenance
                        && other.run_id() == node.run_id()
                        && !other.is_gone()
                })
        };
        let all: Vec<bool> = self.nodes.iter().map(maintained).collect();
        for (node, out) in self.nodes.iter_mut().zip(all) {
            node.out_by_alias = out;
        }
    }

    pub(super) fn make_view(&self, now: Moment) -> GroupView {
        let around = Circumstances {
            living_primary: self.has_living_primary(),
            stale_reads: self.settings.stale_reads,
            clock: &self.stale_clock,
            max_lag: self.settings.max_lag,
            now,
        };
        let held = self.holds_writes(now);
        let primary = self.election.primary();
        let nodes = self.nodes.iter().map(|node| {
            let elected = primary.is_some_and(|primary| primary.node == node.settings.id);
            NodeView {
                id: node.settings.id,
                name: node.settings.name.clone(),
                target: node.target.clone(),
                local: node.settings.local,
                weight: node.settings.weight,
                run: node.run,
                redeemed: node.redeemed,
                write: match eligibility::write(node, elected) {
                    _ if held && elected => Err(Ineligible::Switchover),
                    Ok(()) if self.awaits_replicas.is_some() => Err(Ineligible::NoReplicas),
                    verdict => verdict,
                },
                read: eligibility::read(node, elected, around),
                close_reads: eligibility::close_reads(node, around),
                silence: eligibility::silence(node),
                stale: eligibility::is_stale(node, around),
                looping: node.looping.clone(),
            }
        });
        GroupView {
            id: self.settings.id,
            name: self.settings.name.clone(),
            primary,
            ended: self.ended.as_ref().map(Ended::view),
            nodes: nodes.collect(),
        }
    }
}

impl OwnListener {
    /// Whether a node that replicates from `place` replicates through this listener.
    pub(super) fn is_at(&self, place: &HostPort) -> bool {
        let host = if &*place.host == "localhost" {
            "127.0.0.1"
        } else {
            &place.host
        };
        let Ok(ip) = host.parse::<std::net::IpAddr>() else {
            return false;
        };
        self.binds.iter().any(|bind| {
            let everywhere = bind.ip().is_unspecified() && ip.is_loopback();
            bind.port() == place.port && (bind.ip() == ip || everywhere)
        })
    }
}
