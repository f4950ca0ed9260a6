//! May this node serve now, and if not, why (R1, R2, R5, R6, R8, R9, R16).

use std::time::Duration;

use super::facts::{Condition, Facts, Mode, ReplicaFacts};
use super::health::Status;
use super::lag::{LagLimits, silent_since};
use super::node::{Kin, NodeState, Order};
use super::outcome::Outcome;
use super::reason::{CloseReason, Ineligible};
use super::snapshot::Silence;
use super::stale::StaleClock;
use super::time::Moment;

/// What eligibility depends on beside the node itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Circumstances<'c> {
    /// The group has an elected primary that lives.
    pub living_primary: bool,
    /// R9: how long replicas serve reads without one.
    pub stale_reads: Duration,
    /// R9: how that time is counted.
    pub clock: &'c StaleClock,
    /// R10: how far they may lag beside one.
    pub max_lag: LagLimits,
    /// The present moment.
    pub now: Moment,
}

impl Circumstances<'_> {
    /// R9: whether data that ended then are older than `stale_reads`.
    fn is_over(&self, ended: Moment) -> bool {
        self.clock.is_over(ended, self.stale_reads, self.now)
    }
}

/// May it take new write connections (R2).
pub fn write(node: &NodeState, elected: bool) -> Result<(), Ineligible> {
    if node.settings.local {
        return Err(Ineligible::Local);
    }
    general(node)?;
    let facts = node.facts.as_ref().ok_or(Ineligible::Unchecked)?;
    match (facts.claims(), elected) {
        _ if elected && facts.handover => Err(Ineligible::Handover),
        (true, true) => Ok(()),
        (true, false) => Err(Ineligible::NotElected),
        (false, _) => Err(Ineligible::IsReplica),
    }
}

/// May it take new read connections as a replica (R9).
pub fn read(node: &NodeState, elected: bool, around: Circumstances<'_>) -> Result<(), Ineligible> {
    general(node)?;
    let facts = node.facts.as_ref().ok_or(Ineligible::Unchecked)?;
    let Some(link) = facts.replica() else {
        return Err(if elected {
            Ineligible::IsPrimary
        } else {
            Ineligible::NotElected
        });
    };
    if link.syncing {
        return Err(Ineligible::FullSync);
    }
    if node.follows_itself {
        return Err(Ineligible::FollowsItself);
    }
    if facts.condition == Condition::MasterDown {
        return Err(Ineligible::RefusesStaleReads);
    }
    if link.link_up {
        return linked(node, link, around);
    }
    match link_down_since(node) {
        None => Err(Ineligible::NeverSynchronised),
        Some(_) if around.living_primary => Err(Ineligible::LinkDown),
        Some(since) if around.is_over(since) => Err(Ineligible::LinkDownTooLong),
        Some(_) => Ok(()),
    }
}

/// R9, R10: may it, with its link up.
fn linked(
    node: &NodeState,
    link: &ReplicaFacts,
    around: Circumstances<'_>,
) -> Result<(), Ineligible> {
    if around.living_primary {
        return if node.lag.is_within(around.max_lag, around.now) {
            Ok(())
        } else {
            Err(Ineligible::Lagging)
        };
    }
    // Without a primary there is nothing fresher: only `stale_reads` limits then. A link that brings
    // nothing says "up" until repl-timeout, so the replica is as old as what it heard last.
    match silent_since(link, node.answered_at) {
        Some(since) if around.is_over(since) => Err(Ineligible::LinkDownTooLong),
        _ => Ok(()),
    }
}

/// R16: whether its read sessions must go, and why.
pub fn close_reads(node: &NodeState, around: Circumstances<'_>) -> Option<CloseReason> {
    if node.is_in_maintenance() {
        return Some(CloseReason::NodeRemoved);
    }
    if node.health.is_down() {
        return Some(CloseReason::NodeDown);
    }
    if node.kin == Kin::Foreign {
        return Some(CloseReason::LostData);
    }
    let link = node.fresh_facts().and_then(Facts::replica)?;
    if link.syncing {
        return Some(CloseReason::LostData);
    }
    let cut_off =
        around.living_primary && link_down_since(node).is_some_and(|since| around.is_over(since));
    cut_off.then_some(CloseReason::LinkDown)
}

