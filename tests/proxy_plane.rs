//! The data plane in this process, with views made by hand, against small servers on loopback.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops there"
)]

#[path = "plane/answers.rs"]
mod answers;
#[path = "plane/doors.rs"]
mod doors;
mod plane;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use plane::{LISTENER, Plane, Server, closed, connected, echo, eventually, read_line, read_to_end};
use rolecall::core::alarm::AlarmKind;
use rolecall::core::chain::Access;
use rolecall::core::ids::NodeId;
use rolecall::core::reason::CloseReason;

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
    let mut clients: Vec<TcpStream> = (0..40)
        .map(|_| TcpStream::connect(plane.address()).unwrap())
        .collect();
    // A session is counted before its node is dialled, and one that is still dialling goes to the new
    // primary, which is right. What the node has heard came from one that was joined to it.
    for client in &mut clients {
        client.write_all(b"EARLY\r\n").unwrap();
    }
    eventually("all are joined", || {
        servers[0].heard_length() == 40 * b"EARLY\r\n".len()
    });
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
    for writer in 0..4 {
        let mut client = TcpStream::connect(address).unwrap();
        let early = format!("EARLY {writer}\r\n");
        let published = std::sync::Arc::clone(&published);
        writers.push(std::thread::spawn(move || {
            loop {
                // What is sent after this was read as true was sent after publishing.
                let late = published.load(std::sync::atomic::Ordering::SeqCst);
                let line: &[u8] = if late { b"LATE\r\n" } else { early.as_bytes() };
                if client.write_all(line).is_err() {
                    return;
                }
            }
        }));
    }
    eventually("all write", || {
        let heard = servers[0].heard();
        heard.len() > 10_000 && (0..4).all(|writer| heard.contains(&format!("EARLY {writer}")))
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
    // In other words than Redis': R20 keeps those from a write session.
    let replies = "-READONLY it is a replica\r\n";
    let server = Server::replying(replies);
    let plane = Plane::writes(std::slice::from_ref(&server), 0).start();
    let mut client = TcpStream::connect(plane.address()).unwrap();
    client.write_all(b"SET a 1\r\n").unwrap();
    assert_eq!(read_line(&mut client), replies);
    let alarm = plane.alarm();
    assert_eq!((alarm.node, alarm.kind), (NodeId(0), AlarmKind::Suspicious));
    plane.shutdown(Duration::ZERO);

    let replies = "-READONLY You can't write against a read only replica.\r\n";
    let server = Server::replying(replies);
    let plane = Plane::reads(std::slice::from_ref(&server)).start();
    let mut client = TcpStream::connect(plane.address()).unwrap();
    client.write_all(b"SET a 1\r\n").unwrap();
    assert_eq!(read_line(&mut client), replies);
    assert!(plane.no_alarm(), "a client's own mistake");
}

#[test]
fn r8_a_node_that_is_full_gets_no_new_sessions_until_a_new_connection_is_accepted() {
    let reply = "-ERR max number of clients reached\r\n";
    let server = Server::replying(reply);
    let plane = Plane::reads(std::slice::from_ref(&server)).start();
    let mut client = TcpStream::connect(plane.address()).unwrap();
    client.write_all(b"GET a\r\n").unwrap();
    assert_eq!(read_line(&mut client), reply);
    let alarm = plane.alarm();
    assert_eq!((alarm.node, alarm.kind), (NodeId(0), AlarmKind::DialFailed));
}

#[test]
fn r12_no_failed_dial_is_forgotten_however_many_there_are() {
    const CLIENTS: usize = 300;
    let server = Server::refusing();
    let plane = Plane::reads(std::slice::from_ref(&server)).start();
    let _clients: Vec<TcpStream> = (0..CLIENTS)
        .map(|_| TcpStream::connect(plane.address()).unwrap())
        .collect();
    plane.eventually_parked(CLIENTS);
    // Nobody has listened meanwhile.
    for _ in 0..CLIENTS {
        assert_eq!(plane.alarm().kind, AlarmKind::DialFailed);
    }
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
