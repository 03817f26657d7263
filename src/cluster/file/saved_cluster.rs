//! What the files contain.

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{ControllerRevision, DaemonSet};
use k8s_openapi::api::core::v1::{Event, Namespace};

use crate::snapshot::event::{kubelet_node, last_seen};
use crate::snapshot::pod::Pod;
use crate::snapshot::saved::SavedNamespaces;
use crate::snapshot::{Known, Node, PodSummary};

use super::kind_objects::Kind;
use super::objects::Objects;
use super::save_time::SaveTime;

/// The kinds and fields to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Only what coverage and rollouts need.
    #[default]
    Placement,
    /// Also everything that the scheduler and the API server's admission read.
    Scheduling,
}

/// The objects of the files. If an object occurs several times, the last one is used.
#[derive(Debug, Default)]
pub(crate) struct SavedCluster {
    pub(super) detail: Detail,
    pub(super) daemon_sets: Kind<DaemonSet>,
    pub(super) nodes: Kind<Node>,
    pub(super) pods: Kind<PodSummary>,
    pub(super) revisions: Kind<ControllerRevision>,
    pub(super) events: Kind<Event>,
    pub(super) namespaces: Kind<Namespace>,
    pub(super) scheduling_pods: Kind<Pod>,
    pub(super) objects: Objects,
    /// The number of objects of unsupported kinds.
    pub(super) others: usize,
    pub(super) times: SaveTime,
    /// The namespaces that the files cover.
    pub(super) saved: SavedNamespaces,
    /// The number of invalid timestamps.
    pub(super) bad_times: usize,
    /// Notes on skipped files.
    pub(super) notes: Vec<String>,
}

/// The objects of a saved cluster by kind.
#[derive(Clone, Debug)]
pub(crate) struct SavedObjects {
    pub(crate) daemon_sets: Known<Vec<DaemonSet>>,
    pub(crate) nodes: Known<Vec<Node>>,
    pub(crate) pods: Known<Vec<PodSummary>>,
    pub(crate) revisions: Known<Vec<ControllerRevision>>,
    pub(crate) events: Known<Vec<Event>>,
    pub(crate) namespaces: Known<Vec<Namespace>>,
    /// The pods with every field that the scheduler reads; only with [`Detail::Scheduling`].
    pub(crate) scheduling_pods: Known<Vec<Pod>>,
    /// Objects of the kinds that only scheduling and admission read; only with [`Detail::Scheduling`].
    pub(crate) objects: Objects,
    /// The number of objects of other kinds.
    pub(crate) others: usize,
    /// The namespaces that the files cover.
    pub(crate) saved: SavedNamespaces,
    /// Notes on skipped files, one sentence each.
    pub(crate) notes: Vec<String>,
    /// The time when the cluster was saved, as far as the times in the files tell.
    pub(crate) as_of: Option<Timestamp>,
}

impl Default for SavedObjects {
    fn default() -> Self {
        SavedCluster::default().into_objects()
    }
}

impl SavedCluster {
    /// Converts the cluster to objects by kind.
    pub(crate) fn into_objects(self) -> SavedObjects {
        let mut notes = self.notes;
        match self.bad_times {
            0 => {}
            1 => notes.push("ignored 1 invalid timestamp in the files".into()),
            several => notes.push(format!("ignored {several} invalid timestamps in the files")),
        }
        let (as_of, clocks) = self.times.resolve();
        notes.extend(clocks);
        SavedObjects {
            notes,
            saved: self.saved,
            daemon_sets: self.daemon_sets.known("DaemonSets"),
            nodes: self.nodes.known("nodes"),
            pods: self.pods.known("pods"),
            revisions: self.revisions.known("ControllerRevisions"),
            events: self.events.known("events"),
            namespaces: self.namespaces.known("namespaces"),
            scheduling_pods: self.scheduling_pods.known("pods"),
            objects: self.objects,
            others: self.others,
            as_of,
        }
    }

    /// Records that objects of this kind are missing.
    pub(super) fn lose(&mut self, kind: &str, why: &str) {
        match kind {
            "Node" => self.nodes.lose(why),
            "Pod" => {
                self.pods.lose(why);
                self.scheduling_pods.lose(why);
            }
            "DaemonSet" => self.daemon_sets.lose(why),
            "ControllerRevision" => self.revisions.lose(why),
            "Event" => self.events.lose(why),
            "Namespace" => self.namespaces.lose(why),
            other => {
                if let Some(kind) = Objects::kept(other) {
                    self.objects.lose(kind, why);
                }
            }
        }
    }

    pub(super) fn put_node(&mut self, node: Node) {
        self.times.saw_node(&node);
        let name = node.metadata.name.clone();
        self.nodes.put("", &name, node);
    }

    pub(super) fn put_pod(&mut self, pod: PodSummary) {
        self.times.saw_pod(&pod);
        let (namespace, name) = (pod.metadata.namespace.clone(), pod.metadata.name.clone());
        self.saved.saw("Pod", &namespace);
        self.pods.put(&namespace, &name, pod);
    }

    pub(super) fn put_full_pod(&mut self, pod: Pod) {
        self.put_pod(pod.summary());
        let (namespace, name) = (pod.metadata.namespace.clone(), pod.metadata.name.clone());
        self.scheduling_pods.put(&namespace, &name, pod);
    }

    pub(super) fn put_event(&mut self, event: Event) {
        match kubelet_node(&event) {
            Some(node) => self.times.saw_of_kubelet(node, last_seen(&event)),
            None => self.times.saw(last_seen(&event)),
        }
        let (namespace, name) = names(&event.metadata);
        self.saved.saw("Event", &namespace);
        self.events.put(&namespace, &name, event);
    }

    pub(super) fn put_daemon_set(&mut self, daemon_set: DaemonSet) {
        self.times.saw(daemon_set.metadata.creation_timestamp.as_ref().map(|time| time.0));
        let (namespace, name) = names(&daemon_set.metadata);
        self.saved.saw("DaemonSet", &namespace);
        self.daemon_sets.put(&namespace, &name, daemon_set);
    }

    pub(super) fn put_revision(&mut self, revision: ControllerRevision) {
        self.times.saw(revision.metadata.creation_timestamp.as_ref().map(|time| time.0));
        let (namespace, name) = names(&revision.metadata);
        self.saved.saw("ControllerRevision", &namespace);
        self.revisions.put(&namespace, &name, revision);
    }

    pub(super) fn put_namespace(&mut self, namespace: Namespace) {
        let (_, name) = names(&namespace.metadata);
        self.saved.saw_namespace(&name);
        self.namespaces.put("", &name, namespace);
    }
}

fn names(metadata: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta) -> (String, String) {
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    (text(&metadata.namespace), text(&metadata.name))
}
