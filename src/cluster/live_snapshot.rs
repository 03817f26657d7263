//! Keeps a snapshot up to date by applying the changes of all its kinds.

mod events;
mod index;

use futures::StreamExt;
use futures::stream::{self, BoxStream, SelectAll};
use k8s_openapi::api::apps::v1::{ControllerRevision, DaemonSet};
use k8s_openapi::api::core::v1::Event;

use super::access::Access;
use super::api_kind::ApiKind;
use super::query::Scope;
use super::watch::Change;
use crate::error::Error;
use crate::snapshot::{DaemonSetName, EventFields, EventQuery, Known, Node, PodSummary, Snapshot};

use events::EventUpdate;
pub(crate) use events::Events;
use index::UidIndex;
pub(crate) use index::WatchUpdate;

/// The resourceVersions of the lists of a snapshot; `None` for a kind that could not be read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Versions {
    pub(crate) daemon_sets: Option<String>,
    pub(crate) nodes: Option<String>,
    pub(crate) pods: Option<String>,
    pub(crate) revisions: Option<String>,
}

/// The objects to watch: the same as those listed.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    /// The scope of every kind except nodes.
    pub(crate) scope: Scope,
    /// The label selector of the DaemonSets.
    pub(crate) daemon_sets: Option<String>,
    /// The names of the DaemonSets; empty for all.
    pub(crate) names: Vec<DaemonSetName>,
    /// The label selector of the nodes.
    pub(crate) nodes: Option<String>,
    /// The label selector of pods and revisions.
    pub(crate) pods: Option<String>,
}

/// An update of any kind.
enum AnyChange {
    DaemonSet(Box<Change<DaemonSet>>),
    Node(Change<Node>),
    PodSummary(Change<PodSummary>),
    Revision(Change<ControllerRevision>),
    Events(EventUpdate),
}

/// Watches all kinds of a snapshot.
pub(crate) struct SnapshotWatcher {
    changes: SelectAll<BoxStream<'static, Result<AnyChange, Error>>>,
    keep: Box<dyn FnMut(PodSummary) -> Option<PodSummary>>,
    names: Vec<DaemonSetName>,
    scope: Scope,
    daemon_sets: UidIndex,
    nodes: UidIndex,
    pods: UidIndex,
    revisions: UidIndex,
    /// `None` until events are needed.
    events: Option<Events>,
}

impl SnapshotWatcher {
    /// Starts the watches at the resourceVersions of the lists. `keep` must be the filter of the list of pods.
    pub(crate) fn start(
        access: &Access,
        selection: &Selection,
        versions: Versions,
        snapshot: &Snapshot,
        keep: impl FnMut(PodSummary) -> Option<PodSummary> + 'static,
    ) -> Self {
        let Selection { scope, daemon_sets, names, nodes, pods } = selection;
        let changes = [
            watch(access, scope, daemon_sets.as_deref(), versions.daemon_sets, |change| {
                AnyChange::DaemonSet(Box::new(change))
            }),
            watch(access, &Scope::Cluster, nodes.as_deref(), versions.nodes, AnyChange::Node),
            watch(access, scope, pods.as_deref(), versions.pods, AnyChange::PodSummary),
            watch(access, scope, pods.as_deref(), versions.revisions, AnyChange::Revision),
        ];
        Self {
            changes: stream::select_all(changes),
            keep: Box::new(keep),
            names: names.clone(),
            scope: scope.clone(),
            daemon_sets: UidIndex::new(&snapshot.daemon_sets),
            nodes: UidIndex::new(known(&snapshot.nodes)),
            pods: UidIndex::new(known(&snapshot.pods)),
            revisions: UidIndex::new(known(&snapshot.revisions)),
            events: None,
        }
    }

    /// Lists and watches the events that a query selects, unless they are already watched. Returns `true` if it
    /// started: then the events have to be awaited.
    pub(crate) fn watch_events(&mut self, access: &Access, query: impl FnOnce() -> EventQuery) -> bool {
        let watched = self.events.as_ref().map(Events::fields);
        if watched.is_some_and(EventFields::covers_all) {
            return false;
        }
        let Some(needed) = query().fields().filter(|needed| !watched.is_some_and(|fields| fields.covers(*needed)))
        else {
            return false;
        };
        let fields = watched.map_or(needed, |watched| watched.union(needed));
        self.events = Some(Events::start(access, &self.scope, fields));
        true
    }

    /// Whether the first list of the events is still pending.
    pub(crate) fn awaits_events(&self) -> bool {
        self.events.as_ref().is_some_and(Events::is_awaited)
    }

    /// The events, for the next `Follow`: their watch continues while the other kinds are listed again.
    pub(crate) fn into_events(self) -> Option<Events> {
        self.events
    }

    /// Continues with the events of another snapshot, as far as they refer to objects of this one.
    pub(crate) fn resume_events(&mut self, mut events: Events, known: Known<Vec<Event>>, snapshot: &mut Snapshot) {
        events.resume(known, &mut snapshot.events, |uid| self.daemon_sets.has(uid) || self.pods.has(uid));
        self.events = Some(events);
    }

