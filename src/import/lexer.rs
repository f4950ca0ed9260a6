//! One line of a configuration to its words, by HAProxy's own rules: blanks divide words, a `#` outside
//! quotes ends the line even in the middle of a word, `"` protects all but variables and escapes, `'`
//! protects everything, and a backslash keeps its meaning only before what it can escape.
//!
//! Variables are not looked up: rolecall knows them too, so a word keeps them as `${NAME}` or
//! `${NAME:-default}`. Outside double quotes HAProxy takes `$NAME` as it stands; a file that has it there
//! was meant for another program to fill in first, and is read as that program would.

/// One word, without its quotes and escapes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Word {
    /// The text, with variables as `${NAME}`.
    pub(super) text: String,
    /// The variables in it.
    pub(super) variables: Vec<Variable>,
}

/// A variable of the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Variable {
    pub(super) name: String,
    /// What stands in for it when it is not set.
    pub(super) default: Option<String>,
    /// Inside double quotes, where HAProxy fills it in.
    pub(super) quoted: bool,
}

/// What a line holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    /// None in a comment or an empty line.
    pub(super) words: Vec<Word>,
    /// A quote that nothing closes: HAProxy refuses the file.
    pub(super) unclosed: bool,
}

/// Cuts a line into words. Bytes that are no UTF-8 have been replaced before.
pub(super) fn words(line: &str) -> Line {
    let mut cutter = Cutter {
        rest: line,
        line: Line::default(),
        word: None,
        quote: None,
    };
    while cutter.step() {}
    cutter.finish()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Quote {
    Weak,
    Strong,
}

struct Cutter<'l> {
    rest: &'l str,
    line: Line,
    /// The word that is being read; `""` is a word too.
    word: Option<Word>,
    quote: Option<Quote>,
}

impl Cutter<'_> {
    /// Takes one character, or one escape or variable; false at the end of the line.
    fn step(&mut self) -> bool {
        let Some(c) = self.rest.chars().next() else {
            return false;
        };
        match (c, self.quote) {
            ('\r' | '\n', _) | ('#', None) => return false,
            (' ' | '\t', None) => {
                self.end_word();
                self.skip(c);
            }
            ('"', None) => self.open(Quote::Weak),
            ('\'', None) => self.open(Quote::Strong),
            ('"', Some(Quote::Weak)) | ('\'', Some(Quote::Strong)) => {
                self.quote = None;
                self.skip(c);
            }
            ('\\', None | Some(Quote::Weak)) => self.escape(),
            ('$', None | Some(Quote::Weak)) => self.dollar(),
            _ => self.keep(c),
        }
        true
    }

    fn finish(mut self) -> Line {
        self.line.unclosed = self.quote.is_some();
        self.end_word();
        self.line
    }

    fn skip(&mut self, c: char) {
        self.rest = self.rest.get(c.len_utf8()..).unwrap_or_default();
    }

    fn keep(&mut self, c: char) {
        self.skip(c);
        self.push(c);
    }

    fn push(&mut self, c: char) {
        self.word.get_or_insert_default().text.push(c);
    }

    fn open(&mut self, quote: Quote) {
        self.word.get_or_insert_default();
        self.quote = Some(quote);
        self.rest = self.rest.get(1..).unwrap_or_default();
    }

    fn end_word(&mut self) {
        self.line.words.extend(self.word.take());
    }

    /// A backslash before anything that needs no escape is itself.
    fn escape(&mut self) {
        let after = self.rest.get(1..).unwrap_or_default();
        let quoted = self.quote == Some(Quote::Weak);
        let (meant, length) = match after.chars().next() {
            Some('n') => ('\n', 1),
            Some('r') => ('\r', 1),
            Some('t') => ('\t', 1),
            Some(c @ (' ' | '\\' | '#' | '"')) => (c, 1),
            Some('\'') if !quoted => ('\'', 1),
            Some('$') if quoted => ('$', 1),
            Some('x') => match hex(after.get(1..3)) {
                Some(c) => (c, 3),
                None => ('\\', 0),
            },
            _ => ('\\', 0),
        };
        self.rest = after.get(length..).unwrap_or_default();
        self.push(meant);
    }

    /// `$NAME`, `${NAME}`, `${NAME-default}`; any other dollar is itself.
    fn dollar(&mut self) {
        let after = self.rest.get(1..).unwrap_or_default();
        let Some((name, default, length)) = variable(after) else {
            return self.keep('$');
        };
        let variable = Variable {
            name: name.to_owned(),
            default: default.map(str::to_owned),
            quoted: self.quote == Some(Quote::Weak),
        };
        self.rest = after.get(length..).unwrap_or_default();
        let word = self.word.get_or_insert_default();
        word.text.push_str(&variable.written());
        word.variables.push(variable);
    }
}

