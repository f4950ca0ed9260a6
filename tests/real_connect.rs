//! `check --connect` against real groups, well and in every kind of trouble.

#[cfg(test)]
#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use std::net::{SocketAddr, TcpListener};

use rolecall::api::{FindingSeverity, Serves};

use common::cli::run_apart;
use common::client::Reply;
use common::fake::{Answers, BlackHole, FakeNode};
use common::net::free_address;
use common::redis::{RedisNode, redis_group, redis_group_with};
use common::scripted::{Script, Scripted};
use common::sentinel::sentinels;
use common::survey::{CHECK, addresses, ask, page, patient, status_of, watched_by};
use common::topology::Topology;
use common::wire::Wire;
use common::{SOON, eventually, poll};

const NODES: [&str; 3] = ["redis-1", "redis-2", "redis-3"];

#[test]
fn a_group_that_is_well() {
    let [a, b, c] = redis_group(NODES);
    let local = RedisNode::replica("redis-local", &a);
    let sentinels = sentinels(3, &a, 3);
    let topology = [&a, &b, &c]
        .into_iter()
        .fold(Topology::new(), Topology::node)
        .local(&local)
        .usual_listeners()
        .group(CHECK)
        .group(&watched_by(&addresses(&sentinels), ""));
    let asked = ask(&topology);
    assert_eq!(asked.wrong(), []);
    assert_eq!(asked.kinds(FindingSeverity::Hint), [], "{}", asked.json);
    let group = &asked.survey.groups[0];
    assert_eq!(group.primary.as_deref(), Some("redis-1"));
    assert_eq!(asked.node("redis-1").text, "takes writes");
    for name in ["redis-2", "redis-3", "redis-local"] {
        let node = asked.node(name);
        assert_eq!(
            (node.text.as_str(), node.serves),
            ("standing by", Serves::Reads)
        );
        // The Sentinels write to the stream all the time, so it need not be 0.
        assert!(
            node.link_up == Some(true) && node.lag_bytes.is_some(),
            "{node:?}"
        );
        assert_eq!(
            node.follows.as_deref(),
            Some(a.address().to_string().as_str())
        );
        assert_eq!(
            node.product.as_deref(),
            asked.node("redis-1").product.as_deref()
        );
        let version = node.version.as_deref().unwrap_or_default();
        assert!(
            version.starts_with(|c: char| c.is_ascii_digit()),
            "{version}"
        );
    }
    for sentinel in &group.sentinels {
        assert_eq!(sentinel.node.as_deref(), Some("redis-1"), "{sentinel:?}");
        assert_eq!((sentinel.replicas, sentinel.sentinels), (Some(3), Some(2)));
    }
    assert_eq!(asked.serving("redis-rw"), ["redis-1"]);
    assert_eq!(asked.serving("redis-ro"), ["redis-2", "redis-3"]);
    assert_eq!(asked.serving("redis-local-ro"), ["redis-local"]);
    assert!(asked.survey.took_seconds <= asked.survey.deadline_seconds + 1.0);

    let page = page(&topology);
    assert_eq!((page.code, page.err.as_str()), (Some(0), ""));
    for words in [
        "standing by",
        "takes writes",
        "names redis-1",
        "nothing is wrong",
    ] {
        assert!(page.out.contains(words), "no {words:?} in\n{}", page.out);
    }
    assert!(
        !page.out.contains('\u{1b}'),
        "no colours without a terminal"
    );
    for line in page.out.lines() {
        let width = line.chars().count();
        // The first line names a file whose path is as long as it is.
        assert!(width <= 80 || line.contains('/'), "{width} columns: {line}");
    }
}

