//! Keeps a snapshot up to date: the changes of all that it was made of, put into their places.

mod events;

use std::collections::HashMap;

use futures::StreamExt;
use futures::stream::{self, BoxStream, SelectAll};
use k8s_openapi::api::apps::v1::{ControllerRevision, DaemonSet};
use k8s_openapi::api::core::v1::Event;

use super::connect::Access;
use super::list::Scope;
use super::watch::{ApiKind, Change};
use crate::error::Error;
use crate::snapshot::{EventFields, EventQuery, Known, Node, PodSummary, Snapshot};

use events::EventUpdate;
pub(crate) use events::Events;

/// The moments of the lists that a snapshot was made of; none for what could not be read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Versions {
    /// Of the DaemonSets.
    pub(crate) daemon_sets: Option<String>,
    /// Of the nodes.
    pub(crate) nodes: Option<String>,
    /// Of the pods.
    pub(crate) pods: Option<String>,
    /// Of the revisions.
    pub(crate) revisions: Option<String>,
}

/// What to follow: the same that was listed.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    /// Of everything but nodes.
    pub(crate) scope: Scope,
    /// Labels of the DaemonSets.
    pub(crate) daemon_sets: Option<String>,
    /// Names of the DaemonSets; empty for all.
    pub(crate) names: Vec<String>,
    /// Labels of the nodes.
    pub(crate) nodes: Option<String>,
    /// Labels of pods and revisions.
    pub(crate) pods: Option<String>,
}

/// What became of the snapshot.
#[derive(Debug)]
pub(crate) enum WatchUpdate {
    /// It holds something new.
    Changed,
    /// Nothing new; the connection stands.
    Quiet,
    /// A connection is lost, and is being taken up again.
    Interrupted(Error),
    /// Changes were missed, or other pods than those listed matter now: list anew.
    Relist,
}

/// One change of any kind.
enum AnyChange {
    DaemonSet(Box<Change<DaemonSet>>),
    Node(Change<Node>),
    PodSummary(Change<PodSummary>),
    Revision(Change<ControllerRevision>),
    Events(EventUpdate),
}

/// The changes of a snapshot.
pub(crate) struct SnapshotWatcher {
    changes: SelectAll<BoxStream<'static, Result<AnyChange, Error>>>,
    keep: Box<dyn FnMut(PodSummary) -> Option<PodSummary>>,
    names: Vec<String>,
    scope: Scope,
    daemon_sets: UidIndex,
    nodes: UidIndex,
    pods: UidIndex,
    revisions: UidIndex,
    /// None as long as nobody wants them.
    events: Option<Events>,
}

impl SnapshotWatcher {
    /// Follows the snapshot from the moments of its lists. `keep` is what the pods were listed with.
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

    /// Lists and watches the events that a query needs, unless what is watched already covers them. Tells whether it
    /// began to: then they are awaited.
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

    /// Whether events are to come of which nothing is known yet.
    pub(crate) fn awaits_events(&self) -> bool {
        self.events.as_ref().is_some_and(Events::is_awaited)
    }

    /// Gives the events to whoever follows next: their watch goes on where others have to begin anew.
    pub(crate) fn into_events(self) -> Option<Events> {
        self.events
    }

    /// Goes on with the events of another snapshot: those that are about what this one holds.
    pub(crate) fn resume_events(&mut self, mut events: Events, known: Known<Vec<Event>>, snapshot: &mut Snapshot) {
        events.resume(known, &mut snapshot.events, |uid| self.daemon_sets.has(uid) || self.pods.has(uid));
        self.events = Some(events);
    }

