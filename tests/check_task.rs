//! The check task against real servers, and against a scripted node for what a real one cannot be made
//! to say. Wherever something must happen at once, the pace is an hour: nothing but the reason under test
//! can have caused it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what cannot be set up fails the test"
)]

mod check_task_support;

use std::sync::Arc;
use std::time::Duration;

use check_task_support::{
    Fake, Server, Watched, answer, local_ip, login, question, redis_cli, say,
};
use rolecall::check::wake::By;
use rolecall::config::model::Address;
use rolecall::core::facts::{HostPort, Mode, Role};
use rolecall::core::outcome::{Denial, Outcome, Stage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn a_real_node_answers_with_facts_over_one_connection() {
    let server = Server::start(&[]);
    let mut node = Watched::new(server.address()).settled().await;
    let first = node.check(By::Connection).await;
    let Outcome::Answered(facts) = first.outcome else {
        panic!("{first:?}");
    };
    assert_eq!(facts.mode, Mode::Standalone);
    assert_eq!(facts.run_id.0.len(), 40);
    assert!(facts.looks_unproven());
    assert_eq!(facts.has_keys, Some(false));
    assert!(!first.dialled);
    let dialled = node.check(By::Dial).await;
    assert!(dialled.dialled);
    assert_eq!(dialled.outcome, Outcome::Answered(facts));
}

#[tokio::test]
async fn a_replica_is_known_by_its_words() {
    let primary = Server::start(&["--repl-diskless-sync-delay", "0"]);
    let port = primary.port.to_string();
    let replica = Server::start(&["--replicaof", &primary.ip, &port]);
    let mut node = Watched::new(replica.address());
    let facts = loop {
        let Outcome::Answered(facts) = node.report().await.outcome else {
            continue;
        };
        if facts.replica().is_some_and(|replica| replica.link_up) {
            break facts;
        }
    };
    let replica = facts.replica().unwrap();
    assert_eq!(replica.master, HostPort::new(&primary.ip, primary.port));
    let mut of_primary = Watched::new(primary.address()).settled().await;
    let Outcome::Answered(primary) = of_primary.check(By::Connection).await.outcome else {
        panic!("the primary did not answer");
    };
    assert_eq!(primary.replid, facts.replid);
    assert_eq!(
        primary.role,
        Role::Primary {
            connected_replicas: 1
        }
    );
}

#[tokio::test]
async fn r8_a_killed_node_is_refused_at_once() {
    let mut server = Server::start(&[]);
    let mut node = Watched::new(server.address()).settled().await;
    server.kill();
    // A dial may still reach the dying process: then it was closed, and the next one tells.
    let last = loop {
        match node.report().await.outcome {
            Outcome::Closed => {}
            other => break other,
        }
    };
    assert_eq!(last, Outcome::Refused);
}

#[tokio::test]
async fn r8_a_stopped_node_times_out_and_comes_back() {
    let server = Server::start(&[]);
    let mut node = Watched::with(server.address(), |task| {
        task.timeout = Duration::from_millis(200);
    })
    .settled()
    .await;
    server.signal("STOP");
    let silent = node.check(By::Connection).await;
    assert_eq!(silent.outcome, Outcome::TimedOut(Stage::Reply));
    server.signal("CONT");
    node.pace(Duration::from_millis(10));
    loop {
        let report = node.report().await;
        if let Outcome::Answered(_) = report.outcome {
            assert!(report.dialled, "the old connection still owes old answers");
            break;
        }
    }
}

#[tokio::test]
async fn r8_passwords_right_wrong_and_missing() {
    let server = Server::start(&["--requirepass", "s3cret \"x\""]);
    for (user_and_password, denial) in [
        (Some((None, "s3cret \"x\"")), None),
        (Some((Some("default"), "s3cret \"x\"")), None),
        (Some((None, "other")), Some(Denial::WrongPass)),
        (Some((Some("nobody"), "other")), Some(Denial::WrongPass)),
        (None, Some(Denial::NoAuth)),
    ] {
        let mut node = Watched::with(server.address(), |task| {
            task.auth = user_and_password.map(|(user, password)| login(user, password));
        })
        .settled()
        .await;
        let outcome = node.check(By::Dial).await.outcome;
        match (&outcome, denial) {
            (Outcome::Answered(_), None) => {}
            (Outcome::Denied(found, _), Some(denial)) => assert_eq!(*found, denial),
            _ => panic!("{user_and_password:?}: {outcome:?}"),
        }
    }
}

#[tokio::test]
async fn r8_a_password_that_the_node_does_not_want_is_no_error() {
    let server = Server::start(&[]);
    let mut node = Watched::with(server.address(), |task| {
        task.auth = Some(login(None, "unwanted"));
    })
    .settled()
    .await;
    let outcome = node.check(By::Dial).await.outcome;
    assert!(matches!(outcome, Outcome::Answered(_)), "{outcome:?}");
}

#[tokio::test]
async fn r8_a_user_who_may_not_ask_is_told_so() {
    let server = Server::start(&["--user", "weak", "on", ">pw", "+ping"]);
    let mut node = Watched::with(server.address(), |task| {
        task.auth = Some(login(Some("weak"), "pw"));
    })
    .settled()
    .await;
    let outcome = node.check(By::Dial).await.outcome;
    assert!(
        matches!(outcome, Outcome::Denied(Denial::NoPerm, _)),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn r8_a_node_that_is_full_says_so() {
    let server = Server::start(&[]);
    let mut node = Watched::new(server.address()).settled().await;
    redis_cli(&server, &["config", "set", "maxclients", "1"]);
    assert_eq!(node.check(By::Dial).await.outcome, Outcome::TooManyClients);
}

#[tokio::test]
async fn r8_a_long_script_is_busy_not_dead() {
    let server = Server::start(&["--busy-reply-threshold", "1"]);
    let mut node = Watched::with(server.address(), |task| {
        task.timeout = Duration::from_secs(2);
    })
    .settled()
    .await;
    let script = server.spawn_cli(&["eval", "while true do end", "0"]);
    node.pace(Duration::from_millis(10));
    // Silent until the script counts as long.
    while node.report().await.outcome != Outcome::Busy {}
    redis_cli(&server, &["script", "kill"]);
    while !matches!(node.report().await.outcome, Outcome::Answered(_)) {}
    drop(script);
}

#[tokio::test]
async fn r1_a_sentinel_given_as_a_node_is_recognised() {
    let server = Server::start_sentinel();
    let mut node = Watched::new(server.address()).settled().await;
    let Outcome::Answered(facts) = node.check(By::Dial).await.outcome else {
        panic!("no facts");
    };
    assert_eq!(facts.mode, Mode::Sentinel);
    assert!(!facts.claims());
}

#[tokio::test]
async fn a_node_behind_a_unix_socket_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("redis.sock");
    let server = Server::start(&["--unixsocket", path.to_str().unwrap()]);
    let mut node = Watched::new(Address::Unix(path)).settled().await;
    assert!(matches!(
        node.check(By::Dial).await.outcome,
        Outcome::Answered(_)
    ));
    drop(server);
    // Closed on the way out, or refused.
    while node.report().await.outcome != Outcome::Refused {}
}

#[tokio::test]
async fn r11_killed_check_connections_are_a_check_and_no_failure() {
    let server = Server::start(&[]);
    let mut node = Watched::new(server.address()).settled().await;
    redis_cli(&server, &["client", "kill", "type", "normal"]);
    let report = node.report().await;
    assert!(matches!(report.outcome, Outcome::Answered(_)), "{report:?}");
    assert!(report.dialled);
}

#[tokio::test]
async fn r11_a_connection_lost_under_a_check_is_replaced_within_it() {
    let fake = Fake::start(|number, mut stream| async move {
        answer(&mut stream, true).await;
        if number == 0 {
            question(&mut stream, false).await;
        } else {
            std::future::pending::<()>().await;
        }
    })
    .await;
    let mut node = Watched::paced(fake.address(), HOUR);
    node.report().await;
    let report = node.check(By::Connection).await;
    assert!(matches!(report.outcome, Outcome::Answered(_)), "{report:?}");
    assert!(report.dialled);
    assert_eq!(fake.accepted(), 2);
}

#[tokio::test]
async fn r11_bytes_that_nobody_asked_for_are_a_reason_to_dial_anew() {
    let speak = Arc::new(Notify::new());
    let heard = Arc::clone(&speak);
    let fake = Fake::start(move |_, mut stream| {
        let heard = Arc::clone(&heard);
        async move {
            answer(&mut stream, true).await;
            heard.notified().await;
            let _ = stream.write_all(b"+HELLO\r\n").await;
            let _ = stream.read(&mut [0; 1]).await;
        }
    })
    .await;
    let mut node = Watched::paced(fake.address(), HOUR);
    node.report().await;
    speak.notify_one();
    let report = node.report().await;
    assert!(matches!(report.outcome, Outcome::Answered(_)), "{report:?}");
    assert!(report.dialled);
}

#[tokio::test]
async fn r11_a_node_that_closes_every_connection_is_not_asked_in_a_loop() {
    let fake = Fake::start(|_, stream| async move { drop(stream) }).await;
    let start = std::time::Instant::now();
    let mut node = Watched::paced(fake.address(), Duration::from_millis(100));
    for _ in 0..5 {
        assert_eq!(node.report().await.outcome, Outcome::Closed);
    }
    // The second follows the first at once, the others at the usual pace.
    assert!(start.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn r11_calls_during_a_check_are_one_more_check() {
    let go_on = Arc::new(Notify::new());
    let asked = Arc::new(Notify::new());
    let (held, seen) = (Arc::clone(&go_on), Arc::clone(&asked));
    let fake = Fake::start(move |_, mut stream| {
        let (held, seen) = (Arc::clone(&held), Arc::clone(&seen));
        async move {
            let mut first = true;
            loop {
                question(&mut stream, first).await;
                seen.notify_one();
                held.notified().await;
                say(&mut stream, first).await;
                first = false;
            }
        }
    })
    .await;
    let mut node = Watched::paced(fake.address(), HOUR);
    asked.notified().await;
    for _ in 0..3 {
        node.wake.call(By::Connection);
    }
    go_on.notify_one();
    node.report().await;
    asked.notified().await;
    go_on.notify_one();
    node.report().await;
    // Had the three calls been more than one check, this dial would not be the next.
    node.wake.call(By::Dial);
    asked.notified().await;
    assert_eq!(fake.accepted(), 2);
    go_on.notify_one();
    assert!(node.report().await.dialled);
}

#[tokio::test]
async fn each_tenth_check_dials_anew() {
    let fake = Fake::start(|_, mut stream| async move {
        answer(&mut stream, true).await;
        loop {
            answer(&mut stream, false).await;
        }
    })
    .await;
    let mut node = Watched::paced(fake.address(), Duration::from_millis(1));
    let mut dials = Vec::new();
    for _ in 0..31 {
        let report = node.report().await;
        assert!(matches!(report.outcome, Outcome::Answered(_)), "{report:?}");
        dials.push(report.dialled);
    }
    let dialled: Vec<usize> = (0..31).filter(|number| dials[*number]).collect();
    assert_eq!(dialled, [0, 10, 20, 30]);
}

#[tokio::test]
async fn r8_a_web_server_is_not_redis() {
    let fake = Fake::start(|_, mut stream| async move {
        let _ = stream.read(&mut [0; 512]).await;
        let _ = stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n")
            .await;
    })
    .await;
    let mut node = Watched::paced(fake.address(), HOUR);
    let outcome = node.report().await.outcome;
    assert_eq!(
        outcome,
        Outcome::NotRedis("HTTP/1.1 400 Bad Request".into())
    );
}

#[tokio::test]
async fn r8_replies_that_are_too_long_never_end_or_nest_end_the_check() {
    for piece in [
        &b"$999999999\r\n"[..],
        &[b'+'; 4096],
        &b"*1\r\n".repeat(8192),
    ] {
        let piece = piece.to_vec();
        let fake = Fake::start(move |_, mut stream| {
            let piece = piece.clone();
            async move { while stream.write_all(&piece).await.is_ok() {} }
        })
        .await;
        let mut node = Watched::paced(fake.address(), HOUR);
        let outcome = node.report().await.outcome;
        assert!(matches!(outcome, Outcome::BadReply(_)), "{outcome:?}");
    }
}

#[tokio::test]
async fn the_deadline_is_for_the_whole_check_however_slowly_it_drips() {
    let fake = Fake::start(|_, mut stream| async move {
        while stream.write_all(b"+").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let mut node = Watched::with(fake.address(), |task| {
        task.timeout = Duration::from_millis(200);
    });
    assert_eq!(node.report().await.outcome, Outcome::TimedOut(Stage::Reply));
}

#[tokio::test]
async fn nobody_listens_and_a_change_of_pace_acts_at_once() {
    let ip = local_ip();
    let free = std::net::TcpListener::bind((ip.as_str(), 0)).unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let mut node = Watched::paced(Address::Tcp(HostPort::new(&ip, port)), HOUR);
    assert_eq!(node.report().await.outcome, Outcome::Refused);
    node.pace(Duration::from_millis(1));
    assert_eq!(node.report().await.outcome, Outcome::Refused);
}

#[tokio::test]
async fn a_cancelled_task_ends_under_its_check() {
    let fake = Fake::start(|_, mut stream| async move {
        let _ = stream.read(&mut [0; 512]).await;
        std::future::pending::<()>().await;
    })
    .await;
    let node = Watched::paced(fake.address(), HOUR);
    fake.connection().await;
    node.cancel().await;
}
