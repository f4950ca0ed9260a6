//! What is right by itself and wrong beside something else. Marks as in [`super::errors`].

use super::errors::{NODE, check, in_group, in_listeners, with};

#[test]
fn one_address_for_two_things() {
    for (binds, later, message) in [
        (
            ["127.0.0.1:7", "127.0.0.1:7"],
            "",
            "127.0.0.1:7 is already the address of listener x",
        ),
        (
            ["0.0.0.0:7", "127.0.0.1:7"],
            "",
            "127.0.0.1:7 overlaps with 0.0.0.0:7 of listener x",
        ),
        (
            ["127.0.0.1:7", "0.0.0.0:7"],
            "",
            "0.0.0.0:7 overlaps with 127.0.0.1:7 of listener x",
        ),
        (
            ["[::]:7", "[::1]:7"],
            "",
            "[::1]:7 overlaps with [::]:7 of listener x",
        ),
        (
            ["unix:/s", "unix:/s"],
            "",
            "unix:/s is already the address of listener x",
        ),
        (
            ["127.0.0.1:7", "127.0.0.1:8"],
            "admin: { http: »127.0.0.1:7 }",
            "127.0.0.1:7 is already the address of listener x",
        ),
        (
            ["unix:/s", "127.0.0.1:8"],
            "admin: { socket: »/s }",
            "unix:/s is already the address of listener x",
        ),
    ] {
        let mark = if later.is_empty() { "»" } else { "" };
        let listeners = format!(
            "  x: {{ bind: \"{}\", access: read-only }}\n  y: {{ bind: {mark}\"{}\", access: read-only }}\n{later}\n",
            binds[0], binds[1]
        );
        check(&with(NODE, &listeners), &[(message, "see line 3")]);
    }
    let one = |binds: &str| {
        with(
            NODE,
            &format!("  x: {{ bind: {binds}, access: read-only }}\n"),
        )
    };
    check(
        &one("[\"127.0.0.1:7\", »\"127.0.0.1:7\"]"),
        &[("bind has the same value twice", "line 3")],
    );
    check(
        &one("[\"127.0.0.1:7\", »\"0.0.0.0:7\"]"),
        &[(
            "0.0.0.0:7 overlaps with 127.0.0.1:7 of listener x",
            "line 3",
        )],
    );
    let admin = format!(
        "admin: {{ http: 127.0.0.1:7 }}\n{}",
        one("»\"127.0.0.1:7\"")
    );
    check(
        &admin,
        &[("127.0.0.1:7 is already the address of admin.http", "line 1")],
    );
}

#[test]
fn duplicate_names() {
    check(
        "groups:\n  g: { nodes: { a: 10.0.0.1:1, »a: 10.0.0.2:1 } }\n  »g: {}\n\
         listeners:\n  x: { bind: \"127.0.0.1:1\", access: read-only, »bind: \"127.0.0.1:2\" }\n  »x: {}\n",
        &[
            ("duplicate key \"a\" of nodes", "line 2"),
            ("duplicate key \"g\" of groups", "line 2"),
            ("duplicate key \"bind\" of listener x", "line 5"),
            ("duplicate key \"x\" of listeners", "line 5"),
        ],
    );
}

#[test]
fn nodes_that_are_one_node_or_ourselves() {
    let listeners = "  x: { bind: \"127.0.0.1:7\", access: read-only }";
    for (second, message) in [
        ("10.0.0.1:6379", "node b has the address of node a"),
        (
            "127.0.0.1:7",
            "node b has the address of listener x, which is our own",
        ),
        (
            "localhost:7",
            "node b has the address of listener x, which is our own",
        ),
    ] {
        check(
            &with(&format!("{NODE}, b: »\"{second}\""), listeners),
            &[(message, "see line")],
        );
    }
    let wildcard = "  x: { bind: \"0.0.0.0:7\", access: read-only }";
    check(
        &with("a: »\"127.0.0.4:7\"", wildcard),
        &[(
            "node a has the address of listener x, which is our own",
            "Redis itself",
        )],
    );
    check(
        &with(
            "»a: 1:1".replace("»a: 1:1", "a: »unix:/s").as_str(),
            "  x: { bind: \"unix:/s\", access: read-only }",
        ),
        &[(
            "node a has the address of listener x, which is our own",
            "Redis itself",
        )],
    );
    in_group(
        "sentinel: { name: m, addresses: [»\"10.0.0.1:6379\"] }",
        "this Sentinel has the address of node a",
        "26379",
    );
    in_group(
        "sentinel: { name: m, addresses: [»\"127.0.0.1:6379\"] }",
        "a Sentinel has the address of listener rw, which is our own",
        "see line",
    );
    in_group(
        "»sentinel: { name: m }",
        "sentinel has no addresses",
        "26379",
    );
    in_group(
        "»sentinel: { addresses: [\"h:1\"] }",
        "sentinel has no name",
        "sentinel.conf",
    );
    in_group(
        "sentinel: { name: m, addresses: [\"h:1\", »\"h:1\"] }",
        "addresses has the same value twice",
        "already",
    );
}

