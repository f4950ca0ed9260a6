//! The data plane in this process, with views made by hand, against small servers on loopback.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops there"
)]

mod plane;

use std::collections::HashSet;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use plane::{LISTENER, Plane, Server, closed, eventually, read_line, read_to_end};
use rolecall::config::model::Bind;
use rolecall::core::alarm::AlarmKind;
use rolecall::core::chain::Access;
use rolecall::core::ids::NodeId;
use rolecall::core::reason::CloseReason;
use rolecall::core::snapshot::Target;

const TWO: usize = 2;

#[test]
fn r12_least_connections_is_even_over_300_sessions() {
    let servers: Vec<Server> = (0..3).map(|_| Server::echo()).collect();
    let plane = Plane::reads(&servers).workers(TWO).start();
    // All at once, so that both workers pick at the same time.
    let address = plane.address();
    let clients: Vec<TcpStream> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..6)
            .map(|_| scope.spawn(|| (0..50).map(|_| connected(address)).collect::<Vec<_>>()))
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    for node in 0..3 {
        assert_eq!(plane.loads().sessions(NodeId(node)), 100, "node {node}");
    }
    assert_eq!(plane.loads().connections(LISTENER), 300);
    drop(clients);
    eventually("all counts are back at zero", || {
        (0..3).all(|node| plane.loads().sessions(NodeId(node)) == 0)
            && plane.loads().connections(LISTENER) == 0
    });
}

#[test]
fn r12_weights_count() {
    let servers = [Server::echo(), Server::echo()];
    let plane = Plane::reads(&servers)
        .edit(|group| group.nodes[0].weight = 3)
        .start();
    let _clients: Vec<TcpStream> = (0..40).map(|_| connected(plane.address())).collect();
    assert_eq!(plane.loads().sessions(NodeId(0)), 30);
    assert_eq!(plane.loads().sessions(NodeId(1)), 10);
}

#[test]
fn fallback_tiers_serve_in_order_and_new_connections_return() {
    let servers = [Server::echo(), Server::echo(), Server::echo()];
    let plane = Plane::reads(&servers)
        .tiers(&[&[0], &[1], &[2]])
        .edit(|group| {
            plane::unserve(group, 0);
            plane::unserve(group, 1);
        })
        .start();
    let _third = connected(plane.address());
    assert_eq!(plane.sessions(), [0, 0, 1]);
    plane.publish(|group| plane::serve(group, 1));
    let _second = connected(plane.address());
    assert_eq!(plane.sessions(), [0, 1, 1], "old sessions stay");
    plane.publish(|group| plane::serve(group, 0));
    let _first = connected(plane.address());
    assert_eq!(plane.sessions(), [1, 1, 1]);
}

#[test]
fn r12_a_failed_dial_goes_on_to_the_next_node_and_tells() {
    let servers = [Server::refusing(), Server::echo()];
    let plane = Plane::reads(&servers).tiers(&[&[0], &[1]]).start();
    let _client = connected(plane.address());
    assert_eq!(plane.sessions(), [0, 1]);
    let alarm = plane.alarm();
    assert_eq!((alarm.node, alarm.kind), (NodeId(0), AlarmKind::DialFailed));
}

#[test]
fn r12_a_refused_node_is_tried_again_only_after_a_check() {
    let server = Server::refusing();
    let plane = Plane::reads(std::slice::from_ref(&server)).start();
    let mut client = TcpStream::connect(plane.address()).unwrap();
    client.write_all(b"PING\r\n").unwrap();
    plane.eventually_parked(1);
    assert_eq!(plane.alarm().kind, AlarmKind::DialFailed);
    server.open();
    // Another view, but no word that the node accepts again: not dialled.
    plane.publish(|group| group.nodes[0].stale = true);
    plane.publish(|group| group.nodes[0].stale = false);
    let mut second = connected(plane.address());
    echo(&mut second, b"x");
    assert_eq!(plane.loads().parked(LISTENER), 1);
    plane.publish(|group| group.nodes[0].redeemed += 1);
    assert_eq!(read_line(&mut client), "PING\r\n");
    plane.eventually_parked(0);
}

