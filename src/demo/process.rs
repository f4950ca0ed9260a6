//! The processes that the demo starts, and the promise that none of them outlives it.
//!
//! Each is ended when its [`Process`] is dropped: after an error, a signal or a panic alike. For the case
//! that nothing is dropped (kill -9 of the demo itself) a [`Keeper`] stands by: a tiny shell that reads a
//! pipe, and ends what is left when the pipe closes. Every process has a process group of its own, so
//! Ctrl-C at the terminal reaches only the demo, which then ends them in order.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::error::DemoError;

/// Reads `+pid` and `-pid`; at the end of its input it ends the processes that are left. It removes the
/// directory too, unless the demo said `done`, which means that the demo saw to that itself.
const KEEPER: &str = r#"
pids=" "; ended=no
while read -r line; do
  case $line in
    +*) pids="$pids${line#+} " ;;
    -*) pid=${line#-}; pids="${pids%% $pid *} ${pids#* $pid }" ;;
    done) ended=yes ;;
  esac
done
for pid in $pids; do kill -9 "$pid" 2>/dev/null; done
if [ "$ended" = no ]; then rm -rf -- "$1"; fi
"#;

/// Ends what is left when the demo is killed.
#[derive(Clone)]
pub(super) struct Keeper {
    pipe: Arc<Mutex<Option<ChildStdin>>>,
}

/// The server program, found on the PATH.
#[derive(Clone, Debug)]
pub(super) struct Server {
    /// `redis-server` or `valkey-server`.
    pub(super) program: &'static str,
    /// Whether it knows `replica-announced` (Redis 6.2 and later).
    pub(super) can_hide: bool,
}

/// A running process of the demo.
pub(super) struct Process {
    name: String,
    log: PathBuf,
    child: Child,
    keeper: Keeper,
    ended: bool,
}

