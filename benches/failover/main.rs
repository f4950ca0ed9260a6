//! The same failover, played to rolecall and to HAProxy: three redis-servers, three Sentinels, writers and
//! readers of numbers that are used once, and afterwards a look at what is left.
//!
//! `make bench-failover` plays everything once. `SCENARIOS=kill,stop`, `PROXIES=rolecall,haproxy-best` and
//! `ROUNDS=3` choose. It prints a table, says for each bar whether rolecall met it, and ends with 1 when
//! it did not. Figures and the logs of missed runs are kept in the target directory.
//!
//! A writer has one connection and appends its next number to its list; a reader asks for the newest
//! number of a list. A write is durable when it was acknowledged and is there at the end, at the primary
//! that all agree on. A node is the rightful primary from the moment at which a direct question to it, asked
//! every millisecond, was first answered by role master, until the next one is.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a bench: what cannot be set up ends it, and its children with it"
)]

mod bars;
mod direct;
mod group;
mod hiccup;
mod judge;
mod load;
#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../../tests/common/net.rs"]
mod net;
mod process;
mod proxies;
mod scenarios;
mod stage;
mod table;
mod watch;
mod wire;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use judge::{Outcome, judge};
use proxies::{CANDIDATES, Candidate};
use scenarios::{SCENARIOS, Scenario};
use stage::Stage;

/// One run and its figures.
pub(crate) struct Run {
    pub(crate) scenario: Scenario,
    pub(crate) candidate: Candidate,
    pub(crate) round: usize,
    pub(crate) outcome: Outcome,
    pub(crate) directory: PathBuf,
    /// Processes that wanted a core, on average over the last minute.
    pub(crate) machine_load: String,
}

fn main() -> ExitCode {
    // `cargo test --benches` starts every bench to see that it can: this one needs minutes.
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("failover: run it by `cargo bench --bench failover` or `make bench-failover`");
        return ExitCode::SUCCESS;
    }
    let scenarios = chosen("SCENARIOS", &SCENARIOS, Scenario::name);
    let candidates = chosen("PROXIES", &CANDIDATES, Candidate::name);
    let rounds = chosen_rounds();
    let base = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("failover");
    let own = base.join(std::process::id().to_string());
    let mut runs = Vec::new();
    for round in 1..=rounds {
        for &scenario in &scenarios {
            for &candidate in &candidates {
                if candidate == Candidate::Direct && scenario != Scenario::SentinelFailover {
                    continue;
                }
                let name = format!("{}-{}-{round}", scenario.name(), candidate.name());
                runs.push(play(scenario, candidate, round, &own.join(name)));
            }
        }
    }
    print!("\n{}", table::render(&runs));
    let verdicts = bars::verdicts(&runs);
    print!("\n{}", table::render_bars(&verdicts));
    let file = base.join("result.json");
    fs::write(&file, table::json(&runs, &verdicts)).expect("write the figures");
    println!(
        "\nfigures: {}; logs of what was missed: {}",
        file.display(),
        own.display()
    );
    let all_met = verdicts.iter().all(bars::Verdict::is_met);
    ExitCode::from(u8::from(!all_met))
}

/// Sentinels promote four seconds after a primary has gone. When each of them votes for itself, or one is
/// not given a core in time, they try again after 20 s: that is another story, and not the proxy's.
const PROMPT: Duration = Duration::from_secs(10);
const ATTEMPTS: u32 = 3;

fn play(scenario: Scenario, candidate: Candidate, round: usize, directory: &Path) -> Run {
    for attempt in 1..ATTEMPTS {
        let directory = directory.join(attempt.to_string());
        let (run, promotion_took) = play_once(scenario, candidate, round, directory);
        if !scenario.promotes() || promotion_took.is_some_and(|took| took <= PROMPT) {
            return run;
        }
        println!("    played again: the Sentinels needed a second attempt ({promotion_took:?})");
    }
    play_once(
        scenario,
        candidate,
        round,
        directory.join(ATTEMPTS.to_string()),
    )
    .0
}

fn play_once(
    scenario: Scenario,
    candidate: Candidate,
    round: usize,
    directory: PathBuf,
) -> (Run, Option<Duration>) {
    let start = Instant::now();
    let mut stage = Stage::set(candidate, &directory, scenario.wishes(), scenario.order());
    scenario.play(&mut stage);
    let (diaries, primary) = stage.close();
    let outcome = judge(&stage, scenario, &diaries, primary);
    let timeline = stage.timeline();
    let promotion_took = stage.promotion_took();
    drop(stage);
    let run = Run {
        scenario,
        candidate,
        round,
        outcome,
        directory,
        machine_load: machine_load(),
    };
    let story = format!("{timeline}\n{:#}\n", run.outcome.json());
    fs::write(run.directory.join("story.txt"), story).expect("write the story");
    println!(
        "{}   ({:.0} s)",
        table::line(&run),
        start.elapsed().as_secs_f64()
    );
    let missed = bars::missed(&run);
    for bar in &missed {
        println!("    missed: {bar}");
    }
    if missed.is_empty() && std::env::var_os("KEEP").is_none() {
        // What cannot be removed lies in the target directory, which is where it may lie.
        let _ = fs::remove_dir_all(&run.directory);
    }
    (run, promotion_took)
}

/// Those that an environment variable names, separated by commas; all without it.
fn chosen<T: Copy>(variable: &str, all: &[T], name: impl Fn(T) -> &'static str) -> Vec<T> {
    let Ok(text) = std::env::var(variable) else {
        return all.to_vec();
    };
    let pick = |word: &str| {
        let names: Vec<_> = all.iter().map(|&one| name(one)).collect();
        all.iter()
            .find(|&&one| name(one) == word)
            .copied()
            .unwrap_or_else(|| panic!("{variable}: no {word:?}; there are {}", names.join(", ")))
    };
    text.split(',')
        .filter(|w| !w.is_empty())
        .map(pick)
        .collect()
}

fn chosen_rounds() -> usize {
    let text = std::env::var("ROUNDS").unwrap_or_else(|_| "1".to_owned());
    text.parse()
        .unwrap_or_else(|_| panic!("ROUNDS: not a number: {text:?}"))
}

fn machine_load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}
