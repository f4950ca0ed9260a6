//! What a process and the machine have spent, by /proc.

use std::fs;

/// Clock ticks a second in /proc: 100 on every Linux that this runs on.
const TICKS: f64 = 100.0;

/// Processor time of some processes since they started.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cpu {
    /// Seconds, all threads together.
    pub(crate) total: f64,
    /// The part spent in the programs themselves; the rest is the kernel's, for them.
    pub(crate) user: f64,
    system: f64,
}

impl Cpu {
    /// Of these processes until now.
    pub(crate) fn of(pids: &[u32]) -> Self {
        let each = pids.iter().map(|pid| Self::one(*pid));
        each.fold(Self::default(), |sum, one| Self {
            total: sum.total + one.total,
            user: sum.user + one.user,
            system: sum.system + one.system,
        })
    }

    /// From an earlier reading until this one. The scheduler counts nanoseconds, the clock ticks of user
    /// and system are coarse and give only the proportion.
    pub(crate) fn since(self, earlier: Self) -> Self {
        let total = self.total - earlier.total;
        let (user, system) = (self.user - earlier.user, self.system - earlier.system);
        let share = if user + system > 0.0 {
            user / (user + system)
        } else {
            0.0
        };
        Self {
            total,
            user: total * share,
            system: total * (1.0 - share),
        }
    }

    fn one(pid: u32) -> Self {
        let [user, system, _, _] = ticks(pid).map(|ticks| ticks / TICKS);
        let exact = threads(pid).map(|task| scheduled(&task)).sum::<f64>();
        Self {
            // A kernel without schedstat leaves only the ticks.
            total: if exact > 0.0 { exact } else { user + system },
            user,
            system,
        }
    }
}

fn threads(pid: u32) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path().to_string_lossy().into_owned()))
}

fn scheduled(task: &str) -> f64 {
    let text = fs::read_to_string(format!("{task}/schedstat")).unwrap_or_default();
    let nanoseconds = text
        .split_whitespace()
        .next()
        .and_then(|word| word.parse::<f64>().ok());
    nanoseconds.unwrap_or_default() / 1e9
}

/// utime, stime, and those of ended children that were waited for.
fn ticks(pid: u32) -> [f64; 4] {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name in parentheses may hold anything; the twelfth field after it is utime.
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let mut fields = rest.split_whitespace().skip(11);
    [(); 4].map(|()| {
        fields
            .next()
            .and_then(|field| field.parse().ok())
            .unwrap_or_default()
    })
}

/// Resident memory of these processes, in bytes.
pub(crate) fn resident(pids: &[u32]) -> f64 {
    let of = |pid: &u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        kibibytes.unwrap_or_default() * 1024.0
    };
    pids.iter().map(of).sum()
}

/// All processors' time, and what of it went to anybody but the bench.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine {
    all: f64,
    busy: f64,
    stolen: f64,
    ours: f64,
}

impl Machine {
    /// Until now; `pids` are the servers of the bench.
    pub(crate) fn now(pids: &[u32]) -> Self {
        let text = fs::read_to_string("/proc/stat").unwrap_or_default();
        let line = text.lines().next().unwrap_or_default();
        let fields: Vec<f64> = line
            .split_whitespace()
            .skip(1)
            .take(8)
            .filter_map(|field| field.parse().ok())
            .collect();
        let field = |place: usize| fields.get(place).copied().unwrap_or_default() / TICKS;
        let own = ticks(std::process::id()).iter().sum::<f64>() / TICKS;
        let all = (0..8).map(field).sum::<f64>();
        Self {
            all,
            // Neither idle, nor waiting for a disk, nor stolen.
            busy: all - field(3) - field(4) - field(7),
            stolen: field(7),
            ours: own + Cpu::of(pids).total,
        }
    }

    /// The share of the machine that others took since an earlier reading: 0 is quiet.
    pub(crate) fn others_since(self, earlier: Self) -> f64 {
        let busy = self.busy - earlier.busy - (self.ours - earlier.ours);
        let stolen = self.stolen - earlier.stolen;
        let all = (self.all - earlier.all).max(1.0 / TICKS);
        ((busy + stolen) / all).clamp(0.0, 1.0)
    }
}

/// What the machine is, in a line.
pub(crate) fn description() -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("unknown processor", |line| {
        line.trim_start_matches([' ', '\t', ':'])
    });
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("?");
    format!(
        "{} x {model}, Linux {}, load {load} at the start",
        cores(),
        kernel.trim()
    )
}

/// How many threads may run at once.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
