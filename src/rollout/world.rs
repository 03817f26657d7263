//! A fixture for tests of rollouts: one DaemonSet with an old and a new revision, and the nodes and pods of a test.

#![allow(clippy::unwrap_used)]

use k8s_openapi::api::apps::v1::{ControllerRevision, DaemonSet};
use serde_json::{Value, json};

use super::*;
use crate::coverage::compute_coverage;
use crate::snapshot::{Known, Snapshot};

pub(super) const NOW: &str = "2026-01-02T12:00:00Z";
pub(super) const READY: &str = "2026-01-02T11:00:00Z";
pub(super) const PAST: &str = "2026-01-02T11:30:00Z";

/// A DaemonSet `d`, nodes `n1` to `nX`, and the pods that a test adds.
pub(super) struct RolloutFixture(pub(super) Snapshot);

impl RolloutFixture {
    pub(super) fn new(nodes: usize, strategy: Value) -> Self {
        let names = (1..=nodes).map(|number| from(json!({ "metadata": { "name": format!("n{number}") } })));
        let snapshot = Snapshot {
            daemon_sets: Vec::new(),
            nodes: Known::Known(names.collect()),
            has_all_nodes: true,
            pods: Known::Known(Vec::new()),
            revisions: Known::Known(Vec::new()),
            events: Known::Known(Vec::new()),
            openshift: Known::Known(None),
            as_of: NOW.parse().unwrap(),
        };
        Self(snapshot).template(strategy, json!({ "image": "new" }), json!({ "image": "old" }))
    }

    pub(super) fn rolling(nodes: usize, max_unavailable: Value) -> Self {
        Self::new(nodes, json!({ "type": "RollingUpdate", "rollingUpdate": { "maxUnavailable": max_unavailable } }))
    }

    pub(super) fn surge(nodes: usize, max_surge: Value) -> Self {
        let rolling = json!({ "maxUnavailable": 0, "maxSurge": max_surge });
        Self::new(nodes, json!({ "type": "RollingUpdate", "rollingUpdate": rolling }))
    }

    /// Sets the strategy, and the fields of the container in the new and in the old template.
    pub(super) fn template(mut self, strategy: Value, new: Value, old: Value) -> Self {
        let template = |change: Value| {
            let mut template =
                json!({ "metadata": { "labels": { "app": "d" } }, "spec": { "containers": [{ "name": "c" }] } });
            merge(&mut template["spec"]["containers"][0], change);
            template
        };
        let revision = |name: &str, number: i64, mut template: Value| -> ControllerRevision {
            template["$patch"] = "replace".into();
            from(json!({
                "metadata": {
                    "name": format!("d-{name}"), "namespace": "ns", "labels": { "app": "d", "controller-revision-hash": name },
                    "creationTimestamp": format!("2026-01-0{number}T00:00:00Z"),
                    "ownerReferences": [{ "apiVersion": "apps/v1", "kind": "DaemonSet", "name": "d", "uid": "u", "controller": true }],
                },
                "revision": number,
                "data": { "spec": { "template": template } },
            }))
        };
        self.0.daemon_sets = vec![from(json!({
            "metadata": { "name": "d", "namespace": "ns", "uid": "u", "generation": 2 },
            "spec": { "selector": { "matchLabels": { "app": "d" } }, "template": template(new.clone()), "updateStrategy": strategy },
            "status": { "observedGeneration": 2, "currentNumberScheduled": 0, "desiredNumberScheduled": 0, "numberMisscheduled": 0, "numberReady": 0 },
        }))];
        self.0.revisions = Known::Known(vec![revision("old", 1, template(old)), revision("new", 2, template(new))]);
        self
    }

    /// Adds a ready pod, changed by a JSON merge.
    pub(super) fn pod(mut self, node: usize, revision: &str, change: Value) -> Self {
        let Known::Known(pods) = &mut self.0.pods else { unreachable!() };
        let name = format!("d-{}", pods.len());
        let mut pod = json!({
            "metadata": {
                "name": name, "namespace": "ns", "uid": name, "creationTimestamp": "2026-01-01T00:00:00Z",
                "labels": { "app": "d", "controller-revision-hash": revision },
                "ownerReferences": [{ "kind": "DaemonSet", "name": "d", "uid": "u", "controller": true }],
            },
            "spec": { "nodeName": format!("n{node}") },
            "status": {
                "phase": "Running",
                "conditions": [{ "type": "Ready", "status": "True", "lastTransitionTime": READY }],
                "containerStatuses": [{ "name": "c", "ready": true, "state": { "running": {} } }],
            },
        });
        merge(&mut pod, change);
        pods.push(from(pod));
        self
    }

    pub(super) fn pods(self, nodes: impl IntoIterator<Item = usize>, revision: &str, change: &Value) -> Self {
        nodes.into_iter().fold(self, |world, node| world.pod(node, revision, change.clone()))
    }

