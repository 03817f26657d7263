//! What the API server's mutating plugins change in a pod, as far as the objects that they read are known.
//!
//! Upstream: `plugin/pkg/admission/limitranger` `PodMutateLimitFunc`, `.../serviceaccount`, `.../priority` `admitPod`,
//! `.../runtimeclass` `setOverhead`, `setScheduling`; `pkg/util/tolerations` `MergeTolerations`.

use k8s_openapi::api::core::v1::{LimitRange, Namespace};
use k8s_openapi::api::node::v1::RuntimeClass;
use k8s_openapi::api::scheduling::v1::PriorityClass;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;

use super::resources::fill;
use crate::snapshot::Known;
use crate::snapshot::cluster_objects::ClusterObjects;
use crate::snapshot::pod::{Container, Pod, PodSpec, Resources, Toleration};
use crate::snapshot::resource_list::{Amount, ResourceList};

/// The service account of a pod that names none.
pub(super) const DEFAULT_SERVICE_ACCOUNT: &str = "default";

const NODE_SELECTOR_ANNOTATION: &str = "scheduler.alpha.kubernetes.io/node-selector";
const TOLERATIONS_ANNOTATION: &str = "scheduler.alpha.kubernetes.io/defaultTolerations";

/// Applies the plugins in the order of the server. Returns what is not certain, one sentence each.
pub(super) fn apply(pod: &mut Pod, cluster_objects: &ClusterObjects) -> Vec<String> {
    let mut assumptions = Vec::new();
    let namespace = pod.metadata.namespace.clone();
    let limit_ranges = cluster_objects.in_namespace(&cluster_objects.limit_ranges, &namespace);
    apply_limit_ranges(&mut pod.spec, &namespace, &limit_ranges, &mut assumptions);
    if pod.spec.service_account_name.is_empty() {
        pod.spec.service_account_name = DEFAULT_SERVICE_ACCOUNT.into();
    }
    apply_priority(&mut pod.spec, &cluster_objects.priority_classes, &mut assumptions);
    apply_runtime_class(&mut pod.spec, &cluster_objects.runtime_classes, &mut assumptions);
    let is_own = |one: &&Namespace| one.metadata.name.as_ref() == Some(&namespace);
    let own = cluster_objects.namespaces.known().and_then(|all| all.iter().find(is_own));
    assumptions.extend(own.into_iter().flat_map(opt_in_plugins));
    assumptions
}

/// The LimitRanges of one namespace by name. The server's own order is not defined.
pub(super) fn ranges_of<'r>(ranges: &'r [LimitRange], namespace: &str) -> Vec<&'r LimitRange> {
    let is_own = |range: &&LimitRange| range.metadata.namespace.as_deref() == Some(namespace);
    let mut own: Vec<&LimitRange> = ranges.iter().filter(is_own).collect();
    own.sort_by_key(|range| range.metadata.name.as_deref());
    own
}

/// Converts amounts of the API type.
pub(super) fn amounts(list: Option<&std::collections::BTreeMap<String, ApiQuantity>>) -> ResourceList {
    let amount =
        |(resource, quantity): (&String, &ApiQuantity)| (resource.clone(), Amount { text: quantity.0.clone() });
    list.into_iter().flatten().map(amount).collect()
}

fn apply_limit_ranges(
    spec: &mut PodSpec,
    namespace: &str,
    ranges: &Known<Vec<LimitRange>>,
    assumptions: &mut Vec<String>,
) {
    let ranges = match ranges {
        Known::Known(ranges) => ranges_of(ranges, namespace),
        Known::Unknown(why) => {
            if containers(spec).any(is_open) {
                assumptions.push(format!("{why}: a LimitRange may add requests and limits to the pod"));
            }
            return;
        }
    };
    let all: Vec<_> = ranges.iter().map(|range| (range, container_defaults(range))).collect();
    for (at, (range, defaults)) in all.iter().enumerate() {
        for (other, others) in all.iter().skip(at + 1) {
            if is_torn(spec, defaults, others) {
                let name = |range: &LimitRange| range.metadata.name.clone().unwrap_or_default();
                assumptions.push(format!(
                    "LimitRanges {} and {} have different defaults: it is undefined which one applies",
                    name(range),
                    name(other)
                ));
            }
        }
    }
    for (_, (requests, limits)) in all {
        for container in spec.containers.iter_mut().chain(spec.init_containers.iter_mut()) {
            let resources = container.resources.get_or_insert_default();
            fill(&mut resources.limits, &limits);
            fill(&mut resources.requests, &requests);
        }
    }
}

