//! Pods with minimal memory, for lists of the pods of many nodes.

use super::volume::Volume;
use super::{Affinity, Container, ContainerAllocation, Pod, Toleration};
use crate::snapshot::Interner;
use crate::snapshot::shared::Pool;

/// Makes equal values of complete pods share their memory.
#[derive(Default)]
pub(crate) struct PodInterner {
    metadata: Interner,
    containers: Pool<Vec<Container>>,
    allocations: Pool<Vec<ContainerAllocation>>,
    tolerations: Pool<Vec<Toleration>>,
    volumes: Pool<Vec<Volume>>,
}

impl Pod {
    /// The pod with minimal memory: what no filter of the scheduler reads of a bound
    /// pod is dropped, and values that other pods have as well are shared with them.
    pub(crate) fn compact(mut self, interner: &mut PodInterner) -> Self {
        let Self { metadata, spec, status } = &mut self;
        interner.metadata.labels(&mut metadata.labels);
        interner.metadata.owners(&mut metadata.owner_references);
        for containers in [&mut spec.containers, &mut spec.init_containers] {
            interner.containers.share(containers);
        }
        interner.tolerations.share(&mut spec.tolerations);
        interner.volumes.share(&mut spec.volumes);
        for allocations in [&mut status.container_statuses, &mut status.init_container_statuses] {
            allocations.iter_mut().for_each(ContainerAllocation::drop_state);
            allocations.retain(|allocation| allocation.resources.is_some());
            interner.allocations.share(allocations);
        }
        if !spec.node_name.is_empty() {
            status.conditions.retain(|condition| is_read_when_bound(&condition.type_));
            status.conditions.shrink_to_fit();
            // The one that the controller adds is added again for another node.
            spec.affinity.take_if(|affinity| affinity.is_only_a_node_name());
        }
        self
    }
}

/// Whether a rule reads the condition of a pod that has its node: preemption, and the resize of its resources.
fn is_read_when_bound(condition: &str) -> bool {
    matches!(condition, "DisruptionTarget" | "PodResizePending")
}

impl ContainerAllocation {
    /// Drops all but the name and the resources.
    fn drop_state(&mut self) {
        let Self { name, allocated_resources, resources, .. } = std::mem::take(self);
        *self = Self { name, allocated_resources, resources, ..Self::default() };
    }
}

impl Affinity {
    /// Whether it only binds the pod to a node by its name, as the controller does for a template without affinity.
    ///
    /// Upstream: `pkg/controller/daemon/util/daemonset_util.go` `ReplaceDaemonSetPodNodeNameNodeAffinity`.
    fn is_only_a_node_name(&self) -> bool {
        let Self { node_affinity, pod_affinity, pod_anti_affinity } = self;
        let terms = node_affinity
            .as_ref()
            .and_then(|affinity| affinity.required.as_ref())
            .map(|required| &required.node_selector_terms);
        let is_only_fields = terms.is_some_and(|terms| terms.iter().all(|term| term.match_expressions.is_empty()));
        is_only_fields && pod_affinity.is_none() && pod_anti_affinity.is_none()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::objects;

    fn pod(name: &str, fields: Value) -> Pod {
        let mut spec = json!({
            "containers": [{ "name": "main", "resources": { "requests": { "cpu": "1" } } }],
            "tolerations": [{ "key": "infra", "operator": "Exists" }],
            "volumes": [{ "name": "data", "persistentVolumeClaim": { "claimName": "data" } }],
        });
        objects::merge(&mut spec, fields);
        objects::pod(
            "ns",
            name,
            json!({
                "metadata": { "labels": { "app": "agent" } },
                "spec": spec,
                "status": {
                    "containerStatuses": [
                        { "name": "main", "image": "agent:1", "restartCount": 7, "resources": { "requests": { "cpu": "2" } } },
                        { "name": "old", "image": "agent:1" },
                    ],
                    "conditions": [
                        { "type": "Ready", "status": "True" }, { "type": "DisruptionTarget", "status": "True" },
                        { "type": "PodResizePending", "status": "True", "reason": "Infeasible" },
                    ],
                },
            }),
        )
    }

    fn bound() -> Value {
        json!({ "nodeName": "node" })
    }

    #[test]
    fn equal_values_are_shared() {
        let mut interner = PodInterner::default();
        let [a, b] = ["a", "b"].map(|name| pod(name, bound()).compact(&mut interner));
        assert_eq!((a.metadata.name.as_str(), b.metadata.name.as_str()), ("a", "b"));
        assert!(std::ptr::eq(&*a.metadata.labels, &*b.metadata.labels));
        assert!(std::ptr::eq(&*a.spec.containers, &*b.spec.containers));
        assert!(std::ptr::eq(&*a.spec.tolerations, &*b.spec.tolerations));
        assert!(std::ptr::eq(&*a.spec.volumes, &*b.spec.volumes));
        assert!(std::ptr::eq(&*a.status.container_statuses, &*b.status.container_statuses));
    }

    #[test]
    fn of_container_statuses_only_the_resources_stay() {
        let compact = pod("a", bound()).compact(&mut PodInterner::default());
        let [status] = &compact.status.container_statuses[..] else { unreachable!() };
        assert_eq!((status.name.as_str(), status.image.as_str(), status.restart_count), ("main", "", 0));
        assert_eq!(status.resources.as_ref().map(|resources| resources.requests["cpu"].text.as_str()), Some("2"));
    }

    #[test]
    fn only_conditions_that_are_read_stay() {
        let types = |fields: Value| -> Vec<String> {
            let pod = pod("a", fields).compact(&mut PodInterner::default());
            pod.status.conditions.iter().map(|condition| condition.type_.to_string()).collect()
        };
        assert_eq!(types(bound()), ["DisruptionTarget", "PodResizePending"]);
        assert_eq!(types(json!({})).len(), 3, "what the scheduler reported for a pod that waits");
    }

    #[test]
    fn only_the_affinity_to_the_name_of_the_own_node_is_dropped() {
        let required = |term: Value| {
            json!({ "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [term],
        } } })
        };
        let name = json!({ "key": "metadata.name", "operator": "In", "values": ["node"] });
        let by_name = required(json!({ "matchFields": [name] }));
        let with_label =
            required(json!({ "matchFields": [name], "matchExpressions": [{ "key": "os", "operator": "Exists" }] }));
        let has_affinity = |affinity: &Value, node: &str| {
            let pod = pod("a", json!({ "nodeName": node, "affinity": affinity })).compact(&mut PodInterner::default());
            pod.spec.affinity.is_some()
        };
        assert!(!has_affinity(&by_name, "node"));
        assert!(has_affinity(&by_name, ""), "it is the target node of a pod that waits");
        assert!(has_affinity(&with_label, "node"));
    }
}
