//! `run --watch`: has the configuration read again when it says something else than before.
//!
//! By looking once a second at what the files say. That sees a file that is written in place, one that is
//! renamed over it, and the swap of a link in the path, by which Kubernetes updates a mounted `ConfigMap`,
//! on any file system; inotify sees the last only at a directory above, and nothing on a network's. What
//! is only touched is no change.
//!
//! Only what two looks in a row find is taken, so that no file is read while it is being written. What
//! was refused is not tried again before it changes. Reading may hang with the file system, so it is done
//! beside the control thread.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use crate::admin::ReloadRequest;
use crate::config;

/// From look to look.
const PERIOD: Duration = Duration::from_secs(1);

/// What all files say, or that they cannot be read, as a hash: passwords are among it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Print(u64);

/// The files of a configuration.
#[derive(Debug)]
struct Files {
    path: PathBuf,
    /// What the file itself said at the last look.
    text: u64,
    /// The files that it named then.
    named: Vec<PathBuf>,
}

/// Which looks find something to take. Pure.
#[derive(Debug)]
struct Looks {
    /// What is in force, or was refused.
    taken: Print,
    last: Print,
}

/// Watches a configuration, from the moment at which it was made.
#[derive(Debug)]
pub(super) struct Watch {
    files: Files,
    looks: Looks,
}

impl Watch {
    /// Takes what the files say now for what is in force.
    pub(super) fn begin(path: &Path) -> Self {
        let mut files = Files::new(path);
        let now = files.look();
        Self {
            files,
            looks: Looks {
                taken: now,
                last: now,
            },
        }
    }

    /// Asks for a reload after each change, until `stop`.
    pub(super) async fn run(
        mut self,
        reload: mpsc::Sender<ReloadRequest>,
        stop: CancellationToken,
    ) {
        let mut ticks = interval_at(Instant::now() + PERIOD, PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let mut files = self.files;
            let looked = spawn_blocking(move || {
                let print = files.look();
                (files, print)
            });
            let Ok((files, print)) = looked.await else {
                tracing::error!("the configuration is watched no more: please report this bug");
                return;
            };
            self.files = files;
            if !self.looks.is_news(print) {
                continue;
            }
            tracing::info!("{} has changed", self.files.path.display());
            let (asked, done) = oneshot::channel();
            if reload.send(asked).await.is_err() {
                return;
            }
            // Whoever reloads tells how it went.
            let _told = done.await;
        }
    }
}

impl Looks {
    /// Whether this is to be taken: it was there at the last look too, and was not taken yet.
    fn is_news(&mut self, now: Print) -> bool {
        let is_steady = now == self.last;
        self.last = now;
        let is_news = is_steady && now != self.taken;
        if is_news {
            self.taken = now;
        }
        is_news
    }
}

impl Files {
    fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            text: 0,
            named: Vec::new(),
        }
    }

    /// Reads them all.
    fn look(&mut self) -> Print {
        let text = print_of(&self.path);
        if text != self.text {
            self.text = text;
            self.named = config::named_files(&self.path);
        }
        let mut all = DefaultHasher::new();
        text.hash(&mut all);
        for file in &self.named {
            (file, print_of(file)).hash(&mut all);
        }
        Print(all.finish())
    }
}

/// What a file says; one that cannot be read says something too.
fn print_of(file: &Path) -> u64 {
    let mut one = DefaultHasher::new();
    fs::read(file).map_err(|error| error.kind()).hash(&mut one);
    one.finish()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn looks(taken: u64) -> Looks {
        Looks {
            taken: Print(taken),
            last: Print(taken),
        }
    }

    #[test]
    fn only_what_two_looks_find_is_taken_and_only_once() {
        // Each look, and whether it is taken. 1 is in force; 2 to 5 are parts of a file that grows to 6.
        let story = [
            (1, false),
            (2, false),
            (3, false),
            (4, false),
            (5, false),
            (6, false),
            (6, true),
            (6, false),
            (6, false),
            // There and back between two looks.
            (7, false),
            (6, false),
            (6, false),
            // And back to the first.
            (1, false),
            (1, true),
            (1, false),
        ];
        let mut looks = looks(1);
        for (number, (print, taken)) in story.into_iter().enumerate() {
            assert_eq!(looks.is_news(Print(print)), taken, "look {number}");
        }
    }

    fn write(path: &Path, text: &str) {
        fs::write(path, text).unwrap();
    }

    const CONFIG: &str = "groups: { main: { nodes: { a: \"10.0.0.1:1\" }, auth: { password_file: secret } } }\n\
        listeners: { rw: { bind: \"127.0.0.1:1\", access: read-write } }\n";

    #[test]
    fn what_the_files_say_counts_and_not_which_they_are() {
        let dir = tempfile::TempDir::new().unwrap();
        let at = |name: &str| dir.path().join(name);
        // As Kubernetes mounts a ConfigMap.
        for version in ["v1", "v2", "v3"] {
            fs::create_dir(at(version)).unwrap();
            write(&at(version).join("rolecall.yaml"), CONFIG);
            write(&at(version).join("secret"), "one");
        }
        let swap = |version: &str| {
            symlink(version, at("..tmp")).unwrap();
            fs::rename(at("..tmp"), at("..data")).unwrap();
        };
        swap("v1");
        symlink("..data/rolecall.yaml", at("rolecall.yaml")).unwrap();
        symlink("..data/secret", at("secret")).unwrap();
        let mut files = Files::new(&at("rolecall.yaml"));
        let first = files.look();
        assert_eq!(files.named, [at("secret")]);

        swap("v2");
        assert_eq!(files.look(), first, "another file that says the same");
        write(
            &at("v3").join("rolecall.yaml"),
            &format!("{CONFIG}# more\n"),
        );
        swap("v3");
        let second = files.look();
        assert_ne!(second, first);
        write(&at("v3").join("secret"), "two");
        let third = files.look();
        assert_ne!(third, second, "a password_file is part of it");
        fs::remove_file(at("v3").join("secret")).unwrap();
        assert_ne!(files.look(), third);
        fs::remove_file(at("..data")).unwrap();
        let missing = files.look();
        assert_ne!(missing, third);
        assert_eq!(files.look(), missing);
        swap("v1");
        assert_eq!(files.look(), first);
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_asks_for_one_reload_however_it_ends() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("rolecall.yaml");
        write(&path, CONFIG);
        let watch = Watch::begin(&path);
        let stop = CancellationToken::new();
        let (reload, mut asked) = mpsc::channel::<ReloadRequest>(1);
        let task = tokio::spawn(watch.run(reload, stop.clone()));
        let wait = 100 * PERIOD;
        for text in ["broken: [", CONFIG] {
            write(&path, text);
            let request = asked.recv().await.unwrap();
            request.send(Err("no".to_owned())).unwrap();
            let another = tokio::time::timeout(wait, asked.recv()).await;
            assert!(another.is_err(), "asked again without a change");
        }
        stop.cancel();
        task.await.unwrap();
    }
}
