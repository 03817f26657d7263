//! Which kinds of facts the filters read for a pod, so that no other is asked of the cluster.
//!
//! What is left out on purpose: any pod of the cluster may refuse another by its required anti-affinity, as far as
//! the term's topology reaches (`interpodaffinity/filtering.go` `satisfyExistingPodsAntiAffinity`). To read all pods for
//! every pod would be to read them always. The terms of the node's own pods are known without: they are judged whatever
//! their topology is. Terms over `kubernetes.io/hostname` reach no further than that, so nothing is missed of them. A
//! term over a zone, on a pod of another node of the zone, is looked for where the scheduler has spoken of such terms.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::PersistentVolumeClaim;

use super::csi_migration::Plugin;
use super::pvc::{claims_of, find, is_for_one_pod};
use crate::snapshot::cluster_objects::ObjectKind;
use crate::snapshot::pod::{Pod, PodAffinityTerm, TopologySpreadConstraint};
use crate::snapshot::{Known, Node};

/// The scheduler's words where terms of other pods repel the pod.
const EXISTING_ANTI_AFFINITY: &str = "existing pods anti-affinity rules";
const HOSTNAME: &str = "kubernetes.io/hostname";

/// What a disk takes that is named without a claim, when a driver has taken its plugin's place: the driver's limit counts
/// the volumes of all pods on the node.
const OF_LIMITS: [ObjectKind; 6] = [
    ObjectKind::Claims,
    ObjectKind::Volumes,
    ObjectKind::StorageClasses,
    ObjectKind::CsiNodes,
    ObjectKind::CsiDrivers,
    ObjectKind::VolumeAttachments,
];
const OF_DEVICES: [ObjectKind; 3] = [ObjectKind::ResourceClaims, ObjectKind::ResourceSlices, ObjectKind::DeviceClasses];

/// What the filters read for the pod on this node. Once its claims are read, [`required_by_pvcs`] may add to it.
pub(crate) fn needs(pod: &Pod, node: &Node) -> BTreeSet<ObjectKind> {
    let mut needs = BTreeSet::new();
    if claims_of(pod).next().is_some() {
        needs.extend(OF_LIMITS);
        needs.extend([ObjectKind::StorageCapacities]);
    }
    if pod.spec.volumes.iter().any(|volume| Plugin::from_source(&volume.source).is_some()) {
        needs.extend(OF_LIMITS);
    }
    if looks_beyond_the_node(pod) {
        needs.extend([ObjectKind::Pods, ObjectKind::Nodes]);
    }
    if is_repelled_by_others(pod) {
        needs.extend([ObjectKind::Pods, ObjectKind::Nodes, ObjectKind::Namespaces]);
    }
    if required_terms(pod).any(|term| term.namespace_selector.is_some()) {
        needs.extend([ObjectKind::Namespaces]);
    }
    if !pod.spec.resource_claims.is_empty() {
        needs.extend(OF_DEVICES);
        needs.extend([ObjectKind::ResourceClaimTemplates]);
    }
    if asks_for_resources_that_the_node_lacks(pod, node) {
        // A device class may stand in for them.
        needs.extend(OF_DEVICES);
    }
    needs
}

/// What they read besides, now that the claims are known: whether a claim for a single pod is in use takes all pods.
/// Nothing where the claims are not known.
pub(crate) fn required_by_pvcs(pod: &Pod, claims: &Known<Vec<PersistentVolumeClaim>>) -> BTreeSet<ObjectKind> {
    let claims = claims.known().map_or(&[][..], Vec::as_slice);
    let is_for_one = claims_of(pod)
        .filter(|claim| claim.ephemeral.is_none())
        .any(|claim| find(claims, &pod.metadata.namespace, &claim.name).is_some_and(is_for_one_pod));
    is_for_one.then_some(ObjectKind::Pods).into_iter().collect()
}

