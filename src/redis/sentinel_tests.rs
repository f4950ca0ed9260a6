use proptest::prelude::*;

use super::*;

fn bulks(words: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    resp::command(&mut out, words);
    out
}

/// As Redis 7.0 answers, shortened.
fn master(run_id: &str, flags: &str) -> Vec<u8> {
    bulks(&[
        "name",
        "redis-ha",
        "ip",
        "10.1.1.1",
        "port",
        "6379",
        "runid",
        run_id,
        "flags",
        flags,
        "config-epoch",
        "7",
        "num-slaves",
        "2",
    ])
}

fn ask(answer: &[u8]) -> Option<SentinelReport> {
    Query::new(None, "redis-ha").0.feed(answer)
}

fn login() -> Login<'static> {
    Login {
        username: Some("rolecall"),
        password: "s3cret",
    }
}

fn vote_7(run_id: Option<&str>, phase: Phase) -> SentinelReport {
    SentinelReport::Votes(Vote {
        address: HostPort::new("10.1.1.1", 6379),
        run_id: run_id.map(|run| RunId(run.into())),
        config_epoch: 7,
        phase,
        down: false,
    })
}

#[test]
fn a_vote_is_read_cut_at_every_byte() {
    let answer = master("abc", "master");
    for cut in 0..answer.len() {
        let (mut query, request) = Query::new(None, "redis-ha");
        assert_eq!(request, bulks(&["SENTINEL", "MASTER", "redis-ha"]));
        assert_eq!(query.feed(&answer[..cut]), None);
        assert_eq!(
            query.feed(&answer[cut..]),
            Some(vote_7(Some("abc"), Phase::Settled))
        );
    }
}

#[test]
fn after_a_switch_there_is_no_run_yet_and_a_leader_is_told_apart() {
    assert_eq!(
        ask(&master("", "master")),
        Some(vote_7(None, Phase::Settled))
    );
    assert_eq!(
        ask(&master("abc", "master,failover_in_progress,force_failover")),
        Some(vote_7(Some("abc"), Phase::FailingOver))
    );
}

