//! A real Prometheus on a loopback address, and its HTTP API.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::common::monitoring::text_of;
use super::common::net::free_address;
use super::common::process::Process;
use super::common::{SOON, poll_every};
use super::rules::hurried;

/// How long an alert may take to fire or to resolve: the longest window is 30 s.
const PATIENCE: Duration = Duration::from_secs(90);

/// Between two questions.
const STEP: Duration = Duration::from_millis(100);

/// A running Prometheus; killed when dropped.
pub(crate) struct Prometheus {
    address: SocketAddr,
    dir: TempDir,
    _process: Process,
}

/// An alert that fires.
pub(crate) struct Firing {
    pub(crate) name: String,
    annotations: BTreeMap<String, String>,
}

impl Prometheus {
    /// Starts it with the real rules in a hurry.
    pub(crate) fn start() -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let address = free_address();
        let at = |name: &str| dir.path().join(name);
        let rules = hurried(&text_of("deploy/prometheus/alerts.yaml"));
        fs::write(at("alerts.yaml"), rules).expect("write the rules");
        fs::write(at("targets.json"), "[]").expect("write the targets");
        // The job is that of deploy/prometheus/prometheus.yaml.
        let config = "global: { scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 500ms }\n\
            rule_files: [alerts.yaml]\n\
            scrape_configs: [{ job_name: rolecall, file_sd_configs: [{ files: [targets.json], refresh_interval: 1s }] }]\n";
        fs::write(at("prometheus.yaml"), config).expect("write the configuration");
        let log = File::create(at("prometheus.log")).expect("create the log");
        let mut command = Command::new("prometheus");
        command
            .arg(format!("--config.file={}", at("prometheus.yaml").display()))
            .arg(format!("--storage.tsdb.path={}", at("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .args(["--log.level=warn"])
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log);
        let prometheus = Self {
            _process: Process::spawn(&mut command),
            address,
            dir,
        };
        poll_every(STEP, SOON, "Prometheus is ready", || {
            prometheus.try_get("/-/ready")
        });
        prometheus
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Has it scrape these, and nobody else.
    pub(crate) fn scrape(&self, targets: &[SocketAddr]) {
        let list: Vec<String> = targets.iter().map(ToString::to_string).collect();
        let text = json!([{ "targets": list }]).to_string();
        // By a rename: a half-written list is an error in its log.
        let new = self.dir.path().join("targets.new");
        fs::write(&new, text).expect("write the targets");
        fs::rename(new, self.dir.path().join("targets.json")).expect("replace the targets");
    }

    /// Waits until so many targets answer.
    pub(crate) fn wait_up(&self, count: usize) {
        let what = format!("{count} targets are up");
        poll_every(STEP, PATIENCE, &what, || {
            let up = self.query("sum(up)");
            let value = up.first().and_then(|series| series["value"][1].as_str());
            (value == Some(count.to_string().as_str())).then_some(())
        });
    }

    /// All alerts that fire now.
    pub(crate) fn firing(&self) -> Vec<Firing> {
        let data = self.api("/api/v1/alerts");
        let all = data["alerts"].as_array().cloned().unwrap_or_default();
        let firing = all.into_iter().filter(|alert| alert["state"] == "firing");
        firing
            .map(|alert| Firing {
                name: alert["labels"]["alertname"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned(),
                annotations: serde_json::from_value(alert["annotations"].clone())
                    .expect("annotations are texts"),
            })
            .collect()
    }

    /// Waits until an alert fires; gives its description. `meanwhile` keeps its cause up.
    pub(crate) fn wait_firing(&self, name: &str, mut meanwhile: impl FnMut()) -> String {
        let alert = poll_every(STEP, PATIENCE, &format!("{name} fires"), || {
            meanwhile();
            self.firing().into_iter().find(|alert| alert.name == name)
        });
        for text in alert.annotations.values() {
            let broken = ["<no value>", "error expanding", "%!"];
            assert!(
                !broken.iter().any(|part| text.contains(part)),
                "{name}: {text}"
            );
        }
        alert
            .annotations
            .get("summary")
            .cloned()
            .unwrap_or_default()
    }

    /// Waits until an alert fires no more.
    pub(crate) fn wait_resolved(&self, name: &str) {
        poll_every(STEP, PATIENCE, &format!("{name} resolves"), || {
            let firing = self.firing();
            firing.iter().all(|alert| alert.name != name).then_some(())
        });
    }

    /// An instant query.
    pub(crate) fn query(&self, expression: &str) -> Vec<Value> {
        let data = self.api(&format!("/api/v1/query?query={}", encoded(expression)));
        data["result"].as_array().cloned().unwrap_or_default()
    }

    /// A range query over what has passed, each second.
    pub(crate) fn query_range(&self, expression: &str, passed: Duration) -> Vec<Value> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let start = now.saturating_sub(passed);
        let path = format!(
            "/api/v1/query_range?query={}&start={}&end={}&step=1",
            encoded(expression),
            start.as_secs(),
            now.as_secs()
        );
        let data = self.api(&path);
        data["result"].as_array().cloned().unwrap_or_default()
    }

    /// The values of a label, as the variables of a dashboard ask for them.
    pub(crate) fn label_values(&self, selector: &str, label: &str) -> Vec<Value> {
        let path = format!("/api/v1/label/{label}/values?match[]={}", encoded(selector));
        self.api(&path).as_array().cloned().unwrap_or_default()
    }

    fn api(&self, path: &str) -> Value {
        let body = self.try_get(path).unwrap_or_default();
        let answer: Value =
            serde_json::from_str(&body).unwrap_or_else(|error| panic!("{path}: {error}: {body}"));
        assert_eq!(answer["status"], "success", "{path}: {answer}");
        answer["data"].clone()
    }

    /// HTTP/1.0, so that the body comes in one piece. Errors of the API come with a body too.
    fn try_get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect_timeout(&self.address, SOON).ok()?;
        stream.set_read_timeout(Some(SOON)).ok()?;
        let request = format!("GET {path} HTTP/1.0\r\nHost: {}\r\n\r\n", self.address);
        stream.write_all(request.as_bytes()).ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        let is_unready = head.split(' ').nth(1) == Some("503");
        (!is_unready).then(|| body.to_owned())
    }
}

fn encoded(expression: &str) -> String {
    utf8_percent_encode(expression, NON_ALPHANUMERIC).to_string()
}
