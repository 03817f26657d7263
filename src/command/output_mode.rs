//! How a command that watches a cluster prints.

use crate::command::args::StructuredFormat;
use crate::render::live_screen::LiveScreen;

/// The form of the output.
pub(super) enum OutputMode {
    /// A screen that is redrawn on every change, on a terminal.
    Screen(LiveScreen),
    /// One line for each event.
    Lines,
    /// One document for each event.
    Structured(StructuredFormat),
}

impl OutputMode {
    pub(super) fn new(format: Option<StructuredFormat>, live: LiveScreen) -> Self {
        match format {
            Some(format) => Self::Structured(format),
            None if live.shows_notes() => Self::Screen(live),
            None => Self::Lines,
        }
    }
}
