//! No problem shows a secret, whatever else is wrong with it.

use super::{file, said};

#[test]
fn the_quoted_line_hides_the_password() {
    let text = file("    auth: { usrname: u, password: hunter2, x: 1 }\n", "");
    let said = said(&text);
    assert!(
        said.contains("auth: { usrname: ****, password: ****, **** }"),
        "{said}"
    );
    assert!(said.contains("    |             ^^^^^^^\n"), "{said}");
    assert!(said.contains("unknown key in auth\n"), "{said}");
}

#[test]
fn the_caret_stays_under_its_column_behind_a_hidden_value() {
    let text = file(
        "    auth: { password: a-very-long-password, usrname: u }\n",
        "",
    );
    assert_eq!(
        said(&text),
        "c.yaml:4:45: unknown key \"usrname\" of auth\n\
         \x20 4 |     auth: { password: ****, usrname: **** }\n\
         \x20   |                             ^^^^^^^\n\
         \x20 hint: did you mean \"username\"?"
    );
}

#[test]
fn no_way_of_getting_a_password_wrong_shows_it() {
    let wrongs = [
        "auth: hunter2",
        "auth: [hunter2]",
        "auth: \"hunter2\"  # comment",
        "auth: { password: { hunter2: hunter2 } }",
        "auth: { password: [1, hunter2] }",
        "auth: { password: x, hunter2 }",
        "auth: { password: x, hunter2, hunter2 }",
        "auth: { password: x #hunter2\n    }\n    oops: 1",
        "auth: { pasword: hunter2 }",
        "auth: { Passwort: hunter2 }",
        "auth: { password: \"${NOPE}hunter2\" }",
        "auth: { password: \"${hunter2\" }",
        "auth: { password: hunter2, password: hunter2 }",
        "auth: { password: hunter2, password_file: /secret }",
        "auth: { password: \"\n      hunter2\", wrong: 1 }",
        "auth:\n      password: |\n        hunter2\n      wrong: 1",
        "auth:\n      password:\n        hunter2\n      wrong: 1",
        "auth: { password: hunter2: x }",
        "auth: { password: \"hunter2 }",
        "auth: { password: hunter2\" ] }",
        "auth: { password: @hunter2 }",
        "auth: { password: !hunter2 }",
        "auth: { password: !hunter2 x }",
        "auth: { password: *hunter2 }",
        "auth: { password: &hunter2 }\n    wrong: 1",
        "auth: { password: %hunter2 }",
        "auth:\n      password:\n       @hunter2",
        "password: hunter2",
        "requirepass: hunter2",
        "check: { timeout: 1, password: hunter2 }",
        "sentinel: { name: m, addresses: [\"h:1\"], auth: { password: hunter2, user: x } }",
        "claim_hold: ${PASSWORD}",
        "claim_hold: ${BARE}",
        "stale_reads: ${BARE}\n    check: { fall: ${BARE}, rise: ${PASSWORD} }",
        "sentinel: { name: m, addresses: [\"${PASSWORD}\"] }",
        "auth: { password_file: \"/x${PASSWORD}\" }",
    ];
    for wrong in wrongs {
        let said = said(&file(
            &format!("    {wrong}\n"),
            "  r: { bind: \"${BARE}\", access: no }\n",
        ));
        assert!(!said.contains("hunter2"), "{wrong}\n{said}");
        assert!(!said.contains("918273"), "{wrong}\n{said}");
    }
}

#[test]
fn a_name_from_the_environment_is_not_repeated() {
    let names = "group: \"${BARE}\", fallback: \"${BARE}\"";
    let nodes = "nodes: [\"${BARE}\"], backup: [\"${BARE}\"]";
    let said = said(&file(
        "",
        &format!(
            "  r: {{ bind: \"127.0.0.2:1\", access: read-only, {names} }}\n\
             \x20 s: {{ bind: \"127.0.0.3:1\", access: read-only, {nodes} }}\n"
        ),
    ));
    assert!(!said.contains("918273"), "{said}");
    for message in [
        "there is no group of that name (from the environment)",
        "there is no listener of that name (from the environment)",
        "nodes: group main has no node of that name (from the environment)",
        "backup: group main has no node of that name (from the environment)",
    ] {
        assert!(said.contains(message), "{message}\n{said}");
    }
}

