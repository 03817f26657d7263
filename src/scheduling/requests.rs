//! The resource requests of a pod: what an unscheduled pod needs, and what a pod on a node uses.
//!
//! They differ while a container is resized in place, and they depend on the version of the cluster.

use std::collections::BTreeMap;

use crate::snapshot::cluster_objects::KubeMinor;
use crate::snapshot::labels::is_label_key;
use crate::snapshot::pod::{Container, ContainerAllocation, Pod};
use crate::snapshot::quantity::Quantity;
use crate::snapshot::resource_list::ResourceList;

/// Since this version, the status of an in-place resize counts (`InPlacePodVerticalScaling`).
const RESIZE: KubeMinor = KubeMinor(33);
/// Since this version, pod-level resources count (`PodLevelResources`).
const POD_LEVEL: KubeMinor = KubeMinor(34);
/// Since this version, the status of a resize of pod-level resources counts
/// (`InPlacePodLevelResourcesVerticalScaling`).
const POD_LEVEL_RESIZE: KubeMinor = KubeMinor(36);

/// Amounts by resource name: CPU in thousandths, everything else in integers.
pub(super) type Requests = BTreeMap<String, Quantity>;

/// What an unscheduled pod requests.
///
/// Upstream: `pkg/scheduler/framework/plugins/noderesources/fit.go` `computePodResourceRequest`,
/// `pkg/scheduler/framework/types.go` `Resource.SetMaxResource`.
pub(super) fn pod_requests(pod: &Pod, minor: KubeMinor) -> Requests {
    counted(total(pod, minor, false))
}

/// What a pod on a node uses. During a resize, this is the maximum of what it has, what is allocated, and what it
/// requests.
///
/// Upstream: `pkg/scheduler/framework/types.go` `PodInfo.CalculateResource`, `Resource.Add`.
pub(super) fn held(pod: &Pod, minor: KubeMinor) -> Requests {
    counted(total(pod, minor, minor >= RESIZE))
}

/// What the node provides, rounded as the scheduler rounds it.
///
/// Upstream: `pkg/scheduler/framework/types.go` `NewResource`.
pub(super) fn allocatable(list: &ResourceList, resource: &str) -> Quantity {
    list.get(resource).map(|amount| rounded(resource, amount.quantity())).unwrap_or_default()
}

/// The exact sum of the containers' requests.
///
/// Upstream: `component-helpers/resource/helpers.go` `AggregateContainerRequests`.
pub(super) fn of_containers(pod: &Pod, resource: &str) -> Quantity {
    aggregate(pod, false).get(resource).copied().unwrap_or_default()
}

/// Whether the pod-level request counts instead of those of the containers.
pub(super) fn is_decided_by_pod(pod: &Pod, minor: KubeMinor, resource: &str) -> bool {
    minor >= POD_LEVEL && of_pod(pod).any(|(name, _)| name == resource)
}

/// Whether the scheduler compares the resource, in addition to CPU, memory and ephemeral storage.
///
/// Upstream: `pkg/scheduler/util/utils.go` `IsScalarResourceName`.
pub(super) fn is_scalar(resource: &str) -> bool {
    resource.starts_with("hugepages-")
        || resource.starts_with("attachable-volumes-")
        || resource.contains("kubernetes.io/")
        || is_extended(resource)
}

/// Upstream: `pkg/apis/core/v1/helper/helpers.go` `IsExtendedResourceName`.
pub(super) fn is_extended(resource: &str) -> bool {
    resource.contains('/')
        && !resource.contains("kubernetes.io/")
        && !resource.starts_with("requests.")
        && is_label_key(&format!("requests.{resource}"))
}

/// Rounds for each pod, not for the sum of the pods: upstream `Resource.Add` calls `MilliValue` and `Value` for each
/// pod.
fn counted(exact: Requests) -> Requests {
    let is_counted = |name: &str| matches!(name, "cpu" | "memory" | "ephemeral-storage") || is_scalar(name);
    exact
        .into_iter()
        .filter(|(name, _)| is_counted(name))
        .map(|(name, amount)| {
            let amount = rounded(&name, amount);
            (name, amount)
        })
        .collect()
}

fn rounded(resource: &str, amount: Quantity) -> Quantity {
    match resource {
        "cpu" => amount.rounded_up_to_milli(),
        _ => amount.rounded_up(),
    }
}

