//! What the monitor remembers of one node: its check state, its last facts, and what this run of it
//! was seen to be. It records; the election and the eligibility judge.

use std::sync::Arc;
use std::time::Duration;

use super::alarm::{Alarm, AlarmKind};
use super::facts::{Facts, HostPort, Mode, ReplId, RunId};
use super::health::{Health, Status, Thresholds};
use super::ids::NodeId;
use super::lag::Lag;
use super::outcome::{Outcome, Report};
use super::snapshot::{Looping, Target};
use super::time::Moment;

/// `uptime_in_seconds` is a whole number.
const ROUNDING: Duration = Duration::from_secs(1);

/// What the configuration says of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSettings {
    /// Its number.
    pub id: NodeId,
    /// Its name.
    pub name: Arc<str>,
    /// Its address as written; none for a Unix socket, which no other node can name.
    pub address: Option<HostPort>,
    /// Never primary, never votes.
    pub local: bool,
    /// 1 to 256.
    pub weight: u32,
}

/// What an operator has ordered for a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Take part.
    #[default]
    Ready,
    /// No new sessions; open ones stay.
    Drain,
    /// No sessions, no election, no vote.
    Maintenance,
}

/// What the histories say of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kin {
    /// Its history is the group's, or cannot be told from it.
    #[default]
    Native,
    /// At a cold start: other nodes, which were not heard yet, will tell.
    Unplaced,
    /// Its data are of a history that the group never had.
    Foreign,
}

/// How a check ended, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastCheck {
    /// [`Outcome::label`].
    pub outcome: &'static str,
    /// The same in words, after the node's name.
    pub words: String,
    /// When it ended.
    pub finished: Moment,
    /// How long it took.
    pub took: Duration,
}

/// One node, as the monitor knows it.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent things that were seen or told"
)]
pub struct NodeState {
    /// From the configuration.
    pub settings: NodeSettings,
    /// From the operator.
    pub order: Order,
    /// It was learned from Sentinel, not written down.
    pub learned: bool,
    /// It is no longer wanted: no new sessions, and it is dropped once the last one has gone.
    pub leaving: bool,
    /// When it is dropped at the latest, sessions or not; none: with its last session.
    pub leave_by: Option<Moment>,
    /// Where it is dialled; none until its name was looked up.
    pub target: Option<Target>,
    /// R1: that address is one of our own listeners.
    pub own_listener: bool,
    /// R1: another node that is the same process; holds that node's name.
    pub same_as: Option<Arc<str>>,
    /// Its primary is at an address of its own.
    pub follows_itself: bool,
    /// R14: it replicates through one of our listeners.
    pub looping: Option<Looping>,
    /// The check state.
    pub health: Health,
    /// How the last check ended.
    pub last_check: Option<LastCheck>,
    /// Since when it may serve what it serves, and no more.
    pub verdict_since: Moment,
    /// The last complete answer.
    pub facts: Option<Facts>,
    /// When that answer came.
    pub answered_at: Moment,
    /// The last check was answered (or -BUSY, which changes nothing): the facts hold now.
    pub fresh: bool,
    /// Sessions of earlier numbers ran on another process, or on data that is gone.
    pub run: u32,
    /// Failed dials that were made good by a check.
    pub redeemed: u32,
    /// R12: a client's dial failed, and no new connection has succeeded since.
    pub dial_failed: Option<Moment>,
    /// When any process last answered here, at this address or at an earlier one.
    pub heard: Option<Moment>,
    /// This run was seen as a replica.
    pub was_replica: bool,
    /// R3 (2): the history in which this run was last seen in sync, as a replica.
    pub synced: Option<ReplId>,
    /// R17: the history that this run began itself; none when it took over another's.
    pub born: Option<ReplId>,
    /// R17: this run was started after another one had last answered here.
    pub restarted: bool,
    /// R17: whose data it holds; written by `lineage`.
    pub kin: Kin,
    /// The last run that was found to hold the group's data; written by `lineage`.
    pub(super) native_run: Option<RunId>,
    /// This run claims to be primary without a break since then.
    pub claims_since: Option<Moment>,
    /// R5, for this run.
    pub unproven: bool,
    /// R5: it was unproven and held no keys when that was asked.
    pub empty: bool,
    /// This run was elected once, or has taken over a primary's data: it stays proven.
    pub proven: bool,
    /// Whom it follows, and when it was seen to turn there: never, if it was first seen so. Outlives
    /// the run: a replica that restarts with its old configuration has turned nowhere.
    pub follows: Option<(HostPort, Option<Moment>)>,
    /// Since when its link has been down; `None` within for one that never was up.
    pub link_down: Option<Option<Moment>>,
    /// R10: how far it is behind.
    pub lag: Lag,
}

