//! `reload` and `switchover`: what takes a while.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use super::orders::escaped;
use super::{Failure, Target, print};
use crate::api::{Reloaded, Switchover};

/// What a reload or a switchover may take beside its own time-out.
const MARGIN: Duration = Duration::from_secs(15);

/// Has the proxy read its configuration again.
pub(super) fn reload(target: &Target) -> Result<ExitCode, Failure> {
    let client = target.client()?;
    let reloaded: Reloaded = client.post_slowly("/api/reload", MARGIN)?;
    let text = match reloaded.changes.as_slice() {
        [] => "reloaded: nothing is different\n".to_owned(),
        changes => format!("reloaded:\n  {}\n", changes.join("\n  ")),
    };
    print(target, &reloaded, &text)?;
    Ok(ExitCode::SUCCESS)
}

/// Makes another node the primary.
pub(super) fn switchover(
    target: &Target,
    group: Option<&str>,
    to: Option<&str>,
    patience: Duration,
) -> Result<ExitCode, Failure> {
    let client = target.client()?;
    let mut path = format!("/api/switchover?timeout_ms={}", patience.as_millis());
    for (key, value) in [("group", group), ("to", to)] {
        if let Some(value) = value {
            let _infallible = write!(path, "&{key}={}", escaped(value));
        }
    }
    let outcome: Switchover = client.post_slowly(&path, patience + MARGIN)?;
    print(target, &outcome, &timeline(&outcome))?;
    Ok(ExitCode::from(u8::from(!outcome.done)))
}

fn timeline(outcome: &Switchover) -> String {
    let mut text = String::new();
    for step in &outcome.timeline {
        let _infallible = writeln!(text, "{:>8.3}s  {}", step.seconds, step.text);
    }
    let last = outcome.timeline.last();
    if last.is_none_or(|step| step.text != outcome.text) {
        let _infallible = writeln!(text, "{}", outcome.text);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Step;

    #[test]
    fn a_timeline_ends_with_the_outcome_once() {
        let step = |seconds, text: &str| Step {
            seconds,
            text: text.to_owned(),
        };
        let mut outcome = Switchover {
            done: true,
            group: "main".to_owned(),
            from: Some("a".to_owned()),
            to: Some("b".to_owned()),
            text: "switched over".to_owned(),
            timeline: vec![step(0.0, "begins"), step(1.25, "switched over")],
        };
        let expected = "   0.000s  begins\n   1.250s  switched over\n";
        assert_eq!(timeline(&outcome), expected);
        outcome.timeline.pop();
        assert_eq!(timeline(&outcome), "   0.000s  begins\nswitched over\n");
    }
}
