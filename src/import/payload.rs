//! The bytes that a check sends, to commands: inline or RESP, in one line or spread over several, as text or
//! as hex, with passwords that are shown nowhere.

use super::lexer::Variable;

/// A command that a check sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Ping,
    Info,
    Role,
    Quit,
    Auth(Login),
    /// Asks a Sentinel for the primary of this master name.
    Sentinel(Option<String>),
    Other(String),
}

/// A user and a password; the password is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Login {
    pub(super) user: Option<String>,
    pub(super) password: String,
    /// The variable that holds the whole password, if one does.
    pub(super) variable: Option<Variable>,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Login(..)")
    }
}

/// `%[env(NAME)]`, which `send-lf` knows, is a variable as well.
pub(super) fn env_of(text: &str) -> String {
    let Some((before, after)) = text.split_once("%[env(") else {
        return text.to_owned();
    };
    match after.split_once(")]") {
        Some((name, rest)) => format!("{before}${{{name}}}{rest}"),
        None => text.to_owned(),
    }
}

pub(super) fn unhex(text: &str) -> Option<String> {
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    let bytes: Option<Vec<u8>> = digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect();
    bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// Commands with the offset at which each begins: RESP arrays, else inline commands a line each.
pub(super) fn commands(text: &str) -> Vec<(usize, Vec<String>)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with('*') {
            let (words, length) = array(rest);
            found.push((at, words));
            at += length.max(1);
            continue;
        }
        let (line, length) = inline_line(rest);
        let words: Vec<String> = inline(line);
        if !words.is_empty() {
            found.push((at, words));
        }
        at += length;
    }
    found
}

/// A line, and how long it is with its end. In single quotes `\r\n` stays what is written: meant is the same.
fn inline_line(text: &str) -> (&str, usize) {
    let ends = ["\r\n", "\n", "\r", "\\r\\n", "\\n"];
    let first = ends
        .iter()
        .filter_map(|end| Some((text.find(end)?, end.len())))
        .min_by_key(|(at, length)| (*at, usize::MAX - length));
    match first {
        Some((at, length)) => (text.get(..at).unwrap_or_default(), at + length),
        None => (text, text.len()),
    }
}

/// Words of an inline command, which Redis lets be quoted.
fn inline(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() {
        let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''));
        let quoted = quote.and_then(|c| rest.get(1..)?.split_once(c));
        let (word, after) = match quoted {
            Some(cut) => cut,
            None => rest.split_once([' ', '\t']).unwrap_or((rest, "")),
        };
        words.push(word.to_owned());
        rest = after.trim_start();
    }
    words
}

/// A RESP array of bulk strings as far as it goes, and its length. Lengths are not trusted: a variable has
/// another length than its name.
fn array(text: &str) -> (Vec<String>, usize) {
    let mut words = Vec::new();
    let (head, mut length) = inline_line(text);
    let count: usize = head.trim_start_matches('*').trim().parse().unwrap_or(0);
    for _ in 0..count.min(16) {
        let (size, taken) = inline_line(text.get(length..).unwrap_or_default());
        if !size.starts_with('$') {
            break;
        }
        length += taken;
        let (word, taken) = inline_line(text.get(length..).unwrap_or_default());
        words.push(word.to_owned());
        length += taken;
    }
    (words, length)
}

pub(super) fn command(words: &[String], variables: &[Variable]) -> Command {
    let word = |index: usize| words.get(index).map_or("", |word| word.as_str());
    let is = |text: &str, meant: &str| {
        // A page on the web that lost its backslashes: PINGrn.
        let text = text.to_ascii_lowercase();
        text == meant || text.strip_suffix("rn") == Some(meant)
    };
    match word(0) {
        first if is(first, "ping") => Command::Ping,
        first if is(first, "info") => Command::Info,
        first if is(first, "role") => Command::Role,
        first if is(first, "quit") => Command::Quit,
        first if is(first, "auth") => Command::Auth(login(words.get(1..), variables)),
        first if is(first, "hello") && is(word(2), "auth") => {
            Command::Auth(login(words.get(3..), variables))
        }
        first if is(first, "sentinel") => Command::Sentinel(
            matches!(
                word(1).to_ascii_lowercase().as_str(),
                "master"
                    | "get-master-addr-by-name"
                    | "masters"
                    | "replicas"
                    | "slaves"
                    | "ckquorum"
            )
            .then(|| word(2).to_owned())
            .filter(|name| !name.is_empty()),
        ),
        first => Command::Other(shown(first)),
    }
}

/// The name of a command; anything else may be part of a password.
fn shown(word: &str) -> String {
    const COMMANDS: [&str; 14] = [
        "get", "set", "select", "exists", "config", "client", "cluster", "dbsize", "echo", "eval",
        "hello", "time", "lastsave", "command",
    ];
    let lower = word.to_ascii_lowercase();
    if COMMANDS.contains(&lower.as_str()) {
        word.to_owned()
    } else {
        "something else".to_owned()
    }
}

/// `pw` or `user pw`; more words are one password with blanks in it.
fn login(words: Option<&[String]>, variables: &[Variable]) -> Login {
    let words = words.unwrap_or_default();
    let (user, password) = match words {
        [password] => (None, password.clone()),
        [user, password] => (Some(user.clone()), password.clone()),
        _ => (None, words.join(" ")),
    };
    let whole = |variable: &&Variable| variable.written() == password;
    Login {
        user,
        variable: variables.iter().find(whole).cloned().or_else(|| {
            let name = password.strip_prefix("${")?.strip_suffix('}')?;
            let bare = !name.contains(['{', '}', ':']);
            bare.then(|| Variable {
                name: name.to_owned(),
                default: None,
                quoted: true,
            })
        }),
        password,
    }
}
