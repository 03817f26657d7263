//! The DaemonSet controller's rule: may this node have the pod?
//!
//! Upstream: `pkg/controller/daemon/daemon_controller.go` `NodeShouldRunDaemonPod`, `predicates`, `NewPod`. It looks
//! at the node's name, labels and taints, and at nothing else: whether the pod would fit is the scheduler's question.

mod affinity;
mod failure;
mod namespace_selector;
mod toleration;

#[cfg(test)]
mod edge_cases;

use serde::Serialize;

use crate::snapshot::pod::PodSpec;
use crate::snapshot::{Labels, Node};

pub(crate) use affinity::Affinity;
pub(crate) use failure::{PlacementFailure, Requirement, TermMismatch};
pub(crate) use namespace_selector::NamespaceSelector;
use toleration::Tolerations;
pub(crate) use toleration::{FeatureGates, added as added_tolerations, tolerates};

/// What the controller does about a node. Upstream answers with two booleans (should run, should continue), of
/// which one combination cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub(crate) enum Placement {
    /// A pod is required: one is made if there is none.
    Run,
    /// None is required, but one that is there may stay: an untolerated `NoSchedule` taint.
    ContinueOnly,
    /// None is required, and one that is there is deleted.
    Exclude,
}

/// The controller's answer for one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlacementResult {
    /// What the controller does.
    pub(crate) placement: Placement,
    /// Every obstacle, not only the first; empty exactly for [`Placement::Run`].
    pub(crate) failures: Vec<PlacementFailure>,
}

/// A DaemonSet's template, made ready to be held against many nodes.
#[derive(Debug)]
pub(crate) struct EligibilityRule<'a> {
    node_name: Option<&'a str>,
    node_selector: &'a Labels,
    affinity: Option<Affinity<'a>>,
    tolerations: Tolerations<'a>,
    namespace: NamespaceSelector,
}

impl<'a> EligibilityRule<'a> {
    /// Reads the rule out of a template, with the tolerations that the controller adds.
    pub(crate) fn new(spec: &'a PodSpec, namespace: NamespaceSelector, gates: FeatureGates) -> Self {
        Self {
            node_name: Some(spec.node_name.as_str()).filter(|name| !name.is_empty()),
            node_selector: &spec.node_selector,
            affinity: spec.required_node_affinity().map(Affinity::new),
            tolerations: Tolerations::for_daemon_pod(spec, gates),
            namespace,
        }
    }

    /// Holds the rule against a node.
    pub(crate) fn evaluate(&self, node: &Node) -> PlacementResult {
        let mut failures = Vec::new();
        failures.extend(self.name_obstacle(node));
        failures.extend(selector_obstacles(self.node_selector, node));
        failures.extend(self.affinity.as_ref().and_then(|affinity| affinity.failure(node)));
        let is_selected = failures.is_empty();

        let untolerated = self.tolerations.untolerated(&node.spec.taints);
        let may_stay = untolerated.iter().all(|taint| taint.effect != "NoExecute");
        let placement = match (is_selected, untolerated.is_empty(), may_stay) {
            (true, true, _) => Placement::Run,
            (true, false, true) => Placement::ContinueOnly,
            _ => Placement::Exclude,
        };
        failures.extend(untolerated.into_iter().cloned().map(|taint| PlacementFailure::Taint { taint }));
        // The patch looks at the namespace only where the plain rule said yes, so a pod may stay on a tainted node.
        let of_namespace = self.namespace.failure(node).filter(|_| placement == Placement::Run);
        let placement = of_namespace.as_ref().map_or(placement, |_| Placement::Exclude);
        failures.extend(of_namespace);
        PlacementResult { placement, failures }
    }

    fn name_obstacle(&self, node: &Node) -> Option<PlacementFailure> {
        let required = self.node_name.filter(|required| *required != node.metadata.name)?;
        Some(PlacementFailure::NodeName { required: required.to_owned() })
    }
}

/// The pairs of a node selector that the node's labels do not hold.
pub(crate) fn selector_obstacles(selector: &Labels, node: &Node) -> impl Iterator<Item = PlacementFailure> {
    selector.iter().filter_map(|(key, required)| {
        let found = node.metadata.labels.get(key);
        (found != Some(required)).then(|| PlacementFailure::NodeSelector {
            key: key.clone(),
            required: required.clone(),
            found: found.cloned(),
        })
    })
}
