//! Addresses that cannot be dialled or bound. Marks as in [`super::errors`].

use super::errors::{NODE, check, with};
use super::{file, parse};

#[test]
fn addresses_of_nodes() {
    for (address, wrong, hint) in [
        ("10.0.0.1", "has no port", "host:port"),
        ("10.0.0.1:0", "has no valid port", "1 to 65535"),
        ("10.0.0.1:65536", "has no valid port", "1 to 65535"),
        ("10.0.0.1:+80", "has no valid port", "1 to 65535"),
        ("10.0.0.256:80", "is not an address", "host:port"),
        ("a b:80", "is not an address", "host:port"),
        ("0.0.0.0:80", "cannot be dialled", "listens on"),
        ("::1:80", "is ambiguous", "[::1]:6379"),
        ("[10.0.0.1]:80", "is not an IPv6 address", "[::1]:6379"),
        (":80", "has no host", "one address"),
        ("redis://a:80", "is a URL", "only the host"),
        ("/run/redis.sock", "is a path", "unix:/path"),
        ("unix:redis.sock", "is not an absolute path", "/run"),
    ] {
        let nodes = format!("a: »\"{address}\"");
        let listeners = "  rw: { bind: \"127.0.0.1:1\", access: read-write }";
        let message = format!("a: \"{address}\" {wrong}");
        check(&with(&nodes, listeners), &[(&message, hint)]);
    }
}

#[test]
fn addresses_of_listeners() {
    let long = format!("unix:/{}", "x".repeat(107));
    for (address, wrong, hint) in [
        ("localhost:6379", "is a host name", "127.0.0.1:6379"),
        ("*:6379", "has no host", "0.0.0.0:6379"),
        ("6379", "has no port", "127.0.0.1:6379"),
        ("127.0.0.1:0", "has no valid port", "1 to 65535"),
        (long.as_str(), "is too long for a Unix socket", "107 bytes"),
    ] {
        let line = format!("  r: {{ bind: »\"{address}\", access: read-write }}");
        let Err(problems) = parse(&with(NODE, &line.replace('»', ""))) else {
            panic!("accepted {address}");
        };
        let problem = problems
            .iter()
            .next()
            .unwrap_or_else(|| panic!("no problem"));
        assert!(problem.message().ends_with(wrong), "{problems}");
        assert!(
            problem.advice().unwrap_or_default().contains(hint),
            "{problems}"
        );
        assert_eq!(
            (problem.line(), problem.column()),
            (Some(3), Some(14)),
            "{problems}"
        );
    }
}

#[test]
fn admin_and_log() {
    for (line, message, hint) in [
        (
            "admin: { http: »localhost:1 }",
            "http: \"localhost:1\" is a host name",
            "127.0.0.1:1",
        ),
        (
            "admin: { socket: »a.sock }",
            "socket: \"a.sock\" is not an absolute path",
            "/run",
        ),
        (
            "admin: { socket: /a, socket_mode: »\"0999\" }",
            "socket_mode: \"0999\" is not a file mode",
            "0600",
        ),
        (
            "admin: { socket: /a, socket_owner: »\"a:\" }",
            "socket_owner: \"a:\" is not an owner",
            "user:group",
        ),
        (
            "admin: { »socket_mode: \"0600\" }",
            "socket_mode without socket",
            "socket:",
        ),
        (
            "log: { level: »warning }",
            "level: \"warning\" is not known here",
            "known here: error, warn, info",
        ),
        (
            "log: { format: »jason }",
            "format: \"jason\" is not known here",
            "did you mean \"json\"?",
        ),
        ("grace: »10", "grace: \"10\" is a bare number", "10s"),
        (
            "workers: »many",
            "workers: \"many\" is not a whole number",
            "1 to 1024",
        ),
    ] {
        check(&format!("{}{line}\n", file("", "")), &[(message, hint)]);
    }
}
