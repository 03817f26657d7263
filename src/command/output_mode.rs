//! How a command that watches a cluster prints.

use crate::command::args::OutputFormat;
use crate::render::document::DocumentFormat;
use crate::render::live_screen::LiveScreen;

/// The form of the output.
pub(super) enum OutputMode {
    /// A screen that is redrawn on every change, on a terminal.
    Screen(LiveScreen),
    /// One line for each event.
    Lines,
    /// One document for each event.
    Documents(DocumentFormat),
}

impl OutputMode {
    pub(super) fn new(format: Option<&OutputFormat>, live: LiveScreen) -> Self {
        match format.and_then(OutputFormat::document) {
            Some(format) => Self::Documents(format.clone()),
            None if live.shows_notes() => Self::Screen(live),
            None => Self::Lines,
        }
    }
}
