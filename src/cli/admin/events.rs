//! `events`: what happened, and what happens.

use std::io::{self, BufRead, Write};
use std::process::ExitCode;

use super::show::clock;
use super::{Failure, Target};
use crate::api::{Event, Events, Severity};

/// Prints the last events, and follows if asked to; `--json` prints one object a line.
pub(super) fn run(target: &Target, follow: bool, limit: usize) -> Result<ExitCode, Failure> {
    let client = target.client()?;
    let mut out = io::stdout().lock();
    if !follow {
        let told: Events = client.get(&format!("/api/events?limit={limit}"))?;
        for event in &told.events {
            write_event(&mut out, target, event)?;
        }
        out.flush()?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut lines = client.follow(&format!("/api/events?follow=1&limit={limit}"))?;
    let mut text = String::new();
    loop {
        text.clear();
        let read = lines.read_line(&mut text);
        if !matches!(read, Ok(1..)) {
            let why = match read {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => error.to_string(),
                Err(_) => "nothing was heard from it for 20s".to_owned(),
                Ok(_) => "it has ended".to_owned(),
            };
            return Err(Failure::Waited(format!("the proxy is gone: {why}")));
        }
        // An empty line is a sign of life.
        if text.trim().is_empty() {
            continue;
        }
        let event = serde_json::from_str(&text).map_err(super::AskError::Strange)?;
        write_event(&mut out, target, &event)?;
        out.flush()?;
    }
}

fn write_event(out: &mut impl Write, target: &Target, event: &Event) -> io::Result<()> {
    if target.json {
        let json = serde_json::to_string(event)?;
        return writeln!(out, "{json}");
    }
    let date = event.time.get(..10).unwrap_or_default();
    writeln!(out, "{date} {}", line(event))
}

/// One event as a line of text, without its date.
pub(super) fn line(event: &Event) -> String {
    let mark = match event.severity {
        Severity::Info => ' ',
        Severity::Warning => '!',
    };
    let (time, text) = (clock(&event.time), &event.text);
    match &event.group {
        Some(group) => format!("{time} {mark} {group}: {text}"),
        None => format!("{time} {mark} {text}"),
    }
}
