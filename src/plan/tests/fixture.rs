//! A world with one DaemonSet, and short forms of what a plan says about it.

use std::collections::HashMap;

use k8s_openapi::api::apps::v1::DaemonSet;
use serde_json::{Value, json};

use crate::plan::{ClusterChange, DaemonSetPlan, Finding, NodeChange, Plan, World, plan};
use crate::snapshot::cluster_objects::ClusterObjects;
use crate::snapshot::pod::Pod;
use crate::snapshot::{Known, Node, Snapshot};
use crate::testing::objects::{
    self, controller_revision, daemon_pod, empty_snapshot, from_json, merge, ready_status, required_node_name,
};

/// A world in the making.
pub(super) struct Fixture {
    pub(super) nodes: Vec<Node>,
    pub(super) daemon_sets: Vec<DaemonSet>,
    pub(super) pods: Vec<Pod>,
    pub(super) revisions: Vec<k8s_openapi::api::apps::v1::ControllerRevision>,
    pub(super) objects: ClusterObjects,
}

pub(super) fn rolling(max_unavailable: Value) -> Value {
    json!({ "type": "RollingUpdate", "rollingUpdate": { "maxUnavailable": max_unavailable } })
}

pub(super) fn surge(max_surge: Value) -> Value {
    json!({ "type": "RollingUpdate", "rollingUpdate": { "maxUnavailable": 0, "maxSurge": max_surge } })
}

/// A pod template with an image and more fields of the pod.
pub(super) fn template(image: &str, fields: Value) -> Value {
    let mut spec = json!({ "containers": [{ "name": "c", "image": image }] });
    merge(&mut spec, fields);
    json!({ "metadata": { "labels": { "app": "agent" } }, "spec": spec })
}

/// A DaemonSet `ns/agent`.
pub(super) fn agent(strategy: Value, template: Value) -> DaemonSet {
    let fields = json!({
        "metadata": { "generation": 1 },
        "spec": { "updateStrategy": strategy, "template": template },
        "status": { "observedGeneration": 1 },
    });
    objects::daemon_set("ns", "agent", fields)
}

/// The same with other fields.
pub(super) fn with(daemon_set: &DaemonSet, fields: Value) -> DaemonSet {
    let mut value = serde_json::to_value(daemon_set).unwrap();
    merge(&mut value, fields);
    from_json(value)
}

impl Fixture {
    /// Nodes `n1` to `nX` with 2 CPUs, and `ns/agent` with an available pod of revision `old` on each.
    pub(super) fn new(nodes: usize, strategy: Value) -> Self {
        let daemon_set = agent(strategy, template("old", json!({})));
        Self::with_daemon_set(nodes, daemon_set).pods_everywhere()
    }

    pub(super) fn with_daemon_set(nodes: usize, daemon_set: DaemonSet) -> Self {
        let template = serde_json::to_value(&daemon_set.spec.template).unwrap();
        let labels = json!({ "metadata": { "labels": { "controller-revision-hash": "old" } } });
        Self {
            nodes: (1..=nodes).map(|number| node(&format!("n{number}"), json!({}))).collect(),
            revisions: vec![controller_revision(&daemon_set, 1, template, labels)],
            daemon_sets: vec![daemon_set],
            pods: Vec::new(),
            objects: ClusterObjects {
                namespaces: Known::Known(Vec::new()),
                quotas: Known::Known(Vec::new()),
                limit_ranges: Known::Known(Vec::new()),
                service_accounts: Known::Known(vec![from_json(
                    json!({ "metadata": { "namespace": "ns", "name": "default" } }),
                )]),
                priority_classes: Known::Known(vec![from_json(
                    json!({ "metadata": { "name": "high" }, "value": 100 }),
                )]),
                runtime_classes: Known::Known(Vec::new()),
                ..ClusterObjects::default()
            },
        }
    }

    pub(super) fn pods_everywhere(mut self) -> Self {
        let nodes: Vec<String> = self.nodes.iter().map(|node| node.metadata.name.clone()).collect();
        for node in nodes {
            self = self.pod(&node, json!({}));
        }
        self
    }

    /// Adds an available pod of `ns/agent`, changed by `fields`.
    pub(super) fn pod(mut self, node: &str, fields: Value) -> Self {
        let daemon_set = &self.daemon_sets[0];
        let mut spec = serde_json::to_value(daemon_set.spec.template.spec.as_ref().unwrap()).unwrap();
        let of_server = json!({
            "nodeName": node, "affinity": required_node_name(node), "serviceAccountName": "default",
        });
        merge(&mut spec, of_server);
        let mut all = json!({
            "metadata": { "labels": { "controller-revision-hash": "old" } }, "spec": spec, "status": ready_status(),
        });
        merge(&mut all, fields);
        self.pods.push(daemon_pod(daemon_set, &format!("agent-{node}"), all));
        self
    }

