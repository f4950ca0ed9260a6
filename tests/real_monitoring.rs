//! The alerts and the dashboard that come with rolecall name metrics, labels and values that a running
//! proxy has, and are what Prometheus and Grafana can load.

#![expect(
    clippy::panic,
    clippy::expect_used,
    reason = "a test fails by panicking, in its helpers too"
)]

#[cfg(test)]
#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use std::collections::BTreeSet;
use std::process::Command;

use common::metrics::Metrics;
use common::monitoring::{
    Alert, alerts, dashboard, in_repository, panels, queries, text_of, variables,
};
use common::promql::{Matcher, Named, Selector, named};
use common::redis::{RedisNode, redis_group};
use common::topology::Topology;
use rolecall::metrics::{ALL, Kind, Metric};
use serde_json::Value;

/// Labels that Prometheus gives to every series of a target, or that users add there.
const OF_TARGETS: &[&str] = &["job", "instance", "namespace", "cluster", "pod"];

#[track_caller]
fn promtool(arguments: &[&str]) {
    let output = Command::new("promtool")
        .args(arguments)
        .current_dir(in_repository("deploy/prometheus"))
        .output()
        .expect("promtool is installed (make test installs it, package prometheus)");
    assert!(
        output.status.success(),
        "promtool {arguments:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn prometheus_takes_the_files_and_the_alerts_do_what_their_tests_say() {
    promtool(&["check", "rules", "alerts.yaml"]);
    promtool(&["check", "config", "prometheus.yaml"]);
    promtool(&["test", "rules", "alerts_test.yaml"]);
}

#[test]
fn each_alert_tells_what_to_do_and_is_explained_and_tested() {
    let manual = text_of("docs/operations.md");
    let tests = text_of("deploy/prometheus/alerts_test.yaml");
    let all = alerts();
    let names: BTreeSet<&str> = all.iter().map(|alert| alert.name.as_str()).collect();
    assert_eq!(names.len(), all.len(), "a name is there twice");
    for alert in &all {
        let name = alert.name.as_str();
        let severity = alert.labels.get("severity").map(String::as_str);
        assert!(
            matches!(severity, Some("critical" | "warning" | "info")),
            "{name}: {severity:?}"
        );
        for key in ["summary", "description", "runbook"] {
            let text = alert.annotations.get(key);
            assert!(text.is_some_and(|text| text.len() > 20), "{name}: {key}");
        }
        let anchor = format!("docs/operations.md#{}", name.to_lowercase());
        assert_eq!(alert.annotations.get("runbook_url"), Some(&anchor));
        assert!(
            manual.contains(&format!("\n### {name}\n")),
            "{name} is not in the manual"
        );
        assert!(
            tests.contains(&format!(
                "{{alertname=\"{name}\", severity=\"{}\"",
                severity.unwrap_or_default()
            )),
            "no test sees {name} fire"
        );
    }
    let explained = manual
        .lines()
        .filter_map(|line| line.strip_prefix("### Rolecall"));
    for name in explained {
        assert!(names.contains(format!("Rolecall{name}").as_str()), "{name}");
    }
}

/// The metric behind a name on the page, where a histogram has three.
#[track_caller]
fn metric_of(name: &str) -> &'static Metric {
    let found = ALL.iter().find(|metric| match metric.kind {
        Kind::Histogram(_) => {
            let part = name.strip_prefix(metric.name);
            matches!(part, Some("_bucket" | "_sum" | "_count"))
        }
        _ => metric.name == name,
    });
    found.unwrap_or_else(|| panic!("there is no metric {name}"))
}

fn labels_of(selector: &Selector) -> Vec<&'static str> {
    let mut labels = OF_TARGETS.to_vec();
    if selector.metric != "up" {
        labels.extend(metric_of(&selector.metric).labels);
    }
    if selector.metric.ends_with("_bucket") {
        labels.push("le");
    }
    labels
}

/// The values of a matcher that the code chooses, not the user.
fn fixed_values(matcher: &Matcher) -> Vec<&str> {
    let from_outside = OF_TARGETS.contains(&matcher.label.as_str()) || matcher.value.contains('$');
    if from_outside {
        return Vec::new();
    }
    let values = matcher.value.split('|');
    values.filter(|value| !value.is_empty()).collect()
}

/// Panics where an expression names what is not on the page.
#[track_caller]
fn check(what: &str, named: &Named, page: &Metrics) {
    assert!(!named.selectors.is_empty(), "{what} names no metric");
    let mut known: BTreeSet<&str> = BTreeSet::new();
    for selector in &named.selectors {
        let metric = selector.metric.as_str();
        assert!(metric == "up" || page.has(metric), "{what}: no {metric}");
        let labels = labels_of(selector);
        for matcher in &selector.matchers {
            let label = matcher.label.as_str();
            assert!(
                labels.contains(&label),
                "{what}: {metric} has no label {label}"
            );
            for value in fixed_values(matcher) {
                let seen = page.find(metric, &[(label, value)]);
                assert!(
                    seen.is_some(),
                    "{what}: {metric} never has {label}={value:?}"
                );
            }
        }
        known.extend(labels);
    }
    for label in &named.listed {
        assert!(
            known.contains(label.as_str()),
            "{what}: no metric has {label}"
        );
    }
}

