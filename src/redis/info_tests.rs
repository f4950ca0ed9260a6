//! The fields of INFO, one by one.

use super::*;

const PRIMARY: &str = "# Replication\r\nrole:master\r\nconnected_slaves:1\r\n\
    slave0:ip=10.1.1.2,port=6379,state=online,offset=70,lag=1\r\n\
    master_failover_state:no-failover\r\n\
    master_replid:aaaa08dbfafcef4390ba2bc52bbae0a8e1644aaa\r\n\
    master_replid2:bbbb08dbfafcef4390ba2bc52bbae0a8e1644bbb\r\n\
    master_repl_offset:84\r\nsecond_repl_offset:57\r\nrepl_backlog_active:1\r\n";

const REPLICA: &str = "# Replication\r\nrole:slave\r\nmaster_host:10.1.1.1\r\n\
    master_port:6379\r\nmaster_link_status:down\r\nmaster_last_io_seconds_ago:-1\r\n\
    master_sync_in_progress:1\r\nslave_read_repl_offset:44\r\nslave_repl_offset:42\r\n\
    master_link_down_since_seconds:7\r\nslave_priority:100\r\nconnected_slaves:0\r\n\
    master_replid:aaaa08dbfafcef4390ba2bc52bbae0a8e1644aaa\r\n\
    master_replid2:0000000000000000000000000000000000000000\r\n\
    master_repl_offset:43\r\nsecond_repl_offset:-1\r\n";

fn replica(text: &str) -> ReplicaFacts {
    match Replication::read(text).unwrap().role {
        Role::Replica(replica) => replica,
        other @ Role::Primary { .. } => panic!("{other:?}"),
    }
}

fn swapped(from: &str, to: &str) -> String {
    assert!(REPLICA.contains(from));
    REPLICA.replace(from, to)
}

#[test]
fn a_primary_with_a_past() {
    let read = Replication::read(PRIMARY).unwrap();
    assert_eq!(
        read,
        Replication {
            role: Role::Primary {
                connected_replicas: 1
            },
            replid: Some(ReplId("aaaa08dbfafcef4390ba2bc52bbae0a8e1644aaa".into())),
            replid2: Some(ReplId("bbbb08dbfafcef4390ba2bc52bbae0a8e1644bbb".into())),
            tells_branch: true,
            second_offset: Some(57),
            offset: 84,
            handover: false,
            good_replicas: None,
        }
    );
    assert_eq!(Replication::read(&PRIMARY.replace("\r\n", "\n")), Ok(read));
}

#[test]
fn a_replica_in_a_full_sync() {
    let read = Replication::read(REPLICA).unwrap();
    assert_eq!(read.replid2, None);
    assert_eq!(read.second_offset, None);
    assert_eq!(read.offset, 43);
    assert_eq!(
        read.role,
        Role::Replica(ReplicaFacts {
            master: HostPort::new("10.1.1.1", 6379),
            link_up: false,
            link_down_for: Some(Duration::from_secs(7)),
            syncing: true,
            offset: 42,
            last_io: None,
        })
    );
}

#[test]
fn a_link_that_never_was_up_has_no_age() {
    let line = "master_link_down_since_seconds:7";
    for never in [
        "master_link_down_since_seconds:-1",
        "master_link_down_since_seconds:1760000000",
    ] {
        assert_eq!(
            replica(&swapped(line, never)).link_down_for,
            None,
            "{never}"
        );
    }
    let up = swapped("master_link_status:down", "master_link_status:up");
    assert_eq!(replica(&up).link_down_for, None);
    assert!(replica(&up).link_up);
}

#[test]
fn dialects_of_the_role() {
    for word in ["role:replica", "role:active-replica"] {
        assert_eq!(replica(&swapped("role:slave", word)), replica(REPLICA));
    }
    let dragonfly = "role:master\r\nconnected_slaves:0\r\nmaster_replid:ab\r\n";
    let read = Replication::read(dragonfly).unwrap();
    assert_eq!((read.offset, read.second_offset), (0, None));
}

#[test]
fn the_first_of_two_masters_counts_and_hosts_may_hold_colons() {
    let text = swapped(
        "master_host:10.1.1.1",
        "master_host:fd00::1\r\nmaster_host:x",
    );
    assert_eq!(replica(&text).master, HostPort::new("fd00::1", 6379));
}

