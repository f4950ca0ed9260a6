//! `check --connect`: Sentinels that are elsewhere, hang, refuse, lie or know more than we do.

#[cfg(test)]
#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use rolecall::api::FindingSeverity;

use common::net::free_address;
use common::redis::{RedisNode, redis_group};
use common::scripted::{Script, Scripted};
use common::sentinel::{MASTER_NAME, sentinels};
use common::survey::{addresses, ask, patient, watched_by};
use common::{SOON, poll};

#[test]
fn nodes_and_sentinels_mixed_up() {
    let [a, b] = redis_group(["redis-1", "redis-2"]);
    let stranger = RedisNode::primary("stranger");
    let sentinels = sentinels(1, &a, 1);
    let topology = patient(&[&a, &b])
        .node_at("mistaken", &sentinels[0].address().to_string())
        .group(&watched_by(&[stranger.address()], ""));
    let asked = ask(&topology);
    let sentinel = stranger.address().to_string();
    assert_eq!(
        asked.wrong(),
        [
            ("mistaken", "sentinel-as-node"),
            (sentinel.as_str(), "not-a-sentinel")
        ]
    );
    assert!(asked.finding("not-a-sentinel").text.contains("data node"));
    let node = asked.node("mistaken");
    assert_eq!((node.follows.as_deref(), node.link_up), (None, None));
}

#[test]
fn sentinels_that_know_something_else() {
    let [a, b] = redis_group(["redis-1", "redis-2"]);
    let other = RedisNode::primary("other");
    let watching = sentinels(1, &a, 1);
    let elsewhere = sentinels(1, &other, 0);
    let dead = free_address();
    let all = [watching[0].address(), elsewhere[0].address(), dead];
    let topology = patient(&[&a, &b]).group(&watched_by(&all, ""));
    let asked = ask(&topology);
    let (lost, gone) = (all[1].to_string(), dead.to_string());
    assert_eq!(
        asked.wrong(),
        [
            ("main", "sentinels-disagree"),
            (lost.as_str(), "names-stranger"),
            (gone.as_str(), "sentinel-unreachable"),
        ]
    );
    assert!(
        asked
            .finding("sentinel-unreachable")
            .text
            .contains("refused")
    );
    assert_eq!(asked.kinds(FindingSeverity::Hint), [], "{}", asked.json);

    let wrong_name = watched_by(&all[..1], "").replace(MASTER_NAME, "nobody-calls-it-so");
    let asked = ask(&patient(&[&a, &b]).group(&wrong_name));
    assert_eq!(asked.wrong()[0].1, "unknown-name");
    let told = &asked.finding("unknown-name").text;
    assert!(
        told.contains(&format!("it watches {MASTER_NAME}")),
        "{told}"
    );

    let asked = ask(&patient(&[&a]).group(&watched_by(&all[..1], "")));
    assert_eq!(asked.wrong(), []);
    let listed = &asked.finding("lists-strangers").text;
    assert!(listed.contains(&b.address().to_string()), "{listed}");
}

#[test]
fn a_sentinel_that_hangs_or_wants_a_password() {
    let [a, b] = redis_group(["redis-1", "redis-2"]);
    let watching = sentinels(1, &a, 1);
    let refuses = Script::primary("x").others("-NOAUTH Authentication required.\r\n");
    let locked = Scripted::start(refuses);
    watching[0].stop();
    let all = [watching[0].address(), locked.address()];
    let asked = ask(&patient(&[&a, &b]).group(&watched_by(&all, "")));
    let [stopped, locked] = all.map(|address| address.to_string());
    assert_eq!(
        asked.wrong(),
        [
            (stopped.as_str(), "sentinel-unreachable"),
            (locked.as_str(), "sentinel-denied"),
        ]
    );
    let told = &asked.finding("sentinel-unreachable").text;
    assert!(told.contains("did not answer in time"), "{told}");
    watching[0].cont();
}

#[test]
fn sentinels_that_are_not_configured_are_a_hint() {
    let [a, b] = redis_group(["redis-1", "redis-2"]);
    let watching = sentinels(2, &a, 1);
    let asked = ask(&patient(&[&a, &b]).group(&watched_by(&addresses(&watching)[..1], "")));
    assert_eq!(asked.wrong(), []);
    let more = &asked.finding("more-sentinels").text;
    assert!(more.contains(&watching[1].address().to_string()), "{more}");
}

#[test]
fn what_sentinels_list_is_asked_with_discover() {
    let [a, b] = redis_group(["redis-1", "redis-2"]);
    let watching = sentinels(1, &a, 1);
    let sentinel = watched_by(&addresses(&watching), ", discover: true");
    let topology = patient(&[&a]).group(&sentinel);
    let learned = b.address().to_string();
    // A replica that the Sentinel has not asked yet may be an address where nobody is.
    let asked = poll(SOON, "the replica is learned", || {
        let asked = ask(&topology);
        (asked.survey.groups[0].nodes.len() > 1).then_some(asked)
    });
    assert_eq!(asked.wrong(), []);
    assert!(asked.node(&learned).learned, "{}", asked.json);
    assert_eq!(asked.serving("redis-ro"), [learned.as_str()]);
}
