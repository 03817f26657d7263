//! Loads snapshots for the commands, from a live cluster ([`live`]) or a saved one (`saved`).
//!
//! [`Source::snapshot`] loads nodes, DaemonSets, their pods and revisions. `history` loads one DaemonSet without nodes;
//! [`node`] loads everything about one node, [`predict`] the pods that the API server would create there, and [`objects`]
//! the objects that only some of these pods need. [`doctor`] reads the facts of `kubectl ds doctor`, without a snapshot.

pub(crate) mod desired;
pub(crate) mod doctor;
mod history;
pub(crate) mod live;
pub(crate) mod logs;
pub(crate) mod node;
pub(crate) mod objects;
pub(crate) mod predict;
mod request;
mod saved;
mod selection;
pub(crate) mod world;

use std::path::PathBuf;

use crate::cluster::access::{Access, AccessOptions};
use crate::cluster::connect::connect;
use crate::cluster::file::{self, Detail};
use crate::error::Error;
use crate::program;
use crate::render::terminal;
use crate::render::text::pluralize;
use crate::snapshot::{EventQuery, Known, Snapshot};

pub(crate) use request::Request;
pub(crate) use selection::{full_node_names, hint, parse_selector, resolve_nodes};

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
    if from.iter().any(|source| file::demo::is_selected(source)) {
        program::use_sample();
    }
    let cluster_objects = file::read(from, detail)?.into_objects();
    for note in &cluster_objects.notes {
        terminal::note(note);
    }
    Ok(Source::Saved(Box::new(cluster_objects)))
}

impl Source {
    /// The same source for another question: a saved cluster gives its objects away. Connections are shared.
    pub(crate) fn duplicate(&self) -> Self {
        match self {
            Self::Live(access) => Self::Live(access.clone()),
            Self::Saved(cluster_objects) => Self::Saved(cluster_objects.clone()),
        }
    }

    /// The namespace to use if none is given: the context's, or all of a saved cluster.
    pub(crate) fn default_namespace(&self) -> Option<String> {
        match self {
            Self::Live(access) => Some(access.namespace().to_owned()),
            Self::Saved(_) => None,
        }
    }

    /// Describes a namespace, or all of the cluster, for what was not found.
    fn place(&self, namespace: Option<&str>) -> String {
        match self {
            Self::Live(access) => live::place(access, namespace),
            Self::Saved(_) => saved::place(namespace),
        }
    }

    /// Describes a namespace, or all of the cluster, after `in`.
    pub(crate) fn scope_in_words(&self, namespace: Option<&str>) -> String {
        match (self, namespace) {
            (Self::Live(access), None) => format!("all namespaces ({})", live::cluster(access)),
            _ => self.place(namespace),
        }
    }

    /// The note for a request that selects no DaemonSet.
    pub(crate) async fn none_found(&self, request: &Request) -> String {
        let selector = request.selector.as_ref().map(|selector| format!(" match {selector:?}"));
        let selector = selector.as_deref().unwrap_or(" found");
        let namespace = request.namespace.as_deref();
        let (place, elsewhere) = match self {
            Self::Live(access) => {
                let is_part = request.selector.is_none() && namespace.is_some();
                let all = if is_part { live::number_in_all_namespaces(access).await } else { None };
                (live::place(access, namespace), all.filter(|all| *all > 0))
            }
            Self::Saved(_) => (saved::place(namespace), None),
        };
        let elsewhere = elsewhere.map(|all| format!("; {} in other namespaces: pass -A", pluralize(all, "DaemonSet")));
        format!("no DaemonSets{selector} in {place}{}", elsewhere.unwrap_or_default())
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
        match self {
            Self::Live(access) => {
                live::load_with_events(access, request, event_query).await.map(|loaded| loaded.snapshot)
            }
            Self::Saved(cluster_objects) => {
                let mut snapshot = saved::saved(std::mem::take(&mut **cluster_objects), request)?;
                let events = std::mem::replace(&mut snapshot.events, Known::Known(Vec::new()));
                snapshot.events = event_query(&snapshot).select(events);
                Ok(snapshot)
            }
        }
    }
}
