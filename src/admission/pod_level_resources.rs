//! Requests and limits of the pod as a whole, where it states any: the API server adds what is missing.
//!
//! Upstream: up to 1.36 `pkg/apis/core/v1/defaults.go` `defaultHugePagePodLimits`, `defaultPodRequests`; from 1.37 on
//! (feature gate PodLevelResourcesFixDefaulting) `pkg/api/pod/util.go` `DefaultPodLevelResources`.

use super::resources::fill;
use super::resources::{self, ResourceSums, ResourceTotals, is_huge_page, is_pod_level};
use crate::snapshot::cluster_objects::KubeMinor;
use crate::snapshot::pod::{PodSpec, Resources};
use crate::snapshot::resource_list::Amount;

/// From this version on it is done once, when the plugins have changed the pod, and for limits too.
const ON_STORING: KubeMinor = KubeMinor(37);

/// What is added each time that the pod is read: before the plugins see it, and again from the store.
pub(super) fn complete_on_reading(spec: &mut PodSpec, minor: KubeMinor) {
    if minor >= ON_STORING {
        return;
    }
    let of_containers = of_containers(spec);
    if let (Some(pod), Some(of_containers)) = (&mut spec.resources, of_containers) {
        add_limits_of_huge_pages(pod, &of_containers);
        if !pod.limits.is_empty() {
            add_requests(pod, &of_containers);
        }
    }
}

/// What is added before it is stored.
pub(super) fn complete_on_storing(spec: &mut PodSpec, minor: KubeMinor) {
    if minor < ON_STORING {
        return;
    }
    let of_containers = of_containers(spec).map(|totals| (limits_of_all(spec, &totals), totals));
    if let (Some(pod), Some((limits, of_containers))) = (&mut spec.resources, of_containers) {
        add_limits_of_huge_pages(pod, &of_containers);
        add_requests(pod, &of_containers);
        add_limits(pod, &limits);
    }
}

/// What the containers state together, where the pod states something for itself.
fn of_containers(spec: &PodSpec) -> Option<ResourceTotals> {
    let pod = spec.resources.as_ref()?;
    (!pod.limits.is_empty() || !pod.requests.is_empty()).then(|| resources::of_containers(spec))
}

fn add_limits_of_huge_pages(pod: &mut Resources, of_containers: &ResourceTotals) {
    for (resource, limit) in of_containers.limits.iter().filter(|(resource, _)| is_huge_page(resource)) {
        if !pod.requests.contains_key(resource) {
            pod.limits.entry(resource.clone()).or_insert_with(|| Amount::from(*limit));
        }
    }
}

/// The containers' requests first, then the pod's limits.
fn add_requests(pod: &mut Resources, of_containers: &ResourceTotals) {
    for (resource, request) in &of_containers.requests {
        if is_pod_level(resource) && !is_huge_page(resource) {
            pod.requests.entry(resource.clone()).or_insert_with(|| Amount::from(*request));
        }
    }
    let Resources { limits, requests, .. } = pod;
    let supported = limits.iter().filter(|(resource, _)| is_pod_level(resource));
    fill(requests, &supported.map(|(resource, limit)| (resource.clone(), limit.clone())).collect());
}

/// Those of the containers, and no less than is requested.
fn add_limits(pod: &mut Resources, limits: &ResourceSums) {
    for (resource, request) in pod.requests.iter().filter(|(resource, _)| is_pod_level(resource)) {
        if let Some(limit) = limits.get(resource) {
            let limit = (*limit).max(request.quantity());
            pod.limits.entry(resource.clone()).or_insert_with(|| Amount::from(limit));
        }
    }
}

/// The limits of all containers together, for the resources of which each of them has one.
fn limits_of_all(spec: &PodSpec, of_containers: &ResourceTotals) -> ResourceSums {
    let mut sums = of_containers.limits.clone();
    for container in spec.containers.iter().chain(&spec.init_containers) {
        let own = container.resources.as_ref();
        sums.retain(|resource, _| own.is_some_and(|own| own.limits.contains_key(resource)));
    }
    sums
}
