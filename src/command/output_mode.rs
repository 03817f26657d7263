//! How a command that watches a cluster prints.

use crate::command::args::StructuredFormat;
use crate::render::terminal::Redraw;

/// The form of the output.
pub(super) enum OutputMode {
    /// A screen that is redrawn on every change, on a terminal.
    Screen(Redraw),
    /// One line for each event.
    Lines,
    /// One document for each event.
    Structured(StructuredFormat),
}

impl OutputMode {
    pub(super) fn new(format: Option<StructuredFormat>, redraw: Redraw) -> Self {
        match format {
            Some(format) => Self::Structured(format),
            None if redraw.shows_notes() => Self::Screen(redraw),
            None => Self::Lines,
        }
    }
}
