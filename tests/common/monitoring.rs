//! What `deploy/prometheus` and `deploy/grafana` hold, read from the files that users get.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

/// `alerts.yaml`.
#[derive(Debug, Deserialize)]
pub(crate) struct RuleFile {
    groups: Vec<RuleGroup>,
}

#[derive(Debug, Deserialize)]
struct RuleGroup {
    rules: Vec<Alert>,
}

/// One alert.
#[derive(Debug, Deserialize)]
pub(crate) struct Alert {
    #[serde(rename = "alert")]
    pub(crate) name: String,
    pub(crate) expr: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
}

/// A path of the repository.
pub(crate) fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The text of a file of the repository.
#[track_caller]
pub(crate) fn text_of(path: &str) -> String {
    fs::read_to_string(in_repository(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All alerts.
#[track_caller]
pub(crate) fn alerts() -> Vec<Alert> {
    let file: RuleFile = serde_yaml::from_str(&text_of("deploy/prometheus/alerts.yaml"))
        .unwrap_or_else(|error| panic!("{error}"));
    file.groups
        .into_iter()
        .flat_map(|group| group.rules)
        .collect()
}

/// The dashboard.
#[track_caller]
pub(crate) fn dashboard() -> Value {
    serde_json::from_str(&text_of("deploy/grafana/dashboard.json"))
        .unwrap_or_else(|error| panic!("{error}"))
}

/// The panels of the dashboard, those of folded rows too.
pub(crate) fn panels(dashboard: &Value) -> Vec<&Value> {
    let mut all = Vec::new();
    for panel in dashboard["panels"].as_array().into_iter().flatten() {
        all.push(panel);
        all.extend(panel["panels"].as_array().into_iter().flatten());
    }
    all
}

/// Each query of a panel or of an annotation, with the title of what it is for.
pub(crate) fn queries(dashboard: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for panel in panels(dashboard) {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let title = panel["title"].as_str().unwrap_or_default().to_owned();
            let expr = target["expr"].as_str().unwrap_or_default().to_owned();
            found.push((title, expr));
        }
    }
    for annotation in dashboard["annotations"]["list"]
        .as_array()
        .into_iter()
        .flatten()
    {
        if let Some(expr) = annotation["expr"].as_str() {
            let title = annotation["name"].as_str().unwrap_or_default().to_owned();
            found.push((title, expr.to_owned()));
        }
    }
    found
}

/// What the variables are filled from: the selector and the label of each `label_values(selector, label)`.
pub(crate) fn variables(dashboard: &Value) -> Vec<(String, String)> {
    let all = dashboard["templating"]["list"].as_array();
    all.into_iter()
        .flatten()
        .filter(|variable| variable["type"] == "query")
        .map(|variable| {
            let query = variable["query"]["query"].as_str().unwrap_or_default();
            let inside = query
                .strip_prefix("label_values(")
                .and_then(|rest| rest.strip_suffix(')'))
                .and_then(|inside| inside.rsplit_once(','));
            let (selector, label) = inside.unwrap_or_else(|| panic!("what is {query:?}?"));
            (selector.trim().to_owned(), label.trim().to_owned())
        })
        .collect()
}
