//! What a pod asks of a node, and what one that is there already holds of it.

use std::collections::BTreeMap;

use crate::snapshot::cluster_objects::KubeMinor;
use crate::snapshot::labels::is_label_key;
use crate::snapshot::pod::{Container, ContainerAllocation, Pod};
use crate::snapshot::quantity::Quantity;
use crate::snapshot::resource_list::ResourceList;

/// From this version on the state of an in-place resize counts (`InPlacePodVerticalScaling`).
const RESIZE: KubeMinor = KubeMinor(33);
/// From this version on the resources of the pod as a whole count (`PodLevelResources`).
const POD_LEVEL: KubeMinor = KubeMinor(34);
/// From this version on the state of a resize of those counts too (`InPlacePodLevelResourcesVerticalScaling`).
const POD_LEVEL_RESIZE: KubeMinor = KubeMinor(36);

/// Amounts by the name of their resource: CPU to the thousandth, all else in whole ones.
pub(super) type Requests = BTreeMap<String, Quantity>;

/// What a pod without a node asks for. Upstream: `pkg/scheduler/framework/plugins/noderesources/fit.go`
/// `computePodResourceRequest`, `pkg/scheduler/framework/types.go` `Resource.SetMaxResource`.
pub(super) fn wanted(pod: &Pod, minor: KubeMinor) -> Requests {
    counted(total(pod, minor, false))
}

/// What a pod holds of its node; during a resize the most of what it has, was granted and asks for. Upstream:
/// `pkg/scheduler/framework/types.go` `PodInfo.CalculateResource`, `Resource.Add`.
pub(super) fn held(pod: &Pod, minor: KubeMinor) -> Requests {
    counted(total(pod, minor, minor >= RESIZE))
}

/// What a node has to give, rounded as the scheduler rounds it. Upstream: `pkg/scheduler/framework/types.go`
/// `NewResource`.
pub(super) fn allocatable(list: &ResourceList, resource: &str) -> Quantity {
    list.get(resource).map(|amount| rounded(resource, amount.quantity())).unwrap_or_default()
}

/// The containers' requests alone, exactly. Upstream: `component-helpers/resource/helpers.go`
/// `AggregateContainerRequests`.
pub(super) fn of_containers(pod: &Pod, resource: &str) -> Quantity {
    aggregate(pod, false).get(resource).copied().unwrap_or_default()
}

/// Whether the request of the pod as a whole decides, whatever its containers ask for.
pub(super) fn is_decided_by_pod(pod: &Pod, minor: KubeMinor, resource: &str) -> bool {
    minor >= POD_LEVEL && of_pod(pod).any(|(name, _)| name == resource)
}

/// Whether the resource is one that a scheduler compares beside CPU, memory and ephemeral storage. Upstream:
/// `pkg/scheduler/util/utils.go` `IsScalarResourceName`.
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

/// Rounded for each pod and not for the sum of them: upstream `Resource.Add` calls `MilliValue` and `Value` on each.
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

/// The requests of the pod as a whole for what it may decide as a whole. Upstream:
/// `component-helpers/resource/helpers.go` `IsSupportedPodLevelResource`.
fn of_pod(pod: &Pod) -> impl Iterator<Item = (&str, Quantity)> {
    let is_supported = |name: &str| matches!(name, "cpu" | "memory") || name.starts_with("hugepages-");
    let requests = pod.spec.resources.iter().flat_map(|resources| &resources.requests);
    requests.map(|(name, amount)| (name.as_str(), amount.quantity())).filter(move |(name, _)| is_supported(name))
}

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
            // With those before it, it takes less than with the containers: no maximum to raise.
            add(&mut sidecars, &requests);
        } else {
            // It runs while the sidecars before it are up, and once only: no resize of it counts.
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
