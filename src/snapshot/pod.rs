//! `v1.Pod` with every field that a filter of the scheduler reads: for the pod in question and for the pods on a node.
//!
//! A [`Pod`] is decoded from the same bytes with fewer fields, for lists of hundreds of thousands of pods. The tags are
//! those of `k8s.io/api/core/v1/generated.proto`.

pub(crate) mod compact;
pub(crate) mod label_selector;
pub(crate) mod volume;

use k8s_openapi::api::core::v1::PodTemplateSpec;
use prost::Message;
use serde::Deserialize;

use super::object::{Labels, ObjectMeta, Time};
use super::pod_summary::{Condition, ContainerState, NodeAffinity, NodeSelector, NodeSelectorRequirement, PodSummary};
use super::resource_list::ResourceList;
use super::shared::Shared;
use volume::Volume;

#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default)]
pub(crate) struct Pod {
    #[prost(message, required, tag = "1")]
    pub(crate) metadata: ObjectMeta,
    #[prost(message, required, tag = "2")]
    pub(crate) spec: PodSpec,
    #[prost(message, required, tag = "3")]
    pub(crate) status: PodStatus,
}

/// `v1.PodSpec`, trimmed.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct PodSpec {
    #[prost(message, repeated, tag = "1")]
    pub(crate) volumes: Shared<Vec<Volume>>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) containers: Shared<Vec<Container>>,
    #[prost(btree_map = "string, string", tag = "7")]
    pub(crate) node_selector: Labels,
    #[prost(string, tag = "8")]
    pub(crate) service_account_name: String,
    #[prost(string, tag = "10")]
    pub(crate) node_name: String,
    #[prost(bool, tag = "11")]
    pub(crate) host_network: bool,
    #[prost(message, optional, tag = "18")]
    pub(crate) affinity: Option<Affinity>,
    #[prost(string, tag = "19")]
    pub(crate) scheduler_name: String,
    #[prost(message, repeated, tag = "20")]
    pub(crate) init_containers: Shared<Vec<Container>>,
    #[prost(message, repeated, tag = "22")]
    pub(crate) tolerations: Shared<Vec<Toleration>>,
    #[prost(string, tag = "24")]
    pub(crate) priority_class_name: String,
    #[prost(int32, optional, tag = "25")]
    pub(crate) priority: Option<i32>,
    #[prost(string, tag = "29")]
    pub(crate) runtime_class_name: String,
    #[prost(string, tag = "31")]
    pub(crate) preemption_policy: String,
    #[prost(btree_map = "string, message", tag = "32")]
    pub(crate) overhead: ResourceList,
    #[prost(message, repeated, tag = "33")]
    pub(crate) topology_spread_constraints: Vec<TopologySpreadConstraint>,
    #[prost(bool, optional, tag = "37")]
    pub(crate) host_users: Option<bool>,
    #[prost(message, repeated, tag = "38")]
    pub(crate) scheduling_gates: Vec<SchedulingGate>,
    #[prost(message, repeated, tag = "39")]
    pub(crate) resource_claims: Vec<PodResourceClaim>,
    /// The pod-level resources.
    #[prost(message, optional, tag = "40")]
    pub(crate) resources: Option<Resources>,
}

/// `v1.Container`, trimmed.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Container {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(message, repeated, tag = "6")]
    pub(crate) ports: Vec<ContainerPort>,
    #[prost(message, optional, tag = "8")]
    pub(crate) resources: Option<Resources>,
    #[prost(string, tag = "24")]
    pub(crate) restart_policy: String,
    #[prost(message, repeated, tag = "25")]
    pub(crate) restart_policy_rules: Vec<RestartRule>,
}

impl Container {
    /// Whether this init container is a sidecar: it always restarts and runs beside the other containers.
    pub(crate) fn is_sidecar(&self) -> bool {
        self.restart_policy == "Always"
    }
}

/// `v1.ContainerRestartRule`, trimmed.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message, Deserialize)]
#[serde(default)]
pub(crate) struct RestartRule {
    #[prost(string, tag = "1")]
    pub(crate) action: String,
}

