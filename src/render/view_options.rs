//! How a screen is written.

use jiff::Timestamp;

use super::style::Style;

/// The options of all screens. A screen ignores those that it has no use for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ViewOptions {
    pub(crate) style: Style,
    /// False with `--no-headers`.
    pub(crate) headers: bool,
    /// `-o wide`.
    pub(crate) wide: bool,
    /// `--all`: nothing is folded.
    pub(crate) unfolded: bool,
    /// `--sort-by`: the rows of a table keep their order, and nothing is folded.
    pub(crate) is_sorted: bool,
    /// Ages are relative to this time.
    pub(crate) now: Timestamp,
}

impl ViewOptions {
    /// A word after its sign. Without a terminal, the word alone: there a column is one field.
    pub(crate) fn signed(self, sign: char, word: &str) -> String {
        match self.style.width {
            Some(_) => format!("{sign} {word}"),
            None => word.to_owned(),
        }
    }

    /// Whether the text has more lines than the terminal, which also shows the prompt after it.
    pub(crate) fn does_not_fit(self, text: &[u8]) -> bool {
        let lines = || text.iter().filter(|byte| **byte == b'\n').count();
        self.style.height.is_some_and(|height| lines() + 3 > height)
    }

    /// Whether bars, folded rows and the next command are shown: a person reads the output on a terminal.
    pub(crate) fn is_terminal(self) -> bool {
        self.style.width.is_some()
    }

    /// With headers, and without more columns or rows than usual.
    pub(crate) fn new(style: Style, now: Timestamp) -> Self {
        Self { style, headers: true, wide: false, unfolded: false, is_sorted: false, now }
    }
}
