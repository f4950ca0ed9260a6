//! `rolecall init`, and what it wrote.

use std::fs;
use std::path::{Path, PathBuf};

use rolecall::config::model::Config;
use tempfile::TempDir;

use super::cli::{Parted, run_apart};
use super::scratch;

/// Runs `init -o FILE`, and gives what it said and where the file is.
pub(crate) struct Written {
    pub(crate) told: Parted,
    pub(crate) file: PathBuf,
    pub(crate) dir: TempDir,
}

/// Runs it with these arguments and variables.
#[track_caller]
pub(crate) fn init(arguments: &[&str], env: &[(&str, &str)]) -> Written {
    let dir = scratch();
    let file = dir.path().join("rolecall.yaml");
    let mut all = vec!["init", "-o", file.to_str().expect("UTF-8")];
    all.extend(arguments);
    Written {
        told: run_apart(&all, env),
        file,
        dir,
    }
}

impl Written {
    /// What was written; empty when nothing was.
    pub(crate) fn text(&self) -> String {
        fs::read_to_string(&self.file).unwrap_or_default()
    }

    /// The configuration, as `run` would read it.
    #[track_caller]
    pub(crate) fn config(&self, env: &[(&str, &str)]) -> Config {
        let text = self.text();
        let lookup = |name: &str| {
            let mut all = env.iter();
            all.find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        };
        let read = |path: &Path| fs::read_to_string(path);
        rolecall::config::parse(&text, "rolecall.yaml", &lookup, &read)
            .unwrap_or_else(|problems| panic!("{problems}\n{text}"))
    }

    /// The addresses of the nodes, in the order of the file.
    #[track_caller]
    pub(crate) fn nodes(&self) -> Vec<String> {
        let config = self.config(&[]);
        let nodes = config.groups[0].nodes.iter();
        nodes.map(|node| node.address.to_string()).collect()
    }

    /// It was written, nothing was found wrong, and `check --connect` agrees.
    #[track_caller]
    pub(crate) fn is_well(&self, env: &[(&str, &str)]) {
        let (told, text) = (&self.told, self.text());
        assert_eq!(told.code, Some(0), "{}\n{text}", told.err);
        assert_eq!(told.out, "", "the file goes to the file");
        let path = self.file.to_str().expect("UTF-8");
        let asked = run_apart(&["check", "-c", path, "--connect"], env);
        assert_eq!(asked.code, Some(0), "{}{}\n{text}", asked.out, asked.err);
    }
}
