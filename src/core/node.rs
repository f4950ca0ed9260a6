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
    /// It is not known yet: other nodes will tell, or an election. It votes, and serves no reads.
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
    /// The name of the node that it replicates from, if that is one of the group.
    pub master_name: Option<Arc<str>>,
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
    /// R17: it claims with a history that is not known to be the group's, and is no stranger: votes alone elect
    /// it. Written by `lineage`.
    pub needs_votes: bool,
    /// The run and the history that were last found to be the group's by this history; written by `lineage`.
    pub(super) native: Option<(RunId, ReplId)>,
    /// The run and the history that were last found to be another group's; written by `lineage`.
    pub(super) foreign_since: Option<(RunId, ReplId)>,
    /// Another address of the same process is in maintenance.
    pub(super) out_by_alias: bool,
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
            master_name: None,
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
            needs_votes: false,
            native: None,
            foreign_since: None,
            out_by_alias: false,
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
        let knows_former = before.is_some();
        let before = before.filter(|known| known.run_id == facts.run_id);
        match &before {
            None => self.begin_run(facts, now, knows_former),
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

    /// Forgets what was known of another process, which may have been heard at this address.
    fn begin_run(&mut self, facts: &Facts, now: Moment, knows_former: bool) {
        let was_foreign = self.kin == Kin::Foreign;
        self.restarted = !was_foreign
            && self.heard.is_some_and(|heard| match facts.uptime {
                Some(uptime) => uptime <= now.since(heard) + ROUNDING,
                // At another address it may be anything.
                None => knows_former,
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

    /// R17: what proved that its data are the group's proves nothing any more.
    pub(super) fn forget_kin(&mut self) {
        self.native = None;
        self.born = None;
        self.restarted = false;
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
        !self.is_in_maintenance() && !self.leaving
    }

    /// An operator has taken the process out, at this address or at another one of it.
    pub fn is_in_maintenance(&self) -> bool {
        self.order == Order::Maintenance || self.out_by_alias
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

/// The only node that can be primary, where there is one only.
pub(super) fn only(nodes: &[NodeState]) -> Option<NodeId> {
    let mut able = nodes
        .iter()
        .filter(|node| !node.settings.local && !node.leaving);
    able.next()
        .filter(|_| able.next().is_none())
        .map(|node| node.settings.id)
}

/// The same process holds other data now: it follows a history that does not continue the one before.
fn is_replaced(before: &Facts, now: &Facts) -> bool {
    let (Some(was), Some(is)) = (&before.replid, &now.replid) else {
        return false;
    };
    !now.claims() && now.tells_branch && was != is && now.replid2.as_ref() != Some(was)
}

#[cfg(test)]
#[path = "node_tests.rs"]
mod tests;
