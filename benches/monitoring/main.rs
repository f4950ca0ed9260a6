//! `make try-monitoring`: a real Prometheus beside a running rolecall, real Redis servers and Sentinels. Every
//! alert of `deploy/prometheus/alerts.yaml` is made to fire by what it is about, and to resolve; then every query of
//! `deploy/grafana/dashboard.json` is asked and must have an answer.
//!
//! The rules are the real file with its times shortened (`rules`), so that this takes minutes, not hours. It is
//! no bench and no test: it needs prometheus and some minutes, and is built with the benches so that it
//! stays current.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "what cannot be set up ends it, and its children with it"
)]

#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../../tests/common/mod.rs"]
mod common;
mod dashboard;
mod prometheus;
mod rules;
mod scenes;
mod stage;

use std::process::ExitCode;
use std::time::Instant;

use common::monitoring::alerts;
use scenes::SCENES;
use stage::Stage;

fn main() -> ExitCode {
    // Whoever runs all benches does not want this one.
    if !std::env::args().any(|argument| argument == "--play") {
        println!("monitoring: run it by `make try-monitoring`");
        return ExitCode::SUCCESS;
    }
    let began = Instant::now();
    let mut stage = Stage::set();
    stage.prometheus.wait_up(1);
    println!("target up: {}", stage.proxy().admin());
    let mut missing: Vec<String> = alerts().into_iter().map(|alert| alert.name).collect();
    for scene in SCENES {
        println!("{}", scene.title);
        for name in stage.play(scene) {
            missing.retain(|alert| alert != name);
        }
    }
    assert!(missing.is_empty(), "no scene has shown {missing:?}");
    let queries = dashboard::ask_all(&stage.prometheus, began.elapsed());
    println!(
        "all {} alerts fired and resolved, all {queries} queries of the dashboard have an answer: {:.0?}",
        alerts().len(),
        began.elapsed()
    );
    ExitCode::SUCCESS
}
