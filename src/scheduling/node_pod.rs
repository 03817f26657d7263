//! The pods that are in the way on a node.

use serde::Serialize;

use crate::snapshot::Node;
use crate::snapshot::pod::Pod;
use crate::snapshot::quantity::Quantity;

/// A pod on the node, as evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NodePod {
    pub(crate) namespace: String,
    pub(crate) pod: String,
    /// Its priority.
    pub(crate) priority: i32,
    /// What would make it anew; nothing where it stands for itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) owner: Option<Owner>,
    /// Not there yet: preemption has made room for it here.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) nominated: bool,
    /// Being deleted; until it is gone it counts in full.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) terminating: bool,
}

/// The controller of a pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Owner {
    /// `ReplicaSet`, `DaemonSet`, …; `Node` for a static pod.
    pub(crate) kind: String,
    pub(crate) name: String,
}

/// A pod that holds some of a resource.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct ResourceUser {
    /// Which.
    #[serde(flatten)]
    pub(crate) node_pod: NodePod,
    /// How much: in cores, bytes, or pieces.
    pub(crate) amount: Quantity,
}

impl NodePod {
    /// The evidence of a pod; `nominated` where it is not bound.
    pub(super) fn from_pod(pod: &Pod, nominated: bool) -> Self {
        let owner = pod.metadata.controller();
        Self {
            namespace: pod.metadata.namespace.clone(),
            pod: pod.metadata.name.clone(),
            priority: pod.priority(),
            owner: owner.map(|owner| Owner { kind: owner.kind.clone(), name: owner.name.clone() }),
            nominated,
            terminating: pod.is_terminating(),
        }
    }

    /// Whether it could run elsewhere: its owner does not bind it to this node, and it is not on its way out.
    pub(crate) fn is_movable(&self) -> bool {
        let is_bound = |owner: &Owner| matches!(owner.kind.as_str(), "DaemonSet" | "Node");
        !self.terminating && !self.nominated && !self.owner.as_ref().is_some_and(is_bound)
    }
}

/// A pod by what it takes to find it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OtherPod {
    pub(crate) namespace: String,
    /// Its name.
    #[serde(rename = "pod")]
    pub(crate) name: String,
    /// The node that it is on, or has been promised.
    pub(crate) node: String,
    /// What makes it anew when it is deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(rename = "owner")]
    pub(crate) controller: Option<Owner>,
}

impl OtherPod {
    pub(super) fn new(pod: &Pod, node: &Node) -> Self {
        let controller = pod.metadata.controller();
        Self {
            namespace: pod.metadata.namespace.clone(),
            name: pod.metadata.name.clone(),
            node: node.metadata.name.clone(),
            controller: controller.map(|owner| Owner { kind: owner.kind.clone(), name: owner.name.clone() }),
        }
    }
}
