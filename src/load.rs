//! Facts for a command: from a live cluster or a saved one.

mod history;
pub(crate) mod live;
pub(crate) mod node;
pub(crate) mod objects;
pub(crate) mod predict;
mod saved;
mod selection;

use std::path::PathBuf;

use crate::cluster::connect::{Access, AccessOptions, connect};
use crate::cluster::file::{self, Detail};
use crate::error::Error;
use crate::render::terminal;
use crate::snapshot::{EventQuery, Known, Snapshot};

pub(crate) use selection::{parse_selector, resolve_nodes};

/// Where the facts are.
pub(crate) enum Source {
    /// A cluster that answers.
    Live(Box<Access>),
    /// Files.
    Saved(Box<file::SavedObjects>),
}

/// Which facts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    /// Only this namespace; none for all.
    pub(crate) namespace: Option<String>,
    /// Only DaemonSets of these names; empty for all.
    pub(crate) names: Vec<String>,
    /// Only DaemonSets with these labels.
    pub(crate) selector: Option<String>,
    /// Only nodes with these labels.
    pub(crate) nodes: Option<String>,
}

/// Opens the files, or finds the cluster.
///
/// # Errors
/// What is wrong with the files, or with the way to the cluster.
pub(crate) async fn open(from: &[PathBuf], access: &AccessOptions, detail: Detail) -> Result<Source, Error> {
    if from.is_empty() {
        let access = connect(access).await?;
        if let Some(warning) = access.warning() {
            terminal::note(warning);
        }
        return Ok(Source::Live(Box::new(access)));
    }
    let facts = file::read(from, detail)?.into_facts();
    for note in &facts.notes {
        terminal::note(note);
    }
    Ok(Source::Saved(Box::new(facts)))
}

impl Source {
    /// The namespace to look in when none is asked for: that of the context, or all of a saved cluster.
    pub(crate) fn default_namespace(&self) -> Option<String> {
        match self {
            Self::Live(access) => Some(access.namespace().to_owned()),
            Self::Saved(_) => None,
        }
    }

    /// Where a request looks, in words.
    pub(crate) fn place(&self, request: &Request) -> String {
        match (self, &request.namespace) {
            (Self::Live(access), _) => live::place(access, request),
            (Self::Saved(_), Some(namespace)) => format!("namespace {namespace:?} of the saved cluster"),
            (Self::Saved(_), None) => "the saved cluster".into(),
        }
    }

    /// Loads the facts, with those events that `event_query` needs, and no others.
    ///
    /// # Errors
    /// What is needed and cannot be read. The rest is marked as unknown in the snapshot.
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
            Self::Saved(facts) => {
                let mut snapshot = saved::saved(std::mem::take(&mut **facts), request, &place)?;
                let events = std::mem::replace(&mut snapshot.events, Known::Known(Vec::new()));
                snapshot.events = event_query(&snapshot).select(events);
                Ok(snapshot)
            }
        }
    }
}