/// `v1.ContainerPort`, trimmed.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ContainerPort {
    #[prost(int32, tag = "2")]
    pub(crate) host_port: i32,
    #[prost(int32, tag = "3")]
    pub(crate) container_port: i32,
    #[prost(string, tag = "4")]
    pub(crate) protocol: String,
    #[prost(string, tag = "5")]
    #[serde(rename = "hostIP")]
    pub(crate) host_ip: String,
}

/// `v1.ResourceRequirements`.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message, Deserialize)]
#[serde(default)]
pub(crate) struct Resources {
    #[prost(btree_map = "string, message", tag = "1")]
    pub(crate) limits: ResourceList,
    #[prost(btree_map = "string, message", tag = "2")]
    pub(crate) requests: ResourceList,
    #[prost(message, repeated, tag = "3")]
    pub(crate) claims: Vec<ContainerClaim>,
}

/// `v1.ResourceClaim`, the reference of a container to a claim of its pod; trimmed.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message, Deserialize)]
#[serde(default)]
pub(crate) struct ContainerClaim {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
}

/// `v1.Affinity`.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Affinity {
    #[prost(message, optional, tag = "1")]
    pub(crate) node_affinity: Option<NodeAffinity>,
    #[prost(message, optional, tag = "2")]
    pub(crate) pod_affinity: Option<PodAffinity>,
    #[prost(message, optional, tag = "3")]
    pub(crate) pod_anti_affinity: Option<PodAffinity>,
}

/// `v1.PodAffinity` and `v1.PodAntiAffinity`, trimmed to what is required.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default)]
pub(crate) struct PodAffinity {
    #[prost(message, repeated, tag = "1")]
    #[serde(rename = "requiredDuringSchedulingIgnoredDuringExecution")]
    pub(crate) required: Vec<PodAffinityTerm>,
}

/// `v1.PodAffinityTerm`. In a stored pod, the API server has merged the label keys into the selector.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct PodAffinityTerm {
    #[prost(message, optional, tag = "1")]
    pub(crate) label_selector: Option<LabelSelector>,
    #[prost(string, repeated, tag = "2")]
    pub(crate) namespaces: Vec<String>,
    #[prost(string, tag = "3")]
    pub(crate) topology_key: String,
    #[prost(message, optional, tag = "4")]
    pub(crate) namespace_selector: Option<LabelSelector>,
    #[prost(string, repeated, tag = "5")]
    pub(crate) match_label_keys: Vec<String>,
    #[prost(string, repeated, tag = "6")]
    pub(crate) mismatch_label_keys: Vec<String>,
}

/// `metav1.LabelSelector`.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct LabelSelector {
    #[prost(btree_map = "string, string", tag = "1")]
    pub(crate) match_labels: Labels,
    #[prost(message, repeated, tag = "2")]
    pub(crate) match_expressions: Vec<NodeSelectorRequirement>,
}

/// `v1.TopologySpreadConstraint`.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct TopologySpreadConstraint {
    #[prost(int32, tag = "1")]
    pub(crate) max_skew: i32,
    #[prost(string, tag = "2")]
    pub(crate) topology_key: String,
    #[prost(string, tag = "3")]
    pub(crate) when_unsatisfiable: String,
    #[prost(message, optional, tag = "4")]
    pub(crate) label_selector: Option<LabelSelector>,
    #[prost(int32, optional, tag = "5")]
    pub(crate) min_domains: Option<i32>,
    #[prost(string, tag = "6")]
    pub(crate) node_affinity_policy: String,
    #[prost(string, tag = "7")]
    pub(crate) node_taints_policy: String,
    #[prost(string, repeated, tag = "8")]
    pub(crate) match_label_keys: Vec<String>,
}

/// `v1.Toleration`.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Toleration {
    #[prost(string, tag = "1")]
    pub(crate) key: String,
    #[prost(string, tag = "2")]
    pub(crate) operator: String,
    #[prost(string, tag = "3")]
    pub(crate) value: String,
    #[prost(string, tag = "4")]
    pub(crate) effect: String,
    #[prost(int64, optional, tag = "5")]
    pub(crate) toleration_seconds: Option<i64>,
}

/// `v1.PodSchedulingGate`.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default)]
pub(crate) struct SchedulingGate {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
}

/// `v1.PodResourceClaim`.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct PodResourceClaim {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(string, tag = "3")]
    pub(crate) resource_claim_name: String,
    #[prost(string, tag = "4")]
    pub(crate) resource_claim_template_name: String,
}

