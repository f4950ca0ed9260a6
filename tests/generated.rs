//! The man pages and the shell completions in `deploy/` are what the command line says now.
//!
//! They are files, so that the binary need not carry what makes them and a package has them as they are.
//! `make docs` writes them anew: it runs this test with `UPDATE_DOCS` set.

#![expect(
    clippy::expect_used,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;

/// What the command line does not know, at the end of rolecall(1).
const MORE: &str = include_str!("generated/rolecall.1.more");

/// At the end of every other page.
const SEE_ALSO: &str = ".SH \"SEE ALSO\"\n.BR rolecall (1)\n";

/// Paths below `deploy`, and what is to be in the files.
type Files = BTreeMap<PathBuf, String>;

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy")
}

fn man_pages(command: &Command, files: &mut Files) {
    for each in command.get_subcommands().filter(|each| !each.is_hide_set()) {
        man_pages(each, files);
    }
    let version = format!("rolecall {}", env!("CARGO_PKG_VERSION"));
    let page = Man::new(command.clone())
        .source(version)
        .manual("rolecall manual");
    let mut text = Vec::new();
    page.render(&mut text).expect("render a page");
    let mut text = String::from_utf8(text).expect("UTF-8");
    let name = page.get_filename();
    text.push_str(if name == "rolecall.1" { MORE } else { SEE_ALSO });
    files.insert(Path::new("man").join(name), text);
}

fn completions(command: &Command, files: &mut Files) {
    for (shell, name) in [
        (Shell::Bash, "rolecall.bash"),
        (Shell::Zsh, "_rolecall"),
        (Shell::Fish, "rolecall.fish"),
    ] {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut command.clone(), "rolecall", &mut script);
        let script = String::from_utf8(script).expect("UTF-8");
        files.insert(Path::new("completions").join(name), script);
    }
}

/// What the command line says now.
fn wanted() -> Files {
    let mut files = Files::new();
    completions(&rolecall::cli::command(), &mut files);
    // `rolecall help run` is no page of its own.
    let mut command = rolecall::cli::command().disable_help_subcommand(true);
    command.build();
    man_pages(&command, &mut files);
    files
}

/// What is in the two folders.
fn present() -> Files {
    let mut files = Files::new();
    for folder in ["man", "completions"] {
        for entry in fs::read_dir(deploy().join(folder)).expect("the folder") {
            let name = entry.expect("an entry").file_name();
            let path = Path::new(folder).join(name);
            let text = fs::read_to_string(deploy().join(&path)).expect("a text");
            files.insert(path, text);
        }
    }
    files
}

fn write(wanted: &Files) {
    for path in present().keys().filter(|path| !wanted.contains_key(*path)) {
        fs::remove_file(deploy().join(path)).expect("remove a file");
    }
    for (path, text) in wanted {
        fs::write(deploy().join(path), text).expect("write a file");
    }
}

#[test]
fn man_pages_and_completions_are_current() {
    let wanted = wanted();
    if env::var_os("UPDATE_DOCS").is_some() {
        write(&wanted);
    }
    let present = present();
    let stale: Vec<&PathBuf> = wanted
        .keys()
        .chain(present.keys())
        .filter(|path| wanted.get(*path) != present.get(*path))
        .collect();
    assert!(
        stale.is_empty(),
        "not what the command line says now: run `make docs` and commit: {stale:?}"
    );
    for command in rolecall::cli::command().get_subcommands() {
        let page = format!("man/rolecall-{}.1", command.get_name());
        assert!(present.contains_key(Path::new(&page)), "no {page}");
        for (path, script) in present.iter().filter(|(path, _)| !path.starts_with("man")) {
            assert!(script.contains(command.get_name()), "{}", path.display());
        }
    }
}