/// What they read because of the node's own pods, and of those that were promised it: an anti-affinity that chooses namespaces by their labels is held
/// against that of the pod in question.
pub(crate) fn required_by_node_pods<'a>(
    bound_pods: impl IntoIterator<Item = &'a Pod>,
    nominated: impl IntoIterator<Item = &'a Pod>,
) -> BTreeSet<ObjectKind> {
    let mut affinities =
        bound_pods.into_iter().filter_map(|pod| pod.spec.affinity.as_ref()?.pod_anti_affinity.as_ref());
    let chooses_by_labels = affinities.any(|affinity| {
        let mut selectors = affinity.required.iter().filter_map(|term| term.namespace_selector.as_ref());
        // One that asks for nothing chooses all namespaces.
        selectors.any(|selector| !selector.match_labels.is_empty() || !selector.match_expressions.is_empty())
    });
    let mut needs: BTreeSet<ObjectKind> = chooses_by_labels.then_some(ObjectKind::Namespaces).into_iter().collect();
    // Whether the terms of a pod that was promised the node count is for the pods of the whole cluster to decide.
    if nominated.into_iter().any(has_required_anti_affinity) {
        needs.extend([ObjectKind::Pods, ObjectKind::Nodes, ObjectKind::Namespaces]);
    }
    needs
}

fn has_required_anti_affinity(pod: &Pod) -> bool {
    let affinity = pod.spec.affinity.as_ref().and_then(|affinity| affinity.pod_anti_affinity.as_ref());
    affinity.is_some_and(|affinity| !affinity.required.is_empty())
}

/// The terms that pods near by must meet, or must not.
fn required_terms(pod: &Pod) -> impl Iterator<Item = &PodAffinityTerm> {
    let affinity = pod.spec.affinity.iter();
    affinity
        .flat_map(|affinity| affinity.pod_affinity.iter().chain(&affinity.pod_anti_affinity))
        .flat_map(|affinity| &affinity.required)
}

/// Whether the scheduler has said that terms of other pods repel the pod: then it is worth reading all pods to find them.
fn is_repelled_by_others(pod: &Pod) -> bool {
    let mut said = pod.status.conditions.iter().filter(|condition| condition.type_ == "PodScheduled");
    said.any(|condition| condition.message.contains(EXISTING_ANTI_AFFINITY))
}

/// Whether pods of other nodes decide. Over hosts, those that the pod wants to be far from are the node's own; those that
/// it wants near may be anywhere, as the first of a series needs none.
fn looks_beyond_the_node(pod: &Pod) -> bool {
    let affinity = pod.spec.affinity.as_ref();
    let near = affinity.and_then(|affinity| affinity.pod_affinity.as_ref());
    let far = affinity.and_then(|affinity| affinity.pod_anti_affinity.as_ref());
    near.is_some_and(|near| !near.required.is_empty())
        || far.is_some_and(|far| far.required.iter().any(|term| term.topology_key != HOSTNAME))
        || pod.spec.topology_spread_constraints.iter().any(spreads_beyond_the_node)
}

/// A pod that is pinned to its node and spreads over hosts is counted with the node's own pods alone, unless the
/// constraint asks to count nodes where the pod may not go.
fn spreads_beyond_the_node(constraint: &TopologySpreadConstraint) -> bool {
    constraint.when_unsatisfiable == "DoNotSchedule"
        && (constraint.topology_key != HOSTNAME || constraint.node_affinity_policy == "Ignore")
}

/// Resources that neither Kubernetes nor the kubelet knows by itself
/// (`component-helpers/resource` `IsExtendedResourceName`, in what matters here), and that the node does not have.
fn asks_for_resources_that_the_node_lacks(pod: &Pod, node: &Node) -> bool {
    let has = |name: &String| node.status.allocatable.get(name).is_some_and(|amount| !amount.quantity().is_zero());
    let is_extended = |name: &String| name.contains('/') && !name.contains("kubernetes.io/") && !has(name);
    let containers = pod.spec.containers.iter().chain(&pod.spec.init_containers);
    containers
        .filter_map(|container| container.resources.as_ref())
        .flat_map(|resources| resources.requests.keys().chain(resources.limits.keys()))
        .any(is_extended)
}

#[cfg(test)]
mod tests;
