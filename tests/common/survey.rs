//! `check --connect` on a topology, and what it found.

use std::fs;
use std::net::SocketAddr;

use rolecall::api::{Finding, FindingSeverity, Status, Survey, SurveyNode};
use tempfile::TempDir;

use super::cli::{Parted, run_apart};
use super::net::free_address;
use super::redis::RedisNode;
use super::rolecall::Rolecall;
use super::sentinel::{MASTER_NAME, Sentinel};
use super::topology::Topology;

/// A silent node is given up after six seconds, and a busy machine is given three for an answer.
pub(crate) const CHECK: &str =
    "check: { interval: 5s, fast_interval: 50ms, timeout: 3s, fall: 2, rise: 2 }";

/// The standard topology with those checks.
pub(crate) fn patient(nodes: &[&RedisNode]) -> Topology {
    Topology::standard(nodes).group(CHECK)
}

/// The `sentinel:` of a group.
pub(crate) fn watched_by(addresses: &[SocketAddr], more: &str) -> String {
    let quoted: Vec<String> = addresses.iter().map(|a| format!("\"{a}\"")).collect();
    let all = quoted.join(", ");
    format!("sentinel: {{ name: {MASTER_NAME}, addresses: [{all}]{more} }}")
}

/// Where Sentinels are.
pub(crate) fn addresses(sentinels: &[Sentinel]) -> Vec<SocketAddr> {
    sentinels.iter().map(Sentinel::address).collect()
}

/// What a running proxy says of its listeners.
#[track_caller]
pub(crate) fn status_of(proxy: &Rolecall) -> Status {
    let answer = proxy.get("/api/status");
    serde_json::from_str(&answer.body).expect("a status")
}

/// What a survey said.
pub(crate) struct Asked {
    pub(crate) code: Option<i32>,
    pub(crate) survey: Survey,
    /// The same as it was printed.
    pub(crate) json: String,
}

/// Asks, and reads the JSON.
#[track_caller]
pub(crate) fn ask(topology: &Topology) -> Asked {
    let told = run(topology, &["--json"]);
    let survey = serde_json::from_str(&told.out)
        .unwrap_or_else(|error| panic!("{error}\n{}{}", told.out, told.err));
    Asked {
        code: told.code,
        survey,
        json: told.out,
    }
}

/// Asks, and gives the page for people.
#[track_caller]
pub(crate) fn page(topology: &Topology) -> Parted {
    run(topology, &[])
}

#[track_caller]
fn run(topology: &Topology, more: &[&str]) -> Parted {
    let dir = TempDir::new().expect("a temporary directory");
    let file = dir.path().join("rolecall.yaml");
    fs::write(&file, topology.yaml(free_address())).expect("write rolecall.yaml");
    let mut arguments = vec!["check", "-c", file.to_str().expect("UTF-8"), "--connect"];
    arguments.extend(more);
    run_apart(&arguments, &topology.environment())
}

impl Asked {
    /// Each finding of a severity as what it is about and its kind.
    pub(crate) fn kinds(&self, severity: FindingSeverity) -> Vec<(&str, &str)> {
        let all = self.survey.findings.iter();
        let found = all.filter(|finding| finding.severity == severity);
        found
            .map(|finding| (finding.about.as_str(), finding.kind.as_str()))
            .collect()
    }

    /// What is wrong; checks that the exit code says so too.
    #[track_caller]
    pub(crate) fn wrong(&self) -> Vec<(&str, &str)> {
        let wrong = self.kinds(FindingSeverity::Trouble);
        assert_eq!(self.survey.ok, wrong.is_empty(), "{}", self.json);
        let code = i32::from(!self.survey.ok);
        assert_eq!(self.code, Some(code), "{}", self.json);
        wrong
    }

    /// The one finding of a kind.
    #[track_caller]
    pub(crate) fn finding(&self, kind: &str) -> &Finding {
        let mut all = self.survey.findings.iter();
        all.find(|finding| finding.kind == kind)
            .unwrap_or_else(|| panic!("no {kind} in {}", self.json))
    }

    /// A node of the first group.
    #[track_caller]
    pub(crate) fn node(&self, name: &str) -> &SurveyNode {
        let mut all = self.survey.groups[0].nodes.iter();
        all.find(|node| node.name == name)
            .unwrap_or_else(|| panic!("no {name} in {}", self.json))
    }

    /// Who would get new connections at a listener.
    #[track_caller]
    pub(crate) fn serving(&self, listener: &str) -> Vec<&str> {
        let mut all = self.survey.listeners.iter();
        let found = all.find(|known| known.name == listener);
        let found = found.unwrap_or_else(|| panic!("no {listener} in {}", self.json));
        found.serving.iter().map(String::as_str).collect()
    }
}