    /// Waits for the next update and applies it to the snapshot.
    ///
    /// # Errors
    /// Any error that a retry cannot fix, such as revoked permissions.
    pub(crate) async fn next(&mut self, snapshot: &mut Snapshot) -> Result<WatchUpdate, Error> {
        let Some(change) = self.receive().await? else {
            return Ok(WatchUpdate::Relist);
        };
        Ok(match change {
            AnyChange::DaemonSet(change) => self.daemon_set(&mut snapshot.daemon_sets, *change),
            AnyChange::Node(change) => self.nodes.apply_known(&mut snapshot.nodes, change, Some),
            AnyChange::PodSummary(change) => self.pod(snapshot, change),
            AnyChange::Revision(change) => self.revisions.apply_known(&mut snapshot.revisions, change, Some),
            AnyChange::Events(news) => {
                let is_ours = |uid: &str| self.daemon_sets.has(uid) || self.pods.has(uid);
                match &mut self.events {
                    Some(events) => events.apply(news, &mut snapshot.events, is_ours),
                    None => WatchUpdate::Quiet,
                }
            }
        })
    }

    async fn receive(&mut self) -> Result<Option<AnyChange>, Error> {
        let Some(events) = &mut self.events else {
            return self.changes.next().await.transpose();
        };
        tokio::select! {
            change = self.changes.next() => change.transpose(),
            news = events.next() => news.map(|news| Some(AnyChange::Events(news))),
        }
    }

    /// Applies an update of a pod, and adds or removes the pod's events.
    fn pod(&mut self, snapshot: &mut Snapshot, change: Change<PodSummary>) -> WatchUpdate {
        let Some(events) = &mut self.events else {
            return self.pods.apply_known(&mut snapshot.pods, change, &mut self.keep);
        };
        let uid = match &change {
            Change::Added(pod) | Change::Modified(pod) | Change::Deleted(pod) => Some(pod.metadata.uid.clone()),
            Change::Bookmark | Change::Interrupted(_) | Change::Relist => None,
        };
        let step = self.pods.apply_known(&mut snapshot.pods, change, &mut self.keep);
        match uid {
            Some(uid) if self.pods.has(&uid) => events.welcome(&uid, &mut snapshot.events),
            Some(uid) => events.forget(&uid, &mut snapshot.events),
            None => {}
        }
        step
    }

    /// Applies an update of a DaemonSet. The pods of a new one were not listed; one that was not requested is ignored.
    fn daemon_set(&mut self, daemon_sets: &mut Vec<DaemonSet>, change: Change<DaemonSet>) -> WatchUpdate {
        let is_eligible = |daemon_set: &DaemonSet| {
            self.names.is_empty() || self.names.iter().any(|wanted| wanted.matches(daemon_set))
        };
        match change {
            Change::Added(daemon_set) if is_eligible(&daemon_set) => WatchUpdate::Relist,
            Change::Added(_) => WatchUpdate::Quiet,
            Change::Modified(daemon_set) if !is_eligible(&daemon_set) => WatchUpdate::Quiet,
            change => self.daemon_sets.apply(daemon_sets, change, Some),
        }
    }
}

/// Watches one kind; an endless pending stream if it could not be listed.
fn watch<T: ApiKind>(
    access: &Access,
    scope: &Scope,
    labels: Option<&str>,
    version: Option<String>,
    wrap: fn(Change<T>) -> AnyChange,
) -> BoxStream<'static, Result<AnyChange, Error>> {
    let Some(version) = version else {
        return stream::pending().boxed();
    };
    access.watch::<T>(scope, labels, None, version).map(move |change| change.map(wrap)).boxed()
}

fn known<T>(items: &Known<Vec<T>>) -> &[T] {
    items.known().map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::objects;

    fn pod(uid: &str, name: &str) -> PodSummary {
        objects::pod("ns", name, json!({ "metadata": { "uid": uid } }))
    }

    #[test]
    fn changes_apply_by_uid_after_removals() {
        let mut pods = vec![pod("1", "a"), pod("2", "b"), pod("3", "c")];
        let mut places = UidIndex::new(&pods);
        let mut apply = |change| places.apply(&mut pods, change, Some);
        assert!(matches!(apply(Change::Deleted(pod("1", "a"))), WatchUpdate::Changed));
        assert!(matches!(apply(Change::Modified(pod("3", "c2"))), WatchUpdate::Changed));
        assert!(matches!(apply(Change::Added(pod("4", "d"))), WatchUpdate::Changed));
        assert!(matches!(apply(Change::Deleted(pod("1", "a"))), WatchUpdate::Quiet));
        assert!(matches!(apply(Change::Modified(pod("2", "b2"))), WatchUpdate::Changed));
        let names: Vec<&str> = pods.iter().map(|pod| pod.metadata.name.as_str()).collect();
        assert_eq!(names, ["c2", "b2", "d"]);
    }

    #[test]
    fn object_dropped_by_filter_is_removed() {
        let mut pods = vec![pod("1", "a")];
        let mut places = UidIndex::new(&pods);
        assert!(matches!(places.apply(&mut pods, Change::Modified(pod("1", "a")), |_| None), WatchUpdate::Changed));
        assert!(pods.is_empty());
    }
}
