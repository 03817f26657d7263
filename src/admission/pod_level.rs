//! Requests and limits of the pod as a whole, where it states any: the API server adds what is missing.
//!
//! Upstream: up to 1.36 `pkg/apis/core/v1/defaults.go` `defaultHugePagePodLimits`, `defaultPodRequests`; from 1.37 on
//! (feature gate PodLevelResourcesFixDefaulting) `pkg/api/pod/util.go` `DefaultPodLevelResources`.

use super::amounts::{self, Totals, is_huge_page, is_pod_level};
use super::defaults::fill;
use crate::snapshot::facts::Minor;
use crate::snapshot::full_pod::{Amount, FullSpec, Resources};

/// From this version on it is done once, when the plugins have changed the pod, and for limits too.
const ON_STORING: Minor = Minor(37);

/// What is added each time that the pod is read: before the plugins see it, and again from the store.
pub(super) fn complete_on_reading(spec: &mut FullSpec, minor: Minor) {
    if let Some((pod, of_containers)) = stated(spec).filter(|_| minor < ON_STORING) {
        add_limits_of_huge_pages(pod, &of_containers);
        if !pod.limits.is_empty() {
            add_requests(pod, &of_containers);
        }
    }
}

/// What is added before it is stored.
pub(super) fn complete_on_storing(spec: &mut FullSpec, minor: Minor) {
    let limited = limited_everywhere(spec);
    if let Some((pod, of_containers)) = stated(spec).filter(|_| minor >= ON_STORING) {
        add_limits_of_huge_pages(pod, &of_containers);
        add_requests(pod, &of_containers);
        add_limits(pod, &of_containers, &limited);
    }
}

/// What the pod states for itself, if it does, and what its containers state together.
fn stated(spec: &mut FullSpec) -> Option<(&mut Resources, Totals)> {
    let of_containers = amounts::of_containers(spec);
    let pod = spec.resources.as_mut()?;
    (!pod.limits.is_empty() || !pod.requests.is_empty()).then_some((pod, of_containers))
}

fn add_limits_of_huge_pages(pod: &mut Resources, of_containers: &Totals) {
    for (resource, limit) in of_containers.limits.iter().filter(|(resource, _)| is_huge_page(resource)) {
        if !pod.requests.contains_key(resource) {
            pod.limits.entry(resource.clone()).or_insert_with(|| Amount::from(*limit));
        }
    }
}

/// The containers' requests first, then the pod's limits.
fn add_requests(pod: &mut Resources, of_containers: &Totals) {
    for (resource, request) in &of_containers.requests {
        if is_pod_level(resource) && !is_huge_page(resource) {
            pod.requests.entry(resource.clone()).or_insert_with(|| Amount::from(*request));
        }
    }
    let Resources { limits, requests, .. } = pod;
    let supported = limits.iter().filter(|(resource, _)| is_pod_level(resource));
    fill(requests, &supported.map(|(resource, limit)| (resource.clone(), limit.clone())).collect());
}

/// Those of the containers where each of them has one, and no less than is requested.
fn add_limits(pod: &mut Resources, of_containers: &Totals, limited: &[String]) {
    for (resource, request) in pod.requests.iter().filter(|(resource, _)| is_pod_level(resource)) {
        if let Some(limit) = of_containers.limits.get(resource).filter(|_| limited.contains(resource)) {
            let limit = (*limit).max(request.quantity());
            pod.limits.entry(resource.clone()).or_insert_with(|| Amount::from(limit));
        }
    }
}

/// The resources for which every container has a limit.
fn limited_everywhere(spec: &FullSpec) -> Vec<String> {
    let mut containers = spec.containers.iter().chain(&spec.init_containers);
    let limits = |resources: &Option<Resources>| resources.as_ref().map(|one| one.limits.clone()).unwrap_or_default();
    let first = containers.next().map(|container| limits(&container.resources)).unwrap_or_default();
    let rest: Vec<_> = containers.map(|container| limits(&container.resources)).collect();
    first.into_keys().filter(|resource| rest.iter().all(|limits| limits.contains_key(resource))).collect()
}