#[test]
fn r13_parked_then_served_with_what_was_sent_before() {
    let server = Server::echo();
    let plane = Plane::reads(std::slice::from_ref(&server))
        .edit(|group| plane::unserve(group, 0))
        .workers(TWO)
        .start();
    let mut clients: Vec<TcpStream> = (0..8)
        .map(|_| TcpStream::connect(plane.address()).unwrap())
        .collect();
    plane.eventually_parked(8);
    for (number, client) in clients.iter_mut().enumerate() {
        if number % 2 == 0 {
            client.write_all(b"before\r\n").unwrap();
        }
    }
    // Views that change nothing for them.
    for _ in 0..3 {
        plane.publish(|group| group.nodes[0].redeemed += 1);
    }
    assert_eq!(plane.loads().parked(LISTENER), 8);
    plane.publish(|group| plane::serve(group, 0));
    for (number, client) in clients.iter_mut().enumerate() {
        if number % 2 == 0 {
            assert_eq!(read_line(client), "before\r\n");
        }
        echo(client, b"after");
    }
    plane.eventually_parked(0);
}

#[test]
fn r13_what_a_client_sent_that_left_while_parked_is_never_written() {
    let server = Server::echo();
    let plane = Plane::reads(std::slice::from_ref(&server))
        .edit(|group| plane::unserve(group, 0))
        .start();
    let mut leaver = TcpStream::connect(plane.address()).unwrap();
    leaver.write_all(b"SET poison 1\r\n").unwrap();
    let mut half = TcpStream::connect(plane.address()).unwrap();
    half.write_all(b"SET poison 2\r\n").unwrap();
    plane.eventually_parked(2);
    drop(leaver);
    half.shutdown(Shutdown::Write).unwrap();
    plane.eventually_parked(0);
    plane.publish(|group| plane::serve(group, 0));
    echo(&mut connected(plane.address()), b"clean");
    let heard = server.heard();
    assert!(!heard.contains("poison"), "{heard}");
}

#[test]
fn r13_the_time_out_tells_why_even_a_client_that_has_sent_much() {
    let server = Server::echo();
    let plane = Plane::reads(std::slice::from_ref(&server))
        .edit(|group| plane::unserve(group, 0))
        .listener(|listener| listener.park.timeout = Duration::from_millis(100))
        .start();
    let mut client = TcpStream::connect(plane.address()).unwrap();
    client.write_all(&vec![b'x'; 200_000]).unwrap();
    let line = read_line(&mut client);
    assert!(
        line.starts_with("-MASTERDOWN rolecall: group main has no"),
        "{line}"
    );
    assert!(line.contains("redis-0 has not been checked yet"), "{line}");
    // Still sending after the line: dropped, no reset before the end.
    client.write_all(b"more").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_to_end(&mut client), "");
    assert_eq!(server.heard(), "");
}

#[test]
fn r13_a_full_lot_turns_away() {
    let server = Server::echo();
    let plane = Plane::reads(std::slice::from_ref(&server))
        .edit(|group| plane::unserve(group, 0))
        .listener(|listener| listener.park.max = 3)
        .workers(TWO)
        .start();
    let parked: Vec<TcpStream> = (0..3)
        .map(|_| TcpStream::connect(plane.address()).unwrap())
        .collect();
    plane.eventually_parked(3);
    let mut fourth = TcpStream::connect(plane.address()).unwrap();
    let line = read_to_end(&mut fourth);
    assert!(line.starts_with("-MASTERDOWN rolecall: "), "{line}");
    drop(parked);
    plane.eventually_parked(0);
}

#[test]
fn r13_max_connections() {
    let server = Server::echo();
    let plane = Plane::reads(std::slice::from_ref(&server))
        .listener(|listener| listener.max_connections = Some(2))
        .workers(TWO)
        .start();
    let first = connected(plane.address());
    let _second = connected(plane.address());
    let mut third = TcpStream::connect(plane.address()).unwrap();
    assert_eq!(
        read_to_end(&mut third),
        "-ERR max number of clients reached\r\n"
    );
    drop(first);
    eventually("a place is free", || {
        plane.loads().connections(LISTENER) == 1
    });
    connected(plane.address());
}

