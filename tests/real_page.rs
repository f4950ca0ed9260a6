//! The status page in a real browser, in front of real servers: one page that stays open through a
//! failover and an absence of the proxy.

#![expect(clippy::expect_used, reason = "a test fails by panicking, helpers too")]

#[cfg(test)]
#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use common::browser::Browser;
use common::client::Client;
use common::fake::{Answers, FakeNode};
use common::net::free_address;
use common::redis::{RedisNode, redis_group};
use common::rolecall::Rolecall;
use common::topology::Topology;

/// The statement about the only group.
const STATEMENT: &str = "#groups h2";

#[test]
fn a_page_that_stays_open_shows_a_failover_and_outlives_the_proxy() {
    let [mut a, b, c] = redis_group(["redis-1", "redis-2", "redis-3"]);
    let admin = free_address();
    let topology = Topology::standard(&[&a, &b, &c]);
    let proxy = topology.spawn_at(admin);
    proxy.wait_ready();
    proxy.wait_primary("redis-1");
    proxy.wait_eligible("redis-ro", &["redis-2", "redis-3"], &["redis-2", "redis-3"]);

    let browser = Browser::start();
    browser.open(&format!("http://{admin}/"));
    shows_a_calm_group(&browser);
    shows_traffic(&browser, &proxy);
    put_marks(&browser);
    let mut waiting = loses_its_primary(&browser, &mut a, &proxy);
    gets_another(&browser, &b, &c);
    assert!(waiting.read_reply().expect("a reply").is_ok());
    browser.wait_text("#groups .about", "1 served");
    let _stranger = shows_what_a_stranger_says_as_text(&browser, &a);
    nothing_was_reloaded(&browser);
    fits_a_phone(&browser);
    let complaints = browser.complaints();
    assert!(complaints.is_empty(), "{complaints:?}");

    drop(proxy);
    browser.wait_text("#contact", "no answer since");
    browser.wait_text("#said", "No answer from rolecall");
    browser.wait_text(STATEMENT, "main: redis-2 is primary");
    assert_eq!(browser.run("return document.body.className"), "stale");
    let proxy = topology.spawn_at(admin);
    browser.wait_text("#contact", "live");
    browser.wait_text(STATEMENT, "main: redis-2 is primary since");
    // The new process counts its events from one: the page has begun anew with them.
    browser.wait_text("#event-list .elected", "redis-2 is elected primary: ");
    assert_eq!(browser.run("return document.body.className"), "");
    assert_eq!(browser.run("return window.marked"), true);

    only_absence_was_complained_of(&browser, admin);
    cannot_make_markup(&browser);
    drop(proxy);
}

#[track_caller]
fn shows_a_calm_group(browser: &Browser) {
    browser.wait_text(STATEMENT, "main: redis-1 is primary since");
    browser.wait_text("#groups summary .chip", "OK");
    browser.wait_text("#contact", "live");
    for (row, state) in [(1, "primary, takes writes"), (2, "replica, serves reads")] {
        browser.wait_text(&format!("#nodes tbody tr:nth-child({row}) .state"), state);
    }
    browser.wait_text("#nodes tbody tr:nth-child(3) th", "redis-3");
    browser.wait_text("#event-list .elected", "redis-1 is elected primary");
    browser.wait_text("#listeners tbody tr:nth-child(1)", "go to redis-1");
    // From the steps of the chains to the nodes that they use: redis-1, and two replicas for reads.
    let drawn = "return document.querySelectorAll('.wire.chosen[d^=M]').length";
    assert_eq!(browser.run(drawn), 3);
    let alarming =
        "return document.querySelectorAll('.look:not([hidden]), .bad:not([hidden])').length";
    assert_eq!(browser.run(alarming), 0, "a healthy group is calm");
    let table = "const table = document.querySelector('#nodes table');
        return [table.caption.innerText, table.querySelectorAll('thead th[scope=col]').length,
                table.querySelectorAll('tbody tr').length, table.querySelectorAll('tbody th[scope=row]').length]";
    assert_eq!(browser.run(table), serde_json::json!(["Nodes", 13, 3, 3]));
}

/// A client at redis-1 is a session there, and its commands are bytes.
#[track_caller]
fn shows_traffic(browser: &Browser, proxy: &Rolecall) {
    let mut client = proxy.client("redis-rw");
    let row = "#nodes tbody tr:nth-child(1)";
    browser.wait_text(&format!("{row} td:nth-child(8)"), "1");
    let big = "x".repeat(100_000);
    common::poll(
        common::SOON,
        "the page shows bytes that go to redis-1",
        || {
            assert!(client.cmd(&["SET", "key", &big]).is_ok());
            let rate = browser.text(&format!("{row} td:nth-child(10)"));
            (rate.ends_with("B/s") && rate != "0 B/s").then_some(())
        },
    );
}

