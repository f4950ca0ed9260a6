//! Every reply of R8, each cut at every byte, and bytes that are no replies at all.

use proptest::prelude::*;

use super::*;
use crate::core::facts::Role;

const PRIMARY: &str = "role:master\r\nconnected_slaves:1\r\nmaster_replid:aa\r\n\
    master_replid2:00\r\nmaster_repl_offset:14\r\nsecond_repl_offset:-1\r\n";
const NEW: &str = "role:master\r\nconnected_slaves:0\r\nmaster_replid:aa\r\n\
    master_replid2:00\r\nmaster_repl_offset:0\r\nsecond_repl_offset:-1\r\n";
const SERVER: &str = "redis_version:7.0.15\r\nredis_mode:standalone\r\nrun_id:r1\r\n";
const PROTECTED: &str = "-DENIED Redis is running in protected mode because protected mode is \
    enabled and no password is set for the default user.\r\n";

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

/// A node's answers: to PING, INFO replication, INFO server.
fn answers(ping: &str, replication: &str, server: &str) -> String {
    format!("{ping}\r\n{}{}", bulk(replication), bulk(server))
}

/// The end of a check when the node sends `pieces`, answers INFO keyspace if it is asked, and then closes:
/// an outcome, and what was asked in addition.
fn play<'a>(
    login: Option<Login<'_>>,
    pieces: impl Iterator<Item = &'a [u8]>,
) -> (Option<Outcome>, Vec<u8>) {
    let (mut probe, _) = Probe::new(Opening::Fresh(login), Known::default(), "a:1".into());
    let mut also = Vec::new();
    for piece in pieces {
        match probe.feed(piece) {
            Progress::NeedMore => {}
            Progress::AlsoSend(bytes) => also.extend(bytes),
            Progress::Done(outcome) => return (Some(outcome), also),
        }
    }
    if !also.is_empty() {
        for byte in bulk("db0:keys=1\r\n").into_bytes() {
            if let Progress::Done(outcome) = probe.feed(&[byte]) {
                return (Some(outcome), also);
            }
        }
    }
    (probe.cut_off(), also)
}

/// The outcome, which must be the same for every single cut and byte by byte.
fn told(login: Option<Login<'_>>, said: &str) -> Outcome {
    let bytes = said.as_bytes();
    let (whole, _) = play(login, std::iter::once(bytes));
    for cut in 1..bytes.len() {
        let (first, second) = bytes.split_at(cut);
        let (outcome, _) = play(login, [first, second].into_iter());
        assert_eq!(outcome, whole, "cut at {cut}");
    }
    assert_eq!(play(login, bytes.chunks(1)).0, whole, "byte by byte");
    whole.unwrap()
}

fn facts(outcome: Outcome) -> Facts {
    match outcome {
        Outcome::Answered(facts) => *facts,
        other => panic!("{other:?}"),
    }
}

const LOGIN: Option<Login<'static>> = Some(Login {
    username: None,
    password: "hunter2",
});

#[test]
fn a_new_connection_is_asked_everything_and_a_known_one_less() {
    let ping = "*1\r\n$4\r\nPING\r\n*2\r\n$4\r\nINFO\r\n$11\r\nreplication\r\n";
    let server = "*2\r\n$4\r\nINFO\r\n$6\r\nserver\r\n";
    let (mut probe, request) = Probe::new(Opening::Fresh(None), Known::default(), "a:1".into());
    assert_eq!(request, format!("{ping}{server}").as_bytes());
    let done = probe.feed(answers("+PONG", PRIMARY, SERVER).as_bytes());
    assert!(matches!(done, Progress::Done(Outcome::Answered(_))));
    let (fate, known) = probe.finish();
    assert_eq!(fate, Fate::Keep);

    let (mut probe, request) = Probe::new(Opening::Reused, known.clone(), "a:1".into());
    assert_eq!(request, ping.as_bytes());
    match probe.feed(format!("+PONG\r\n{}", bulk(PRIMARY)).as_bytes()) {
        Progress::Done(outcome) => assert_eq!(facts(outcome).run_id, RunId("r1".into())),
        other => panic!("{other:?}"),
    }

    let login = Login {
        username: Some("u"),
        password: "p\r\n",
    };
    let (_, request) = Probe::new(Opening::Fresh(Some(login)), known, "a:1".into());
    let auth = "*3\r\n$4\r\nAUTH\r\n$1\r\nu\r\n$3\r\np\r\n\r\n";
    assert_eq!(request, format!("{auth}{ping}{server}").as_bytes());
}

