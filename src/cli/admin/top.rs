//! `top`: the status each second, with the latest events under it.
//!
//! It moves the cursor home and overwrites, so nothing flickers, and it hides or changes nothing that an
//! interrupt would have to put right again.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use super::client::{AskError, Client};
use super::paper::{Style, Tint, cut};
use super::{Failure, Target, events, print, show};
use crate::api::{Events, Status};

const EACH: Duration = Duration::from_secs(1);

/// Events that are shown where the terminal does not say how many fit.
const SOME_EVENTS: usize = 10;

/// Shows it until an interrupt, or once.
pub(super) fn run(target: &Target, once: bool, style: Style) -> Result<ExitCode, Failure> {
    let client = target.client()?;
    if once {
        let (status, events) = look(&client)?;
        print(target, &status, &page(&status, &events, style))?;
        return Ok(super::verdict(&status));
    }
    // Whoever is not there at all is told at once; later the proxy may go and come back.
    let mut seen = Some(look(&client)?);
    let mut last = String::new();
    loop {
        let trouble = match seen.take().map_or_else(|| look(&client), Ok) {
            Ok((status, _)) if target.json => {
                let mut out = io::stdout().lock();
                let json = serde_json::to_string(&status).map_err(io::Error::from)?;
                writeln!(out, "{json}")?;
                out.flush()?;
                thread::sleep(EACH);
                continue;
            }
            Ok((status, events)) => {
                last = page(&status, &events, style);
                None
            }
            Err(error) => Some(error.to_string()),
        };
        draw(&last, trouble.as_deref(), style)?;
        thread::sleep(EACH);
    }
}

fn look(client: &Client) -> Result<(Status, Events), AskError> {
    let status = client.get("/api/status")?;
    Ok((status, client.get("/api/events?limit=100")?))
}

fn page(status: &Status, events: &Events, style: Style) -> String {
    let mut page = show::status(status, style);
    // The heading and the line before it, and the last line, where the cursor stays.
    let taken = page.lines().count() + 3;
    let room = style
        .height
        .map_or(SOME_EVENTS, |height| height.saturating_sub(taken));
    let skipped = events.events.len().saturating_sub(room);
    if events.events.is_empty() || room == 0 {
        return page;
    }
    let _infallible = write!(page, "\n{}\n", style.paint("  LATEST EVENTS", Tint::Dim));
    for event in &events.events[skipped..] {
        let _infallible = writeln!(
            page,
            "  {}",
            cut(&events::line(event), style.width.saturating_sub(2))
        );
    }
    page
}

/// Over the page before on a terminal, under it elsewhere.
fn draw(page: &str, trouble: Option<&str>, style: Style) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let trouble = trouble.map_or_else(String::new, |why| {
        style.paragraph(
            "NO ANSWER",
            Tint::Bad,
            &format!("{why}; what follows is old"),
        )
    });
    let whole = format!("{trouble}{page}");
    if let Some(height) = style.height {
        let mut screen = "\x1b[H".to_owned();
        for line in whole.lines().take(height.saturating_sub(1)) {
            let _infallible = write!(screen, "{line}\x1b[K\r\n");
        }
        write!(out, "{screen}\x1b[J")?;
    } else {
        writeln!(out, "{whole}")?;
    }
    out.flush()
}
