//! The plan to YAML, each line with a comment that says where it comes from.

use super::place::{Names, Place};
use super::plan::{Plan, PlannedAuth, PlannedGroup, PlannedListener, PlannedNode, PlannedSentinel};

/// Comments start no further to the right than this, where a line leaves room.
const WIDEST: usize = 64;

/// Where admin.http listens unless a listener has the port.
const ADMIN_PORT: u16 = 9379;

/// The whole file.
pub(super) fn yaml(plan: &Plan, names: &Names, sources: &str) -> String {
    let mut writer = Writer {
        names,
        text: String::new(),
        block: Vec::new(),
    };
    writer.remark(&format!("# Written by `rolecall import` from {sources}; a comment names the line that each comes from."));
    writer.remark("# Validate with: rolecall check -c FILE");
    writer.blank();
    writer.line("groups:", "");
    for (index, group) in plan.groups.iter().enumerate() {
        if index > 0 {
            writer.blank();
        }
        writer.group(group);
    }
    writer.blank();
    writer.line("listeners:", "");
    let several = plan.groups.len() > 1;
    for (index, listener) in plan.listeners.iter().enumerate() {
        if index > 0 {
            writer.blank();
        }
        let group = plan.groups.get(listener.group).filter(|_| several);
        writer.listener(listener, group.map(|group| group.name.as_str()));
    }
    writer.blank();
    writer.admin(plan);
    writer.flush();
    writer.text
}

struct Writer<'n> {
    names: &'n Names,
    text: String,
    /// Lines and their comments, until a blank line aligns them.
    block: Vec<(String, String)>,
}

impl Writer<'_> {
    fn line(&mut self, text: &str, comment: &str) {
        self.block.push((text.to_owned(), comment.to_owned()));
    }

    /// A line that comes from these.
    fn from(&mut self, text: &str, places: &[Place]) {
        let cited = self.names.cite_all(places);
        self.line(text, &cited);
    }

    fn remark(&mut self, text: &str) {
        self.flush();
        self.text.push_str(text);
        self.text.push('\n');
    }

    fn blank(&mut self) {
        self.flush();
        self.text.push('\n');
    }

    fn flush(&mut self) {
        let lengths = self.block.iter().filter(|(_, comment)| !comment.is_empty());
        let lengths = lengths.map(|(text, _)| text.chars().count());
        let width = lengths
            .filter(|length| *length <= WIDEST)
            .max()
            .unwrap_or(0);
        for (text, comment) in self.block.drain(..) {
            if comment.is_empty() {
                self.text.push_str(&text);
            } else {
                let comment = one_line(&comment);
                let padding = " ".repeat(width.saturating_sub(text.chars().count()));
                self.text
                    .push_str(&[text.as_str(), &padding, "   # ", &comment].concat());
            }
            self.text.push('\n');
        }
    }

    fn group(&mut self, group: &PlannedGroup) {
        self.line(&format!("  {}:", word(&group.name)), "");
        self.line("    nodes:", "");
        for node in &group.nodes {
            self.from(
                &format!("      {}: {}", word(&node.name), value_of(node)),
                &node.places,
            );
        }
        if let Some(auth) = &group.auth {
            self.from(&format!("    auth: {}", auth_of(auth)), &auth.places);
        }
        if let Some(sentinel) = &group.sentinel {
            let (mark, name) = match &sentinel.name {
                Some(name) => ("", scalar(name)),
                None => ("# ", "YOURS".to_owned()),
            };
            let text = format!("    {mark}sentinel: {}", sentinel_of(sentinel, &name));
            self.from(&text, &sentinel.places);
        }
    }

    fn listener(&mut self, listener: &PlannedListener, group: Option<&str>) {
        self.from(&format!("  {}:", word(&listener.name)), &[listener.place]);
        let places: Vec<Place> = listener.binds.iter().map(|(_, place)| *place).collect();
        let binds: Vec<String> = listener
            .binds
            .iter()
            .map(|(bind, _)| quoted(bind))
            .collect();
        match binds.as_slice() {
            [bind] => self.from(&format!("    bind: {bind}"), &places),
            binds => self.from(&format!("    bind: [{}]", binds.join(", ")), &places),
        }
        let access = listener.access.label();
        self.from(&format!("    access: {access}"), &listener.access_places);
        if let Some(group) = group {
            self.from(
                &format!("    group: {}", word(group)),
                &listener.node_places,
            );
        }
        if let Some(nodes) = &listener.nodes {
            self.from(
                &format!("    nodes: [{}]", nodes.join(", ")),
                &listener.node_places,
            );
        }
        if !listener.backup.is_empty() {
            let names: Vec<&str> = listener
                .backup
                .iter()
                .map(|(name, _)| name.as_str())
                .collect();
            let places: Vec<Place> = listener.backup.iter().map(|(_, place)| *place).collect();
            self.from(&format!("    backup: [{}]", names.join(", ")), &places);
        }
        if let Some((fallback, places)) = &listener.fallback {
            self.from(&format!("    fallback: {}", word(fallback)), places);
        }
        if let Some((limit, place)) = listener.max_connections {
            self.from(&format!("    max_connections: {limit}"), &[place]);
        }
        if let Some((time, place)) = &listener.connect_timeout {
            self.from(&format!("    connect_timeout: {time}"), &[*place]);
        }
    }

    /// There is always one: without it nobody can ask rolecall how it is.
    fn admin(&mut self, plan: &Plan) {
        let cited = self.names.cite_all(&plan.stats);
        let instead = match cited.as_str() {
            "" => "rolecall's own: ".to_owned(),
            cited => format!("for {cited}: "),
        };
        self.line("admin:", "");
        let http = format!("  http: 127.0.0.1:{}", admin_port(plan));
        self.line(
            &http,
            &format!("{instead}status page, /metrics, /readyz, read only"),
        );
        let socket = "  socket: /run/rolecall/admin.sock";
        self.line(
            socket,
            &format!("{instead}rolecall status, top, drain; its directory must exist"),
        );
    }
}

