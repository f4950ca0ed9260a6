//! redis-benchmark as the load, and what a proxy spent under it.

use std::net::SocketAddr;
use std::process::Command;

use crate::Result;
use crate::figures::{Column, Figures};
use crate::meter::{Cpu, resident};
use crate::sides::Running;

/// One way to call redis-benchmark.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) clients: usize,
    pub(crate) pipeline: usize,
    /// A new connection for each request.
    pub(crate) reconnect: bool,
    pub(crate) request: Request,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Request {
    GetSmall,
    GetLarge,
    SetLarge,
}

/// Keys that the load reads, with the lengths of their values. "100 KB" is the word.
pub(crate) const KEYS: [(&str, usize); 2] = [("bench:small", 16), ("bench:large", LARGE)];
const LARGE: usize = 100_000;

impl Load {
    pub(crate) const fn new(clients: usize, request: Request) -> Self {
        Self {
            clients,
            pipeline: 1,
            reconnect: false,
            request,
        }
    }

    pub(crate) const fn pipelined(self, pipeline: usize) -> Self {
        Self { pipeline, ..self }
    }

    pub(crate) const fn reconnecting(self) -> Self {
        Self {
            reconnect: true,
            ..self
        }
    }

    /// How many requests take about so many seconds without a proxy.
    pub(crate) fn requests_in(self, node: SocketAddr, seconds: f64) -> Result<u64> {
        // Too few say nothing: connecting is a part of it.
        let mut count = 4 * self.clients as u64;
        loop {
            let rate = self.run(node, count)?.get(Column::Rate).unwrap_or_default();
            let taken = count as f64 / rate.max(1.0);
            if taken >= 0.2 {
                return Ok((rate * seconds) as u64);
            }
            // A run of less than a millisecond is told as one of infinite speed.
            count = ((rate * 0.3) as u64).clamp(count * 2, count * 20);
        }
    }

    /// Runs it against a side, and measures the side.
    pub(crate) fn measure(self, side: &Running, count: u64) -> Result<Figures> {
        let pids = side.pids();
        let before = Cpu::of(&pids);
        let mut figures = self.run(side.address, count)?;
        if !pids.is_empty() {
            let cpu = Cpu::of(&pids).since(before);
            let micros = |seconds: f64| seconds * 1e6 / count as f64;
            figures.set(Column::Cpu, micros(cpu.total));
            figures.set(Column::User, micros(cpu.user));
            figures.set(Column::System, micros(cpu.total - cpu.user));
            figures.set(Column::Memory, resident(&pids) / 1e6);
        }
        Ok(figures)
    }

    fn run(self, address: SocketAddr, count: u64) -> Result<Figures> {
        let mut command = Command::new("redis-benchmark");
        command
            .args(["--csv", "--precision", "3", "-h", &address.ip().to_string()])
            .args(["-p", &address.port().to_string()])
            .args(["-n", &count.to_string()])
            .args(["-c", &self.clients.to_string()])
            .args(["-P", &self.pipeline.to_string()])
            .args(["-k", if self.reconnect { "0" } else { "1" }]);
        match self.request {
            Request::GetSmall => command.args(["GET", KEYS[0].0]),
            Request::GetLarge => command.args(["GET", KEYS[1].0]),
            Request::SetLarge => command.args(["-t", "set", "-d", &LARGE.to_string()]),
        };
        let output = command.output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        read(&text).ok_or_else(|| {
            let said = String::from_utf8_lossy(&output.stderr);
            format!("{command:?}: {}\n{said}{text}", output.status).into()
        })
    }
}

/// Reads what `--csv` prints: a line of names, and a line of values.
fn read(csv: &str) -> Option<Figures> {
    let mut lines = csv.lines().skip_while(|line| !line.starts_with("\"test\""));
    let (names, values) = (fields(lines.next()?), fields(lines.next()?));
    let mut figures = Figures::default();
    for (name, column) in [
        ("rps", Column::Rate),
        ("p50_latency_ms", Column::P50),
        ("p99_latency_ms", Column::P99),
    ] {
        let place = names.iter().position(|each| *each == name)?;
        figures.set(column, values.get(place)?.parse().ok()?);
    }
    Some(figures)
}

fn fields(line: &str) -> Vec<&str> {
    line.split(',')
        .map(|field| field.trim_matches('"'))
        .collect()
}
