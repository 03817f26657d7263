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
    /// Ages are relative to this time.
    pub(crate) now: Timestamp,
}

impl ViewOptions {
    /// With headers, and without more columns or rows than usual.
    pub(crate) fn new(style: Style, now: Timestamp) -> Self {
        Self { style, headers: true, wide: false, unfolded: false, now }
    }
}
