//! Extended resources of containers that a DeviceClass provides.
//!
//! Upstream: `pkg/scheduler/framework/plugins/dynamicresources/extendeddynamicresources.go`
//! `preFilterExtendedResources`, `filterExtendedResources`; `pkg/scheduler/util/utils.go` `IsDRAExtendedResourceName`.

use crate::scheduling::attempt::Attempt;
use std::collections::BTreeSet;

use k8s_openapi::api::resource::v1::DeviceClass;

use crate::snapshot::Known;
use crate::snapshot::cluster_objects::KubeMinor;

/// Since this version, the feature gate `DRAExtendedResource` is on by default.
const SINCE: KubeMinor = KubeMinor(36);
/// With this prefix, the name of a DeviceClass is the name of a resource.
const CLASS_PREFIX: &str = "deviceclass.resource.kubernetes.io/";

/// The number of extended resources that the pod requests and that the node can provide only through a DeviceClass.
pub(super) fn asked_of_devices(attempt: &Attempt<'_>) -> Known<usize> {
    if attempt.minor() < SINCE {
        return Known::Known(0);
    }
    let allocatable = &attempt.node.status.allocatable;
    let is_on_node = |name: &str| allocatable.get(name).is_some_and(|amount| !amount.quantity().is_zero());
    let asked: Vec<&str> = extended(attempt).into_iter().filter(|name| !is_on_node(name)).collect();
    if asked.is_empty() {
        return Known::Known(0);
    }
    let classes = attempt.cluster_objects.device_classes.as_ref();
    classes.map(|classes| asked.iter().filter(|name| has_class(classes, name)).count())
}

fn extended<'a>(attempt: &Attempt<'a>) -> BTreeSet<&'a str> {
    let spec = &attempt.pod.spec;
    let containers = spec.containers.iter().chain(&spec.init_containers);
    let requests = containers.filter_map(|container| container.resources.as_ref()).flat_map(|all| &all.requests);
    requests
        .filter(|(name, amount)| is_extended(name) && !amount.quantity().is_zero())
        .map(|(name, _)| name.as_str())
        .collect()
}

fn is_extended(name: &str) -> bool {
    let is_native = !name.contains('/') || name.contains("kubernetes.io/");
    name.starts_with(CLASS_PREFIX) || !(is_native || name.starts_with("requests."))
}

fn has_class(classes: &[DeviceClass], resource: &str) -> bool {
    classes.iter().any(|class| {
        let own = class.spec.as_ref().and_then(|spec| spec.extended_resource_name.as_deref());
        own == Some(resource) || resource.strip_prefix(CLASS_PREFIX) == class.metadata.name.as_deref()
    })
}