#[test]
fn names_that_mean_nothing() {
    let line = |keys: &str| format!("r: {{ bind: \"127.0.0.2:1\", access: read-only, {keys} }}");
    for (keys, message, hint) in [
        (
            "nodes: [a, »c]",
            "nodes: group main has no node \"c\"",
            "did you mean \"a\"? there are: a, b, l",
        ),
        (
            "nodes: [»redis]",
            "nodes: group main has no node \"redis\"",
            "there are: a, b, l",
        ),
        (
            "backup: [»rw]",
            "backup: group main has no node \"rw\"",
            "use fallback: rw",
        ),
        (
            "fallback: »a",
            "there is no listener \"a\"",
            "use backup: [a]",
        ),
        (
            "fallback: »rww",
            "there is no listener \"rww\"",
            "did you mean \"rw\"? there are: rw, r",
        ),
        (
            "group: »mian",
            "there is no group \"mian\"",
            "did you mean \"main\"?",
        ),
        (
            "backup: [»a]",
            "backup: a is among the listener's nodes",
            "nodes: [..]",
        ),
        (
            "nodes: [a, l], backup: [b, »l]",
            "backup: l is among the listener's nodes",
            "remove it",
        ),
    ] {
        in_listeners(&line(keys), message, hint);
    }
}

#[test]
fn several_groups() {
    let groups = "groups:\n  g: { nodes: { a: 10.0.0.1:1 } }\n  h: { nodes: { b: 10.0.0.2:1 } }\nlisteners:\n";
    check(
        &format!(
            "{groups}  »x: {{ bind: \"127.0.0.1:1\", access: read-only }}\n\
             \x20 y: {{ bind: \"127.0.0.1:2\", access: read-only, group: g, nodes: [»b] }}\n\
             \x20 z: {{ bind: \"127.0.0.1:3\", access: read-only, group: h, fallback: »w }}\n\
             \x20 w: {{ bind: \"127.0.0.1:4\", access: read-only, group: g }}\n"
        ),
        &[
            ("listener x does not say its group", "one of g, h"),
            ("nodes: group g has no node \"b\"", "b belongs to group h"),
            ("z falls back to w, of another group", "different data"),
        ],
    );
}

#[test]
fn fallbacks_that_lead_round_or_astray() {
    let listener = |name: &str, port: u16, to: &str| {
        format!("  {name}: {{ bind: \"127.0.0.1:{port}\", access: read-only, fallback: {to} }}\n")
    };
    let two = listener("x", 1, "»y") + &listener("y", 2, "x");
    check(
        &with(NODE, &two),
        &[("fallback loop: x -> y -> x", "remove the fallback")],
    );
    check(
        &with(NODE, &listener("x", 1, "»x")),
        &[("fallback loop: x -> x", "remove")],
    );
    let tail = listener("t", 3, "y") + &two.replace('»', "").replace("fallback: y", "fallback: »y");
    check(
        &with(NODE, &tail),
        &[("fallback loop: x -> y -> x", "remove")],
    );
    in_listeners(
        "w: { bind: \"127.0.0.1:1\", access: read-write, fallback: »r }\n  r: { bind: \"127.0.0.1:2\", access: read-only }",
        "w is read-write and cannot fall back to r",
        "the primary only",
    );
}

#[test]
fn listeners_without_a_node_to_serve_them() {
    let local = "l: { address: \"10.0.0.1:1\", local: true }";
    for (nodes, access, keys, message, hint) in [
        (
            local,
            "read-write",
            "",
            "read-write listener x has no node that could be the primary",
            "group main is local",
        ),
        (
            local,
            "read-only",
            "",
            "read-only listener x has no node and no fallback",
            "is local",
        ),
        (
            NODE,
            "local-read-only",
            "",
            "local-read-only listener x has no local node and no fallback",
            "local: true",
        ),
    ] {
        let listener = format!("  »x: {{ bind: \"127.0.0.1:1\", access: {access}{keys} }}");
        check(&with(nodes, &listener), &[(message, hint)]);
    }
    for key in ["nodes", "backup"] {
        in_listeners(
            &format!("w: {{ bind: \"127.0.0.1:1\", access: read-write, {key}: [»l] }}"),
            &format!("{key}: l is local, and a local node is never the primary"),
            "not local",
        );
    }
}

#[test]
fn claim_hold_must_end_before_clients_give_up() {
    in_group(
        "claim_hold: »10s",
        "claim_hold (10.0s) of group main is not below park.timeout (10.0s) of listener rw",
        "give up",
    );
    in_listeners(
        "r: { bind: \"127.0.0.1:1\", access: read-only, park: { timeout: »6s } }",
        "claim_hold (6.0s) of group main is not below park.timeout (6.0s) of listener r",
        "give up",
    );
}
