//! The ResourceQuota check: what the quotas leave, and what one more pod needs.
//!
//! Upstream: `pkg/quota/v1/evaluator/core/pods.go` `Constraints`, `MatchingResources`, `PodUsageFunc`,
//! `podMatchesScopeFunc`; `apiserver/pkg/admission/plugin/resourcequota/controller.go` `CheckRequest`.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ResourceQuota, ScopedResourceSelectorRequirement};

use super::rejection::{AdmissionRejection, MissingQuotaRequest, QuotaUsage};
use super::resources::{self, ResourceSums, ResourceTotals};
use crate::snapshot::pod::{Pod, PodSpec};
use crate::snapshot::quantity::Quantity;

/// The resources that a quota can require every container to specify.
const TO_BE_SPECIFIED: [&str; 6] = ["cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"];

/// Why the quotas of the pod's namespace reject one more pod like this one.
pub(super) fn rejections(quotas: &[ResourceQuota], pod: &Pod) -> Vec<AdmissionRejection> {
    of_namespace(quotas, &pod.metadata.namespace)
        .into_iter()
        .flat_map(|quota| quota_rejections(quota, &pod.spec))
        .collect()
}

/// How many more pods like this one the quotas of its namespace allow, at most `wanted`, after the pods of `freed` are
/// gone, and the rejection of the next one. A quota without room for one pod allows none.
pub(crate) fn quota_room(
    quotas: &[ResourceQuota],
    pod: &Pod,
    freed: &[&Pod],
    wanted: usize,
) -> (usize, Vec<AdmissionRejection>) {
    let mut quotas: Vec<ResourceQuota> = of_namespace(quotas, &pod.metadata.namespace).into_iter().cloned().collect();
    for quota in &mut quotas {
        freed.iter().for_each(|freed| count(quota, &freed.spec, Quantity::less));
    }
    for room in 0..wanted {
        let rejections: Vec<AdmissionRejection> =
            quotas.iter().flat_map(|quota| quota_rejections(quota, &pod.spec)).collect();
        if !rejections.is_empty() {
            return (room, rejections);
        }
        quotas.iter_mut().for_each(|quota| count(quota, &pod.spec, |used, more| used + more));
    }
    (wanted, Vec::new())
}

/// The quotas after these pods were created.
pub(crate) fn quotas_with<'p>(quotas: &[ResourceQuota], created: impl Iterator<Item = &'p Pod>) -> Vec<ResourceQuota> {
    let mut quotas = quotas.to_vec();
    for pod in created {
        let of_namespace =
            quotas.iter_mut().filter(|quota| quota.metadata.namespace.as_ref() == Some(&pod.metadata.namespace));
        of_namespace.for_each(|quota| count(quota, &pod.spec, |used, more| used + more));
    }
    quotas
}

/// The quota as the quota controller completes it: its limits are in force, and the pods of its namespace are counted if
/// `known`, the quota before, did not count them.
pub(crate) fn quota_in_force(quota: &ResourceQuota, known: Option<&ResourceQuota>, pods: &[Pod]) -> ResourceQuota {
    let mut quota = quota.clone();
    let hard = quota.spec.as_ref().and_then(|spec| spec.hard.clone());
    let counted = known.and_then(|known| known.status.as_ref()?.used.clone()).unwrap_or_default();
    let is_new = |resource: &String| !counted.contains_key(resource);
    let used = hard.iter().flatten().map(|(resource, _)| {
        let used = counted.get(resource).cloned();
        (resource.clone(), used.unwrap_or_else(|| k8s_openapi::apimachinery::pkg::api::resource::Quantity("0".into())))
    });
    let used: BTreeMap<_, _> = used.collect();
    let status = quota.status.get_or_insert_default();
    (status.hard, status.used) = (hard, Some(used.clone()));
    let of_namespace =
        |pod: &&Pod| Some(pod.metadata.namespace.as_str()) == quota.metadata.namespace.as_deref() && !pod.is_terminal();
    let mut recounted = quota.clone();
    pods.iter().filter(of_namespace).for_each(|pod| count(&mut recounted, &pod.spec, |used, more| used + more));
    let recounted = recounted.status.and_then(|status| status.used).unwrap_or_default();
    if let Some(used) = quota.status.as_mut().and_then(|status| status.used.as_mut()) {
        used.extend(recounted.into_iter().filter(|(resource, _)| is_new(resource)));
    }
    quota
}

