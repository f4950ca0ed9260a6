//! `init`: configurations drafted from real groups, which must load and be found well.

#[cfg(test)]
#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use std::fs;
use std::path::Path;

use rolecall::config::model::Address;

use common::cli::run_apart;
use common::drafted::init;
use common::fake::{Answers, FakeNode};
use common::net::free_address;
use common::redis::{RedisNode, redis_group};
use common::sentinel::{MASTER_NAME, sentinels};
use common::{SOON, eventually, scratch};

const NODES: [&str; 3] = ["redis-1", "redis-2", "redis-3"];

fn at(node: &RedisNode) -> String {
    node.address().to_string()
}

#[test]
fn one_node_is_enough() {
    let [a, b, c] = redis_group(NODES);
    let by_number = |nodes: &[&RedisNode]| {
        let mut all: Vec<_> = nodes.iter().map(|node| node.address()).collect();
        all.sort();
        all.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    for (asked, others) in [(&a, [&b, &c]), (&b, [&a, &c])] {
        let written = init(&[&at(asked)], &[]);
        written.is_well(&[]);
        let mut expected = vec![at(asked)];
        expected.extend(by_number(&others));
        assert_eq!(written.nodes(), expected, "named first, then by number");
    }
    let written = init(&[&at(&b)], &[]);
    let (from_replica, from_primary) = (
        format!("{}: primary, ", at(&a)),
        format!("learned from its primary {}", at(&a)),
    );
    assert!(
        written.told.err.contains(&from_replica),
        "{}",
        written.told.err
    );
    assert!(
        written.told.err.contains(&from_primary),
        "{}",
        written.told.err
    );
    let config = written.config(&[]);
    assert_eq!(&*config.groups[0].name, "main");
    let names: Vec<&str> = config.groups[0]
        .nodes
        .iter()
        .map(|node| &*node.name)
        .collect();
    assert_eq!(names, NODES);
    let listeners: Vec<&str> = config.listeners.iter().map(|each| &*each.name).collect();
    assert_eq!(listeners, ["redis-rw", "redis-ro"]);
    assert!(config.admin.http.is_some() && config.admin.socket.is_some());
    assert!(config.groups[0].auth.is_none() && config.groups[0].sentinel.is_none());
}

#[test]
fn without_a_file_it_goes_to_standard_output() {
    let node = RedisNode::primary("redis-1");
    let told = run_apart(&["init", &at(&node)], &[]);
    assert_eq!(told.code, Some(0), "{}", told.err);
    assert!(
        told.out.starts_with("# Written by rolecall init"),
        "{}",
        told.out
    );
    assert!(
        told.out.contains(&format!("redis-1: {}", at(&node))),
        "{}",
        told.out
    );
    let no_file = |_: &Path| Err(std::io::ErrorKind::NotFound.into());
    rolecall::config::parse(&told.out, "stdout", &|_| None, &no_file).expect("it loads");
}

#[test]
fn a_sentinel_names_the_group_the_nodes_and_the_other_sentinels() {
    let [a, b, c] = redis_group(NODES);
    let watching = sentinels(3, &a, 2);
    let first = watching[0].address().to_string();
    let written = init(&["--sentinel", &first], &[]);
    written.is_well(&[]);
    let mut expected: Vec<_> = [&a, &b, &c].map(RedisNode::address).to_vec();
    expected.sort();
    let expected: Vec<String> = expected.iter().map(ToString::to_string).collect();
    assert_eq!(written.nodes(), expected);
    let config = written.config(&[]);
    assert_eq!(&*config.groups[0].name, MASTER_NAME);
    let sentinel = config.groups[0].sentinel.as_ref().expect("Sentinels");
    assert_eq!(&*sentinel.name, MASTER_NAME);
    let mut known: Vec<String> = sentinel.addresses.iter().map(ToString::to_string).collect();
    assert_eq!(known[0], first, "the named one first");
    known.sort();
    let mut all: Vec<String> = watching
        .iter()
        .map(|each| each.address().to_string())
        .collect();
    all.sort();
    assert_eq!(known, all);

    let monitors = [a.address().ip().to_string(), a.address().port().to_string()];
    watching[0].cmd(&[
        "SENTINEL",
        "MONITOR",
        "another",
        &monitors[0],
        &monitors[1],
        "2",
    ]);
    let told = run_apart(&["init", "--sentinel", &first], &[]);
    assert_eq!((told.code, told.out.as_str()), (Some(1), ""));
    assert!(
        told.err.contains("another") && told.err.contains("--name"),
        "{}",
        told.err
    );
    let named = init(&["--sentinel", &first, "--name", MASTER_NAME], &[]);
    named.is_well(&[]);
    let wrong = init(&["--sentinel", &first, "--name", "no-such-name"], &[]);
    assert_eq!(wrong.told.code, Some(1));
    assert!(wrong.told.err.contains("it watches"), "{}", wrong.told.err);
}

#[test]
fn a_password_is_used_and_not_written() {
    let secret = "hunter2-hunter2";
    let a = RedisNode::builder("redis-1").password(secret).start();
    let b = RedisNode::builder("redis-2")
        .password(secret)
        .replica_of(a.address())
        .start();
    b.wait_in_sync();
    let told = run_apart(&["init", &at(&b)], &[]);
    assert_eq!((told.code, told.out.as_str()), (Some(1), ""));
    assert!(
        told.err.contains("wants a password: set REDIS_PASSWORD"),
        "{}",
        told.err
    );

    let env = [("REDIS_PASSWORD", secret)];
    let written = init(&[&at(&b)], &env);
    written.is_well(&env);
    assert!(
        written.text().contains("${REDIS_PASSWORD}"),
        "{}",
        written.text()
    );
    let auth = written.config(&env).groups[0].auth.clone().expect("auth");
    assert_eq!(auth.password.expose(), secret);

    let dir = scratch();
    let file = dir.path().join("the password $1");
    fs::write(&file, format!("{secret}\n")).expect("write a file");
    let by_file = init(
        &[&at(&b), "--password-file", file.to_str().expect("UTF-8")],
        &[],
    );
    by_file.is_well(&[]);
    a.must(&[
        "ACL",
        "SETUSER",
        "checker",
        "on",
        &format!(">{secret}"),
        "+ping",
        "+info",
    ]);
    b.must(&[
        "ACL",
        "SETUSER",
        "checker",
        "on",
        &format!(">{secret}"),
        "+ping",
        "+info",
    ]);
    let by_user = init(&[&at(&b), "--user", "checker"], &env);
    by_user.is_well(&env);
    let user = by_user.config(&env).groups[0]
        .auth
        .clone()
        .expect("auth")
        .username;
    assert_eq!(user.as_deref(), Some("checker"));
    for each in [&written, &by_file, &by_user] {
        let all = each.text() + &each.told.err;
        assert!(!all.contains(secret), "{all}");
    }
    let wrong = init(&[&at(&b)], &[("REDIS_PASSWORD", "not-it-at-all")]);
    assert_eq!(wrong.told.code, Some(1));
    assert!(
        wrong.told.err.contains("refuses the password"),
        "{}",
        wrong.told.err
    );
    assert!(
        !wrong.told.err.contains("not-it-at-all"),
        "{}",
        wrong.told.err
    );
    let alone = init(&[&at(&b), "--user", "checker"], &[]);
    assert_eq!(alone.told.code, Some(1), "{}", alone.told.err);
}

#[test]
fn a_file_that_is_there_is_kept_without_force() {
    let node = RedisNode::primary("redis-1");
    let written = init(&[&at(&node)], &[]);
    written.is_well(&[]);
    let path = written.file.to_str().expect("UTF-8");
    fs::write(&written.file, "precious").expect("write a file");
    let refused = run_apart(&["init", &at(&node), "-o", path], &[]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains("--force"), "{}", refused.err);
    assert_eq!(written.text(), "precious");
    let forced = run_apart(&["init", &at(&node), "-o", path, "--force"], &[]);
    assert_eq!(forced.code, Some(0), "{}", forced.err);
    assert!(written.text().contains(&at(&node)), "{}", written.text());
    let nowhere = written.dir.path().join("missing/rolecall.yaml");
    let nowhere = nowhere.to_str().expect("UTF-8");
    let failed = run_apart(&["init", &at(&node), "-o", nowhere], &[]);
    assert_eq!(failed.code, Some(1), "{}", failed.err);
}

#[test]
fn an_announced_address_that_leads_nowhere_is_left_out_and_said() {
    let a = RedisNode::primary("redis-1");
    let wrong_port = free_address().port().to_string();
    let b = RedisNode::builder("redis-2")
        .option("replica-announce-port", &wrong_port)
        .replica_of(a.address())
        .start();
    b.wait_in_sync();
    let announced = format!("{}:{wrong_port}", b.address().ip());
    eventually(SOON, "the primary lists it", || {
        a.info("replication", "slave0").contains(&wrong_port)
    });
    let written = init(&[&at(&a)], &[]);
    written.is_well(&[]);
    assert_eq!(written.nodes(), [at(&a)]);
    let line = format!("# left out: {announced} refused the connection");
    assert!(written.text().contains(&line), "{}", written.text());
    assert!(
        written.told.err.contains("left out"),
        "{}",
        written.told.err
    );
}

#[test]
fn a_named_node_that_does_not_answer_stays_and_what_is_no_node_does_not() {
    let [a, b] = redis_group(["redis-1", "redis-2"]);
    let dead = free_address().to_string();
    let web = FakeNode::start(Answers::Http);
    let watching = sentinels(1, &a, 1);
    let (web, sentinel) = (web.address().to_string(), watching[0].address().to_string());
    let written = init(&[&at(&a), &dead, &web, &sentinel, &at(&b)], &[]);
    assert_eq!(written.told.code, Some(1), "{}", written.told.err);
    assert_eq!(written.nodes(), [at(&a), dead.clone(), at(&b)]);
    for words in [
        format!("{dead} refused the connection"),
        format!("{web} is not Redis (it answered HTTP/1.1 400"),
        format!("{sentinel} is a Sentinel: name it with --sentinel"),
    ] {
        let line = format!("WRONG  {words}");
        assert!(
            written.told.err.contains(&line),
            "no {line}:\n{}",
            written.told.err
        );
    }
    let nobody = init(&[&dead, &web], &[]);
    assert_eq!(nobody.told.code, Some(1));
    assert!(
        nobody.told.err.contains("no node answered"),
        "{}",
        nobody.told.err
    );
    assert!(!nobody.file.exists());
}

#[test]
fn one_process_is_written_once_and_a_unix_socket_is_a_node() {
    let [a, b] = redis_group(["redis-1", "redis-2"]);
    let socket = format!("unix:{}", b.socket().display());
    let written = init(&[&socket], &[]);
    written.is_well(&[]);
    assert_eq!(written.nodes(), [socket, at(&a)]);
    let config = written.config(&[]);
    assert!(matches!(
        config.groups[0].nodes[0].address,
        Address::Unix(_)
    ));
    assert!(
        written.text().contains("is the same process as"),
        "{}",
        written.text()
    );
}

#[test]
fn wrong_usage_is_exit_code_two() {
    for arguments in [
        &["init"][..],
        &["init", "10.1.1.1:70000"],
        &["init", "redis://10.1.1.1"],
        &["init", "--name", "x", "10.1.1.1"],
        &["init", "--force", "10.1.1.1"],
    ] {
        let told = run_apart(arguments, &[]);
        assert_eq!(told.code, Some(2), "{arguments:?}: {}", told.err);
    }
}