/// The labels that the texts of an alert show.
fn shown(alert: &Alert) -> Vec<String> {
    let texts = alert.annotations.values();
    let parts = texts.flat_map(|text| text.split("$labels.").skip(1));
    parts
        .map(|part| {
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            part.chars().take_while(|c| is_name(*c)).collect()
        })
        .collect()
}

#[test]
fn the_alerts_and_the_dashboard_name_what_a_running_proxy_has() {
    let [a, b] = redis_group(["redis-1", "redis-2"]);
    let local = RedisNode::replica("local", &a);
    let proxy = Topology::new()
        .node(&a)
        .node(&b)
        .local(&local)
        .usual_listeners()
        .start();
    let page = proxy.metrics();
    for alert in alerts() {
        let all = named(&alert.expr);
        check(&alert.name, &all, &page);
        let labels: BTreeSet<&str> = all.selectors.iter().flat_map(labels_of).collect();
        for label in shown(&alert) {
            assert!(labels.contains(label.as_str()), "{}: {label}", alert.name);
        }
    }
    let dashboard = dashboard();
    for (title, query) in queries(&dashboard) {
        check(&title, &named(&query), &page);
    }
    for (selector, label) in variables(&dashboard) {
        let named = named(&selector);
        check(&selector, &named, &page);
        let labels: BTreeSet<&str> = named.selectors.iter().flat_map(labels_of).collect();
        assert!(labels.contains(label.as_str()), "{selector}: no {label}");
    }
}

#[test]
fn listener_info_follows_a_reload() {
    let [a, b] = redis_group(["redis-1", "redis-2"]);
    let base = Topology::new()
        .node(&a)
        .node(&b)
        .listener("rw", "read-write", "");
    let mut proxy = base
        .clone()
        .listener("ro", "read-only", "fallback: rw")
        .start();
    let info = "rolecall_listener_info";
    let with = [
        ("listener", "ro"),
        ("group", "main"),
        ("access", "read-only"),
        ("fallback", "rw"),
    ];
    proxy.wait_metric(info, &with, 1.0);
    proxy.wait_metric(
        info,
        &[
            ("listener", "rw"),
            ("access", "read-write"),
            ("fallback", ""),
        ],
        1.0,
    );
    proxy.reload(&base.clone().listener("ro", "read-only", ""));
    let without = [("listener", "ro"), ("fallback", "")];
    proxy.wait_metric(info, &without, 1.0);
    assert_eq!(proxy.metrics().find(info, &with), None, "both at once");
    proxy.reload(&base.clone().listener("ro", "read-only", "fallback: rw"));
    proxy.wait_metric(info, &with, 1.0);
    assert_eq!(proxy.metrics().find(info, &without), None, "both at once");
    proxy.reload(&base);
    common::eventually(common::SOON, "its series are gone", || {
        proxy.metrics().find(info, &[("listener", "ro")]).is_none()
    });
}

/// The cells of the grid that a panel covers.
fn cells(panel: &Value) -> Vec<(u64, u64)> {
    let place = |key: &str| {
        panel["gridPos"][key]
            .as_u64()
            .unwrap_or_else(|| panic!("{}: no gridPos.{key}", panel["title"]))
    };
    let (x, y, w, h) = (place("x"), place("y"), place("w"), place("h"));
    assert!(
        w > 0 && h > 0 && x + w <= 24,
        "{} leaves the grid",
        panel["title"]
    );
    (x..x + w)
        .flat_map(|x| (y..y + h).map(move |y| (x, y)))
        .collect()
}

#[test]
fn the_dashboard_is_what_grafana_imports() {
    let dashboard = dashboard();
    let version = dashboard["schemaVersion"].as_u64();
    assert!(version.is_some_and(|version| version >= 38), "{version:?}");
    assert!(dashboard["id"].is_null(), "an id belongs to one Grafana");
    let (mut ids, mut taken) = (BTreeSet::new(), BTreeSet::new());
    for panel in panels(&dashboard) {
        let title = panel["title"].as_str().unwrap_or_default();
        assert!(!title.is_empty(), "a panel has no title: {panel}");
        assert!(
            ids.insert(panel["id"].as_u64().expect("an id")),
            "{title}: its id is taken"
        );
        for cell in cells(panel) {
            assert!(
                taken.insert(cell),
                "{title} covers another panel at {cell:?}"
            );
        }
        if panel["type"] == "row" {
            continue;
        }
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
        assert!(
            panel["description"]
                .as_str()
                .is_some_and(|text| text.len() > 10),
            "{title}"
        );
        let targets = panel["targets"].as_array().expect("targets");
        let mut references = BTreeSet::new();
        assert!(!targets.is_empty(), "{title} asks nothing");
        for target in targets {
            assert!(
                references.insert(target["refId"].as_str().expect("a refId")),
                "{title}"
            );
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
            let legend = target["legendFormat"].as_str().unwrap_or_default();
            assert!(!legend.is_empty(), "{title}: a series without a legend");
        }
    }
    for annotation in dashboard["annotations"]["list"]
        .as_array()
        .into_iter()
        .flatten()
    {
        let uid = &annotation["datasource"]["uid"];
        assert!(uid == "${datasource}" || uid == "-- Grafana --", "{uid}");
    }
    let names: Vec<&str> = dashboard["templating"]["list"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|variable| variable["name"].as_str())
        .collect();
    assert_eq!(names, ["datasource", "instance", "group"]);
}
