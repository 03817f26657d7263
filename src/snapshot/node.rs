//! `v1.Node`, trimmed to the fields that are read. The tags are those of `k8s.io/api/core/v1/generated.proto`.

use serde::{Deserialize, Serialize};

use super::object::{ObjectMeta, Time};
use super::resource_list::ResourceList;

/// The label with a distinct value for each node, as a topology key: each node is a domain of its own. The kubelet sets
/// it.
pub(crate) const HOSTNAME: &str = "kubernetes.io/hostname";

#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default)]
pub(crate) struct Node {
    #[prost(message, required, tag = "1")]
    pub(crate) metadata: ObjectMeta,
    #[prost(message, required, tag = "2")]
    pub(crate) spec: NodeSpec,
    #[prost(message, required, tag = "3")]
    pub(crate) status: NodeStatus,
}

/// `v1.NodeSpec`, trimmed.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default)]
pub(crate) struct NodeSpec {
    #[prost(bool, tag = "4")]
    pub(crate) unschedulable: bool,
    #[prost(message, repeated, tag = "5")]
    pub(crate) taints: Vec<Taint>,
}

/// `v1.Taint`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, prost::Message, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Taint {
    #[prost(string, tag = "1")]
    pub(crate) key: String,
    #[prost(string, tag = "2")]
    pub(crate) value: String,
    #[prost(string, tag = "3")]
    pub(crate) effect: String,
    #[prost(message, optional, tag = "4")]
    pub(crate) time_added: Option<Time>,
}

/// `v1.NodeStatus`, trimmed.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct NodeStatus {
    #[prost(btree_map = "string, message", tag = "2")]
    pub(crate) allocatable: ResourceList,
    #[prost(message, repeated, tag = "4")]
    pub(crate) conditions: Vec<NodeCondition>,
    #[prost(string, repeated, tag = "14")]
    pub(crate) declared_features: Vec<String>,
}

/// `v1.NodeCondition`.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct NodeCondition {
    #[prost(string, tag = "1")]
    #[serde(rename = "type")]
    pub(crate) type_: String,
    #[prost(string, tag = "2")]
    pub(crate) status: String,
    #[prost(message, optional, tag = "3")]
    pub(crate) last_heartbeat_time: Option<Time>,
    #[prost(message, optional, tag = "4")]
    pub(crate) last_transition_time: Option<Time>,
    #[prost(string, tag = "5")]
    pub(crate) reason: String,
    #[prost(string, tag = "6")]
    pub(crate) message: String,
}

impl Node {
    /// The node without the fields that only the scheduler's filters read, to save memory in clusters with thousands of
    /// nodes.
    pub(crate) fn compact(mut self) -> Self {
        self.status.allocatable.clear();
        self.status.declared_features = Vec::new();
        self
    }

    /// The most advanced condition that shows that the node is being maintained or drained.
    pub(crate) fn lifecycle_condition(&self) -> Option<&NodeCondition> {
        let is_true = |condition: &&NodeCondition| condition.status == "True";
        LIFECYCLE_CONDITIONS.into_iter().find_map(|type_| self.condition(type_).filter(is_true))
    }

    /// The `Ready` condition, if it is not `True`.
    pub(crate) fn not_ready_condition(&self) -> Option<&NodeCondition> {
        self.condition("Ready").filter(|condition| condition.status != "True")
    }

    pub(crate) fn condition(&self, type_: &str) -> Option<&NodeCondition> {
        self.status.conditions.iter().find(|condition| condition.type_ == type_)
    }
}

/// The conditions of a node that is being maintained or drained, the most advanced first.
///
/// Upstream: KEP-5683 (`keps/sig-node/5683-lifecycle-conditions`), which reserves these names; an administrator can set
/// them on any cluster.
const LIFECYCLE_CONDITIONS: [&str; 5] =
    ["GracefulNodeShutdownInProgress", "Drained", "DrainInProgress", "MaintenanceInProgress", "MaintenancePlanned"];

/// A node that is not a machine: each pod gets one of its own, and a DaemonSet's pod never runs on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum VirtualNode {
    /// AWS Fargate: the node has exactly the pod for which it was created.
    Fargate,
    /// A provider of virtual-kubelet, such as the virtual nodes of AKS.
    VirtualKubelet,
}

impl VirtualNode {
    const ALL: [Self; 2] = [Self::Fargate, Self::VirtualKubelet];

    /// The label by which such nodes are recognized, and by which a DaemonSet excludes them.
    pub(crate) fn label(self) -> (&'static str, &'static str) {
        match self {
            Self::Fargate => ("eks.amazonaws.com/compute-type", "fargate"),
            Self::VirtualKubelet => ("type", "virtual-kubelet"),
        }
    }
}

impl Node {
    pub(crate) fn virtual_node(&self) -> Option<VirtualNode> {
        VirtualNode::ALL.into_iter().find(|kind| {
            let (key, value) = kind.label();
            self.metadata.labels.get(key).is_some_and(|found| found == value)
        })
    }
}

impl Taint {
    /// Whether the node lifecycle controller adds this taint to a node that is not ready or unreachable
    /// (`pkg/controller/nodelifecycle/node_lifecycle_controller.go`).
    pub(crate) fn is_node_lifecycle_taint(&self) -> bool {
        matches!(self.key.as_str(), "node.kubernetes.io/not-ready" | "node.kubernetes.io/unreachable")
    }
}

impl std::fmt::Display for Taint {
    /// Prints `key=value:effect`, or `key:effect` without a value, as kubectl does.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.value.as_str() {
            "" => write!(f, "{}:{}", self.key, self.effect),
            value => write!(f, "{}={value}:{}", self.key, self.effect),
        }
    }
}
