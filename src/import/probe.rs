//! What a health check says to a server, and what it wants to hear: `tcp-check` lines to commands and
//! wishes.

use super::lexer::{Variable, Word};
use super::payload::{Command, Login, command, commands, env_of, unhex};
use super::place::Place;
use super::sections::Directive;

/// What an answer must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Primary,
    Replica,
    /// `KeyDB`, where all nodes take writes.
    ActiveReplica,
    /// Primary or replica: any role.
    AnyRole,
    LinkUp,
    NotLoading,
    NotSyncing,
    HasReplicas,
    /// `+PONG`, `+OK`: that it answers.
    Answer,
    /// In a Sentinel's answer: the address of a node.
    Address(String),
    Unknown,
}

/// All that the `tcp-check` lines of a section say.
#[derive(Clone, Debug, Default)]
pub(super) struct Script {
    pub(super) commands: Vec<(Place, Command)>,
    pub(super) wishes: Vec<(Place, Wish)>,
    /// `tcp-check connect` with these words.
    pub(super) connects: Vec<(Place, Vec<Word>)>,
    /// `comment`, `set-var`: nothing that is sent or expected.
    pub(super) silent: Vec<Place>,
    /// What is no known form of `tcp-check`.
    pub(super) unknown: Vec<Place>,
}

/// Reads the `tcp-check` lines of a section, in order.
pub(super) fn read(lines: &[&Directive]) -> Script {
    let mut script = Script::default();
    let mut payload = Payload::default();
    for line in lines {
        if matches!(
            line.word(1),
            "send" | "send-lf" | "send-binary" | "send-binary-lf"
        ) {
            if line.words.len() > 2 {
                payload.add(line);
            } else {
                script.unknown.push(line.place);
            }
            continue;
        }
        payload.flush(&mut script);
        match line.word(1) {
            "expect" => expect(&mut script, line),
            "connect" => script.connects.push((line.place, line.from(2).to_vec())),
            "comment" | "set-var" | "set-var-fmt" | "unset-var" => script.silent.push(line.place),
            _ => script.unknown.push(line.place),
        }
    }
    payload.flush(&mut script);
    script
}

/// What is sent before the next answer is awaited, and which line each piece stands on.
#[derive(Default)]
struct Payload {
    pieces: Vec<(Place, String)>,
    variables: Vec<Variable>,
}

impl Payload {
    fn add(&mut self, line: &Directive) {
        let words = sent(line);
        let whole: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        let whole = whole.join(" ");
        let text = match line.word(1) {
            "send-binary" | "send-binary-lf" => unhex(&whole).unwrap_or_default(),
            _ => env_of(&whole),
        };
        let variables = words.iter().flat_map(|word| word.variables.iter().cloned());
        self.variables.extend(variables);
        self.pieces.push((line.place, text));
    }

    /// A command belongs to the line on which it begins; lines that only go on are silent.
    fn flush(&mut self, script: &mut Script) {
        let pieces = std::mem::take(&mut self.pieces);
        let variables = std::mem::take(&mut self.variables);
        let whole: String = pieces.iter().map(|(_, text)| text.as_str()).collect();
        let mut starts = Vec::new();
        let mut length = 0;
        for (place, text) in &pieces {
            starts.push((length, *place));
            length += text.len();
        }
        let mut named = Vec::new();
        for (at, words) in commands(&whole) {
            let place = starts.iter().rev().find(|(start, _)| *start <= at);
            let Some((_, place)) = place else { continue };
            named.push(*place);
            script.commands.push((*place, command(&words, &variables)));
        }
        let rest = pieces.iter().map(|(place, _)| *place);
        script
            .silent
            .extend(rest.filter(|place| !named.contains(place)));
    }
}

/// What is sent: one word. HAProxy refuses more, but a blank that lost its backslash is easily seen: the
/// line has not ended yet.
fn sent(line: &Directive) -> &[Word] {
    let words = line.from(2);
    let ended = |word: &Word| word.text.ends_with('\n') || word.text.ends_with("\\n");
    let count = match words.iter().position(ended) {
        Some(at) if words.iter().take(at).all(|word| !word.is("comment")) => at + 1,
        _ => 1,
    };
    words.get(..count).unwrap_or_default()
}

/// Words of `tcp-check expect` that take a value, before the match.
const EXPECT_OPTIONS: [&str; 8] = [
    "min-recv",
    "comment",
    "ok-status",
    "error-status",
    "tout-status",
    "on-success",
    "on-error",
    "status-code",
];