#[test]
fn r15_half_close_is_forwarded_and_the_replies_come() {
    let server = Server::answering_at_the_end();
    let plane = Plane::reads(std::slice::from_ref(&server)).start();
    let mut client = TcpStream::connect(plane.address()).unwrap();
    client.write_all(b"one\r\ntwo\r\n").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_to_end(&mut client), "one\r\ntwo\r\n");
}

#[test]
fn r7_on_a_new_primary_all_write_sessions_end_and_no_later_byte_arrives() {
    let servers = [Server::sink(), Server::echo()];
    let plane = Plane::writes(&servers, 0).workers(TWO).start();
    let mut clients: Vec<TcpStream> = (0..40).map(|_| served(&plane)).collect();
    eventually("both workers have some", || plane.sessions()[0] == 40);
    plane.publish(|group| plane::elect(group, 1, 2));
    // At once, without waiting for the workers.
    for client in &mut clients {
        // A reset is as good: the session is gone.
        let _gone = client.write_all(b"LATE\r\n");
    }
    for client in &mut clients {
        assert!(closed(client), "a session was left behind");
    }
    eventually("none is counted", || plane.sessions()[0] == 0);
    let heard = server_heard_in_full(&servers[0]);
    assert!(!heard.contains("LATE"), "written to the old primary");
    echo(&mut connected(plane.address()), b"to the new one");
}

/// Everything that a server got, once all its connections are closed.
fn server_heard_in_full(server: &Server) -> String {
    eventually("the server has read to the end of each", || {
        server.open_connections() == 0
    });
    server.heard()
}

#[test]
fn r7_clients_that_write_without_pause_are_fenced() {
    let servers = [Server::sink(), Server::sink()];
    let plane = Plane::writes(&servers, 0).workers(TWO).start();
    let address = plane.address();
    let mut writers = Vec::new();
    let published = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    for _ in 0..4 {
        let mut client = TcpStream::connect(address).unwrap();
        let published = std::sync::Arc::clone(&published);
        writers.push(std::thread::spawn(move || {
            loop {
                // What is sent after this was read as true was sent after publishing.
                let late = published.load(std::sync::atomic::Ordering::SeqCst);
                let line: &[u8] = if late { b"LATE\r\n" } else { b"EARLY\r\n" };
                if client.write_all(line).is_err() {
                    return;
                }
            }
        }));
    }
    eventually("all write", || {
        plane.sessions()[0] == 4 && servers[0].heard().len() > 10_000
    });
    plane.publish(|group| plane::elect(group, 1, 2));
    published.store(true, std::sync::atomic::Ordering::SeqCst);
    for writer in writers {
        writer.join().unwrap();
    }
    assert!(!server_heard_in_full(&servers[0]).contains("LATE"));
}

#[test]
fn r7_a_session_that_came_by_a_fallback_is_fenced_too() {
    let servers = [Server::echo(), Server::echo()];
    let plane = Plane::writes(&servers, 0)
        .add_tier(Access::ReadOnly, &[], 0)
        .start();
    let mut client = connected(plane.address());
    assert_eq!(plane.sessions(), [1, 0]);
    plane.publish(|group| plane::elect(group, 1, 2));
    assert!(closed(&mut client));
}

#[test]
fn r16_read_sessions_stay_until_their_node_must_lose_them() {
    let servers = [Server::echo(), Server::echo()];
    let plane = Plane::reads(&servers)
        .tiers(&[&[0], &[1]])
        .workers(TWO)
        .start();
    let mut clients: Vec<TcpStream> = (0..6).map(|_| connected(plane.address())).collect();
    plane.publish(|group| plane::elect(group, 0, 1));
    plane.publish(|group| plane::unserve(group, 0));
    for client in &mut clients {
        echo(client, b"still here");
    }
    plane.publish(|group| group.nodes[0].close_reads = Some(CloseReason::NodeDown));
    for client in &mut clients {
        assert!(closed(client));
    }
}