/// What a reload, or a page that is built anew each second, would lose.
#[track_caller]
fn put_marks(browser: &Browser) {
    browser.run(
        "window.marked = true;
         window.row = document.querySelector('#nodes tbody tr');
         document.querySelector('#filters button:nth-child(2)').focus();
         const name = document.querySelector('#nodes tbody th');
         getSelection().selectAllChildren(name);",
    );
}

#[track_caller]
fn loses_its_primary(browser: &Browser, a: &mut RedisNode, proxy: &Rolecall) -> Client {
    a.kill9();
    browser.wait_text(STATEMENT, "main: no primary");
    browser.wait_text("#groups summary .chip", "No primary");
    browser.wait_text("#said", "main: no primary");
    browser.wait_text("#nodes tbody tr:nth-child(1) .state", "down");
    let mut waiting = proxy.client("redis-rw");
    waiting.send(b"SET key value\r\n").expect("send");
    browser.wait_text("#groups .about", "1 at redis-rw");
    waiting
}

#[track_caller]
fn gets_another(browser: &Browser, b: &RedisNode, c: &RedisNode) {
    b.promote();
    c.replicate(b);
    browser.wait_text(STATEMENT, "main: redis-2 is primary since");
    browser.wait_text("#said", "main: redis-2 is primary");
    browser.wait_text(
        "#event-list .elected",
        "redis-2 is elected primary after redis-1",
    );
    browser.wait_text(
        "#nodes tbody tr:nth-child(2) .state",
        "primary, takes writes",
    );
    browser.wait_text("#listeners tbody tr:nth-child(1)", "go to redis-2");
}

/// Words from the wire reach the page: here from somebody who took the old primary's address.
#[track_caller]
fn shows_what_a_stranger_says_as_text(browser: &Browser, a: &RedisNode) -> FakeNode {
    let stranger = FakeNode::start_at(a.address(), Answers::Markup);
    browser.wait_text("#nodes tbody tr:nth-child(1) .state", "<img src=x onerror=");
    assert_eq!(browser.run("return document.images.length"), 0);
    stranger
}

#[track_caller]
fn nothing_was_reloaded(browser: &Browser) {
    let kept = browser.run(
        "return [window.marked, window.row.isConnected, document.activeElement.innerText,
                 getSelection().toString()]",
    );
    assert_eq!(
        kept,
        serde_json::json!([true, true, "Elections", "redis-1"])
    );
}

#[track_caller]
fn fits_a_phone(browser: &Browser) {
    browser.resize(390, 844);
    let overflow = "return document.documentElement.scrollWidth - innerWidth";
    assert_eq!(browser.run(overflow), 0, "no scrolling to the side");
}

/// The browser itself tells of each request that failed; there is nothing else, and no other address.
#[track_caller]
fn only_absence_was_complained_of(browser: &Browser, admin: SocketAddr) {
    let origin = format!("http://{admin}/");
    let complaints = browser.complaints();
    assert!(!complaints.is_empty(), "the absence was not noticed");
    for complaint in complaints {
        let ours = complaint.source == "network" && complaint.message.contains(&origin);
        assert!(ours, "{complaint:?}");
    }
    let requests = browser.requests();
    assert!(requests.len() > 10, "{requests:?}");
    for request in requests {
        assert!(
            request.starts_with(&origin) || request.starts_with("data:"),
            "{request}"
        );
    }
}

#[track_caller]
fn cannot_make_markup(browser: &Browser) {
    let refused = browser.run(
        "try { document.body.innerHTML = '<p>'; return 'made'; } catch (error) { return error.name; }",
    );
    assert_eq!(refused, "TypeError");
}

#[test]
fn who_does_not_ask_for_html_gets_text() {
    let a = RedisNode::primary("redis-1");
    let proxy = Topology::standard(&[&a]).start();
    let plain = proxy.get("/");
    assert!(
        plain
            .head
            .to_ascii_lowercase()
            .contains("content-type: text/plain")
    );
    assert!(plain.body.contains("/api/status"), "{}", plain.body);
    let browsers = get_html(proxy.admin());
    let (head, body) = browsers.split_once("\r\n\r\n").expect("an answer");
    let head = head.to_ascii_lowercase();
    assert!(
        head.contains("content-type: text/html; charset=utf-8"),
        "{head}"
    );
    assert!(
        head.contains("content-security-policy: default-src 'none'; script-src 'sha256-"),
        "{head}"
    );
    assert!(body.starts_with("<!doctype html>"), "{body}");
}

fn get_html(admin: SocketAddr) -> String {
    let mut stream = TcpStream::connect(admin).expect("connect");
    stream
        .set_read_timeout(Some(common::SOON))
        .expect("a time-out");
    let request = format!("GET / HTTP/1.0\r\nHost: {admin}\r\nAccept: text/html,*/*;q=0.8\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("send");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    text
}
