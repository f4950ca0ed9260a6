//! The fold: reports of one group go in, its published view and its events come out.
//!
//! The one owner of all that is known of a group. The monitor (`check/monitor.rs`) is its shell: it
//! brings reports and the time, publishes the view when it has changed, and logs the events. The
//! simulation in the tests is another.

mod acceptance;
mod chronicle;
mod dissent;
mod members;
mod view;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::alarm::Alarm;
use super::answers::{Answers, Ended};
use super::discovery::Discovery;
use super::election::{Election, has_living_primary};
use super::eligibility::link_down_since;
use super::event::{Event, EventKind};
use super::facts::{Facts, HostPort};
use super::health::Thresholds;
use super::ids::{GroupId, ListenerId, NodeId};
use super::lag::{LagLimits, Track};
use super::lineage::Lineage;
use super::node::{NodeSettings, NodeState, Order};
use super::outcome::{Outcome, Report};
use super::sentinel::{BURST, BURST_PACE, SentinelReport, Sentinels};
use super::snapshot::{GroupView, Target};
use super::stale::StaleClock;
use super::time::Moment;
use dissent::Dissent;

pub use acceptance::AcceptRefusal;

/// What the configuration says of a group.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its number.
    pub id: GroupId,
    /// Its name.
    pub name: Arc<str>,
    /// Its nodes, in the order of the configuration.
    pub nodes: Vec<NodeSettings>,
    /// `fall` and `rise`.
    pub limits: Thresholds,
    /// From the start of one check to the start of the next.
    pub interval: Duration,
    /// The same while anything is in motion.
    pub fast_interval: Duration,
    /// R3 (4).
    pub claim_hold: Duration,
    /// R9.
    pub stale_reads: Duration,
    /// R10.
    pub max_lag: LagLimits,
    /// R19: how long new writers wait for the replicas of a new primary, at most; the shortest `park.timeout` of
    /// its listeners.
    pub park_limit: Duration,
    /// All listeners of the process: a node that replicates through one must not serve it (R14).
    pub own: Vec<OwnListener>,
}

/// One of our own listeners, as the group needs to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnListener {
    /// Its name.
    pub name: Arc<str>,
    /// Its TCP addresses.
    pub binds: Vec<SocketAddr>,
    /// Itself and all that it falls back to.
    pub reaches: Vec<ListenerId>,
}

/// All that is known of a group.
#[derive(Clone, Debug)]
pub struct Group {
    settings: Settings,
    nodes: Vec<NodeState>,
    sentinels: Sentinels,
    discovery: Discovery,
    /// A switchover parks new write connections until then at the latest.
    hold: Option<Moment>,
    /// Nodes that a Sentinel promotes are asked very often until then.
    bursts: Vec<(NodeId, Moment)>,
    election: Election,
    lineage: Lineage,
    stale_clock: StaleClock,
    /// R19: new writers wait for the new primary's replicas until then at the latest; none when they are there.
    awaits_replicas: Option<Moment>,
    dissent: Dissent,
    /// R20: the last term that ended.
    ended: Option<Ended>,
    track: Track,
    view: GroupView,
    roles: Vec<(NodeId, Arc<str>)>,
    /// The term and whether its primary lived, when that was last looked at.
    living: Option<(u64, bool)>,
    events: Vec<Event>,
}

impl Group {
    /// A group of which nothing is known yet.
    pub fn new(settings: Settings, now: Moment) -> Self {
        let nodes = settings
            .nodes
            .iter()
            .map(|node| NodeState::new(node.clone(), now))
            .collect();
        let view = GroupView {
            id: settings.id,
            name: settings.name.clone(),
            primary: None,
            ended: None,
            nodes: Vec::new(),
        };
        let mut group = Self {
            settings,
            nodes,
            sentinels: Sentinels::default(),
            discovery: Discovery::default(),
            hold: None,
            bursts: Vec::new(),
            election: Election::default(),
            lineage: Lineage::default(),
            stale_clock: StaleClock::new(),
            awaits_replicas: None,
            dissent: Dissent::default(),
            ended: None,
            track: Track::default(),
            view,
            roles: Vec::new(),
            living: None,
            events: Vec::new(),
        };
        group.step(now);
        group
    }

    /// The same group with these Sentinels, by their addresses as written.
    #[must_use]
    pub fn with_sentinels(mut self, names: impl IntoIterator<Item = Arc<str>>) -> Self {
        self.sentinels = Sentinels::new(names);
        self
    }

    /// Takes in what the Sentinel with that index (from 0, as configured) said.
    pub fn sentinel(&mut self, index: usize, report: SentinelReport, now: Moment) {
        self.sentinels.hear(index, report, now);
        self.step(now);
    }

