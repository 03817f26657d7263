//! Defaults that the API server sets for pods but not for pod templates.
//!
//! Upstream: `pkg/apis/core/v1/defaults.go` `SetDefaults_Pod`, `SetDefaults_PodSpec`, `SetDefaults_ResourceList`,
//! `defaultHostNetworkPorts`; `pkg/registry/core/pod/strategy.go` `PrepareForCreate` for the label keys.

use super::pod_level_resources;
use super::resources::fill;
use crate::snapshot::Labels;
use crate::snapshot::cluster_objects::KubeMinor;
use crate::snapshot::pod::{LabelSelector, Pod, PodAffinityTerm, PodSpec, Resources};
use crate::snapshot::pod_summary::NodeSelectorRequirement;

/// Sets the defaults that apply before any plugin sees the pod.
pub(super) fn complete(spec: &mut PodSpec, minor: KubeMinor) {
    if spec.scheduler_name.is_empty() {
        spec.scheduler_name = "default-scheduler".into();
    }
    let host_network = spec.host_network;
    for container in spec.containers.iter_mut().chain(spec.init_containers.iter_mut()) {
        if let Some(resources) = &mut container.resources {
            round_up(resources);
            let Resources { limits, requests, .. } = resources;
            fill(requests, limits);
        }
        for port in &mut container.ports {
            if port.protocol.is_empty() {
                port.protocol = "TCP".into();
            }
            if host_network && port.host_port == 0 {
                port.host_port = port.container_port;
            }
        }
    }
    spec.resources.iter_mut().for_each(round_up);
    pod_level_resources::complete_on_reading(spec, minor);
}

/// Rounds up to thousandths, the finest amount that the API stores. Other amounts keep their original text.
fn round_up(resources: &mut Resources) {
    for amount in resources.limits.values_mut().chain(resources.requests.values_mut()) {
        let exact = amount.quantity();
        let rounded = exact.rounded_up_to_milli();
        if rounded != exact {
            *amount = rounded.into();
        }
    }
}

/// Merges the label keys of pod affinity and of topology spread constraints into their label selectors, with the pod's
/// own values. Keys that the pod does not have are ignored.
pub(super) fn merge_label_keys(pod: &mut Pod) {
    let Pod { metadata, spec, .. } = pod;
    let labels = &metadata.labels;
    if let Some(affinity) = &mut spec.affinity {
        let both = [&mut affinity.pod_affinity, &mut affinity.pod_anti_affinity];
        for term in both.into_iter().flatten().flat_map(|affinity| &mut affinity.required) {
            let PodAffinityTerm { label_selector, match_label_keys, mismatch_label_keys, .. } = term;
            // An absent selector matches no pod, with or without label keys.
            if let Some(selector) = label_selector {
                require(selector, match_label_keys, "In", labels);
                require(selector, mismatch_label_keys, "NotIn", labels);
            }
        }
    }
    for constraint in &mut spec.topology_spread_constraints {
        if let Some(selector) = &mut constraint.label_selector {
            require(selector, &constraint.match_label_keys, "In", labels);
        }
    }
}

fn require(selector: &mut LabelSelector, keys: &[String], operator: &str, labels: &Labels) {
    selector.match_expressions.extend(keys.iter().filter_map(|key| {
        let value = labels.get(key)?;
        Some(NodeSelectorRequirement { key: key.clone(), operator: operator.to_owned(), values: vec![value.clone()] })
    }));
}
