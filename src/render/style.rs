//! Maps tones to colors, and states to tones and to symbols that carry the same information without color.

use std::io::{self, Write};

use owo_colors::OwoColorize;

use super::name_list::ListLength;
use super::text::wrap;
use crate::explain::State;

/// The meaning of a piece of text, from which its color follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    /// Healthy or done.
    Good,
    /// In progress.
    Moving,
    /// Needs attention.
    Warning,
    /// Failed.
    Bad,
    /// Secondary.
    Quiet,
    /// A heading.
    Strong,
}

/// How to write: color, width, and the length of lists.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    pub(crate) color: bool,
    /// The columns of the terminal. `None`: nothing is cut or wrapped.
    pub(crate) width: Option<usize>,
    pub(crate) names: ListLength,
}

impl Style {
    /// Colors text that is already safe for a terminal.
    pub(crate) fn paint(self, text: &str, tone: Tone) -> String {
        if !self.color || text.is_empty() {
            return text.to_owned();
        }
        match tone {
            Tone::Plain => text.to_owned(),
            Tone::Good => text.green().to_string(),
            Tone::Moving => text.cyan().to_string(),
            Tone::Warning => text.yellow().to_string(),
            Tone::Bad => text.red().to_string(),
            // Some terminals ignore dimming, but bright black is unreadable on others.
            Tone::Quiet => text.dimmed().to_string(),
            Tone::Strong => text.bold().to_string(),
        }
    }

    /// Writes a line, wrapped at the width of the terminal.
    pub(crate) fn line(self, out: &mut impl Write, text: &str, tone: Tone) -> io::Result<()> {
        const INDENT: &str = "  ";
        let columns = self.width.unwrap_or(usize::MAX);
        // Continuation lines are indented, so that the start of each entry of a list stays visible.
        for (number, part) in wrap(text, columns.saturating_sub(INDENT.len()), self.names).into_iter().enumerate() {
            let indent = if number == 0 { "" } else { INDENT };
            writeln!(out, "{indent}{}", self.paint(&part, tone))?;
        }
        Ok(())
    }
}

pub(crate) fn tone_of(state: State) -> Tone {
    match state {
        State::Available => Tone::Good,
        State::Ready | State::Starting | State::Terminating => Tone::Moving,
        State::Misscheduled | State::Pending | State::Succeeded | State::Unknown => Tone::Warning,
        State::Missing | State::Failed | State::NotReady => Tone::Bad,
        State::Excluded => Tone::Quiet,
    }
}

/// The symbol of a state: one column, unique for each state.
pub(crate) fn symbol(state: State) -> char {
    match state {
        State::Available => '■',
        State::Ready => '◧',
        State::Starting => '□',
        State::Terminating => '↓',
        State::NotReady => '✗',
        State::Missing => '○',
        State::Failed => 'F',
        State::Pending => 'P',
        State::Succeeded => 'S',
        State::Misscheduled => '!',
        State::Unknown => '?',
        State::Excluded => '·',
    }
}

const BAR_CELLS: usize = 10;

/// A bar for `part` of `whole`: full only if `part` is all of it, empty only if `part` is zero.
pub(crate) fn bar(part: usize, whole: usize) -> (String, Tone) {
    let filled = match (part, whole) {
        (_, 0) => 0,
        (part, whole) if part >= whole => BAR_CELLS,
        (0, _) => 0,
        (part, whole) => (part * BAR_CELLS / whole).clamp(1, BAR_CELLS - 1),
    };
    let tone = match (part, whole) {
        (_, 0) => Tone::Quiet,
        (part, whole) if part >= whole => Tone::Good,
        (part, whole) if part * 2 < whole => Tone::Bad,
        _ => Tone::Warning,
    };
    (format!("{}{}", "█".repeat(filled), "░".repeat(BAR_CELLS - filled)), tone)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_state_has_a_unique_symbol() {
        let signs: BTreeSet<char> = State::ALL.into_iter().map(symbol).collect();
        assert_eq!(signs.len(), State::ALL.len());
    }

    #[test]
    fn bar_is_full_or_empty_only_for_all_or_nothing() {
        assert_eq!(bar(999, 1000).0, "█████████░");
        assert_eq!(bar(1, 1000).0, "█░░░░░░░░░");
        assert_eq!(bar(1000, 1000).0, "██████████");
        assert_eq!(bar(0, 1000).0, "░░░░░░░░░░");
        assert_eq!(bar(0, 0).0, "░░░░░░░░░░");
    }
}
