//! The dashboard's queries, with Grafana's variables filled in as it would.

use std::time::Duration;

use serde_json::Value;

use super::common::monitoring::{dashboard, queries, variables};
use super::prometheus::Prometheus;

/// Asks each query for the whole time of the play, and each variable; gives how many. Panics at one without
/// an answer.
pub(crate) fn ask_all(prometheus: &Prometheus, passed: Duration) -> usize {
    let dashboard = dashboard();
    let queries = queries(&dashboard);
    let mut silent = Vec::new();
    for (title, query) in &queries {
        let filled = filled(query, passed);
        let answer = prometheus.query_range(&filled, passed);
        let numbers = answer.iter().map(numbers).sum::<usize>();
        println!("  {title}: {} series, {numbers} values", answer.len());
        if numbers == 0 {
            silent.push(filled);
        }
    }
    assert!(silent.is_empty(), "no answer to {silent:#?}");
    for (selector, label) in variables(&dashboard) {
        let values = prometheus.label_values(&filled(&selector, passed), &label);
        assert!(!values.is_empty(), "no value of {label} of {selector}");
    }
    queries.len()
}

fn filled(query: &str, passed: Duration) -> String {
    let range = format!("{}s", passed.as_secs().max(1));
    query
        .replace("$__rate_interval", "4s")
        .replace("$__range", &range)
        .replace("$__interval", "1s")
        .replace("$instance", ".*")
        .replace("$group", ".*")
}

/// Values of a series that are numbers.
fn numbers(series: &Value) -> usize {
    let values = series["values"].as_array().into_iter().flatten();
    let is_number = |value: &&Value| value[1].as_str().is_some_and(|text| text != "NaN");
    values.filter(is_number).count()
}
