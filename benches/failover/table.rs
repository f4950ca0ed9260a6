//! The table for people and the JSON for programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::json;

use crate::Run;
use crate::bars::Verdict;
use crate::judge::STALE;
use crate::load::{READERS, WRITERS};

/// All runs, by scenario.
pub(crate) fn render(runs: &[Run]) -> String {
    let mut text = format!(
        "{WRITERS} writers and {READERS} readers, half of which connect anew after 50 requests. All times in seconds.\n\
         1st write: from the promotion (cold start: from the proxy's start) to the first durable write\n\
         gap: longest time without a durable write (> : until the end); read: longest wait of one reader\n\
         wrong: acknowledged by a node that was not the primary; handover: the same within the time to notice\n\
         stale: reads that did not see a durable write acknowledged {} s before\n\
         hiccup: longest that the machine itself stood still; load: of the machine\n",
        STALE.as_secs()
    );
    let mut sorted: Vec<&Run> = runs.iter().collect();
    sorted.sort_by_key(|run| {
        let place = crate::SCENARIOS.iter().position(|s| *s == run.scenario);
        let other = crate::CANDIDATES.iter().position(|c| *c == run.candidate);
        (place, other, run.round)
    });
    let mut scenario = None;
    for run in sorted {
        if scenario != Some(run.scenario) {
            scenario = Some(run.scenario);
            let (name, words) = run.scenario.words();
            let _ = writeln!(text, "\n{name}: {words}\n{}", header());
        }
        let _ = writeln!(text, "{}", row(run));
    }
    text
}

/// One run, in one line that stands alone.
pub(crate) fn line(run: &Run) -> String {
    format!("{:<18}{}", run.scenario.name(), row(run))
}

fn header() -> String {
    format!(
        "{:<18}{:>10}{:>9}{:>8}{:>9}{:>7}{:>7}{:>10}{:>7}{:>8}{:>6}  errors of writers / of readers",
        "",
        "1st write",
        "gap",
        "read",
        "acked",
        "lost",
        "wrong",
        "handover",
        "stale",
        "hiccup",
        "load"
    )
}

fn row(run: &Run) -> String {
    let outcome = &run.outcome;
    let first = outcome
        .first_write
        .map_or("-".to_owned(), |seconds| format!("{seconds:.3}"));
    let open = if outcome.gap_open { ">" } else { "" };
    format!(
        "{:<18}{first:>10}{:>9}{:>8.3}{:>9}{:>7}{:>7}{:>10}{:>7}{:>8.3}{:>6}  {} / {}",
        run.candidate.name(),
        format!("{open}{:.3}", outcome.write_gap),
        outcome.read_wait,
        outcome.acknowledged,
        outcome.lost,
        outcome.wrong,
        outcome.handover,
        outcome.stale,
        outcome.hiccup,
        run.machine_load,
        kinds(&outcome.write_troubles),
        kinds(&outcome.read_troubles),
    )
}

fn kinds(troubles: &BTreeMap<String, u64>) -> String {
    if troubles.is_empty() {
        return "none".to_owned();
    }
    let words = troubles.iter().map(|(kind, n)| format!("{n} {kind}"));
    words.collect::<Vec<_>>().join(", ")
}

/// What became of each bar.
pub(crate) fn render_bars(verdicts: &[Verdict]) -> String {
    let mut text = String::from("The bars for rolecall (worst of all runs):\n");
    for verdict in verdicts {
        let met = if verdict.is_met() { "met   " } else { "MISSED" };
        let worst = verdict.worst.map_or("not measured".to_owned(), short);
        let at = if verdict.is_met() {
            verdict.at.clone()
        } else {
            format!("{}, machine stood still {:.3}", verdict.at, verdict.hiccup)
        };
        let _ = writeln!(
            text,
            "{met} {:<18} {}: {worst}, at most {} ({} of {} runs; {})",
            verdict.candidate.name(),
            verdict.text,
            short(verdict.limit),
            verdict.runs - verdict.misses,
            verdict.runs,
            at,
        );
    }
    text
}

fn short(figure: f64) -> String {
    let text = format!("{figure:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Everything, as JSON.
pub(crate) fn json(runs: &[Run], verdicts: &[Verdict]) -> String {
    let runs: Vec<_> = runs
        .iter()
        .map(|run| {
            json!({
                "scenario": run.scenario.name(), "proxy": run.candidate.name(), "round": run.round,
                "machine_load": run.machine_load, "figures": run.outcome.json(),
            })
        })
        .collect();
    let verdicts: Vec<_> = verdicts
        .iter()
        .map(|verdict| {
            json!({
                "bar": verdict.text, "proxy": verdict.candidate.name(), "limit": verdict.limit,
                "worst": verdict.worst, "at": verdict.at, "runs": verdict.runs,
                "misses": verdict.misses, "met": verdict.is_met(),
            })
        })
        .collect();
    format!("{:#}\n", json!({ "runs": runs, "bars": verdicts }))
}
