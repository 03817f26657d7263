//! `v1.Pod`, trimmed to the fields that `coverage`, `rollout` and `cycle` read.
//!
//! A cluster has up to hundreds of thousands of pods. A field that no rule reads is not declared, and both decoders
//! skip it. The tags are those of `k8s.io/api/core/v1/generated.proto`.

use serde::Deserialize;

use super::interner::Interner;
use super::object::{ObjectMeta, Time};
use super::shared::Text;

#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default)]
pub(crate) struct PodSummary {
    #[prost(message, required, tag = "1")]
    pub(crate) metadata: ObjectMeta,
    #[prost(message, required, tag = "2")]
    pub(crate) spec: SummarySpec,
    #[prost(message, required, tag = "3")]
    pub(crate) status: SummaryStatus,
}

/// `v1.PodSpec`, trimmed.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[prost(prost_path = "crate::snapshot::shared::prost")]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct SummarySpec {
    #[prost(string, tag = "10")]
    pub(crate) node_name: Text,
    #[prost(message, optional, boxed, tag = "18")]
    pub(crate) affinity: Option<Box<Affinity>>,
    #[prost(message, repeated, tag = "20")]
    pub(crate) init_containers: Vec<InitContainer>,
}

/// `v1.Container` of an init container, trimmed to what distinguishes a sidecar.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct InitContainer {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(string, optional, tag = "24")]
    pub(crate) restart_policy: Option<String>,
}

impl InitContainer {
    /// Whether this init container is a sidecar: it always restarts and runs beside the other containers.
    pub(crate) fn is_sidecar(&self) -> bool {
        self.restart_policy.as_deref() == Some("Always")
    }
}

/// `v1.Affinity`, trimmed to the part with which the DaemonSet controller pins a pod to its node.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Affinity {
    #[prost(message, optional, tag = "1")]
    pub(crate) node_affinity: Option<NodeAffinity>,
}

/// `v1.NodeAffinity`, trimmed to what is required.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default)]
pub(crate) struct NodeAffinity {
    #[prost(message, optional, tag = "1")]
    #[serde(rename = "requiredDuringSchedulingIgnoredDuringExecution")]
    pub(crate) required: Option<NodeSelector>,
}

/// `v1.NodeSelector`.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct NodeSelector {
    #[prost(message, repeated, tag = "1")]
    pub(crate) node_selector_terms: Vec<NodeSelectorTerm>,
}

/// `v1.NodeSelectorTerm`.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct NodeSelectorTerm {
    #[prost(message, repeated, tag = "1")]
    pub(crate) match_expressions: Vec<NodeSelectorRequirement>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) match_fields: Vec<NodeSelectorRequirement>,
}

/// `v1.NodeSelectorRequirement`.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default)]
pub(crate) struct NodeSelectorRequirement {
    #[prost(string, tag = "1")]
    pub(crate) key: String,
    #[prost(string, tag = "2")]
    pub(crate) operator: String,
    #[prost(string, repeated, tag = "3")]
    pub(crate) values: Vec<String>,
}

/// `v1.PodStatus`, trimmed.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[prost(prost_path = "crate::snapshot::shared::prost")]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct SummaryStatus {
    #[prost(string, tag = "1")]
    pub(crate) phase: Text,
    #[prost(message, repeated, tag = "2")]
    pub(crate) conditions: Vec<Condition>,
    #[prost(string, tag = "3")]
    pub(crate) message: Text,
    #[prost(string, tag = "4")]
    pub(crate) reason: Text,
    #[prost(message, repeated, tag = "8")]
    pub(crate) container_statuses: Vec<ContainerStatus>,
    #[prost(message, repeated, tag = "10")]
    pub(crate) init_container_statuses: Vec<ContainerStatus>,
}

/// `v1.PodCondition`, trimmed.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[prost(prost_path = "crate::snapshot::shared::prost")]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Condition {
    #[prost(string, tag = "1")]
    #[serde(rename = "type")]
    pub(crate) type_: Text,
    #[prost(string, tag = "2")]
    pub(crate) status: Text,
    #[prost(message, optional, tag = "4")]
    pub(crate) last_transition_time: Option<Time>,
    #[prost(string, tag = "5")]
    pub(crate) reason: Text,
    #[prost(string, tag = "6")]
    pub(crate) message: Text,
}

