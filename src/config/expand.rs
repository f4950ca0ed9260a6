//! Fills in `${VAR}` and `${VAR:-default}` after parsing, so that a value with YAML's characters in it is
//! only ever a value. `$$` is a dollar; any other dollar is itself. Keys are left alone.

use super::problem::Problem;
use super::tree::{Node, Scalar, Value};

/// Looks a variable up.
pub(super) type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Fills in every scalar of a tree. One that fails is told and left without a text.
pub(super) fn fill_in(node: &mut Node, env: Env<'_>, problems: &mut Vec<Problem>) {
    match &mut node.value {
        Value::Null => {}
        Value::List(items) => items
            .iter_mut()
            .for_each(|item| fill_in(item, env, problems)),
        Value::Map(entries) => {
            for entry in entries {
                fill_in(&mut entry.value, env, problems);
            }
        }
        Value::Scalar(Scalar { written, text, .. }) => match expanded(written, env) {
            Ok(filled) => *text = Some(filled),
            Err(wrong) => {
                *text = None;
                problems.push(wrong.problem(node.place));
            }
        },
    }
}

enum Wrong {
    Unset(String),
    Malformed,
}

impl Wrong {
    fn problem(self, place: super::tree::Place) -> Problem {
        match self {
            Self::Unset(name) => {
                Problem::at(place, format!("the environment variable {name} is not set"))
                    .hint(format!("set it, or give a default: ${{{name}:-default}}"))
            }
            Self::Malformed => Problem::at(place, "\"${\" without a variable name and \"}\"")
                .hint("write ${NAME} or ${NAME:-default}; $$ is a plain dollar"),
        }
    }
}

fn expanded(written: &str, env: Env<'_>) -> Result<String, Wrong> {
    let mut filled = String::with_capacity(written.len());
    let mut rest = written;
    while let Some(at) = rest.find('$') {
        filled.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if let Some(after) = after.strip_prefix('$') {
            filled.push('$');
            rest = after;
        } else if let Some(after) = after.strip_prefix('{') {
            let (inside, behind) = after.split_once('}').ok_or(Wrong::Malformed)?;
            filled.push_str(&variable(inside, env)?);
            rest = behind;
        } else {
            filled.push('$');
            rest = after;
        }
    }
    filled.push_str(rest);
    Ok(filled)
}

/// As in a shell: the default also stands in for a variable that is set but empty.
fn variable(inside: &str, env: Env<'_>) -> Result<String, Wrong> {
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(good)
    {
        return Err(Wrong::Malformed);
    }
    match (env(name), default) {
        (Some(value), None) => Ok(value),
        (Some(value), Some(_)) if !value.is_empty() => Ok(value),
        (_, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err(Wrong::Unset(name.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::{Wrong, expanded};

    fn fill(text: &str) -> Option<String> {
        let env = |name: &str| match name {
            "SET" => Some("p: #{x}".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        match expanded(text, &env) {
            Ok(text) => Some(text),
            Err(Wrong::Unset(name)) => Some(format!("unset {name}")),
            Err(Wrong::Malformed) => None,
        }
    }

    #[test]
    fn variables_are_filled_in_like_in_a_shell() {
        for (written, filled) in [
            ("plain", Some("plain")),
            ("a${SET}b", Some("ap: #{x}b")),
            ("${SET:-no}", Some("p: #{x}")),
            ("${EMPTY}", Some("")),
            ("${EMPTY:-yes}", Some("yes")),
            ("${NO:-}", Some("")),
            ("${NO:-a:-b}", Some("a:-b")),
            ("${NO}", Some("unset NO")),
            ("$$", Some("$")),
            ("$${SET}", Some("${SET}")),
            ("pa$word$", Some("pa$word$")),
            ("${SET", None),
            ("${}", None),
            ("${1A}", None),
            ("${A B}", None),
        ] {
            assert_eq!(fill(written).as_deref(), filled, "{written}");
        }
    }
}
