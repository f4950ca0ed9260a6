//! R20 by the data plane alone: what a node says while its session ends.

use std::io::Write;
use std::net::TcpStream;

use rolecall::core::alarm::AlarmKind;
use rolecall::core::answers::{Answers, TermEnd};
use rolecall::core::ids::NodeId;

use crate::plane::{self, Plane, Server, eventually, read_to_end};

const REFUSAL: &str = "-READONLY You can't write against a read only replica.\r\n";

/// A client that has asked a node which answers when the test says so.
fn asked(plane: &Plane, server: &Server) -> TcpStream {
    let mut client = TcpStream::connect(plane.address()).unwrap();
    client.write_all(b"SET a 1\r\n").unwrap();
    eventually("the node has it", || server.heard() == "SET a 1\r\n");
    client
}

/// The other node is elected, and the first term's answers are to be treated so.
fn fence(plane: &Plane, answers: Answers) {
    plane.publish(|group| {
        plane::elect(group, 1, 2);
        group.ended = Some(TermEnd { term: 1, answers });
    });
}

#[test]
fn r20_what_stands_before_a_refusal_is_delivered_and_then_the_session_ends() {
    let server = Server::replying(&format!("$3\r\nfoo\r\n+OK\r\n{REFUSAL}+OK\r\n"));
    let plane = Plane::writes(std::slice::from_ref(&server), 0).start();
    let mut client = asked(&plane, &server);
    // Never read: a plain close would reset the client.
    client.write_all(b"SET b 2\r\n").unwrap();
    let alarm = plane.alarm();
    assert_eq!((alarm.node, alarm.kind), (NodeId(0), AlarmKind::Suspicious));
    assert_eq!(read_to_end(&mut client), "$3\r\nfoo\r\n+OK\r\n");
    eventually("the node's connection is closed", || {
        server.open_connections() == 0
    });
}

#[test]
fn r20_a_refusal_after_the_fence_is_not_delivered_either() {
    let servers = [Server::sink(), Server::echo()];
    let plane = Plane::writes(&servers, 0).start();
    let mut client = asked(&plane, &servers[0]);
    servers[0].say(&format!("+OK\r\n{}", &REFUSAL[..20]));
    fence(&plane, Answers::Deliver);
    servers[0].say(&REFUSAL[20..]);
    let read = read_to_end(&mut client);
    assert!(
        format!("+OK\r\n{}", &REFUSAL[..20]).starts_with(&read),
        "{read}"
    );
}

#[test]
fn r20_what_is_never_decided_is_dropped() {
    let servers = [Server::sink(), Server::echo()];
    let plane = Plane::writes(&servers, 0).start();
    let mut client = asked(&plane, &servers[0]);
    fence(&plane, Answers::Undecided);
    servers[0].say("+OK\r\n");
    assert_eq!(read_to_end(&mut client), "");
}

#[test]
fn r20_a_node_that_does_not_answer_is_not_waited_for() {
    let servers = [Server::sink(), Server::echo()];
    let plane = Plane::writes(&servers, 0).start();
    let mut client = asked(&plane, &servers[0]);
    fence(&plane, Answers::Deliver);
    let _refused_or_not = client.write_all(b"LATE\r\n");
    assert_eq!(read_to_end(&mut client), "");
    eventually("the node's connection is closed", || {
        servers[0].open_connections() == 0
    });
    assert_eq!(servers[0].heard(), "SET a 1\r\n", "R7: the fence");
}
