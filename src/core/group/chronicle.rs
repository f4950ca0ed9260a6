//! What a step of the fold changed, as events: roles, verdicts, the life of the primary.

use std::sync::Arc;

use super::{Group, NodeState};
use crate::core::event::{Event, EventKind, Serves};
use crate::core::facts::{Condition, Facts, Mode};
use crate::core::reason::Ineligible;
use crate::core::snapshot::{GroupView, NodeView};
use crate::core::time::Moment;

impl Group {
    /// The elected primary may die and come back without losing its election.
    pub(super) fn tell_life(&mut self, now: Moment) {
        let living = self
            .election
            .primary()
            .map(|elected| (elected.term, self.has_living_primary()));
        let before = std::mem::replace(&mut self.living, living);
        let (Some((term, lives)), Some(holder)) = (living, self.election.holder()) else {
            return;
        };
        // A handover is told by the roles.
        if before != Some((term, !lives)) || self.election.is_handing_over() {
            return;
        }
        let (node, name) = (holder.node, holder.name.clone());
        let kind = if lives {
            EventKind::Back { node, name }
        } else {
            EventKind::Gone { node, name }
        };
        self.events.push(Event { at: now, kind });
    }

    pub(super) fn tell_roles(&mut self, now: Moment) {
        for node in &self.nodes {
            let Some(facts) = &node.facts else { continue };
            let role: Arc<str> = match (facts.mode, facts.replica()) {
                (Mode::Sentinel, _) => "a Sentinel".into(),
                (Mode::Cluster, _) => "a node of Redis Cluster".into(),
                (Mode::Standalone, Some(_)) if node.follows_itself => "replica of itself".into(),
                (Mode::Standalone, Some(link)) => format!("replica of {}", link.master).into(),
                (Mode::Standalone, None) if facts.condition == Condition::Misconf => {
                    "primary, stalled: it refuses writes because it cannot save to disk (-MISCONF)"
                        .into()
                }
                (Mode::Standalone, None) if facts.lacks_replicas() => {
                    "primary, stalled: it refuses writes because it has too few replicas (-NOREPLICAS)"
                        .into()
                }
                (Mode::Standalone, None) => "primary".into(),
            };
            let id = node.settings.id;
            let known = self.roles.iter_mut().find(|(known, _)| *known == id);
            match known {
                Some((_, told)) if *told == role => continue,
                Some((_, told)) => *told = role.clone(),
                None => self.roles.push((id, role.clone())),
            }
            let kind = EventKind::Role {
                node: id,
                name: node.settings.name.clone(),
                role,
            };
            self.events.push(Event { at: now, kind });
        }
    }

    pub(super) fn tell_verdicts(&mut self, next: &GroupView, now: Moment) {
        for (node, state) in next.nodes.iter().zip(&mut self.nodes) {
            let verdict = verdict(node, state);
            let before = self.view.node(node.id).map(|known| {
                if known.write.is_ok() {
                    (Serves::Writes, None)
                } else if known.read.is_ok() {
                    (Serves::Reads, None)
                } else {
                    (Serves::Nothing, Some((&known.read, &known.write)))
                }
            });
            let unchanged = match (&before, &verdict) {
                (None, (_, reason)) => *reason == Some(Ineligible::Unchecked),
                (Some((Serves::Nothing, Some((read, write)))), (Serves::Nothing, Some(reason))) => {
                    [read, write].iter().any(|known| {
                        known
                            .as_ref()
                            .is_err_and(|known| is_same_kind(known, reason))
                    })
                }
                (Some((serves, _)), (now_serves, _)) => serves == now_serves,
            };
            if !unchanged {
                state.verdict_since = now;
                let (serves, reason) = verdict;
                let (node, name) = (node.id, node.name.clone());
                let kind = EventKind::Verdict {
                    node,
                    name,
                    serves,
                    reason,
                };
                self.events.push(Event { at: now, kind });
            }
        }
    }
}

/// What a node may take, and why not more, in one pair: the reason that fits its role.
fn verdict(node: &NodeView, state: &NodeState) -> (Serves, Option<Ineligible>) {
    match (&node.write, &node.read) {
        (Ok(()), _) => (Serves::Writes, None),
        (Err(_), Ok(())) => (Serves::Reads, None),
        (Err(write), Err(read)) => {
            let claims = state.facts.as_ref().is_some_and(Facts::claims);
            let reason = if claims && !node.local { write } else { read };
            (Serves::Nothing, Some(reason.clone()))
        }
    }
}

fn is_same_kind(a: &Ineligible, b: &Ineligible) -> bool {
    match (a, b) {
        (Ineligible::NotServing { outcome: a, .. }, Ineligible::NotServing { outcome: b, .. }) => {
            a.label() == b.label()
        }
        _ => std::mem::discriminant(a) == std::mem::discriminant(b),
    }
}
