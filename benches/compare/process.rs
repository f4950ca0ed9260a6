//! The processes that a bench starts, and the promise that none of them outlives it.
//!
//! Each server runs under a small shell, in a process group of its own. The shell reads a pipe that the
//! bench holds, and ends its whole group when the pipe closes: when the guard is dropped, and just as well
//! when the bench is interrupted or killed. Nothing is ever signalled by a number that may be stale.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::Result;

const WATCH: &str = r#"
log=$1; shift
"$@" </dev/null >"$log" 2>&1 &
pid=$!
echo "$pid"
exec >/dev/null
read -r _
kill -9 "$pid"
wait
kill -9 0
"#;

/// A running server; it and its children end when this is dropped.
pub(crate) struct Process {
    shell: Child,
    pid: u32,
    log: PathBuf,
}

impl Process {
    /// Starts a command whose output goes to `log`.
    pub(crate) fn start(words: &[&str], log: &Path) -> Result<Self> {
        let mut shell = Command::new("sh")
            .args(["-c", WATCH, "bench-watch"])
            .arg(log)
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let mut line = String::new();
        if let Some(output) = shell.stdout.take() {
            BufReader::new(output).read_line(&mut line)?;
        }
        let pid = line
            .trim()
            .parse()
            .map_err(|_| format!("cannot start {}", words.join(" ")))?;
        Ok(Self {
            shell,
            pid,
            log: log.to_owned(),
        })
    }

    /// The server and the processes that it started itself.
    pub(crate) fn pids(&self) -> Vec<u32> {
        let path = format!("/proc/{0}/task/{0}/children", self.pid);
        let children = fs::read_to_string(path).unwrap_or_default();
        let children = children
            .split_whitespace()
            .filter_map(|pid| pid.parse().ok());
        std::iter::once(self.pid).chain(children).collect()
    }

    /// The last lines of its log.
    pub(crate) fn last_words(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(8)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        // An error says only that it has ended already.
        let _ended = self.shell.wait();
    }
}
