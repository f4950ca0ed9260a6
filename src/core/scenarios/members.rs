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
        park_limit: Duration::from_secs(10),
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
        run_id: Some(crate::core::facts::RunId("some run".into())),
    };
    let ours = HostPort::new("127.0.0.2", 6379);
    roll.says(3, follows("d", "hist", A));
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
    roll.group = roll.group.clone().with_discovery(1);
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
        down: false,
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

#[test]
fn r3_a_primary_in_maintenance_or_leaving_may_well_be_alive_so_the_hold_does_not_run() {
    for reload in [false, true] {
        let mut roll = settled();
        roll.says(3, blank("d", "empty"));
        if reload {
            let settings = with(&[node(B), node(C), node(3)]);
            roll.group
                .configure(settings, roll.now.plus(HOLD * 9), roll.now);
        } else {
            roll.group.order(NodeId(A), Order::Maintenance, roll.now);
        }
        for _ in 0..8 {
            roll.passes(Duration::from_secs(1));
            roll.says(A, primary("a", "hist"))
                .says(B, follows("b", "hist", A))
                .says(C, follows("c", "hist", A))
                .says(3, blank("d", "empty"));
            assert_eq!(roll.primary(), None, "reload: {reload}");
        }
    }
}

#[test]
fn r1_a_learned_node_that_is_a_local_one_is_never_primary() {
    let mut roll = settled();
    roll.says(3, follows("local", "hist", A));
    roll.group.learn(node(9), roll.now);
    roll.says(9, follows("local", "hist", A));
    assert_eq!(
        roll.may_read(9),
        Err(Ineligible::SameProcessAs("redis-4".into()))
    );
    roll.says(3, promoted("local", "new", "hist", 1001));
    roll.says(9, promoted("local", "new", "hist", 1001));
    assert_eq!(roll.primary(), Some(A));
}

#[test]
fn a_learned_primary_that_is_written_down_keeps_its_election() {
    let mut roll = settled();
    roll.group = roll.group.clone().with_discovery(1);
    roll.group.learn(node(9), roll.now);
    roll.says(9, follows("j", "hist", A));
    roll.says(9, promoted("j", "new", "hist", 1001));
    let term = roll.term();
    assert_eq!(roll.primary(), Some(9));
    let named = NodeSettings {
        name: "written".into(),
        ..node(9)
    };
    let settings = with(&[node(A), node(B), node(C), named]);
    roll.group
        .configure(settings, roll.now.plus(HOLD), roll.now);
    assert_eq!((roll.primary(), roll.term()), (Some(9), term));
    let holder = roll.group.election().holder().unwrap();
    assert_eq!(&*holder.name, "written");
    // With discovery off, it stays and those that were only learned leave.
    roll.group.learn(node(8), roll.now);
    roll.group.ask_others([], false);
    let settings = with(&[node(A), node(B), node(C), node(9)]);
    roll.group
        .configure(settings, roll.now.plus(HOLD), roll.now);
    let leaving: Vec<u32> = roll.group.leaving().map(|(id, _)| id.0).collect();
    assert_eq!(leaving, [3, 8]);
}

#[test]
fn r3_behind_nat_a_shadow_of_the_primary_takes_no_votes_from_it() {
    let mut roll = Roll::without_local(2);
    let outside = HostPort::new("192.0.2.1", 6379);
    roll.group.learn(
        NodeSettings {
            address: Some(outside.clone()),
            ..node(9)
        },
        roll.now,
    );
    roll.says(B, replica("b", "hist", &outside));
    roll.gets(9, Outcome::TimedOut(Stage::Connect));
    roll.says(A, primary("a", "hist"));
    assert_eq!(roll.primary(), Some(A));
}

#[test]
fn nodes_that_leave_together_elect_none_of_each_other() {
    let mut roll = settled();
    roll.says(B, primary("b", "other"));
    roll.group.take_events();
    let settings = with(&[node(C)]);
    roll.group
        .configure(settings, roll.now.plus(HOLD), roll.now);
    assert_eq!(roll.evidence(), None);
    assert_eq!(roll.primary(), None);
}