/// The first port from the usual one on that nothing else has.
pub(super) fn admin_port(plan: &Plan) -> u16 {
    let taken = |port: &u16| {
        let end = format!(":{port}");
        let mut binds = plan.listeners.iter().flat_map(|listener| &listener.binds);
        let sentinels = plan
            .groups
            .iter()
            .filter_map(|group| group.sentinel.as_ref());
        let mut addresses = plan
            .groups
            .iter()
            .flat_map(|group| group.nodes.iter().map(|node| &node.address))
            .chain(sentinels.flat_map(|sentinel| &sentinel.addresses));
        binds.any(|(bind, _)| bind.ends_with(&end)) || addresses.any(|at| at.ends_with(&end))
    };
    (ADMIN_PORT..u16::MAX)
        .find(|port| !taken(port))
        .unwrap_or(ADMIN_PORT)
}

fn value_of(node: &PlannedNode) -> String {
    let address = address(&node.address);
    let mut parts = vec![format!("address: {address}")];
    if node.local {
        parts.push("local: true".to_owned());
    }
    parts.extend(node.weight.map(|weight| format!("weight: {weight}")));
    match parts.as_slice() {
        [_] => address,
        _ => format!("{{ {} }}", parts.join(", ")),
    }
}

fn auth_of(auth: &PlannedAuth) -> String {
    let password = format!("password: \"${{{}}}\"", auth.variable);
    match &auth.user {
        Some(user) => format!("{{ username: {}, {password} }}", scalar(user)),
        None => format!("{{ {password} }}"),
    }
}

fn sentinel_of(sentinel: &PlannedSentinel, name: &str) -> String {
    let addresses: Vec<String> = sentinel.addresses.iter().map(|text| quoted(text)).collect();
    let addresses = addresses.join(", ");
    let auth = match &sentinel.auth {
        Some(auth) => format!(", auth: {}", auth_of(auth)),
        None => String::new(),
    };
    format!("{{ name: {name}, addresses: [{addresses}]{auth} }}")
}

/// Without quotes where nothing in it could be anything else.
fn address(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    let port = text.rsplit(':').next().unwrap_or_default();
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(plain)
        && !port.is_empty();
    if is_plain {
        text.to_owned()
    } else {
        quoted(text)
    }
}

/// A name that may stand without quotes.
fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let good = text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(plain);
    if good { word(text) } else { quoted(text) }
}

/// `off` and `none` are words of ours.
fn word(text: &str) -> String {
    match text.to_ascii_lowercase().as_str() {
        "off" | "none" | "null" | "true" | "false" | "yes" | "no" | "on" => quoted(text),
        _ => text.to_owned(),
    }
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                quoted.push('\\');
                quoted.push(c);
            }
            // Of a name that nobody could type; YAML would not take it.
            c if c.is_control() => quoted.push('?'),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
