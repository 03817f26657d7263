//! Requests and limits of a pod as a whole, from its spec.
//!
//! LimitRanges, quotas and the defaults of pod-level resources all count with these sums.
//!
//! Upstream: `component-helpers/resource/helpers.go` `AggregateContainerRequests`, `AggregateContainerLimits`,
//! `PodRequests`, `PodLimits`, `IsSupportedPodLevelResource`.

use std::collections::BTreeMap;

use crate::snapshot::pod::{Container, PodSpec, Resources};
use crate::snapshot::quantity::Quantity;
use crate::snapshot::resource_list::ResourceList;

/// Sums by resource name.
pub(super) type ResourceSums = BTreeMap<String, Quantity>;

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ResourceTotals {
    pub(super) requests: ResourceSums,
    pub(super) limits: ResourceSums,
}

/// The sums over all containers. Sidecars run at the same time as the other containers; init containers run one after
/// another, so only the highest moment counts (see [`aggregate`]).
pub(super) fn of_containers(spec: &PodSpec) -> ResourceTotals {
    ResourceTotals {
        requests: aggregate(spec, |resources| &resources.requests),
        limits: aggregate(spec, |resources| &resources.limits),
    }
}

/// The sums of the pod: pod-level amounts override the sums of the containers. The overhead is not included.
/// `is_stated` selects the resources for which pod-level amounts count.
pub(super) fn of_pod(spec: &PodSpec, is_stated: impl Fn(&str) -> bool) -> ResourceTotals {
    let mut totals = of_containers(spec);
    if let Some(pod) = &spec.resources {
        let stated = |list: &ResourceList| -> ResourceSums {
            let stated = list.iter().filter(|(resource, _)| is_stated(resource));
            stated.map(|(resource, amount)| (resource.clone(), amount.quantity())).collect()
        };
        totals.requests.extend(stated(&pod.requests));
        totals.limits.extend(stated(&pod.limits));
    }
    totals
}

/// Adds the overhead to every request, and to every limit that is not zero.
pub(super) fn with_overhead(mut totals: ResourceTotals, overhead: &ResourceList) -> ResourceTotals {
    for (resource, amount) in overhead {
        *totals.requests.entry(resource.clone()).or_default() += amount.quantity();
        if let Some(limit) = totals.limits.get_mut(resource).filter(|limit| !limit.is_zero()) {
            *limit += amount.quantity();
        }
    }
    totals
}

/// Adds up what runs at the same time, and takes the maximum over time.
///
/// Example: the containers request 100m. An init container with 200m that starts after a sidecar with 50m runs beside
/// it, so the pod needs max(100m + 50m, 50m + 200m) = 250m. If the init container ends before the sidecar starts, it is
/// max(100m + 50m, 200m) = 200m.
fn aggregate(spec: &PodSpec, list: impl Fn(&Resources) -> &ResourceList) -> ResourceSums {
    let of = |container: &Container| -> ResourceSums {
        let amounts = container.resources.as_ref().map(&list).into_iter().flatten();
        amounts.map(|(resource, amount)| (resource.clone(), amount.quantity())).collect()
    };
    let mut total = ResourceSums::new();
    let mut sidecars = ResourceSums::new();
    let mut highest = ResourceSums::new();
    spec.containers.iter().for_each(|container| add(&mut total, of(container)));
    for container in &spec.init_containers {
        let mut now = sidecars.clone();
        add(&mut now, of(container));
        if container.is_sidecar() {
            add(&mut total, of(container));
            sidecars.clone_from(&now);
        }
        raise(&mut highest, now);
    }
    raise(&mut total, highest);
    total
}

fn add(sums: &mut ResourceSums, more: ResourceSums) {
    for (resource, quantity) in more {
        *sums.entry(resource).or_default() += quantity;
    }
}

fn raise(sums: &mut ResourceSums, to: ResourceSums) {
    for (resource, quantity) in to {
        let sum = sums.entry(resource).or_default();
        *sum = quantity.max(*sum);
    }
}

/// Whether the resource can be stated for the pod as a whole.
pub(super) fn is_pod_level(resource: &str) -> bool {
    matches!(resource, "cpu" | "memory") || is_huge_page(resource)
}

pub(super) fn is_huge_page(resource: &str) -> bool {
    resource.starts_with("hugepages-")
}

/// Whether the pod states pod-level requests or limits.
pub(super) fn has_pod_level(spec: &PodSpec) -> bool {
    let stated = spec.resources.iter().flat_map(|pod| pod.requests.keys().chain(pod.limits.keys()));
    stated.into_iter().any(|resource| is_pod_level(resource))
}

/// Whether the QoS class is BestEffort: no request and no limit for CPU or memory above zero.
///
/// Upstream: `pkg/apis/core/v1/helper/qos/qos.go` `ComputePodQOS`.
pub(super) fn is_best_effort(spec: &PodSpec) -> bool {
    let asks = |resources: &Resources| {
        let mut amounts = resources.requests.iter().chain(&resources.limits);
        amounts.any(|(resource, amount)| {
            matches!(resource.as_str(), "cpu" | "memory") && amount.quantity() > Quantity::ZERO
        })
    };
    match &spec.resources {
        Some(pod) => !asks(pod),
        None => {
            let containers = spec.containers.iter().chain(&spec.init_containers);
            !containers.filter_map(|container| container.resources.as_ref()).any(asks)
        }
    }
}

/// Adds the entries of `from` that `list` does not have.
pub(super) fn fill(list: &mut ResourceList, from: &ResourceList) {
    for (resource, amount) in from {
        list.entry(resource.clone()).or_insert_with(|| amount.clone());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    /// The CPU request and limit of a pod with one container of 100m, these init containers and this overhead.
    fn cpu(init_containers: &serde_json::Value, overhead: &str) -> (String, String) {
        let cpu = json!({"cpu": "100m"});
        let spec: PodSpec = serde_json::from_value(json!({
            "containers": [{"name": "main", "resources": {"requests": cpu, "limits": cpu}}],
            "initContainers": init_containers, "overhead": {"cpu": overhead},
        }))
        .unwrap();
        let totals = with_overhead(of_pod(&spec, is_pod_level), &spec.overhead);
        let of = |sums: &ResourceSums| sums.get("cpu").copied().unwrap_or_default().to_string();
        (of(&totals.requests), of(&totals.limits))
    }

    /// Edge cases 57 and 58 (docs/edge-cases.md).
    #[test]
    fn pod_totals_concurrent_containers_take_highest_moment() {
        let one = |cpu: &str, policy: &str| {
            let resources = json!({"requests": {"cpu": cpu}, "limits": {"cpu": cpu}});
            json!({"name": cpu, "restartPolicy": policy, "resources": resources})
        };
        let (sidecar, init) = (one("50m", "Always"), one("200m", ""));
        let both = |text: &str| (text.to_owned(), text.to_owned());
        assert_eq!(cpu(&json!([sidecar, init]), "0"), both("250m"));
        assert_eq!(cpu(&json!([init, sidecar]), "0"), both("200m"));
        assert_eq!(cpu(&json!([sidecar]), "0"), both("150m"));
        assert_eq!(cpu(&json!([sidecar, init]), "10m"), both("260m"));
        assert_eq!(cpu(&json!([init, sidecar]), "10m"), both("210m"));
    }
}