/// Three Sentinels list these nodes, each with its run.
fn all_list(roll: &mut Roll, lists: [&[(u32, &str)]; 3]) {
    for (index, list) in lists.into_iter().enumerate() {
        let listed = list.iter().map(|(node, run)| Listed {
            address: address(*node),
            run_id: Some(crate::core::facts::RunId((*run).into())),
        });
        roll.group.listed(index, Some(listed.collect()));
    }
}

/// Carries out what is to be done, and says it.
fn follow(roll: &mut Roll) -> Vec<Change> {
    let changes = roll.group.changes(roll.now);
    for change in &changes {
        match change {
            Change::Learn(place) => {
                let found = (0..20).find(|index| address(*index) == *place);
                roll.group.learn(node(found.unwrap()), roll.now);
            }
            Change::Retire(node) => roll.group.retire(*node, roll.now),
            Change::Return(node) => roll.group.keep(*node, roll.now),
        }
    }
    changes
}

#[test]
fn r1_a_replica_that_announces_another_address_is_read_there_and_no_session_is_closed() {
    let mut roll = settled();
    roll.says(3, follows("local", "hist", A));
    roll.group = roll.group.clone().with_discovery(3);
    let old: &[(u32, &str)] = &[(A, "a"), (B, "b"), (C, "c"), (8, "j")];
    all_list(&mut roll, [old; 3]);
    assert_eq!(follow(&mut roll), [Change::Learn(address(8))]);
    roll.says(8, follows("j", "hist", A));
    assert_eq!(roll.may_read(8), Ok(()));

    // It announces another address; two of the Sentinels still list the old one too.
    let both: &[(u32, &str)] = &[(A, "a"), (B, "b"), (C, "c"), (8, "j"), (9, "j")];
    let new: &[(u32, &str)] = &[(A, "a"), (B, "b"), (C, "c"), (9, "j")];
    all_list(&mut roll, [both, both, new]);
    assert_eq!(follow(&mut roll), [Change::Learn(address(9))]);
    roll.says(9, follows("j", "hist", A));
    assert_eq!(follow(&mut roll), [Change::Retire(NodeId(8))]);
    assert_eq!(roll.may_read(8), Err(Ineligible::Removed));
    assert_eq!(roll.may_read(9), Ok(()), "the one that stays counts");
    let close = roll.group.view().node(NodeId(8)).unwrap().close_reads;
    assert_eq!(close, None, "its sessions stay");
    roll.says(8, follows("j", "hist", A));
    assert_eq!(follow(&mut roll), []);
    assert_eq!(roll.may_read(9), Ok(()));
    roll.group.drop_node(NodeId(8), roll.now);
    assert_eq!(follow(&mut roll), [], "it is not learned again");
}

#[test]
fn r7_a_primary_that_announces_another_address_keeps_its_writes_until_another_is_elected() {
    let mut roll = settled();
    roll.says(3, follows("local", "hist", A));
    roll.group = roll.group.clone().with_discovery(3);
    roll.group.learn(node(8), roll.now);
    roll.says(8, follows("j", "hist", A));
    roll.says(8, promoted("j", "new", "hist", 1001));
    let term = roll.term();
    assert_eq!(roll.primary(), Some(8));
    let new: &[(u32, &str)] = &[(A, "a"), (B, "b"), (C, "c"), (9, "j")];
    all_list(&mut roll, [new; 3]);
    assert_eq!(follow(&mut roll), [Change::Learn(address(9))]);
    roll.says(9, promoted("j", "new", "hist", 1001));
    assert_eq!(follow(&mut roll), []);
    assert_eq!((roll.primary(), roll.term()), (Some(8), term));
    // A switchover: the old primary follows redis-2, by either address.
    roll.says(B, promoted("b", "newer", "new", 1002));
    roll.says(8, follows("j", "newer", B));
    roll.says(9, follows("j", "newer", B));
    assert_eq!(roll.primary(), Some(B));
    assert_eq!(follow(&mut roll), [Change::Retire(NodeId(8))]);
    assert_eq!(roll.may_read(9), Ok(()));
}