impl NodeState {
    /// A node of which nothing is known.
    pub fn new(settings: NodeSettings, now: Moment) -> Self {
        Self {
            settings,
            order: Order::Ready,
            learned: false,
            leaving: false,
            leave_by: None,
            target: None,
            own_listener: false,
            same_as: None,
            follows_itself: false,
            looping: None,
            health: Health::unknown(now),
            last_check: None,
            verdict_since: now,
            facts: None,
            answered_at: now,
            fresh: false,
            run: 0,
            redeemed: 0,
            dial_failed: None,
            heard: None,
            was_replica: false,
            synced: None,
            born: None,
            restarted: false,
            kin: Kin::Native,
            native_run: None,
            claims_since: None,
            unproven: false,
            empty: false,
            proven: false,
            follows: None,
            link_down: None,
            lag: Lag::Unmeasured,
        }
    }

    /// Takes in the end of one check.
    pub fn fold(&mut self, report: &Report, limits: Thresholds) {
        self.health.fold(report, limits);
        self.last_check = Some(LastCheck {
            outcome: report.outcome.label(),
            words: report.outcome.to_string(),
            finished: report.finished,
            took: report.finished.since(report.started),
        });
        match &report.outcome {
            Outcome::Answered(facts) => self.learn(facts, report.finished),
            Outcome::Busy => {}
            _ => self.fresh = false,
        }
        if self.fresh && report.dialled && self.dial_failed.is_some_and(|at| at <= report.started) {
            self.dial_failed = None;
            self.redeemed += 1;
        }
    }

    /// R11, R12: takes in what the data plane noticed. The check that follows is the shell's business.
    pub fn alarm(&mut self, alarm: Alarm) {
        if alarm.kind == AlarmKind::DialFailed {
            self.dial_failed = Some(alarm.at);
        }
    }

    /// R1: a node at a new address is a stranger.
    pub fn move_to(&mut self, target: Option<Target>, now: Moment) {
        if self.target == target {
            return;
        }
        let moved = self.target.is_some();
        self.target = target;
        if moved {
            let forgotten = Self::new(self.settings.clone(), now);
            *self = Self {
                order: self.order,
                learned: self.learned,
                leaving: self.leaving,
                leave_by: self.leave_by,
                target: self.target.take(),
                heard: self.heard,
                run: self.run + 1,
                redeemed: self.redeemed + 1,
                ..forgotten
            };
        }
    }

    fn learn(&mut self, facts: &Facts, now: Moment) {
        let before = self.facts.take();
        let before = before.filter(|known| known.run_id == facts.run_id);
        match &before {
            None => self.begin_run(facts, now),
            // R16: a full sync that no check happened to see.
            Some(before) if is_replaced(before, facts) => self.run += 1,
            Some(_) => {}
        }
        match facts.replica() {
            None => {
                self.note_origin(before.as_ref(), facts);
                self.claims_since.get_or_insert(now);
                self.unproven |= facts.looks_unproven() && !self.proven;
                self.empty |= self.unproven && facts.has_keys == Some(false);
                self.link_down = None;
            }
            Some(link) if link.link_up => {
                self.become_replica(&link.master, now);
                // What it was started with has been replaced by its primary's data.
                self.prove();
                self.link_down = None;
            }
            Some(link) => {
                self.become_replica(&link.master, now);
                let since = link.link_down_for.map(|ago| now.minus(ago));
                // The node counts whole seconds: keep the first reckoning, or it would jitter.
                if !matches!((self.link_down, since), (Some(Some(_)), Some(_))) {
                    self.link_down = Some(since);
                }
            }
        }
        if let Some(link) = facts.replica()
            && (link.link_up || link.link_down_for.is_some())
        {
            self.synced.clone_from(&facts.replid);
        }
        self.facts = Some(facts.clone());
        self.answered_at = now;
        self.heard = Some(now);
        self.fresh = true;
    }

