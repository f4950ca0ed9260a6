//! The `process_*` metrics that every Prometheus dashboard knows, read from /proc at each scrape.
//!
//! What cannot be read is left out: elsewhere than on Linux these metrics are absent, never zero.

use std::fs;
use std::time::Duration;

use crate::metrics as names;

/// The kernel tells times in these units to user space on every architecture that Rust builds for.
const TICKS_PER_SECOND: u64 = 100;

/// Reads everything anew. It reads files, so not on a thread that must not wait.
pub(super) fn refresh() {
    if let Some(stat) = read("/proc/self/stat").as_deref().and_then(parse_stat) {
        let counter = metrics::counter!(names::PROCESS_CPU_SECONDS_TOTAL);
        names::set_seconds(&counter, ticks(stat.cpu));
        set(names::PROCESS_THREADS, Some(stat.threads));
        let boot = read("/proc/stat").as_deref().and_then(parse_boot_time);
        if let Some(boot) = boot {
            let started = Duration::from_secs(boot).saturating_add(ticks(stat.started));
            metrics::gauge!(names::PROCESS_START_TIME_SECONDS).set(started.as_secs_f64());
        }
    }
    if let Some(status) = read("/proc/self/status") {
        set(
            names::PROCESS_RESIDENT_MEMORY_BYTES,
            parse_size(&status, "VmRSS"),
        );
        set(
            names::PROCESS_VIRTUAL_MEMORY_BYTES,
            parse_size(&status, "VmSize"),
        );
    }
    set(names::PROCESS_OPEN_FDS, open_descriptors());
    let limit = read("/proc/self/limits")
        .as_deref()
        .and_then(parse_max_files);
    set(names::PROCESS_MAX_FDS, limit);
}

fn read(path: &str) -> Option<String> {
    // The process may have any name, so the text need not be UTF-8.
    let bytes = fs::read(path).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn set(name: &'static str, value: Option<u64>) {
    if let Some(value) = value {
        #[expect(
            clippy::cast_precision_loss,
            reason = "gauges are f64; exact up to 2^53"
        )]
        metrics::gauge!(name).set(value as f64);
    }
}

fn ticks(count: u64) -> Duration {
    Duration::from_millis(count.saturating_mul(1000 / TICKS_PER_SECOND))
}

/// Since Linux 6.2 the size of the directory is the number of descriptors; walking through it takes
/// milliseconds with thousands of sessions.
fn open_descriptors() -> Option<u64> {
    let directory = "/proc/self/fd";
    match fs::metadata(directory).ok()?.len() {
        0 => {
            let entries = fs::read_dir(directory).ok()?.count();
            // One of them was the walk itself.
            Some(u64::try_from(entries).ok()?.saturating_sub(1))
        }
        count => Some(count),
    }
}

/// What /proc/self/stat is read for.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    /// User and kernel time, in ticks.
    cpu: u64,
    threads: u64,
    /// After boot, in ticks.
    started: u64,
}

/// proc(5) counts from the process id as field 1. Field 2, the name in parentheses, may itself hold spaces
/// and parentheses, so counting starts behind the last one, with field 3.
fn parse_stat(text: &str) -> Option<Stat> {
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    Some(Stat {
        cpu: field(14)?.checked_add(field(15)?)?,
        threads: field(20)?,
        started: field(22)?,
    })
}

fn parse_boot_time(text: &str) -> Option<u64> {
    text.lines()
        .find_map(|line| line.strip_prefix("btime "))?
        .trim()
        .parse()
        .ok()
}

/// `VmRSS:     1234 kB`, in bytes.
fn parse_size(status: &str, key: &str) -> Option<u64> {
    let (_, value) = status
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| *name == key)?;
    let kib: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// `Max open files     1024     1048576     files`: the first number, unless it says unlimited.
fn parse_max_files(limits: &str) -> Option<u64> {
    limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_moves_no_field() {
        let text = "42 (a) b) (c) S 1 42 42 0 -1 4194560 1 2 3 4 700 30 0 0 20 0 9 0 123456 4096 77 1844\n";
        let stat = Stat {
            cpu: 730,
            threads: 9,
            started: 123_456,
        };
        assert_eq!(parse_stat(text), Some(stat));
    }

    #[test]
    fn what_makes_no_sense_is_left_out() {
        for text in [
            "",
            "42",
            "42 (x)",
            "42 (x) S 1 2",
            ") ) )",
            "1 (x) S 1 1 1 0 -1 4 1 2 3 4 -7 3 0 0 2 0 9 0 1",
        ] {
            assert_eq!(parse_stat(text), None, "{text}");
        }
        assert_eq!(parse_boot_time("cpu 1 2 3\nbtime x\n"), None);
        assert_eq!(parse_size("VmRSS: 12 MB\n", "VmRSS"), None);
        assert_eq!(
            parse_size("VmRSS: 18446744073709551615 kB\n", "VmRSS"),
            None
        );
        assert_eq!(
            parse_max_files("Max open files  unlimited  unlimited  files\n"),
            None
        );
    }

    #[test]
    fn sizes_and_limits_are_found() {
        let status = "Name:\tVmRSS: 1 kB\nVmSize:\t   20 kB\nVmRSS:\t    7 kB\n";
        assert_eq!(parse_size(status, "VmRSS"), Some(7 * 1024));
        assert_eq!(parse_size(status, "VmSize"), Some(20 * 1024));
        assert_eq!(
            parse_boot_time("cpu 1\nbtime 1700000000\n"),
            Some(1_700_000_000)
        );
        let limits = "Limit  Soft Limit  Hard Limit  Units\nMax open files            1024                 4096                 files\n";
        assert_eq!(parse_max_files(limits), Some(1024));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_very_process_is_described() {
        let (recorder, handle) = names::recorder().unwrap();
        metrics::with_local_recorder(&recorder, refresh);
        let page = handle.render();
        for metric in names::ALL
            .iter()
            .filter(|metric| metric.name.starts_with("process_"))
        {
            let value = page
                .lines()
                .find_map(|line| {
                    line.strip_prefix(metric.name)?
                        .strip_prefix(' ')?
                        .parse::<f64>()
                        .ok()
                })
                .unwrap_or_else(|| panic!("{} is missing: {page}", metric.name));
            let least = if metric.name == names::PROCESS_CPU_SECONDS_TOTAL {
                0.0
            } else {
                1.0
            };
            assert!(value >= least, "{} is {value}", metric.name);
        }
    }
}