impl Keeper {
    /// Starts the keeper of a directory.
    pub(super) fn start(directory: &Path) -> Result<Self, DemoError> {
        let child = Command::new("sh")
            .args(["-c", KEEPER, "rolecall-demo-keeper"])
            .arg(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(DemoError::system(
                "start sh, which would clean up behind the demo",
            ))?;
        Ok(Self {
            pipe: Arc::new(Mutex::new(child.stdin)),
        })
    }

    /// The demo has cleaned up itself: nothing is left to do.
    pub(super) fn done(&self) {
        self.tell("done");
    }

    fn tell(&self, line: &str) {
        let mut pipe = self.pipe.lock().unwrap_or_else(PoisonError::into_inner);
        // Without a keeper the demo still ends its processes itself.
        if let Some(stdin) = pipe.as_mut()
            && writeln!(stdin, "{line}").is_err()
        {
            *pipe = None;
        }
    }
}

impl Server {
    /// Finds a server program and asks for its version.
    pub(super) fn find() -> Result<Self, DemoError> {
        for program in ["redis-server", "valkey-server"] {
            match Command::new(program).arg("--version").output() {
                Ok(output) => {
                    let text = String::from_utf8_lossy(&output.stdout);
                    return Ok(Self {
                        program,
                        can_hide: version(&text) >= Some((6, 2)),
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(DemoError::system(format!("run {program}"))(source)),
            }
        }
        Err(DemoError::NoServer)
    }
}

/// Finds `v=7.0.15` in what `--version` prints.
fn version(text: &str) -> Option<(u32, u32)> {
    let (_, rest) = text.split_once("v=")?;
    let mut parts = rest.split(['.', ' ']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

impl Process {
    /// Starts a command whose output goes to `log`.
    pub(super) fn start(
        name: &str,
        log: PathBuf,
        command: &mut Command,
        keeper: &Keeper,
    ) -> Result<Self, DemoError> {
        let file = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .map_err(DemoError::system(format!("write {}", log.display())))?;
        let errors = file
            .try_clone()
            .map_err(DemoError::system(format!("write {}", log.display())))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .map_err(DemoError::system(format!("start {name}")))?;
        keeper.tell(&format!("+{}", child.id()));
        Ok(Self {
            name: name.to_owned(),
            log,
            child,
            keeper: keeper.clone(),
            ended: false,
        })
    }

    /// Its process id.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// An error with the end of its log when it has ended by itself.
    pub(super) fn must_run(&mut self) -> Result<(), DemoError> {
        let Ok(Some(status)) = self.child.try_wait() else {
            return Ok(());
        };
        self.forget();
        Err(DemoError::Died {
            name: self.name.clone(),
            status: status.to_string(),
            log: self.log.clone(),
            last_lines: last_lines(&self.log),
        })
    }

    /// `kill -9`, and waits until it is gone.
    pub(super) fn kill(&mut self) {
        if self.ended {
            return;
        }
        // Both fail only when it has ended before, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.forget();
    }

    /// Stops it without ending it (SIGSTOP).
    pub(super) fn freeze(&self) -> Result<(), DemoError> {
        self.signal("-STOP")
    }

    /// Lets it go on (SIGCONT).
    pub(super) fn thaw(&self) -> Result<(), DemoError> {
        self.signal("-CONT")
    }

    /// The standard library sends SIGKILL only; `kill` is a command of every system that has Redis.
    fn signal(&self, signal: &str) -> Result<(), DemoError> {
        let doing = || format!("send {signal} to {}", self.name);
        let status = Command::new("kill")
            .args([signal, &self.pid().to_string()])
            .status()
            .map_err(DemoError::system(doing()))?;
        if status.success() {
            Ok(())
        } else {
            Err(DemoError::system(doing())(io::Error::other(
                status.to_string(),
            )))
        }
    }

    fn forget(&mut self) {
        self.ended = true;
        self.keeper.tell(&format!("-{}", self.pid()));
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The last lines of a log, indented.
fn last_lines(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    let start = lines.len().saturating_sub(8);
    let indented: Vec<String> = lines[start..]
        .iter()
        .map(|line| format!("    {line}"))
        .collect();
    indented.join("\n")
}

/// How long the demo lets the processor rest between two questions.
pub(super) const BREATH: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::{Duration, Instant};

    use super::{BREATH, Keeper, Process, version};

    fn eventually(what: &str, mut check: impl FnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !check() {
            assert!(Instant::now() < deadline, "never happened: {what}");
            std::thread::sleep(BREATH);
        }
    }

    fn alive(pid: u32) -> bool {
        let output = Command::new("ps")
            .args(["-o", "stat=", "-p", &pid.to_string()])
            .output()
            .unwrap();
        let state = String::from_utf8(output.stdout).unwrap();
        !state.trim().is_empty() && !state.starts_with('Z')
    }

    fn sleeper(keeper: &Keeper, directory: &std::path::Path) -> Process {
        let log = directory.join("sleeper.log");
        Process::start("sleeper", log, Command::new("sleep").arg("600"), keeper).unwrap()
    }

    #[test]
    fn versions_are_read_from_both_servers() {
        let redis = "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64";
        assert_eq!(version(redis), Some((7, 0)));
        let valkey = "Valkey server v=8.1.1 sha=00000000:0 malloc=jemalloc-5.3.0";
        assert_eq!(version(valkey), Some((8, 1)));
        assert_eq!(version("something else"), None);
    }

    #[test]
    fn a_process_ends_with_its_guard() {
        let directory = tempfile::tempdir().unwrap();
        let keeper = Keeper::start(directory.path()).unwrap();
        let process = sleeper(&keeper, directory.path());
        let pid = process.pid();
        assert!(alive(pid));
        drop(process);
        assert!(!alive(pid));
        keeper.done();
    }

    #[test]
    fn a_process_that_ended_by_itself_is_reported_with_its_log() {
        let directory = tempfile::tempdir().unwrap();
        let keeper = Keeper::start(directory.path()).unwrap();
        let log = directory.path().join("brief.log");
        let mut command = Command::new("sh");
        command.args(["-c", "echo the last words; exit 3"]);
        let mut process = Process::start("brief", log, &mut command, &keeper).unwrap();
        let mut said = String::new();
        eventually("it ends", || match process.must_run() {
            Ok(()) => false,
            Err(error) => {
                said = error.to_string();
                true
            }
        });
        assert!(said.contains("exit status: 3"), "{said}");
        assert!(said.contains("the last words"), "{said}");
    }

    #[test]
    fn the_keeper_ends_what_a_killed_demo_leaves_behind() {
        let outer = tempfile::tempdir().unwrap();
        let directory = outer.path().join("demo");
        std::fs::create_dir(&directory).unwrap();
        let keeper = Keeper::start(&directory).unwrap();
        let mut ended = sleeper(&keeper, &directory);
        let mut left = sleeper(&keeper, &directory);
        ended.kill();
        assert!(alive(left.pid()));
        // As when the demo is killed: nothing is dropped, but the system closes the pipe.
        *keeper.pipe.lock().unwrap() = None;
        eventually("the keeper ends it", || left.must_run().is_err());
        eventually("the directory is gone", || !directory.exists());
    }
}
