//! A fixture for tests of filters: a pod, a node with resources, and the pods on it.

#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::Attempt;
use crate::snapshot::cluster_objects::{ClusterObjects, KubeMinor};
use crate::snapshot::pod::Pod;
use crate::snapshot::{Known, Node};

/// The inputs of one attempt.
pub(super) struct FilterFixture {
    pub(super) pod: Pod,
    pub(super) node: Node,
    pub(super) bound_pods: Vec<Pod>,
    pub(super) nominated: Vec<Pod>,
    pub(super) cluster_objects: ClusterObjects,
}

impl FilterFixture {
    /// A pod with this spec and a node with these resources, on the newest version.
    pub(super) fn new(spec: Value, allocatable: Value) -> Self {
        let node = json!({ "metadata": { "name": "n1" }, "status": { "allocatable": allocatable } });
        Self {
            pod: pod("agent", spec),
            node: serde_json::from_value(node).unwrap(),
            bound_pods: Vec::new(),
            nominated: Vec::new(),
            cluster_objects: ClusterObjects { minor: Known::Known(KubeMinor::ASSUMED), ..ClusterObjects::default() },
        }
    }

    /// Adds a pod on the node.
    pub(super) fn with(mut self, neighbour: Pod) -> Self {
        self.bound_pods.push(neighbour);
        self
    }

    /// Adds a pod that is nominated for the node.
    pub(super) fn with_nominated(mut self, pod: Pod) -> Self {
        self.nominated.push(pod);
        self
    }

    /// Replaces the pod.
    pub(super) fn of(mut self, pod: Pod) -> Self {
        self.pod = pod;
        self
    }

    /// Sets the minor version of the cluster.
    pub(super) fn on(mut self, minor: u32) -> Self {
        self.cluster_objects.minor = Known::Known(KubeMinor(minor));
        self
    }

    pub(super) fn attempt(&self) -> Attempt<'_> {
        Attempt {
            pod: &self.pod,
            node: &self.node,
            bound_pods: Known::Known(self.bound_pods.iter().collect()),
            nominated: Known::Known(self.nominated.iter().collect()),
            cluster_objects: &self.cluster_objects,
        }
    }
}

/// A pod in namespace `ns`.
pub(super) fn pod(name: &str, spec: Value) -> Pod {
    pod_with(name, spec, json!({}))
}

/// The same with a status.
pub(super) fn pod_with(name: &str, spec: Value, status: Value) -> Pod {
    let metadata = json!({ "name": name, "namespace": "ns", "uid": format!("uid-{name}") });
    serde_json::from_value(json!({ "metadata": metadata, "spec": spec, "status": status })).unwrap()
}

/// A spec with one container and these requests.
pub(super) fn asking(requests: Value) -> Value {
    json!({ "containers": [{ "name": "main", "resources": { "requests": requests } }] })
}