    /// A Sentinel promotes the node at this address: it is asked every few milliseconds for a while, so
    /// that its claim is known as soon as it makes it.
    pub fn promotes(&mut self, place: &HostPort, now: Moment) {
        let Some(node) = self.nodes.iter().find(|node| node.is_at(place)) else {
            return;
        };
        let id = node.settings.id;
        self.dissent.announced(id, now);
        self.bursts.retain(|(known, _)| *known != id);
        self.bursts.push((id, now.plus(BURST)));
        self.step(now);
    }

    /// Takes in the end of one check. Reports of nodes that are not of this group are ignored.
    pub fn report(&mut self, node: NodeId, report: &Report) {
        let limits = self.settings.limits;
        self.lineage
            .reported(report.started, report.finished, self.settings.interval);
        self.with_node(node, report.finished, |state| state.fold(report, limits));
        if let Outcome::Answered(facts) = &report.outcome {
            self.measure_lag(node, facts, report);
        }
    }

    /// R10: the primary leaves its track, replicas are measured by it.
    fn measure_lag(&mut self, node: NodeId, facts: &Facts, report: &Report) {
        if self
            .view
            .primary
            .is_some_and(|primary| primary.node == node)
            && facts.claims()
        {
            self.track.note(facts, report.finished);
            return;
        }
        let track = &self.track;
        let Some(state) = self
            .nodes
            .iter_mut()
            .find(|state| state.settings.id == node)
        else {
            return;
        };
        let lag = track.measure(facts, report.started, state.lag);
        if lag != state.lag {
            state.lag = lag;
            self.step(report.finished);
        }
    }

    /// Takes in what the data plane noticed.
    pub fn alarm(&mut self, alarm: Alarm) {
        self.with_node(alarm.node, alarm.at, |state| state.alarm(alarm));
    }

    /// Takes in where a node is dialled; none while its name cannot be looked up.
    pub fn resolved(&mut self, node: NodeId, target: Option<Target>, now: Moment) {
        if let Some(state) = self.nodes.iter().find(|state| state.settings.id == node)
            && let (Some(from), Some(to)) = (&state.target, &target)
            && from != to
        {
            let name = state.settings.name.clone();
            let (from, to) = (from.clone(), to.clone());
            let kind = EventKind::Moved {
                node,
                name,
                from,
                to,
            };
            self.events.push(Event { at: now, kind });
        }
        self.with_node(node, now, |state| state.move_to(target, now));
    }

    /// Takes in an operator's order.
    pub fn order(&mut self, node: NodeId, order: Order, now: Moment) {
        let Some(state) = self.nodes.iter_mut().find(|s| s.settings.id == node) else {
            return;
        };
        if std::mem::replace(&mut state.order, order) != order {
            let name = state.settings.name.clone();
            let kind = EventKind::Ordered { node, name, order };
            self.events.push(Event { at: now, kind });
            self.step(now);
        }
    }

    /// Lets time pass: to be called at [`Group::next_deadline`].
    pub fn tick(&mut self, now: Moment) {
        self.step(now);
    }

    /// When something changes though nothing is reported.
    pub fn next_deadline(&self, now: Moment) -> Option<Moment> {
        let stale = self.settings.stale_reads;
        let claim_hold = self.settings.claim_hold;
        self.nodes
            .iter()
            .filter_map(|node| {
                let ended = link_down_since(node)?;
                self.stale_clock.deadline(ended, stale, now)
            })
            .chain(self.election.next_deadline(claim_hold))
            .chain(self.sentinels.next_deadline(claim_hold, now))
            .chain(self.dissent.next_deadline())
            .chain(self.awaits_replicas)
            .chain(self.discovery.next_deadline())
            .chain(self.bursts.iter().map(|(_, end)| *end))
            .chain(self.hold)
            .filter(|deadline| *deadline > now)
            .min()
    }

    /// What the data plane needs to know.
    pub fn view(&self) -> &GroupView {
        &self.view
    }

    /// All nodes, in the order of the configuration; learned ones follow.
    pub fn nodes(&self) -> &[NodeState] {
        &self.nodes
    }

    #[cfg(test)]
    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The election.
    pub fn election(&self) -> &Election {
        &self.election
    }

    /// The Sentinels.
    pub fn sentinels(&self) -> &Sentinels {
        &self.sentinels
    }

    /// Whether an elected primary lives.
    pub fn has_living_primary(&self) -> bool {
        has_living_primary(&self.election, &self.nodes)
    }

    /// R20: whether answers wait for what the nodes say next.
    pub fn has_undecided_answers(&self) -> bool {
        self.view
            .ended
            .is_some_and(|ended| ended.answers == Answers::Undecided)
    }

    /// How many nodes claim to be primary.
    pub fn claimants(&self) -> usize {
        self.nodes.iter().filter(|node| node.claims()).count()
    }

