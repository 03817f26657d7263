//! Maps tones to colors, and states to tones and to symbols that carry the same information without color.

use std::io::{self, Write};

use owo_colors::{OwoColorize, XtermColors};

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

/// Which colors to write. Those of this program have a contrast of at least 4.5 on white and on black, so that they are
/// readable on light and dark terminals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Palette {
    /// No colors.
    None,
    /// The 16 colors that the terminal's own theme defines.
    Terminal,
    /// The 256 colors of xterm. No orange of these is readable on both backgrounds: warnings are bold.
    Indexed,
    /// 24-bit colors.
    TrueColor,
}

/// The colors of [`Palette::Indexed`].
mod indexed {
    pub(super) const GREEN: u8 = 29;
    pub(super) const BLUE: u8 = 63;
    pub(super) const MAGENTA: u8 = 163;
    pub(super) const GRAY: u8 = 243;
}

/// The colors of [`Palette::Indexed`] that distinguish the sources of lines and have no meaning.
const LABELS_INDEXED: [u8; 4] = [indexed::GREEN, indexed::BLUE, 131, indexed::MAGENTA];
/// Those of [`Palette::TrueColor`].
const LABELS_TRUE_COLOR: [(u8, u8, u8); 7] =
    [(27, 136, 27), (0, 115, 230), (169, 101, 34), (208, 0, 208), (0, 131, 131), (158, 61, 255), (216, 43, 130)];

/// The colors that [`Palette::TrueColor`] has beside those.
mod true_color {
    pub(super) const ORANGE: (u8, u8, u8) = (178, 96, 0);
    pub(super) const RED: (u8, u8, u8) = (230, 30, 30);
}

/// How to write: colors, width, and the length of lists.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    pub(crate) palette: Palette,
    /// The columns of the terminal. `None`: nothing is cut or wrapped.
    pub(crate) width: Option<usize>,
    /// The lines of the terminal. `None`: nothing is folded because there is no room.
    pub(crate) height: Option<usize>,
    pub(crate) names: ListLength,
}

impl Style {
    /// Colors text that is already safe for a terminal.
    pub(crate) fn paint(self, text: &str, tone: Tone) -> String {
        let indexed = |color: u8| text.color(XtermColors::from(color)).to_string();
        let rgb = |(red, green, blue): (u8, u8, u8)| text.truecolor(red, green, blue).to_string();
        match (self.palette, tone) {
            (Palette::None, _) | (_, Tone::Plain) => text.to_owned(),
            _ if text.is_empty() => String::new(),
            (_, Tone::Strong) | (Palette::Indexed, Tone::Warning) => text.bold().to_string(),
            (Palette::Terminal, Tone::Good) => text.green().to_string(),
            (Palette::Terminal, Tone::Moving) => text.cyan().to_string(),
            (Palette::Terminal, Tone::Warning) => text.yellow().to_string(),
            (Palette::Terminal, Tone::Bad) => text.red().to_string(),
            // Some terminals ignore dimming, but bright black is unreadable on others.
            (Palette::Terminal, Tone::Quiet) => text.dimmed().to_string(),
            (Palette::Indexed | Palette::TrueColor, Tone::Good) => indexed(indexed::GREEN),
            (Palette::Indexed | Palette::TrueColor, Tone::Moving) => indexed(indexed::BLUE),
            (Palette::Indexed | Palette::TrueColor, Tone::Quiet) => indexed(indexed::GRAY),
            (Palette::Indexed, Tone::Bad) => indexed(indexed::MAGENTA),
            (Palette::TrueColor, Tone::Warning) => rgb(true_color::ORANGE),
            (Palette::TrueColor, Tone::Bad) => rgb(true_color::RED),
        }
    }

    /// Colors the label of a source of lines, such as a node: the same number has always the same color.
    pub(crate) fn paint_label(self, text: &str, number: usize) -> String {
        match self.palette {
            Palette::None => text.to_owned(),
            Palette::Terminal => match number % 5 {
                0 => text.cyan().to_string(),
                1 => text.green().to_string(),
                2 => text.magenta().to_string(),
                3 => text.yellow().to_string(),
                _ => text.blue().to_string(),
            },
            Palette::Indexed => {
                text.color(XtermColors::from(LABELS_INDEXED[number % LABELS_INDEXED.len()])).to_string()
            }
            Palette::TrueColor => {
                let (red, green, blue) = LABELS_TRUE_COLOR[number % LABELS_TRUE_COLOR.len()];
                text.truecolor(red, green, blue).to_string()
            }
        }
    }

