//! Which of all addresses that were asked become nodes of the configuration, and what is said of the rest.
//!
//! One process is one node, under the best known of its addresses: the named one, else the one by which
//! Sentinel or its primary knows it, and only then one that a replica replicates from, which may be a proxy.
//! A learned node must share the history of the others.

use super::explore::{Explored, Origin, Seen};
use crate::core::facts::Facts;
use crate::core::snapshot::Target;

impl Explored {
    /// Which of all that were asked become nodes.
    pub(super) fn sort_out(&mut self, mut asked: Vec<Seen>) {
        // The best known address of a process first; stable, so named ones keep their order.
        asked.sort_by_key(|seen| match &seen.origin {
            Origin::Given => 0,
            Origin::OfSentinel(_) => 1,
            Origin::ReplicaOf(_) => 2,
            Origin::PrimaryOf(_) => 3,
        });
        for seen in asked {
            match self.why_not(&seen) {
                None => self.nodes.push(seen),
                Some(why) => {
                    let line = format!("{} {why}", seen.address);
                    if seen.origin == Origin::Given {
                        self.wrong.push(line);
                    }
                    self.left_out
                        .push((seen.address, format!("{why} ({})", seen.origin)));
                }
            }
        }
        let given = self
            .nodes
            .iter()
            .filter(|seen| seen.origin == Origin::Given)
            .count();
        self.nodes[given..].sort_by_key(order);
        for seen in &self.nodes {
            if let Err(why) = &seen.answer {
                self.wrong.push(format!("{} {why}", seen.address));
            }
        }
        if !self.nodes.iter().any(|seen| seen.answer.is_ok()) {
            self.nodes.clear();
        }
    }

    /// Why it is not written down; none: it is.
    fn why_not(&mut self, seen: &Seen) -> Option<String> {
        let facts = match &seen.answer {
            Ok(facts) => facts,
            // It was named, so whoever named it wants it.
            Err(_) if seen.origin == Origin::Given && seen.writable => return None,
            Err(why) => return Some(why.clone()),
        };
        let same = |other: &&mut Seen| {
            let run = other.answer.as_ref().ok().map(|facts| &facts.run_id);
            run == Some(&facts.run_id)
        };
        if let Some(other) = self.nodes.iter_mut().find(same) {
            other.listed |= seen.listed;
            return Some(format!("is the same process as {}", other.address));
        }
        let mut others = self
            .nodes
            .iter()
            .filter_map(|seen| seen.answer.as_ref().ok())
            .peekable();
        let stranger = others.peek().is_some() && !others.any(|other| is_related(facts, other));
        (stranger && seen.origin != Origin::Given)
            .then(|| "answers, and holds other data than the group".to_owned())
    }

    /// What was found, a line each.
    pub(super) fn told(&self) -> Vec<String> {
        let nodes = self.nodes.iter().map(|seen| {
            let said = match &seen.answer {
                Ok(facts) => description(seen, facts),
                Err(why) => why.clone(),
            };
            format!("{}: {said}; {}", seen.address, seen.origin)
        });
        let sentinels = self.sentinels.iter().map(|address| {
            let name = self.master_name.as_deref().unwrap_or_default();
            format!("{address}: Sentinel of {name}")
        });
        let left_out = self.left_out.iter();
        let left_out = left_out.map(|(address, why)| format!("{address}: left out: {why}"));
        nodes.chain(sentinels).chain(left_out).collect()
    }
}

/// `primary, redis 7.0.15`.
pub(super) fn description(seen: &Seen, facts: &Facts) -> String {
    let role = if facts.claims() { "primary" } else { "replica" };
    match seen.product {
        Some(product) => format!("{role}, {product} {}", facts.version),
        None => format!("{role}, {}", facts.version),
    }
}

/// Whether two nodes share a history; those that tell none (before Redis 4) are believed.
fn is_related(a: &Facts, b: &Facts) -> bool {
    let of = |facts: &Facts| [facts.replid.clone(), facts.replid2.clone()];
    if a.replid.is_none() || b.replid.is_none() {
        return true;
    }
    let (a, b) = (of(a), of(b));
    a.iter()
        .flatten()
        .any(|id| b.iter().flatten().any(|other| id == other))
}

/// By number, so that 10.1.1.9 comes before 10.1.1.10.
fn order(seen: &Seen) -> (Option<std::net::SocketAddr>, String) {
    let number = match &seen.target {
        Some(Target::Tcp(address)) => Some(*address),
        _ => None,
    };
    (number, seen.address.to_string())
}