    /// Forgets what was known of another process.
    fn begin_run(&mut self, facts: &Facts, now: Moment) {
        self.restarted = self.heard.is_some_and(|heard| match facts.uptime {
            Some(uptime) => uptime <= now.since(heard) + ROUNDING,
            // At another address it may be anything.
            None => self.answered_at == heard,
        });
        self.run += 1;
        self.was_replica = false;
        self.synced = None;
        self.born = None;
        self.claims_since = None;
        self.unproven = false;
        self.empty = false;
        self.proven = false;
        self.link_down = None;
        self.lag = Lag::Unmeasured;
    }

    /// A primary without a trace of another history began its own: with nothing, or when it drew a new
    /// `master_replid` a while after its last replica had gone (`repl-backlog-ttl`).
    fn note_origin(&mut self, before: Option<&Facts>, facts: &Facts) {
        let begins = facts.replid2.is_none()
            && facts.tells_branch
            && match before {
                None => facts.looks_unproven(),
                Some(before) => {
                    before.claims() && before.replid != facts.replid && self.kin != Kin::Foreign
                }
            };
        if begins {
            self.born.clone_from(&facts.replid);
        }
    }

    fn become_replica(&mut self, master: &HostPort, now: Moment) {
        let claimed = self.claims_since.take().is_some();
        self.was_replica = true;
        let turned = match &self.follows {
            Some((known, _)) if known == master && !claimed => return,
            Some(_) => Some(now),
            None => claimed.then_some(now),
        };
        self.follows = Some((master.clone(), turned));
    }

    /// R5 is over for this run.
    pub fn prove(&mut self) {
        self.unproven = false;
        self.empty = false;
        self.proven = true;
    }

    /// Facts that hold now.
    pub fn fresh_facts(&self) -> Option<&Facts> {
        self.facts.as_ref().filter(|_| self.fresh)
    }

    /// The run that answered last.
    pub fn run_id(&self) -> Option<&RunId> {
        self.facts.as_ref().map(|facts| &facts.run_id)
    }

    /// Whether it may be elected, or vote, at all.
    pub fn takes_part(&self) -> bool {
        self.is_admitted() && self.kin != Kin::Foreign
    }

    /// Neither an operator nor a reload has taken it out.
    pub fn is_wanted(&self) -> bool {
        self.order != Order::Maintenance && !self.leaving
    }

    /// Whether it may be elected, or vote, if its data are the group's (R17).
    pub(super) fn is_admitted(&self) -> bool {
        let standalone = self
            .facts
            .as_ref()
            .is_none_or(|facts| facts.mode == Mode::Standalone);
        !self.settings.local
            && self.is_wanted()
            && self.same_as.is_none()
            && !self.own_listener
            && standalone
    }

    /// A claimant: its fresh check says role:master.
    pub fn claims(&self) -> bool {
        self.is_admitted() && self.fresh_facts().is_some_and(Facts::claims)
    }

    /// A claimant that may be elected: its data are the group's.
    pub fn is_claimant(&self) -> bool {
        self.takes_part() && self.claims()
    }

    /// It claimed when it last answered, and is not known to be gone: a claimant, or one that is silent
    /// just now. One missed check must not decide between two.
    pub fn is_contender(&self) -> bool {
        self.takes_part() && !self.is_gone() && self.facts.as_ref().is_some_and(Facts::claims)
    }

