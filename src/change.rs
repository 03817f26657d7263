//! Changes of a cluster as values, and their effect on one DaemonSet on one node.
//!
//! Input: a [`NodeCase`], which is what is known about one DaemonSet on one node, and a list of [`Change`] values. Output:
//! the case as the controllers would leave it, or a [`ChangeError`]. `apply` changes the objects, `controller` does what
//! the controllers then do: create, replace and delete pods. The same checks as before, on the result, tell whether a
//! change helps: see [`crate::explain::outcome`].
//!
//! The command that a remedy prints and its [`Change`] are made by the same function, from the same values
//! ([`crate::render::commands`]), so that what is checked is what is printed.

mod apply;
mod controller;
mod error;
pub(crate) mod manifest;
mod patch;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use k8s_openapi::api::apps::v1::DaemonSet;

use crate::admission::PredictedPod;
use crate::snapshot::cluster_objects::ClusterObjects;
use crate::snapshot::pod::Pod;
use crate::snapshot::{Known, Node, OpenShift, Taint};

pub(crate) use apply::edit_node;
pub(crate) use controller::allows_surge;
pub(crate) use error::ChangeError;
pub(crate) use patch::Patch;

/// The change that one command makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// A patch of a DaemonSet.
    DaemonSet {
        namespace: String,
        name: String,
        patch: Patch,
    },
    Node {
        name: String,
        edit: NodeEdit,
    },
    Pod {
        namespace: String,
        name: String,
        edit: PodEdit,
    },
    /// New limits of a ResourceQuota, as a map from resource names to amounts.
    Quota {
        namespace: String,
        name: String,
        hard: Vec<(String, String)>,
    },
    /// A new ServiceAccount.
    ServiceAccount {
        namespace: String,
        name: String,
    },
    /// A new PriorityClass.
    PriorityClass {
        name: String,
        value: i32,
    },
    /// A change of a DaemonSet outside of its template, after which the controller tries again.
    Retry,
}

/// A change of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NodeEdit {
    /// Labels with their new values; none removes the label.
    Labels(Vec<(String, Option<String>)>),
    /// Adds the taint, or replaces the one with the same key and effect.
    AddTaint(Taint),
    RemoveTaint {
        key: String,
        /// Empty for every effect.
        effect: String,
    },
    Cordon,
    Uncordon,
}

/// A change of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PodEdit {
    Delete,
    /// A deletion that respects PodDisruptionBudgets.
    Evict,
    RemoveSchedulingGates,
}

/// What a change affects, from the least to the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Footprint {
    /// Only pods of the DaemonSet on the node.
    OwnPod,
    /// Other pods on the node.
    OtherPods,
    /// The labels of the node, which other workloads may select.
    NodeLabels,
    /// The pods of the DaemonSet on every node.
    Rollout,
    /// Which pods may run on the node.
    NodeTaints,
    /// The namespace of the DaemonSet.
    Namespace,
    /// Every namespace.
    Cluster,
}

impl Change {
    /// What the change affects, for a DaemonSet with this namespace and these pods on the node.
    pub(crate) fn footprint(&self, is_own_pod: impl Fn(&str, &str) -> bool) -> Footprint {
        match self {
            Self::DaemonSet { .. } => Footprint::Rollout,
            Self::Node { edit: NodeEdit::Labels(_), .. } => Footprint::NodeLabels,
            // A cordon is undone by a later command of the same remedy.
            Self::Node { edit: NodeEdit::Cordon | NodeEdit::Uncordon, .. } => Footprint::OtherPods,
            Self::Node { edit: NodeEdit::AddTaint(_) | NodeEdit::RemoveTaint { .. }, .. } => Footprint::NodeTaints,
            Self::Pod { namespace, name, .. } if is_own_pod(namespace, name) => Footprint::OwnPod,
            Self::Pod { .. } => Footprint::OtherPods,
            Self::Quota { .. } | Self::ServiceAccount { .. } => Footprint::Namespace,
            Self::PriorityClass { .. } => Footprint::Cluster,
            Self::Retry => Footprint::OwnPod,
        }
    }
}

/// What is known about one DaemonSet on one node, to be changed. What does not change is borrowed.
#[derive(Clone, Debug)]
pub(crate) struct NodeCase<'a> {
    pub(crate) daemon_set: Cow<'a, DaemonSet>,
    pub(crate) node: Cow<'a, Node>,
    pub(crate) openshift: &'a Known<Option<OpenShift>>,
    /// The DaemonSet's pods for the node. The first one is the one that counts for the controller.
    pub(crate) own_pods: Vec<Cow<'a, Pod>>,
    /// All pods that are bound to the node.
    pub(crate) bound: Cow<'a, Known<Vec<Pod>>>,
    /// All unscheduled pods that are pinned to the node.
    pub(crate) pinned: &'a Known<Vec<Pod>>,
    /// The pod that the controller would create if there were none.
    pub(crate) predicted: Option<Cow<'a, PredictedPod>>,
    pub(crate) cluster_objects: Cow<'a, ClusterObjects>,
}
