//! The terminal's own room: what it can do, and the one place that writes errors and notes.

use std::io::{self, IsTerminal, Write};

use super::name_list::ListLength;
use super::progress;
use super::style::Style;
use super::terminal_size::size;
use super::text::{bounded, sanitize, truncate};
use crate::error::Error;

/// `--color`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`.
    #[default]
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}

/// The style for standard output.
pub(crate) fn style(choice: ColorChoice, names: ListLength) -> Style {
    let is_terminal = io::stdout().is_terminal();
    let is_unset_or_empty = |name: &str| std::env::var_os(name).is_none_or(|value| value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    let color = match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => is_terminal && !is_dumb && is_unset_or_empty("NO_COLOR"),
    };
    Style { color, width: is_terminal.then(|| size().0), names }
}

/// How a screen that changes is written.
#[derive(Debug)]
pub(crate) struct Redraw {
    is_terminal: bool,
    /// Columns and lines at the last picture.
    size: Option<(usize, usize)>,
}

/// The way to redraw standard output.
pub(crate) fn redraw() -> Redraw {
    Redraw { is_terminal: io::stdout().is_terminal(), size: None }
}

impl Redraw {
    /// Whether remarks stand in the picture. Elsewhere the output is for a program, and standard error takes them.
    pub(crate) fn shows_remarks(&self) -> bool {
        self.is_terminal
    }

    /// Whether the last picture was for a terminal of another size.
    pub(crate) fn is_resized(&self) -> bool {
        self.is_terminal && self.size.is_some_and(|last| last != size())
    }

    /// Writes the next picture: over the last one on a terminal, as far as there is room, and behind it elsewhere.
    pub(crate) fn frame(&mut self, out: &mut impl Write, picture: &[u8], remarks: &[String]) -> io::Result<()> {
        const CLEAR_ALL: &str = "\u{1b}[2J";
        const HOME: &str = "\u{1b}[H";
        const CLEAR_LINE: &str = "\u{1b}[K";
        const CLEAR_BELOW: &str = "\u{1b}[J";
        if !self.is_terminal {
            return out.write_all(picture);
        }
        progress::turn_off();
        let text = String::from_utf8_lossy(picture);
        let lines: Vec<&str> = text.lines().collect();
        let (columns, height) = size();
        if self.size.replace((columns, height)) != Some((columns, height)) {
            // What stood there was broken differently.
            write!(out, "{CLEAR_ALL}")?;
        }
        write!(out, "{HOME}")?;
        for remark in remarks {
            writeln!(out, "{}{CLEAR_LINE}", truncate(&format!("note: {}", sanitize(remark)), columns))?;
        }
        // The last line of the screen stays free, or the terminal would scroll.
        let room = height.saturating_sub(1 + remarks.len());
        let shown = if lines.len() > room { room.saturating_sub(1) } else { lines.len() };
        for line in lines.iter().take(shown) {
            writeln!(out, "{line}{CLEAR_LINE}")?;
        }
        if shown < lines.len() {
            writeln!(out, "… {} more lines{CLEAR_LINE}", lines.len() - shown)?;
        }
        write!(out, "{CLEAR_BELOW}")
    }
}

/// Writes a note to standard error.
pub(crate) fn note(text: &str) {
    write_to_stderr(&format!("note: {}\n", bounded(&sanitize(text), ListLength::Handful)));
}

/// Writes a question to standard error: the answer is awaited behind it.
pub(crate) fn ask(question: &str) {
    write_to_stderr(&format!("{} [y/N] ", bounded(&sanitize(question), ListLength::Handful)));
}

/// Writes an error and what to do about it to standard error.
pub(crate) fn error(error: &Error) {
    write_to_stderr(&format!("error: {}\n", bounded(&sanitize(&error.to_string()), ListLength::Handful)));
    match error.hint() {
        hint if hint.is_empty() => {}
        hint => write_to_stderr(&format!("hint: {}\n", bounded(&sanitize(&hint), ListLength::Handful))),
    }
}

/// Leaves the line on which a terminal shows `^C`, so that what comes next begins on one of its own.
pub(crate) fn end_line() {
    if io::stderr().is_terminal() {
        write_to_stderr("\n");
    }
}

/// Where standard error is closed, there is nobody left to be told.
fn write_to_stderr(text: &str) {
    progress::clear();
    let _ = io::stderr().lock().write_all(text.as_bytes());
}
