//! `rolecall demo --story` on real servers: the whole failover of the story, from the outside.

use std::time::Duration;

use assert_cmd::Command;

/// One figure of the sum at the end.
#[cfg(test)]
fn figure<'a>(said: &'a str, what: &str) -> &'a str {
    said.lines()
        .find_map(|line| line.trim_start().strip_prefix(what))
        .unwrap_or_else(|| panic!("the story does not say {what:?}:\n{said}"))
        .trim()
}

#[test]
fn the_story_tells_a_whole_failover_and_ends_well() {
    let temporary = tempfile::tempdir().expect("a directory of its own");
    let run = Command::cargo_bin("rolecall")
        .expect("the program is built")
        .args(["demo", "--story"])
        .env("TMPDIR", temporary.path())
        .timeout(Duration::from_secs(240))
        .assert();
    let output = run.get_output();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}\n{complaints}");

    for phrase in [
        "kill -9 of redis-1, the primary",
        "says that it is the primary: Sentinel has promoted it",
        "first write acknowledged by redis-",
        "redis-1 is back with its data",
        "redis-1 is a replica in sync",
        "acknowledged writes were lost",
    ] {
        assert!(said.contains(phrase), "no {phrase:?} in:\n{said}");
    }
    assert_eq!(figure(&said, "writes acknowledged by a wrong primary"), "0");
    assert_eq!(figure(&said, "servers that acknowledged writes"), "2");
    assert_eq!(figure(&said, "connections refused"), "0");
    let left: Vec<_> = std::fs::read_dir(temporary.path())
        .expect("it is there")
        .collect();
    assert!(left.is_empty(), "the demo left {left:?} behind");
}