/// The default requests and default limits of a LimitRange for containers. The last item wins.
fn container_defaults(range: &LimitRange) -> (ResourceList, ResourceList) {
    let items = range.spec.iter().flat_map(|spec| &spec.limits).filter(|item| item.type_ == "Container");
    let mut defaults = (ResourceList::new(), ResourceList::new());
    for item in items {
        defaults.0.extend(amounts(item.default_request.as_ref()));
        defaults.1.extend(amounts(item.default.as_ref()));
    }
    defaults
}

/// Whether a container lacks an amount for which the two LimitRanges have different defaults.
fn is_torn(spec: &PodSpec, one: &(ResourceList, ResourceList), other: &(ResourceList, ResourceList)) -> bool {
    let differ = |one: &ResourceList, other: &ResourceList, list: fn(&Resources) -> &ResourceList| {
        let differing = one.iter().filter(|(resource, amount)| {
            other.get(*resource).is_some_and(|other| other.quantity() != amount.quantity())
        });
        differing.into_iter().any(|(resource, _)| containers(spec).any(|container| lacks(container, resource, list)))
    };
    differ(&one.0, &other.0, |all| &all.requests) || differ(&one.1, &other.1, |all| &all.limits)
}

/// Whether a LimitRange could still add a CPU or memory request to the container.
fn is_open(container: &Container) -> bool {
    ["cpu", "memory"].iter().any(|resource| lacks(container, resource, |all| &all.requests))
}

fn lacks(container: &Container, resource: &str, list: fn(&Resources) -> &ResourceList) -> bool {
    !container.resources.as_ref().is_some_and(|resources| list(resources).contains_key(resource))
}

fn containers(spec: &PodSpec) -> impl Iterator<Item = &Container> {
    spec.containers.iter().chain(&spec.init_containers)
}

/// The value of a class that exists in every cluster (`pkg/apis/scheduling/v1/helpers.go` `SystemPriorityClasses`).
pub(super) fn built_in_priority(class: &str) -> Option<i32> {
    match class {
        "system-node-critical" => Some(2_000_001_000),
        "system-cluster-critical" => Some(2_000_000_000),
        _ => None,
    }
}

/// The value and the preemption policy of the class with this name, if it exists.
pub(super) fn priority_of(classes: &[PriorityClass], name: &str) -> Option<(i32, Option<String>)> {
    let class = classes.iter().find(|class| class.metadata.name.as_deref() == Some(name));
    let of_class = class.map(|class| (class.value.unwrap_or_default(), class.preemption_policy.clone()));
    of_class.or_else(|| built_in_priority(name).map(|value| (value, Some("PreemptLowerPriority".into()))))
}

fn apply_priority(spec: &mut PodSpec, classes: &Known<Vec<PriorityClass>>, assumptions: &mut Vec<String>) {
    let known = classes.known().map_or(&[][..], Vec::as_slice);
    if spec.priority_class_name.is_empty() {
        // Several default classes can exist after a race; the server takes the one with the lowest value.
        let default = known.iter().filter(|class| class.global_default == Some(true));
        let default = default.min_by_key(|class| class.value.unwrap_or_default());
        spec.priority_class_name = default.and_then(|class| class.metadata.name.clone()).unwrap_or_default();
        let value = default.map_or(0, |class| class.value.unwrap_or_default());
        let policy = default.map_or(Some("PreemptLowerPriority".into()), |class| class.preemption_policy.clone());
        set_priority(spec, value, policy);
        return;
    }
    match (priority_of(known, &spec.priority_class_name), classes.missing()) {
        (Some((value, policy)), _) => set_priority(spec, value, policy),
        (None, Some(why)) => {
            assumptions.push(format!("{why}: the value of PriorityClass {} is unknown", spec.priority_class_name));
        }
        // The class does not exist, so the server rejects the pod.
        (None, None) => {}
    }
}

