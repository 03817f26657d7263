//! The one owner of colour: what a tone looks like, and the sign that says the same without colour.

use std::io::{self, Write};

use owo_colors::OwoColorize;

use super::name_list::ListLength;
use super::text::wrap;
use crate::explain::State;

/// What a piece of text means to the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Nothing special.
    Plain,
    /// As it should be.
    Good,
    /// On its way.
    Moving,
    /// To be looked at.
    Warning,
    /// Broken.
    Bad,
    /// Of little weight.
    Quiet,
    /// A heading.
    Strong,
}

/// How to write: with colour or without, and how much room there is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    /// Whether colours are written.
    pub(crate) color: bool,
    /// The columns of the terminal; none where nothing is to be cut.
    pub(crate) width: Option<usize>,
    /// How much of a list of names is shown.
    pub(crate) names: ListLength,
}

impl Style {
    /// Colours a piece of safe text.
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
            // Dimming is left out by several terminals, and bright black is unreadable on others.
            Tone::Quiet => text.dimmed().to_string(),
            Tone::Strong => text.bold().to_string(),
        }
    }

    /// Writes a line of its own, broken where the terminal ends.
    pub(crate) fn line(self, out: &mut impl Write, text: &str, tone: Tone) -> io::Result<()> {
        const INDENT: &str = "  ";
        let columns = self.width.unwrap_or(usize::MAX);
        // Lines that follow are indented, so that each entry of a list still shows where it begins.
        for (number, part) in wrap(text, columns.saturating_sub(INDENT.len()), self.names).into_iter().enumerate() {
            let indent = if number == 0 { "" } else { INDENT };
            writeln!(out, "{indent}{}", self.paint(&part, tone))?;
        }
        Ok(())
    }
}

/// The tone of a state.
pub(crate) fn tone_of(state: State) -> Tone {
    match state {
        State::Available => Tone::Good,
        State::Ready | State::Starting | State::Terminating => Tone::Moving,
        State::Misscheduled | State::Pending | State::Succeeded | State::Unknown => Tone::Warning,
        State::Missing | State::Failed | State::NotReady => Tone::Bad,
        State::Excluded => Tone::Quiet,
    }
}

/// The sign of a state: one column, different for each.
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

/// How many cells a bar has.
const BAR_CELLS: usize = 10;

/// A bar for `part` of `whole`: full only when nothing is missing, empty only when nothing is there.
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
    fn every_state_has_a_sign_of_its_own() {
        let signs: BTreeSet<char> = State::ALL.into_iter().map(symbol).collect();
        assert_eq!(signs.len(), State::ALL.len());
    }

    #[test]
    fn a_bar_is_full_or_empty_only_when_that_is_the_truth() {
        assert_eq!(bar(999, 1000).0, "█████████░");
        assert_eq!(bar(1, 1000).0, "█░░░░░░░░░");
        assert_eq!(bar(1000, 1000).0, "██████████");
        assert_eq!(bar(0, 1000).0, "░░░░░░░░░░");
        assert_eq!(bar(0, 0).0, "░░░░░░░░░░");
    }
}
