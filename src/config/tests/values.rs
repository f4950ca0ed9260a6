//! What a file that is right turns into.

use std::time::Duration;

use super::{file, good};
use crate::config::model::{
    Address, AdminConfig, Bind, CheckConfig, LogConfig, LogFormat, LogLevel, ParkConfig,
};
use crate::config::summary::summary;
use crate::core::chain::{Access, Members, Tier};
use crate::core::facts::HostPort;
use crate::core::ids::{GroupId, ListenerId, NodeId};

#[test]
fn the_defaults_are_those_of_the_manual() {
    let config = good(&file("", ""));
    let group = &config.groups[0];
    assert_eq!(
        group.check,
        CheckConfig {
            interval: Duration::from_millis(500),
            fast_interval: Duration::from_millis(50),
            timeout: Duration::from_millis(400),
            fall: 6,
            rise: 2,
        }
    );
    assert_eq!(group.claim_hold, Duration::from_secs(6));
    assert_eq!(group.stale_reads, Duration::from_secs(60));
    assert_eq!(
        (&group.auth, &group.max_lag, &group.sentinel),
        (&None, &None, &None)
    );
    assert_eq!((group.nodes[0].local, group.nodes[0].weight), (false, 1));
    let listener = &config.listeners[0];
    assert_eq!(listener.connect_timeout, Duration::from_secs(1));
    let park = ParkConfig {
        timeout: Duration::from_secs(10),
        max: 1024,
    };
    assert_eq!(listener.park, park);
    assert_eq!((listener.max_connections, listener.fallback), (None, None));
    assert_eq!(
        (listener.idle_timeout, listener.fallback_max_age),
        (None, None)
    );
    let none = AdminConfig {
        socket_mode: 0o600,
        ..AdminConfig::default()
    };
    assert_eq!(config.admin, none);
    assert_eq!(config.grace, Duration::from_secs(10));
    let cores = std::thread::available_parallelism().map_or(1, Into::into);
    assert_eq!(config.workers, cores);
    let log = LogConfig {
        format: LogFormat::Text,
        level: LogLevel::Info,
    };
    assert_eq!(config.log, log);
}