#[test]
fn r8_a_complete_answer_gives_facts() {
    let facts = facts(told(None, &answers("+PONG", PRIMARY, SERVER)));
    assert_eq!(facts.condition, Condition::Normal);
    assert_eq!(facts.offset, 14);
    assert_eq!(facts.has_keys, None);
    assert_eq!(
        facts.role,
        Role::Primary {
            connected_replicas: 1
        }
    );
}

#[test]
fn r8_loading_shows_in_ping_only_and_wins_over_info() {
    let said = answers(
        "-LOADING Redis is loading the dataset in memory",
        NEW,
        SERVER,
    );
    assert_eq!(told(None, &said), Outcome::Loading);
    // Known as soon as it is said, should the rest come too late.
    assert_eq!(told(None, "-LOADING x\r\n"), Outcome::Loading);
    assert_eq!(
        told(None, "-LOADING x\r\n-BUSY x\r\n-BUSY x\r\n"),
        Outcome::Loading,
        "busy would keep everything as it is"
    );
}

#[test]
fn r8_busy_is_told_by_every_command_and_keeps_the_connection() {
    let busy = "-BUSY Redis is busy running a script. You can only call SCRIPT KILL.\r\n";
    assert_eq!(told(None, &busy.repeat(3)), Outcome::Busy);
    let (mut probe, _) = Probe::new(Opening::Fresh(None), Known::default(), "a:1".into());
    probe.feed(busy.repeat(3).as_bytes());
    let (fate, known) = probe.finish();
    assert_eq!(fate, Fate::Keep);
    let (_, request) = Probe::new(Opening::Reused, known, "a:1".into());
    assert!(
        String::from_utf8(request).unwrap().contains("server"),
        "asked again"
    );
    assert!(matches!(
        told(None, "-BUSYGROUP Consumer Group name already exists\r\n"),
        Outcome::BadReply(_)
    ));
}

#[test]
fn r8_misconf_and_masterdown_come_with_facts() {
    for (line, condition) in [
        (
            "-MISCONF Redis is configured to save RDB snapshots",
            Condition::Misconf,
        ),
        (
            "-MASTERDOWN Link with MASTER is down",
            Condition::MasterDown,
        ),
    ] {
        let facts = facts(told(None, &answers(line, PRIMARY, SERVER)));
        assert_eq!(facts.condition, condition);
    }
}

#[test]
fn r8_denials_are_told_apart() {
    let denial = |login, said: &str| match told(login, said) {
        Outcome::Denied(denial, words) => {
            assert!(!words.is_empty());
            denial
        }
        other => panic!("{other:?}"),
    };
    let no_auth = "-NOAUTH Authentication required.\r\n";
    assert_eq!(denial(None, no_auth), Denial::NoAuth);
    assert_eq!(
        denial(None, "-ERR operation not permitted\r\n"),
        Denial::NoAuth
    );
    let wrong = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
    assert_eq!(
        denial(LOGIN, &format!("{wrong}{no_auth}")),
        Denial::WrongPass
    );
    assert_eq!(
        denial(LOGIN, "-ERR invalid password\r\n"),
        Denial::WrongPass
    );
    let no_users = "-ERR wrong number of arguments for 'auth' command\r\n";
    assert_eq!(denial(LOGIN, no_users), Denial::WrongPass);
    let no_perm = "-NOPERM this user has no permissions to run the 'info' command\r\n";
    assert_eq!(denial(None, &format!("+PONG\r\n{no_perm}")), Denial::NoPerm);
    assert_eq!(denial(None, no_perm), Denial::NoPerm);
    assert_eq!(denial(None, PROTECTED), Denial::ProtectedMode);
    assert_eq!(denial(LOGIN, PROTECTED), Denial::ProtectedMode);
}

