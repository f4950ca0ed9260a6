//! The JSON schema for editors, made from the table of keys. Draft 7: the YAML language server supports it and
//! those before it.
//!
//! It is meant for typing: it knows each key, its words, its units and its form. What takes the whole file to
//! see (a name that does not exist, an address used twice, a hold longer than the parking) is for
//! `rolecall check`.

use rolecall::config::keys::{Key, Needs, Section, TOP, Value, Without};
use serde_json::{Map, Value as Json, json};

/// Where it lies, seen from the root of the repository.
pub(crate) const PATH: &str = "config/rolecall.schema.json";

/// A variable of the environment may stand in each value, and is only known when the file is read.
const VARIABLE: &str = r"\$\{";

/// Names become labels of metrics and arguments of commands.
const NAME: &str = r"^[A-Za-z0-9._-]{1,128}$";

const SOCKET: &str = r"unix:/([^/]*/)*[^/]+";
const IPV6: &str = r"\[[0-9A-Fa-f:.]+\]:[0-9]{1,5}";

/// The whole schema.
pub(crate) fn schema() -> Json {
    let mut schema = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "rolecall configuration",
        "$comment": "Made from src/config/keys by `make docs`, and compared with it by the test `documents`.",
    });
    merge(&mut schema, of_section(&TOP));
    schema
}

/// The file as it is written.
pub(crate) fn text() -> String {
    let mut text = serde_json::to_string_pretty(&schema()).expect("JSON");
    text.push('\n');
    text
}

fn of_section(section: &Section) -> Json {
    let properties: Map<String, Json> = section
        .keys
        .iter()
        .map(|key| (key.name.to_owned(), of_key(key)))
        .collect();
    let required: Vec<&str> = section
        .keys
        .iter()
        .filter(|key| matches!(key.default, Without::Required))
        .map(|key| key.name)
        .collect();
    let mut schema = json!({
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    });
    if !required.is_empty() {
        merge(&mut schema, json!({ "required": required }));
    }
    match section.needs {
        Needs::Nothing => {}
        Needs::Any => merge(&mut schema, json!({ "minProperties": 1 })),
        Needs::OneOf(one, other) => {
            let either = json!([{ "required": [one] }, { "required": [other] }]);
            merge(&mut schema, json!({ "oneOf": either }));
        }
    }
    schema
}

fn of_key(key: &Key) -> Json {
    let mut schema = json!({ "description": key.about });
    if let Without::Is(text) = key.default {
        merge(&mut schema, json!({ "default": yaml(text) }));
    }
    if !key.example.is_empty() {
        merge(&mut schema, json!({ "examples": [yaml(key.example)] }));
    }
    merge(&mut schema, of_value(&key.value));
    schema
}

