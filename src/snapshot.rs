//! The state of a cluster, as far as it was read: the input of every decision.
//!
//! - [`Snapshot`] is the input of `coverage`, `rollout` and `cycle`: DaemonSets, nodes, pods, revisions and events. Its
//!   objects (`node`, `pod_summary`, `object`) are trimmed to the fields that are read, and `shared` and `interner` store equal values once.
//! - [`node_snapshot::NodeSnapshot`] is the input of `why-not`: one node with complete pods (`pod`), and
//!   [`cluster_objects::ClusterObjects`] with the other objects that admission and the scheduler read.
//! - `pod_containers` has the names of a pod's containers, for `logs`.
//! - `daemon_pods` maps pods to nodes, `event` and `event_query` select events, `saved` knows which namespaces saved
//!   files cover, and `selector`, `labels`, `quantity` and `generation` implement values of the API.
//!
//! Everything that may be unreadable is a [`Known`]. Nothing here depends on where the objects come from.

pub(crate) mod cluster_objects;
pub(crate) mod daemon_pods;
mod daemon_set_name;
pub(crate) mod event;
pub(crate) mod event_query;
pub(crate) mod generation;
mod interner;
mod known;
pub(crate) mod labels;
pub(crate) mod node;
pub(crate) mod node_snapshot;
pub(crate) mod object;
mod permission;
pub(crate) mod pod;
pub(crate) mod pod_containers;
pub(crate) mod pod_summary;
pub(crate) mod quantity;
pub(crate) mod resource_list;
pub(crate) mod saved;
pub(crate) mod selector;
pub(crate) mod shared;
mod unsaved_pods;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{ControllerRevision, DaemonSet};
use k8s_openapi::api::core::v1::{Event, Namespace};

pub(crate) use daemon_pods::DaemonPods;
pub(crate) use daemon_set_name::DaemonSetName;
pub(crate) use event_query::{EventFields, EventQuery};
pub(crate) use generation::Generation;
pub(crate) use interner::Interner;
pub(crate) use known::{Known, Missing};
pub(crate) use node::{HOSTNAME, Node, NodeCondition, Taint, VirtualNode};
pub(crate) use object::{Labels, Time};
pub(crate) use permission::Permission;
pub(crate) use pod_containers::PodContainers;
pub(crate) use pod_summary::PodSummary;
pub(crate) use unsaved_pods::UnsavedPods;

/// The maximum number of messages about pods that are missing in the files.
const MAX_GAPS_OF_PODS: usize = 3;

/// A cluster, or the requested part of it, at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    /// The requested DaemonSets.
    pub(crate) daemon_sets: Vec<DaemonSet>,
    /// The requested nodes.
    pub(crate) nodes: Known<Vec<Node>>,
    /// Whether `nodes` has all nodes of the cluster. Only then does a name that is not in it belong to no node.
    pub(crate) has_all_nodes: bool,
    /// At least all pods of these DaemonSets, without those that `unsaved_pods` names.
    pub(crate) pods: Known<Vec<PodSummary>>,
    /// The DaemonSets whose pods are incomplete in a saved cluster.
    pub(crate) unsaved_pods: UnsavedPods,
    /// At least all revisions of these DaemonSets.
    pub(crate) revisions: Known<Vec<ControllerRevision>>,
    /// Warning events about these DaemonSets and their pods.
    pub(crate) events: Known<Vec<Event>>,
    /// The additional rules of OpenShift; none on any other cluster.
    pub(crate) openshift: Known<Option<OpenShift>>,
    /// The time of the snapshot: now for a live cluster, the time of the files for a saved one.
    pub(crate) as_of: Timestamp,
}

impl Snapshot {
    /// Why pods of the DaemonSet may be missing; none if all of them are known.
    pub(crate) fn missing_pods(&self, daemon_set: &DaemonSet) -> Option<&Missing> {
        self.pods.missing().or_else(|| self.unsaved_pods.of(daemon_set))
    }

    /// What could not be read: one sentence each.
    pub(crate) fn gaps(&self) -> Vec<String> {
        let unknown = |gap: &Missing| format!("{gap}: that part is unknown");
        // Pods and the DaemonSets have part of the information that revisions have.
        let inferred = |gap: &Missing| {
            format!("{gap}: up-to-date pods are determined from the template generation and .status where possible")
        };
        let mut pods: Vec<&Missing> = self.daemon_sets.iter().filter_map(|one| self.missing_pods(one)).collect();
        pods.dedup();
        let more = pods.len().saturating_sub(MAX_GAPS_OF_PODS);
        pods.truncate(MAX_GAPS_OF_PODS);
        let more = (more > 0).then(|| format!("pods of {more} more DaemonSets are missing in the files"));
        let before = self.nodes.missing().into_iter().chain(pods).map(unknown).chain(more);
        let revisions = self.revisions.missing().map(inferred);
        let after = [self.events.missing(), self.openshift.missing()].into_iter().flatten().map(unknown);
        before.chain(revisions).chain(after).collect()
    }
}

/// What the DaemonSet controller of OpenShift reads additionally.
#[derive(Clone, Debug, Default)]
pub(crate) struct OpenShift {
    pub(crate) namespaces: Vec<Namespace>,
    /// The default node selector of the cluster; empty if there is none.
    pub(crate) default_node_selector: String,
}

impl OpenShift {
    /// Whether the nodes belong to an OpenShift cluster: its machine config operator labels each of them.
    pub(crate) fn detect(nodes: &[Node]) -> bool {
        let is_its_label = |key: &String| key.starts_with("node.openshift.io/");
        nodes.iter().any(|node| node.metadata.labels.keys().any(is_its_label))
    }
}