#[test]
fn r15_back_pressure_loses_nothing_50_mb_each_way() {
    const LENGTH: usize = 50_000_000;
    let server = Server::echo();
    let plane = Plane::reads(std::slice::from_ref(&server)).start();
    let client = TcpStream::connect(plane.address()).unwrap();
    let mut writer = client.try_clone().unwrap();
    let sending = std::thread::spawn(move || {
        for chunk in (0..LENGTH).step_by(100_000) {
            writer.write_all(&pattern(chunk, 100_000)).unwrap();
        }
        writer.shutdown(Shutdown::Write).unwrap();
    });
    // Nothing is read until every buffer on the way is full and the bytes stand still.
    let (mut last, mut seen_at) = (usize::MAX, Instant::now());
    eventually("the bytes stand still", || {
        let now = server.heard_length();
        if now != last {
            (last, seen_at) = (now, Instant::now());
        }
        now > 0 && seen_at.elapsed() > Duration::from_millis(300)
    });
    assert!(last < LENGTH, "it was not held back");
    let mut reader = client;
    let mut received = 0;
    let mut buffer = vec![0; 100_000];
    loop {
        let length = reader.read(&mut buffer).unwrap();
        if length == 0 {
            break;
        }
        assert!(
            buffer[..length] == pattern(received, length),
            "at {received}"
        );
        received += length;
    }
    assert_eq!(received, LENGTH);
    sending.join().unwrap();
}

/// Bytes that differ wherever one is lost, doubled or moved.
fn pattern(from: usize, length: usize) -> Vec<u8> {
    (from..from + length)
        .map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()[2])
        .collect()
}

#[test]
fn a_busy_session_does_not_starve_another() {
    let server = Server::echo();
    let plane = Plane::reads(std::slice::from_ref(&server)).start();
    let mut busy = TcpStream::connect(plane.address()).unwrap();
    let mut drain = busy.try_clone().unwrap();
    std::thread::spawn(move || while busy.write_all(&vec![b'x'; 65536]).is_ok() {});
    std::thread::spawn(move || {
        let mut buffer = vec![0; 65536];
        while drain.read(&mut buffer).is_ok_and(|length| length > 0) {}
    });
    let mut quiet = connected(plane.address());
    for _ in 0..50 {
        echo(&mut quiet, b"my turn");
    }
    plane.shutdown(Duration::ZERO);
}

#[test]
fn idle_sessions_are_closed_but_not_replicas_nor_busy_ones() {
    let limit = Duration::from_secs(2);
    let server = Server::echo();
    let plane = Plane::reads(std::slice::from_ref(&server))
        .listener(|listener| listener.idle_timeout = Some(limit))
        .start();
    let mut replica = TcpStream::connect(plane.address()).unwrap();
    echo(&mut replica, b"REPLCONF listening-port 1");
    let mut busy = connected(plane.address());
    let begun = Instant::now();
    let mut idle = connected(plane.address());
    idle.set_nonblocking(true).unwrap();
    eventually("the idle one is closed", || {
        echo(&mut busy, b"tick");
        !matches!(idle.read(&mut [0; 9]), Err(error) if error.kind() == ErrorKind::WouldBlock)
    });
    assert!(begun.elapsed() >= limit);
    echo(&mut replica, b"still here");
    echo(&mut busy, b"still here");
}

#[test]
fn r16_fallback_max_age_moves_sessions_back() {
    let servers = [Server::echo(), Server::echo()];
    let plane = Plane::reads(&servers)
        .tiers(&[&[0], &[1]])
        .edit(|group| plane::unserve(group, 0))
        .listener(|listener| listener.fallback_max_age = Some(Duration::from_millis(100)))
        .start();
    let mut client = connected(plane.address());
    let begun = Instant::now();
    eventually("it is old", || begun.elapsed() > Duration::from_millis(200));
    echo(&mut client, b"nothing better is there");
    plane.publish(|group| plane::serve(group, 0));
    assert!(closed(&mut client));
    let mut client = connected(plane.address());
    assert_eq!(plane.sessions(), [1, 0]);
    echo(&mut client, b"stays");
}