/// Changes what the quota counts by one pod, if the pod is in its scopes.
fn count(quota: &mut ResourceQuota, spec: &PodSpec, change: impl Fn(Quantity, Quantity) -> Quantity) {
    if !scopes_of(quota).iter().all(|scope| is_in_scope(spec, scope)) {
        return;
    }
    let Some(used) = quota.status.as_mut().and_then(|status| status.used.as_mut()) else { return };
    for (resource, amount) in usage(spec) {
        if let Some(used) = used.get_mut(&resource) {
            let now: Quantity = used.0.parse().unwrap_or_default();
            used.0 = change(now, amount).to_string();
        }
    }
}

pub(super) fn of_namespace<'q>(quotas: &'q [ResourceQuota], namespace: &str) -> Vec<&'q ResourceQuota> {
    let is_own = |quota: &&ResourceQuota| quota.metadata.namespace.as_deref() == Some(namespace);
    let mut own: Vec<&ResourceQuota> = quotas.iter().filter(is_own).collect();
    own.sort_by_key(|quota| quota.metadata.name.as_deref());
    own
}

/// The shares with the current numbers of the quota, without those that are no longer short.
pub(super) fn still_short(quota: &ResourceQuota, shares: &[QuotaUsage]) -> Vec<QuotaUsage> {
    let (hard, used) = status_of(quota);
    let now = shares.iter().filter_map(|share| {
        let needed = share.requested.parse().unwrap_or_default();
        short(&share.resource, needed, &hard, &used)
    });
    now.collect()
}

fn quota_rejections(quota: &ResourceQuota, spec: &PodSpec) -> Vec<AdmissionRejection> {
    let name = quota.metadata.name.clone().unwrap_or_default();
    let (hard, used) = status_of(quota);
    let counted: Vec<&String> = hard.keys().filter(|resource| is_about_pods(resource)).collect();
    if counted.is_empty() || !scopes_of(quota).iter().all(|scope| is_in_scope(spec, scope)) {
        return Vec::new();
    }
    let missing = unspecified(spec, &counted);
    if !missing.is_empty() {
        return vec![AdmissionRejection::QuotaRequestMissing { quota: name, missing }];
    }
    if counted.iter().any(|resource| !used.contains_key(*resource)) {
        return vec![AdmissionRejection::QuotaStatusMissing { quota: name }];
    }
    let needed = usage(spec);
    let resources: Vec<QuotaUsage> =
        needed.iter().filter_map(|(resource, needed)| short(resource, *needed, &hard, &used)).collect();
    match resources.is_empty() {
        true => Vec::new(),
        false => vec![AdmissionRejection::QuotaExceeded { quota: name, resources }],
    }
}

fn short(
    resource: &str,
    needed: Quantity,
    hard: &BTreeMap<String, String>,
    used: &BTreeMap<String, String>,
) -> Option<QuotaUsage> {
    let limited = hard.get(resource)?;
    let used = used.get(resource).map_or("0", String::as_str);
    let number = |text: &str| text.parse::<Quantity>().unwrap_or_default();
    let is_short = !needed.is_zero() && number(used) + needed > number(limited);
    is_short.then(|| QuotaUsage {
        resource: resource.to_owned(),
        requested: in_words(resource, needed),
        used: used.to_owned(),
        limited: limited.clone(),
    })
}

/// Formats bytes with binary suffixes.
fn in_words(resource: &str, quantity: Quantity) -> String {
    let is_bytes = ["memory", "storage", "hugepages-"].iter().any(|part| resource.contains(part));
    if is_bytes { quantity.in_bytes() } else { quantity.to_string() }
}

/// `status.hard` and `status.used`: the limits in force, and the usage that was counted.
fn status_of(quota: &ResourceQuota) -> (BTreeMap<String, String>, BTreeMap<String, String>) {
    let status = quota.status.clone().unwrap_or_default();
    let list = |list: Option<BTreeMap<String, k8s_openapi::apimachinery::pkg::api::resource::Quantity>>| {
        list.into_iter().flatten().map(|(resource, quantity)| (resource, quantity.0)).collect()
    };
    (list(status.hard), list(status.used))
}

/// Whether a quota resource counts pods or resources of pods.
fn is_about_pods(resource: &str) -> bool {
    let plain = [
        "count/pods",
        "pods",
        "cpu",
        "memory",
        "ephemeral-storage",
        "requests.cpu",
        "requests.memory",
        "requests.ephemeral-storage",
        "limits.cpu",
        "limits.memory",
        "limits.ephemeral-storage",
    ];
    let requested = resource.strip_prefix("requests.");
    plain.contains(&resource)
        || resources::is_huge_page(resource)
        || requested.is_some_and(|requested| resources::is_huge_page(requested) || is_extended(requested))
}

