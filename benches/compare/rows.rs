//! The rows of the table, each with the bars that rolecall is held to.

use crate::figures::{Bar, Column};
use crate::load::{Load, Request};

/// One line of work, done by every side in every round.
pub(crate) struct Row {
    /// What `ROWS=` calls it.
    pub(crate) key: &'static str,
    pub(crate) title: &'static str,
    pub(crate) work: Work,
    /// All are to be met, each by one of its alternatives.
    pub(crate) bars: &'static [&'static [Bar]],
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Work {
    Benchmark(Load),
    /// Open sessions without traffic.
    Idle,
    /// Full synchronisations of one replica.
    Bulk,
    /// Ten replicas that follow their primary.
    Replicas,
}

const SMALL: &[&[Bar]] = &[
    &[Bar::at_least(Column::Rate, 1.05)],
    &[Bar::at_most(Column::Cpu, 0.90)],
    &[Bar::at_most(Column::P99, 1.0)],
];

const LARGE: &[&[Bar]] = &[
    &[Bar::at_least(Column::Rate, 1.15)],
    &[Bar::at_most(Column::Cpu, 0.60)],
    &[Bar::at_most(Column::P99, 1.0)],
];

const RECONNECT: &[&[Bar]] = &[
    &[Bar::at_least(Column::Rate, 1.0)],
    &[Bar::at_most(Column::Cpu, 0.95)],
    &[Bar::at_most(Column::P99, 1.0)],
];

const IDLE: &[&[Bar]] = &[&[Bar::at_most(Column::Memory, 0.40)]];

const REPLICATION: &[&[Bar]] = &[&[
    Bar::at_least(Column::Throughput, 1.3),
    Bar::at_most(Column::CpuPerGb, 0.7),
]];

const fn benchmark(
    key: &'static str,
    title: &'static str,
    load: Load,
    bars: &'static [&'static [Bar]],
) -> Row {
    let work = Work::Benchmark(load);
    Row {
        key,
        title,
        work,
        bars,
    }
}

pub(crate) const ROWS: &[Row] = &[
    benchmark(
        "get",
        "50 clients, small GET",
        Load::new(50, Request::GetSmall),
        SMALL,
    ),
    benchmark(
        "pipeline",
        "50 clients, small GET, pipelines of 16",
        Load::new(50, Request::GetSmall).pipelined(16),
        SMALL,
    ),
    benchmark(
        "one",
        "1 client, small GET",
        Load::new(1, Request::GetSmall),
        SMALL,
    ),
    benchmark(
        "thousand",
        "1,000 clients, small GET",
        Load::new(1_000, Request::GetSmall),
        SMALL,
    ),
    benchmark(
        "get-large",
        "50 clients, GET of 100 KB",
        Load::new(50, Request::GetLarge),
        LARGE,
    ),
    benchmark(
        "set-large",
        "50 clients, SET of 100 KB",
        Load::new(50, Request::SetLarge),
        LARGE,
    ),
    benchmark(
        "reconnect",
        "50 clients, a new connection for each small GET",
        Load::new(50, Request::GetSmall).reconnecting(),
        RECONNECT,
    ),
    Row {
        key: "replica",
        title: "full synchronisations of a replica",
        work: Work::Bulk,
        bars: REPLICATION,
    },
    Row {
        key: "replicas",
        title: "10 replicas that follow their primary (200 Mbit/s each is asked for)",
        work: Work::Replicas,
        bars: REPLICATION,
    },
    Row {
        key: "idle",
        title: "9,000 idle sessions",
        work: Work::Idle,
        bars: IDLE,
    },
];
