//! Child processes that never outlive the bench: they end when their owner is dropped, and `setpriv` has
//! the kernel end them should the bench itself be killed.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A child process; killed when dropped.
pub(crate) struct Process {
    child: Child,
}

impl Process {
    /// Starts a program whose output is added to a log. To be called from the main thread: the kernel
    /// ends the child with the thread that started it.
    pub(crate) fn start(program: &str, arguments: &[&str], log: &Path) -> Self {
        let out = File::options()
            .create(true)
            .append(true)
            .open(log)
            .expect("open a log");
        let err = out.try_clone().expect("a second handle of a log");
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", program])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {program} by setpriv: {error}"));
        Self { child }
    }

    /// SIGKILL, and waits for the end.
    pub(crate) fn kill(&mut self) {
        // Both fail only when it has ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Whether it has not ended.
    pub(crate) fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// SIGSTOP; returns once the process stands still.
    pub(crate) fn freeze(&self) {
        self.signal("STOP");
        let stat = format!("/proc/{}/stat", self.child.id());
        wait_for("a process stands still", Duration::from_secs(5), || {
            let text = std::fs::read_to_string(&stat).unwrap_or_default();
            let state = text.rsplit_once(") ").map(|(_, rest)| rest.to_owned());
            state.is_some_and(|state| state.starts_with('T'))
        });
    }

    /// SIGCONT.
    pub(crate) fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "kill -s {name} {pid}"
        );
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Polls until `done` holds; false at the deadline.
pub(crate) fn within(deadline: Duration, mut done: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while !done() {
        if start.elapsed() > deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}

/// The same; panics at the deadline with what was waited for.
pub(crate) fn wait_for(what: &str, deadline: Duration, done: impl FnMut() -> bool) {
    assert!(
        within(deadline, done),
        "waited {deadline:?} in vain: {what}"
    );
}