/// Whether it is an extended resource, and not one of Kubernetes' own.
fn is_extended(resource: &str) -> bool {
    let is_foreign = resource.contains('/') && !resource.contains("kubernetes.io/");
    is_foreign || resource.starts_with("deviceclass.resource.kubernetes.io/")
}

/// The usage of one pod by quota resource.
fn usage(spec: &PodSpec) -> ResourceSums {
    let totals = resources::with_overhead(resources::of_pod(spec, resources::is_pod_level), &spec.overhead);
    let mut usage = usage_of(&totals);
    for objects in ["pods", "count/pods"] {
        usage.insert(objects.into(), Quantity::whole(1));
    }
    usage
}

fn usage_of(totals: &ResourceTotals) -> ResourceSums {
    let mut usage = ResourceSums::new();
    for (resource, quantity) in &totals.requests {
        let is_plain = matches!(resource.as_str(), "cpu" | "memory" | "ephemeral-storage");
        if is_plain || resources::is_huge_page(resource) {
            usage.insert(resource.clone(), *quantity);
        }
        if is_plain || resources::is_huge_page(resource) || is_extended(resource) {
            usage.insert(format!("requests.{resource}"), *quantity);
        }
    }
    for resource in ["cpu", "memory", "ephemeral-storage"] {
        if let Some(quantity) = totals.limits.get(resource) {
            usage.insert(format!("limits.{resource}"), *quantity);
        }
    }
    usage
}

/// The resources that the quota requires every container to specify, with the containers that do not. A pod with
/// pod-level amounts is exempt.
fn unspecified(spec: &PodSpec, counted: &[&String]) -> Vec<MissingQuotaRequest> {
    if resources::has_pod_level(spec) {
        return Vec::new();
    }
    let required = counted.iter().filter(|resource| TO_BE_SPECIFIED.contains(&resource.as_str()));
    let missing = required.map(|resource| {
        let (is_limit, plain) = match resource.strip_prefix("limits.") {
            Some(plain) => (true, plain),
            None => (false, resource.strip_prefix("requests.").unwrap_or(resource)),
        };
        let containers = spec.containers.iter().chain(&spec.init_containers).filter(|container| {
            let resources = container.resources.as_ref();
            let list = resources.map(|all| if is_limit { &all.limits } else { &all.requests });
            !list.is_some_and(|list| list.contains_key(plain))
        });
        let containers = containers.map(|container| container.name.clone()).collect();
        MissingQuotaRequest { resource: (*resource).clone(), containers }
    });
    missing.filter(|missing| !missing.containers.is_empty()).collect()
}

fn scopes_of(quota: &ResourceQuota) -> Vec<ScopedResourceSelectorRequirement> {
    let spec = quota.spec.clone().unwrap_or_default();
    let plain = spec.scopes.into_iter().flatten().map(|scope| ScopedResourceSelectorRequirement {
        operator: "Exists".into(),
        scope_name: scope,
        values: None,
    });
    let selected = spec.scope_selector.and_then(|selector| selector.match_expressions);
    plain.chain(selected.into_iter().flatten()).collect()
}

fn is_in_scope(spec: &PodSpec, scope: &ScopedResourceSelectorRequirement) -> bool {
    match scope.scope_name.as_str() {
        // Daemon pods have no deadline: the API does not allow `activeDeadlineSeconds` in their template.
        "NotTerminating" => true,
        "BestEffort" => resources::is_best_effort(spec),
        "NotBestEffort" => !resources::is_best_effort(spec),
        "PriorityClass" => {
            let class = Some(&spec.priority_class_name).filter(|class| !class.is_empty());
            let is_listed = class.is_some_and(|class| scope.values.iter().flatten().any(|value| value == class));
            match scope.operator.as_str() {
                "Exists" => class.is_some(),
                "DoesNotExist" => class.is_none(),
                "In" => is_listed,
                "NotIn" => !is_listed,
                _ => false,
            }
        }
        "CrossNamespacePodAffinity" => looks_across_namespaces(spec),
        _ => false,
    }
}

fn looks_across_namespaces(spec: &PodSpec) -> bool {
    let Some(affinity) = &spec.affinity else {
        return false;
    };
    let both = [&affinity.pod_affinity, &affinity.pod_anti_affinity];
    let mut terms = both.into_iter().flatten().flat_map(|affinity| &affinity.required);
    terms.any(|term| !term.namespaces.is_empty() || term.namespace_selector.is_some())
}
