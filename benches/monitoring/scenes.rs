//! One scene for each cause: what brings it about, what keeps it up, and how it ends.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::thread::sleep;
use std::time::Duration;

use super::common::client::Client;
use super::common::redis::RedisNode;
use super::common::rolecall::Rolecall;
use super::common::sentinel::sentinels;
use super::common::topology::Topology;
use super::common::wire::Wire;
use super::common::{SOON, eventually};
use super::stage::{NODES, Stage};

/// A cause and the alerts that it must raise.
pub(crate) struct Scene {
    pub(crate) title: &'static str,
    pub(crate) alerts: &'static [&'static str],
    pub(crate) make: fn(&mut Stage),
    pub(crate) keep_up: fn(&Stage),
    pub(crate) undo: fn(&mut Stage),
}

fn nothing(_: &Stage) {}

fn stays(_: &mut Stage) {}

pub(crate) const SCENES: &[Scene] = &[
    Scene {
        title: "The primary is killed, and the Sentinels promote another",
        alerts: &["RolecallPrimaryChanged", "RolecallNodeDown"],
        make: fail_over,
        keep_up: nothing,
        undo: |stage| {
            let primary = stage.primary();
            for node in &mut stage.nodes {
                if node.role().is_empty() {
                    node.restart();
                }
            }
            stage.regroup(primary);
        },
    },
    Scene {
        title: "The primary is killed, and nobody promotes another",
        alerts: &[
            "RolecallNoPrimary",
            "RolecallNodeDown",
            "RolecallClientsParked",
            "RolecallClientsRefused",
            "RolecallNoReadableReplica",
            "RolecallReadsOnFallback",
            "RolecallMuchWithoutPrimary",
        ],
        make: |stage| {
            let primary = stage.primary();
            stage.nodes[primary].kill9();
        },
        keep_up: nothing,
        undo: |stage| {
            for node in &mut stage.nodes {
                if node.role().is_empty() {
                    node.restart();
                }
            }
            stage.regroup(1);
        },
    },
    Scene {
        title: "A replica is promoted, and the old primary is left as it is",
        alerts: &["RolecallTwoClaimants"],
        make: |stage| {
            let next = Stage::next(stage.primary());
            stage.nodes[next].promote();
        },
        keep_up: nothing,
        undo: |stage| stage.regroup(stage.primary()),
    },
    Scene {
        title: "The primary changes again and again",
        alerts: &["RolecallFlapping"],
        make: |stage| {
            for _ in 0..3 {
                stage.regroup(Stage::next(stage.primary()));
            }
        },
        keep_up: nothing,
        undo: stays,
    },
    Scene {
        title: "A replica is cut off, and its link says up",
        alerts: &["RolecallReplicationLag"],
        make: cut_off,
        keep_up: nothing,
        undo: |stage| {
            drop(stage.wire.take());
            stage.regroup(stage.primary());
        },
    },
    Scene {
        title: "An operator drains the primary",
        alerts: &["RolecallPrimaryTakesNoWrites"],
        make: |stage| {
            let primary = NODES[stage.primary()];
            assert_eq!(stage.desk.run(&["drain", primary]).code, Some(0));
        },
        keep_up: nothing,
        undo: |stage| {
            let primary = NODES[stage.primary()];
            assert_eq!(stage.desk.run(&["ready", primary]).code, Some(0));
        },
    },
    Scene {
        title: "A node is no Redis but a Prometheus",
        alerts: &["RolecallNodeMisconfigured"],
        make: |stage| {
            let impostor = stage.prometheus.address().to_string();
            let topology = stage.topology.clone().node_at("impostor", &impostor);
            let socket = stage.desk.socket.clone();
            stage.desk.proxy.reload(&topology.socket(&socket));
        },
        keep_up: nothing,
        undo: take_the_real_file,
    },
    Scene {
        title: "A broken configuration",
        alerts: &["RolecallReloadFailed"],
        make: |stage| stage.proxy().reload_text("groups: {"),
        keep_up: nothing,
        undo: take_the_real_file,
    },
    Scene {
        title: "A replica that stops for more than a second again and again",
        alerts: &["RolecallChecksFailing"],
        make: |_| {},
        keep_up: |stage| {
            let replica = &stage.nodes[Stage::next(stage.primary())];
            replica.stop();
            sleep(Duration::from_millis(1300));
            replica.cont();
            sleep(Duration::from_millis(300));
        },
        undo: stays,
    },
    Scene {
        title: "A second instance with few descriptors and many clients",
        alerts: &["RolecallDescriptorsRunningOut"],
        make: |stage| {
            let extra = second(stage).descriptors(160).start();
            stage.scrape_also(&[extra.admin()]);
            stage.held = (0..70).map(|_| extra.client("redis-ro")).collect();
            stage.extra = Some(extra);
        },
        keep_up: nothing,
        undo: |stage| stage.held.clear(),
    },
    Scene {
        title: "The second instance is killed",
        alerts: &["RolecallDown"],
        make: |stage| {
            stage.others.clear();
            let extra = stage.extra.as_mut().expect("a second instance");
            extra.signal("KILL");
            extra.wait_exit(SOON);
        },
        keep_up: nothing,
        undo: restart,
    },
    Scene {
        title: "The second instance is started again and again",
        alerts: &["RolecallRestarting"],
        make: |stage| {
            for _ in 0..3 {
                restart(stage);
                // Prometheus must have seen each of them.
                sleep(Duration::from_secs(2));
            }
        },
        keep_up: nothing,
        undo: forget_the_second,
    },
    Scene {
        title: "A second instance with another primary for the group",
        alerts: &["RolecallInstancesDisagree"],
        make: |stage| {
            let other = RedisNode::primary("elsewhere");
            let extra = Topology::standard(&[&other]).start();
            stage.scrape_also(&[extra.admin()]);
            stage.others.push(other);
            stage.extra = Some(extra);
        },
        keep_up: nothing,
        undo: forget_the_second,
    },
    Scene {
        title: "A second instance whose log nobody reads",
        alerts: &["RolecallLogLinesDropped"],
        make: log_to_nobody,
        keep_up: |stage| {
            let extra = stage.extra.as_ref().expect("a second instance");
            for _ in 0..200 {
                drop(Client::try_connect(extra.listener("redis-ro")));
            }
        },
        undo: forget_the_second,
    },
    Scene {
        title: "Prometheus is told of no instance",
        alerts: &["RolecallAbsent"],
        make: |stage| stage.prometheus.scrape(&[]),
        keep_up: nothing,
        undo: |stage| stage.scrape_also(&[]),
    },
];