    /// The kubelet of the node stops reporting. `is_tainted`: the node lifecycle controller has added the taint.
    pub(super) fn node_down(mut self, node: usize, is_tainted: bool) -> Self {
        let Known::Known(nodes) = &mut self.0.nodes else { unreachable!() };
        let ready =
            json!({ "type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown", "lastTransitionTime": PAST });
        nodes[node - 1].status.conditions = vec![from(ready)];
        if is_tainted {
            let taint = json!({ "key": "node.kubernetes.io/unreachable", "effect": "NoSchedule" });
            nodes[node - 1].spec.taints = vec![from(taint)];
        }
        self
    }

    pub(super) fn failed_create_event(mut self, message: &str, last_seen: &str) -> Self {
        let event = json!({
            "metadata": { "name": "e", "namespace": "ns" }, "type": "Warning", "reason": "FailedCreate", "count": 4,
            "involvedObject": { "kind": "DaemonSet", "name": "d", "uid": "u" },
            "message": format!("Error creating: {message}"), "lastTimestamp": last_seen,
        });
        self.0.events = Known::Known(vec![from(event)]);
        self
    }

    pub(super) fn daemon_set(mut self, change: impl FnOnce(&mut DaemonSet)) -> Self {
        change(&mut self.0.daemon_sets[0]);
        self
    }

    pub(super) fn status_of<T>(&self, at: impl FnOnce(&RolloutStatus<'_>) -> T) -> T {
        at(&rollout_status(&compute_coverage(&self.0)[0], &self.0))
    }

    pub(super) fn phase(&self) -> Phase {
        self.status_of(|rollout_status| rollout_status.phase)
    }

    pub(super) fn steps(&self) -> Vec<NodeStep> {
        self.status_of(|rollout_status| rollout_status.nodes.iter().map(|progress| progress.step).collect())
    }

    pub(super) fn budget_used_by(&self) -> Vec<(String, BudgetUseReason)> {
        self.status_of(|rollout_status| {
            rollout_status
                .budget_used_by
                .iter()
                .map(|budget_use| (budget_use.node.to_owned(), budget_use.reason))
                .collect()
        })
    }

    /// The codes of the blockers with their nodes. `!` marks a blocker that blocks the whole rollout.
    pub(super) fn blockers(&self) -> Vec<String> {
        let name = |blocker: &Blocker<'_>| {
            let json = serde_json::to_value(blocker).unwrap();
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let (problem_type, code) = (text(&json["type"]), text(&json["reason"]["code"]));
            format!("{problem_type}/{code}{} {}", if blocker.blocking { "!" } else { "" }, blocker.nodes.join(","))
        };
        self.status_of(|rollout_status| rollout_status.blockers.iter().map(name).collect())
    }
}

pub(super) fn from<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

pub(super) fn merge(target: &mut Value, change: Value) {
    match (target, change) {
        (Value::Object(target), Value::Object(change)) => {
            for (key, value) in change {
                merge(target.entry(key).or_insert(Value::Null), value);
            }
        }
        (target, change) => *target = change,
    }
}

pub(super) fn healthy() -> Value {
    json!({})
}

pub(super) fn unready() -> Value {
    let condition = json!({ "type": "Ready", "status": "False", "lastTransitionTime": READY });
    json!({ "status": { "conditions": [condition], "containerStatuses": [{ "name": "c", "ready": false, "state": { "running": {} } }] } })
}

/// Created 10 seconds ago; its container is being created.
pub(super) fn starting() -> Value {
    let mut pod = unready();
    pod["metadata"]["creationTimestamp"] = "2026-01-02T11:59:50Z".into();
    pod["status"]["containerStatuses"][0]["state"] = json!({ "waiting": { "reason": "ContainerCreating" } });
    pod
}

pub(super) fn waiting(reason: &str, message: &str, restarts: i32) -> Value {
    let mut pod = unready();
    let exit = json!({ "terminated": { "exitCode": 1, "reason": "Error" } });
    pod["status"]["containerStatuses"][0] = json!({
        "name": "c", "ready": false, "restartCount": restarts, "lastState": exit,
        "state": { "waiting": { "reason": reason, "message": message } },
    });
    pod
}

pub(super) fn terminating() -> Value {
    json!({ "metadata": { "deletionTimestamp": PAST } })
}

pub(super) fn unbound(node: usize) -> Value {
    let field = json!({ "key": "metadata.name", "operator": "In", "values": [format!("n{node}")] });
    let condition = json!({ "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes are available" });
    json!({
        "metadata": { "creationTimestamp": "2026-01-02T11:00:00Z" },
        "spec": { "nodeName": "", "affinity": { "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": [{ "matchFields": [field] }] } } } },
        "status": { "phase": "Pending", "conditions": [condition], "containerStatuses": [] },
    })
}
