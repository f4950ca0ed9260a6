//! The command line: what a good file, a bad file and a second instance make of it.

#[cfg(test)]
#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use common::SOON;
use common::cli::{place_of, refused, run_to_end};
use common::net::free_address;
use common::redis::RedisNode;
use common::topology::Topology;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

const TYPO: &str = "\
groups:
  main:
    nodes:
      redis-1: 127.0.0.1:7001
    check: { intervall: 500ms }
listeners:
  redis-rw: { bind: \"127.0.0.1:6379\", access: read-write }
";

#[test]
fn a_good_file_passes_the_check() {
    let dir = TempDir::new().expect("a temporary directory");
    let file = dir.path().join("good.yaml");
    let node = "redis-1: 127.0.0.1:7001";
    let text = TYPO.replace("intervall: 500ms", "interval: 500ms");
    assert!(text.contains(node));
    fs::write(&file, text).expect("write a file");
    let output = run_to_end(&["check", "-c", file.to_str().expect("UTF-8")]);
    assert_eq!(output.code, Some(0), "{}", output.said);
}

#[test]
fn every_file_that_we_ship_passes_the_check() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let entries = fs::read_dir(&folder).expect("the folder config/");
    let mut count = 0;
    for entry in entries {
        let path = entry.expect("an entry").path();
        if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            let output = run_to_end(&["check", "-c", path.to_str().expect("UTF-8")]);
            assert_eq!(output.code, Some(0), "{}: {}", path.display(), output.said);
            count += 1;
        }
    }
    assert!(count >= 3, "{count} files in {}", folder.display());
}

#[test]
fn an_unknown_key_is_told_with_its_place_its_line_and_a_hint() {
    let (told, path) = refused(TYPO);
    let place = place_of(TYPO, "intervall");
    assert!(
        told.contains(&format!("{path}{place}")),
        "no {place} in:\n{told}"
    );
    assert!(
        told.contains("check: { intervall: 500ms }"),
        "the line itself:\n{told}"
    );
    assert!(
        told.contains("did you mean") && told.contains("interval"),
        "{told}"
    );
}

