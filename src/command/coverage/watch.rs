//! `coverage --watch`: refreshes the output on every change.

use std::ops::ControlFlow;
use std::process::ExitCode;

use super::options::CoverageOptions;
use crate::cluster::access::Access;
use crate::command::draw;
use crate::command::watch_loop::{self, WatchHandler, connection_lost};
use crate::coverage::{compute_coverage, event_query, fingerprint};
use crate::error::Error;
use crate::load::Request;
use crate::render::live_screen::{Freshness, LiveScreen};
use crate::render::terminal;
use crate::snapshot::{EventQuery, Snapshot};

/// Runs until interrupted or until the reader closes the pipe.
pub(super) async fn watch(access: &Access, request: &Request, options: &CoverageOptions) -> Result<ExitCode, Error> {
    let mut screen = Screen { options, live: LiveScreen::new(), last: Vec::new(), news: None, shown_notes: Vec::new() };
    watch_loop::watch(access, request, &mut screen).await
}

struct Screen<'p> {
    options: &'p CoverageOptions,
    live: LiveScreen,
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

    fn is_live(&self) -> bool {
        self.live.shows_notes()
    }

    /// Writes the snapshot if it differs from the last output.
    fn show(&mut self, snapshot: &Snapshot, trouble: Option<&str>) -> Result<ControlFlow<ExitCode>, Error> {
        let mut coverages = compute_coverage(snapshot);
        self.options.sort(&mut coverages, snapshot)?;
        let freshness = if trouble.is_none() { Freshness::Current } else { Freshness::Stale };
        let trouble = trouble.map(connection_lost);
        let empty = snapshot.daemon_sets.is_empty().then(|| "no DaemonSets found".to_owned());
        let notes: Vec<String> = snapshot.gaps().into_iter().chain(empty).chain(trouble).collect();
        // A terminal also shows that ages grow; a pipe gets only real changes.
        let news = (!self.live.shows_notes()).then(|| fingerprint(&coverages));
        if news.is_some() && news == self.news && notes == self.shown_notes {
            return Ok(ControlFlow::Continue(()));
        }
        let mut next = Vec::new();
        self.options.render(&mut next, &coverages, snapshot).map_err(Error::from)?;
        // A terminal also shows when the screen was updated.
        if news.is_some() && next == self.last && notes == self.shown_notes {
            return Ok(ControlFlow::Continue(()));
        }
        let is_read = draw(|out| self.live.frame(out, &next, &notes, snapshot.as_of, freshness))?;
        if !self.live.shows_notes() {
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
