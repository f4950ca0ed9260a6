//! The live demo: shows what the proxy does while traffic runs through it, and breaks things on request.
//!
//! On a terminal it draws a screen each second; elsewhere it writes a line per change.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{self, BufRead, IsTerminal, Write};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use super::error::DemoError;
use super::topology::Topology;
use super::traffic::{Memory, Totals, Traffic};
use super::view::View;
use super::words;

/// How often the screen is drawn.
const REDRAW: Duration = Duration::from_secs(1);
/// How often the proxy is looked at, so that a change is dated well.
const LOOK: Duration = Duration::from_millis(50);
/// How many changes stay on the screen.
const REMEMBERED: usize = 8;

/// Shows the demo until somebody ends it.
pub(super) fn show(topology: &mut Topology) -> Result<(), DemoError> {
    let mut live = Live::new(topology);
    let keys = read_keys();
    live.introduce(topology);
    loop {
        topology.stop.check()?;
        topology.must_run()?;
        match keys.recv_timeout(LOOK) {
            Ok(line) => {
                if live.obey(&line, topology)? == Next::Quit {
                    return Ok(());
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            // No keys come from a closed input: the demo goes on until a signal ends it.
            Err(RecvTimeoutError::Disconnected) => thread::sleep(LOOK),
        }
        live.look(topology);
    }
}

#[derive(PartialEq, Eq)]
enum Next {
    GoOn,
    Quit,
}

struct Live {
    traffic: Traffic,
    on_terminal: bool,
    started: Instant,
    view: View,
    primary_since: Instant,
    changes: VecDeque<String>,
    drawn: Option<(Instant, Totals)>,
    killed: Vec<&'static str>,
}

/// Lines of the standard input; a thread of its own, because reading them cannot be given up.
fn read_keys() -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

impl Live {
    fn new(topology: &Topology) -> Self {
        let now = Instant::now();
        Self {
            traffic: Traffic::start(&topology.addresses.listeners, Memory::Counts),
            on_terminal: io::stdout().is_terminal(),
            started: now,
            view: View::default(),
            primary_since: now,
            changes: VecDeque::new(),
            drawn: None,
            killed: Vec::new(),
        }
    }

    /// Without a screen, how to use it is told once.
    fn introduce(&self, topology: &Topology) {
        if !self.on_terminal {
            print(&how_to_use(topology));
        }
    }

    fn look(&mut self, topology: &Topology) {
        let metrics = topology.metrics().ok();
        let view = View::new(metrics.as_ref(), topology.nodes());
        if view.answered && view.primary() != self.view.primary() {
            self.primary_since = Instant::now();
        }
        for change in view.changes_since(&self.view) {
            self.tell(&change);
        }
        // What the proxy said last stays on the screen while it does not answer.
        if view.answered {
            self.view = view;
        } else {
            self.view.answered = false;
        }
        let due = self.drawn.is_none_or(|(at, _)| at.elapsed() >= REDRAW);
        if self.on_terminal && due {
            let screen = self.screen(topology);
            print(&format!("\x1b[H\x1b[J{screen}"));
            self.drawn = Some((Instant::now(), self.traffic.totals()));
        }
    }

    /// A change: a line where there is no screen, else one of the last lines on it.
    fn tell(&mut self, change: &str) {
        let line = format!("{:>9}  {change}", words(self.started.elapsed()));
        if !self.on_terminal {
            print(&format!("{line}\n"));
        }
        self.changes.push_back(line);
        if self.changes.len() > REMEMBERED {
            self.changes.pop_front();
        }
    }

    fn obey(&mut self, line: &str, topology: &mut Topology) -> Result<Next, DemoError> {
        match line.trim() {
            "q" => return Ok(Next::Quit),
            "k" => match topology.primary() {
                Some(name) => {
                    topology.kill_node(name);
                    self.killed.push(name);
                    self.tell(&format!("k: kill -9 of {name}, the primary"));
                }
                None => self.tell("k: there is no primary to kill"),
            },
            "r" => match self.killed.pop() {
                Some(name) => {
                    self.tell(&format!(
                        "r: {name} starts again, with the data that it had"
                    ));
                    topology.start_node(name)?;
                }
                None => self.tell("r: nothing is killed"),
            },
            "s" => self.freeze_or_thaw(topology)?,
            "" => {}
            other => self.tell(&format!("{other:?} is no key: k, r, s or q, then Enter")),
        }
        // What was typed is on the screen, so it is drawn anew at once.
        self.drawn = None;
        Ok(Next::GoOn)
    }

    fn freeze_or_thaw(&mut self, topology: &mut Topology) -> Result<(), DemoError> {
        let frozen = topology.nodes().iter().find(|node| node.frozen);
        if let Some(name) = frozen.map(|node| node.name) {
            topology.freeze_or_thaw(name)?;
            self.tell(&format!("s: {name} goes on (SIGCONT)"));
        } else if let Some(name) = topology.primary() {
            topology.freeze_or_thaw(name)?;
            self.tell(&format!("s: {name}, the primary, is stopped (SIGSTOP)"));
        } else {
            self.tell("s: there is no primary to stop");
        }
        Ok(())
    }

    fn screen(&self, topology: &Topology) -> String {
        let mut text = String::from("rolecall demo\n\n");
        let _ = match self.view.primary() {
            _ if !self.view.answered => writeln!(text, "  rolecall does not answer at /metrics"),
            Some(name) => {
                let since = words(self.primary_since.elapsed());
                writeln!(text, "  primary: {name}, for {since}")
            }
            None => {
                let since = words(self.primary_since.elapsed());
                writeln!(text, "  no primary for {since}: reads go on, writes wait")
            }
        };
        let _ = writeln!(text, "\n{}", self.view.table());
        text += &self.traffic_lines();
        text += &how_to_use(topology);
        text += "\nWhat changed:\n";
        for change in &self.changes {
            let _ = writeln!(text, "{change}");
        }
        text
    }

    fn traffic_lines(&self) -> String {
        let totals = self.traffic.totals();
        let (at, before) = self.drawn.unwrap_or((self.started, Totals::default()));
        let seconds = at.elapsed().as_secs_f64().max(0.001);
        let rate = |now: u64, then: u64| {
            let count = u32::try_from(now.saturating_sub(then)).unwrap_or(u32::MAX);
            f64::from(count) / seconds
        };
        format!(
            "  traffic of the demo: {:.0} writes/s, {:.0} reads/s; {} connections parked\n  \
             so far: {} writes, {} reads; broken off and tried again: {} writes, {} reads; \
             {} connections refused\n\n",
            rate(totals.writes, before.writes),
            rate(totals.reads, before.reads),
            self.view.parked,
            totals.writes,
            totals.reads,
            totals.failed_writes,
            totals.failed_reads,
            totals.refused
        )
    }
}

fn how_to_use(topology: &Topology) -> String {
    let cli = |place: usize, what: &str| {
        let address = topology.addresses.listeners[place];
        let (ip, port) = (address.ip(), address.port());
        format!("  redis-cli -h {ip} -p {port:<5}   {what}\n")
    };
    format!(
        "Connect:\n{}{}{}  curl http://{}/metrics\n  tail -f {}\n\
         Break it (a letter, then Enter):\n  \
         k  kill -9 the primary          s  stop the primary (SIGSTOP), or let it go on\n  \
         r  restart what was killed      q  quit\n",
        cli(0, "redis-rw: writes, to the primary"),
        cli(1, "redis-ro: reads, from the replicas"),
        cli(2, "redis-local-ro: reads, from redis-local first"),
        topology.addresses.admin,
        topology.proxy_log().display(),
    )
}

/// A reader that has gone away ends nothing: the demo has to clean up first.
fn print(text: &str) {
    let mut out = io::stdout();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
