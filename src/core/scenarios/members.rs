//! Nodes that come and go while the process runs: learned from Sentinel, added and removed by a reload.

use super::*;
use crate::core::discovery::{Change, Listed};
use crate::core::reason::CloseReason;

fn node(index: u32) -> NodeSettings {
    NodeSettings {
        id: NodeId(index),
        name: format!("redis-{}", index + 1).into(),
        address: Some(address(index)),
        local: false,
        weight: 1,
    }
}

/// The settings of `settled` with these nodes.
fn with(nodes: &[NodeSettings]) -> Settings {
    Settings {
        id: GroupId(0),
        name: "main".into(),
        nodes: nodes.to_vec(),
        limits: Thresholds { fall: 6, rise: 2 },
        interval: Duration::from_millis(500),
        fast_interval: Duration::from_millis(50),
        claim_hold: HOLD,
        stale_reads: Duration::from_secs(60),
        max_lag: LagLimits::default(),
        own: Vec::new(),
    }
}

fn told(roll: &mut Roll) -> Vec<String> {
    let events = roll.group.take_events().into_iter();
    events.map(|event| event.kind.to_string()).collect()
}

#[test]
fn r1_a_learned_node_serves_nobody_before_its_first_check() {
    let mut roll = settled();
    roll.group.learn(node(7), roll.now);
    assert_eq!(roll.may_read(7), Err(Ineligible::Unchecked));
    roll.says(7, follows("h", "hist", A));
    assert_eq!(roll.may_read(7), Ok(()));
    assert!(told(&mut roll).contains(&"redis-8 was learned from Sentinel".to_owned()));
}

#[test]
fn what_most_sentinels_list_is_to_be_learned_and_our_own_listeners_are_not() {
    let mut roll = settled();
    roll.group = roll.group.clone().with_discovery(1);
    let listed = |address: HostPort| Listed {
        address,
        run_id: None,
    };
    let ours = HostPort::new("127.0.0.2", 6379);
    let list = vec![listed(address(A)), listed(address(7)), listed(ours)];
    roll.group.listed(0, Some(list));
    let changes = roll.group.changes(roll.now);
    assert_eq!(changes, [Change::Learn(address(7))]);
}

#[test]
fn r2_a_primary_that_leaves_loses_the_writes_and_has_no_vote() {
    let mut roll = settled();
    roll.group.retire(NodeId(A), roll.now);
    assert_eq!(roll.primary(), None);
    assert_eq!(roll.may_write(A), Err(Ineligible::Removed));
    let all = told(&mut roll);
    assert!(
        all.iter().any(|text| text.contains("redis-1 is taken out")),
        "{all:?}"
    );
    roll.says(A, primary("a", "hist"));
    assert_eq!(roll.primary(), None, "it is not elected again");
    roll.group.keep(NodeId(A), roll.now);
    roll.says(A, primary("a", "hist"));
    assert_eq!(roll.primary(), Some(A));
}

#[test]
fn a_replica_that_leaves_takes_no_new_reads_and_keeps_its_sessions() {
    let mut roll = settled();
    roll.group.retire(NodeId(B), roll.now);
    assert_eq!(roll.may_read(B), Err(Ineligible::Removed));
    let close = |roll: &Roll| roll.group.view().node(NodeId(B)).unwrap().close_reads;
    assert_eq!(close(&roll), None);
    assert_eq!(
        roll.group.leaving().collect::<Vec<_>>(),
        [(NodeId(B), None)]
    );
    // Its sessions are under the same rules as before.
    roll.refuses(B);
    assert_eq!(close(&roll), Some(CloseReason::NodeDown));
    roll.group.drop_node(NodeId(B), roll.now);
    assert!(roll.group.view().node(NodeId(B)).is_none());
    assert_eq!(roll.group.leaving().count(), 0);
    roll.says(B, follows("b", "hist", A));
    assert!(roll.group.view().node(NodeId(B)).is_none(), "a late report");
}

#[test]
fn a_reload_remembers_what_stays_and_gives_the_others_a_time_limit() {
    let mut roll = settled();
    let until = roll.now.plus(Duration::from_secs(10));
    let heavy = NodeSettings {
        weight: 5,
        ..node(A)
    };
    roll.group.learn(node(9), roll.now);
    let settings = with(&[node(7), heavy, node(C)]);
    roll.group.configure(settings, until, roll.now);
    assert_eq!(
        (roll.primary(), roll.term()),
        (Some(A), 1),
        "it stays elected"
    );
    let names: Vec<u32> = roll
        .group
        .nodes()
        .iter()
        .map(|node| node.settings.id.0)
        .collect();
    assert_eq!(
        names,
        [7, A, C, B, 3, 9],
        "as configured, then who leaves and who was learned"
    );
    let leaving: Vec<_> = roll.group.leaving().collect();
    assert_eq!(
        leaving,
        [(NodeId(B), Some(until)), (NodeId(3), Some(until))]
    );
    let view = roll.group.view();
    assert_eq!(view.node(NodeId(A)).unwrap().weight, 5);
    assert_eq!(roll.may_read(7), Err(Ineligible::Unchecked));
    assert_eq!(roll.may_read(C), Ok(()));
    assert_eq!(roll.may_read(B), Err(Ineligible::Removed));
    assert!(told(&mut roll).contains(&"redis-8 was added to the configuration".to_owned()));

    // A second reload brings one back, and does not put the other off.
    let later = until.plus(HOLD);
    let back = with(&[node(A), node(B), node(C)]);
    roll.group.configure(back, later, roll.now);
    roll.says(B, follows("b", "hist", A));
    assert_eq!(roll.may_read(B), Ok(()));
    let leaving: Vec<_> = roll.group.leaving().collect();
    assert!(leaving.contains(&(NodeId(3), Some(until))), "{leaving:?}");
    assert!(leaving.contains(&(NodeId(7), Some(later))), "{leaving:?}");
}

#[test]
fn other_sentinels_are_heard_anew() {
    use crate::core::sentinel::{Phase, SentinelReport, Vote};
    let mut roll = settled();
    roll.group = roll.group.clone().with_sentinels(["old:1".into()]);
    let vote = Vote {
        address: address(A),
        run_id: None,
        config_epoch: 3,
        phase: Phase::Settled,
    };
    roll.group
        .sentinel(0, SentinelReport::Votes(vote), roll.now);
    roll.group
        .ask_others(["new:1".into(), "new:2".into()], true);
    let witnesses: Vec<_> = roll
        .group
        .sentinels()
        .witnesses()
        .map(|(name, vote, answers)| (name.to_string(), vote.is_some(), answers))
        .collect();
    let unheard = |name: &str| (name.to_owned(), false, false);
    assert_eq!(witnesses, [unheard("new:1"), unheard("new:2")]);
}