fn set_priority(spec: &mut PodSpec, value: i32, policy: Option<String>) {
    spec.priority = Some(value);
    if let Some(policy) = policy {
        spec.preemption_policy = policy;
    }
}

pub(super) fn runtime_class<'c>(classes: &'c [RuntimeClass], name: &str) -> Option<&'c RuntimeClass> {
    classes.iter().find(|class| class.metadata.name.as_deref() == Some(name))
}

fn apply_runtime_class(spec: &mut PodSpec, classes: &Known<Vec<RuntimeClass>>, assumptions: &mut Vec<String>) {
    let name = &spec.runtime_class_name;
    if name.is_empty() {
        return;
    }
    let classes = match classes {
        Known::Known(classes) => classes,
        Known::Unknown(why) => {
            assumptions.push(format!(
                "{why}: RuntimeClass {name} may add an overhead, a node selector and tolerations to the pod"
            ));
            return;
        }
    };
    let Some(class) = runtime_class(classes, name) else {
        return;
    };
    if let Some(overhead) = &class.overhead {
        spec.overhead = amounts(overhead.pod_fixed.as_ref());
    }
    if let Some(scheduling) = &class.scheduling {
        for (key, value) in scheduling.node_selector.iter().flatten() {
            // A label with a different value in the template gets the pod rejected.
            spec.node_selector.entry(key.clone()).or_insert_with(|| value.clone());
        }
        let more = scheduling.tolerations.iter().flatten().map(|toleration| Toleration {
            key: toleration.key.clone().unwrap_or_default(),
            operator: toleration.operator.clone().unwrap_or_default(),
            value: toleration.value.clone().unwrap_or_default(),
            effect: toleration.effect.clone().unwrap_or_default(),
            toleration_seconds: toleration.toleration_seconds,
        });
        let all: Vec<Toleration> = spec.tolerations.drain(..).chain(more).collect();
        spec.tolerations = without_covered(&all).into();
    }
}

/// Removes the tolerations that another one covers. Of equal tolerations the first is kept.
fn without_covered(all: &[Toleration]) -> Vec<Toleration> {
    let mut kept: Vec<Toleration> = Vec::new();
    for (at, one) in all.iter().enumerate() {
        let is_covered_later = all.iter().skip(at + 1).any(|later| later != one && covers(later, one));
        if !is_covered_later && !kept.iter().any(|earlier| covers(earlier, one)) {
            kept.push(one.clone());
        }
    }
    kept
}

fn covers(wide: &Toleration, narrow: &Toleration) -> bool {
    if wide == narrow {
        return true;
    }
    let any_key = wide.key.is_empty() && wide.operator == "Exists";
    if (narrow.key != wide.key && !any_key) || (narrow.effect != wide.effect && !wide.effect.is_empty()) {
        return false;
    }
    if let ("NoExecute", Some(seconds)) = (wide.effect.as_str(), wide.toleration_seconds)
        && narrow.toleration_seconds.is_none_or(|narrow| narrow > seconds)
    {
        return false;
    }
    match wide.operator.as_str() {
        "Equal" | "" => narrow.operator == "Equal" && narrow.value == wide.value,
        "Exists" => true,
        _ => false,
    }
}

/// What plugins that are off by default would do with the annotations of the namespace.
fn opt_in_plugins(namespace: &Namespace) -> impl Iterator<Item = String> {
    let plugins = [(NODE_SELECTOR_ANNOTATION, "PodNodeSelector"), (TOLERATIONS_ANNOTATION, "PodTolerationRestriction")];
    let annotations = namespace.metadata.annotations.clone().unwrap_or_default();
    let set = plugins.into_iter().filter(move |(key, _)| annotations.get(*key).is_some_and(|value| !value.is_empty()));
    set.map(|(key, plugin)| {
        format!("the namespace has the annotation {key}: the plugin {plugin} changes the pod if it is enabled")
    })
}