fn expect(script: &mut Script, line: &Directive) {
    let mut words = line.from(2);
    while let [option, _, rest @ ..] = words {
        if !EXPECT_OPTIONS.contains(&option.text.as_str()) {
            break;
        }
        words = rest;
    }
    let negated = words.first().is_some_and(|word| word.is("!"));
    if negated {
        words = words.get(1..).unwrap_or_default();
    }
    let (kind, pattern) = match words {
        [kind, pattern, ..] => (kind.text.as_str(), pattern.text.as_str()),
        // `expect +OK` is no form of HAProxy's, but what is meant is plain.
        [pattern] => ("string", pattern.text.as_str()),
        [] => ("", ""),
    };
    let text = match kind {
        "string" | "string-lf" | "rstring" => Some(pattern.to_owned()),
        "binary" | "binary-lf" | "rbinary" => unhex(pattern),
        _ => None,
    };
    let asked = script.commands.last().map(|(_, command)| command);
    let wish = match text {
        Some(text) if kind.starts_with('r') => wish(&unregex(&text), asked),
        Some(text) => wish(&text, asked),
        None => Wish::Unknown,
    };
    let wish = match (negated, wish) {
        (false, wish) => wish,
        (true, Wish::Replica) => Wish::Primary,
        (true, Wish::Primary) => Wish::Replica,
        (true, _) => Wish::Unknown,
    };
    script.wishes.push((line.place, wish));
}

/// Takes from a regular expression what is in the way of reading it: anchors and escapes.
fn unregex(pattern: &str) -> String {
    pattern
        .trim_start_matches(['^', '('])
        .replace(".*", "")
        .replace("\\b", "")
        .replace(['\\', '$'], "")
}

fn wish(pattern: &str, asked: Option<&Command>) -> Wish {
    let text = pattern.trim().to_ascii_lowercase();
    if let Some(Command::Sentinel(_)) = asked {
        return match text.as_str() {
            "" | "+ok" | "+pong" => Wish::Answer,
            _ => Wish::Address(pattern.trim().to_owned()),
        };
    }
    let roles = roles(&text);
    let by_role = matches!(asked, Some(Command::Role | Command::Info));
    match text.as_str() {
        // The one or the other: replicas in sync do as well as the primary.
        _ if text.contains("role:master") && text.contains("master_link_status:up") => {
            Wish::AnyRole
        }
        _ if text.contains("role:") => match roles {
            (_, _, true) => Wish::ActiveReplica,
            (true, true, _) => Wish::AnyRole,
            (true, false, _) => Wish::Primary,
            (false, true, _) => Wish::Replica,
            _ => Wish::Unknown,
        },
        _ if text.contains("master_link_status:up") => Wish::LinkUp,
        _ if text.contains("master_sync_in_progress:0") => Wish::NotSyncing,
        _ if text.contains("connected_slaves:") && !text.ends_with(":0") => Wish::HasReplicas,
        _ if text.contains("loading:0") => Wish::NotLoading,
        _ if text.contains("+pong") || text.contains("+ok") => Wish::Answer,
        "pong" | "ok" | "+" | "$" | "redis_version" | "" => Wish::Answer,
        "master" | "$6\r\nmaster" | "*3" if by_role => Wish::Primary,
        "slave" | "replica" | "$5\r\nslave" | "*5" | "connected" if by_role => Wish::Replica,
        _ => Wish::Unknown,
    }
}

/// Which roles a pattern with `role:` takes: primary, replica, active replica.
fn roles(text: &str) -> (bool, bool, bool) {
    let mut found = (false, false, false);
    for after in text.split("role:").skip(1) {
        let alternatives = match after.strip_prefix('(') {
            Some(inside) => inside.split(')').next().unwrap_or_default(),
            None => after
                .split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '|'))
                .next()
                .unwrap_or_default(),
        };
        for role in alternatives.split('|') {
            match role.trim_start_matches("role:") {
                "master" | "primary" => found.0 = true,
                "slave" | "replica" => found.1 = true,
                "active-replica" => found.2 = true,
                _ => {}
            }
        }
    }
    found
}

impl Script {
    /// Whether a wish is among them.
    pub(super) fn wants(&self, wish: &Wish) -> bool {
        self.wishes.iter().any(|(_, wanted)| wanted == wish)
    }

    /// Whether it speaks to Redis or a Sentinel at all.
    pub(super) fn speaks(&self) -> bool {
        let known =
            |(_, command): &(Place, Command)| !matches!(command, Command::Other(_) | Command::Quit);
        self.commands.iter().any(known)
            || self
                .wishes
                .iter()
                .any(|(_, wish)| !matches!(wish, Wish::Unknown | Wish::Answer))
    }

    /// Whether it asks a Sentinel, and not what it is told of itself.
    pub(super) fn asks_sentinel(&self) -> bool {
        self.commands
            .iter()
            .any(|(_, command)| matches!(command, Command::Sentinel(_)))
    }

    /// The master name that a Sentinel is asked for.
    pub(super) fn master_name(&self) -> Option<(Place, &str)> {
        self.commands
            .iter()
            .find_map(|(place, command)| match command {
                Command::Sentinel(Some(name)) => Some((*place, name.as_str())),
                _ => None,
            })
    }