#[test]
fn a_listener_would_choose_what_a_running_proxy_chooses() {
    let [mut a, b, mut c] = redis_group(NODES);
    let topology = patient(&[&a, &b, &c]);
    let proxy = topology.start();
    let same = |what: &str| {
        eventually(SOON * 2, what, || {
            let asked = ask(&topology).survey;
            let running = status_of(&proxy);
            let pairs = asked.listeners.iter().zip(&running.listeners);
            pairs
                .into_iter()
                .all(|(asked, running)| asked.serving == running.serving)
        });
    };
    same("in a healthy group");
    let found = ask(&topology).survey.findings;
    let held = |kind: &str| kind == "address-held";
    assert!(!found.iter().any(|each| held(&each.kind)), "{found:?}");
    c.kill9();
    same("with a replica dead");
    c.restart();
    c.wait_in_sync();
    a.kill9();
    same("with the primary dead");
    let asked = ask(&topology);
    assert!(
        asked.wrong().contains(&("main", "no-primary")),
        "{}",
        asked.json
    );
    assert!(
        asked.wrong().contains(&("redis-rw", "nobody-serves")),
        "{}",
        asked.json
    );
    assert_eq!(
        asked.serving("redis-ro"),
        ["redis-2", "redis-3"],
        "reads go on"
    );
    b.promote();
    same("with a replica promoted");
    assert_eq!(ask(&topology).serving("redis-rw"), ["redis-2"]);
}

#[test]
fn a_password_that_is_missing_wrong_or_weak_is_told_apart_and_never_shown() {
    let locked = RedisNode::builder("redis-1").password("right-one").start();
    let open = patient(&[&locked]);
    assert_eq!(ask(&open).wrong()[0], ("redis-1", "password-wanted"));

    let with = |auth: &str| patient(&[&locked]).group(&format!("auth: {auth}"));
    let asked = ask(&with("{ password: wrong-secret }"));
    assert_eq!(asked.wrong()[0], ("redis-1", "wrong-password"));
    assert!(
        asked.finding("wrong-password").advice.contains("auth"),
        "{}",
        asked.json
    );
    assert!(!asked.json.contains("wrong-secret"), "{}", asked.json);
    let shown = page(&with("{ password: wrong-secret }"));
    assert_eq!(shown.code, Some(1));
    assert!(!(shown.out + &shown.err).contains("wrong-secret"));

    assert_eq!(ask(&with("{ password: right-one }")).wrong(), []);
    locked.must(&["ACL", "SETUSER", "weak", "on", ">weak-secret", "+ping"]);
    let asked = ask(&with("{ username: weak, password: weak-secret }"));
    assert_eq!(asked.wrong()[0], ("redis-1", "no-permission"));
    assert!(asked.finding("no-permission").advice.contains("+info"));
    assert!(!asked.json.contains("weak-secret"), "{}", asked.json);
}

#[test]
fn a_password_that_nobody_wants_is_no_trouble() {
    let [a, b] = redis_group(["redis-1", "redis-2"]);
    let asked = ask(&patient(&[&a, &b]).group("auth: { password: unneeded }"));
    assert_eq!(asked.wrong(), []);
}

#[test]
fn what_is_not_redis_is_quoted() {
    let [a, b] = redis_group(["redis-1", "redis-2"]);
    let web = FakeNode::start(Answers::Http);
    let topology = patient(&[&a, &b]).node_at("web", &web.address().to_string());
    let asked = ask(&topology);
    assert_eq!(asked.wrong(), [("web", "not-redis")]);
    let said = &asked.finding("not-redis").text;
    assert!(said.contains("it answered HTTP/1.1 400"), "{said}");

    let odd = FakeNode::start(Answers::WrongReplies);
    let topology = patient(&[&a, &b]).node_at("odd", &odd.address().to_string());
    assert_eq!(ask(&topology).wrong(), [("odd", "bad-reply")]);
}

