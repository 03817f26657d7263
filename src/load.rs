//! Loads snapshots for the commands, from a live cluster ([`live`]) or a saved one (`saved`).
//!
//! [`Source::snapshot`] loads nodes, DaemonSets, their pods and revisions. `history` loads one DaemonSet without nodes;
//! [`node`] loads everything about one node, [`predict`] the pods that the API server would create there, and [`objects`]
//! the objects that only some of these pods need.

mod history;
pub(crate) mod live;
pub(crate) mod node;
pub(crate) mod objects;
pub(crate) mod predict;
mod request;
mod saved;
mod selection;

use std::path::PathBuf;

use crate::cluster::access::{Access, AccessOptions};
use crate::cluster::connect::connect;
use crate::cluster::file::{self, Detail};
use crate::error::Error;
use crate::render::terminal;
use crate::snapshot::{EventQuery, Known, Snapshot};

pub(crate) use request::Request;
pub(crate) use selection::{parse_selector, resolve_nodes};

/// The source of the objects.
pub(crate) enum Source {
    /// An API server.
    Live(Box<Access>),
    /// The files of a saved cluster.
    Saved(Box<file::SavedObjects>),
}

/// Reads the files, or connects to the cluster.
///
/// # Errors
/// A file cannot be read, or the connection cannot be set up.
pub(crate) async fn open(from: &[PathBuf], access: &AccessOptions, detail: Detail) -> Result<Source, Error> {
    if from.is_empty() {
        let access = connect(access).await?;
        if let Some(warning) = access.warning() {
            terminal::note(warning);
        }
        return Ok(Source::Live(Box::new(access)));
    }
    let cluster_objects = file::read(from, detail)?.into_objects();
    for note in &cluster_objects.notes {
        terminal::note(note);
    }
    Ok(Source::Saved(Box::new(cluster_objects)))
}

impl Source {
    /// The namespace to use if none is given: the context's, or all of a saved cluster.
    pub(crate) fn default_namespace(&self) -> Option<String> {
        match self {
            Self::Live(access) => Some(access.namespace().to_owned()),
            Self::Saved(_) => None,
        }
    }

    /// Describes the scope of a request.
    pub(crate) fn place(&self, request: &Request) -> String {
        match (self, &request.namespace) {
            (Self::Live(access), _) => live::place(access, request),
            (Self::Saved(_), Some(namespace)) => format!("namespace {namespace:?} of the saved cluster"),
            (Self::Saved(_), None) => "the saved cluster".into(),
        }
    }

    /// The note for a request that selects no DaemonSet.
    pub(crate) fn none_found(&self, request: &Request) -> String {
        let selector = request.selector.as_ref().map(|selector| format!(" match {selector:?}"));
        format!("no DaemonSets{} in {}", selector.as_deref().unwrap_or(" found"), self.place(request))
    }

    /// Loads a snapshot, with only those events that `event_query` selects.
    ///
    /// # Errors
    /// Required objects cannot be read. Other objects become unknown in the snapshot.
    pub(crate) async fn snapshot(
        &mut self,
        request: &Request,
        event_query: impl Fn(&Snapshot) -> EventQuery,
    ) -> Result<Snapshot, Error> {
        let place = self.place(request);
        match self {
            Self::Live(access) => {
                let mut snapshot = live::load(access, request).await?.snapshot;
                snapshot.events = live::events(access, &live::scope(request), &event_query(&snapshot)).await?;
                Ok(snapshot)
            }
            Self::Saved(cluster_objects) => {
                let mut snapshot = saved::saved(std::mem::take(&mut **cluster_objects), request, &place)?;
                let events = std::mem::replace(&mut snapshot.events, Known::Known(Vec::new()));
                snapshot.events = event_query(&snapshot).select(events);
                Ok(snapshot)
            }
        }
    }
}
