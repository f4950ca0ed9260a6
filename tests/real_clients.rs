//! What clients do: half-close, hang up while parked, send garbage, subscribe, come in too great a number.

#[cfg(test)]
#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use common::client::{Client, Reply, encode};
use common::redis::{RedisNode, redis_group};
use common::rolecall::Rolecall;
use common::topology::Topology;
use common::{SOON, eventually};
use std::process::Command;

fn one_node() -> (RedisNode, Rolecall) {
    let node = RedisNode::primary("redis-1");
    let proxy = Topology::new()
        .node(&node)
        .listener("redis-rw", "read-write", "")
        .start();
    proxy.wait_primary("redis-1");
    (node, proxy)
}

#[test]
fn r15_a_client_that_half_closes_gets_all_its_replies() {
    let (node, proxy) = one_node();
    let mut client = proxy.client("redis-rw");
    let mut script = Vec::new();
    for number in 0..1000 {
        script.extend(encode(&["SET", &format!("key-{number}"), "x"]));
    }
    client.send(&script).expect("send");
    client.half_close();
    let replies = client.read_to_end().expect("all replies, then the end");
    assert_eq!(replies, b"+OK\r\n".repeat(1000));
    assert_eq!(node.must(&["DBSIZE"]).text(), "1000");
}

#[test]
fn r15_what_a_node_sent_before_it_closed_arrives_whole() {
    let (node, proxy) = one_node();
    let value = "v".repeat(1 << 20);
    node.must(&["SET", "large", &value]);
    let mut client = proxy.client("redis-rw");
    // Redis closes after QUIT, long before the client has read what came before it.
    let mut script = encode(&["GET", "large"]).repeat(32);
    script.extend(encode(&["QUIT"]));
    client.send(&script).expect("send");
    for number in 0..32 {
        let reply = client.read_reply().expect("a whole reply");
        assert_eq!(reply.text().len(), value.len(), "reply {number}");
    }
    assert_eq!(client.read_to_end().expect("the end"), b"+OK\r\n");
}

#[test]
fn r15_a_half_close_right_after_the_connection_like_nc_does() {
    let (_node, proxy) = one_node();
    for _ in 0..100 {
        let mut client = proxy.client("redis-rw");
        client.send(b"PING\r\n").expect("send");
        client.half_close();
        assert_eq!(client.read_to_end().expect("the end"), b"+PONG\r\n");
    }
}

#[test]
fn r13_what_a_client_sent_that_left_while_parked_is_never_written() {
    let [mut a, b] = redis_group(["redis-1", "redis-2"]);
    let proxy = Topology::new()
        .node(&a)
        .node(&b)
        .listener("redis-rw", "read-write", "park: { timeout: 60s }")
        .start();
    proxy.wait_primary("redis-1");
    a.kill9();
    let labels = [("listener", "redis-rw")];
    proxy.wait_eligible("redis-rw", &["redis-1", "redis-2"], &[]);
    let mut hangs_up = proxy.client("redis-rw");
    let mut half_closes = proxy.client("redis-rw");
    let mut sends_much = proxy.client("redis-rw");
    let mut stays = proxy.client("redis-rw");
    proxy.wait_metric("rolecall_listener_parked", &labels, 4.0);

    hangs_up
        .send(&encode(&["SET", "hangs-up", "x"]))
        .expect("send");
    half_closes
        .send(&encode(&["SET", "half-closes", "x"]))
        .expect("send");
    let much: Vec<u8> = (0..2_000)
        .flat_map(|n| encode(&["SET", &format!("much-{n}"), "x"]))
        .collect();
    sends_much.send(&much).expect("send");
    stays.send(&encode(&["SET", "stays", "x"])).expect("send");
    drop(hangs_up);
    half_closes.half_close();
    drop(sends_much);
    proxy.wait_metric("rolecall_listener_parked", &labels, 1.0);

    b.promote();
    assert!(stays.read_reply().expect("a reply").is_ok());
    let Reply::Array(keys) = b.must(&["KEYS", "*"]) else {
        panic!("KEYS gives an array");
    };
    let keys: Vec<String> = keys.iter().map(Reply::text).collect();
    assert_eq!(keys, ["stays"]);
    let left = [("listener", "redis-rw"), ("reason", "park_left")];
    proxy.wait_metric("rolecall_sessions_closed_total", &left, 3.0);
}

#[test]
fn garbage_is_relayed_like_anything_else() {
    let (node, proxy) = one_node();
    let mut healthy = proxy.client("redis-rw");
    assert!(healthy.cmd(&["SET", "key", "value"]).is_ok());
    let inputs: [&[u8]; 5] = [
        b"*3\r\n$x\r\n",
        b"*999999999\r\n",
        b"GET / HTTP/1.1\r\nHost: example\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\r\n",
        b"NO SUCH COMMAND\r\n",
    ];
    for input in inputs {
        let answer = |mut client: Client| {
            client.send(input).expect("send");
            client.half_close();
            // Redis resets some of these connections; what counts is what it said before.
            client.read_to_end().unwrap_or_default()
        };
        let direct = answer(node.client());
        let through = answer(proxy.client("redis-rw"));
        let shown = String::from_utf8_lossy(input);
        assert_eq!(
            String::from_utf8_lossy(&through),
            String::from_utf8_lossy(&direct),
            "answer to {shown:?}"
        );
    }
    assert_eq!(healthy.cmd(&["GET", "key"]).text(), "value");
}

