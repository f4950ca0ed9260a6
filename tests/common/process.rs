//! A child process that ends with its owner, and is signalled by its own pid only.

use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use super::{SOON, eventually, poll};

/// A child process; killed when dropped.
pub(crate) struct Process {
    child: Child,
}

impl Process {
    /// Starts a command.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        Self { child }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, named without its SIG.
    pub(crate) fn signal(&self, name: &str) {
        let line = format!("kill -s {name} {}", self.pid());
        let status = Command::new("sh")
            .args(["-c", &line])
            .status()
            .expect("run sh");
        assert!(status.success(), "{line}: {status}");
    }

    /// SIGSTOP; returns once the process stands still.
    pub(crate) fn stop(&self) {
        self.signal("STOP");
        eventually(SOON, "the process stands still", || self.state() == 'T');
    }

    /// SIGCONT.
    pub(crate) fn cont(&self) {
        self.signal("CONT");
    }

    /// SIGKILL, and waits for the end.
    pub(crate) fn kill9(&mut self) {
        // An error says only that it has ended already.
        let _ = self.child.kill();
        self.child.wait().expect("wait for a child");
    }

    /// How it ended, if it has.
    pub(crate) fn exit(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("ask for a child")
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn wait_exit(&mut self, deadline: Duration) -> ExitStatus {
        poll(deadline, "the process ends", || self.exit())
    }

    /// Open descriptors, by /proc.
    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid())).map_or(0, Iterator::count)
    }

    fn state(&self) -> char {
        std::fs::read_to_string(format!("/proc/{}/stat", self.pid()))
            .ok()
            .and_then(|stat| stat.rsplit_once(") ")?.1.chars().next())
            .unwrap_or('?')
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
