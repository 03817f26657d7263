//! A fixture for tests of rollouts: one DaemonSet with an old and a new revision, and the nodes and pods of a test.

#![allow(clippy::unwrap_used)]

use k8s_openapi::api::apps::v1::DaemonSet;
use serde_json::{Value, json};

use crate::coverage::compute_coverage;
use crate::rollout::{Blocker, BudgetUseReason, NodeStep, Phase, RolloutStatus, rollout_status};
use crate::snapshot::{Known, Snapshot};
use crate::testing::objects::{
    HOUR_AGO, controller_revision, daemon_pod, daemon_set, empty_snapshot, event, from_json, merge, node, ready_status,
    required_node_name,
};

pub(crate) const HALF_HOUR_AGO: &str = "2026-01-02T11:30:00Z";

/// A DaemonSet `d`, nodes `n1` to `nX`, and the pods that a test adds.
pub(crate) struct RolloutFixture(pub(crate) Snapshot);

impl RolloutFixture {
    pub(crate) fn new(nodes: usize, strategy: Value) -> Self {
        let nodes = (1..=nodes).map(|number| node(&format!("n{number}"), json!({}))).collect();
        let snapshot = Snapshot { nodes: Known::Known(nodes), ..empty_snapshot() };
        Self(snapshot).template(strategy, json!({ "image": "new" }), json!({ "image": "old" }))
    }

    pub(crate) fn rolling(nodes: usize, max_unavailable: Value) -> Self {
        Self::new(nodes, json!({ "type": "RollingUpdate", "rollingUpdate": { "maxUnavailable": max_unavailable } }))
    }

    pub(crate) fn surge(nodes: usize, max_surge: Value) -> Self {
        let rolling = json!({ "maxUnavailable": 0, "maxSurge": max_surge });
        Self::new(nodes, json!({ "type": "RollingUpdate", "rollingUpdate": rolling }))
    }

    /// Sets the strategy, and the fields of the container in the new and in the old template.
    pub(crate) fn template(mut self, strategy: Value, new: Value, old: Value) -> Self {
        let template = |change: Value| {
            let mut template =
                json!({ "metadata": { "labels": { "app": "d" } }, "spec": { "containers": [{ "name": "c" }] } });
            merge(&mut template["spec"]["containers"][0], change);
            template
        };
        let daemon_set = daemon_set(
            "ns",
            "d",
            json!({
                "metadata": { "generation": 2 },
                "spec": { "template": template(new.clone()), "updateStrategy": strategy },
                "status": { "observedGeneration": 2 },
            }),
        );
        let revision = |hash: &str, number: i64, change: Value| {
            let fields = json!({ "metadata": {
                "labels": { "app": "d", "controller-revision-hash": hash },
                "creationTimestamp": format!("2026-01-0{number}T00:00:00Z"),
            } });
            controller_revision(&daemon_set, number, template(change), fields)
        };
        self.0.revisions = Known::Known(vec![revision("old", 1, old), revision("new", 2, new)]);
        self.0.daemon_sets = vec![daemon_set];
        self
    }

    /// Adds a ready pod, changed by a JSON merge.
    pub(crate) fn pod(mut self, node: usize, revision: &str, change: Value) -> Self {
        let Known::Known(pods) = &mut self.0.pods else { unreachable!() };
        let mut fields = json!({
            "metadata": { "labels": { "controller-revision-hash": revision } },
            "spec": { "nodeName": format!("n{node}") },
            "status": ready_status(),
        });
        merge(&mut fields, change);
        pods.push(daemon_pod(&self.0.daemon_sets[0], &format!("d-{}", pods.len()), fields));
        self
    }

    pub(crate) fn pods(self, nodes: impl IntoIterator<Item = usize>, revision: &str, change: &Value) -> Self {
        nodes.into_iter().fold(self, |rollout, node| rollout.pod(node, revision, change.clone()))
    }

    /// The kubelet of the node stops reporting. `is_tainted`: the node lifecycle controller has added the taint.
    pub(crate) fn node_down(mut self, node: usize, is_tainted: bool) -> Self {
        let Known::Known(nodes) = &mut self.0.nodes else { unreachable!() };
        let ready = json!({ "type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown", "lastTransitionTime": HALF_HOUR_AGO });
        nodes[node - 1].status.conditions = vec![from_json(ready)];
        if is_tainted {
            let taint = json!({ "key": "node.kubernetes.io/unreachable", "effect": "NoSchedule" });
            nodes[node - 1].spec.taints = vec![from_json(taint)];
        }
        self
    }

