//! `rolecall switchover` and `rolecall reload`, on real nodes and Sentinels.

#[cfg(test)]
#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use common::desk::Desk;
use common::redis::{RedisNode, redis_group};
use common::sentinel::{MASTER_NAME, sentinels};
use common::topology::Topology;
use common::traffic::Traffic;
use common::{SOON, eventually};
use rolecall::api::{GroupState, Reloaded, Switchover};

const NODES: [&str; 3] = ["redis-1", "redis-2", "redis-3"];

fn told(outcome: &Switchover, words: &str) -> bool {
    let mut steps = outcome.timeline.iter();
    steps.any(|step| step.text.contains(words))
}

#[test]
fn a_handover_moves_the_writes_without_a_lost_or_refused_one() {
    let [a, b, c] = redis_group(NODES);
    let desk = Desk::start(&Topology::standard(&[&a, &b, &c]));
    desk.proxy
        .wait_eligible("redis-ro", &NODES, &["redis-2", "redis-3"]);
    let mut old = desk.proxy.client("redis-rw");
    assert_eq!(old.node(), "redis-1");
    let writers = Traffic::writers(desk.proxy.listener("redis-rw"), 4);
    writers.wait_more(50);

    let outcome = desk.switch(&["main", "--to", "redis-3"]);
    assert!(outcome.done, "{outcome:?}");
    assert_eq!(outcome.from.as_deref(), Some("redis-1"));
    assert_eq!(outcome.to.as_deref(), Some("redis-3"));
    for words in [
        "begins",
        "new write connections are parked",
        "hands over to redis-3",
        "redis-3 is elected primary",
        "switched over from redis-1 to redis-3",
    ] {
        assert!(told(&outcome, words), "{words}: {:?}", outcome.timeline);
    }
    old.wait_closed("its node is no primary any more");
    desk.proxy.wait_node_of("redis-rw", "redis-3");
    writers.wait_more(50);
    let tally = writers.finish();
    assert!(tally.refused.is_empty(), "{:?}", tally.refused);
    eventually(SOON, "the old primary follows", || a.role() == "slave");
    eventually(SOON, "all is well", || desk.state() == GroupState::Ok);

    // And without a name: the replica that lacks least.
    let outcome = desk.switch(&[]);
    assert!(
        outcome.done && outcome.from.as_deref() == Some("redis-3"),
        "{outcome:?}"
    );
}

#[test]
fn what_cannot_be_is_refused_with_the_reason_and_parks_nobody() {
    let [a, b] = redis_group(["redis-1", "redis-2"]);
    let local = RedisNode::replica("local", &a);
    let topology = Topology::new()
        .node(&a)
        .node(&b)
        .local(&local)
        .usual_listeners();
    let desk = Desk::start(&topology);
    desk.proxy.wait_node_of("redis-ro", "redis-2");
    for (words, reason) in [
        (&["--to", "redis-9"][..], "choose one of redis-2"),
        (&["--to", "redis-1"], "redis-1 is the primary already"),
        (&["--to", "local"], "local is local, and never primary"),
        (
            &["nonsense"],
            "there is no group nonsense: choose one of main",
        ),
    ] {
        let outcome = desk.switch(words);
        assert!(
            !outcome.done && outcome.text.contains(reason),
            "{}",
            outcome.text
        );
        assert!(
            outcome.timeline.is_empty(),
            "nothing was begun: {outcome:?}"
        );
    }
    b.must(&["CONFIG", "SET", "masterauth", ""]);
    assert!(desk.run(&["drain", "redis-2"]).code == Some(0));
    let outcome = desk.switch(&[]);
    assert!(
        outcome.text.contains("redis-2 is drained"),
        "{}",
        outcome.text
    );
    assert!(
        desk.proxy
            .client("redis-rw")
            .cmd(&["SET", "k", "v"])
            .is_ok()
    );
    assert_eq!(a.role(), "master");
}

#[test]
fn a_handover_that_takes_too_long_is_given_up_and_writes_go_on() {
    let [a, b] = redis_group(["redis-1", "redis-2"]);
    let desk = Desk::start(&Topology::standard(&[&a, &b]).patient_checks());
    desk.proxy.wait_node_of("redis-ro", "redis-2");
    let writers = Traffic::writers(desk.proxy.listener("redis-rw"), 2);
    writers.wait_more(20);
    // It cannot catch up, so the handover never comes to its end.
    b.stop();
    let outcome = desk.switch(&["--timeout", "1s"]);
    b.cont();
    assert!(!outcome.done, "{outcome:?}");
    assert!(
        outcome.text.contains("redis-1 is still primary"),
        "{}",
        outcome.text
    );
    writers.wait_more(20);
    let tally = writers.finish();
    assert!(tally.refused.is_empty(), "{:?}", tally.refused);
    desk.proxy.wait_node_of("redis-rw", "redis-1");
    assert_eq!(
        a.info("replication", "master_failover_state"),
        "no-failover"
    );
}

#[test]
fn with_sentinels_one_of_them_does_it_and_chooses_itself() {
    let [a, b, c] = redis_group(NODES);
    let watching = sentinels(3, &a, 2);
    let all: Vec<String> = watching
        .iter()
        .map(|each| format!("\"{}\"", each.address()))
        .collect();
    let with = format!(
        "sentinel: {{ name: {MASTER_NAME}, addresses: [{}] }}",
        all.join(", ")
    );
    let desk = Desk::start(&Topology::standard(&[&a, &b, &c]).group(&with));
    for sentinel in &watching {
        desk.proxy
            .wait_log(&[&format!("Sentinel {} names", sentinel.address())]);
    }
    let outcome = desk.switch(&["--to", "redis-2"]);
    assert!(
        outcome.text.contains("chooses the replica by itself"),
        "{}",
        outcome.text
    );

    // A Sentinel that finds no replica good enough yet says so at once: a person would try again too.
    let mut outcome = desk.switch(&[]);
    eventually(SOON, "a Sentinel promotes a replica", || {
        if !outcome.done {
            outcome = desk.switch(&[]);
        }
        outcome.done
    });
    assert!(
        told(&outcome, "promotes a replica"),
        "{:?}",
        outcome.timeline
    );
    let promoted = outcome.to.expect("a new primary");
    assert!(promoted == "redis-2" || promoted == "redis-3", "{promoted}");
    desk.proxy.wait_node_of("redis-rw", &promoted);
}

#[test]
fn reload_answers_with_what_changed_or_what_is_wrong() {
    let [a, b] = redis_group(["redis-1", "redis-2"]);
    let topology = Topology::standard(&[&a, &b]);
    let desk = Desk::start(&topology);
    let same = desk.run(&["reload"]);
    assert_eq!(
        (same.code, same.said.as_str()),
        (Some(0), "reloaded: nothing is different\n")
    );
    let text = topology
        .clone()
        .socket(&desk.socket)
        .yaml(desk.proxy.admin());
    desk.proxy
        .write_config(&text.replace("\nlisteners:", "\n    stale_reads: 5s\nlisteners:"));
    let changed = desk.run(&["reload", "--json"]);
    let changed: Reloaded = serde_json::from_str(&changed.said).expect("an answer");
    assert_eq!(changed.changes, ["group main: stale_reads: 1m -> 5s"]);
    desk.proxy.write_config("nonsense: true\n");
    let refused = desk.run(&["reload"]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.said.contains("unknown key"), "{}", refused.said);
    let status = desk.run(&["status"]);
    assert!(status.said.contains("refused"), "{}", status.said);
}
