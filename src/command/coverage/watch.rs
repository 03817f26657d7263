//! `coverage --watch`: redraws on change.

use std::ops::ControlFlow;
use std::process::ExitCode;

use super::policy::Policy;
use crate::cluster::connect::Access;
use crate::command::load::Request;
use crate::command::print;
use crate::command::watching::{self, View, connection_lost};
use crate::coverage::{cover, fingerprint};
use crate::error::Error;
use crate::render::terminal::{self, Redraw};
use crate::snapshot::{EventQuery, Snapshot};

/// Draws, waits for changes, draws again, until it is interrupted or nobody reads any more.
pub(super) async fn watch(access: &Access, request: &Request, policy: &Policy) -> Result<ExitCode, Error> {
    let mut screen = Screen { policy, redraw: terminal::redraw(), last: Vec::new(), news: None, said: Vec::new() };
    watching::watch(access, request, &mut screen).await
}

struct Screen<'p> {
    policy: &'p Policy,
    redraw: Redraw,
    last: Vec<u8>,
    /// The fingerprint of what was written last, where that is for a program.
    news: Option<u64>,
    /// What stood beside the last drawing.
    said: Vec<String>,
}

impl View for Screen<'_> {
    fn event_query(&self, snapshot: &Snapshot) -> EventQuery {
        super::event_query(snapshot)
    }

    /// Draws, if there is anything new to see.
    fn show(&mut self, snapshot: &Snapshot, trouble: Option<&str>) -> Result<ControlFlow<ExitCode>, Error> {
        let coverages = cover(snapshot);
        let trouble = trouble.map(connection_lost);
        let empty = snapshot.daemon_sets.is_empty().then(|| "no DaemonSet is there to be shown".to_owned());
        let remarks: Vec<String> = snapshot.gaps().into_iter().chain(empty).chain(trouble).collect();
        // A person sees ages grow; a program is told only what is new.
        let news = (!self.redraw.shows_remarks()).then(|| fingerprint(&coverages));
        if news.is_some() && news == self.news && remarks == self.said {
            return Ok(ControlFlow::Continue(()));
        }
        let mut next = Vec::new();
        self.policy.render(&mut next, &coverages, snapshot).map_err(Error::Output)?;
        if next == self.last && remarks == self.said && !self.redraw.is_resized() {
            return Ok(ControlFlow::Continue(()));
        }
        let is_read = print(|out| self.redraw.frame(out, &next, &remarks))?;
        if !self.redraw.shows_remarks() {
            remarks.iter().filter(|remark| !self.said.contains(remark)).for_each(|remark| terminal::note(remark));
        }
        self.last = next;
        self.news = news;
        self.said = remarks;
        Ok(if is_read { ControlFlow::Continue(()) } else { ControlFlow::Break(ExitCode::SUCCESS) })
    }
}
