//! `coverage --watch`: refreshes the output on every change.

use std::ops::ControlFlow;
use std::process::ExitCode;

use super::options::CoverageOptions;
use crate::cluster::access::Access;
use crate::command::print;
use crate::command::watch_loop::{self, WatchHandler, connection_lost};
use crate::coverage::{compute_coverage, event_query, fingerprint};
use crate::error::Error;
use crate::load::Request;
use crate::render::terminal::{self, Redraw};
use crate::snapshot::{EventQuery, Snapshot};

/// Runs until interrupted or until the reader closes the pipe.
pub(super) async fn watch(access: &Access, request: &Request, options: &CoverageOptions) -> Result<ExitCode, Error> {
    let mut screen =
        Screen { options, redraw: terminal::redraw(), last: Vec::new(), news: None, shown_notes: Vec::new() };
    watch_loop::watch(access, request, &mut screen).await
}

struct Screen<'p> {
    options: &'p CoverageOptions,
    redraw: Redraw,
    last: Vec<u8>,
    /// In a pipe, the fingerprint of the last output.
    news: Option<u64>,
    /// The notes of the last output.
    shown_notes: Vec<String>,
}

impl WatchHandler for Screen<'_> {
    fn event_query(&self, snapshot: &Snapshot) -> EventQuery {
        event_query(snapshot)
    }

    /// Writes the snapshot if it differs from the last output.
    fn show(&mut self, snapshot: &Snapshot, trouble: Option<&str>) -> Result<ControlFlow<ExitCode>, Error> {
        let coverages = compute_coverage(snapshot);
        let trouble = trouble.map(connection_lost);
        let empty = snapshot.daemon_sets.is_empty().then(|| "no DaemonSets found".to_owned());
        let notes: Vec<String> = snapshot.gaps().into_iter().chain(empty).chain(trouble).collect();
        // A terminal also shows that ages grow; a pipe gets only real changes.
        let news = (!self.redraw.shows_notes()).then(|| fingerprint(&coverages));
        if news.is_some() && news == self.news && notes == self.shown_notes {
            return Ok(ControlFlow::Continue(()));
        }
        let mut next = Vec::new();
        self.options.render(&mut next, &coverages, snapshot).map_err(Error::Output)?;
        if next == self.last && notes == self.shown_notes && !self.redraw.is_resized() {
            return Ok(ControlFlow::Continue(()));
        }
        let is_read = print(|out| self.redraw.frame(out, &next, &notes))?;
        if !self.redraw.shows_notes() {
            notes
                .iter()
                .filter(|empty_note| !self.shown_notes.contains(empty_note))
                .for_each(|empty_note| terminal::note(empty_note));
        }
        self.last = next;
        self.news = news;
        self.shown_notes = notes;
        Ok(if is_read { ControlFlow::Continue(()) } else { ControlFlow::Break(ExitCode::SUCCESS) })
    }
}
