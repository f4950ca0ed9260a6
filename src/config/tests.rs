//! Whole texts through [`super::parse`].

mod addresses;
mod contradictions;
mod errors;
mod reload;
mod robust;
mod secrets;
mod values;

use std::io;
use std::path::Path;

use super::model::Config;
use super::problem::Problems;

/// Parses with a small environment and one readable file.
fn parse(text: &str) -> Result<Config, Problems> {
    let env = |name: &str| match name {
        "PASSWORD" => Some("hunter2: #x".to_owned()),
        "PORT" => Some("7000".to_owned()),
        "BARE" => Some("918273".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    };
    let read_file = |path: &Path| match path.to_str() {
        Some("/secret") => Ok("from-file\n".to_owned()),
        Some("/empty") => Ok("\n".to_owned()),
        _ => Err(io::Error::from(io::ErrorKind::NotFound)),
    };
    super::parse(text, "c.yaml", &env, &read_file)
}

/// What is said about a text that is wrong.
fn said(text: &str) -> String {
    match parse(text) {
        Ok(_) => panic!("accepted:\n{text}"),
        Err(problems) => problems.to_string(),
    }
}

fn good(text: &str) -> Config {
    parse(text).unwrap_or_else(|problems| panic!("refused:\n{text}\n{problems}"))
}

/// The smallest useful file, with more put into its group and behind it.
fn file(group: &str, listeners: &str) -> String {
    format!(
        "groups:\n  main:\n    nodes: {{ a: 10.0.0.1:6379, b: 10.0.0.2:6379, l: {{ address: 10.0.0.3:6379, local: true }} }}\n{group}\
         listeners:\n  rw: {{ bind: \"127.0.0.1:6379\", access: read-write }}\n{listeners}"
    )
}
