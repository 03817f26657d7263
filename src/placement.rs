//! The DaemonSet controller's rule: is a node eligible for the pod?
//!
//! [`EligibilityRule`] is built once from a pod template and then evaluated for many nodes. `toleration` has the
//! tolerations, including those that the controller adds, `affinity` the required node affinity (the scheduler uses
//! both, too), and `namespace_selector` the additional rule of OpenShift. The result has a [`Placement`] and every
//! obstacle (`failure`), not only the first.
//!
//! Upstream: `pkg/controller/daemon/daemon_controller.go` `NodeShouldRunDaemonPod`, `predicates`, `NewPod`. The rule
//! reads only the name, the labels and the taints of a node. Whether the pod fits is the scheduler's decision.

mod affinity;
mod failure;
mod namespace_selector;
mod taint_owner;
mod toleration;

#[cfg(test)]
mod tests;

use k8s_openapi::api::apps::v1::DaemonSet;
use serde::Serialize;

use crate::snapshot::pod::{Pod, PodSpec};
use crate::snapshot::{Known, Labels, Node, OpenShift};

pub(crate) use affinity::Affinity;
pub(crate) use failure::{PlacementFailure, Requirement, TermMismatch};
pub(crate) use namespace_selector::NamespaceSelector;
pub(crate) use taint_owner::{Provides, Startup, TaintMeaning, TaintOwner, owner as taint_owner};
use toleration::Tolerations;
pub(crate) use toleration::{FeatureGates, added as added_tolerations, tolerates};

/// What the controller does on a node.
// Upstream returns two booleans (`shouldRun`, `shouldContinueRunning`), of which one combination is impossible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum Placement {
    /// The node is eligible: the controller creates a pod if there is none.
    Run,
    /// The controller creates no pod, but an existing one may stay: an untolerated `NoSchedule` taint.
    ContinueOnly,
    /// The controller creates no pod and deletes an existing one.
    Exclude,
}

/// The result of the rule for one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlacementResult {
    pub(crate) placement: Placement,
    /// Every obstacle. Empty exactly if the placement is [`Placement::Run`].
    pub(crate) failures: Vec<PlacementFailure>,
}

/// The rule for one pod template, ready to be evaluated for many nodes.
#[derive(Debug)]
pub(crate) struct EligibilityRule<'a> {
    node_name: Option<&'a str>,
    node_selector: &'a Labels,
    affinity: Option<Affinity<'a>>,
    tolerations: Tolerations<'a>,
    namespace: NamespaceSelector,
}

impl<'a> EligibilityRule<'a> {
    /// Builds the rule from a template, with the tolerations that the controller adds.
    pub(crate) fn new(spec: &'a PodSpec, namespace: NamespaceSelector, gates: FeatureGates) -> Self {
        Self {
            node_name: Some(spec.node_name.as_str()).filter(|name| !name.is_empty()),
            node_selector: &spec.node_selector,
            affinity: spec.required_node_affinity().map(Affinity::new),
            tolerations: Tolerations::for_daemon_pod(spec, gates),
            namespace,
        }
    }

    /// Evaluates the rule for a node.
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
        // OpenShift's patch checks the namespace only if the unmodified rule returns "run", so on a tainted node a pod
        // may stay.
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

/// Evaluates the rule of a DaemonSet for one node. For many nodes, build the [`EligibilityRule`] once.
pub(crate) fn evaluate(daemon_set: &DaemonSet, node: &Node, openshift: &Known<Option<OpenShift>>) -> PlacementResult {
    let namespace = daemon_set.metadata.namespace.as_deref().unwrap_or_default();
    let template = Pod::from_template(namespace, &daemon_set.spec.template);
    let selector = NamespaceSelector::new(openshift.known().and_then(Option::as_ref), namespace);
    EligibilityRule::new(&template.spec, selector, FeatureGates::implied_by(&template.spec)).evaluate(node)
}

/// The pairs of a node selector that do not match the node's labels.
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