#[test]
fn nodes_that_do_not_answer_are_told_apart() {
    let [a, b, c] = redis_group(NODES);
    c.stop();
    let hole = BlackHole::new();
    let topology = patient(&[&a, &b, &c])
        .node_at("nobody", &free_address().to_string())
        .node_at("hole", &hole.address.to_string())
        .node_at("nameless", "no-such-host.invalid:6379")
        .node_at("file", "unix:/nonexistent/redis.sock");
    let asked = ask(&topology);
    assert_eq!(
        asked.wrong(),
        [
            ("redis-3", "no-answer"),
            ("nobody", "refused"),
            ("hole", "no-connection"),
            ("nameless", "unresolved"),
            ("file", "refused"),
        ]
    );
    // The others vote, so the group has a primary all the same.
    assert_eq!(asked.serving("redis-rw"), ["redis-1"]);
    assert_eq!(asked.serving("redis-ro"), ["redis-2"]);
    assert!(asked.finding("refused").text.contains("nobody listens at"));
    assert!(asked.survey.deadline_seconds < 10.0, "{}", asked.json);
    c.cont();
    c.wait_in_sync();
    let asked = ask(&patient(&[&a, &b, &c]));
    assert_eq!(asked.wrong(), []);
}

#[test]
fn cluster_mode_is_named() {
    let node = RedisNode::builder("redis-1")
        .option("cluster-enabled", "yes")
        .start();
    let asked = ask(&patient(&[&node]));
    assert!(
        asked.wrong().contains(&("redis-1", "cluster-mode")),
        "{}",
        asked.json
    );
}

#[test]
fn two_primaries_that_nothing_decides_between() {
    let [a, _c] = redis_group(["redis-1", "stranger-1"]);
    let [b, _d] = redis_group(["redis-2", "stranger-2"]);
    let asked = ask(&patient(&[&a, &b]).group("claim_hold: 500ms"));
    let wrong = asked.wrong();
    assert!(wrong.contains(&("main", "two-primaries")), "{wrong:?}");
    assert!(wrong.contains(&("redis-rw", "nobody-serves")), "{wrong:?}");
    assert!(
        asked
            .finding("two-primaries")
            .text
            .contains("nothing tells who is right")
    );
    assert_eq!(asked.survey.groups[0].primary, None);
}

#[test]
fn replicas_of_others_and_of_another_history() {
    let [a, b, c, d] = redis_group(["redis-1", "redis-2", "redis-3", "redis-7"]);
    let [rival, follower] = redis_group(["redis-4", "redis-5"]);
    let stranger = RedisNode::primary("stranger");
    let lost = RedisNode::replica("redis-6", &stranger);
    let asked = ask(&patient(&[&a, &b, &c, &d, &rival, &follower, &lost]));
    assert_eq!(
        asked.wrong(),
        [
            ("redis-5", "other-history"),
            ("redis-6", "follows-stranger"),
            ("main", "two-primaries"),
        ]
    );
    let place = stranger.address().to_string();
    assert!(asked.finding("follows-stranger").text.contains(&place));
    assert!(
        asked
            .finding("two-primaries")
            .text
            .contains("redis-1 would get the writes")
    );
}

#[test]
fn a_replica_whose_link_is_down() {
    let primary = RedisNode::builder("redis-1").password("right-one").start();
    let replica = RedisNode::builder("redis-2")
        .option("requirepass", "right-one")
        .replica_of(primary.address())
        .start();
    let topology = patient(&[&primary, &replica]).group("auth: { password: right-one }");
    // Refused, it tries again and again, and says for moments that it is in a full sync.
    let syncs = ("redis-2", "syncing");
    let asked = poll(SOON, "the link is down", || {
        let asked = ask(&topology);
        let between = !asked.kinds(FindingSeverity::Hint).contains(&syncs);
        between.then_some(asked)
    });
    assert_eq!(asked.wrong(), [("redis-2", "link-down")]);
    assert!(
        asked
            .finding("link-down")
            .text
            .contains("never been in sync")
    );
    assert!(asked.finding("link-down").advice.contains("masterauth"));
}

