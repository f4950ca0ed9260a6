//! Keeps the documents true: what is made from the table of keys (`config::keys`) is made again and compared,
//! every example is loaded, every link is followed.
//!
//! `make docs` writes `config/rolecall.schema.json`, the tables of `docs/configuration.md` and the messages below
//! its wrong examples anew: it runs the tests that compare them with `UPDATE_DOCS=1`.

#![expect(
    clippy::panic,
    clippy::expect_used,
    reason = "a test fails by panicking, in its helpers too"
)]

mod draft;
mod examples;
mod keys;
mod links;
mod markdown;
mod names;
mod reference;
mod schema;
mod validate;

use std::fs;
use std::path::{Path, PathBuf};

use rolecall::config::model::Config;
use rolecall::config::{Problems, parse};

/// A path inside the repository.
fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn text_of(path: &str) -> String {
    let file = in_repository(path);
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// Whether files are to be written rather than compared.
fn is_update() -> bool {
    std::env::var_os("UPDATE_DOCS").is_some_and(|value| !value.is_empty())
}

/// The pages for people: README.md, and all of docs/.
fn pages() -> Vec<String> {
    let mut pages: Vec<String> = fs::read_dir(in_repository("docs"))
        .expect("docs/")
        .filter_map(|entry| entry.expect("an entry").file_name().into_string().ok())
        .filter(|name| Path::new(name).extension().is_some_and(|is| is == "md"))
        .map(|name| format!("docs/{name}"))
        .collect();
    pages.sort();
    pages.insert(0, "README.md".to_owned());
    pages
}

/// What `config::load` does with a file of this text, where every variable is set to `x` and every password file
/// holds one.
fn load(text: &str) -> Result<Config, Problems> {
    let env = |_: &str| Some("x".to_owned());
    parse(text, "rolecall.yaml", &env, &|_| Ok("x\n".to_owned()))
}

fn good(text: &str) -> Config {
    load(text).unwrap_or_else(|problems| panic!("refused:\n{text}\n{problems}"))
}

fn said(text: &str) -> String {
    match load(text) {
        Ok(_) => panic!("accepted:\n{text}"),
        Err(problems) => problems.to_string(),
    }
}
