//! `run --watch`: a configuration that changes is read again, without a signal.

#![expect(
    clippy::expect_used,
    reason = "a test fails by panicking, in its helpers too"
)]

#[cfg(test)]
#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use common::redis::{RedisNode, redis_group};
use common::rolecall::Rolecall;
use common::topology::Topology;
use common::{SOON, eventually, throughout};

/// Some looks of the watcher: what it does not do meanwhile it does not do.
const SOME_LOOKS: Duration = Duration::from_secs(4);

fn lines(proxy: &Rolecall, words: &str) -> usize {
    proxy.log().matches(words).count()
}

/// Puts another version in place as the kubelet does: a directory of its own, a new link to it, and a
/// rename over the old link.
fn publish(dir: &Path, version: &str, text: &str) {
    let own = format!("..{version}");
    fs::create_dir(dir.join(&own)).expect("a directory");
    fs::write(dir.join(&own).join("rolecall.yaml"), text).expect("write a version");
    symlink(&own, dir.join("..data_tmp")).expect("a link");
    fs::rename(dir.join("..data_tmp"), dir.join("..data")).expect("swap the link");
}

#[test]
fn a_swapped_link_reloads_as_with_a_config_map() {
    let [a, b] = redis_group(["redis-1", "redis-2"]);
    let before = Topology::standard(&[&a, &b]).argument("--watch");
    let proxy = before.start();
    proxy.wait_primary("redis-1");
    let mut session = proxy.client("redis-rw");
    assert_eq!(session.node(), "redis-1");

    // The file becomes a link to what it said before: nothing has changed.
    let path = proxy.config_path();
    let dir = path.parent().expect("a directory");
    publish(dir, "v1", &before.yaml(proxy.admin()));
    symlink("..data/rolecall.yaml", dir.join("rolecall.tmp")).expect("a link");
    fs::rename(dir.join("rolecall.tmp"), &path).expect("replace the file");
    throughout(SOME_LOOKS, "nothing is read again", || {
        lines(&proxy, "reloaded") == 0
    });

    let after = before.group("stale_reads: 10s");
    publish(dir, "v2", &after.yaml(proxy.admin()));
    proxy.wait_log(&["reloaded", "stale_reads: 1m -> 10s"]);
    proxy.wait_metric("rolecall_config_last_reload_successful", &[], 1.0);
    assert_eq!(session.node(), "redis-1", "sessions stay");
}

#[test]
fn a_bad_file_changes_nothing_and_is_tried_once() {
    let [a, b] = redis_group(["redis-1", "redis-2"]);
    let topology = Topology::standard(&[&a, &b]).argument("--watch");
    let proxy = topology.start();
    proxy.wait_primary("redis-1");
    let refused = || lines(&proxy, "refused, the running one stays");

    proxy.write_config("groups: { main: { nodez: {} } }\n");
    proxy.wait_log(&["refused, the running one stays"]);
    proxy.wait_metric("rolecall_config_last_reload_successful", &[], 0.0);
    throughout(SOME_LOOKS, "it is refused once", || refused() == 1);
    assert_eq!(proxy.node_of("redis-rw"), "redis-1");

    // A file that is gone is one more that is refused.
    fs::remove_file(proxy.config_path()).expect("remove the file");
    eventually(SOON, "its absence is told", || refused() == 2);
    throughout(SOME_LOOKS, "it is told once", || refused() == 2);
    assert_eq!(proxy.node_of("redis-rw"), "redis-1");

    proxy.write_config(&topology.group("stale_reads: 10s").yaml(proxy.admin()));
    proxy.wait_log(&["reloaded", "stale_reads: 1m -> 10s"]);
    proxy.wait_metric("rolecall_config_last_reload_successful", &[], 1.0);
}

#[test]
fn another_password_in_its_file_is_taken() {
    let dir = common::scratch();
    let secret = dir.path().join("password");
    fs::write(&secret, "wrong\n").expect("write the password");
    let node = RedisNode::builder("redis-1").password("right").start();
    let proxy = Topology::standard(&[&node])
        .group(&format!(
            "auth: {{ password_file: \"{}\" }}",
            secret.display()
        ))
        .argument("--watch")
        .start_unready();
    proxy.wait_log(&["refused the password"]);
    fs::write(&secret, "right\n").expect("write the password");
    proxy.wait_log(&["reloaded", "auth changed"]);
    proxy.wait_primary("redis-1");
}

#[test]
fn without_it_a_change_waits_for_a_signal() {
    let node = RedisNode::primary("redis-1");
    let topology = Topology::standard(&[&node]);
    let proxy = topology.start();
    proxy.wait_primary("redis-1");
    proxy.write_config(&topology.group("stale_reads: 10s").yaml(proxy.admin()));
    throughout(SOME_LOOKS, "nothing is read again", || {
        lines(&proxy, "reloaded") == 0
    });
    proxy.signal("HUP");
    proxy.wait_log(&["reloaded", "stale_reads: 1m -> 10s"]);
}
