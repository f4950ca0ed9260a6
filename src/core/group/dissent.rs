//! Sentinels that name another primary than the elected one (R18): they will undo the election, and what was
//! written since is lost then. It is said before that happens.

use std::time::Duration;

use super::Group;
use crate::core::election::has_living_primary;
use crate::core::event::{Event, EventKind};
use crate::core::ids::NodeId;
use crate::core::sentinel::Named;
use crate::core::time::Moment;

/// After Sentinels have announced a promotion, the others name the old primary for up to 5.2 s (measured), and a
/// Sentinel that is asked every 10 s only may tell it for that long.
const EXPECTED: Duration = Duration::from_secs(15);

/// Whether Sentinels disagree, and what was told of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Dissent {
    /// Nodes whose promotion Sentinels announced, and until when the others may lag behind.
    expected: Vec<(NodeId, Moment)>,
    told: Option<Named>,
}

impl Dissent {
    /// Sentinels promote a node: for a while it is normal that some of them still name the old primary.
    pub(super) fn announced(&mut self, node: NodeId, now: Moment) {
        self.expected.retain(|(known, _)| *known != node);
        self.expected.push((node, now.plus(EXPECTED)));
    }

    pub(super) fn next_deadline(&self) -> Option<Moment> {
        self.expected.iter().map(|(_, until)| *until).min()
    }
}

impl Group {
    /// R18: whom a majority of the Sentinels names instead of the living elected primary.
    pub fn dissent(&self, now: Moment) -> Option<Named> {
        let holder = self.election.holder()?;
        let node = self
            .nodes
            .iter()
            .find(|node| node.settings.id == holder.node)?;
        has_living_primary(&self.election, &self.nodes)
            .then(|| self.sentinels.naming_another(&self.nodes, node, now))?
    }

    /// Whether Sentinels announced the promotion of the elected one a moment ago: until all of them have switched
    /// they disagree.
    pub fn expects_dissent(&self) -> bool {
        self.election.holder().is_some_and(|holder| {
            let mut expected = self.dissent.expected.iter();
            expected.any(|(node, _)| *node == holder.node)
        })
    }

    /// Whom a majority of the Sentinels names, where that is nobody who answers us.
    pub fn named_unseen(&self, now: Moment) -> Option<Named> {
        self.sentinels.naming_unseen(&self.nodes, now)
    }

    pub(super) fn tell_dissent(&mut self, now: Moment) {
        self.dissent.expected.retain(|(_, until)| now < *until);
        let holder = self.election.holder();
        let named = self.dissent(now).filter(|_| !self.expects_dissent());
        let same_place = |a: &Option<Named>, b: &Option<Named>| {
            a.as_ref().map(|named| &named.place) == b.as_ref().map(|named| &named.place)
        };
        if same_place(&named, &self.dissent.told) {
            return;
        }
        let name = holder.map(|holder| holder.name.clone());
        let kind = match &named {
            Some(named) => EventKind::Dissent {
                elected: name.unwrap_or_default(),
                named: named.clone(),
            },
            None => EventKind::DissentOver,
        };
        self.dissent.told = named;
        self.events.push(Event { at: now, kind });
    }
}