impl Condition {
    pub(crate) fn is_true(&self) -> bool {
        self.status == "True"
    }
}

/// `v1.ContainerStatus`, trimmed.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[prost(prost_path = "crate::snapshot::shared::prost")]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ContainerStatus {
    #[prost(string, tag = "1")]
    pub(crate) name: Text,
    #[prost(message, optional, boxed, tag = "2")]
    pub(crate) state: Option<Box<ContainerState>>,
    #[prost(message, optional, boxed, tag = "3")]
    pub(crate) last_state: Option<Box<ContainerState>>,
    #[prost(bool, tag = "4")]
    pub(crate) ready: bool,
    #[prost(int32, tag = "5")]
    pub(crate) restart_count: i32,
    /// The image that runs, as the container runtime names it.
    #[prost(string, tag = "6")]
    pub(crate) image: Text,
    #[prost(bool, optional, tag = "9")]
    pub(crate) started: Option<bool>,
}

/// `v1.ContainerState`: at most one of the three is set.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message, Deserialize)]
#[serde(default)]
pub(crate) struct ContainerState {
    #[prost(message, optional, boxed, tag = "1")]
    pub(crate) waiting: Option<Box<Waiting>>,
    #[prost(message, optional, tag = "2")]
    pub(crate) running: Option<Running>,
    #[prost(message, optional, boxed, tag = "3")]
    pub(crate) terminated: Option<Box<Terminated>>,
}

/// `v1.ContainerStateWaiting`.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message, Deserialize)]
#[prost(prost_path = "crate::snapshot::shared::prost")]
#[serde(default)]
pub(crate) struct Waiting {
    #[prost(string, tag = "1")]
    pub(crate) reason: Text,
    #[prost(string, tag = "2")]
    pub(crate) message: Text,
}

/// `v1.ContainerStateRunning`.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Running {
    #[prost(message, optional, tag = "1")]
    pub(crate) started_at: Option<Time>,
}

/// `v1.ContainerStateTerminated`, trimmed.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message, Deserialize)]
#[prost(prost_path = "crate::snapshot::shared::prost")]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Terminated {
    #[prost(int32, tag = "1")]
    pub(crate) exit_code: i32,
    #[prost(int32, tag = "2")]
    pub(crate) signal: i32,
    #[prost(string, tag = "3")]
    pub(crate) reason: Text,
    #[prost(string, tag = "4")]
    pub(crate) message: Text,
    #[prost(message, optional, tag = "6")]
    pub(crate) finished_at: Option<Time>,
}

/// Whether a rule reads the condition. A scheduled pod is recognized by its node name, and `Initialized` is read only
/// for pods with init containers.
fn is_read(condition: &Condition, has_init_containers: bool) -> bool {
    match condition.type_.as_str() {
        "Ready" | "DisruptionTarget" => true,
        "PodScheduled" => !condition.is_true(),
        "Initialized" => has_init_containers,
        _ => false,
    }
}

impl SummaryStatus {
    /// The statuses of all containers, those of init containers last.
    pub(crate) fn all_container_statuses(&self) -> impl Iterator<Item = &ContainerStatus> {
        self.container_statuses.iter().chain(&self.init_container_statuses)
    }

    fn compact(&mut self, has_init_containers: bool, interner: &mut Interner) {
        for text in [&mut self.phase, &mut self.reason, &mut self.message] {
            interner.text(text);
        }
        self.conditions.retain(|condition| is_read(condition, has_init_containers));
        for condition in &mut self.conditions {
            let Condition { type_, status, reason, message, .. } = condition;
            for text in [type_, status, reason, message] {
                interner.text(text);
            }
        }
        self.conditions.shrink_to_fit();
        for statuses in [&mut self.container_statuses, &mut self.init_container_statuses] {
            statuses.iter_mut().for_each(|status| status.compact(interner));
            statuses.shrink_to_fit();
        }
    }
}

impl ContainerStatus {
    pub(crate) fn is_running(&self) -> bool {
        self.state.as_ref().is_some_and(|state| state.running.is_some())
    }