#[test]
fn r8_too_many_clients_is_said_unasked() {
    let said = "-ERR max number of clients reached\r\n";
    assert_eq!(told(None, said), Outcome::TooManyClients);
    assert_eq!(told(LOGIN, said), Outcome::TooManyClients);
    let newer = "-ERR max number of clients + cluster connections reached\r\n";
    assert_eq!(told(None, newer), Outcome::TooManyClients);
}

#[test]
fn a_password_that_nobody_wants_is_no_error() {
    for line in [
        "+OK",
        "-ERR AUTH <password> called without any password configured for the default user.",
        "-ERR Client sent AUTH, but no password is set",
    ] {
        let said = format!("{line}\r\n{}", answers("+PONG", PRIMARY, SERVER));
        assert_eq!(facts(told(LOGIN, &said)).offset, 14);
    }
}

#[test]
fn the_password_is_never_in_what_is_shown() {
    for said in [
        "-ERR unknown command 'AUTH', with args beginning with: 'hunt\r\n",
        "-ERR unknown command `AUTH hunter2`\r\n",
        "220 what is hunter2?\r\n",
        "+hunter2\r\n+hunter2\r\n",
    ] {
        let shown = format!("{:?}", told(LOGIN, said));
        assert!(!shown.contains("hunt"), "{shown}");
    }
}

#[test]
fn r8_what_is_not_redis_is_quoted() {
    for (said, quoted) in [
        (
            "HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n",
            "HTTP/1.1 400 Bad Request",
        ),
        ("HTTP/1.0", "HTTP/1.0"),
        ("\u{15}\u{3}\u{1}", "\\u{15}\\u{3}\\u{1}"),
        (
            "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3 and more of it\r\n",
            "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3 a",
        ),
    ] {
        assert_eq!(told(None, said), Outcome::NotRedis(quoted.into()));
    }
}

#[test]
fn r8_a_stranger_is_known_at_the_end_of_its_first_line_or_when_that_is_too_long_to_show() {
    let ends_the_check = |said: &[u8]| {
        let (mut probe, _) = Probe::new(Opening::Fresh(None), Known::default(), "a:1".into());
        matches!(probe.feed(said), Progress::Done(Outcome::NotRedis(_)))
    };
    assert!(!ends_the_check(b"HTTP/1.1 400 Bad"), "more of it may come");
    assert!(ends_the_check(b"HTTP/1.1 400 Bad Request\r\n"));
    for length in [QUOTED - 1, QUOTED, QUOTED + 1, 2 * QUOTED] {
        let line = "H".repeat(length);
        assert_eq!(ends_the_check(line.as_bytes()), length > QUOTED, "{length}");
    }
}

#[test]
fn r8_resp_that_answers_something_else_is_a_bad_reply() {
    for (said, why) in [
        ("+OK\r\n", "PING was answered by +OK"),
        (
            "-ERR unknown command\r\n",
            "PING was answered by -ERR unknown command",
        ),
        (":1\r\n", "PING was answered by the number 1"),
        ("$-1\r\n", "PING was answered by null"),
        (
            "+PONG\r\n$2\r\nab\r\n$-1\r\n",
            "INFO server was answered by null",
        ),
        ("+PONG\r\n+OK\r\n", "INFO replication was answered by +OK"),
        (
            "+PONG\r\n-MISCONF x\r\n",
            "INFO replication was answered by -MISCONF x",
        ),
        (
            "+PONG\r\n-MASTERDOWN x\r\n",
            "INFO replication was answered by -MASTERDOWN x",
        ),
        (
            "-ERR wrong number of arguments\r\n",
            "PING was answered by -ERR wrong number of arguments",
        ),
        (
            "*1\r\n$4\r\nPONG\r\n",
            "an array where a plain reply was expected",
        ),
        ("$70000\r\n", "a reply longer than 65536 bytes"),
        ("$1x\r\n", "a malformed reply: a length that is no number"),
    ] {
        assert_eq!(told(None, said), Outcome::BadReply(why.into()));
    }
    assert_eq!(
        told(LOGIN, "-ERR unknown command\r\n"),
        Outcome::BadReply("AUTH was answered by -ERR unknown command".into())
    );
    let no_role = answers("+PONG", "", SERVER);
    assert_eq!(
        told(None, &no_role),
        Outcome::BadReply("INFO replication without role".into())
    );
}