#[test]
fn r11_a_reply_that_says_readonly_raises_an_alarm_on_write_sessions_only() {
    let replies = "-READONLY You can't write against a read only replica.\r\n";
    let server = Server::replying(replies);
    let plane = Plane::writes(std::slice::from_ref(&server), 0).start();
    let mut client = TcpStream::connect(plane.address()).unwrap();
    client.write_all(b"SET a 1\r\n").unwrap();
    assert_eq!(read_line(&mut client), replies);
    let alarm = plane.alarm();
    assert_eq!((alarm.node, alarm.kind), (NodeId(0), AlarmKind::Suspicious));
    plane.shutdown(Duration::ZERO);

    let plane = Plane::reads(std::slice::from_ref(&server)).start();
    let mut client = TcpStream::connect(plane.address()).unwrap();
    client.write_all(b"SET a 1\r\n").unwrap();
    assert_eq!(read_line(&mut client), replies);
    assert!(plane.no_alarm(), "a client's own mistake");
}

#[test]
fn r11_a_node_that_closes_a_session_raises_an_alarm() {
    let server = Server::echo();
    let plane = Plane::reads(std::slice::from_ref(&server)).start();
    let mut client = connected(plane.address());
    server.close_all();
    assert_eq!(plane.alarm().kind, AlarmKind::Suspicious);
    assert!(closed(&mut client), "the client is told");
}

#[test]
fn a_second_instance_is_told_who_holds_the_address() {
    let server = Server::echo();
    let first = Plane::reads(std::slice::from_ref(&server))
        .workers(TWO)
        .start();
    let bind = Bind::Tcp(first.address());
    let error = Plane::reads(std::slice::from_ref(&server))
        .listener(move |listener| listener.binds = vec![bind.clone()])
        .try_start()
        .unwrap_err()
        .to_string();
    assert!(
        error.contains(&format!("pid {}", std::process::id())),
        "{error}"
    );
    echo(&mut connected(first.address()), b"the first goes on");
}

#[test]
fn unix_sockets_on_both_sides() {
    let directory = tempfile::tempdir().unwrap();
    let (ours, theirs) = (
        directory.path().join("rolecall.sock"),
        directory.path().join("redis.sock"),
    );
    let server = Server::echo_at(&theirs);
    let bind = Bind::Unix(ours.clone());
    let plane = Plane::reads(std::slice::from_ref(&server))
        .edit(move |group| group.nodes[0].target = Some(Target::Unix(theirs.clone())))
        .listener(move |listener| listener.binds.push(bind.clone()))
        .workers(TWO)
        .start();
    for _ in 0..10 {
        let mut client = UnixStream::connect(&ours).unwrap();
        client.write_all(b"hello\r\n").unwrap();
        let mut reply = [0; 7];
        client.read_exact(&mut reply).unwrap();
        assert_eq!(&reply, b"hello\r\n");
    }
    echo(&mut connected(plane.address()), b"TCP beside it");
    plane.shutdown(Duration::ZERO);
    assert!(!ours.exists(), "removed at the end");
}

#[test]
fn shutdown_lets_sessions_finish_and_tells_parked_clients() {
    let server = Server::echo();
    let plane = Plane::reads(std::slice::from_ref(&server))
        .workers(TWO)
        .start();
    let address = plane.address();
    let mut working = connected(address);
    plane.publish(|group| plane::unserve(group, 0));
    let mut parked = TcpStream::connect(address).unwrap();
    parked.write_all(b"unread").unwrap();
    plane.eventually_parked(1);
    plane.drain();
    let refused = TcpStream::connect(address).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    echo(&mut working, b"in the grace");
    plane.shutdown(Duration::from_millis(100));
    let line = read_line(&mut parked);
    assert!(line.starts_with("-MASTERDOWN rolecall: "), "{line}");
    assert!(closed(&mut working));
}

#[test]
fn shutdown_ends_as_soon_as_the_last_session_does() {
    let server = Server::echo();
    let plane = Plane::reads(std::slice::from_ref(&server))
        .workers(TWO)
        .start();
    let client = connected(plane.address());
    let ending = std::thread::spawn(move || plane.shutdown(Duration::from_secs(3600)));
    drop(client);
    ending.join().unwrap();
}

