//! What tests of filters attempt: a pod, a node with room, and who is there.

#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::Attempt;
use crate::snapshot::facts::{Facts, Minor};
use crate::snapshot::full_pod::FullPod;
use crate::snapshot::{Known, Node};

/// The inputs of one attempt.
pub(super) struct World {
    pub(super) pod: FullPod,
    pub(super) node: Node,
    pub(super) neighbours: Vec<FullPod>,
    pub(super) nominated: Vec<FullPod>,
    pub(super) facts: Facts,
}

impl World {
    /// A pod of this spec, and a node with this to give, on the newest version.
    pub(super) fn new(spec: Value, allocatable: Value) -> Self {
        let node = json!({ "metadata": { "name": "n1" }, "status": { "allocatable": allocatable } });
        Self {
            pod: pod("agent", spec),
            node: serde_json::from_value(node).unwrap(),
            neighbours: Vec::new(),
            nominated: Vec::new(),
            facts: Facts { minor: Known::Known(Minor::ASSUMED), ..Facts::default() },
        }
    }

    /// With one more pod on the node.
    pub(super) fn with(mut self, neighbour: FullPod) -> Self {
        self.neighbours.push(neighbour);
        self
    }

    /// With one more pod that the node is nominated for.
    pub(super) fn with_nominated(mut self, pod: FullPod) -> Self {
        self.nominated.push(pod);
        self
    }

    /// For another pod.
    pub(super) fn of(mut self, pod: FullPod) -> Self {
        self.pod = pod;
        self
    }

    /// By the rules of another version.
    pub(super) fn on(mut self, minor: u32) -> Self {
        self.facts.minor = Known::Known(Minor(minor));
        self
    }

    /// The attempt.
    pub(super) fn attempt(&self) -> Attempt<'_> {
        Attempt {
            pod: &self.pod,
            node: &self.node,
            neighbours: Known::Known(self.neighbours.iter().collect()),
            nominated: Known::Known(self.nominated.iter().collect()),
            facts: &self.facts,
        }
    }
}

/// A pod of namespace `ns`.
pub(super) fn pod(name: &str, spec: Value) -> FullPod {
    pod_with(name, spec, json!({}))
}

/// The same with a status.
pub(super) fn pod_with(name: &str, spec: Value, status: Value) -> FullPod {
    let metadata = json!({ "name": name, "namespace": "ns", "uid": format!("uid-{name}") });
    serde_json::from_value(json!({ "metadata": metadata, "spec": spec, "status": status })).unwrap()
}

/// A spec of one container that asks for this.
pub(super) fn asking(requests: Value) -> Value {
    json!({ "containers": [{ "name": "main", "resources": { "requests": requests } }] })
}