#[test]
fn one_process_behind_two_addresses() {
    let [a, b] = redis_group(["redis-1", "redis-2"]);
    let socket = format!("unix:{}", b.socket().display());
    let asked = ask(&patient(&[&a, &b]).node_at("twin", &socket));
    assert_eq!(asked.wrong(), [("twin", "same-process")]);
}

#[test]
fn a_replica_beyond_max_lag() {
    let primary = RedisNode::primary("redis-1");
    let wire = Wire::to(primary.address());
    let behind = RedisNode::builder("redis-2")
        .replica_of(wire.address())
        .option("repl-timeout", "600")
        .start();
    behind.wait_in_sync();
    let fresh = RedisNode::replica("redis-3", &primary);
    wire.cut();
    primary.must(&["SET", "key", &"x".repeat(1000)]);
    fresh.wait_caught_up(&primary);
    let topology = patient(&[&primary, &behind, &fresh]);
    let asked = ask(&topology.clone().group("max_lag: { bytes: 64B }"));
    assert_eq!(asked.wrong(), [("redis-2", "max-lag")]);
    assert!(
        asked.node("redis-2").lag_bytes >= Some(1000),
        "{}",
        asked.json
    );
    assert_eq!(asked.serving("redis-ro"), ["redis-3"]);
    let asked = ask(&topology);
    assert_eq!(asked.wrong(), [], "without a limit it is shown and no more");
    assert!(
        asked.node("redis-2").lag_bytes >= Some(1000),
        "{}",
        asked.json
    );
}

#[test]
fn old_versions_and_other_products() {
    let old = Scripted::start(Script::primary("redis_version:3.2.12"));
    let one = |address: SocketAddr| {
        Topology::new()
            .node_at("redis-1", &address.to_string())
            .usual_listeners()
            .group(CHECK)
    };
    let asked = ask(&one(old.address()));
    assert_eq!(asked.wrong(), [], "{}", asked.json);
    assert_eq!(
        asked.kinds(FindingSeverity::Hint),
        [("redis-1", "old-version")]
    );
    let asked = ask(&one(old.address()).group("max_lag: { bytes: 1MiB }"));
    assert_eq!(asked.wrong(), [("redis-1", "old-version")]);

    let knows_no_users = Script::primary("redis_version:5.0.14")
        .auth("-ERR wrong number of arguments for 'auth' command\r\n");
    let old = Scripted::start(knows_no_users);
    let asked = ask(&one(old.address()).group("auth: { username: u, password: p-secret }"));
    assert_eq!(asked.wrong()[0], ("redis-1", "wrong-password"));
    assert!(
        asked.finding("wrong-password").advice.contains("username"),
        "{}",
        asked.json
    );

    let info = "redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.0.1";
    let valkey = Scripted::start(Script::primary(info));
    let asked = ask(&one(valkey.address()));
    assert_eq!(asked.wrong(), []);
    let node = asked.node("redis-1");
    let said = (node.product.as_deref(), node.version.as_deref());
    assert_eq!(said, (Some("valkey"), Some("8.0.1")));

    let handing = Script::primary("redis_version:7.0.0").replication(
        "role:master\r\nconnected_slaves:1\r\nmaster_repl_offset:10\r\n\
         master_failover_state:waiting-for-sync\r\nmaster_replid:aa\r\n",
    );
    let handing = Scripted::start(handing);
    let asked = ask(&one(handing.address()));
    assert_eq!(asked.finding("hands-over").about, "redis-1");
    assert_eq!(asked.wrong()[0].1, "nobody-serves", "while it lasts");
}