fn of_value(value: &Value) -> Json {
    let digits = "[0-9]+(ms|s|m|h)";
    match value {
        Value::Duration => text_like(
            // One of its numbers is not zero.
            &format!("^({digits})*0*[1-9][0-9]*(ms|s|m|h)({digits})*$"),
            "a whole number above zero and its unit: 500ms, 2s, 1m, 1h",
        ),
        Value::DurationOrZero => text_like(
            &format!("^({digits})+$"),
            "a whole number and its unit: 500ms, 2s, 1m, 1h",
        ),
        Value::Size => text_like(
            "^0*[1-9][0-9]*(B|KB|kB|MB|GB|KiB|MiB|GiB)$",
            "a whole number above zero and its unit: 64KiB, 1MB, 4096B",
        ),
        Value::Count(range) => any_of(vec![
            json!({ "type": "integer", "minimum": range.least, "maximum": range.most }),
            text_like("^[0-9]+$", "a whole number"),
        ]),
        Value::Switch => any_of(vec![
            json!({ "type": "boolean" }),
            text_like("^(true|false)$", "true or false"),
        ]),
        Value::Word(words) => any_of(vec![
            json!({ "enum": words }),
            json!({ "type": "string", "pattern": VARIABLE }),
        ]),
        // An unquoted 0123 is text to us, and a number to an editor.
        Value::Text | Value::FilePath => json!({ "type": ["string", "number", "boolean"] }),
        Value::Name => {
            let mut name = text_like(NAME, "a name of this file");
            merge(&mut name, json!({ "type": ["string", "number"] }));
            name
        }
        Value::Address => text_like(
            &format!("^({SOCKET}|{IPV6}|[A-Za-z0-9._-]+:[0-9]{{1,5}})$"),
            "host:port, [::1]:6379 or unix:/path",
        ),
        Value::Bind => text_like(
            &format!(r"^({SOCKET}|{IPV6}|[0-9]{{1,3}}(\.[0-9]{{1,3}}){{3}}:[0-9]{{1,5}})$"),
            "ip:port, [::1]:6379 or unix:/path",
        ),
        Value::SocketAddress => text_like(
            &format!(r"^({IPV6}|[0-9]{{1,3}}(\.[0-9]{{1,3}}){{3}}:[0-9]{{1,5}})$"),
            "ip:port or [::1]:9379",
        ),
        Value::SocketPath => text_like(
            "^(unix:)?/([^/]*/)*[^/]+$",
            "an absolute path, such as /run/rolecall/admin.sock",
        ),
        // Unquoted it is a number to an editor.
        Value::Mode => any_of(vec![
            text_like("^0?[0-7]{3}$", "three octal digits after a zero: \"0600\""),
            json!({ "type": "integer", "minimum": 100, "maximum": 777 }),
        ]),
        Value::Owner => {
            let mut owner = text_like("^[^: /]+(:[^: /]+)?$", "user or user:group");
            merge(
                &mut owner,
                json!({ "type": ["string", "number", "boolean"] }),
            );
            owner
        }
        Value::Or(words, inner) => match inner {
            Value::Map(section) => {
                either("object", &of_section(section), &json!({ "enum": words }))
            }
            _ => any_of(vec![json!({ "enum": words }), of_value(inner)]),
        },
        Value::List(inner) => {
            let list = json!({
                "type": "array",
                "items": of_value(inner),
                "minItems": 1,
                "uniqueItems": true,
            });
            either("array", &list, &of_value(inner))
        }
        Value::Map(section) => of_section(section),
        Value::Named(inner) => json!({
            "type": "object",
            "propertyNames": { "pattern": NAME },
            "minProperties": 1,
            "additionalProperties": of_value(inner),
        }),
        Value::Short(section, inner) => either("object", &of_section(section), &of_value(inner)),
    }
}

/// Text of this form, or text with a variable in it. Editors show the hint where the pattern does not match.
fn text_like(pattern: &str, hint: &str) -> Json {
    json!({
        "type": "string",
        "pattern": format!("{pattern}|{VARIABLE}"),
        "patternErrorMessage": format!("write {hint}"),
    })
}

/// This for a value of the type, that for any other: an editor then knows which of the two was meant.
fn either(of_type: &str, this: &Json, that: &Json) -> Json {
    json!({ "if": { "type": of_type }, "then": this, "else": that })
}

/// Any of these; what is itself such a choice is taken apart.
fn any_of(choices: Vec<Json>) -> Json {
    let flat: Vec<Json> = choices
        .into_iter()
        .flat_map(|choice| match choice.get("anyOf") {
            Some(Json::Array(inner)) => inner.clone(),
            _ => vec![choice],
        })
        .collect();
    json!({ "anyOf": flat })
}

fn merge(into: &mut Json, more: Json) {
    let (Json::Object(into), Json::Object(more)) = (into, more) else {
        panic!("both are objects");
    };
    into.extend(more);
}

/// A YAML text as an editor reads it: by YAML 1.2, where `off` is a word.
pub(crate) fn yaml(text: &str) -> Json {
    let options = serde_yaml::options! { strict_booleans: true };
    serde_yaml::from_str_with_options(text, options)
        .unwrap_or_else(|error| panic!("not YAML: {error}\n{text}"))
}