#[test]
fn metrics_are_there_from_the_start_and_come_back_to_zero() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).unwrap();
    let server = Server::echo();
    let plane = Plane::reads(std::slice::from_ref(&server))
        .listener(|listener| listener.idle_timeout = Some(Duration::from_secs(100)))
        .start();
    let lines = || {
        let text = handle.render();
        text.lines().map(str::to_owned).collect::<HashSet<_>>()
    };
    let has = |line: &str| assert!(lines().contains(line), "{line} in {:#?}", lines());
    has("rolecall_listener_connections{listener=\"redis-ro\"} 0");
    has("rolecall_sessions_closed_total{listener=\"redis-ro\",reason=\"demoted\"} 0");
    has("rolecall_listener_rejected_total{listener=\"redis-ro\",reason=\"park_full\"} 0");
    has("rolecall_node_sent_bytes_total{group=\"main\",node=\"redis-0\"} 0");
    let mut client = connected(plane.address());
    has("rolecall_listener_connections{listener=\"redis-ro\"} 1");
    has("rolecall_node_sessions{group=\"main\",node=\"redis-0\"} 1");
    client.write_all(b"12345").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    read_to_end(&mut client);
    let ended = "rolecall_sessions_closed_total{listener=\"redis-ro\",reason=\"finished\"} 1";
    eventually("the session is counted", || lines().contains(ended));
    // "hi" and a line end to find the node, and five more.
    has("rolecall_node_sent_bytes_total{group=\"main\",node=\"redis-0\"} 9");
    has("rolecall_node_received_bytes_total{group=\"main\",node=\"redis-0\"} 9");
    eventually("the gauges are back", || {
        lines().contains("rolecall_node_sessions{group=\"main\",node=\"redis-0\"} 0")
            && lines().contains("rolecall_listener_connections{listener=\"redis-ro\"} 0")
    });
}

/// A client that has been joined to an echoing node.
fn connected(address: std::net::SocketAddr) -> TcpStream {
    let mut client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(plane::DEADLINE)).unwrap();
    echo(&mut client, b"hi");
    client
}

/// A client whose session is counted; its node need not answer.
fn served(plane: &Plane) -> TcpStream {
    let before: usize = plane.sessions().iter().sum();
    let client = TcpStream::connect(plane.address()).unwrap();
    eventually("it is served", || {
        plane.sessions().iter().sum::<usize>() > before
    });
    client
}

fn echo(client: &mut TcpStream, words: &[u8]) {
    let line = [words, b"\r\n"].concat();
    client.write_all(&line).unwrap();
    let mut reply = vec![0; line.len()];
    client.read_exact(&mut reply).unwrap();
    assert_eq!(reply, line);
}

#[test]
fn the_worker_threads_outlive_their_clients_mistakes() {
    let server = Server::echo();
    let plane = Plane::reads(std::slice::from_ref(&server))
        .workers(TWO)
        .start();
    for _ in 0..50 {
        let client = TcpStream::connect(plane.address()).unwrap();
        // A reset instead of an end.
        socket2::SockRef::from(&client)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
        drop(client);
    }
    echo(&mut connected(plane.address()), b"fine");
    eventually("all are counted out", || {
        plane.loads().connections(LISTENER) == 0
    });
}

#[test]
fn r7_a_primary_that_loses_the_election_while_it_is_dialled_gets_no_byte() {
    let servers = [Server::hanging(), Server::echo()];
    let plane = Plane::writes(&servers, 0)
        .listener(|listener| listener.connect_timeout = plane::DEADLINE)
        .start();
    let mut client = TcpStream::connect(plane.address()).unwrap();
    client.write_all(b"SET a 1\r\n").unwrap();
    eventually("it is being dialled", || plane.sessions()[0] == 1);
    plane.publish(|group| plane::elect(group, 1, 2));
    // The dial succeeds now, too late.
    servers[0].open();
    assert_eq!(read_line(&mut client), "SET a 1\r\n");
    assert_eq!(plane.sessions(), [0, 1]);
    assert_eq!(servers[0].heard(), "");
}

#[test]
fn r12_a_dial_that_hangs_goes_on_after_connect_timeout() {
    let servers = [Server::hanging(), Server::echo()];
    let plane = Plane::reads(&servers)
        .tiers(&[&[0], &[1]])
        .listener(|listener| listener.connect_timeout = Duration::from_millis(50))
        .start();
    connected(plane.address());
    assert_eq!(plane.alarm().kind, AlarmKind::DialFailed);
}
