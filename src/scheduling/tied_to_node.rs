//! Whether a pod would come back to its node if it were evicted from it.

use serde::Serialize;

use crate::placement::{Affinity, FeatureGates, selector_obstacles, tolerates};
use crate::snapshot::pod::{Pod, PodSpec};
use crate::snapshot::pod_summary::{NodeSelectorRequirement, NodeSelectorTerm};
use crate::snapshot::{HOSTNAME, Node, Taint};

/// Why a pod that is evicted from its node, while the node is cordoned, may come back to it or find no other node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum TiedToNode {
    /// It tolerates the cordon.
    ToleratesCordon,
    /// Its node selector or node affinity names this node.
    NodeSelector,
    /// It uses a PersistentVolumeClaim, whose volume may exist only on this node.
    Volume,
}

/// Why the pod is tied to its node, if it is.
pub(crate) fn tied_to_node(pod: &Pod) -> Option<TiedToNode> {
    let cordon =
        Taint { key: "node.kubernetes.io/unschedulable".into(), effect: "NoSchedule".into(), ..Taint::default() };
    let uses_claim = |spec: &PodSpec| spec.volumes.iter().any(|volume| volume.source.persistent_volume_claim.is_some());
    if is_tolerated(&pod.spec, &cordon) {
        Some(TiedToNode::ToleratesCordon)
    } else if names_one_node(&pod.spec) {
        Some(TiedToNode::NodeSelector)
    } else if uses_claim(&pod.spec) {
        Some(TiedToNode::Volume)
    } else {
        None
    }
}

fn is_tolerated(spec: &PodSpec, taint: &Taint) -> bool {
    let gates = FeatureGates::implied_by(spec);
    spec.tolerations.iter().any(|toleration| tolerates(toleration, taint, gates))
}

fn names_one_node(spec: &PodSpec) -> bool {
    let is_one = |requirement: &NodeSelectorRequirement, key: &str| {
        requirement.key == key && requirement.operator == "In" && requirement.values.len() == 1
    };
    let of_term = |term: &NodeSelectorTerm| {
        term.match_fields.iter().any(|one| is_one(one, "metadata.name"))
            || term.match_expressions.iter().any(|one| is_one(one, HOSTNAME))
    };
    let terms = spec.required_node_affinity().map(|selector| selector.node_selector_terms.as_slice());
    spec.node_selector.contains_key(HOSTNAME) || terms.is_some_and(|terms| terms.iter().all(of_term))
}

/// Whether the node selector, the required node affinity and the tolerations of a pod that is not a daemon pod accept
/// the node, which is not cordoned. The resources of the node are not compared.
pub(crate) fn accepts_node(spec: &PodSpec, node: &Node) -> bool {
    let taints = node.spec.taints.iter().filter(|taint| matches!(taint.effect.as_str(), "NoSchedule" | "NoExecute"));
    let is_selected = selector_obstacles(&spec.node_selector, node).next().is_none();
    let affinity = spec.required_node_affinity().map(Affinity::new);
    !node.spec.unschedulable
        && is_selected
        && affinity.is_none_or(|affinity| affinity.failure(node).is_none())
        && taints.into_iter().all(|taint| is_tolerated(spec, taint))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::objects;
    use serde_json::{Value, json};

    fn tie(spec: Value) -> Option<TiedToNode> {
        tied_to_node(&objects::pod("shop", "web-1", json!({ "spec": spec })))
    }

    #[test]
    fn pod_that_may_come_back_is_tied() {
        let affinity = |term: Value| {
            json!({ "affinity": { "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": [term] } } } })
        };
        let hostnames = |names: &[&str]| {
            affinity(json!({ "matchExpressions": [{ "key": HOSTNAME, "operator": "In", "values": names }] }))
        };
        assert_eq!(tie(json!({})), None);
        assert_eq!(tie(json!({ "tolerations": [{ "operator": "Exists" }] })), Some(TiedToNode::ToleratesCordon));
        assert_eq!(tie(json!({ "nodeSelector": { HOSTNAME: "n1" } })), Some(TiedToNode::NodeSelector));
        assert_eq!(tie(json!({ "nodeSelector": { "pool": "a" } })), None);
        assert_eq!(tie(json!({ "affinity": objects::required_node_name("n1") })), Some(TiedToNode::NodeSelector));
        assert_eq!(tie(hostnames(&["n1"])), Some(TiedToNode::NodeSelector));
        assert_eq!(tie(hostnames(&["n1", "n2"])), None);
        let volume = json!({ "volumes": [{ "name": "data", "persistentVolumeClaim": { "claimName": "data" } }] });
        assert_eq!(tie(volume), Some(TiedToNode::Volume));
    }

    #[test]
    fn other_node_accepts_a_pod_by_selector_taints_and_cordon() {
        let spec = |spec: Value| objects::pod::<Pod>("shop", "web-1", json!({ "spec": spec })).spec;
        let node = |fields: Value| objects::node("n2", fields);
        let tainted = json!({ "spec": { "taints": [{ "key": "a", "effect": "NoSchedule" }] } });
        assert!(accepts_node(&spec(json!({})), &node(json!({}))));
        assert!(!accepts_node(&spec(json!({})), &node(tainted.clone())));
        assert!(accepts_node(&spec(json!({ "tolerations": [{ "operator": "Exists" }] })), &node(tainted)));
        assert!(!accepts_node(&spec(json!({})), &node(json!({ "spec": { "unschedulable": true } }))));
        assert!(!accepts_node(&spec(json!({ "nodeSelector": { "pool": "a" } })), &node(json!({}))));
    }
}