    /// It does not answer: it is down, or its data is being loaded by a new process.
    pub fn is_gone(&self) -> bool {
        self.health.is_down() || self.is_loading()
    }

    /// It answers that it reads its data from disk.
    pub fn is_loading(&self) -> bool {
        matches!(self.health.status(), Status::Alive(Outcome::Loading))
    }

    /// Whether it was not heard in any way yet. One that is silent has had its chance after its first time-out.
    pub fn is_unheard(&self) -> bool {
        self.is_admitted() && self.last_check.is_none()
    }

    /// Whether it had a complete check since the start or its last move.
    pub fn was_checked(&self) -> bool {
        self.facts.is_some()
    }

    /// Whether what others say of an address is said of this node. Not of one that was only learned and has
    /// never answered, or is leaving: behind NAT it may be another address of a node that we know.
    pub fn is_meant_by(&self, place: &HostPort) -> bool {
        let is_shadow = self.learned && (self.facts.is_none() || self.leaving);
        !is_shadow && self.is_at(place)
    }

    /// Whether another node's `host:port` means this node.
    pub fn is_at(&self, place: &HostPort) -> bool {
        let as_written = self.settings.address.as_ref() == Some(place);
        let as_dialled = match &self.target {
            Some(Target::Tcp(address)) => {
                address.port() == place.port
                    && place
                        .host
                        .parse()
                        .is_ok_and(|ip: std::net::IpAddr| ip == address.ip())
            }
            _ => false,
        };
        as_written || as_dialled
    }
}

