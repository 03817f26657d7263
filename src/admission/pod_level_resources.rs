//! Pod-level requests and limits: if the pod states any, the API server adds the missing ones.
//!
//! Upstream: up to 1.36 `pkg/apis/core/v1/defaults.go` `defaultHugePagePodLimits`, `defaultPodRequests`; from 1.37 on
//! (feature gate PodLevelResourcesFixDefaulting) `pkg/api/pod/util.go` `DefaultPodLevelResources`.

use super::resources::fill;
use super::resources::{self, ResourceSums, ResourceTotals, is_huge_page, is_pod_level};
use crate::snapshot::cluster_objects::KubeMinor;
use crate::snapshot::pod::{PodSpec, Resources};
use crate::snapshot::resource_list::Amount;

/// Since this minor version the defaults are set once, after the plugins, and also for limits.
const ON_STORING: KubeMinor = KubeMinor(37);

/// Sets the defaults that apply each time the pod is decoded: before the plugins see it, and again from storage.
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

/// Sets the defaults that apply before the pod is stored.
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

/// The sums of the containers, if the pod states pod-level amounts.
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

/// Takes the requests of the containers first, then the pod-level limits.
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

/// Takes the limits of the containers, but at least the request.
fn add_limits(pod: &mut Resources, limits: &ResourceSums) {
    for (resource, request) in pod.requests.iter().filter(|(resource, _)| is_pod_level(resource)) {
        if let Some(limit) = limits.get(resource) {
            let limit = (*limit).max(request.quantity());
            pod.limits.entry(resource.clone()).or_insert_with(|| Amount::from(limit));
        }
    }
}

/// The sums of the limits, for resources of which every container has a limit.
fn limits_of_all(spec: &PodSpec, of_containers: &ResourceTotals) -> ResourceSums {
    let mut sums = of_containers.limits.clone();
    for container in spec.containers.iter().chain(&spec.init_containers) {
        let own = container.resources.as_ref();
        sums.retain(|resource, _| own.is_some_and(|own| own.limits.contains_key(resource)));
    }
    sums
}
