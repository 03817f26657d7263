//! Which kinds of objects the filters read for a pod, so that no other kind is requested from the cluster.
//!
//! One case is left out on purpose. Any pod in the cluster can reject another one by its required anti-affinity, in the
//! whole topology domain of the term (`interpodaffinity/filtering.go` `satisfyExistingPodsAntiAffinity`), so a complete
//! check would read all pods for every pod. The terms of the pods on the node itself are always checked, for every
//! topology key. A term with `kubernetes.io/hostname` affects no other node, so nothing is missed there. A term with a
//! zone, of a pod on another node of that zone, is checked only if the scheduler's message mentions such a term.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::PersistentVolumeClaim;

use super::csi_migration::Plugin;
use super::pvc::{claims_of, find, is_for_one_pod};
use crate::snapshot::cluster_objects::ObjectKind;
use crate::snapshot::pod::{Pod, PodAffinityTerm, TopologySpreadConstraint};
use crate::snapshot::{HOSTNAME, Known, Node};

/// The scheduler's message if anti-affinity terms of other pods match the pod.
const EXISTING_ANTI_AFFINITY: &str = "existing pods anti-affinity rules";

/// The kinds for a disk of a migrated plugin that a pod uses without a claim: the limit of its CSI driver counts the
/// volumes of all pods on the node.
const OF_LIMITS: [ObjectKind; 6] = [
    ObjectKind::Claims,
    ObjectKind::Volumes,
    ObjectKind::StorageClasses,
    ObjectKind::CsiNodes,
    ObjectKind::CsiDrivers,
    ObjectKind::VolumeAttachments,
];
const OF_DEVICES: [ObjectKind; 3] = [ObjectKind::ResourceClaims, ObjectKind::ResourceSlices, ObjectKind::DeviceClasses];

/// The kinds that the filters read for the pod on this node. When its claims have been read, [`required_by_pvcs`] may
/// add to them.
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
    if requests_missing_resources(pod, node) {
        // A DeviceClass may provide them.
        needs.extend(OF_DEVICES);
    }
    needs
}

/// The additional kinds if the claims are known: a claim with `ReadWriteOncePod` requires all pods. None if the claims
/// are unknown.
pub(crate) fn required_by_pvcs(pod: &Pod, claims: &Known<Vec<PersistentVolumeClaim>>) -> BTreeSet<ObjectKind> {
    let claims = claims.known().map_or(&[][..], Vec::as_slice);
    let is_for_one = claims_of(pod)
        .filter(|claim| claim.ephemeral.is_none())
        .any(|claim| find(claims, &pod.metadata.namespace, &claim.name).is_some_and(is_for_one_pod));
    is_for_one.then_some(ObjectKind::Pods).into_iter().collect()
}

/// The additional kinds because of the pods on the node and the nominated pods: an anti-affinity term with a namespace
/// selector requires the labels of the pod's namespace.
pub(crate) fn required_by_node_pods<'a>(
    bound_pods: impl IntoIterator<Item = &'a Pod>,
    nominated: impl IntoIterator<Item = &'a Pod>,
) -> BTreeSet<ObjectKind> {
    let mut affinities =
        bound_pods.into_iter().filter_map(|pod| pod.spec.affinity.as_ref()?.pod_anti_affinity.as_ref());
    let chooses_by_labels = affinities.any(|affinity| {
        let mut selectors = affinity.required.iter().filter_map(|term| term.namespace_selector.as_ref());
        // An empty selector matches all namespaces.
        selectors.any(|selector| !selector.match_labels.is_empty() || !selector.match_expressions.is_empty())
    });
    let mut needs: BTreeSet<ObjectKind> = chooses_by_labels.then_some(ObjectKind::Namespaces).into_iter().collect();
    // Whether terms of a nominated pod count depends on the pods of the whole cluster.
    if nominated.into_iter().any(has_required_anti_affinity) {
        needs.extend([ObjectKind::Pods, ObjectKind::Nodes, ObjectKind::Namespaces]);
    }
    needs
}

fn has_required_anti_affinity(pod: &Pod) -> bool {
    let affinity = pod.spec.affinity.as_ref().and_then(|affinity| affinity.pod_anti_affinity.as_ref());
    affinity.is_some_and(|affinity| !affinity.required.is_empty())
}

/// The required affinity and anti-affinity terms of the pod.
fn required_terms(pod: &Pod) -> impl Iterator<Item = &PodAffinityTerm> {
    let affinity = pod.spec.affinity.iter();
    affinity
        .flat_map(|affinity| affinity.pod_affinity.iter().chain(&affinity.pod_anti_affinity))
        .flat_map(|affinity| &affinity.required)
}

/// Whether the scheduler's message reports that terms of other pods match the pod. Only then are all pods read.
fn is_repelled_by_others(pod: &Pod) -> bool {
    let mut said = pod.status.conditions.iter().filter(|condition| condition.type_ == "PodScheduled");
    said.any(|condition| condition.message.contains(EXISTING_ANTI_AFFINITY))
}

/// Whether the filters check pods on other nodes. Anti-affinity by hostname checks only pods on the node. Affinity
/// always checks all pods, because the first pod of a group is exempt.
fn looks_beyond_the_node(pod: &Pod) -> bool {
    let affinity = pod.spec.affinity.as_ref();
    let near = affinity.and_then(|affinity| affinity.pod_affinity.as_ref());
    let far = affinity.and_then(|affinity| affinity.pod_anti_affinity.as_ref());
    near.is_some_and(|near| !near.required.is_empty())
        || far.is_some_and(|far| far.required.iter().any(|term| term.topology_key != HOSTNAME))
        || pod.spec.topology_spread_constraints.iter().any(spreads_beyond_the_node)
}

/// A pod that is pinned to its node and spread over hostnames is counted only with the pods on the node, unless the
/// constraint ignores node affinity.
fn spreads_beyond_the_node(constraint: &TopologySpreadConstraint) -> bool {
    constraint.when_unsatisfiable == "DoNotSchedule"
        && (constraint.topology_key != HOSTNAME || constraint.node_affinity_policy == "Ignore")
}

/// Whether the pod requests extended resources (`component-helpers/resource` `IsExtendedResourceName`, simplified) that
/// the node does not have.
fn requests_missing_resources(pod: &Pod, node: &Node) -> bool {
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