#[test]
fn all_errors_of_a_file_are_told_in_one_run() {
    let text = "\
groups:
  main:
    nodes:
      redis-1: 127.0.0.1:7001
    claim_hold: 6
    check: { intervall: 500ms }
listeners:
  redis-rw: { bind: \"127.0.0.1:6379\", access: read-write, nodes: [redis-9] }
  redis-ro: { bind: \"127.0.0.2:6379\", access: read-only, fallback: redis-local-ro }
  redis-local-ro: { bind: \"127.0.0.3:6379\", access: local-read-only, fallback: redis-ro }
  twice: { bind: \"127.0.0.1:6379\", access: read-only }
";
    let (told, path) = refused(text);
    for line in [5, 6, 8] {
        assert!(
            told.contains(&format!("{path}:{line}:")),
            "nothing on line {line}:\n{told}"
        );
    }
    for line in [[9, 10], [8, 11]] {
        let either = line
            .iter()
            .any(|line| told.contains(&format!("{path}:{line}:")));
        assert!(either, "nothing on any of the lines {line:?}:\n{told}");
    }
    assert!(told.contains("6s"), "a hint for the bare number:\n{told}");
    assert!(told.contains("redis-9"), "{told}");
    assert!(told.contains("fallback"), "{told}");
}

#[test]
fn a_file_that_is_not_yaml_a_missing_file_and_a_missing_variable() {
    let (told, path) = refused("groups: [\n");
    assert!(told.contains(&path), "{told}");

    let (told, _) = refused(&TYPO.replace("127.0.0.1:7001", "\"${NO_SUCH_VARIABLE_HERE}\""));
    assert!(told.contains("NO_SUCH_VARIABLE_HERE"), "{told}");

    let output = run_to_end(&["check", "-c", "/nonexistent/rolecall.yaml"]);
    assert_eq!(output.code, Some(1), "{}", output.said);
    assert!(
        output.said.contains("/nonexistent/rolecall.yaml"),
        "{}",
        output.said
    );
}

#[test]
fn a_wrong_usage_is_exit_code_two() {
    for arguments in [&["no-such-command"][..], &["run", "--no-such-flag"], &[]] {
        let output = run_to_end(arguments);
        assert_eq!(output.code, Some(2), "{arguments:?}: {}", output.said);
    }
}

#[test]
fn the_password_is_not_shown_with_an_offending_line() {
    let text = TYPO.replace(
        "check: { intervall: 500ms }",
        "auth: { usernam: rolecall, password: hunter2hunter2 }",
    );
    let (told, path) = refused(&text);
    assert!(told.contains(&format!("{path}:5:")), "{told}");
    assert!(!told.contains("hunter2"), "the secret is shown:\n{told}");
}

#[test]
fn variables_and_password_files_give_the_secret() {
    let node = RedisNode::builder("redis-1")
        .password("from-outside")
        .start();
    let by_variable = Topology::standard(&[&node])
        .group("auth: { password: \"${ROLECALL_TEST_PASSWORD}\" }")
        .env("ROLECALL_TEST_PASSWORD", "from-outside");
    let by_default = Topology::standard(&[&node])
        .group("auth: { password: \"${ROLECALL_TEST_UNSET:-from-outside}\" }");
    let dir = TempDir::new().expect("a temporary directory");
    let file = dir.path().join("password");
    fs::write(&file, "from-outside\n").expect("write a file");
    let by_file = Topology::standard(&[&node]).group(&format!(
        "auth: {{ password_file: \"{}\" }}",
        file.display()
    ));
    for topology in [by_variable, by_default, by_file] {
        let proxy = topology.start();
        proxy.wait_primary("redis-1");
    }
}

#[test]
fn a_second_instance_on_the_same_address_is_told_who_holds_it() {
    let node = RedisNode::primary("redis-1");
    let address = free_address();
    // The same file altogether, so the same admin address too.
    let topology = Topology::new()
        .node(&node)
        .admin_at(free_address())
        .listener_at("redis-rw", address, "read-write", "");
    let first = topology.start();
    let mut second = topology.spawn();
    let status = second.wait_exit(SOON);
    assert_eq!(status.code(), Some(1), "{}", second.log());
    let log = second.log();
    assert!(log.contains(&address.to_string()), "{log}");
    assert!(
        log.contains(&first.pid().to_string()),
        "who holds it: {log}"
    );
    assert_eq!(
        first.node_of("redis-rw"),
        "redis-1",
        "the first is not disturbed"
    );
}

#[test]
fn an_address_that_some_other_program_holds() {
    let node = RedisNode::primary("redis-1");
    let mut proxy = Topology::new()
        .node_at("redis-1", &free_address().to_string())
        .listener_at("redis-rw", node.address(), "read-write", "")
        .spawn();
    let status = proxy.wait_exit(SOON);
    assert_eq!(status.code(), Some(1), "{}", proxy.log());
    assert!(
        proxy.log().contains(&node.address().to_string()),
        "{}",
        proxy.log()
    );
}

#[test]
fn a_unix_socket_left_by_a_crash_is_taken_over_and_a_living_one_is_not() {
    let node = RedisNode::primary("redis-1");
    let dir = TempDir::new().expect("a temporary directory");
    let socket = dir.path().join("rw.sock");
    let unix = format!("unix:{}", socket.display());
    let topology = || {
        let (one, more) = (free_address(), [unix.as_str()]);
        Topology::new()
            .node(&node)
            .listener_bound("redis-rw", one, &more, "read-write", "")
    };
    let mut crashed = topology().start();
    crashed.signal("KILL");
    crashed.wait_exit(SOON);
    assert!(socket.exists(), "a crash leaves it there");

    let _heir = topology().start();
    assert_eq!(
        common::client::Client::connect_unix(&socket).node(),
        "redis-1"
    );
    let mut second = topology().spawn();
    assert_eq!(second.wait_exit(SOON).code(), Some(1), "{}", second.log());
    assert_eq!(
        common::client::Client::connect_unix(&socket).node(),
        "redis-1"
    );
}

#[test]
fn r1_an_address_of_our_own_listener_is_no_node() {
    let address = free_address();
    let mut proxy = Topology::new()
        .node_at("redis-1", &address.to_string())
        .listener_at("redis-rw", address, "read-write", "")
        .spawn();
    assert_eq!(proxy.wait_exit(SOON).code(), Some(1), "{}", proxy.log());
    assert!(proxy.log().contains("redis-1"), "{}", proxy.log());
}