fn hex(digits: Option<&str>) -> Option<char> {
    let digits = digits.filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
    u8::from_str_radix(digits, 16).ok().map(char::from)
}

/// The name, the default and how long it is, of what follows a dollar.
fn variable(after: &str) -> Option<(&str, Option<&str>, usize)> {
    if let Some(inside) = after.strip_prefix('{') {
        let end = inside.find('}')?;
        let whole = inside.get(..end)?;
        // "[*]" makes several words of one; ":-" is how a shell writes a default.
        let whole = whole.strip_suffix("[*]").unwrap_or(whole);
        let (name, default) = match whole.split_once('-') {
            Some((name, default)) => (name.strip_suffix(':').unwrap_or(name), Some(default)),
            None => (whole, None),
        };
        return is_name(name).then_some((name, default, end + 2));
    }
    let length = after
        .bytes()
        .take_while(|b| b.is_ascii_alphanumeric() || *b == b'_')
        .count();
    let name = after.get(..length)?;
    is_name(name).then_some((name, None, length))
}

fn is_name(name: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(good)
}

impl Variable {
    /// As rolecall's configuration spells it.
    pub(super) fn written(&self) -> String {
        match &self.default {
            Some(default) => format!("${{{}:-{default}}}", self.name),
            None => format!("${{{}}}", self.name),
        }
    }
}

impl Word {
    /// Puts the value of a variable in its place, or, where the environment may say otherwise, beside it.
    pub(super) fn fill_in(&mut self, name: &str, value: &str, set: bool) {
        let found = self.variables.iter_mut().filter(|it| it.name == name);
        for variable in found.filter(|it| set || it.default.is_none()) {
            let before = variable.written();
            variable.default = Some(value.to_owned());
            let after = if set {
                value.to_owned()
            } else {
                variable.written()
            };
            self.text = self.text.replace(&before, &after);
        }
        if set {
            self.variables.retain(|it| it.name != name);
        }
    }

    /// Whether it is exactly this.
    pub(super) fn is(&self, text: &str) -> bool {
        self.text == text
    }
}

#[cfg(test)]
mod tests {
    use super::words;

    fn cut(line: &str) -> Vec<String> {
        let line = words(line);
        line.words.into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn words_are_cut_as_haproxy_cuts_them() {
        for (line, expected) in [
            ("", &[][..]),
            ("   # only a comment", &[]),
            ("\tbind  *:6379\t# why", &["bind", "*:6379"]),
            ("bind *:6379#here", &["bind", "*:6379"]),
            (r"send PING\r\n", &["send", "PING\r\n"]),
            (r#"send "PING\r\n""#, &["send", "PING\r\n"]),
            (r"send 'PING\r\n'", &["send", r"PING\r\n"]),
            (
                r"send info\ replication\r\n",
                &["send", "info replication\r\n"],
            ),
            (r#"send AUTH\ "a b"\r\n"#, &["send", "AUTH a b\r\n"]),
            (r#"send "AUTH p\"q"\r\n"#, &["send", "AUTH p\"q\r\n"]),
            (r"a\#b \x41\x4", &["a#b", r"A\x4"]),
            (r"rstring slaves:[1-9]\d*", &["rstring", r"slaves:[1-9]\d*"]),
            ("a '' \"\" b", &["a", "", "", "b"]),
            ("it 's # one' word", &["it", "s # one", "word"]),
            (r#""it's # one""#, &["it's # one"]),
            ("a b\r", &["a", "b"]),
        ] {
            assert_eq!(cut(line), expected, "{line:?}");
        }
        assert!(words("expect string \"+OK").unclosed);
        assert!(!words("expect string \"+OK\"").unclosed);
    }

    #[test]
    fn variables_stay_variables() {
        for (line, text, names) in [
            (r#""AUTH ${PW}""#, "AUTH ${PW}", &["PW"][..]),
            (r#""$IP:$PORT""#, "${IP}:${PORT}", &["IP", "PORT"]),
            (r#""${IP-127.0.0.1}""#, "${IP:-127.0.0.1}", &["IP"]),
            (r#""${IP:-127.0.0.1}""#, "${IP:-127.0.0.1}", &["IP"]),
            (r#""${A[*]}""#, "${A}", &["A"]),
            ("*:$PORT", "*:${PORT}", &["PORT"]),
            (r#""\$X""#, "$X", &[]),
            ("'$X'", "$X", &[]),
            ("role:master$", "role:master$", &[]),
            ("a$1", "a$1", &[]),
            ("${", "${", &[]),
            ("${1}", "${1}", &[]),
        ] {
            let line = words(line);
            assert_eq!(line.words.len(), 1, "{text}");
            assert_eq!(line.words[0].text, text);
            let found: Vec<&str> = line.words[0]
                .variables
                .iter()
                .map(|variable| &*variable.name)
                .collect();
            assert_eq!(found, names, "{text}");
        }
    }
}
