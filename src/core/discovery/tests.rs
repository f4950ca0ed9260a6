//! What Sentinels list, as tables: what is learned, what is let go.

use super::*;
use crate::core::health::Thresholds;
use crate::core::node::NodeSettings;
use crate::core::outcome::Outcome;
use crate::core::sample::{at, primary, report};

const LIMITS: Thresholds = Thresholds { fall: 6, rise: 2 };

fn place(last: u8) -> HostPort {
    HostPort::new(&format!("10.1.1.{last}"), 6379)
}

fn node(id: u32, learned: bool) -> NodeState {
    let settings = NodeSettings {
        id: NodeId(id),
        name: format!("redis-{id}").into(),
        address: Some(place(u8::try_from(id).unwrap())),
        local: false,
        weight: 1,
    };
    let mut node = NodeState::new(settings, at(0));
    node.learned = learned;
    node.fold(&report(at(0), Outcome::Refused), LIMITS);
    node
}

#[expect(clippy::unnecessary_wraps, reason = "as Sentinels are told of")]
fn list(places: &[u8]) -> Option<Vec<Listed>> {
    let listed = |last: &u8| Listed {
        address: place(*last),
        run_id: Some(RunId(format!("run at {last}").into())),
    };
    Some(places.iter().map(listed).collect())
}

fn told(lists: &[Option<Vec<Listed>>]) -> Discovery {
    let mut discovery = Discovery::new(lists.len());
    for (index, list) in lists.iter().enumerate() {
        discovery.hear(index, list.clone());
    }
    discovery
}

fn changes(discovery: &mut Discovery, nodes: &[NodeState], millis: u64) -> Vec<Change> {
    discovery.changes(nodes, None, |_| false, at(millis))
}

#[test]
fn a_majority_teaches_and_one_alone_does_not() {
    let nodes = [node(1, false)];
    let mut discovery = told(&[list(&[1, 2]), list(&[1, 2, 66]), None]);
    assert_eq!(
        changes(&mut discovery, &nodes, 1),
        [Change::Learn(place(2))]
    );
    let mut discovery = told(&[list(&[1, 2]), None, None]);
    assert_eq!(changes(&mut discovery, &nodes, 1), [], "one of three");
}

#[test]
fn what_is_known_by_address_or_run_or_is_ourselves_is_not_learned() {
    let mut known = node(1, false);
    let facts = primary("run-1", "history");
    known.fold(&report(at(1), Outcome::Answered(Box::new(facts))), LIMITS);
    let behind_nat = Listed {
        address: place(77),
        run_id: Some(RunId("run-1".into())),
    };
    let mut discovery = told(&[Some(vec![behind_nat])]);
    assert_eq!(changes(&mut discovery, &[known.clone()], 2), []);
    let mut discovery = told(&[list(&[1, 9])]);
    let ours = |address: &HostPort| *address == place(9);
    assert_eq!(discovery.changes(&[known], None, ours, at(2)), []);
}

#[test]
fn before_the_written_nodes_were_heard_and_without_a_run_nothing_is_learned() {
    let mut silent = node(1, false);
    silent.last_check = None;
    let mut discovery = told(&[list(&[1, 2])]);
    assert_eq!(changes(&mut discovery, &[silent], 1), []);
    let nobody = Listed {
        address: place(2),
        run_id: None,
    };
    let mut discovery = told(&[Some(vec![nobody])]);
    assert_eq!(changes(&mut discovery, &[node(1, false)], 1), []);
}

#[test]
fn an_alias_of_a_written_node_goes_at_once() {
    let said = || Outcome::Answered(Box::new(primary("run-1", "history")));
    let (mut written, mut alias) = (node(1, false), node(2, true));
    alias.fold(&report(at(1), said()), LIMITS);
    let mut discovery = told(&[list(&[1, 2])]);
    let nodes = [written.clone(), alias.clone()];
    assert_eq!(changes(&mut discovery, &nodes, 1), []);
    written.fold(&report(at(2), said()), LIMITS);
    let nodes = [written, alias];
    let gone = [Change::Retire(NodeId(2))];
    assert_eq!(changes(&mut discovery, &nodes, 2), gone);
}

#[test]
fn a_learned_node_goes_when_a_majority_has_not_listed_it_for_long() {
    let mut nodes = [node(1, false), node(2, true)];
    let mut discovery = told(&[list(&[1]), list(&[1]), None]);
    assert_eq!(changes(&mut discovery, &nodes, 1000), []);
    assert_eq!(discovery.next_deadline(), Some(at(31_000)));
    assert_eq!(changes(&mut discovery, &nodes, 30_999), []);
    assert_eq!(
        changes(&mut discovery, &nodes, 31_000),
        [Change::Retire(NodeId(2))]
    );
    nodes[1].leaving = true;
    assert_eq!(changes(&mut discovery, &nodes, 31_001), [], "once");
    assert_eq!(discovery.next_deadline(), None);
    discovery.hear(0, list(&[1, 2]));
    discovery.hear(1, list(&[1, 2]));
    assert_eq!(
        changes(&mut discovery, &nodes, 32_000),
        [Change::Return(NodeId(2))]
    );
}

#[test]
fn sentinels_that_are_away_change_nothing() {
    let nodes = [node(1, false), node(2, true)];
    let mut discovery = told(&[list(&[1]), None, None]);
    assert_eq!(changes(&mut discovery, &nodes, 1), []);
    assert_eq!(changes(&mut discovery, &nodes, 60_000), []);
    assert_eq!(discovery.next_deadline(), None);
}

