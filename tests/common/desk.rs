//! A proxy with an admin socket, and the commands on it.

use std::path::PathBuf;

use rolecall::api::{GroupState, Status, Switchover};
use tempfile::TempDir;

use super::cli::{Ended, run_to_end};
use super::rolecall::Rolecall;
use super::topology::Topology;

/// A proxy with an admin socket.
pub(crate) struct Desk {
    pub(crate) proxy: Rolecall,
    pub(crate) socket: PathBuf,
    _dir: TempDir,
}

impl Desk {
    #[track_caller]
    pub(crate) fn start(topology: &Topology) -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let socket = dir.path().join("admin.sock");
        let proxy = topology.clone().socket(&socket).start();
        proxy.wait_primary("redis-1");
        Self {
            proxy,
            socket,
            _dir: dir,
        }
    }

    /// Runs a command on the socket.
    #[track_caller]
    pub(crate) fn run(&self, words: &[&str]) -> Ended {
        let mut all = words.to_vec();
        all.extend(["--socket", self.socket.to_str().expect("UTF-8")]);
        run_to_end(&all)
    }

    /// The outcome of a switchover, with its exit code checked against it.
    #[track_caller]
    pub(crate) fn switch(&self, words: &[&str]) -> Switchover {
        let mut all = vec!["switchover", "--json"];
        all.extend(words);
        let ended = self.run(&all);
        let outcome: Switchover = serde_json::from_str(&ended.said)
            .unwrap_or_else(|error| panic!("{error}: {}", ended.said));
        assert_eq!(ended.code, Some(i32::from(!outcome.done)), "{}", ended.said);
        outcome
    }

    /// How the only group is.
    #[track_caller]
    pub(crate) fn state(&self) -> GroupState {
        let said = self.run(&["status", "--json"]).said;
        let status: Status = serde_json::from_str(&said).expect("a status");
        status.groups[0].state
    }
}
