//! The NodeResourcesFit filter: resource requests against the node's allocatable resources.
//!
//! A scheduler can be configured to ignore extended resources (`ignoredResources`, `ignoredResourceGroups`); a client
//! cannot read that configuration.
//!
//! Upstream: `pkg/scheduler/framework/plugins/noderesources/fit.go` `Filter`, `fitsRequest`.

use super::attempt::{Attempt, FilterFailure, FilterResult, StatusCode, nominated_ahead};
use super::node_pod::{NodePod, ResourceUser};
use super::rejection::{FilterRejection, LowerRequest, ResourceRejection};
use crate::check_result::CheckResult;
use k8s_openapi::api::resource::v1::DeviceClass;

use super::requests::{self, Requests};
use crate::snapshot::Known;
use crate::snapshot::cluster_objects::KubeMinor;
use crate::snapshot::pod::Pod;
use crate::snapshot::quantity::Quantity;

/// Since this version, a DeviceClass can provide an extended resource (`DRAExtendedResource`).
const DEVICES_AS_EXTENDED_RESOURCES: KubeMinor = KubeMinor(36);

/// Since this version, preemption is not tried if the pod would not fit on the empty node.
const KNOWS_TOO_SMALL: KubeMinor = KubeMinor(34);

pub(super) fn filter(attempt: &Attempt<'_>) -> FilterResult {
    let pod_requests = requests::pod_requests(attempt.pod, attempt.minor());
    let Some(room) = Room::new(attempt) else {
        // Whether the pod exceeds the empty node does not depend on the other pods.
        return match (CheckResult::from_reasons(rejections(attempt, &pod_requests, None)), &attempt.bound_pods) {
            (CheckResult::Pass, Known::Unknown(missing)) => CheckResult::Unknown { missing: missing.clone() },
            (outcome, _) => outcome,
        };
    };
    match (CheckResult::from_reasons(rejections(attempt, &pod_requests, Some(&room))), &attempt.nominated) {
        // More pods can only use more ports, so a failure is final.
        (CheckResult::Pass, Known::Unknown(missing)) => CheckResult::Unknown { missing: missing.clone() },
        (outcome, _) => outcome,
    }
}

/// The requests of the pods on the node.
struct Room {
    tenants: Vec<(NodePod, Requests)>,
}

impl Room {
    /// None if the pods on the node are unknown.
    fn new(attempt: &Attempt<'_>) -> Option<Self> {
        let held = |pod: &Pod| requests::held(pod, attempt.minor());
        let bound = attempt.bound_pods.known()?.iter().map(|pod| (NodePod::bound(pod), held(pod)));
        let nominated = attempt.nominated.known().map(|pods| nominated_ahead(attempt, pods)).unwrap_or_default();
        Some(Self {
            tenants: bound.chain(nominated.into_iter().map(|pod| (NodePod::nominated(pod), held(pod)))).collect(),
        })
    }

    fn used(&self, resource: &str) -> Quantity {
        self.tenants.iter().filter_map(|(_, held)| held.get(resource)).copied().sum()
    }

    fn used_by(&self, resource: &str) -> Vec<ResourceUser> {
        let holder = |(node_pod, held): &(NodePod, Requests)| {
            let amount = held.get(resource).copied().filter(|amount| !amount.is_zero())?;
            Some(ResourceUser { node_pod: node_pod.clone(), amount })
        };
        let mut used_by: Vec<ResourceUser> = self.tenants.iter().filter_map(holder).collect();
        let name = |holder: &ResourceUser| (holder.node_pod.namespace.clone(), holder.node_pod.pod.clone());
        used_by.sort_by(|a, b| b.amount.cmp(&a.amount).then_with(|| name(a).cmp(&name(b))));
        used_by
    }
}

/// Every rejection. Without `room`, only those that apply to the empty node.
fn rejections(attempt: &Attempt<'_>, pod_requests: &Requests, room: Option<&Room>) -> Vec<FilterFailure> {
    let too_many = too_many_pods(attempt, room);
    // The order of upstream: the core resources first, then the others by name.
    let core = ["cpu", "memory", "ephemeral-storage"];
    let scalar = pod_requests.keys().map(String::as_str).filter(|name| !core.contains(name));
    let short = core.into_iter().chain(scalar).filter_map(|resource| {
        let requested = pod_requests.get(resource).copied().filter(|requested| *requested > Quantity::ZERO)?;
        shortage(attempt, resource, requested, room)
    });
    too_many.into_iter().chain(short).collect()
}

fn too_many_pods(attempt: &Attempt<'_>, room: Option<&Room>) -> Option<FilterFailure> {
    let allocatable = requests::allocatable(&attempt.node.status.allocatable, "pods");
    let used_by: Vec<NodePod> = room.into_iter().flat_map(|room| &room.tenants).map(|(pod, _)| pod.clone()).collect();
    let pods = used_by.len();
    let with_it = Quantity::whole(i64::try_from(pods + 1).unwrap_or(i64::MAX));
    (with_it > allocatable).then(|| {
        let rejection = ResourceRejection::TooManyPods { pods, allocatable, used_by };
        // Upstream: preemption is tried even on a node with a limit of zero pods.
        FilterFailure::new(FilterRejection::Resources(rejection), "Too many pods", StatusCode::Unschedulable)
    })
}

