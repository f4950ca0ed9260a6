//! How clients come in, wait, are turned away and are let go: binds, parking, limits, shutdown.

use std::collections::HashSet;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rolecall::config::model::Bind;
use rolecall::core::snapshot::Target;

use crate::TWO;
use crate::plane::{
    self, LISTENER, Plane, Server, closed, connected, echo, eventually, read_line, read_to_end,
};

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

/// More than our receive buffer takes: the client's end is queued behind bytes that wait for room.
#[test]
fn r13_a_client_that_left_with_much_unsent_is_never_written() {
    for length in [64 << 10, 150_000, 400_000, 1_000_000] {
        let server = Server::echo();
        let plane = Plane::reads(std::slice::from_ref(&server))
            .edit(|group| plane::unserve(group, 0))
            .start();
        let mut leaver = TcpStream::connect(plane.address()).unwrap();
        plane.eventually_parked(1);
        leaver.set_nonblocking(true).unwrap();
        let poison = b"SET poison 1\r\n".repeat(length / 14);
        let mut sent = 0;
        while let Some(rest) = poison.get(sent..).filter(|rest| !rest.is_empty()) {
            match leaver.write(rest) {
                Ok(taken) => sent += taken,
                // As much as this system's buffers hold.
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
        }
        drop(leaver);
        plane.publish(|group| plane::serve(group, 0));
        plane.eventually_parked(0);
        echo(&mut connected(plane.address()), b"clean");
        eventually("all sessions have ended", || {
            plane.loads().connections(LISTENER) == 0
        });
        let heard = crate::server_heard_in_full(&server);
        assert!(!heard.contains("poison"), "{length}: {} bytes", heard.len());
    }
}

#[test]
fn r13_a_parked_client_that_has_sent_much_and_waits_is_served_in_full() {
    for length in [1_000, 60_000, 1_000_000, 12_000_000] {
        let server = Server::echo();
        let plane = Plane::reads(std::slice::from_ref(&server))
            .edit(|group| plane::unserve(group, 0))
            .start();
        let mut client = TcpStream::connect(plane.address()).unwrap();
        plane.eventually_parked(1);
        let mut writer = client.try_clone().unwrap();
        let sending = std::thread::spawn(move || writer.write_all(&crate::pattern(0, length)));
        plane.publish(|group| plane::serve(group, 0));
        let mut received = vec![0; length];
        client.set_read_timeout(Some(plane::DEADLINE)).unwrap();
        client.read_exact(&mut received).unwrap();
        assert!(received == crate::pattern(0, length), "{length}");
        sending.join().unwrap().unwrap();
        echo(&mut client, b"and on");
        assert_eq!(server.heard_length(), length + "and on\r\n".len());
    }
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
fn an_address_that_we_hold_ourselves_is_told_as_such() {
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
    assert!(error.contains("held by this very proxy"), "{error}");
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