#[test]
fn a_handover_is_any_other_failover_state() {
    for state in ["waiting-for-sync", "failover-in-progress"] {
        assert!(
            Replication::read(&PRIMARY.replace("no-failover", state))
                .unwrap()
                .handover
        );
    }
    let before_6_2 = PRIMARY.replace("master_failover_state:no-failover\r\n", "");
    assert!(!Replication::read(&before_6_2).unwrap().handover);
}

#[test]
fn what_routing_needs_is_missed_by_name() {
    for key in ["role", "master_host", "master_port", "master_link_status"] {
        let text = swapped(&format!("\r\n{key}:"), "\r\nx:");
        let error = Replication::read(&text).unwrap_err();
        assert_eq!(error.to_string(), format!("INFO replication without {key}"));
    }
    let error = Replication::read(&PRIMARY.replace("connected_slaves", "x")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "INFO replication without connected_slaves"
    );
    assert!(Replication::read("").is_err());
    assert!(Server::read("", "a:1").is_err());
}

#[test]
fn what_cannot_be_read_is_quoted() {
    for (from, to) in [
        ("role:slave", "role:sla\u{7}ve"),
        ("master_port:6379", "master_port:99999"),
        ("master_link_status:down", "master_link_status:sideways"),
        ("master_repl_offset:43", "master_repl_offset:-2"),
        ("slave_repl_offset:42", "slave_repl_offset:4x"),
        ("second_repl_offset:-1", "second_repl_offset:"),
        ("since_seconds:7", "since_seconds:seven"),
    ] {
        let error = Replication::read(&swapped(from, to)).unwrap_err();
        assert!(matches!(error, InfoError::Garbled { .. }), "{to}: {error}");
    }
    assert_eq!(
        Replication::read("role:x\u{7}y\r\n")
            .unwrap_err()
            .to_string(),
        "INFO replication with role:x\\x07y"
    );
}

#[test]
fn the_server_by_each_product() {
    let read = |text: &str| {
        let server = Server::read(text, "10.1.1.1:6379").unwrap();
        (
            server.version.to_string(),
            server.mode,
            server.run_id.to_string(),
        )
    };
    assert_eq!(
        read("redis_version:7.0.15\r\nredis_mode:cluster\r\nrun_id:02dc\r\n"),
        ("7.0.15".into(), Mode::Cluster, "02dc".into())
    );
    assert_eq!(
        read("redis_version:7.2.4\r\nvalkey_version:8.0.1\r\nserver_mode:sentinel\r\nrun_id:1\r\n"),
        ("8.0.1".into(), Mode::Sentinel, "1".into())
    );
    assert_eq!(
        read("redis_version:2.8.0\r\nprocess_id:12\r\n"),
        (
            "2.8.0".into(),
            Mode::Standalone,
            "process 12 at 10.1.1.1:6379".into()
        )
    );
    assert_eq!(
        read("redis_version:7\r\nrun_id:\r\nprocess_id:12\r\n").2,
        "process 12 at 10.1.1.1:6379"
    );
    let odd = Server::read("redis_version:1\r\nredis_mode:odd\r\n", "a").unwrap_err();
    assert_eq!(odd.to_string(), "INFO server with redis_mode:odd");
}

#[test]
fn r19_good_replicas_are_told_where_a_minimum_is_set() {
    let with = |line: &str| PRIMARY.replace("\r\nmaster_replid:", line);
    let told = |line| Replication::read(&with(line)).map(|read| read.good_replicas);
    assert_eq!(Replication::read(PRIMARY).unwrap().good_replicas, None);
    let zero = "\r\nmin_slaves_good_slaves:0\r\nmaster_replid:";
    assert_eq!(told(zero), Ok(Some(0)));
    assert!(told("\r\nmin_slaves_good_slaves:few\r\nmaster_replid:").is_err());
}

#[test]
fn keys_are_counted_in_all_databases() {
    assert_eq!(has_keys("# Keyspace\r\n"), Ok(false));
    assert_eq!(has_keys("db0:keys=0,expires=0,avg_ttl=-1\r\n"), Ok(false));
    assert_eq!(
        has_keys("db0:keys=0,expires=0\r\ndb15:keys=3,expires=0\r\n"),
        Ok(true)
    );
    assert_eq!(has_keys("db_size:7\r\n"), Ok(false));
    assert!(has_keys("db0:expires=0\r\n").is_err());
}