    /// Changes the pod on the node.
    pub(super) fn change_pod(mut self, node: &str, fields: Value) -> Self {
        self.pods.retain(|pod| pod.metadata.name != format!("agent-{node}"));
        self.pod(node, fields)
    }

    /// Adds a pod of another owner with a request of CPU and a priority.
    pub(super) fn neighbour(mut self, node: &str, cpu: &str, priority: i32) -> Self {
        let owner =
            json!([{ "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "w", "controller": true }]);
        let name = format!("web-{}", self.pods.len());
        let fields = json!({
            "metadata": { "ownerReferences": owner },
            "spec": {
                "nodeName": node, "priority": priority,
                "containers": [{ "name": "c", "resources": { "requests": { "cpu": cpu } } }],
            },
            "status": { "phase": "Running" },
        });
        self.pods.push(objects::pod("shop", &name, fields));
        self
    }

    pub(super) fn change_node(mut self, name: &str, fields: Value) -> Self {
        self.nodes.retain(|node| node.metadata.name != name);
        self.nodes.push(node(name, fields));
        self.nodes.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
        self
    }

    pub(super) fn world(&self) -> World {
        let pods = self.pods.iter().map(Pod::summary).collect();
        let snapshot = Snapshot {
            daemon_sets: self.daemon_sets.clone(),
            nodes: Known::Known(self.nodes.clone()),
            pods: Known::Known(pods),
            revisions: Known::Known(self.revisions.clone()),
            ..empty_snapshot()
        };
        let pods = Known::Known(self.pods.clone());
        World { snapshot, pods, complete_nodes: None, cluster_objects: self.objects.clone(), created: HashMap::new() }
    }

    /// The plan of a changed or new DaemonSet.
    pub(super) fn apply(&self, daemon_set: DaemonSet) -> Plan {
        let change = ClusterChange { daemon_sets: vec![daemon_set], ..ClusterChange::default() };
        plan(self.world(), &change)
    }

    /// The plan of an image that is new, with more fields of the pod.
    pub(super) fn new_template(&self, fields: Value) -> Plan {
        self.apply(with(&self.daemon_sets[0], json!({ "spec": { "template": template("new", fields) } })))
    }

    pub(super) fn change_nodes(&self, nodes: Vec<NodeChange>) -> Plan {
        plan(self.world(), &ClusterChange { nodes, ..ClusterChange::default() })
    }
}

pub(super) fn node(name: &str, fields: Value) -> Node {
    let mut all = json!({
        "metadata": { "labels": { "kubernetes.io/hostname": name } },
        "status": {
            "allocatable": { "cpu": "2", "memory": "4Gi", "pods": "10" },
            "conditions": [{ "type": "Ready", "status": "True" }],
        },
    });
    merge(&mut all, fields);
    objects::node(name, all)
}

/// Fields of a node whose kubelet does not report, and whose taints the DaemonSet tolerates.
pub(super) fn silent() -> Value {
    json!({ "status": { "conditions": [{ "type": "Ready", "status": "Unknown" }] } })
}

/// Fields of a pod that is not ready.
pub(super) fn not_ready() -> Value {
    json!({ "status": { "conditions": [{ "type": "Ready", "status": "False" }] } })
}

/// The plan of `ns/agent`.
pub(super) fn of_agent(plan: &Plan) -> &DaemonSetPlan {
    plan.daemon_sets.iter().find(|one| one.name == "agent").unwrap()
}

/// `n1 Replace, n2 Keep`, with `!` where the pod has no place and `?` where that is assumed.
pub(super) fn actions(one: &DaemonSetPlan) -> String {
    let node = |node: &crate::plan::NodePlan| {
        let mark = match node.schedulable {
            Some(false) => "!",
            _ if node.is_assumed => "?",
            _ => "",
        };
        format!("{} {:?}{mark}", node.node, node.action)
    };
    one.nodes.iter().map(node).collect::<Vec<String>>().join(", ")
}

/// The codes of the findings.
pub(super) fn codes(one: &DaemonSetPlan) -> Vec<String> {
    let code = |finding: &Finding| serde_json::to_value(finding).unwrap()["code"].as_str().unwrap().to_owned();
    one.findings.iter().map(code).collect()
}