/// Upstream: `component-helpers/resource/helpers.go` `PodRequests`.
fn total(pod: &Pod, minor: KubeMinor, with_status: bool) -> Requests {
    let mut requests = aggregate(pod, with_status);
    if minor >= POD_LEVEL {
        let actuated = pod.status.resources.as_ref().filter(|_| with_status && minor >= POD_LEVEL_RESIZE);
        let effective = actuated.map(|actuated| {
            let spec = pod.spec.resources.as_ref().map(|resources| &resources.requests);
            effective(pod, spec, &actuated.requests, &pod.status.allocated_resources)
        });
        for (name, amount) in of_pod(pod) {
            let amount = match &effective {
                Some(effective) => effective.get(name).copied().unwrap_or_default(),
                None => amount,
            };
            requests.insert(name.to_owned(), amount);
        }
    }
    add(&mut requests, &quantities(&pod.spec.overhead));
    requests
}

/// The pod-level requests that count.
///
/// Upstream: `component-helpers/resource/helpers.go` `IsSupportedPodLevelResource`.
fn of_pod(pod: &Pod) -> impl Iterator<Item = (&str, Quantity)> {
    let is_supported = |name: &str| matches!(name, "cpu" | "memory") || name.starts_with("hugepages-");
    let requests = pod.spec.resources.iter().flat_map(|resources| &resources.requests);
    requests.map(|(name, amount)| (name.as_str(), amount.quantity())).filter(move |(name, _)| is_supported(name))
}

/// The sum of the containers' requests, where the highest init container can exceed the sum of the others.
///
/// Upstream: `component-helpers/resource/helpers.go` `AggregateContainerRequests`.
fn aggregate(pod: &Pod, with_status: bool) -> Requests {
    let statuses = || pod.status.init_container_statuses.iter().chain(&pod.status.container_statuses);
    let status_of = |container: &Container| statuses().find(|status| with_status && status.name == container.name);
    let mut sum = Requests::new();
    for container in &pod.spec.containers {
        add(&mut sum, &of_container(pod, container, status_of(container)));
    }
    let mut sidecars = Requests::new();
    let mut most = Requests::new();
    for container in &pod.spec.init_containers {
        if container.is_sidecar() {
            let requests = of_container(pod, container, status_of(container));
            add(&mut sum, &requests);
            // `most` needs no update: this sidecar and the earlier ones are part of `sum`, so they never exceed it.
            add(&mut sidecars, &requests);
        } else {
            // An init container runs beside the sidecars before it. It runs once, so its resize does not count.
            let mut requests = of_container(pod, container, None);
            add(&mut requests, &sidecars);
            raise(&mut most, &requests);
        }
    }
    raise(&mut sum, &most);
    sum
}

fn of_container(pod: &Pod, container: &Container, status: Option<&ContainerAllocation>) -> Requests {
    let spec = container.resources.as_ref().map(|resources| &resources.requests);
    match status.and_then(|status| status.resources.as_ref().map(|actuated| (status, actuated))) {
        Some((status, actuated)) => effective(pod, spec, &actuated.requests, &status.allocated_resources),
        None => spec.map(quantities).unwrap_or_default(),
    }
}

/// The maximum of the amounts in the status and the spec. The spec of an infeasible resize does not count.
///
/// Upstream: `component-helpers/resource/helpers.go` `determineEffectiveRequests`, `IsPodResizeInfeasible`.
fn effective(pod: &Pod, spec: Option<&ResourceList>, actuated: &ResourceList, allocated: &ResourceList) -> Requests {
    let pending = pod.status.conditions.iter().find(|condition| condition.type_ == "PodResizePending");
    let is_infeasible = pending.is_some_and(|condition| condition.reason == "Infeasible");
    let mut most = quantities(actuated);
    raise(&mut most, &quantities(allocated));
    if let Some(spec) = spec.filter(|_| !is_infeasible) {
        raise(&mut most, &quantities(spec));
    }
    most
}

fn quantities(list: &ResourceList) -> Requests {
    list.iter().map(|(name, amount)| (name.clone(), amount.quantity())).collect()
}

fn add(sum: &mut Requests, more: &Requests) {
    for (name, amount) in more {
        *sum.entry(name.clone()).or_default() += *amount;
    }
}

fn raise(most: &mut Requests, other: &Requests) {
    for (name, amount) in other {
        let entry = most.entry(name.clone()).or_insert(*amount);
        *entry = (*entry).max(*amount);
    }
}

#[cfg(test)]
mod tests;