/// The same process holds other data now: it follows a history that does not continue the one before.
fn is_replaced(before: &Facts, now: &Facts) -> bool {
    let (Some(was), Some(is)) = (&before.replid, &now.replid) else {
        return false;
    };
    !now.claims() && now.tells_branch && was != is && now.replid2.as_ref() != Some(was)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::outcome::Stage;
    use crate::core::sample::{at, blank, cut_off, primary, replica, report};

    const LIMITS: Thresholds = Thresholds { fall: 6, rise: 2 };

    fn node() -> NodeState {
        let settings = NodeSettings {
            id: NodeId(1),
            name: "redis-1".into(),
            address: Some(HostPort::new("10.1.1.1", 6379)),
            local: false,
            weight: 1,
        };
        NodeState::new(settings, at(0))
    }

    fn tell(node: &mut NodeState, millis: u64, facts: Facts) {
        node.fold(
            &report(at(millis), Outcome::Answered(Box::new(facts))),
            LIMITS,
        );
    }

    #[test]
    fn a_new_run_forgets_what_the_old_one_was() {
        let mut node = node();
        let other = HostPort::new("10.1.1.2", 6379);
        tell(&mut node, 1, replica("run-a", "hist", &other));
        assert!(node.was_replica);
        tell(&mut node, 2, primary("run-b", "hist-b"));
        assert!(!node.was_replica);
        assert_eq!((node.run, node.claims_since), (2, Some(at(2))));
    }

    #[test]
    fn r3_a_replica_turns_when_it_follows_another_and_not_when_it_comes_back() {
        let mut node = node();
        let (a, b) = (
            HostPort::new("10.1.1.2", 6379),
            HostPort::new("10.1.1.3", 6379),
        );
        tell(&mut node, 1, replica("run-a", "hist", &a));
        assert_eq!(node.follows, Some((a.clone(), None)), "first seen so");
        tell(
            &mut node,
            2,
            cut_off("run-a", "hist", &a, Some(Duration::ZERO)),
        );
        tell(&mut node, 3, replica("run-b", "hist", &a));
        assert_eq!(
            node.follows,
            Some((a.clone(), None)),
            "a new run with the old configuration"
        );
        tell(&mut node, 4, replica("run-b", "hist", &b));
        assert_eq!(node.follows, Some((b, Some(at(4)))));
        tell(&mut node, 5, primary("run-b", "other"));
        tell(&mut node, 6, replica("run-b", "hist", &a));
        assert_eq!(node.follows, Some((a, Some(at(6)))));
    }

    #[test]
    fn r5_unproven_is_latched_for_the_run_until_it_gets_a_primarys_data() {
        let mut node = node();
        tell(&mut node, 1, blank("run-a", "hist"));
        tell(&mut node, 2, primary("run-a", "hist"));
        assert!(
            node.unproven,
            "replicas that connect later do not prove the data"
        );
        tell(
            &mut node,
            3,
            replica("run-a", "other", &HostPort::new("10.1.1.2", 6379)),
        );
        assert!(!node.unproven);
    }

    #[test]
    fn r12_a_failed_dial_is_redeemed_by_a_later_new_connection_only() {
        let mut node = node();
        tell(&mut node, 1, primary("run-a", "hist"));
        node.alarm(Alarm {
            node: NodeId(1),
            at: at(10),
            kind: AlarmKind::DialFailed,
        });
        // This check began before the dial failed.
        tell(&mut node, 10, primary("run-a", "hist"));
        assert!(node.dial_failed.is_some());
        let mut on_old_connection = report(
            at(20),
            Outcome::Answered(Box::new(primary("run-a", "hist"))),
        );
        on_old_connection.dialled = false;
        node.fold(&on_old_connection, LIMITS);
        assert!(node.dial_failed.is_some());
        tell(&mut node, 30, primary("run-a", "hist"));
        assert_eq!((node.dial_failed, node.redeemed), (None, 1));
    }

    #[test]
    fn r8_facts_hold_while_the_node_is_busy_and_not_when_it_is_silent_or_loads() {
        for (outcome, holds) in [
            (Outcome::Busy, true),
            (Outcome::TimedOut(Stage::Reply), false),
            (Outcome::Loading, false),
        ] {
            let mut node = node();
            tell(&mut node, 1, primary("run-a", "hist"));
            node.fold(&report(at(2), outcome.clone()), LIMITS);
            assert_eq!(node.is_claimant(), holds, "{outcome:?}");
        }
    }

    #[test]
    fn r1_a_changed_address_makes_a_stranger() {
        let mut node = node();
        node.order = Order::Drain;
        let first = Target::Tcp("10.1.1.1:6379".parse().unwrap());
        node.move_to(Some(first), at(0));
        tell(&mut node, 1, primary("run-a", "hist"));
        let run = node.run;
        let second = Target::Tcp("10.1.1.9:6379".parse().unwrap());
        node.move_to(Some(second.clone()), at(2));
        assert!(!node.was_checked() && !node.fresh);
        assert!(node.run > run, "its sessions ran elsewhere");
        assert_eq!(node.target, Some(second), "new ones go there");
        assert_eq!(node.redeemed, 1, "where no dial has failed yet (R12)");
        assert_eq!(node.order, Order::Drain, "the operator meant the node");
    }

    #[test]
    fn the_moment_of_a_lost_link_does_not_jitter_with_whole_seconds() {
        let mut node = node();
        let master = HostPort::new("10.1.1.2", 6379);
        tell(
            &mut node,
            5000,
            cut_off("run-a", "hist", &master, Some(Duration::from_secs(1))),
        );
        tell(
            &mut node,
            5900,
            cut_off("run-a", "hist", &master, Some(Duration::from_secs(1))),
        );
        assert_eq!(node.link_down, Some(Some(at(4000))));
        tell(&mut node, 6000, replica("run-a", "hist", &master));
        assert_eq!(node.link_down, None);
    }

    #[test]
    fn a_node_is_named_by_its_written_or_its_dialled_address() {
        let mut node = node();
        node.move_to(
            Some(Target::Tcp("[2001:db8::1]:6379".parse().unwrap())),
            at(0),
        );
        assert!(node.is_at(&HostPort::new("10.1.1.1", 6379)));
        assert!(node.is_at(&HostPort::new("2001:db8:0::1", 6379)));
        for other in [
            HostPort::new("10.1.1.1", 6380),
            HostPort::new("2001:db8::1", 6380),
            HostPort::new("2001:db8::2", 6379),
        ] {
            assert!(!node.is_at(&other), "{other}");
        }
    }
}
