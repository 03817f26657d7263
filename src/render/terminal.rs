//! What the terminal supports, live screens, and the only functions that write errors, notes and questions.

use std::io::{self, IsTerminal, Write};

use super::name_list::ListLength;
use super::progress;
use super::style::Style;
use super::terminal_size::size;
use super::text::{bounded, sanitize, truncate};
use crate::error::Error;

/// `--color`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ColorChoice {
    /// When writing to a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

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

/// Writes a screen that changes.
#[derive(Debug)]
pub(crate) struct Redraw {
    is_terminal: bool,
    /// Columns and lines at the last frame.
    size: Option<(usize, usize)>,
}

pub(crate) fn redraw() -> Redraw {
    Redraw { is_terminal: io::stdout().is_terminal(), size: None }
}

impl Redraw {
    /// Whether notes are part of the frame. Otherwise they go to standard error, because standard output may be parsed.
    pub(crate) fn shows_notes(&self) -> bool {
        self.is_terminal
    }

    /// Whether the terminal changed its size since the last frame.
    pub(crate) fn is_resized(&self) -> bool {
        self.is_terminal && self.size.is_some_and(|last| last != size())
    }

    /// Writes the next frame. On a terminal it replaces the last one and is cut to the height; elsewhere it is
    /// appended.
    pub(crate) fn frame(&mut self, out: &mut impl Write, picture: &[u8], notes: &[String]) -> io::Result<()> {
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
            // The terminal rewrapped the last frame.
            write!(out, "{CLEAR_ALL}")?;
        }
        write!(out, "{HOME}")?;
        for note_text in notes {
            writeln!(out, "{}{CLEAR_LINE}", truncate(&format!("note: {}", sanitize(note_text)), columns))?;
        }
        // The last line of the screen stays free, because the terminal would scroll.
        let room = height.saturating_sub(1 + notes.len());
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

pub(crate) fn note(text: &str) {
    write_to_stderr(&format!("note: {}\n", bounded(&sanitize(text), ListLength::Handful)));
}

/// Writes a question to standard error, and leaves the cursor behind it.
pub(crate) fn ask(question: &str) {
    write_to_stderr(&format!("{} [y/N] ", bounded(&sanitize(question), ListLength::Handful)));
}

/// Writes an error and its hint to standard error.
pub(crate) fn error(error: &Error) {
    write_to_stderr(&format!("error: {}\n", bounded(&sanitize(&error.to_string()), ListLength::Handful)));
    match error.hint() {
        hint if hint.is_empty() => {}
        hint => write_to_stderr(&format!("hint: {}\n", bounded(&sanitize(&hint), ListLength::Handful))),
    }
}

/// Ends the line on which a terminal shows `^C`, so that the next output starts on its own line.
pub(crate) fn end_line() {
    if io::stderr().is_terminal() {
        write_to_stderr("\n");
    }
}

/// Ignores errors: if standard error is closed, they cannot be reported.
fn write_to_stderr(text: &str) {
    progress::clear();
    let _ = io::stderr().lock().write_all(text.as_bytes());
}