#[test]
fn one_that_is_listed_again_in_time_is_not_missed() {
    let nodes = [node(1, false), node(2, true)];
    let mut discovery = told(&[list(&[1])]);
    changes(&mut discovery, &nodes, 1000);
    discovery.hear(0, list(&[1, 2]));
    assert_eq!(changes(&mut discovery, &nodes, 20_000), []);
    discovery.hear(0, list(&[1]));
    assert_eq!(changes(&mut discovery, &nodes, 40_000), []);
    assert_eq!(discovery.next_deadline(), Some(at(70_000)));
}

#[test]
fn what_a_sentinel_says_does_not_fill_the_memory() {
    let many: Vec<u8> = (0..=255).collect();
    let mut discovery = told(&[list(&many)]);
    let learned = changes(&mut discovery, &[], 1);
    assert_eq!(learned.len(), MOST_LEARNED);
}

/// A learned node that answers as this run.
fn learned(id: u32, run: &str) -> NodeState {
    let mut node = node(id, true);
    let facts = primary(run, "history");
    node.fold(&report(at(1), Outcome::Answered(Box::new(facts))), LIMITS);
    node
}

fn listed(last: u8, run: &str) -> Listed {
    Listed {
        address: place(last),
        run_id: Some(RunId(run.into())),
    }
}

/// Two learned nodes are one process; so many Sentinels of three list the first, and the second.
fn one_process(first: usize, second: usize) -> Discovery {
    let list = |index: usize| {
        let both = [(first, 2), (second, 3)];
        let kept = both.iter().filter(|(count, _)| index < *count);
        Some(kept.map(|(_, last)| listed(*last, "run")).collect())
    };
    told(&[list(0), list(1), list(2)])
}

#[test]
fn r1_of_two_addresses_of_one_process_the_one_that_more_sentinels_list_is_kept() {
    let (two, three) = (NodeId(2), NodeId(3));
    let nodes = [learned(2, "run"), learned(3, "run")];
    for (first, second, holder, goes) in [
        (2, 3, None, Some(two)),
        (3, 2, None, Some(three)),
        // Equal: the one that holds the election, else the one that was learned first.
        (3, 3, None, Some(three)),
        (3, 3, Some(two), Some(three)),
        (3, 3, Some(three), Some(two)),
        (0, 0, None, Some(three)),
        // It holds the election: it is let go once another holds it.
        (2, 3, Some(two), None),
        (2, 3, Some(three), Some(two)),
        (3, 2, Some(three), None),
    ] {
        let mut discovery = one_process(first, second);
        let changes = discovery.changes(&nodes, holder, |_| false, at(2));
        let expected: Vec<Change> = goes.map(Change::Retire).into_iter().collect();
        assert_eq!(changes, expected, "{first} and {second}, {holder:?}");
    }
}

#[test]
fn r1_two_runs_are_two_nodes() {
    let nodes = [learned(2, "run"), learned(3, "another")];
    assert_eq!(changes(&mut one_process(2, 3), &nodes, 2), []);
    let unheard = [learned(2, "run"), node(3, true)];
    assert_eq!(changes(&mut one_process(2, 3), &unheard, 2), []);
}

#[test]
fn r1_an_address_that_was_let_go_does_not_come_back_while_the_process_answers_at_the_other() {
    let mut first = learned(2, "run");
    let second = learned(3, "run");
    // It leaves, and has sessions still.
    first.leaving = true;
    let nodes = [first.clone(), second.clone()];
    assert_eq!(changes(&mut one_process(2, 3), &nodes, 2), []);
    assert_eq!(changes(&mut one_process(3, 2), &nodes, 2), [], "it is kept");
    // It has gone.
    assert_eq!(
        changes(&mut one_process(2, 3), std::slice::from_ref(&second), 2),
        []
    );
    assert_eq!(
        changes(&mut one_process(3, 3), std::slice::from_ref(&second), 2),
        []
    );
    let better = [Change::Learn(place(2))];
    assert_eq!(
        changes(&mut one_process(3, 2), std::slice::from_ref(&second), 2),
        better
    );
    // The process does not answer there any more.
    let mut silent = second;
    silent.fold(&report(at(3), Outcome::Refused), LIMITS);
    let back = [Change::Return(NodeId(2))];
    let nodes = [first, silent.clone()];
    assert_eq!(changes(&mut one_process(3, 3), &nodes, 4), back);
    assert_eq!(changes(&mut one_process(3, 3), &[silent], 4), better);
}

#[test]
fn r1_the_old_address_of_a_process_that_answers_at_a_new_one_goes_at_once() {
    let mut old = learned(2, "run");
    old.fold(&report(at(2), Outcome::Refused), LIMITS);
    let nodes = [old, learned(3, "run")];
    let mut discovery = one_process(3, 3);
    let goes = [Change::Retire(NodeId(2))];
    assert_eq!(changes(&mut discovery, &nodes, 3), goes);
    let held = discovery.changes(&nodes, Some(NodeId(2)), |_| false, at(3));
    assert_eq!(held, [], "its write sessions may be open");
}

#[test]
fn r1_a_written_node_stays_and_its_alias_goes_unless_that_holds_the_election() {
    let mut written = learned(2, "run");
    written.learned = false;
    let nodes = [written, learned(3, "run")];
    let mut discovery = one_process(2, 3);
    let goes = [Change::Retire(NodeId(3))];
    assert_eq!(changes(&mut discovery, &nodes, 2), goes);
    let held = discovery.changes(&nodes, Some(NodeId(3)), |_| false, at(2));
    assert_eq!(held, []);
}