    /// The kubelet of the node reports that the node is not ready.
    pub(crate) fn node_reports_not_ready(mut self, node: usize) -> Self {
        let Known::Known(nodes) = &mut self.0.nodes else { unreachable!() };
        let message = "cni plugin not initialized";
        let ready = json!({ "type": "Ready", "status": "False", "reason": "KubeletNotReady", "message": message });
        nodes[node - 1].status.conditions = vec![from_json(ready)];
        self
    }

    pub(crate) fn failed_create_event(mut self, message: &str, last_seen: &str) -> Self {
        let message = format!("Error creating: {message}");
        let fields = json!({ "count": 4, "message": message, "lastTimestamp": last_seen });
        self.0.events = Known::Known(vec![event("DaemonSet", "uid-d", "FailedCreate", fields)]);
        self
    }

    pub(crate) fn daemon_set(mut self, change: impl FnOnce(&mut DaemonSet)) -> Self {
        change(&mut self.0.daemon_sets[0]);
        self
    }

    pub(crate) fn status_of<T>(&self, at: impl FnOnce(&RolloutStatus<'_>) -> T) -> T {
        at(&rollout_status(&compute_coverage(&self.0)[0], &self.0))
    }

    pub(crate) fn phase(&self) -> Phase {
        self.status_of(|rollout_status| rollout_status.phase)
    }

    pub(crate) fn steps(&self) -> Vec<NodeStep> {
        self.status_of(|rollout_status| rollout_status.nodes.iter().map(|progress| progress.step).collect())
    }

    pub(crate) fn budget_used_by(&self) -> Vec<(String, BudgetUseReason)> {
        self.status_of(|rollout_status| {
            rollout_status
                .budget_used_by
                .iter()
                .map(|budget_use| (budget_use.node.to_owned(), budget_use.reason))
                .collect()
        })
    }

    /// The codes of the blockers with their nodes. `!` marks a blocker that blocks the whole rollout.
    pub(crate) fn blockers(&self) -> Vec<String> {
        let name = |blocker: &Blocker<'_>| {
            let json = serde_json::to_value(blocker).unwrap();
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let (problem_type, code) = (text(&json["type"]), text(&json["reason"]["code"]));
            format!("{problem_type}/{code}{} {}", if blocker.blocking { "!" } else { "" }, blocker.nodes.join(","))
        };
        self.status_of(|rollout_status| rollout_status.blockers.iter().map(name).collect())
    }
}

pub(crate) fn healthy() -> Value {
    json!({})
}

pub(crate) fn unready() -> Value {
    let condition = json!({ "type": "Ready", "status": "False", "lastTransitionTime": HOUR_AGO });
    json!({ "status": { "conditions": [condition], "containerStatuses": [{ "name": "c", "ready": false, "state": { "running": {} } }] } })
}

/// Created 10 seconds ago; its container is being created.
pub(crate) fn starting() -> Value {
    let mut pod = unready();
    pod["metadata"]["creationTimestamp"] = "2026-01-02T11:59:50Z".into();
    pod["status"]["containerStatuses"][0]["state"] = json!({ "waiting": { "reason": "ContainerCreating" } });
    pod
}

pub(crate) fn waiting(reason: &str, message: &str, restarts: i32) -> Value {
    let mut pod = unready();
    let exit = json!({ "terminated": { "exitCode": 1, "reason": "Error" } });
    pod["status"]["containerStatuses"][0] = json!({
        "name": "c", "ready": false, "restartCount": restarts, "lastState": exit,
        "state": { "waiting": { "reason": reason, "message": message } },
    });
    pod
}

pub(crate) fn terminating() -> Value {
    json!({ "metadata": { "deletionTimestamp": HALF_HOUR_AGO } })
}

pub(crate) fn unbound(node: usize) -> Value {
    let condition = json!({ "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes are available" });
    json!({
        "metadata": { "creationTimestamp": HOUR_AGO },
        "spec": { "nodeName": "", "affinity": required_node_name(&format!("n{node}")) },
        "status": { "phase": "Pending", "conditions": [condition], "containerStatuses": [] },
    })
}
