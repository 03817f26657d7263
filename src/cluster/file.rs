//! `--from`: a saved cluster in the place of a live one.
//!
//! Read is what `kubectl get nodes,daemonsets,pods,events,controllerrevisions -A -o yaml` (or json) prints, several
//! documents in a file, single objects, and the tree of `kubectl cluster-info dump --output-directory`.

mod culprit;
mod event_v1;
mod objects;
mod read;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{ControllerRevision, DaemonSet};
use k8s_openapi::api::core::v1::{Event, Namespace};

use crate::snapshot::event::last_seen;
use crate::snapshot::full_pod::FullPod;
use crate::snapshot::{Known, Node, Pod};

pub(crate) use objects::Objects;
pub(crate) use read::{HINT, read};

/// How much is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Detail {
    /// What tells where daemon pods are.
    #[default]
    Placement,
    /// Besides, all that a scheduler and the API server's admission look at.
    Scheduling,
}

/// What the files hold, each object once: the last one read counts.
#[derive(Debug, Default)]
pub(crate) struct SavedCluster {
    detail: Detail,
    daemon_sets: Kind<DaemonSet>,
    nodes: Kind<Node>,
    pods: Kind<Pod>,
    revisions: Kind<ControllerRevision>,
    events: Kind<Event>,
    namespaces: Kind<Namespace>,
    full_pods: Kind<FullPod>,
    objects: Objects,
    /// How many objects of kinds that nothing here reads.
    others: usize,
    newest: Option<Timestamp>,
}

/// The objects of one kind.
#[derive(Debug)]
struct Kind<T> {
    objects: Vec<T>,
    /// Where each namespace and name stands in `objects`.
    places: HashMap<(String, String), usize>,
    /// Whether the files speak of this kind at all, be it by an empty list.
    is_there: bool,
}

impl<T> Default for Kind<T> {
    fn default() -> Self {
        Self { objects: Vec::new(), places: HashMap::new(), is_there: false }
    }
}

impl<T> Kind<T> {
    fn put(&mut self, namespace: &str, name: &str, object: T) {
        self.is_there = true;
        match self.places.entry((namespace.to_owned(), name.to_owned())) {
            std::collections::hash_map::Entry::Occupied(place) => self.objects[*place.get()] = object,
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(self.objects.len());
                self.objects.push(object);
            }
        }
    }

    /// The objects, or that the files hold none.
    fn known(self, plural: &str) -> Known<Vec<T>> {
        match self.is_there {
            true => Known::Known(self.objects),
            false => Known::Unknown(format!("the files hold no {plural}")),
        }
    }
}

/// A saved cluster, taken apart.
#[derive(Debug)]
pub(crate) struct Facts {
    /// All DaemonSets.
    pub(crate) daemon_sets: Known<Vec<DaemonSet>>,
    /// All nodes.
    pub(crate) nodes: Known<Vec<Node>>,
    /// All pods.
    pub(crate) pods: Known<Vec<Pod>>,
    /// All revisions.
    pub(crate) revisions: Known<Vec<ControllerRevision>>,
    /// All events.
    pub(crate) events: Known<Vec<Event>>,
    /// All namespaces.
    pub(crate) namespaces: Known<Vec<Namespace>>,
    /// All pods with all that a scheduler reads; only with [`Detail::Scheduling`].
    pub(crate) full_pods: Known<Vec<FullPod>>,
    /// Objects of the kinds that only scheduling and admission read; only with [`Detail::Scheduling`].
    pub(crate) objects: Objects,
    /// How many objects were of other kinds.
    pub(crate) others: usize,
    /// The newest instant on record: the moment at which the cluster was saved, as nearly as the files tell.
    pub(crate) as_of: Option<Timestamp>,
}

impl Default for Facts {
    fn default() -> Self {
        SavedCluster::default().into_facts()
    }
}

impl SavedCluster {
    /// Gives the facts away.
    pub(crate) fn into_facts(self) -> Facts {
        Facts {
            daemon_sets: self.daemon_sets.known("DaemonSets"),
            nodes: self.nodes.known("nodes"),
            pods: self.pods.known("pods"),
            revisions: self.revisions.known("ControllerRevisions"),
            events: self.events.known("events"),
            namespaces: self.namespaces.known("namespaces"),
            full_pods: self.full_pods.known("pods"),
            objects: self.objects,
            others: self.others,
            as_of: self.newest,
        }
    }

    fn saw(&mut self, instants: impl IntoIterator<Item = Option<Timestamp>>) {
        let newest = instants.into_iter().flatten().max();
        self.newest = self.newest.max(newest);
    }

    fn put_node(&mut self, node: Node) {
        let conditions = node.status.conditions.iter();
        let beats = conditions.flat_map(|condition| [condition.last_heartbeat_time, condition.last_transition_time]);
        self.saw(beats.chain([node.metadata.creation_timestamp]).map(instant).collect::<Vec<_>>());
        let name = node.metadata.name.clone();
        self.nodes.put("", &name, node);
    }

    fn put_pod(&mut self, pod: Pod) {
        let transitions = pod.status.conditions.iter().map(|condition| condition.last_transition_time);
        let states = pod.status.container_statuses.iter().filter_map(|status| status.state.as_ref());
        let containers = states.flat_map(|state| {
            let started = state.running.as_ref().and_then(|running| running.started_at);
            let finished = state.terminated.as_ref().and_then(|terminated| terminated.finished_at);
            [started, finished]
        });
        let all = transitions.chain(containers).chain([pod.metadata.creation_timestamp]);
        self.saw(all.map(instant).collect::<Vec<_>>());
        let (namespace, name) = (pod.metadata.namespace.clone(), pod.metadata.name.clone());
        self.pods.put(&namespace, &name, pod);
    }

    fn put_full_pod(&mut self, pod: FullPod) {
        self.put_pod(pod.trimmed());
        let (namespace, name) = (pod.metadata.namespace.clone(), pod.metadata.name.clone());
        self.full_pods.put(&namespace, &name, pod);
    }

    fn put_event(&mut self, event: Event) {
        self.saw([last_seen(&event)]);
        let (namespace, name) = names(&event.metadata);
        self.events.put(&namespace, &name, event);
    }

    fn put_daemon_set(&mut self, daemon_set: DaemonSet) {
        self.saw([daemon_set.metadata.creation_timestamp.as_ref().map(|time| time.0)]);
        let (namespace, name) = names(&daemon_set.metadata);
        self.daemon_sets.put(&namespace, &name, daemon_set);
    }

    fn put_revision(&mut self, revision: ControllerRevision) {
        self.saw([revision.metadata.creation_timestamp.as_ref().map(|time| time.0)]);
        let (namespace, name) = names(&revision.metadata);
        self.revisions.put(&namespace, &name, revision);
    }

    fn put_namespace(&mut self, namespace: Namespace) {
        let (_, name) = names(&namespace.metadata);
        self.namespaces.put("", &name, namespace);
    }
}

fn instant(time: Option<crate::snapshot::Time>) -> Option<Timestamp> {
    time.map(crate::snapshot::Time::timestamp)
}

fn names(metadata: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta) -> (String, String) {
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    (text(&metadata.namespace), text(&metadata.name))
}
