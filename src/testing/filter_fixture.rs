//! A fixture for tests of filters: a pod, a node with resources, and the pods on it.

use serde_json::{Value, json};

use crate::scheduling::Attempt;
use crate::snapshot::cluster_objects::{ClusterObjects, KubeMinor};
use crate::snapshot::pod::Pod;
use crate::snapshot::{Known, Node};
use crate::testing::objects;

/// The inputs of one attempt.
pub(crate) struct FilterFixture {
    pub(crate) pod: Pod,
    pub(crate) node: Node,
    pub(crate) bound_pods: Vec<Pod>,
    pub(crate) nominated: Vec<Pod>,
    pub(crate) cluster_objects: ClusterObjects,
}

impl FilterFixture {
    /// A pod with this spec and a node with these resources, on the newest version.
    pub(crate) fn new(spec: Value, allocatable: Value) -> Self {
        Self {
            pod: pod("agent", spec),
            node: objects::node("n1", json!({ "status": { "allocatable": allocatable } })),
            bound_pods: Vec::new(),
            nominated: Vec::new(),
            cluster_objects: ClusterObjects { minor: Known::Known(KubeMinor::ASSUMED), ..ClusterObjects::default() },
        }
    }

    /// Adds a pod on the node.
    pub(crate) fn with(mut self, neighbour: Pod) -> Self {
        self.bound_pods.push(neighbour);
        self
    }

    /// Adds a pod that is nominated for the node.
    pub(crate) fn with_nominated(mut self, pod: Pod) -> Self {
        self.nominated.push(pod);
        self
    }

    /// Replaces the pod.
    pub(crate) fn for_pod(mut self, pod: Pod) -> Self {
        self.pod = pod;
        self
    }

    /// Sets the minor version of the cluster.
    pub(crate) fn on(mut self, minor: u32) -> Self {
        self.cluster_objects.minor = Known::Known(KubeMinor(minor));
        self
    }

    pub(crate) fn attempt(&self) -> Attempt<'_> {
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
pub(crate) fn pod(name: &str, spec: Value) -> Pod {
    pod_with(name, spec, json!({}))
}

/// The same with a status.
pub(crate) fn pod_with(name: &str, spec: Value, status: Value) -> Pod {
    objects::pod("ns", name, json!({ "spec": spec, "status": status }))
}

/// A spec with one container and these requests.
pub(crate) fn asking(requests: Value) -> Value {
    json!({ "containers": [{ "name": "main", "resources": { "requests": requests } }] })
}
