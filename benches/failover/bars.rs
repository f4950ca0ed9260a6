//! What rolecall has to keep, in each run, with one configuration.

use crate::Run;
use crate::judge::Outcome;
use crate::proxies::Candidate;
use crate::scenarios::Scenario::{
    self, ColdLast, DebugSleep, Failover, Kill, KillRestart, KillReturn, ReplicaOf, ReplicaStop,
    ReplicasDown, SentinelFailover, Silent, Stop, TwoMasters,
};

/// One bar.
struct Bar {
    text: &'static str,
    /// Where it applies; empty: everywhere.
    scenarios: &'static [Scenario],
    figure: fn(&Outcome) -> Option<f64>,
    limit: fn(Candidate) -> f64,
}

/// A bar, and the worst that was seen of it.
pub(crate) struct Verdict {
    pub(crate) text: &'static str,
    pub(crate) candidate: Candidate,
    pub(crate) limit: f64,
    /// None: it could not be measured, which is a miss.
    pub(crate) worst: Option<f64>,
    pub(crate) at: String,
    /// How long the machine stood still in that run.
    pub(crate) hiccup: f64,
    pub(crate) runs: usize,
    pub(crate) misses: usize,
}

impl Verdict {
    pub(crate) fn is_met(&self) -> bool {
        self.misses == 0
    }
}

const PROMOTED: &[Scenario] = &[Kill, KillReturn, Stop, DebugSleep, SentinelFailover];
const RETURNS: &[Scenario] = &[KillReturn, KillRestart, Stop, DebugSleep, TwoMasters];

const BARS: &[Bar] = &[
    Bar {
        text: "seconds from a promotion by Sentinel to the first durable write",
        scenarios: PROMOTED,
        figure: |outcome| outcome.first_write,
        limit: |candidate| candidate.notice().as_secs_f64(),
    },
    Bar {
        text: "connections refused",
        scenarios: &[],
        figure: |outcome| number(outcome.refused()),
        limit: |_| 0.0,
    },
    Bar {
        text: "the old primary returns: writes acknowledged by a wrong master",
        scenarios: RETURNS,
        figure: |outcome| number(outcome.wrong + outcome.handover),
        limit: |_| 0.0,
    },
    Bar {
        text: "the old primary returns: acknowledged writes lost",
        scenarios: RETURNS,
        figure: |outcome| number(outcome.lost),
        limit: |_| 0.0,
    },
    Bar {
        text: "SENTINEL FAILOVER: seconds without a durable write",
        scenarios: &[SentinelFailover],
        figure: |outcome| Some(outcome.write_gap),
        limit: |_| 0.5,
    },
    Bar {
        text: "SENTINEL FAILOVER: writes acknowledged by a wrong master after the time to notice",
        scenarios: &[SentinelFailover],
        figure: |outcome| number(outcome.wrong),
        limit: |_| 0.0,
    },
    Bar {
        text: "FAILOVER, REPLICAOF by hand: seconds without a durable write",
        scenarios: &[Failover, ReplicaOf],
        figure: |outcome| Some(outcome.write_gap),
        limit: |_| 1.5,
    },
    Bar {
        text: "FAILOVER, REPLICAOF by hand: READONLY errors on one connection",
        scenarios: &[Failover, ReplicaOf],
        figure: |outcome| number(outcome.most_readonly),
        limit: |_| 1.0,
    },
    Bar {
        text: "the primary dies: seconds that one reader waits",
        scenarios: &[Kill, KillReturn, KillRestart],
        figure: |outcome| Some(outcome.read_wait),
        limit: |_| 0.2,
    },
    Bar {
        text: "all replicas die: seconds that one reader waits",
        scenarios: &[ReplicasDown],
        figure: |outcome| Some(outcome.read_wait),
        limit: |_| 0.3,
    },
    Bar {
        text: "a replica hangs: seconds that one reader waits",
        scenarios: &[ReplicaStop],
        figure: |outcome| Some(outcome.read_wait),
        limit: |_| 1.6,
    },
    Bar {
        text: "silent for 2 s: connections cut",
        scenarios: &[Silent],
        figure: |outcome| number(outcome.cut),
        limit: |_| 0.0,
    },
    Bar {
        text: "silent for 2 s: elections",
        scenarios: &[Silent],
        figure: |outcome| outcome.elections.and_then(number),
        limit: |_| 0.0,
    },
    Bar {
        text: "cold start: READONLY errors",
        scenarios: &[ColdLast],
        figure: |outcome| number(outcome.troubles(|kind| kind == "READONLY")),
        limit: |_| 0.0,
    },
    Bar {
        text: "cold start: seconds from the first verdicts to the first durable write",
        scenarios: &[ColdLast],
        figure: |outcome| outcome.after_verdicts,
        limit: |_| 0.3,
    },
    Bar {
        text: "clients stuck for 15 s",
        scenarios: &[],
        figure: |outcome| number(outcome.troubles(|kind| kind == "stuck")),
        limit: |_| 0.0,
    },
    Bar {
        text: "writes doubled",
        scenarios: &[],
        figure: |outcome| number(outcome.doubled),
        limit: |_| 0.0,
    },
    Bar {
        text: "runs in which the nodes did not agree in the end",
        scenarios: &[],
        figure: |outcome| number(u64::from(!outcome.settled)),
        limit: |_| 0.0,
    },
];