#[test]
fn transactions_subscriptions_and_large_values_pass() {
    let (_node, proxy) = one_node();
    let mut client = proxy.client("redis-rw");
    assert!(client.cmd(&["MULTI"]).is_ok());
    client.cmd(&["INCR", "counter"]);
    client.cmd(&["INCR", "counter"]);
    assert_eq!(
        client.cmd(&["EXEC"]),
        Reply::Array(vec![Reply::Int(1), Reply::Int(2)])
    );

    let mut subscriber = proxy.client("redis-rw");
    subscriber.cmd(&["SUBSCRIBE", "news"]);
    assert_eq!(client.cmd(&["PUBLISH", "news", "hello"]), Reply::Int(1));
    let Reply::Array(message) = subscriber.read_reply().expect("a message") else {
        panic!("a message is an array");
    };
    assert_eq!(message[2].text(), "hello");

    let value: String = (0..10 << 20)
        .map(|n| char::from(b'a' + u8::try_from(n % 23).unwrap()))
        .collect();
    assert!(client.cmd(&["SET", "large", &value]).is_ok());
    assert!(
        client.cmd(&["GET", "large"]).text() == value,
        "10 MB come back unchanged"
    );
}

#[test]
fn a_client_that_resets_its_connection_hurts_nobody() {
    let (node, proxy) = one_node();
    let mut healthy = proxy.client("redis-rw");
    let value = "v".repeat(1 << 20);
    node.must(&["SET", "large", &value]);
    for _ in 0..20 {
        let mut client = proxy.client("redis-rw");
        client
            .send(&encode(&["GET", "large"]).repeat(8))
            .expect("send");
        // Dropped with replies unread: the kernel answers the rest with a reset.
        client.read_reply().expect("a first reply");
        drop(client);
    }
    assert_eq!(healthy.cmd(&["PING"]).text(), "PONG");
    proxy.wait_metric("rolecall_node_sessions", &[("node", "redis-1")], 1.0);
}

#[test]
fn the_connection_limit_of_a_listener_is_told_in_redis_words() {
    let node = RedisNode::primary("redis-1");
    let proxy = Topology::new()
        .node(&node)
        .listener("redis-rw", "read-write", "max_connections: 2")
        .start();
    let mut first = proxy.client("redis-rw");
    let mut second = proxy.client("redis-rw");
    assert_eq!(
        (first.node(), second.node()),
        ("redis-1".into(), "redis-1".into())
    );
    let reply = proxy.client("redis-rw").cmd(&["PING"]);
    assert_eq!(reply.error(), Some("ERR max number of clients reached"));
    drop(first);
    eventually(SOON, "there is room again", || {
        let reply = proxy.client("redis-rw").try_cmd(&["PING"]);
        reply.is_ok_and(|reply| reply.error().is_none())
    });
    assert_eq!(second.node(), "redis-1");
}

#[test]
fn idle_timeout_closes_idle_sessions_of_its_listener_only() {
    let node = RedisNode::primary("redis-1");
    let proxy = Topology::new()
        .node(&node)
        .listener("short", "read-write", "idle_timeout: 1s")
        .listener("long", "read-write", "")
        .start();
    let mut stays = proxy.client("long");
    assert_eq!(stays.cmd(&["PING"]).text(), "PONG");
    let mut idle = proxy.client("short");
    assert_eq!(idle.cmd(&["PING"]).text(), "PONG");
    idle.wait_closed("an idle session is closed");
    let labels = [("listener", "short"), ("reason", "idle")];
    proxy.wait_metric("rolecall_sessions_closed_total", &labels, 1.0);
    assert_eq!(stays.cmd(&["PING"]).text(), "PONG");
}

#[test]
fn redis_benchmark_and_redis_cli_run_unchanged() {
    let (_node, proxy) = one_node();
    let address = proxy.listener("redis-rw");
    let (ip, port) = (address.ip().to_string(), address.port().to_string());
    let at = ["-h", ip.as_str(), "-p", port.as_str()];
    let cli = Command::new("redis-cli")
        .args(at)
        .args(["SET", "a", "b"])
        .output();
    let cli = cli.expect("redis-cli is installed");
    assert_eq!(String::from_utf8_lossy(&cli.stdout).trim(), "OK");
    let benchmark = Command::new("redis-benchmark")
        .args(at)
        .args([
            "-q",
            "-n",
            "5000",
            "-c",
            "50",
            "-P",
            "8",
            "-t",
            "set,get,lpush,mset",
        ])
        .output()
        .expect("redis-benchmark is installed");
    let said = String::from_utf8_lossy(&benchmark.stdout).into_owned()
        + &String::from_utf8_lossy(&benchmark.stderr);
    assert!(benchmark.status.success(), "{said}");
    assert!(said.contains("MSET") && !said.contains("Error"), "{said}");
}