/// `v1.PodStatus`, trimmed.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct PodStatus {
    #[prost(string, tag = "1")]
    pub(crate) phase: String,
    #[prost(message, repeated, tag = "2")]
    pub(crate) conditions: Vec<Condition>,
    #[prost(string, tag = "3")]
    pub(crate) message: String,
    #[prost(string, tag = "4")]
    pub(crate) reason: String,
    #[prost(message, optional, tag = "7")]
    pub(crate) start_time: Option<Time>,
    #[prost(message, repeated, tag = "8")]
    pub(crate) container_statuses: Shared<Vec<ContainerAllocation>>,
    #[prost(message, repeated, tag = "10")]
    pub(crate) init_container_statuses: Shared<Vec<ContainerAllocation>>,
    #[prost(string, tag = "11")]
    pub(crate) nominated_node_name: String,
    #[prost(message, repeated, tag = "15")]
    pub(crate) resource_claim_statuses: Vec<ResourceClaimStatus>,
    #[prost(message, optional, tag = "18")]
    pub(crate) extended_resource_claim_status: Option<ExtendedResourceClaimStatus>,
    #[prost(btree_map = "string, message", tag = "19")]
    pub(crate) allocated_resources: ResourceList,
    #[prost(message, optional, tag = "20")]
    pub(crate) resources: Option<Resources>,
}

/// `v1.ContainerStatus`, trimmed.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ContainerAllocation {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(message, optional, boxed, tag = "2")]
    pub(crate) state: Option<Box<ContainerState>>,
    #[prost(message, optional, boxed, tag = "3")]
    pub(crate) last_state: Option<Box<ContainerState>>,
    #[prost(bool, tag = "4")]
    pub(crate) ready: bool,
    #[prost(int32, tag = "5")]
    pub(crate) restart_count: i32,
    #[prost(string, tag = "6")]
    pub(crate) image: String,
    #[prost(bool, optional, tag = "9")]
    pub(crate) started: Option<bool>,
    #[prost(btree_map = "string, message", tag = "10")]
    pub(crate) allocated_resources: ResourceList,
    #[prost(message, optional, tag = "11")]
    pub(crate) resources: Option<Resources>,
}

/// `v1.PodResourceClaimStatus`.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ResourceClaimStatus {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(string, optional, tag = "2")]
    pub(crate) resource_claim_name: Option<String>,
}

/// `v1.PodExtendedResourceClaimStatus`, trimmed.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ExtendedResourceClaimStatus {
    #[prost(string, tag = "2")]
    pub(crate) resource_claim_name: String,
}

impl Pod {
    /// The pod of a template. Fields that only the API server sets are empty.
    pub(crate) fn from_template(namespace: &str, template: &PodTemplateSpec) -> Self {
        // The JSON of both types is compatible: every field of this type is a field of the complete one.
        let mut pod: Self =
            serde_json::to_value(template).and_then(|tree| Self::deserialize(&tree)).unwrap_or_default();
        pod.metadata.namespace = namespace.to_owned();
        pod
    }

    /// The pod with only the fields that the controller's rules read.
    pub(crate) fn summary(&self) -> PodSummary {
        // Both are protobuf messages of the same kind, and this one has every field of the other.
        PodSummary::decode(self.encode_to_vec().as_slice()).unwrap_or_default()
    }

    /// Whether the pod is being deleted.
    pub(crate) fn is_terminating(&self) -> bool {
        self.metadata.deletion_timestamp.is_some()
    }

    /// Whether the pod has ended: it no longer uses resources of the node.
    pub(crate) fn is_terminal(&self) -> bool {
        matches!(self.status.phase.as_str(), "Failed" | "Succeeded")
    }

    /// The priority; zero if it is not set (`component-helpers/scheduling/corev1` `PodPriority`).
    pub(crate) fn priority(&self) -> i32 {
        self.spec.priority.unwrap_or_default()
    }
}

impl PodSpec {
    /// The node selector of the required node affinity.
    pub(crate) fn required_node_affinity(&self) -> Option<&NodeSelector> {
        self.affinity.as_ref()?.node_affinity.as_ref()?.required.as_ref()
    }
}