    fn compact(&mut self, interner: &mut Interner) {
        interner.text(&mut self.name);
        interner.text(&mut self.image);
        // For a container that never terminated, the last state is present but empty.
        self.last_state.take_if(|state| **state == ContainerState::default());
        for state in [&mut self.state, &mut self.last_state].into_iter().flatten() {
            if let Some(Waiting { reason, message }) = state.waiting.as_deref_mut() {
                interner.text(reason);
                interner.text(message);
            }
            if let Some(Terminated { reason, message, .. }) = state.terminated.as_deref_mut() {
                interner.text(reason);
                interner.text(message);
            }
        }
    }
}

impl PodSummary {
    /// The pod with minimal memory: unused capacity and unread fields are dropped, and values that other pods have as
    /// well are shared with them.
    pub(crate) fn compact(mut self, interner: &mut Interner) -> Self {
        if !self.spec.node_name.is_empty() {
            // The affinity is needed only for the target node of an unbound pod.
            self.spec.affinity = None;
        }
        interner.labels(&mut self.metadata.labels);
        interner.owners(&mut self.metadata.owner_references);
        interner.text(&mut self.spec.node_name);
        self.status.compact(!self.spec.init_containers.is_empty(), interner);
        self
    }

    pub(crate) fn condition(&self, type_: &str) -> Option<&Condition> {
        self.status.conditions.iter().find(|condition| condition.type_ == type_)
    }

    /// Whether the pod is being deleted.
    /// Whether all containers have started and none has ended.
    pub(crate) fn containers_run(&self) -> bool {
        !self.status.container_statuses.is_empty()
            && self.status.container_statuses.iter().all(ContainerStatus::is_running)
    }

    pub(crate) fn is_terminating(&self) -> bool {
        self.metadata.deletion_timestamp.is_some()
    }

    /// Whether the pod has ended: none of its containers runs any more.
    pub(crate) fn is_terminal(&self) -> bool {
        matches!(self.status.phase.as_str(), "Failed" | "Succeeded")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::objects;

    fn pod(name: &str) -> PodSummary {
        let status = json!({ "phase": "Running", "containerStatuses": [{ "name": "main", "lastState": {} }] });
        let owner = objects::daemon_set("ns", "agent", json!({}));
        objects::daemon_pod(&owner, name, json!({ "spec": { "nodeName": "node" }, "status": status }))
    }

    #[test]
    fn compact_pods_share_equal_values() {
        let mut interner = Interner::default();
        let [a, b] = ["a", "b"].map(|name| pod(name).compact(&mut interner));
        assert_eq!((a.metadata.name.as_str(), b.metadata.name.as_str()), ("a", "b"));
        assert!(std::ptr::eq(&*a.metadata.labels, &*b.metadata.labels));
        assert!(std::ptr::eq(&*a.metadata.owner_references, &*b.metadata.owner_references));
        assert!(std::ptr::eq(&*a.spec.node_name, &*b.spec.node_name));
        assert!(std::ptr::eq(&*a.status.phase, &*b.status.phase));
        let [main, other] = [&a, &b].map(|pod| &pod.status.container_statuses[0]);
        assert!(std::ptr::eq(&*main.name, &*other.name) && main.last_state.is_none());
    }

    #[test]
    fn compact_pods_keep_the_conditions_that_are_read() {
        let kept = |init_containers: usize, scheduled: &str| {
            let condition = |type_: &str, status: &str| json!({ "type": type_, "status": status });
            let fields = json!({
                "spec": { "initContainers": vec![json!({ "name": "init" }); init_containers] },
                "status": { "conditions": [
                    condition("PodReadyToStartContainers", "True"), condition("Initialized", "True"),
                    condition("Ready", "True"), condition("PodScheduled", scheduled), condition("DisruptionTarget", "True"),
                ] },
            });
            let pod: PodSummary = objects::pod("ns", "agent", fields);
            let conditions = pod.compact(&mut Interner::default()).status.conditions;
            conditions.iter().map(|condition| condition.type_.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(kept(0, "True"), ["Ready", "DisruptionTarget"]);
        assert_eq!(kept(0, "False"), ["Ready", "PodScheduled", "DisruptionTarget"]);
        assert_eq!(kept(1, "True"), ["Initialized", "Ready", "DisruptionTarget"]);
    }
}
