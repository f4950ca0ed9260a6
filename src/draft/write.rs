//! The text of a drafted configuration, with a comment wherever somebody who opens it first would ask.

use std::fmt::Write as _;
use std::path::Path;

use super::plan::{Plan, Planned};
use super::{Auth, Source};

/// The whole file.
pub(super) fn write(plan: &Plan) -> String {
    let mut text = String::from(
        "# Written by rolecall init.\n\
         # Validate it: rolecall check -c FILE. Ask the nodes: rolecall check -c FILE --connect.\n\
         # Then: rolecall run -c FILE. Every key, with its default, is in config/full.yaml.\n\n\
         groups:\n",
    );
    line(&mut text, 2, &format!("{}:", plan.group));
    line(&mut text, 4, "nodes:");
    nodes(&mut text, plan);
    text.push('\n');
    auth(&mut text, plan);
    text.push('\n');
    sentinel(&mut text, plan);
    text.push_str(LIMITS);
    listeners(&mut text, plan);
    text.push_str(ADMIN);
    text
}

const LIMITS: &str = "
    # Do not read from a replica that is further behind than this.
    # max_lag: { bytes: 64MiB, seconds: 30s }
";

const ADMIN: &str = "
admin:
  http: 127.0.0.1:9379                # /metrics for Prometheus, /readyz, /livez, /api/status: read only
  socket: /run/rolecall/admin.sock    # rolecall status, top, explain, events, drain, ...; its directory must exist
";

fn line(text: &mut String, indent: usize, words: &str) {
    let _infallible = writeln!(text, "{:indent$}{words}", "");
}

fn nodes(text: &mut String, plan: &Plan) {
    let entries: Vec<String> = plan.nodes.iter().map(entry).collect();
    let width = entries.iter().map(|entry| entry.chars().count()).max();
    let width = width.unwrap_or(0);
    for (node, entry) in plan.nodes.iter().zip(entries) {
        line(
            text,
            6,
            &format!("{entry:width$}  # {}", comment(&node.remark)),
        );
    }
    for why in &plan.left_out {
        line(text, 6, &format!("# left out: {}", comment(why)));
    }
}

fn entry(node: &Planned) -> String {
    let address = scalar(&node.address.to_string());
    if node.local {
        format!("{}: {{ address: {address}, local: true }}", node.name)
    } else {
        format!("{}: {address}", node.name)
    }
}

fn auth(text: &mut String, plan: &Plan) {
    line(
        text,
        4,
        "# For the checks alone: clients log in themselves, through the proxy.",
    );
    match &plan.auth {
        Some(auth) => line(text, 4, &format!("auth: {}", credentials(auth))),
        None => line(
            text,
            4,
            "# auth: { username: rolecall, password: \"${REDIS_PASSWORD}\" }",
        ),
    }
}

fn sentinel(text: &mut String, plan: &Plan) {
    line(
        text,
        4,
        "# Evidence and alarm clock: a promotion is served sooner, and two masters are told apart by its votes.",
    );
    let Some((name, addresses, auth)) = &plan.sentinel else {
        line(
            text,
            4,
            "# sentinel: { name: redis-ha, addresses: [\"10.1.1.1:26379\", \"10.1.1.2:26379\", \"10.1.1.3:26379\"] }",
        );
        return;
    };
    line(text, 4, "sentinel:");
    line(text, 6, &format!("name: {}", scalar(name)));
    let all: Vec<String> = addresses
        .iter()
        .map(|address| quoted(&address.to_string()))
        .collect();
    line(text, 6, &format!("addresses: [{}]", all.join(", ")));
    if let Some(auth) = auth {
        line(text, 6, &format!("auth: {}", credentials(auth)));
    }
}

/// Never the password itself: where it comes from.
fn credentials(auth: &Auth) -> String {
    let password = match &auth.source {
        Source::Variable(name) => format!("password: \"${{{name}}}\""),
        Source::File(path) => format!("password_file: {}", of_path(path)),
    };
    match &auth.credentials.username {
        Some(user) => format!("{{ username: {}, {password} }}", scalar(user)),
        None => format!("{{ {password} }}"),
    }
}

fn of_path(path: &Path) -> String {
    scalar(&path.display().to_string())
}

fn listeners(text: &mut String, plan: &Plan) {
    text.push_str("\nlisteners:\n");
    for (place, listener) in plan.listeners.iter().enumerate() {
        if place > 0 {
            text.push('\n');
        }
        let what = match listener.access {
            "read-write" => "# The elected primary, and nothing else.",
            "read-only" => {
                "# The replicas in sync, least connections first; the primary when there is none."
            }
            _ => "# The replica on this host; the others when it is away.",
        };
        line(text, 2, what);
        line(text, 2, &format!("{}:", listener.name));
        line(text, 4, &format!("bind: \"{}\"", listener.bind));
        line(text, 4, &format!("access: {}", listener.access));
        if let Some(fallback) = listener.fallback {
            line(text, 4, &format!("fallback: {fallback}"));
        }
    }
}

/// A value: plain where nothing in it could mean anything to YAML.
fn scalar(text: &str) -> String {
    let starts = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/');
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '/' | ':');
    // A word such as `off` is not left to chance, and neither is a bare number.
    let is_word = matches!(
        text.to_ascii_lowercase().as_str(),
        "true" | "false" | "yes" | "no" | "on" | "off" | "none" | "null"
    );
    let is_number = text
        .chars()
        .all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'x' | ':' | '_'));
    let is_plain = starts && text.chars().all(plain) && !text.ends_with(':') && !is_word;
    if is_plain && (!is_number || text.contains(':') && text.contains('.')) {
        text.to_owned()
    } else {
        quoted(text)
    }
}

/// A value in quotes. A dollar is doubled, or it would begin a variable.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '$' => out.push_str("$$"),
            c if c.is_control() => {
                let _infallible = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out + "\""
}

/// What somebody else said, as the rest of a line.
fn comment(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
