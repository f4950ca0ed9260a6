//! R3, R4, R17: nothing depends on the order of the configuration, nor on the order of the replies.

use proptest::prelude::*;

use super::*;
use crate::core::sentinel::{Phase, SentinelReport, Vote};

const ROUND: u64 = 1000;
const ROUNDS: u64 = 32;

/// What a node says, again and again.
#[derive(Clone, Copy, Debug)]
enum Says {
    Primary,
    Received(u64),
    Copied(u64),
    DoesNotTell(u64),
    Blank,
    Stranger,
    Follows(u32),
    FollowsHeir(u32),
    CutOff(u32, u64),
    OfAStranger,
    Refuses,
    Silent,
    Loads,
    /// The process of another node.
    Same(u32),
}

/// What a Sentinel says.
#[derive(Clone, Copy, Debug)]
enum Names {
    Node(u32, bool),
    Stranger(bool),
    Nobody,
}

fn says() -> impl Strategy<Value = Says> {
    let node = 0..4u32;
    let offset = 990..1010u64;
    prop_oneof![
        3 => Just(Says::Primary),
        2 => offset.clone().prop_map(Says::Received),
        2 => offset.clone().prop_map(Says::Copied),
        1 => offset.clone().prop_map(Says::DoesNotTell),
        1 => Just(Says::Blank),
        1 => Just(Says::Stranger),
        4 => node.clone().prop_map(Says::Follows),
        1 => node.clone().prop_map(Says::FollowsHeir),
        2 => (node.clone(), offset).prop_map(|(node, offset)| Says::CutOff(node, offset)),
        1 => Just(Says::OfAStranger),
        1 => Just(Says::Refuses),
        1 => Just(Says::Silent),
        1 => Just(Says::Loads),
        1 => node.prop_map(Says::Same),
    ]
}

fn names() -> impl Strategy<Value = Names> {
    prop_oneof![
        4 => (0..4u32, any::<bool>()).prop_map(|(node, down)| Names::Node(node, down)),
        1 => any::<bool>().prop_map(Names::Stranger),
        1 => Just(Names::Nobody),
    ]
}

fn stranger() -> HostPort {
    HostPort::new("10.9.9.9", 6379)
}

/// Every primary tells the same history where it is the old one, so that some descend from others.
fn outcome(node: u32, all: &[Says]) -> Outcome {
    let run = format!("run-{node}");
    let own = format!("own-{node}");
    let told = |facts| Outcome::Answered(Box::new(facts));
    match all[node as usize] {
        Says::Primary => told(primary(&run, "hist")),
        Says::Received(at) => told(received(&run, &own, "hist", at)),
        Says::Copied(at) => told(copied(&run, &own, "hist", at)),
        Says::DoesNotTell(at) => told(promoted(&run, &own, "hist", at)),
        Says::Blank => told(blank(&run, &own)),
        Says::Stranger => told(received(&run, &own, "strange", 77)),
        Says::Follows(other) => told(follows(&run, "hist", other)),
        Says::FollowsHeir(other) => told(follows(&run, &format!("own-{other}"), other)),
        Says::CutOff(other, at) => {
            let mut facts = cut_off(&run, "hist", &address(other), Some(Duration::from_secs(1)));
            if let crate::core::facts::Role::Replica(link) = &mut facts.role {
                link.offset = at;
            }
            told(facts)
        }
        Says::OfAStranger => told(replica(&run, "strange", &stranger())),
        Says::Refuses => Outcome::Refused,
        Says::Silent => Outcome::TimedOut(Stage::Reply),
        Says::Loads => Outcome::Loading,
        Says::Same(other) => match all.get(other as usize) {
            None | Some(Says::Same(_)) => Outcome::Refused,
            Some(_) => outcome(other, all),
        },
    }
}

fn report_of(names: Names) -> SentinelReport {
    let (address, down) = match names {
        Names::Node(node, down) => (address(node), down),
        Names::Stranger(down) => (stranger(), down),
        Names::Nobody => return SentinelReport::Unreachable("refused".into()),
    };
    SentinelReport::Votes(Vote {
        address,
        run_id: None,
        config_epoch: 3,
        phase: Phase::Settled,
        down,
    })
}

/// Which process has the writes, and which serve reads, at the end of each round.
fn play(
    all: &[Says],
    sentinels: &[Names],
    configured: &[u32],
    replies: &[usize],
) -> Vec<(Option<String>, Vec<String>)> {
    let nodes = configured.iter().map(|node| NodeSettings {
        id: NodeId(*node),
        name: format!("redis-{}", node + 1).into(),
        address: Some(address(*node)),
        local: false,
        weight: 1,
    });
    let mut roll = Roll::without_local(0);
    roll.group = Group::new(
        Settings {
            nodes: nodes.collect(),
            ..roll.group.settings().clone()
        },
        at(0),
    )
    .with_sentinels((0..sentinels.len()).map(|index| format!("s{index}").into()));
    let run_of = |node: NodeId| match outcome(node.0, all) {
        Outcome::Answered(facts) => facts.run_id.to_string(),
        other => other.to_string(),
    };
    let mut seen = Vec::new();
    for round in 1..=ROUNDS {
        let now = at(round * ROUND);
        for reply in replies {
            if let Some(index) = reply.checked_sub(all.len()) {
                roll.group.sentinel(index, report_of(sentinels[index]), now);
            } else {
                let node = u32::try_from(*reply).unwrap();
                let report = report(now, outcome(node, all));
                roll.group.report(NodeId(node), &report);
            }
        }
        let view = roll.group.view();
        let mut reads: Vec<String> = view
            .nodes
            .iter()
            .filter(|node| node.read.is_ok())
            .map(|node| run_of(node.id))
            .collect();
        reads.sort();
        seen.push((view.primary.map(|primary| run_of(primary.node)), reads));
    }
    seen
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn r4_no_order_of_nodes_or_replies_changes_an_outcome(
        all in prop::collection::vec(says(), 2..=4),
        sentinels in prop_oneof![Just(Vec::new()), prop::collection::vec(names(), 3)],
        seeds in prop::collection::vec(any::<(u64, u64)>(), 3),
    ) {
        let nodes: Vec<u32> = (0..u32::try_from(all.len()).unwrap()).collect();
        let replies: Vec<usize> = (0..all.len() + sentinels.len()).collect();
        let expected = play(&all, &sentinels, &nodes, &replies);
        for (first, second) in seeds {
            let (nodes, replies) = (shuffled(&nodes, first), shuffled(&replies, second));
            let seen = play(&all, &sentinels, &nodes, &replies);
            prop_assert_eq!(&seen, &expected, "{:?} {:?}", nodes, replies);
        }
    }
}

fn shuffled<T: Clone>(all: &[T], seed: u64) -> Vec<T> {
    let mut left = all.to_vec();
    let mut state = seed;
    let mut out = Vec::new();
    while !left.is_empty() {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let place = usize::try_from(state >> 33).unwrap() % left.len();
        out.push(left.remove(place));
    }
    out
}
