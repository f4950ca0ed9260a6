//! A real browser without a window: Chromium, driven through chromedriver by W3C `WebDriver`, which
//! is JSON over HTTP.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::net::free_address_on_localhost;
use super::process::Process;
use super::{poll, poll_every};

/// For the browser to start, and for one command: a busy machine takes its time.
const PATIENCE: Duration = Duration::from_secs(90);

/// How often a page is asked: each question costs the browser work.
const PACE: Duration = Duration::from_millis(100);

/// A browser with one page; it ends with this value.
pub(crate) struct Browser {
    address: SocketAddr,
    session: String,
    #[expect(dead_code, reason = "held: killed when dropped")]
    driver: Process,
    #[expect(dead_code, reason = "held: its profile lies there")]
    dir: TempDir,
}

/// A line of the browser's console.
#[derive(Debug)]
pub(crate) struct Complaint {
    pub(crate) source: String,
    pub(crate) message: String,
}

impl Browser {
    /// Starts it with an empty page. It knows no host but 127.0.0.0/8.
    #[track_caller]
    pub(crate) fn start() -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let address = free_address_on_localhost();
        let mut command = Command::new("chromedriver");
        command
            .arg(format!("--port={}", address.port()))
            .env("TMPDIR", dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let driver = Process::spawn(&mut command);
        poll(PATIENCE, "chromedriver answers", || {
            let answer = call(address, "GET", "/status", &Value::Null)?;
            answer["ready"].as_bool().filter(|ready| *ready)
        });
        let session = call(address, "POST", "/session", &capabilities())
            .and_then(|answer| Some(answer["sessionId"].as_str()?.to_owned()))
            .expect("Chromium starts (make test installs it)");
        Self {
            address,
            session,
            driver,
            dir,
        }
    }

    #[track_caller]
    fn command(&self, path: &str, body: &Value) -> Value {
        let path = format!("/session/{}{path}", self.session);
        let answer = call(self.address, "POST", &path, body);
        answer.unwrap_or_else(|| panic!("no answer to {path} {body}"))
    }

    /// Goes to an address and waits until the page is loaded.
    #[track_caller]
    pub(crate) fn open(&self, url: &str) {
        self.command("/url", &json!({ "url": url }));
    }

    /// What a function body returns in the page.
    #[track_caller]
    pub(crate) fn run(&self, script: &str) -> Value {
        self.command("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// The text that the first element of a selector shows; empty when there is none or it is hidden.
    #[track_caller]
    pub(crate) fn text(&self, selector: &str) -> String {
        let script = format!("return document.querySelector({selector:?})?.innerText ?? ''");
        self.run(&script).as_str().unwrap_or_default().to_owned()
    }

    /// Waits until that text holds these words.
    #[track_caller]
    pub(crate) fn wait_text(&self, selector: &str, words: &str) {
        let mut last = String::new();
        let what = format!("{selector} shows {words:?}");
        let deadline = std::time::Instant::now() + PATIENCE;
        poll_every(PACE, PATIENCE * 2, &what, || {
            last = self.text(selector);
            let late = std::time::Instant::now() > deadline;
            assert!(!late, "waited in vain: {what}, but it is {last:?}");
            last.contains(words).then_some(())
        });
    }

    /// The size of the window in CSS pixels, as on a phone.
    #[track_caller]
    pub(crate) fn resize(&self, width: u32, height: u32) {
        let size =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": true });
        let command = "Emulation.setDeviceMetricsOverride";
        self.command(
            "/goog/cdp/execute",
            &json!({ "cmd": command, "params": size }),
        );
    }

    /// What the console has said since it was last asked.
    #[track_caller]
    pub(crate) fn complaints(&self) -> Vec<Complaint> {
        let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        self.log("browser")
            .iter()
            .map(|entry| Complaint {
                source: text(entry, "source"),
                message: text(entry, "message"),
            })
            .collect()
    }

    /// The addresses that the page has asked for since this was last asked.
    #[track_caller]
    pub(crate) fn requests(&self) -> Vec<String> {
        let entries = self.log("performance");
        let events = entries.iter().filter_map(|entry| {
            let event: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
            let message = &event["message"];
            let sent = message["method"] == "Network.requestWillBeSent";
            sent.then(|| {
                message["params"]["request"]["url"]
                    .as_str()
                    .map(str::to_owned)
            })?
        });
        events.collect()
    }

    #[track_caller]
    fn log(&self, kind: &str) -> Vec<Value> {
        let entries = self.command("/se/log", &json!({ "type": kind }));
        entries.as_array().expect("a list of entries").clone()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Only chromedriver can end the browser that it started.
        let path = format!("/session/{}", self.session);
        let _ = ask(self.address, "DELETE", &path, &Value::Null);
    }
}

fn capabilities() -> Value {
    let arguments = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--no-first-run",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.*",
    ];
    json!({ "capabilities": { "alwaysMatch": {
        "browserName": "chrome",
        "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        "goog:chromeOptions": { "args": arguments },
    } } })
}

/// One command; none when nobody answers. An error that is told in words fails the test.
#[track_caller]
fn call(address: SocketAddr, method: &str, path: &str, body: &Value) -> Option<Value> {
    let value = ask(address, method, path, body)?;
    assert!(value["error"].is_null(), "{method} {path} {body}: {value}");
    Some(value)
}

/// The same; an error is an answer too.
fn ask(address: SocketAddr, method: &str, path: &str, body: &Value) -> Option<Value> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).ok()?;
    let text = read_answer(&mut stream)?;
    let mut answer: Value = serde_json::from_str(&text).ok()?;
    Some(answer["value"].take())
}

/// The body of an answer, by its length: chromedriver may keep the connection open.
fn read_answer(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).ok()?.to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))?;
    let mut body = vec![0; length.trim().parse().ok()?];
    stream.read_exact(&mut body).ok()?;
    String::from_utf8(body).ok()
}
