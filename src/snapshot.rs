//! The facts that every decision is made from.

pub(crate) mod cluster_objects;
pub(crate) mod daemon_pods;
pub(crate) mod event;
pub(crate) mod event_query;
pub(crate) mod generation;
mod interner;
mod known;
pub(crate) mod labels;
pub(crate) mod node;
pub(crate) mod node_snapshot;
pub(crate) mod object;
pub(crate) mod pod;
pub(crate) mod pod_summary;
pub(crate) mod quantity;
pub(crate) mod resource_list;
pub(crate) mod saved;
pub(crate) mod selector;
pub(crate) mod shared;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{ControllerRevision, DaemonSet};
use k8s_openapi::api::core::v1::{Event, Namespace};

pub(crate) use daemon_pods::DaemonPods;
pub(crate) use event_query::{EventFields, EventQuery};
pub(crate) use generation::Generation;
pub(crate) use interner::Interner;
pub(crate) use known::Known;
pub(crate) use node::{Node, Taint};
pub(crate) use object::{Labels, Time};
pub(crate) use pod_summary::PodSummary;

/// A cluster, or the part of one that was asked for, at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    /// The DaemonSets that were asked for.
    pub(crate) daemon_sets: Vec<DaemonSet>,
    /// The nodes that were asked for.
    pub(crate) nodes: Known<Vec<Node>>,
    /// Whether these are all nodes of the cluster: only then is a name that is not among them one of no node.
    pub(crate) has_all_nodes: bool,
    /// At least all the pods of these DaemonSets.
    pub(crate) pods: Known<Vec<PodSummary>>,
    /// At least all the revisions of these DaemonSets.
    pub(crate) revisions: Known<Vec<ControllerRevision>>,
    /// Warning events about these DaemonSets and their pods.
    pub(crate) events: Known<Vec<Event>>,
    /// What OpenShift adds; none on any other cluster.
    pub(crate) openshift: Known<Option<OpenShift>>,
    /// The moment: now for a live cluster, the newest instant on record for a saved one.
    pub(crate) as_of: Timestamp,
}

impl Snapshot {
    /// What could not be read, in words.
    pub(crate) fn gaps(&self) -> Vec<String> {
        let unknown = |gap: &str| format!("{gap}: that part is unknown");
        // The pods and the DaemonSets tell what revisions would.
        let inferred =
            |gap: &str| format!("{gap}: up to date is judged by template generation and .status, where they tell");
        let before = [self.nodes.missing(), self.pods.missing()].into_iter().flatten().map(unknown);
        let revisions = self.revisions.missing().map(inferred);
        let after = [self.events.missing(), self.openshift.missing()].into_iter().flatten().map(unknown);
        before.chain(revisions).chain(after).collect()
    }
}

/// What OpenShift's DaemonSet controller reads besides.
#[derive(Clone, Debug, Default)]
pub(crate) struct OpenShift {
    /// All namespaces.
    pub(crate) namespaces: Vec<Namespace>,
    /// The cluster's default node selector; empty for none.
    pub(crate) default_node_selector: String,
}

impl OpenShift {
    /// Whether the nodes are those of an OpenShift cluster: its machine configuration labels each of them.
    pub(crate) fn detect(nodes: &[Node]) -> bool {
        let is_its_label = |key: &String| key.starts_with("node.openshift.io/");
        nodes.iter().any(|node| node.metadata.labels.keys().any(is_its_label))
    }
}