    /// What happened since this was last asked.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// From the start of one check of a node to the start of the next. A node that is down is dialled
    /// each `interval` only; the others more often while anything is in motion.
    pub fn pace(&self, node: NodeId) -> Duration {
        let Some(state) = self.nodes.iter().find(|state| state.settings.id == node) else {
            return self.settings.interval;
        };
        let recovers = state.is_loading()
            || state
                .facts
                .as_ref()
                .and_then(Facts::replica)
                .is_some_and(|link| link.syncing);
        let promoted = self.bursts.iter().any(|(promoted, _)| *promoted == node);
        match () {
            () if state.health.is_down() => self.settings.interval,
            () if promoted => BURST_PACE.min(self.settings.fast_interval),
            () if recovers || self.is_in_motion() => self.settings.fast_interval,
            () => self.settings.interval,
        }
    }

    fn is_in_motion(&self) -> bool {
        let unsettled = |node: &NodeState| {
            node.order != Order::Maintenance
                && (node.health.is_unsettled()
                    || (node.dial_failed.is_some() && node.health.is_usable()))
        };
        !self.has_living_primary()
            || self.claimants() > 1
            || self.nodes.iter().any(unsettled)
            || self
                .nodes
                .iter()
                .any(|node| node.fresh_facts().is_some_and(|facts| facts.handover))
    }

    fn with_node(&mut self, node: NodeId, now: Moment, change: impl FnOnce(&mut NodeState)) {
        if let Some(state) = self
            .nodes
            .iter_mut()
            .find(|state| state.settings.id == node)
        {
            change(state);
            self.step(now);
        }
    }

    /// Draws all conclusions again. Groups are small, and a step is a few microseconds; so nothing is
    /// kept that could go out of step.
    fn step(&mut self, now: Moment) {
        self.know_own_addresses();
        self.find_duplicates();
        self.place_nodes();
        self.find_masters();
        let elections = self.decide(now);
        for event in &elections {
            if let EventKind::Elected { node, .. } = event {
                self.enter_term(*node, now);
            }
        }
        self.follow_holder(now);
        let primary = self.election.primary().map(|primary| primary.node);
        self.bursts
            .retain(|(node, end)| *end > now && primary != Some(*node));
        self.tell_roles(now);
        self.events
            .extend(elections.into_iter().map(|kind| Event { at: now, kind }));
        self.tell_life(now);
        self.tell_dissent(now);
        let view = self.make_view(now);
        self.tell_verdicts(&view, now);
        self.view = view;
    }

    /// A node was elected.
    fn enter_term(&mut self, node: NodeId, now: Moment) {
        self.hold = None;
        self.stale_clock.elected(now);
        let Some(state) = self.nodes.iter_mut().find(|s| s.settings.id == node) else {
            return;
        };
        // R5: latched until elected.
        state.prove();
        let Some(facts) = &state.facts else { return };
        // R10: what it said is where replicas are measured from, whoever elected it.
        self.track.note(facts, state.answered_at);
        self.awaits_replicas = facts
            .lacks_replicas()
            .then(|| now.plus(self.settings.park_limit));
        // R17: those that share the elected one's history are at home.
        self.place_nodes();
    }

    /// What follows from how the holder of the election is: R9, R19.
    fn follow_holder(&mut self, now: Moment) {
        let holder = self.election.holder().map(|holder| holder.node);
        let node = self
            .nodes
            .iter()
            .find(|node| Some(node.settings.id) == holder);
        let loading = node.is_some_and(NodeState::is_loading);
        let lacks_replicas = node
            .and_then(|node| node.facts.as_ref())
            .is_some_and(Facts::lacks_replicas);
        self.stale_clock.follow(loading, now);
        self.awaits_replicas = self
            .awaits_replicas
            .filter(|until| now < *until && lacks_replicas);
    }

    /// R17: whose data each node holds.
    fn place_nodes(&mut self) {
        let own = &self.settings.own;
        self.lineage
            .place(&mut self.nodes, &self.election, |address| {
                own.iter().any(|listener| listener.is_at(address))
            });
    }

    /// The election, and what becomes of the answers of a term that ends by it (R20).
    fn decide(&mut self, now: Moment) -> Vec<EventKind> {
        let term = self.election.primary().map(|primary| primary.term);
        let before = term.zip(self.election.holder());
        let ends = before.map(|(term, holder)| Ended::new(term, holder, now));
        let elections =
            self.election
                .decide(&self.nodes, &self.sentinels, self.settings.claim_hold, now);
        if term != self.election.primary().map(|primary| primary.term) {
            self.ended = ends.or(self.ended.take());
        }
        if let Some(ended) = &mut self.ended {
            ended.follow(&self.nodes, &self.election, now);
        }
        elections
    }
}
