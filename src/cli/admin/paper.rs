//! Tables for a terminal: as wide as it is, 80 columns where that is not known, with colour or without.
//!
//! Colour never says anything that a word does not.

use std::fmt::Write as _;
use std::io::{self, IsTerminal};

/// The width without a terminal.
const WIDTH: usize = 80;

/// The longest cell but for the last column's.
const LONGEST: usize = 24;

/// A last column that is narrower goes on a line of its own.
const NARROW: usize = 20;

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Style {
    /// In characters.
    pub(in crate::cli) width: usize,
    /// Lines of the terminal; none when there is no terminal.
    pub(in crate::cli) height: Option<usize>,
    pub(in crate::cli) colour: bool,
}

/// What a colour stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::cli) enum Tint {
    #[default]
    Plain,
    /// As it should be.
    Good,
    /// Somebody should look.
    Warn,
    /// Something does not work.
    Bad,
    /// Less important.
    Dim,
    /// A heading.
    Strong,
}

/// A text in a colour.
#[derive(Clone, Debug, Default)]
pub(in crate::cli) struct Cell(pub(in crate::cli) String, pub(in crate::cli) Tint);

/// Which side of its column a text keeps to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Side {
    Left,
    Right,
}

/// Rows under a head. The last column wraps, the others are cut.
pub(in crate::cli) struct Table<const N: usize> {
    head: [(&'static str, Side); N],
    rows: Vec<[Cell; N]>,
}

impl Style {
    /// For a file, or for a stream that nobody asked about.
    pub(in crate::cli) fn plain() -> Self {
        Self {
            width: WIDTH,
            height: None,
            colour: false,
        }
    }

    /// As standard output is.
    pub(in crate::cli) fn of_stdout(no_color: bool) -> Self {
        let is_terminal = io::stdout().is_terminal();
        let size = terminal_size::terminal_size().filter(|_| is_terminal);
        let forbidden = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        Self {
            width: size.map_or(WIDTH, |(width, _)| usize::from(width.0).clamp(40, 160)),
            height: size.map(|(_, height)| usize::from(height.0)),
            colour: is_terminal && !no_color && !forbidden,
        }
    }

    /// A text in a colour.
    pub(in crate::cli) fn paint(self, text: &str, tint: Tint) -> String {
        let code = match tint {
            _ if !self.colour || text.is_empty() => return text.to_owned(),
            Tint::Plain => return text.to_owned(),
            Tint::Good => "32",
            Tint::Warn => "33",
            Tint::Bad => "1;31",
            Tint::Dim => "2",
            Tint::Strong => "1",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// A text in lines, the first one after `before`, the others under its end.
    pub(in crate::cli) fn paragraph(self, before: &str, before_tint: Tint, text: &str) -> String {
        let indent = before.chars().count() + 2;
        let mut out = self.paint(before, before_tint);
        for (place, line) in wrap(text, self.width.saturating_sub(indent))
            .iter()
            .enumerate()
        {
            let gap = if place == 0 { 2 } else { indent };
            let _infallible = writeln!(out, "{}{line}", " ".repeat(gap));
        }
        out
    }
}

impl<const N: usize> Table<N> {
    pub(in crate::cli) fn new(head: [(&'static str, Side); N]) -> Self {
        let rows = Vec::new();
        Self { head, rows }
    }

    pub(in crate::cli) fn push(&mut self, row: [Cell; N]) {
        self.rows.push(row);
    }

    /// All lines, two spaces in.
    pub(in crate::cli) fn print(&self, style: Style) -> String {
        let widths: Vec<usize> = (0..N.saturating_sub(1))
            .map(|column| {
                let cells = self.rows.iter().map(|row| row[column].0.chars().count());
                let widest = cells.max().unwrap_or(0).min(LONGEST);
                widest.max(self.head[column].0.chars().count())
            })
            .collect();
        let used: usize = 2 + widths.iter().map(|width| width + 2).sum::<usize>();
        let head = self.head.map(|(word, _)| Cell(word.to_owned(), Tint::Dim));
        let mut out = String::new();
        for row in std::iter::once(&head).chain(&self.rows) {
            out += &self.row(row, &widths, used, style);
        }
        out
    }

    fn row(&self, row: &[Cell; N], widths: &[usize], used: usize, style: Style) -> String {
        let mut out = "  ".to_owned();
        for ((cell, width), (_, side)) in row.iter().zip(widths).zip(self.head) {
            let text = cut(&cell.0, *width);
            let gap = " ".repeat(width - text.chars().count());
            let text = style.paint(&text, cell.1);
            let padded = match side {
                Side::Left => format!("{text}{gap}  "),
                Side::Right => format!("{gap}{text}  "),
            };
            out.push_str(&padded);
        }
        let Some(Cell(last, tint)) = row.last() else {
            return out + "\n";
        };
        // A few words that fit stay beside the rest however narrow the column is.
        let fits = used + last.chars().count() <= style.width;
        let below = !fits && style.width < used + NARROW;
        let indent = if below { 6 } else { used };
        if below && !last.is_empty() {
            out.truncate(out.trim_end().len());
            let _infallible = write!(out, "\n{}", " ".repeat(indent));
        }
        for (place, line) in wrap(last, style.width.saturating_sub(indent))
            .iter()
            .enumerate()
        {
            if place > 0 {
                let _infallible = write!(out, "\n{}", " ".repeat(indent));
            }
            out += &style.paint(line, *tint);
        }
        out.truncate(out.trim_end().len());
        out + "\n"
    }
}

/// A text of at most so many characters.
pub(in crate::cli) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// A text in lines of at most so many characters, broken at spaces; at least one line.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(10);
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let mut word = word.to_owned();
        let room = |lines: &[String]| {
            let last = lines.last().map_or(0, |line| line.chars().count());
            width.saturating_sub(if last == 0 { 0 } else { last + 1 })
        };
        if word.chars().count() > room(&lines) && lines.last().is_some_and(|l| !l.is_empty()) {
            lines.push(String::new());
        }
        // A word that fits no line at all is broken.
        while word.chars().count() > width {
            let rest = word.chars().skip(width).collect();
            let part: String = word.chars().take(width).collect();
            word = rest;
            if let Some(line) = lines.last_mut() {
                line.push_str(&part);
            }
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(&word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Style = Style {
        width: 40,
        height: None,
        colour: false,
    };

    #[test]
    fn texts_are_broken_at_spaces_and_long_words_anywhere() {
        assert_eq!(wrap("a few short words", 10), ["a few", "short", "words"]);
        assert_eq!(wrap("", 10), [""]);
        assert_eq!(wrap("0123456789abc def", 10), ["0123456789", "abc def"]);
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let mut table = Table::new([
            ("NAME", Side::Left),
            ("N", Side::Right),
            ("NOTE", Side::Left),
        ]);
        let cell = |text: &str| Cell(text.to_owned(), Tint::Good);
        table.push([
            cell("a"),
            cell("7"),
            cell("a note that is longer than what is left of the line"),
        ]);
        table.push([
            cell("a-name-that-is-much-too-long-for-its-column"),
            cell("12345"),
            cell(""),
        ]);
        for width in [40, 60, 80] {
            let text = table.print(Style { width, ..PLAIN });
            for line in text.lines() {
                assert!(line.chars().count() <= width, "{width}: {line:?}");
            }
            assert!(text.contains("a-name-that-is-much-too…"), "{text}");
        }
    }

    #[test]
    fn colour_changes_no_character_of_the_text() {
        let mut table = Table::new([("NAME", Side::Left), ("NOTE", Side::Left)]);
        table.push([Cell("a".into(), Tint::Bad), Cell("b c".into(), Tint::Warn)]);
        let colourful = Style {
            colour: true,
            ..PLAIN
        };
        let painted = table.print(colourful);
        assert!(painted.contains('\x1b'));
        let mut bare = String::new();
        let mut escape = false;
        for c in painted.chars() {
            match c {
                '\x1b' => escape = true,
                'm' if escape => escape = false,
                _ if escape => {}
                c => bare.push(c),
            }
        }
        assert_eq!(bare, table.print(PLAIN));
    }
}