/// R10: whether it ranks last in its tier: stale, and no limit is configured.
pub fn is_stale(node: &NodeState, around: Circumstances<'_>) -> bool {
    around.living_primary && around.max_lag == LagLimits::default() && node.lag.is_stale(around.now)
}

/// R8: how long it has been silent, as far as it matters.
pub fn silence(node: &NodeState) -> Silence {
    match node.health.time_outs() {
        0 => Silence::None,
        1 => Silence::Once,
        _ => Silence::Twice,
    }
}

/// Since when its link has been down; none when it is up or never was.
pub fn link_down_since(node: &NodeState) -> Option<Moment> {
    node.link_down.flatten()
}

/// What stands in the way of any session, of reads and of writes.
fn general(node: &NodeState) -> Result<(), Ineligible> {
    if node.own_listener {
        return Err(Ineligible::OwnListener);
    }
    if node.leaving {
        return Err(Ineligible::Removed);
    }
    match node.order {
        _ if node.is_in_maintenance() => return Err(Ineligible::Maintenance),
        Order::Drain => return Err(Ineligible::Draining),
        Order::Ready | Order::Maintenance => {}
    }
    let since = node.health.since();
    let not_serving = |outcome: &Outcome| {
        Err(Ineligible::NotServing {
            outcome: outcome.clone(),
            since,
        })
    };
    match node.health.status() {
        Status::Unknown => return Err(Ineligible::Unchecked),
        Status::Rising(_) => return Err(Ineligible::Rising),
        Status::Alive(outcome) | Status::Faulty(outcome) | Status::Down { outcome, .. } => {
            return not_serving(outcome);
        }
        Status::Up => {}
    }
    if let Some(since) = node.dial_failed {
        return Err(Ineligible::DialFailed { since });
    }
    if let Some(other) = &node.same_as {
        return Err(Ineligible::SameProcessAs(other.clone()));
    }
    match node.kin {
        Kin::Native => {}
        Kin::Unplaced => return Err(Ineligible::Unplaced),
        Kin::Foreign => {
            let link = node.facts.as_ref().and_then(Facts::replica);
            let follows = link.map(|link| link.master.clone());
            let member = node.master_name.clone();
            return Err(Ineligible::Foreign { follows, member });
        }
    }
    match node.facts.as_ref().map(|facts| facts.mode) {
        None => Err(Ineligible::Unchecked),
        Some(Mode::Cluster) => Err(Ineligible::ClusterMode),
        Some(Mode::Sentinel) => Err(Ineligible::SentinelMode),
        Some(Mode::Standalone) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::facts::{HostPort, Role};
    use crate::core::health::Thresholds;
    use crate::core::ids::NodeId;
    use crate::core::lag::Lag;
    use crate::core::node::NodeSettings;
    use crate::core::outcome::Stage;
    use crate::core::sample::{at, cut_off, primary, replica, report};

    const LIMITS: Thresholds = Thresholds { fall: 2, rise: 2 };
    static CLOCK: StaleClock = StaleClock::new();
    const ALONE: Circumstances<'static> = Circumstances {
        living_primary: false,
        stale_reads: Duration::from_secs(60),
        clock: &CLOCK,
        max_lag: LagLimits {
            bytes: None,
            age: None,
        },
        now: at_100s(),
    };
    const BESIDE: Circumstances<'static> = Circumstances {
        living_primary: true,
        ..ALONE
    };

    const fn at_100s() -> Moment {
        Moment::at(Duration::from_secs(100))
    }

    fn master() -> HostPort {
        HostPort::new("10.1.1.9", 6379)
    }

    fn node(outcomes: Vec<Outcome>) -> NodeState {
        let settings = NodeSettings {
            id: NodeId(0),
            name: "redis-1".into(),
            address: None,
            local: false,
            weight: 1,
        };
        let mut node = NodeState::new(settings, at(0));
        for outcome in outcomes {
            node.fold(&report(at_100s(), outcome), LIMITS);
        }
        node
    }

    fn saying(facts: Facts) -> NodeState {
        node(vec![Outcome::Answered(Box::new(facts))])
    }

    fn with_link_down(ago: Option<Duration>) -> NodeState {
        saying(cut_off("run", "hist", &master(), ago))
    }

    #[test]
    fn r1_unknown_serves_nobody() {
        assert_eq!(write(&node(vec![]), true), Err(Ineligible::Unchecked));
        assert_eq!(
            read(&node(vec![]), false, ALONE),
            Err(Ineligible::Unchecked)
        );
    }

    #[test]
    fn r1_what_is_no_data_node_serves_nobody() {
        for (mode, reason) in [
            (Mode::Cluster, Ineligible::ClusterMode),
            (Mode::Sentinel, Ineligible::SentinelMode),
        ] {
            let facts = Facts {
                mode,
                ..primary("run", "hist")
            };
            assert_eq!(write(&saying(facts), true), Err(reason));
        }
        let mut own = saying(primary("run", "hist"));
        own.own_listener = true;
        assert_eq!(write(&own, true), Err(Ineligible::OwnListener));
    }

    #[test]
    fn r2_only_the_elected_claimant_takes_writes() {
        let claimant = saying(primary("run", "hist"));
        assert_eq!(write(&claimant, true), Ok(()));
        assert_eq!(write(&claimant, false), Err(Ineligible::NotElected));
        let replica = saying(replica("run", "hist", &master()));
        assert_eq!(write(&replica, true), Err(Ineligible::IsReplica));
    }

    #[test]
    fn r6_a_handover_stops_new_writes() {
        let facts = Facts {
            handover: true,
            ..primary("run", "hist")
        };
        assert_eq!(write(&saying(facts), true), Err(Ineligible::Handover));
    }

    #[test]
    fn r8_a_silent_primary_serves_until_fall_and_a_loading_one_does_not() {
        let silent = Outcome::TimedOut(Stage::Reply);
        let answer = Outcome::Answered(Box::new(primary("run", "hist")));
        assert_eq!(
            write(&node(vec![answer.clone(), silent.clone()]), true),
            Ok(())
        );
        let down = write(&node(vec![answer.clone(), silent.clone(), silent]), true);
        assert!(matches!(down, Err(Ineligible::NotServing { .. })));
        let loading = write(&node(vec![answer.clone(), Outcome::Loading]), true);
        assert!(matches!(loading, Err(Ineligible::NotServing { .. })));
        assert_eq!(write(&node(vec![answer, Outcome::Busy]), true), Ok(()));
    }

    #[test]
    fn r9_a_replica_serves_reads_with_its_link_up() {
        let node = saying(replica("run", "hist", &master()));
        assert_eq!(read(&node, false, BESIDE), Ok(()));
        let claims = saying(primary("run", "hist"));
        assert_eq!(read(&claims, true, BESIDE), Err(Ineligible::IsPrimary));
        assert_eq!(read(&claims, false, BESIDE), Err(Ineligible::NotElected));
    }

    #[test]
    fn r9_link_down_serves_only_without_a_primary_and_only_for_a_while() {
        let fresh = with_link_down(Some(Duration::from_secs(60)));
        assert_eq!(read(&fresh, false, BESIDE), Err(Ineligible::LinkDown));
        assert_eq!(read(&fresh, false, ALONE), Ok(()));
        let old = with_link_down(Some(Duration::from_secs(61)));
        assert_eq!(read(&old, false, ALONE), Err(Ineligible::LinkDownTooLong));
        let never = with_link_down(None);
        assert_eq!(
            read(&never, false, ALONE),
            Err(Ineligible::NeverSynchronised)
        );
    }

    #[test]
    fn r9_r10_without_a_primary_a_link_that_brings_nothing_is_as_old_as_what_it_brought_last() {
        let silent = |seconds| {
            let mut facts = replica("run", "hist", &master());
            if let Role::Replica(link) = &mut facts.role {
                link.last_io = Some(Duration::from_secs(seconds));
            }
            saying(facts)
        };
        assert_eq!(read(&silent(60), false, ALONE), Ok(()));
        let too_long = Err(Ineligible::LinkDownTooLong);
        assert_eq!(read(&silent(61), false, ALONE), too_long);
        assert_eq!(
            read(&silent(61), false, BESIDE),
            Ok(()),
            "beside a primary offsets tell"
        );
        let strict = Circumstances {
            stale_reads: Duration::from_secs(5),
            ..ALONE
        };
        assert_eq!(
            read(&silent(10), false, strict),
            Ok(()),
            "an idle primary sent a PING every 10 s while it lived"
        );
        assert_eq!(read(&silent(16), false, strict), too_long);
    }

    #[test]
    fn r9_a_full_sync_serves_nobody_and_r16_closes_its_sessions() {
        let mut facts = cut_off("run", "hist", &master(), Some(Duration::ZERO));
        if let Role::Replica(link) = &mut facts.role {
            link.syncing = true;
        }
        let node = saying(facts);
        assert_eq!(read(&node, false, ALONE), Err(Ineligible::FullSync));
        assert_eq!(close_reads(&node, ALONE), Some(CloseReason::LostData));
    }

    #[test]
    fn r8_masterdown_refuses_reads() {
        let mut facts = cut_off("run", "hist", &master(), Some(Duration::ZERO));
        facts.condition = Condition::MasterDown;
        assert_eq!(
            read(&saying(facts), false, ALONE),
            Err(Ineligible::RefusesStaleReads)
        );
    }

    #[test]
    fn r16_sessions_outlive_a_lost_link_by_stale_reads() {
        let fresh = with_link_down(Some(Duration::from_secs(60)));
        assert_eq!(close_reads(&fresh, BESIDE), None);
        let old = with_link_down(Some(Duration::from_secs(61)));
        assert_eq!(close_reads(&old, BESIDE), Some(CloseReason::LinkDown));
        assert_eq!(
            close_reads(&old, ALONE),
            None,
            "without a primary there is nothing fresher"
        );
        let down = node(vec![Outcome::Refused]);
        assert_eq!(close_reads(&down, BESIDE), Some(CloseReason::NodeDown));
        let promoted = saying(primary("run", "hist"));
        assert_eq!(
            close_reads(&promoted, BESIDE),
            None,
            "reads are right on a promoted node"
        );
    }

    #[test]
    fn r10_lag_limits_beside_a_primary_only_and_ranks_where_nothing_limits() {
        let mut node = saying(replica("run", "hist", &master()));
        node.lag = Lag::Behind {
            bytes: 10,
            since: at(70_000),
        };
        let limits = LagLimits {
            bytes: None,
            age: Some(Duration::from_secs(29)),
        };
        let limited = Circumstances {
            max_lag: limits,
            ..BESIDE
        };
        assert_eq!(read(&node, false, limited), Err(Ineligible::Lagging));
        assert_eq!(
            read(
                &node,
                false,
                Circumstances {
                    max_lag: limits,
                    ..ALONE
                }
            ),
            Ok(())
        );
        assert_eq!(read(&node, false, BESIDE), Ok(()));
        assert!(is_stale(&node, BESIDE));
        assert!(!is_stale(&node, limited) && !is_stale(&node, ALONE));
    }

    #[test]
    fn r8_silence_is_counted_to_two_and_ends_with_an_answer() {
        let timed_out = |times| node(vec![Outcome::TimedOut(Stage::Reply); times]);
        let counted = [0, 1, 2, 3].map(|times| silence(&timed_out(times)));
        assert_eq!(
            counted,
            [Silence::None, Silence::Once, Silence::Twice, Silence::Twice]
        );
        let mut heard = timed_out(3);
        heard.fold(&report(at_100s(), Outcome::Busy), LIMITS);
        assert_eq!(silence(&heard), Silence::None);
    }

    #[test]
    fn orders_of_the_operator() {
        let mut node = saying(replica("run", "hist", &master()));
        node.order = Order::Drain;
        assert_eq!(read(&node, false, ALONE), Err(Ineligible::Draining));
        assert_eq!(close_reads(&node, ALONE), None);
        node.order = Order::Maintenance;
        assert_eq!(read(&node, false, ALONE), Err(Ineligible::Maintenance));
        assert_eq!(close_reads(&node, ALONE), Some(CloseReason::NodeRemoved));
    }
}