#[test]
fn replies_without_end_are_ended() {
    let line = "+".to_owned() + &"a".repeat(70_000);
    let whole = play(None, std::iter::once(line.as_bytes())).0;
    assert_eq!(
        whole,
        Some(Outcome::BadReply("a reply longer than 65536 bytes".into()))
    );
    assert_eq!(play(None, line.as_bytes().chunks(1000)).0, whole);
    // Not at the deadline, with all that came in memory until then.
    let (mut probe, _) = Probe::new(Opening::Fresh(None), Known::default(), "a:1".into());
    let ends = |piece| matches!(probe.feed(piece), Progress::Done(_));
    assert_eq!(line.as_bytes().chunks(1000).position(ends), Some(65));
    let nested = "*1\r\n".repeat(8 * 1024);
    let outcome = play(None, std::iter::once(nested.as_bytes())).0;
    assert!(matches!(outcome, Some(Outcome::BadReply(_))));
}

#[test]
fn silence_and_half_an_answer_say_nothing() {
    assert_eq!(play(None, std::iter::empty()).0, None);
    assert_eq!(play(None, std::iter::once(&b"+PO"[..])).0, None);
    assert_eq!(
        play(None, std::iter::once(&b"+PONG\r\n$100\r\nrole"[..])).0,
        None
    );
}

#[test]
fn r5_a_primary_that_looks_new_is_asked_for_its_keys_once_per_run() {
    let (mut probe, _) = Probe::new(Opening::Fresh(None), Known::default(), "a:1".into());
    let also = probe.feed(answers("+PONG", NEW, SERVER).as_bytes());
    let keyspace = b"*2\r\n$4\r\nINFO\r\n$8\r\nkeyspace\r\n".to_vec();
    assert_eq!(also, Progress::AlsoSend(keyspace.clone()));
    match probe.feed(bulk("# Keyspace\r\ndb0:keys=1,expires=0\r\n").as_bytes()) {
        Progress::Done(outcome) => assert_eq!(facts(outcome).has_keys, Some(true)),
        other => panic!("{other:?}"),
    }
    let (fate, known) = probe.finish();
    assert_eq!(fate, Fate::Keep);

    let again = |known, server: &str| {
        let (mut probe, _) = Probe::new(Opening::Fresh(None), known, "a:1".into());
        probe.feed(answers("+PONG", NEW, server).as_bytes())
    };
    match again(known.clone(), SERVER) {
        Progress::Done(outcome) => assert_eq!(facts(outcome).has_keys, Some(true)),
        other => panic!("{other:?}"),
    }
    let restarted = SERVER.replace("r1", "r2");
    assert_eq!(again(known, &restarted), Progress::AlsoSend(keyspace));
    let (mut early, _) = Probe::new(Opening::Fresh(None), Known::default(), "a:1".into());
    let said = answers("+PONG", NEW, SERVER) + &bulk("# Keyspace\r\n");
    assert!(matches!(
        early.feed(said.as_bytes()),
        Progress::Done(Outcome::BadReply(_))
    ));
}

#[test]
fn a_sentinel_is_recognised_though_it_has_no_role() {
    let server = SERVER.replace("standalone", "sentinel");
    let facts = facts(told(None, &answers("+PONG", "", &server)));
    assert_eq!(facts.mode, Mode::Sentinel);
    assert!(!facts.claims());
}

#[test]
fn a_node_that_says_more_than_it_was_asked_loses_the_connection() {
    let (mut probe, _) = Probe::new(Opening::Fresh(None), Known::default(), "a:1".into());
    let said = answers("+PONG", PRIMARY, SERVER) + "+MORE\r\n";
    assert!(matches!(
        probe.feed(said.as_bytes()),
        Progress::Done(Outcome::Answered(_))
    ));
    assert_eq!(probe.finish().0, Fate::Drop);
}

#[test]
fn an_empty_password_hides_nothing() {
    assert_eq!(quoted("ERR no such user", Some("")), "ERR no such user");
}

/// Cuts `bytes` at the given places.
fn pieces<'a>(bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    cuts.windows(2)
        .map(|pair| &bytes[pair[0]..pair[1]])
        .collect()
}