fn shortage(attempt: &Attempt<'_>, resource: &str, requested: Quantity, room: Option<&Room>) -> Option<FilterFailure> {
    let allocatable = requests::allocatable(&attempt.node.status.allocatable, resource);
    if allocatable.is_zero() && is_of_devices(attempt, resource) {
        return None;
    }
    let used = room.map(|room| room.used(resource)).unwrap_or_default();
    let short_by = (requested + used).less(allocatable);
    if short_by.is_zero() {
        return None;
    }
    // `used` can exceed the allocatable amount, for example after the node was resized: then nothing is left.
    let reduce_to = room.and_then(|_| lower_request(attempt, resource, allocatable.less(used), short_by));
    let resource = resource.to_owned();
    let scheduler = format!("Insufficient {resource}");
    let is_large_enough = requested <= allocatable;
    let code = match is_large_enough || attempt.minor() < KNOWS_TOO_SMALL {
        true => StatusCode::Unschedulable,
        false => StatusCode::UnschedulableAndUnresolvable,
    };
    let rejection = match (is_large_enough, room) {
        (true, Some(room)) => {
            let used_by = room.used_by(&resource);
            ResourceRejection::InsufficientResource {
                resource,
                requested,
                used,
                allocatable,
                short_by,
                used_by,
                reduce_to,
            }
        }
        _ => ResourceRejection::ExceedsAllocatable { resource, requested, allocatable, reduce_to },
    };
    Some(FilterFailure::new(FilterRejection::Resources(rejection), scheduler, code))
}

/// Whether the DynamicResources filter checks the resource instead. Not if the device classes are unknown: the node
/// itself certainly does not have the resource.
///
/// Upstream: `fit.go` `shouldDelegateResourceToDRA`, `dynamic-resource-allocation/deviceclass/extendedresourcecache`.
fn is_of_devices(attempt: &Attempt<'_>, resource: &str) -> bool {
    let is_named = |class: &DeviceClass| {
        let implicit = resource.strip_prefix("deviceclass.resource.kubernetes.io/");
        let explicit = class.spec.as_ref().and_then(|spec| spec.extended_resource_name.as_deref());
        explicit == Some(resource) || implicit.is_some_and(|name| class.metadata.name.as_deref() == Some(name))
    };
    attempt.minor() >= DEVICES_AS_EXTENDED_RESOURCES
        && requests::is_scalar(resource)
        && attempt.cluster_objects.device_classes.known().is_some_and(|classes| classes.iter().any(is_named))
}

/// The one request to reduce so that the pod fits: the pod-level request if there is one, otherwise that of the
/// container with the highest request for which a reduction is enough.
fn lower_request(attempt: &Attempt<'_>, resource: &str, left: Quantity, short_by: Quantity) -> Option<LowerRequest> {
    let pod = attempt.pod;
    if requests::is_decided_by_pod(pod, attempt.minor(), resource) {
        let now = pod.spec.resources.as_ref()?.requests.get(resource)?.quantity();
        let request = in_steps(resource, now.less(short_by));
        // The API server rejects a pod-level request below the sum of the containers.
        let is_enough = request >= requests::of_containers(pod, resource) && !request.is_zero();
        return is_enough.then_some(LowerRequest { container: None, init: false, request });
    }
    let containers = pod.spec.containers.iter().map(|container| (container, false));
    let all = containers.chain(pod.spec.init_containers.iter().map(|container| (container, true)));
    let mut asking: Vec<(&str, bool, Quantity)> = all
        .filter_map(|(container, init)| {
            let amount = container.resources.as_ref()?.requests.get(resource)?.quantity();
            Some((container.name.as_str(), init, amount))
        })
        .collect();
    asking.sort_by_key(|(_, _, amount)| std::cmp::Reverse(*amount));
    asking.into_iter().find_map(|(container, init, amount)| {
        let request = in_steps(resource, amount.less(short_by));
        let lowered = with_request(pod, container, resource, request);
        let total = requests::pod_requests(&lowered, attempt.minor()).get(resource).copied().unwrap_or_default();
        let fits = !request.is_zero() && total <= left;
        fits.then(|| LowerRequest { container: Some(container.to_owned()), init, request })
    })
}

/// Rounded down to common units: millicores, mebibytes, whole pages, whole units.
fn in_steps(resource: &str, amount: Quantity) -> Quantity {
    let mebi = Quantity::whole(1 << 20);
    let step = match resource {
        "cpu" => Quantity::MILLI,
        "memory" | "ephemeral-storage" if amount >= mebi => mebi,
        _ => match resource.strip_prefix("hugepages-") {
            Some(page) => page.parse().unwrap_or(Quantity::whole(1)),
            None => Quantity::whole(1),
        },
    };
    amount.rounded_down_to(step)
}

fn with_request(pod: &Pod, container: &str, resource: &str, request: Quantity) -> Pod {
    let mut pod = pod.clone();
    let all = pod.spec.containers.iter_mut().chain(pod.spec.init_containers.iter_mut());
    for one in all.filter(|one| one.name == container) {
        if let Some(resources) = &mut one.resources {
            resources.requests.insert(resource.to_owned(), request.into());
        }
    }
    pod
}

#[cfg(test)]
mod tests;