#[test]
fn r18_a_sentinel_that_does_not_reach_its_own_master_says_so() {
    for (flags, down) in [
        ("master", false),
        ("master,s_down", true),
        ("master,s_down,o_down,disconnected", true),
        ("o_down,master", true),
        ("master,not_s_down", false),
    ] {
        match ask(&master("abc", flags)) {
            Some(SentinelReport::Votes(vote)) => assert_eq!(vote.down, down, "{flags}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn complaints_are_told_apart() {
    use SentinelReport::{Denied, NotASentinel, UnknownName, Unreachable};
    let kind = |answer: &[u8]| std::mem::discriminant(&ask(answer).unwrap());
    let is = |report: SentinelReport| std::mem::discriminant(&report);
    assert_eq!(
        ask(b"-ERR No such master with that name\r\n"),
        Some(UnknownName)
    );
    for text in ["NOAUTH Authentication required.", "NOPERM no", "DENIED x"] {
        let answer = format!("-{text}\r\n");
        assert_eq!(ask(answer.as_bytes()), Some(Denied(text.into())));
    }
    for answer in [
        &b"-ERR unknown command `SENTINEL`, with args beginning with: `MASTER`\r\n"[..],
        b"-ERR unknown command 'SENTINEL'\r\n",
        b"+OK\r\n",
        b"*0\r\n",
        b"*2\r\n$2\r\nip\r\n$1\r\nx\r\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"*1\r\n*1\r\n",
    ] {
        assert_eq!(
            kind(answer),
            is(NotASentinel("".into())),
            "{}",
            answer.escape_ascii()
        );
    }
    assert_eq!(
        kind(b"-ERR max number of clients reached\r\n"),
        is(Unreachable("".into()))
    );
}

#[test]
fn auth_comes_first_and_the_password_is_never_shown() {
    let (mut query, request) = Query::new(Some(login()), "redis-ha");
    let mut expected = bulks(&["AUTH", "rolecall", "s3cret"]);
    expected.extend(bulks(&["SENTINEL", "MASTER", "redis-ha"]));
    assert_eq!(request, expected);
    let mut answer = b"+OK\r\n".to_vec();
    answer.extend(master("abc", "master"));
    assert_eq!(
        query.feed(&answer),
        Some(vote_7(Some("abc"), Phase::Settled))
    );

    let no_password = b"-ERR AUTH <password> called without any password configured for x\r\n";
    let mut query = Query::new(Some(login()), "redis-ha").0;
    assert_eq!(query.feed(no_password), None);
    assert!(query.feed(&master("abc", "master")).is_some());

    for wrong in ["-WRONGPASS s3cret is wrong\r\n", "-ERR invalid s3cret\r\n"] {
        let report = Query::new(Some(login()), "x").0.feed(wrong.as_bytes());
        let Some(SentinelReport::Denied(said)) = report else {
            panic!("{report:?}");
        };
        assert!(said.contains("[secret]"), "{said}");
        let heard = Subscription::new(Some(login()), "x")
            .0
            .feed(wrong.as_bytes());
        assert!(heard.unwrap_err().contains("[secret]"));
    }
}

#[test]
fn announcements_name_who_is_promoted_or_stir() {
    let replica = "slave 10.1.1.2:6379 10.1.1.2 6379 @ redis-ha 10.1.1.1 6379";
    let primary = "master redis-ha 10.1.1.1 6379";
    let promoted = Some(SentinelNews::Promotes(HostPort::new("10.1.1.2", 6379)));
    for channel in [
        "+selected-slave",
        "+failover-state-send-slaveof-noone",
        "+promoted-slave",
    ] {
        assert_eq!(news(channel, replica, "redis-ha"), promoted, "{channel}");
    }
    let switch = "redis-ha 10.1.1.1 6379 10.1.1.2 6379";
    assert_eq!(news("+switch-master", switch, "redis-ha"), promoted);
    assert_eq!(news("+switch-master", switch, "other"), None);
    assert_eq!(
        news("+switch-master", "redis-ha a 1 b seven", "redis-ha"),
        Some(SentinelNews::Stirs)
    );
    for (channel, payload) in [
        ("+sdown", primary),
        ("+sdown", replica),
        ("-sdown", replica),
        ("-odown", primary),
        ("+odown", "master redis-ha 10.1.1.1 6379 #quorum 2/2"),
        ("+try-failover", primary),
        ("+reboot", primary),
        ("+convert-to-slave", replica),
        ("-failover-abort-no-good-slave", primary),
        ("+failover-end", primary),
        ("+slave-reconf-done", replica),
        (
            "-role-change",
            "slave a a 1 @ redis-ha 10.1.1.1 6379 new reported role is master",
        ),
        (
            "+config-update-from",
            "sentinel 12ab 10.1.1.9 26379 @ redis-ha 10.1.1.1 6379",
        ),
    ] {
        assert_eq!(
            news(channel, payload, "redis-ha"),
            Some(SentinelNews::Stirs),
            "{channel}"
        );
        assert_eq!(news(channel, payload, "redis-h"), None, "{channel}");
    }
    for (channel, payload) in [
        (
            "+sdown",
            "sentinel 12ab 10.1.1.9 26379 @ redis-ha 10.1.1.1 6379",
        ),
        ("+new-epoch", "5"),
        ("+vote-for-leader", "12ab 5"),
        ("+tilt", "#tilt mode entered"),
        ("+monitor", primary),
        ("", ""),
    ] {
        assert_eq!(news(channel, payload, "redis-ha"), None, "{channel}");
    }
}

#[test]
fn a_subscription_is_read_cut_at_every_byte() {
    let mut bytes = b"+OK\r\n*3\r\n$10\r\npsubscribe\r\n$1\r\n*\r\n:1\r\n".to_vec();
    bytes.extend(bulks(&["pmessage", "*", "+new-epoch", "5"]));
    bytes.extend(bulks(&["pong", ""]));
    bytes.extend(bulks(&[
        "pmessage",
        "*",
        "+sdown",
        "master redis-ha 10.1.1.1 6379",
    ]));
    bytes.extend(bulks(&["message", "+switch-master", "redis-ha a 1 b 2"]));
    let expected = [
        Heard::Subscribed,
        Heard::Pong,
        Heard::News(SentinelNews::Stirs),
        Heard::News(SentinelNews::Promotes(HostPort::new("b", 2))),
    ];
    for cut in 0..=bytes.len() {
        let (mut subscription, _) = Subscription::new(Some(login()), "redis-ha");
        let mut heard = subscription.feed(&bytes[..cut]).unwrap();
        heard.extend(subscription.feed(&bytes[cut..]).unwrap());
        assert_eq!(heard, expected, "{cut}");
    }
    let (mut subscription, request) = Subscription::new(None, "redis-ha");
    assert_eq!(request, bulks(&["PSUBSCRIBE", "+*", "-*"]));
    assert!(
        subscription
            .feed(b"-NOAUTH Authentication required.\r\n")
            .is_err()
    );
    assert!(
        Subscription::new(None, "x")
            .0
            .feed(b"HTTP/1.1\r\n")
            .is_err()
    );
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = ask(&bytes);
        let _ = Subscription::new(None, "x").0.feed(&bytes);
    }

    #[test]
    fn arbitrary_announcements_never_panic(channel in ".{0,30}", payload in "[a-z0-9@ ]{0,60}") {
        let _ = news(&channel, &payload, "x");
    }
}
