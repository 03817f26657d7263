//! Live screens: drawn on the terminal's alternate screen, so that the terminal's own scrollback stays as it was. When the
//! screen is left, the last frame is printed below what was there before: what it suggests can still be copied.
//!
//! There is one terminal, so the state is global: any other output leaves the screen first ([`leave`]). `view` decides
//! which lines are shown, `keyboard` reads keys.

mod keyboard;
mod state;
mod view;

use std::io::{self, IsTerminal, Write};

use jiff::Timestamp;

pub(crate) use keyboard::Keyboard;
use state::state;
pub(crate) use view::Freshness;
use view::Header;

use super::progress;
use super::terminal_size::size;
use super::text::sanitize;

const ENTER: &str = "\u{1b}[?1049h\u{1b}[?25l";
const LEAVE: &str = "\u{1b}[?1049l\u{1b}[?25h";
const CLEAR_ALL: &str = "\u{1b}[2J";
const HOME: &str = "\u{1b}[H";
const CLEAR_LINE: &str = "\u{1b}[K";
const CLEAR_BELOW: &str = "\u{1b}[J";

/// What a key does beyond the view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyEffect {
    Redraw,
    Quit,
}

/// Applies what was typed. `Quit` if the user wants to leave.
pub(crate) fn type_keys(bytes: &[u8]) -> KeyEffect {
    let mut state = state();
    if state.view.type_keys(bytes) { KeyEffect::Quit } else { KeyEffect::Redraw }
}

/// Whether the user scrolls or filters: then all lines are needed, and nothing is folded to fit the screen.
pub(super) fn is_browsing() -> bool {
    let state = state();
    state.is_open && state.view.is_browsing()
}

/// Leaves the alternate screen, and prints the last frame. Does nothing if no screen is open.
pub(crate) fn leave() {
    let mut state = state();
    if std::mem::take(&mut state.is_open) {
        // The write fails only if the terminal was closed: then it is not needed.
        let mut out = io::stdout().lock();
        let _ = write!(out, "{LEAVE}{}", state.last);
        let _ = out.flush();
    }
}

/// Writes frames: on a terminal each replaces the last one, elsewhere they follow each other.
#[derive(Debug)]
pub(crate) struct LiveScreen {
    is_terminal: bool,
    /// Columns and lines at the last frame.
    size: Option<(usize, usize)>,
    /// The time of the last frame that was current.
    updated: Option<Timestamp>,
}

impl LiveScreen {
    pub(crate) fn new() -> Self {
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self { is_terminal: io::stdout().is_terminal() && !is_dumb, size: None, updated: None }
    }

    /// Whether notes are part of the frame. Otherwise they go to standard error, because standard output may be parsed.
    pub(crate) fn shows_notes(&self) -> bool {
        self.is_terminal
    }

    /// Writes the next frame.
    pub(crate) fn frame(
        &mut self,
        out: &mut impl Write,
        picture: &[u8],
        notes: &[String],
        now: Timestamp,
        freshness: Freshness,
    ) -> io::Result<()> {
        if !self.is_terminal {
            return out.write_all(picture);
        }
        progress::turn_off();
        if freshness == Freshness::Current {
            self.updated = Some(now);
        }
        let text = String::from_utf8_lossy(picture);
        let notes: Vec<String> = notes.iter().map(|note| format!("note: {}", sanitize(note))).collect();
        let mut state = state();
        let header = Header { now, updated: self.updated.unwrap_or(now), freshness, has_keys: state.has_keyboard };
        let (columns, height) = size();
        let lines = state.view.compose(&text.lines().collect::<Vec<_>>(), &notes, header, (columns, height));
        if !state.is_open {
            write!(out, "{ENTER}")?;
            state.is_open = true;
        }
        if self.size.replace((columns, height)) != Some((columns, height)) {
            // The terminal rewrapped the last frame.
            write!(out, "{CLEAR_ALL}")?;
        }
        write!(out, "{HOME}")?;
        for (number, line) in lines.iter().enumerate() {
            // A line break after the last line would scroll the screen.
            let end = if number + 1 == lines.len() { "" } else { "\r\n" };
            write!(out, "{line}{CLEAR_LINE}{end}")?;
        }
        state.last = notes.iter().map(|note| format!("{note}\n")).collect::<String>() + &text;
        write!(out, "{CLEAR_BELOW}")
    }
}
