//! Which histories are played, on how many cores, and what is told of them.

use std::any::Any;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::panic::catch_unwind;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::coverage::Coverage;

const HISTORIES: u64 = 10_000;

/// From one line that tells how far it has come to the next.
const PROGRESS: Duration = Duration::from_secs(30);

fn variable(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().expect("a number"))
}

/// Plays the histories that the environment asks for. A broken one ends the run; with `ROLECALL_GO_ON=1` all
/// are played, and each broken rule is told with its first seed.
pub fn play_all(play: fn(u64) -> Coverage) {
    if let Some(seed) = variable("ROLECALL_SEED") {
        println!("{}", play(seed));
        return;
    }
    let first = variable("ROLECALL_FIRST").unwrap_or(0);
    let count = variable("ROLECALL_HISTORIES").unwrap_or(HISTORIES);
    let run = Run {
        next: AtomicU64::new(first),
        end: first + count,
        goes_on: std::env::var("ROLECALL_GO_ON").is_ok(),
        ends: AtomicBool::new(false),
        broken: Mutex::default(),
        coverage: Mutex::default(),
        count,
        began: Instant::now(),
        told: Mutex::new(Instant::now()),
    };
    if run.goes_on {
        std::panic::set_hook(Box::new(|_| {}));
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| run.work(play));
        }
    });
    let coverage = run.coverage.into_inner().unwrap();
    println!("{coverage}");
    let broken = run.broken.into_inner().unwrap();
    if !broken.is_empty() {
        let mut list: Vec<_> = broken.into_iter().collect();
        list.sort_by_key(|(_, (seed, _))| *seed);
        for (rule, (seed, times)) in list {
            println!("{rule}: {times} of {count}, first in ROLECALL_SEED={seed}");
        }
        panic!("rules were broken; ROLECALL_SEED replays a history alone");
    }
    // Some classes are rare: a run of a few histories need not have them all.
    if count >= HISTORIES && std::env::var("ROLECALL_FAULTS").is_err() {
        coverage.assert_complete();
    }
}

struct Run {
    next: AtomicU64,
    end: u64,
    goes_on: bool,
    ends: AtomicBool,
    /// By rule: the first seed that broke it, and how many did.
    broken: Mutex<BTreeMap<String, (u64, u64)>>,
    coverage: Mutex<Coverage>,
    count: u64,
    began: Instant,
    told: Mutex<Instant>,
}

impl Run {
    fn work(&self, play: fn(u64) -> Coverage) {
        let mut seen = Coverage::default();
        while !self.ends.load(Ordering::Relaxed) {
            let seed = self.next.fetch_add(1, Ordering::Relaxed);
            if seed >= self.end {
                break;
            }
            match catch_unwind(|| play(seed)) {
                Ok(coverage) => seen.merge(coverage),
                Err(panic) => {
                    self.ends.store(!self.goes_on, Ordering::Relaxed);
                    let mut broken = self.broken.lock().unwrap();
                    let (first, times) = broken.entry(rule_of(&*panic)).or_insert((seed, 0));
                    *first = seed.min(*first);
                    *times += 1;
                }
            }
            self.tell(seed);
        }
        self.coverage.lock().unwrap().merge(seen);
    }

    fn tell(&self, seed: u64) {
        let mut told = self.told.lock().unwrap();
        if told.elapsed() < PROGRESS {
            return;
        }
        *told = Instant::now();
        let played = self.count - (self.end - seed.min(self.end));
        // Past the test harness, which keeps what a test that passes has printed.
        let line = format!(
            "{played} of {} histories in {:?}\n",
            self.count,
            self.began.elapsed()
        );
        drop(std::io::stderr().write_all(line.as_bytes()));
    }
}

/// The last line but one of the message of a referee; all of that of another panic.
fn rule_of(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic");
    let told = text.rsplit_once("\nat ").map(|(before, _)| before);
    let rule = told.and_then(|before| before.rsplit('\n').next());
    rule.unwrap_or(text).to_owned()
}
