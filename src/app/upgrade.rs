//! SIGUSR2 starts the binary that is installed now, to take over from us.
//!
//! Anybody may start a successor by hand (`--takeover`). Under a service manager only a process of the
//! service's own control group and with its rights may, and that is what we can start: `systemctl kill
//! -s USR2 --kill-whom=main rolecall` is an upgrade.

use std::env;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::process::Command;
use std::thread;

use tokio::signal::unix::{SignalKind, signal};

/// What Linux adds to the path of a running binary when another has been put in its place.
const REPLACED: &[u8] = b" (deleted)";

/// Starts to listen for the signal, which would otherwise end the process.
pub(super) fn obey_signal() -> io::Result<()> {
    let mut signals = signal(SignalKind::user_defined2())?;
    tokio::spawn(async move {
        while signals.recv().await.is_some() {
            if let Err(error) = start("SIGUSR2") {
                tracing::error!(%error, "SIGUSR2: cannot start a successor: serving on");
            }
        }
    });
    Ok(())
}

/// Starts the installed binary with our own arguments, to take over; `why` is for the log.
pub(super) fn start(why: &str) -> io::Result<()> {
    let program = installed(env::current_exe()?);
    let mut child = Command::new(&program)
        .args(arguments(env::args_os().skip(1).collect()))
        .spawn()?;
    let pid = child.id();
    tracing::info!(
        pid,
        "{why}: started {} as pid {pid}, to take over",
        program.display()
    );
    // It ends before us only if it fails; nobody else would ask how.
    thread::Builder::new()
        .name("successor".into())
        .spawn(move || {
            if let Ok(status) = child.wait() {
                tracing::warn!(pid, "pid {pid}, started to take over, has ended: {status}");
            }
        })?;
    Ok(())
}

fn installed(running: PathBuf) -> PathBuf {
    match running.as_os_str().as_bytes().strip_suffix(REPLACED) {
        Some(path) => OsString::from_vec(path.to_vec()).into(),
        None => running,
    }
}

fn arguments(mut own: Vec<OsString>) -> Vec<OsString> {
    if !own.iter().any(|word| word == "--takeover") {
        own.push("--takeover".into());
    }
    own
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_successor_is_started_as_we_were_and_takes_over() {
        let words = |all: &[&str]| all.iter().map(OsString::from).collect::<Vec<_>>();
        let first = arguments(words(&["run", "-c", "file"]));
        assert_eq!(first, words(&["run", "-c", "file", "--takeover"]));
        assert_eq!(arguments(first.clone()), first);
    }

    #[test]
    fn the_binary_that_was_put_in_place_of_ours_is_started() {
        let path = PathBuf::from("/usr/local/bin/rolecall");
        assert_eq!(installed(path.clone()), path);
        assert_eq!(installed("/usr/local/bin/rolecall (deleted)".into()), path);
    }
}