/// The bars that a run missed; rolecall alone has bars.
pub(crate) fn missed(run: &Run) -> Vec<String> {
    let bars = BARS.iter().filter(|bar| bar.applies(run));
    bars.filter(|bar| !bar.is_met_by(run))
        .map(|bar| {
            let figure = (bar.figure)(&run.outcome);
            let figure = figure.map_or("not measured".to_owned(), |figure| format!("{figure:.3}"));
            format!("{}: {figure}", bar.text)
        })
        .collect()
}

/// For each bar and each kind of rolecall: the worst of all runs.
pub(crate) fn verdicts(runs: &[Run]) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for candidate in [Candidate::Rolecall, Candidate::RolecallSentinel] {
        let of_candidate: Vec<&Run> = runs.iter().filter(|r| r.candidate == candidate).collect();
        for bar in BARS {
            let runs: Vec<&Run> = of_candidate
                .iter()
                .copied()
                .filter(|run| bar.applies(run))
                .collect();
            let figure = |run: &Run| (bar.figure)(&run.outcome).unwrap_or(f64::INFINITY);
            let worst = runs.iter().max_by(|a, b| figure(a).total_cmp(&figure(b)));
            let Some(worst) = worst else { continue };
            verdicts.push(Verdict {
                text: bar.text,
                candidate,
                limit: (bar.limit)(candidate),
                worst: (bar.figure)(&worst.outcome),
                at: format!("{}, round {}", worst.scenario.name(), worst.round),
                hiccup: worst.outcome.hiccup,
                runs: runs.len(),
                misses: runs.iter().filter(|run| !bar.is_met_by(run)).count(),
            });
        }
        verdicts.extend(against_direct(candidate, runs));
    }
    verdicts
}

/// A planned failover loses no more than a client without a proxy does, which had it in the same rounds.
fn against_direct(candidate: Candidate, runs: &[Run]) -> Option<Verdict> {
    let lost = |wanted: Candidate| {
        let fits = move |run: &&Run| run.scenario == SentinelFailover && run.candidate == wanted;
        runs.iter().filter(fits).map(|run| run.outcome.lost)
    };
    let limit = number(lost(Candidate::Direct).max()?)?;
    let worst = number(lost(candidate).max()?)?;
    let over = |lost: u64| number(lost).is_some_and(|lost| lost > limit);
    Some(Verdict {
        text: "SENTINEL FAILOVER: acknowledged writes lost, beside a direct client",
        candidate,
        limit,
        worst: Some(worst),
        at: SentinelFailover.name().to_owned(),
        hiccup: 0.0,
        runs: lost(candidate).count(),
        misses: lost(candidate).filter(|&lost| over(lost)).count(),
    })
}

impl Bar {
    fn applies(&self, run: &Run) -> bool {
        run.candidate.is_rolecall()
            && (self.scenarios.is_empty() || self.scenarios.contains(&run.scenario))
    }

    fn is_met_by(&self, run: &Run) -> bool {
        let limit = (self.limit)(run.candidate);
        (self.figure)(&run.outcome).is_some_and(|figure| figure <= limit)
    }
}

fn number(count: u64) -> Option<f64> {
    u32::try_from(count).ok().map(f64::from)
}
