//! From one configuration to another: what keeps its number, and what is told.

use super::*;
use crate::config::model::Config;
use crate::config::reload::{Numbers, Plan, plan};
use crate::core::chain::Members;
use crate::core::ids::{GroupId, ListenerId, NodeId};

struct From100(u32);

impl From100 {
    fn next(&mut self) -> u32 {
        self.0 += 1;
        self.0
    }
}

impl Numbers for From100 {
    fn node(&mut self) -> NodeId {
        NodeId(self.next())
    }
    fn group(&mut self) -> GroupId {
        GroupId(self.next())
    }
    fn listener(&mut self) -> ListenerId {
        ListenerId(self.next())
    }
}

const BEFORE: &str = "
groups:
  main:
    nodes: { a: 10.0.0.1:6379, b: 10.0.0.2:6379 }
listeners:
  rw: { bind: 127.0.0.1:6379, access: read-write }
  ro: { bind: 127.0.0.2:6379, access: read-only, nodes: [b], fallback: rw }
";

fn read(text: &str) -> Config {
    good(text)
}

fn planned(new: &str) -> (Config, Plan) {
    let old = read(BEFORE);
    let plan = plan(&old, &old, read(new), &mut From100(99));
    (old, plan)
}

fn texts(plan: &Plan) -> Vec<&str> {
    let changes = plan.changes.iter();
    changes.map(|change| change.text.as_str()).collect()
}

#[test]
fn the_same_file_changes_nothing() {
    let (old, plan) = planned(BEFORE);
    assert_eq!(texts(&plan), Vec::<&str>::new());
    assert_eq!(plan.config, old);
}

#[test]
fn what_stays_keeps_its_number_wherever_it_stands_now() {
    let (old, plan) = planned(
        "
groups:
  other:
    nodes: { x: 10.0.0.9:6379 }
  main:
    nodes: { c: 10.0.0.3:6379, b: 10.0.0.2:6379, a: 10.0.0.1:6379 }
listeners:
  new: { bind: 127.0.0.3:6379, access: read-only, group: other }
  ro: { bind: 127.0.0.2:6379, access: read-only, group: main, nodes: [c, b], fallback: rw }
  rw: { bind: 127.0.0.1:6379, access: read-write, group: main }
",
    );
    let (main, before) = (&plan.config.groups[1], &old.groups[0]);
    assert_eq!(main.id, before.id);
    assert_eq!(main.nodes[1].id, before.nodes[1].id);
    assert_eq!(main.nodes[2].id, before.nodes[0].id);
    let fresh = main.nodes[0].id;
    assert!(fresh.0 >= 100, "{fresh:?}");
    let (ro, rw) = (&plan.config.listeners[1], &plan.config.listeners[2]);
    assert_eq!((ro.id, rw.id), (old.listeners[1].id, old.listeners[0].id));
    assert_eq!((ro.group, ro.fallback), (before.id, Some(rw.id)));
    let listed = Members::Listed(vec![fresh, before.nodes[1].id]);
    assert_eq!(ro.chain.tiers[0].members, listed);
    assert_eq!(ro.chain.tiers[1].listener, rw.id);
    assert_eq!(plan.config.listeners[0].group, plan.config.groups[0].id);
    assert_eq!(
        texts(&plan),
        [
            "group other: added",
            "group main: node c at 10.0.0.3:6379: added",
            "listener new: added",
            "listener ro: chain: b, then the primary (rw) -> c, b, then the primary (rw)",
        ]
    );
}

#[test]
fn a_node_at_another_address_is_another_node() {
    let new = BEFORE.replace("10.0.0.2", "10.0.0.7");
    let (old, plan) = planned(&new);
    let node = &plan.config.groups[0].nodes[1];
    assert!(node.id.0 >= 100 && node.id != old.groups[0].nodes[1].id);
    let removed = "group main: node b at 10.0.0.2:6379: removed";
    let added = "group main: node b at 10.0.0.7:6379: added";
    assert_eq!(texts(&plan), [removed, added]);
}

#[test]
fn another_name_is_no_other_node_and_a_learned_one_may_be_written_down() {
    let new = BEFORE.replace("b: 10", "bee: 10").replace("[b]", "[bee]");
    let (old, plan) = planned(&new);
    assert_eq!(plan.config.groups[0].nodes[1].id, old.groups[0].nodes[1].id);
    let texts = texts(&plan);
    assert_eq!(texts[0], "group main: node bee: name: b -> bee");

    let known = read(&BEFORE.replace("b: 10", "x: 10.0.0.9:6379, b: 10"));
    let with = read(&BEFORE.replace("b: 10", "new: 10.0.0.9:6379, b: 10"));
    let plan = super::super::reload::plan(&old, &known, with, &mut From100(99));
    assert_eq!(
        plan.config.groups[0].nodes[1].id,
        known.groups[0].nodes[1].id
    );
}

#[test]
fn each_key_is_told_with_what_it_was_and_no_secret_is() {
    let new = format!(
        "{}\ngrace: 1m\nworkers: 64\nlog: {{ level: debug }}\nadmin: {{ http: 127.0.0.1:9379 }}\n",
        BEFORE
            .replace(
                "    nodes: { a:",
                "    auth: { password: hunter2 }\n    check: { fall: 3, timeout: 1s }\n    \
                 max_lag: { seconds: 5s }\n    nodes: { a:",
            )
            .replace(
                "read-only,",
                "read-only, idle_timeout: 90s, park: { timeout: 20s },"
            )
    );
    let (old, plan) = planned(&new);
    assert_eq!(
        texts(&plan),
        [
            "group main: auth changed",
            "group main: check.timeout: 400ms -> 1s",
            "group main: check.fall: 6 -> 3",
            "group main: max_lag.seconds: off -> 5s",
            "listener ro: idle_timeout: off -> 1m30s",
            "listener ro: park.timeout: 10s -> 20s",
            "grace: 10s -> 1m",
            "log.level: info -> debug",
            &format!(
                "workers: {} -> 64 (takes effect with the next start)",
                old.workers
            ),
            "admin.http: none -> 127.0.0.1:9379 (takes effect with the next start)",
        ]
    );
    assert_eq!(
        (plan.config.workers, &plan.config.admin),
        (old.workers, &old.admin)
    );
    let later: Vec<bool> = plan.changes.iter().map(|each| each.needs_restart).collect();
    assert_eq!(later[8..], [true, true]);
    assert!(later[..8].iter().all(|needs| !needs));
}
