//! Commands that end by themselves: the binary under test, and promtool.

use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::SOON;
use super::process::Process;

/// How a command ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    /// All that it said, on both streams.
    pub(crate) said: String,
}

/// Runs the binary with these arguments until it ends.
#[track_caller]
pub(crate) fn run_to_end(arguments: &[&str]) -> Ended {
    let said = tempfile::tempfile().expect("a temporary file");
    let error = said.try_clone().expect("a second handle");
    let code = run_into(arguments, &[], &said, error);
    Ended {
        code,
        said: text_of(said),
    }
}

/// How a command ended, with what it said on each stream.
pub(crate) struct Parted {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// The same with variables in its environment, the streams apart.
#[track_caller]
pub(crate) fn run_apart(arguments: &[&str], env: &[(&str, &str)]) -> Parted {
    let file = || tempfile::tempfile().expect("a temporary file");
    let (out, err) = (file(), file());
    let code = run_into(
        arguments,
        env,
        &out,
        err.try_clone().expect("a second handle"),
    );
    Parted {
        code,
        out: text_of(out),
        err: text_of(err),
    }
}

#[track_caller]
fn run_into(arguments: &[&str], env: &[(&str, &str)], out: &File, err: File) -> Option<i32> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rolecall"));
    command
        .args(arguments)
        .env_remove("REDIS_PASSWORD")
        .envs(env.iter().copied())
        .stdin(Stdio::null())
        .stdout(out.try_clone().expect("a second handle"))
        .stderr(err);
    // Asking a node that is silent takes its time.
    Process::spawn(&mut command).wait_exit(SOON * 3).code()
}

fn text_of(mut file: File) -> String {
    let mut text = String::new();
    file.rewind().expect("go back to the beginning");
    file.read_to_string(&mut text).expect("UTF-8");
    text
}

/// Runs `check` and `run` on a text that must be refused, and gives what `check` said.
#[track_caller]
pub(crate) fn refused(text: &str) -> (String, String) {
    let dir = TempDir::new().expect("a temporary directory");
    let file = dir.path().join("bad.yaml");
    fs::write(&file, text).expect("write a file");
    let path = file.to_str().expect("UTF-8").to_owned();
    let check = run_to_end(&["check", "-c", &path]);
    let run = run_to_end(&["run", "-c", &path]);
    for output in [&check, &run] {
        assert_eq!(output.code, Some(1), "{}", output.said);
    }
    let told = check.said;
    let prefix = format!("{path}:");
    for line in errors(&told, &prefix) {
        assert!(run.said.contains(&line), "run does not tell {line:?}");
    }
    (told, path)
}

/// The places that are told, each as `FILE:LINE:COLUMN`.
fn errors(told: &str, prefix: &str) -> Vec<String> {
    let with = told.lines().filter_map(|line| {
        let place = line.find(prefix)?;
        line[place..].split_whitespace().next().map(str::to_owned)
    });
    with.collect()
}

/// The 1-based line and column of a text in a file, as `:line:column`.
pub(crate) fn place_of(text: &str, what: &str) -> String {
    let at = text.find(what).expect("the text holds it");
    let before = &text[..at];
    let line = before.matches('\n').count() + 1;
    let column = at - before.rfind('\n').map_or(0, |newline| newline + 1) + 1;
    format!(":{line}:{column}")
}

/// Has Prometheus' own tool look at a scrape; panics when it finds anything.
#[track_caller]
pub(crate) fn promtool(body: &str) {
    let mut child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is installed (make test installs it, package prometheus)");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(body.as_bytes()).expect("write to promtool");
    drop(stdin);
    let output = child.wait_with_output().expect("wait for promtool");
    let said = String::from_utf8_lossy(&output.stderr).into_owned()
        + &String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.trim().is_empty(),
        "{said}\n{body}"
    );
}