    /// Waits for the next change and puts it into the snapshot.
    ///
    /// # Errors
    /// What will not pass by itself, such as rights that were taken away.
    pub(crate) async fn next(&mut self, snapshot: &mut Snapshot) -> Result<WatchUpdate, Error> {
        let Some(change) = self.hear().await? else {
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

    async fn hear(&mut self) -> Result<Option<AnyChange>, Error> {
        let Some(events) = &mut self.events else {
            return self.changes.next().await.transpose();
        };
        tokio::select! {
            change = self.changes.next() => change.transpose(),
            news = events.next() => news.map(|news| Some(AnyChange::Events(news))),
        }
    }

    /// Its events come and go with a pod.
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

    /// A new DaemonSet has pods that nobody listed; one that was not asked for is none of ours.
    fn daemon_set(&mut self, daemon_sets: &mut Vec<DaemonSet>, change: Change<DaemonSet>) -> WatchUpdate {
        let is_eligible = |daemon_set: &DaemonSet| {
            let name = daemon_set.metadata.name.as_deref().unwrap_or_default();
            self.names.is_empty() || self.names.iter().any(|wanted| wanted == name)
        };
        match change {
            Change::Added(daemon_set) if is_eligible(&daemon_set) => WatchUpdate::Relist,
            Change::Added(_) => WatchUpdate::Quiet,
            Change::Modified(daemon_set) if !is_eligible(&daemon_set) => WatchUpdate::Quiet,
            change => self.daemon_sets.apply(daemon_sets, change, Some),
        }
    }
}

/// The changes of one kind; none of what could not be listed.
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

/// What tells objects apart.
trait Identified {
    fn uid(&self) -> &str;
}

impl Identified for Node {
    fn uid(&self) -> &str {
        &self.metadata.uid
    }
}

impl Identified for PodSummary {
    fn uid(&self) -> &str {
        &self.metadata.uid
    }
}

impl Identified for DaemonSet {
    fn uid(&self) -> &str {
        self.metadata.uid.as_deref().unwrap_or_default()
    }
}

impl Identified for ControllerRevision {
    fn uid(&self) -> &str {
        self.metadata.uid.as_deref().unwrap_or_default()
    }
}

/// Where each object stands, by its uid.
struct UidIndex(HashMap<String, usize>);

impl UidIndex {
    fn new<T: Identified>(items: &[T]) -> Self {
        Self(items.iter().enumerate().map(|(place, item)| (item.uid().to_owned(), place)).collect())
    }

    fn has(&self, uid: &str) -> bool {
        self.0.contains_key(uid)
    }

    fn apply_known<T: Identified>(
        &mut self,
        items: &mut Known<Vec<T>>,
        change: Change<T>,
        keep: impl FnMut(T) -> Option<T>,
    ) -> WatchUpdate {
        match items {
            Known::Known(items) => self.apply(items, change, keep),
            Known::Unknown(_) => WatchUpdate::Quiet,
        }
    }

    fn apply<T: Identified>(
        &mut self,
        items: &mut Vec<T>,
        change: Change<T>,
        mut keep: impl FnMut(T) -> Option<T>,
    ) -> WatchUpdate {
        match change {
            Change::Added(item) | Change::Modified(item) => {
                let uid = item.uid().to_owned();
                match keep(item) {
                    Some(item) => self.put(items, uid, item),
                    None => self.remove(items, &uid),
                }
            }
            Change::Deleted(item) => self.remove(items, item.uid()),
            Change::Bookmark => WatchUpdate::Quiet,
            Change::Interrupted(error) => WatchUpdate::Interrupted(error),
            Change::Relist => WatchUpdate::Relist,
        }
    }

    fn put<T>(&mut self, items: &mut Vec<T>, uid: String, item: T) -> WatchUpdate {
        match self.0.get(&uid) {
            Some(&place) => items[place] = item,
            None => {
                self.0.insert(uid, items.len());
                items.push(item);
            }
        }
        WatchUpdate::Changed
    }

    fn remove<T: Identified>(&mut self, items: &mut Vec<T>, uid: &str) -> WatchUpdate {
        let Some(place) = self.0.remove(uid) else {
            return WatchUpdate::Quiet;
        };
        items.swap_remove(place);
        if let Some(moved) = items.get(place) {
            self.0.insert(moved.uid().to_owned(), place);
        }
        WatchUpdate::Changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(uid: &str, name: &str) -> PodSummary {
        let mut pod = PodSummary::default();
        pod.metadata.uid = uid.into();
        pod.metadata.name = name.into();
        pod
    }

    #[test]
    fn changes_find_their_places_whatever_was_removed_before() {
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
    fn an_object_that_is_no_longer_wanted_goes() {
        let mut pods = vec![pod("1", "a")];
        let mut places = UidIndex::new(&pods);
        assert!(matches!(places.apply(&mut pods, Change::Modified(pod("1", "a")), |_| None), WatchUpdate::Changed));
        assert!(pods.is_empty());
    }
}