/// A real failover: three Sentinels, whose periods are shortened, see the death and promote.
fn fail_over(stage: &mut Stage) {
    let primary = stage.primary();
    let watchers = sentinels(3, &stage.nodes[primary], 2);
    stage.nodes[primary].kill9();
    let dead = NODES[primary];
    eventually(3 * SOON, "another node is elected", || {
        let metrics = stage.proxy().metrics();
        let is =
            |node: &&str| metrics.find("rolecall_group_primary", &[("node", *node)]) == Some(1.0);
        NODES.iter().any(|node| *node != dead && is(node))
    });
    // Their replicas are told whom to follow before the Sentinels go.
    eventually(3 * SOON, "the other replica follows it", || {
        let links = stage.nodes.iter().filter(|node| node.role() == "slave");
        links.clone().count() == 1
            && links
                .into_iter()
                .all(|node| node.info("replication", "master_link_status") == "up")
    });
    drop(watchers);
}

/// One replica gets its stream through a cable, which is cut.
fn cut_off(stage: &mut Stage) {
    let primary = stage.primary();
    let replica = &stage.nodes[Stage::next(primary)];
    let wire = Wire::to(stage.nodes[primary].address());
    replica.replicate_address(wire.address());
    replica.wait_in_sync();
    wire.cut();
    stage.wire = Some(wire);
}

fn take_the_real_file(stage: &mut Stage) {
    let socket = stage.desk.socket.clone();
    let topology = stage.topology.clone().socket(&socket);
    stage.desk.proxy.reload(&topology);
}

/// A second instance for the same nodes, with listeners of its own.
fn second(stage: &Stage) -> Topology {
    let [a, b, c] = &stage.nodes;
    Topology::standard(&[a, b, c])
}

/// Another process at the admin address of the second instance.
fn restart(stage: &mut Stage) {
    let before = stage.extra.take().expect("a second instance");
    let admin = before.admin();
    drop(before);
    let extra: Rolecall = second(stage).spawn_at(admin);
    extra.wait_ready();
    stage.extra = Some(extra);
}

fn forget_the_second(stage: &mut Stage) {
    stage.scrape_also(&[]);
    stage.extra = None;
    stage.others.clear();
}

fn log_to_nobody(stage: &mut Stage) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let full = File::from(OwnedFd::from(writer));
    // Kept open and never read.
    std::mem::forget(reader);
    let extra = second(stage)
        .stdout(full)
        .log("{ format: text, level: debug }")
        .start();
    stage.scrape_also(&[extra.admin()]);
    stage.extra = Some(extra);
}
