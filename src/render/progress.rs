//! What a person at a terminal sees while a large cluster is being read.

use std::cell::Cell;
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Whoever waits for less sees nothing flicker.
const PATIENCE: Duration = Duration::from_millis(500);
/// The terminal is looked after once for this many objects.
const STRIDE: u64 = 500;

/// Counts objects on standard error, while that is a terminal and it takes long enough to wonder.
pub(crate) struct Reading {
    bar: ProgressBar,
    begun: Instant,
    count: Cell<u64>,
}

impl Reading {
    /// Begins to count objects of a kind.
    pub(crate) fn start(plural: &'static str) -> Self {
        let bar = if io::stderr().is_terminal() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        if let Ok(style) = ProgressStyle::with_template(&format!("{{spinner}} reading {plural}: {{human_pos}}")) {
            bar.set_style(style);
        }
        Self { bar, begun: Instant::now(), count: Cell::new(0) }
    }

    /// One more.
    pub(crate) fn saw_one(&self) {
        let count = self.count.get() + 1;
        self.count.set(count);
        if count.is_multiple_of(STRIDE) && self.begun.elapsed() >= PATIENCE {
            self.bar.set_position(count);
            self.bar.tick();
        }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