    /// Colors only the mark of a sentence: its sign or bar, or the words before the first colon, comma or bracket. The
    /// rest keeps the terminal's own color, which is always readable. Secondary text and headings are colored whole.
    pub(crate) fn paint_mark(self, text: &str, tone: Tone) -> String {
        match tone {
            Tone::Good | Tone::Moving | Tone::Warning | Tone::Bad => {
                let (mark, rest) = text.split_at(mark_length(text));
                format!("{}{rest}", self.paint(mark, tone))
            }
            Tone::Plain | Tone::Quiet | Tone::Strong => self.paint(text, tone),
        }
    }

    /// Writes a line, wrapped at the width of the terminal.
    pub(crate) fn line(self, out: &mut impl Write, text: &str, tone: Tone) -> io::Result<()> {
        const INDENT: &str = "  ";
        let columns = self.width.unwrap_or(usize::MAX);
        // Continuation lines are indented, so that the start of each entry of a list stays visible.
        for (number, part) in wrap(text, columns.saturating_sub(INDENT.len()), self.names).into_iter().enumerate() {
            let indent = if number == 0 { "" } else { INDENT };
            let part = if number == 0 { self.paint_mark(&part, tone) } else { self.paint_rest(&part, tone) };
            writeln!(out, "{indent}{part}")?;
        }
        Ok(())
    }

    /// Colors the lines of a wrapped sentence after the first one, as [`Self::paint_mark`] does the rest of it.
    pub(crate) fn paint_rest(self, text: &str, tone: Tone) -> String {
        match tone {
            Tone::Good | Tone::Moving | Tone::Warning | Tone::Bad => text.to_owned(),
            Tone::Plain | Tone::Quiet | Tone::Strong => self.paint(text, tone),
        }
    }
}

/// The length of the mark of a sentence in bytes.
fn mark_length(text: &str) -> usize {
    match text.chars().next() {
        Some(first) if first.is_alphanumeric() => text.find([':', ';', ',', '(']).unwrap_or(text.len()),
        _ => text.find(' ').unwrap_or(text.len()),
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

    /// The color of an index of xterm's palette, from 16 on.
    fn color_of_index(index: u8) -> (u8, u8, u8) {
        const LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];
        match index {
            232.. => {
                let gray = 8 + 10 * (index - 232);
                (gray, gray, gray)
            }
            _ => {
                let cube = usize::from(index - 16);
                (LEVELS[cube / 36], LEVELS[cube / 6 % 6], LEVELS[cube % 6])
            }
        }
    }

    /// The contrast with white and with black, as WCAG 2.2 defines it.
    fn contrasts((red, green, blue): (u8, u8, u8)) -> [f64; 2] {
        let linear = |value: u8| {
            let value = f64::from(value) / 255.0;
            if value <= 0.03928 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        let luminance = 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
        [1.05 / (luminance + 0.05), (luminance + 0.05) / 0.05]
    }

    #[test]
    fn colors_are_readable_on_white_and_on_black() {
        let of_index = [indexed::GREEN, indexed::BLUE, indexed::MAGENTA, indexed::GRAY].map(color_of_index);
        let labels = LABELS_INDEXED.map(color_of_index).into_iter().chain(LABELS_TRUE_COLOR);
        for color in of_index.into_iter().chain([true_color::ORANGE, true_color::RED]).chain(labels) {
            for contrast in contrasts(color) {
                assert!(contrast >= 4.5, "{color:?}: {contrast}");
            }
        }
        assert_eq!(contrasts((255, 255, 255)).map(f64::round), [1.0, 21.0]);
    }

    #[test]
    fn only_the_mark_of_a_sentence_is_colored() {
        let style = Style { palette: Palette::Terminal, width: None, height: None, names: ListLength::All };
        for (text, mark) in [
            ("✗ node-7: down", "✗"),
            ("Stuck: cannot complete", "Stuck"),
            ("██░░ 1 of 2", "██░░"),
            ("2 of 3 run, 1 does not", "2 of 3 run"),
            ("Complete", "Complete"),
        ] {
            let expected = format!("{}{}", mark.red(), &text[mark.len()..]);
            assert_eq!(style.paint_mark(text, Tone::Bad), expected, "{text}");
        }
        assert_eq!(style.paint_mark("a: b", Tone::Strong), "a: b".bold().to_string());
    }

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