proptest! {
    #[test]
    fn however_an_answer_is_cut_it_says_the_same(
        cuts in proptest::collection::vec(any::<usize>(), 0..12),
        ping in prop_oneof![
            Just("+PONG"), Just("-LOADING x"), Just("-MISCONF x"), Just("-BUSY x"), Just("-ODD")
        ],
        replication in prop_oneof![Just(PRIMARY), Just(NEW), Just("")],
    ) {
        let said = answers(ping, replication, SERVER);
        let whole = play(None, std::iter::once(said.as_bytes()));
        let cut = play(None, pieces(said.as_bytes(), &cuts).into_iter());
        prop_assert_eq!(cut, whole);
    }

    #[test]
    fn arbitrary_bytes_end_in_an_outcome_that_cuts_do_not_change(
        bytes in proptest::collection::vec(any::<u8>(), 0..400),
        cuts in proptest::collection::vec(any::<usize>(), 0..8),
    ) {
        let whole = play(LOGIN, std::iter::once(&bytes[..]));
        let cut = play(LOGIN, pieces(&bytes, &cuts).into_iter());
        prop_assert_eq!(cut, whole);
    }

    #[test]
    fn bytes_of_resps_own_alphabet_end_in_an_outcome_that_cuts_do_not_change(
        text in "([-+:$*]|PONG|LOADING|NOAUTH|[0-9]|role:master|\r\n|\r|\n| ){0,60}",
        cuts in proptest::collection::vec(any::<usize>(), 0..8),
    ) {
        let whole = play(LOGIN, std::iter::once(text.as_bytes()));
        let cut = play(LOGIN, pieces(text.as_bytes(), &cuts).into_iter());
        prop_assert_eq!(cut, whole);
    }
}

/// A primary whose history branched from another.
const BRANCHED: &str = "role:master\r\nconnected_slaves:0\r\nmaster_replid:aa\r\n\
    master_replid2:bb\r\nmaster_repl_offset:90\r\nsecond_repl_offset:77\r\n";

/// Checks a branched primary, with this answer to INFO stats if it is asked.
fn asked_for_its_stream(known: Known, answer: &str) -> (Option<u64>, Known, bool) {
    let (mut probe, _) = Probe::new(Opening::Fresh(None), known, "a:1".into());
    let stats = b"*2\r\n$4\r\nINFO\r\n$5\r\nstats\r\n".to_vec();
    let mut progress = probe.feed(answers("+PONG", BRANCHED, SERVER).as_bytes());
    let was_asked = progress == Progress::AlsoSend(stats);
    if was_asked {
        progress = probe.feed(answer.as_bytes());
    }
    let outcome = match progress {
        Progress::Done(outcome) => outcome,
        _ => probe.cut_off().unwrap(),
    };
    let (_, known) = probe.finish();
    (facts(outcome).stream_bytes, known, was_asked)
}

#[test]
fn r3_2_a_primary_with_an_earlier_history_is_asked_once_what_it_received() {
    let stats = bulk("# Stats\r\ntotal_net_repl_input_bytes:4242\r\n");
    let (bytes, known, asked) = asked_for_its_stream(Known::default(), &stats);
    assert_eq!((bytes, asked), (Some(4242), true));
    let (bytes, _, asked) = asked_for_its_stream(known, "");
    assert_eq!(
        (bytes, asked),
        (Some(4242), false),
        "a primary receives no more"
    );
    let copy = bulk("# Stats\r\ntotal_net_repl_input_bytes:0\r\n");
    assert_eq!(asked_for_its_stream(Known::default(), &copy).0, Some(0));
}

#[test]
fn r3_2_a_node_that_does_not_tell_what_it_received_is_checked_all_the_same() {
    for answer in [
        bulk("# Stats\r\ntotal_connections_received:3\r\n"),
        bulk("total_net_repl_input_bytes:-1\r\n"),
        bulk("total_net_repl_input_bytes:many\r\n"),
        "-ERR syntax error\r\n".to_owned(),
        "+OK\r\n".to_owned(),
        // Silence until the deadline.
        String::new(),
    ] {
        let (bytes, known, _) = asked_for_its_stream(Known::default(), &answer);
        assert_eq!(bytes, None, "{answer}");
        let (_, _, asked) = asked_for_its_stream(known, "");
        assert!(!asked, "it is not asked in vain again: {answer}");
    }
}
