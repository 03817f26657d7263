//! Pods on a node, as evidence.

use serde::Serialize;

use super::tied_to_node::{TiedToNode, tied_to_node};
use crate::snapshot::Node;
use crate::snapshot::pod::Pod;
use crate::snapshot::quantity::Quantity;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct NodePod {
    pub(crate) namespace: String,
    pub(crate) pod: String,
    pub(crate) priority: i32,
    /// The controller that recreates the pod; none for a standalone pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) owner: Option<Owner>,
    /// Whether the pod is not bound yet, but preemption made room for it on the node.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) nominated: bool,
    /// Whether the pod is being deleted. It counts in full until it is removed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) terminating: bool,
    /// Why the pod may come back to the node if it is evicted; none for a pod that can run on another node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tied_to_node: Option<TiedToNode>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Owner {
    /// `ReplicaSet`, `DaemonSet` and so on; `Node` for a static pod.
    pub(crate) kind: String,
    pub(crate) name: String,
}

/// A pod that uses a resource.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ResourceUser {
    #[serde(flatten)]
    pub(crate) node_pod: NodePod,
    /// The request, in cores, bytes or units.
    pub(crate) amount: Quantity,
}

impl NodePod {
    /// A pod that is bound to the node.
    pub(super) fn bound(pod: &Pod) -> Self {
        Self { nominated: false, ..Self::nominated(pod) }
    }

    /// A pod that is nominated for the node and not bound yet.
    pub(super) fn nominated(pod: &Pod) -> Self {
        let owner = pod.metadata.controller();
        Self {
            namespace: pod.metadata.namespace.clone(),
            pod: pod.metadata.name.clone(),
            priority: pod.priority(),
            owner: owner.map(|owner| Owner { kind: owner.kind.clone(), name: owner.name.clone() }),
            nominated: true,
            terminating: pod.is_terminating(),
            // Without a controller, no pod replaces it.
            tied_to_node: owner.and_then(|_| tied_to_node(pod)),
        }
    }

    /// Whether the pod could run on another node: neither its owner nor its spec ties it to this node, and it is not
    /// being deleted.
    pub(crate) fn is_movable(&self) -> bool {
        !self.terminating && !self.nominated && !self.is_of_node() && self.tied_to_node.is_none()
    }

    /// Whether the pod is a static pod, which the kubelet creates from a file on the node.
    pub(crate) fn is_static(&self) -> bool {
        self.owner.as_ref().is_some_and(|owner| owner.kind == "Node")
    }

    /// Whether the owner creates the pod for this node only: a DaemonSet, or the kubelet for a static pod.
    pub(crate) fn is_of_node(&self) -> bool {
        let is_of_node = |owner: &Owner| matches!(owner.kind.as_str(), "DaemonSet" | "Node");
        self.owner.as_ref().is_some_and(is_of_node)
    }
}

/// A pod of the cluster, as evidence.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct OtherPod {
    pub(crate) namespace: String,
    #[serde(rename = "pod")]
    pub(crate) name: String,
    /// The node that the pod is bound to or nominated for.
    pub(crate) node: String,
    /// The controller that recreates the pod when it is deleted.
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