#[test]
fn a_url_shows_neither_user_nor_password() {
    let wrongs = [
        ("    nodes: { x: redis://us3r:s3cr3t@10.1.1.1:6379 }\n", ""),
        (
            "    nodes:\n      x: redis://us3r:s3cr3t@10.1.1.1:6379\n",
            "",
        ),
        ("    nodes: { x: redis://:s3cr3t@h }\n", ""),
        ("    nodes: { x: \"redis://us3r:s3cr3t@s3cr3t@h:1\" }\n", ""),
        ("    nodes: { x: \"redis://us3r:a://s3cr3t@h:1\" }\n", ""),
        (
            "    nodes: { x: \"redis://us3r:a@s3cr3t://s3cr3t@h:1\" }\n",
            "",
        ),
        (
            "    nodes: { x: \"redis://us3r:s3cr3t\n        s3cr3t@h:1\" }\n",
            "",
        ),
        (
            "    nodes: { x: redis://us3r:s3cr3t #s3cr3t@h:1\n      }\n",
            "",
        ),
        ("    nodes: { x: redis://us3r:s3cr3t,s3cr3t@h:1 }\n", ""),
        ("    nodes: { x: us3r:s3cr3t@h:1 }\n", ""),
        (
            "    nodes: { x: { address: redis://us3r:s3cr3t@h:1 } }\n",
            "",
        ),
        ("    nodes: { redis://us3r:s3cr3t@h:1 }\n", ""),
        (
            "    nodes: [redis://us3r:s3cr3t@h:1, redis://us3r:s3cr3t@i:1]\n",
            "",
        ),
        ("    nodes: redis://us3r:s3cr3t@h:1\n", ""),
        ("    nodes: { x: redis://us3r:s3cr3t@h:1 ]\n", ""),
        (
            "    sentinel: { name: m, addresses: [redis://us3r:s3cr3t@h:1] }\n",
            "",
        ),
        (
            "    sentinel: { name: m, addresses: redis://us3r:s3cr3t@h:1 }\n",
            "",
        ),
        (
            "",
            "  r: { bind: \"redis://us3r:s3cr3t@127.0.0.1:1\", access: read-only }\n",
        ),
        (
            "",
            "  r: { bind: [redis://us3r:s3cr3t@127.0.0.1:1], access: read-only }\n",
        ),
        (
            "",
            "  r: { bind: \"127.0.0.1:1\", access: read-only, group: redis://us3r:s3cr3t@h }\n",
        ),
        ("    claim_hold: redis://us3r:s3cr3t@h\n", ""),
    ];
    for (group, listeners) in wrongs {
        let said = said(&file(group, listeners));
        assert!(!said.contains("s3cr3t"), "{group}{listeners}\n{said}");
        assert!(!said.contains("us3r"), "{group}{listeners}\n{said}");
    }
}

#[test]
fn a_url_with_a_password_is_told_where_that_belongs() {
    let text = "groups:\n  main:\n    nodes:\n      redis-1: redis://us3r:s3cr3t@10.1.1.1:6379\n\
                listeners:\n  rw: { bind: \"127.0.0.1:6379\", access: read-write }\n";
    assert_eq!(
        said(text),
        "c.yaml:4:16: redis-1: \"redis://****@10.1.1.1:6379\" is a URL\n\
         \x20 4 |       redis-1: redis://****@10.1.1.1:6379\n\
         \x20   |                ^^^^^^^^^^^^^^^^^^^^^^^^^^\n\
         \x20 hint: write host:port; user and password go into auth of the group"
    );
}

#[test]
fn a_password_that_is_an_alias_is_hidden_where_it_was_written() {
    let text = file(
        "    sentinel: { name: &p hunter2, adresses: [] }\n    auth: { password: *p }\n",
        "",
    );
    let said = said(&text);
    assert!(said.contains("name: &p ****"), "{said}");
}

#[test]
fn debug_output_of_a_configuration_hides_it() {
    let config = super::good(&file("    auth: { password: hunter2 }\n", ""));
    assert!(!format!("{config:?}").contains("hunter2"));
}