#[test]
fn every_value_arrives() {
    let group = "    auth: { username: u, password: \"${PASSWORD}\" }
    check: { interval: 1s, fast_interval: 20ms, timeout: 2s, fall: 3, rise: 1 }
    claim_hold: 1m30s
    max_lag: { bytes: 1KiB }
    stale_reads: 0s
    sentinel: { name: m, addresses: [\"h:${PORT}\"], discover: true, auth: { password_file: /secret } }
";
    let listeners = "  r:
    bind: [\"127.0.0.2:1\", \"[::1]:6379\", \"unix:/run/r.sock\"]
    access: read-only
    max_connections: 7
    idle_timeout: 1h
    connect_timeout: 2s
    park: { timeout: 2m, max: 0 }
    fallback_max_age: 5m
admin: { http: \"[::1]:9379\", socket: /run/a.sock, socket_mode: 0660, socket_owner: \"me:us\" }
workers: 3
grace: 0s
log: { format: json, level: trace }
";
    let text = file(group, listeners).replace(
        "access: read-write",
        "access: read-write, park: { timeout: 2m }",
    );
    let config = good(&text);
    let group = &config.groups[0];
    let auth = group.auth.as_ref().expect("auth");
    assert_eq!(
        (auth.username.as_deref(), auth.password.expose()),
        (Some("u"), "hunter2: #x")
    );
    assert_eq!((group.check.fall, group.check.rise), (3, 1));
    assert_eq!(group.check.timeout, Duration::from_secs(2));
    assert_eq!(group.claim_hold, Duration::from_secs(90));
    let lag = group.max_lag.expect("max_lag");
    assert_eq!((lag.bytes, lag.seconds), (Some(1024), None));
    assert_eq!(group.stale_reads, Duration::ZERO);
    let sentinel = group.sentinel.as_ref().expect("sentinel");
    assert_eq!(sentinel.addresses, [Address::Tcp(HostPort::new("h", 7000))]);
    assert!(sentinel.discover);
    assert_eq!(
        sentinel.auth.as_ref().map(|auth| auth.password.expose()),
        Some("from-file")
    );
    let listener = &config.listeners[1];
    let binds = [
        Bind::Tcp(([127, 0, 0, 2], 1).into()),
        Bind::Tcp("[::1]:6379".parse().expect("an address")),
        Bind::Unix("/run/r.sock".into()),
    ];
    assert_eq!(listener.binds, binds);
    assert_eq!((listener.max_connections, listener.park.max), (Some(7), 0));
    assert_eq!(listener.idle_timeout, Some(Duration::from_secs(3600)));
    assert_eq!(listener.connect_timeout, Duration::from_secs(2));
    assert_eq!(listener.fallback_max_age, Some(Duration::from_secs(300)));
    assert_eq!(config.admin.socket_mode, 0o660);
    assert_eq!(config.admin.socket_owner.as_deref(), Some("me:us"));
    assert_eq!((config.workers, config.grace), (3, Duration::ZERO));
    assert_eq!(
        (config.log.format, config.log.level),
        (LogFormat::Json, LogLevel::Trace)
    );
}

#[test]
fn a_password_is_the_text_that_was_written() {
    for (written, password) in [
        ("password: 0123", Some("0123")),
        ("password: 1e3", Some("1e3")),
        ("password: true", Some("true")),
        ("password: off", Some("off")),
        ("password: \"pa$$ss$word\"", Some("pa$ss$word")),
        ("password: \"${PASSWORD}\"", Some("hunter2: #x")),
        ("password: \"${NOPE:-}\"", None),
        ("password: \"${EMPTY}\"", None),
        ("password: \"\"", None),
        ("username: u, password: \"${EMPTY}\"", None),
        ("username: \"${EMPTY}\", password: p", Some("p")),
        ("password_file: /secret", Some("from-file")),
        ("password_file: /empty", None),
    ] {
        let config = good(&file(&format!("    auth: {{ {written} }}\n"), ""));
        let auth = config.groups[0].auth.as_ref();
        assert_eq!(
            auth.map(|auth| auth.password.expose()),
            password,
            "{written}"
        );
    }
}

#[test]
fn off_and_none_say_that_there_is_none() {
    let group = "    auth: none\n    max_lag: off\n    sentinel: none\n";
    let listeners = "  r: { bind: \"127.0.0.2:1\", access: read-only, max_connections: off, idle_timeout: off, fallback: none, backup: none, fallback_max_age: off }\nadmin: none\nworkers: auto\n";
    let plain = "  r: { bind: \"127.0.0.2:1\", access: read-only }\n";
    assert_eq!(good(&file(group, listeners)), good(&file("", plain)));
}

#[test]
fn numbers_are_dense_over_the_whole_file() {
    let config = good(
        "groups:\n  g: { nodes: { a: h:1, b: h:2 } }\n  h: { nodes: { a: h:3 } }\nlisteners:\n\
         \x20 x: { bind: \"127.0.0.1:1\", access: read-write, group: h }\n\
         \x20 y: { bind: \"127.0.0.1:2\", access: read-write, group: g }\n",
    );
    let nodes = config.groups.iter().flat_map(|group| &group.nodes);
    assert_eq!(nodes.map(|node| node.id.0).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(
        (config.groups[0].id, config.groups[1].id),
        (GroupId(0), GroupId(1))
    );
    assert_eq!(
        (config.listeners[0].id, config.listeners[0].group),
        (ListenerId(0), GroupId(1))
    );
    assert_eq!(
        (config.listeners[1].id, config.listeners[1].group),
        (ListenerId(1), GroupId(0))
    );
}

#[test]
fn a_chain_is_own_nodes_then_backups_then_the_fallbacks() {
    let config = good(&file(
        "",
        "  ro: { bind: \"127.0.0.2:1\", access: read-only, nodes: [b], backup: [a, l], fallback: rw }\n\
         \x20 local: { bind: \"127.0.0.3:1\", access: local-read-only, fallback: ro }\n",
    ));
    let tier = |listener, access, members| Tier {
        listener: ListenerId(listener),
        access,
        members,
    };
    let listed = |id| Members::Listed(vec![NodeId(id)]);
    let ro = [
        tier(1, Access::ReadOnly, listed(1)),
        tier(1, Access::ReadOnly, listed(0)),
        tier(1, Access::ReadOnly, listed(2)),
        tier(0, Access::ReadWrite, Members::NotLocal),
    ];
    assert_eq!(config.listeners[1].chain.tiers, ro);
    assert_eq!(config.listeners[1].fallback, Some(ListenerId(0)));
    let local = &config.listeners[2].chain.tiers;
    assert_eq!(local[0], tier(2, Access::LocalReadOnly, Members::Local));
    assert_eq!(local[1..], ro);
    assert_eq!(
        summary(&config),
        "group main\n\
         \x20 a  10.0.0.1:6379\n\
         \x20 b  10.0.0.2:6379\n\
         \x20 l  10.0.0.3:6379  local\n\
         listeners\n\
         \x20 rw     127.0.0.1:6379 read-write: the primary\n\
         \x20 ro     127.0.0.2:1 read-only: b, then a, then l, then the primary (rw)\n\
         \x20 local  127.0.0.3:1 local-read-only: l, then b (ro), then a (ro), then l (ro), then the primary (rw)\n"
    );
}

#[test]
fn what_is_unusual_but_right() {
    for (group, listeners) in [
        // A check may take longer than the interval.
        ("    check: { timeout: 5s }\n", ""),
        // A host without a local Redis.
        (
            "",
            "  l: { bind: \"127.0.0.2:1\", access: local-read-only, nodes: [a] }\n",
        ),
        // A read-write listener that prefers one node.
        (
            "",
            "  w: { bind: \"127.0.0.2:1\", access: read-write, nodes: [a], fallback: rw }\n",
        ),
        // Several addresses of one port.
        (
            "",
            "  r: { bind: [\"127.0.0.2:6379\", \"[::]:6379\"], access: read-only }\n",
        ),
        // An alias.
        ("    claim_hold: &d 5s\n    stale_reads: *d\n", ""),
    ] {
        good(&file(group, listeners));
    }
    good(
        "\u{feff}groups: {g: {nodes: {a: h:1}}, unused: {nodes: {b: h:2}}}\r\nlisteners: {x: {bind: '127.0.0.1:1', access: read-only, group: g}}\r\n",
    );
}