#[test]
fn addresses_that_another_program_holds_are_a_hint() {
    let node = RedisNode::primary("redis-1");
    let held = free_address();
    let _holder = TcpListener::bind(held).expect("hold an address");
    let topology = |address| {
        Topology::new()
            .node(&node)
            .group(CHECK)
            .listener_at("redis-rw", address, "read-write", "")
    };
    let asked = ask(&topology(held));
    assert_eq!(asked.wrong(), []);
    let told = &asked.finding("address-held").text;
    assert!(
        told.contains(&held.to_string()) && told.contains("pid"),
        "{told}"
    );

    // An address of documentation (RFC 5737), which no host has.
    let asked = ask(&topology("192.0.2.1:6379".parse().expect("an address")));
    assert_eq!(asked.wrong(), [("redis-rw", "cannot-listen")]);
}

#[test]
fn a_listener_with_nobody_to_serve_it() {
    let node = RedisNode::primary("redis-1");
    let topology = Topology::new()
        .node(&node)
        .local_at("redis-local", free_address())
        .group(CHECK)
        .listener("redis-rw", "read-write", "")
        .listener("redis-local-ro", "local-read-only", "");
    let asked = ask(&topology);
    assert_eq!(
        asked.wrong(),
        [
            ("redis-local", "refused"),
            ("redis-local-ro", "nobody-serves")
        ]
    );
    let page = page(&topology);
    assert_eq!(page.code, Some(1));
    assert!(
        page.out.contains("WRONG  redis-local refused"),
        "{}",
        page.out
    );
    assert!(page.out.contains("2 things are wrong"), "{}", page.out);
}

#[test]
fn nothing_is_written_and_no_connection_is_left() {
    let [a, b] = redis_group_with(["redis-1", "redis-2"], &[("save", "\"\"")]);
    let watching = sentinels(1, &a, 1);
    let clients = |node: &RedisNode| {
        let Reply::Bulk(Some(list)) = node.must(&["CLIENT", "LIST", "TYPE", "NORMAL"]) else {
            panic!("no list of clients");
        };
        let text = String::from_utf8_lossy(&list).into_owned();
        // Sentinels name their connections, and come and go as they like.
        text.lines().filter(|line| line.contains(" name= ")).count()
    };
    let before = [clients(&a), clients(&b)];
    for node in [&a, &b] {
        node.must(&["CONFIG", "RESETSTAT"]);
    }
    let asked = ask(&patient(&[&a, &b]).group(&watched_by(&addresses(&watching), "")));
    assert_eq!(asked.wrong(), []);
    for node in [&a, &b] {
        let Reply::Bulk(Some(stats)) = node.must(&["INFO", "commandstats"]) else {
            panic!("no statistics");
        };
        let stats = String::from_utf8_lossy(&stats).into_owned();
        let used = stats
            .lines()
            .filter_map(|line| line.strip_prefix("cmdstat_"));
        let used: Vec<&str> = used.filter_map(|line| line.split(':').next()).collect();
        // PUBLISH and SUBSCRIBE are the Sentinel's, REPLCONF and PSYNC a replica's, CONFIG and CLIENT this test's.
        let others = [
            "publish",
            "subscribe",
            "replconf",
            "psync",
            "config",
            "client",
        ];
        let strange = used.iter().filter(|word| {
            let command = word.split('|').next().unwrap_or_default();
            !["info", "ping"].contains(&command) && !others.contains(&command)
        });
        assert_eq!(strange.count(), 0, "{stats}");
        assert!(used.contains(&"info"));
    }
    eventually(SOON, "no connection is left", || {
        [clients(&a), clients(&b)] == before
    });
}

#[test]
fn wrong_usage_is_exit_code_two() {
    for arguments in [
        &["check", "--connect"][..],
        &["check", "-c", "x.yaml", "--json"],
        &["check", "--ready", "http://127.0.0.1:1/readyz", "--connect"],
    ] {
        let told = run_apart(arguments, &[]);
        assert_eq!(told.code, Some(2), "{arguments:?}: {}", told.err);
    }
    let told = run_apart(
        &["check", "-c", "/nonexistent/rolecall.yaml", "--connect"],
        &[],
    );
    assert_eq!(told.code, Some(1), "{}", told.err);
}
