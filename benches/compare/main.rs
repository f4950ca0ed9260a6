//! `make bench`: rolecall beside HAProxy and nginx, in front of the same Redis, on this machine.
//!
//! Every round runs all sides one after the other, in an order that rotates, and each side is compared
//! with HAProxy in the same round: a machine that is slow for a minute is slow for both. A side is
//! started anew for each run, so that its memory is that of the row, and nobody else runs beside it.
//!
//! `ROWS=get,reconnect` chooses rows, `ROUNDS=9` how many rounds, `SECONDS_PER_RUN=3` how long one run
//! lasts, `SIDES=rolecall,haproxy` who takes part (`haproxy-batch` only so); `OTHER=path` adds another
//! build of rolecall. The table is on stdout, the same with each round's figures in
//! `target/bench/compare.json`.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts become figures of three digits"
)]

mod address;
mod client;
mod figures;
mod fleet;
mod hold;
mod load;
mod meter;
mod node;
mod process;
mod replicas;
mod report;
mod rows;
mod scale;
mod sides;

use std::env;
use std::error::Error;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use figures::Figures;
use meter::Machine;
use node::Node;
use report::Rounds;
use rows::{ROWS, Row, Work};
use sides::{Running, Side};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    // `cargo test --all-targets` runs benches too, without this word.
    if !env::args().any(|word| word == "--bench") {
        println!("to measure: make bench");
        return Ok(());
    }
    rlimit::increase_nofile_limit(u64::MAX)?;
    let plan = Plan::read()?;
    println!("{}", meter::description());
    if plan.scale {
        let tables = scale::run(plan.seconds)?;
        return write(
            &json!({ "machine": meter::description(), "scale": tables }),
            "scale.json",
        );
    }
    println!(
        "xN: the ratio to haproxy in the same round (median of {} rounds)",
        plan.rounds
    );
    let mut results = Vec::new();
    for row in &plan.rows {
        let rounds = run(row, &plan)?;
        report::print(row, &rounds);
        results.push(report::json(row, &rounds));
        // After each row: an interrupted run leaves what it has.
        let all = json!({ "machine": meter::description(), "rows": results });
        write(&all, "compare.json")?;
    }
    Ok(())
}

/// What `ROWS=` calls the tables of [`scale`].
const SCALE: &str = "scale";

/// What is to be done.
struct Plan {
    rows: Vec<&'static Row>,
    /// The tables of [`scale`] instead of rows.
    scale: bool,
    rounds: usize,
    /// How long one run lasts, about.
    seconds: f64,
}

impl Plan {
    fn read() -> Result<Self> {
        let wanted = env::var("ROWS").unwrap_or_default();
        let wanted: Vec<&str> = wanted
            .split([',', ' '])
            .filter(|key| !key.is_empty())
            .collect();
        let scale = wanted.contains(&SCALE);
        if let Some(unknown) = wanted
            .iter()
            .find(|key| **key != SCALE && ROWS.iter().all(|row| row.key != **key))
        {
            let known: Vec<&str> = ROWS.iter().map(|row| row.key).collect();
            return Err(format!("ROWS: no row {unknown}; there are {}", known.join(", ")).into());
        }
        let chosen = |row: &&Row| wanted.is_empty() || wanted.contains(&row.key);
        Ok(Self {
            rows: ROWS.iter().filter(chosen).collect(),
            scale,
            rounds: number("ROUNDS", 5)?.max(1),
            seconds: f64::from(number::<u16>("SECONDS_PER_RUN", 3)?.max(1)),
        })
    }
}

fn number<T: std::str::FromStr>(name: &str, default: T) -> Result<T> {
    match env::var(name) {
        Err(_) => Ok(default),
        Ok(text) if text.is_empty() => Ok(default),
        Ok(text) => text
            .parse()
            .map_err(|_| format!("{name}: {text} is no number").into()),
    }
}

/// All rounds of a row.
fn run(row: &Row, plan: &Plan) -> Result<Rounds> {
    let directory = tempfile::tempdir()?;
    let node = Node::start(directory.path())?;
    let work = Measured::prepare(row.work, &node, plan.seconds)?;
    let mut rounds = Rounds::default();
    let mut sides = Side::all();
    for round in 0..plan.rounds {
        let mut figures = Vec::new();
        for side in sides.iter().copied() {
            eprint!(
                "\r{} {}/{} {:<12}",
                row.key,
                round + 1,
                plan.rounds,
                side.label()
            );
            let running = Running::start(side, node.address, directory.path())?;
            let pids: Vec<u32> = running.pids().into_iter().chain(node.pids()).collect();
            let before = Machine::now(&pids);
            figures.push((side, work.measure(&running, &node)?));
            rounds.others.push(Machine::now(&pids).others_since(before));
        }
        rounds.rounds.push(figures);
        sides.rotate_left(1);
    }
    eprint!("\r{:<40}\r", "");
    Ok(rounds)
}

/// A row's work, with what it took to find out first.
enum Measured {
    Benchmark { load: load::Load, requests: u64 },
    Idle { sessions: usize },
    Bulk { seconds: f64 },
    Replicas { seconds: f64 },
}

impl Measured {
    fn prepare(work: Work, node: &Node, seconds: f64) -> Result<Self> {
        match work {
            Work::Benchmark(load) => {
                node.fill()?;
                // Behind a proxy the same number takes about twice as long.
                let requests = load.requests_in(node.address, seconds / 2.0)?;
                Ok(Self::Benchmark { load, requests })
            }
            Work::Idle => Ok(Self::Idle {
                sessions: hold::most().min(9_000),
            }),
            Work::Bulk => {
                node.fill_bulk(replicas::BULK)?;
                Ok(Self::Bulk { seconds })
            }
            Work::Replicas => Ok(Self::Replicas { seconds }),
        }
    }

    fn measure(&self, side: &Running, node: &Node) -> Result<Figures> {
        match self {
            Self::Benchmark { load, requests } => load.measure(side, *requests),
            Self::Idle { sessions } => hold::measure(side, *sessions),
            Self::Bulk { seconds } => replicas::measure_bulk(side, *seconds),
            Self::Replicas { seconds } => replicas::measure_many(side, node, *seconds),
        }
    }
}

/// Writes results beside the build, as `target/bench/name`.
fn write(results: &Value, name: &str) -> Result<()> {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("bench");
    fs::create_dir_all(&directory)?;
    fs::write(directory.join(name), format!("{results:#}\n"))?;
    Ok(())
}
