//! What the control thread and a new connection cost: picking a node, folding a report, reading INFO.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use rolecall::core::chain::{Access, Chain, Members, Tier};
use rolecall::core::facts::{Condition, Facts, HostPort, Mode, ReplId, ReplicaFacts, Role, RunId};
use rolecall::core::group::{Group, Settings};
use rolecall::core::health::Thresholds;
use rolecall::core::ids::{GroupId, ListenerId, NodeId};
use rolecall::core::lag::LagLimits;
use rolecall::core::node::NodeSettings;
use rolecall::core::outcome::{Outcome, Report};
use rolecall::core::pick::pick;
use rolecall::core::time::Moment;
use rolecall::redis::info::Replication;

const INFO: &str = "# Replication\r\nrole:slave\r\nmaster_host:10.1.1.1\r\nmaster_port:6379\r\n\
    master_link_status:up\r\nmaster_last_io_seconds_ago:0\r\nmaster_sync_in_progress:0\r\n\
    slave_read_repl_offset:123456789\r\nslave_repl_offset:123456789\r\nslave_priority:100\r\n\
    slave_read_only:1\r\nreplica_announced:1\r\nconnected_slaves:0\r\n\
    master_failover_state:no-failover\r\n\
    master_replid:8371445ca55e0a3ab0f0b6bb7b6ff0a9d2c5b3a1\r\n\
    master_replid2:0000000000000000000000000000000000000000\r\n\
    master_repl_offset:123456789\r\nsecond_repl_offset:-1\r\nrepl_backlog_active:1\r\n\
    repl_backlog_size:1048576\r\nrepl_backlog_first_byte_offset:122408214\r\n\
    repl_backlog_histlen:1048576\r\n";

fn facts(node: u32) -> Facts {
    let role = if node == 0 {
        Role::Primary {
            connected_replicas: 2,
        }
    } else {
        Role::Replica(ReplicaFacts {
            master: HostPort::new("10.1.1.0", 6379),
            link_up: true,
            link_down_for: None,
            syncing: false,
            offset: 1000,
            last_io: Some(Duration::ZERO),
        })
    };
    Facts {
        run_id: RunId(format!("run-{node}").into()),
        version: "7.0.15".into(),
        mode: Mode::Standalone,
        role,
        replid: Some(ReplId("history".into())),
        replid2: None,
        tells_branch: true,
        second_offset: None,
        offset: 1000,
        handover: false,
        condition: Condition::Normal,
        has_keys: None,
        stream_bytes: None,
        good_replicas: None,
        uptime: None,
    }
}

fn report(node: u32, millis: u64) -> Report {
    let at = Moment::at(Duration::from_millis(millis));
    let outcome = Outcome::Answered(Box::new(facts(node)));
    Report {
        started: at,
        finished: at,
        dialled: true,
        outcome,
    }
}

/// A group of so many nodes in which all is well.
fn group(nodes: u32) -> Group {
    let settings = Settings {
        id: GroupId(0),
        name: "main".into(),
        nodes: (0..nodes)
            .map(|node| NodeSettings {
                id: NodeId(node),
                name: format!("redis-{node}").into(),
                address: Some(HostPort::new(&format!("10.1.1.{node}"), 6379)),
                local: false,
                weight: 1,
            })
            .collect(),
        limits: Thresholds { fall: 6, rise: 2 },
        interval: Duration::from_millis(500),
        fast_interval: Duration::from_millis(50),
        claim_hold: Duration::from_secs(6),
        stale_reads: Duration::from_secs(60),
        max_lag: LagLimits::default(),
        park_limit: Duration::from_secs(10),
        own: Vec::new(),
    };
    let mut group = Group::new(settings, Moment::default());
    for node in 0..nodes {
        group.report(NodeId(node), &report(node, 1));
    }
    group
}

fn core(criterion: &mut Criterion) {
    let tier = |listener, access| Tier {
        listener: ListenerId(listener),
        access,
        members: Members::NotLocal,
    };
    let chain = Chain {
        tiers: vec![tier(1, Access::ReadOnly), tier(0, Access::ReadWrite)],
    };
    for nodes in [3, 100] {
        let mut group = group(nodes);
        let view = group.view().clone();
        criterion.bench_function(&format!("pick one of {nodes} nodes"), |bencher| {
            let mut rotation = 0;
            bencher.iter(|| {
                rotation += 1;
                pick(
                    black_box(&chain),
                    &view,
                    |_| false,
                    |node| node.0 as usize % 7,
                    rotation,
                )
            });
        });
        let mut millis = 2;
        criterion.bench_function(&format!("fold a report into {nodes} nodes"), |bencher| {
            bencher.iter(|| {
                millis += 1;
                group.report(NodeId(1), black_box(&report(1, millis)));
            });
        });
    }
    criterion.bench_function("read INFO replication", |bencher| {
        bencher.iter(|| Replication::read(black_box(INFO)));
    });
}

criterion_group!(benches, core);
criterion_main!(benches);
