//! `rolecall demo`: a whole Redis group with Sentinels and the proxy in front of it, on this machine,
//! to look at and to break.
//!
//! It starts real servers on loopback addresses in a fresh temporary directory and runs this same
//! executable as the proxy, so what it shows is the product and not a model of it. It looks at the proxy
//! only from outside: by its listeners, by `/metrics`, and by asking the nodes directly. It owns its
//! processes and its directory and must leave neither behind.
//!
//! `topology` starts everything, `traffic` writes and reads through the proxy, `live` shows it and
//! takes keys, `story` plays one failover by itself and adds it up.

mod addresses;
mod client;
mod error;
mod live;
mod process;
mod settings;
mod signals;
mod story;
mod sum;
mod topology;
mod traffic;
mod view;

pub use self::error::DemoError;

use self::signals::Stop;
use self::topology::Topology;

/// What `rolecall demo` was asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct DemoOptions {
    /// Play one failover without questions and end, instead of showing it live.
    pub story: bool,
}

/// Runs the demo until its story has ended or somebody ends it.
///
/// # Errors
/// Says what is missing or did not happen in time. The directory with the logs is left only when
/// they are needed to understand the error.
pub fn run(options: DemoOptions) -> Result<(), DemoError> {
    let stop = Stop::on_signals()?;
    let mut topology = Topology::prepare(stop)?;
    let played = play(options, &mut topology);
    match played {
        Err(error) if error.needs_logs() => {
            topology.keep_logs();
            Err(error)
        }
        // Whoever ends the live demo by Ctrl-C has seen enough: that is no failure.
        Err(DemoError::Interrupted) if !options.story => Ok(()),
        other => other,
    }
}

fn play(options: DemoOptions, topology: &mut Topology) -> Result<(), DemoError> {
    topology.start(&mut |line| say(line))?;
    if options.story {
        story::play(topology)
    } else {
        live::show(topology)
    }
}

/// One line for people. A reader that has gone away ends nothing: the demo has to clean up first.
fn say(line: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// A duration as people read it here: milliseconds up to ten seconds, then tenths.
fn words(duration: std::time::Duration) -> String {
    match duration {
        d if d.as_secs() < 10 => format!("{:.3} s", d.as_secs_f64()),
        d if d.as_secs() < 120 => format!("{:.1} s", d.as_secs_f64()),
        d => format!("{} min {:02} s", d.as_secs() / 60, d.as_secs() % 60),
    }
}