    /// Every AUTH.
    pub(super) fn logins(&self) -> impl Iterator<Item = (Place, &Login)> {
        self.commands
            .iter()
            .filter_map(|(place, command)| match command {
                Command::Auth(login) => Some((*place, login)),
                _ => None,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::{Script, Wish, read};
    use crate::import::payload::Command;
    use crate::import::place::Source;
    use crate::import::sections;

    fn script(lines: &str) -> Script {
        let text = format!("backend b\n{lines}\n");
        let document = sections::read(&[Source {
            name: "h".to_owned(),
            text,
        }]);
        let lines: Vec<_> = document.sections[0].body.iter().collect();
        read(&lines)
    }

    fn wish(line: &str) -> Wish {
        let script = script(&format!(
            "tcp-check send info\\r\\n\ntcp-check expect {line}"
        ));
        script.wishes[0].1.clone()
    }

    #[test]
    fn what_an_answer_must_hold() {
        for (line, expected) in [
            ("string role:master", Wish::Primary),
            ("  string   role:slave", Wish::Replica),
            ("rstring role:(master)", Wish::Primary),
            ("rstring ^role:slave", Wish::Replica),
            ("rstring \\bmaster\\b", Wish::Primary),
            ("rstring role:(slave|replica)", Wish::Replica),
            ("rstring role:(master|slave)", Wish::AnyRole),
            ("rstring role:(active-replica|master)", Wish::ActiveReplica),
            ("string role:active-replica", Wish::ActiveReplica),
            ("! string role:slave", Wish::Primary),
            ("! string role:master", Wish::Replica),
            ("! string loading:1", Wish::Unknown),
            ("string master_link_status:up", Wish::LinkUp),
            ("string master_sync_in_progress:0", Wish::NotSyncing),
            ("string loading:0", Wish::NotLoading),
            ("rstring connected_slaves:[1-9]", Wish::HasReplicas),
            ("rstring .*connected_slaves:[1-9][0-9]*", Wish::HasReplicas),
            ("string +PONG", Wish::Answer),
            ("+OK", Wish::Answer),
            ("rstring (\\+PONG|-NOAUTH)", Wish::Answer),
            ("binary 726f6c653a6d6173746572", Wish::Primary),
            (
                "comment \"is it\" min-recv 5 string role:master",
                Wish::Primary,
            ),
            ("string used_memory:0", Wish::Unknown),
            ("string", Wish::Unknown),
        ] {
            assert_eq!(wish(line), expected, "{line}");
        }
    }

    #[test]
    fn commands_in_every_spelling() {
        for (lines, expected) in [
            ("tcp-check send PING\\r\\n", &[Command::Ping][..]),
            ("tcp-check send 'ping\\r\\n'", &[Command::Ping]),
            ("tcp-check send PINGrn", &[Command::Ping]),
            (
                "tcp-check send \"INFO replication\\r\\n\"",
                &[Command::Info],
            ),
            ("tcp-check send info\\ Replication\\r\\n", &[Command::Info]),
            (
                "tcp-check send PING\\r\\nINFO\\r\\nquit\\r\\n",
                &[Command::Ping, Command::Info, Command::Quit],
            ),
            (
                "tcp-check send IN\ntcp-check send FO\\r\\n",
                &[Command::Info],
            ),
            (
                "tcp-check send-binary 2a310d0a24340d0a50494e470d0a",
                &[Command::Ping],
            ),
            (
                "tcp-check send *1\\r\\n$4\\r\\nROLE\\r\\n",
                &[Command::Role],
            ),
            (
                "tcp-check send SENTINEL\\ get-master-addr-by-name\\ m1\\r\\n",
                &[Command::Sentinel(Some("m1".to_owned()))],
            ),
            (
                "tcp-check send GET\\ /\\r\\n",
                &[Command::Other("GET".to_owned())],
            ),
        ] {
            let found: Vec<_> = script(lines).commands.into_iter().map(|(_, c)| c).collect();
            assert_eq!(found, expected, "{lines}");
        }
    }

    #[test]
    fn passwords_in_every_quoting() {
        for (line, user, password, variable) in [
            (r"AUTH\ pw\r\n", None, "pw", None),
            (r#""AUTH pw\r\n""#, None, "pw", None),
            (r#""AUTH ${PW}"\r\n"#, None, "${PW}", Some("PW")),
            (r#"AUTH\ "${PW}"\r\n"#, None, "${PW}", Some("PW")),
            (r"AUTH\ ${PW}\r\n", None, "${PW}", Some("PW")),
            (r#""AUTH user p w\r\n""#, None, "user p w", None),
            (r"AUTH pw\r\n", None, "pw", None),
            (r"AUTH\ pw\r\n   // why", None, "pw", None),
            (r"AUTH\ pw\r\n comment why", None, "pw", None),
            (r"auth\ user\ pw\r\n", Some("user"), "pw", None),
            (r"*2\r\n$4\r\nAUTH\r\n$2\r\npw\r\n", None, "pw", None),
            (r"HELLO\ 3\ AUTH\ user\ pw\r\n", Some("user"), "pw", None),
        ] {
            let script = script(&format!("tcp-check send {line}"));
            let logins: Vec<_> = script.logins().collect();
            assert_eq!(logins.len(), 1, "{line}");
            let login = logins[0].1;
            assert_eq!(login.user.as_deref(), user, "{line}");
            assert_eq!(login.password, password, "{line}");
            let found = login.variable.as_ref().map(|variable| &*variable.name);
            assert_eq!(found, variable, "{line}");
            assert_eq!(format!("{login:?}"), "Login(..)");
        }
    }
}
