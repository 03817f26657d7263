//! What the DaemonSet controller adds to a pod of the template.
//!
//! Upstream: `pkg/controller/daemon/util/daemonset_util.go` `CreatePodTemplate`, `AddOrUpdateDaemonPodTolerations`,
//! `ReplaceDaemonSetPodNodeNameNodeAffinity`, `GetTemplateGeneration`.

use k8s_openapi::api::apps::v1::DaemonSet;

use crate::placement::added_tolerations;
use crate::snapshot::pod::{Pod, PodSpec, Toleration};
use crate::snapshot::pod_summary::{NodeSelector, NodeSelectorRequirement, NodeSelectorTerm};

const GENERATION_ANNOTATION: &str = "deprecated.daemonset.template.generation";
pub(super) const GENERATION_LABEL: &str = "pod-template-generation";

/// Pins the pod to its node: replaces the required node affinity and keeps the rest.
pub(super) fn pin(spec: &mut PodSpec, node: &str) {
    let is_the_node =
        NodeSelectorRequirement { key: "metadata.name".into(), operator: "In".into(), values: vec![node.to_owned()] };
    let term = NodeSelectorTerm { match_fields: vec![is_the_node], ..NodeSelectorTerm::default() };
    let node_affinity = spec.affinity.get_or_insert_default().node_affinity.get_or_insert_default();
    node_affinity.required = Some(NodeSelector { node_selector_terms: vec![term] });
}

/// Adds the tolerations of daemon pods. A toleration of the template with the same key, effect, operator and value is
/// replaced, so it loses its `tolerationSeconds`.
pub(super) fn add_tolerations(spec: &mut PodSpec) {
    for (key, effect) in added_tolerations(spec.host_network) {
        add_toleration(&mut spec.tolerations, key, effect);
    }
}

fn add_toleration(tolerations: &mut Vec<Toleration>, key: &str, effect: &str) {
    let is_same = |toleration: &Toleration| {
        toleration.key == key
            && toleration.effect == effect
            && toleration.operator == "Exists"
            && toleration.value.is_empty()
    };
    let mut is_there = false;
    for toleration in tolerations.iter_mut().filter(|toleration| is_same(toleration)) {
        toleration.toleration_seconds = None;
        is_there = true;
    }
    if !is_there {
        tolerations.push(Toleration {
            key: key.to_owned(),
            operator: "Exists".into(),
            effect: effect.to_owned(),
            ..Toleration::default()
        });
    }
}

/// Adds the label with the template generation, if the DaemonSet has the annotation. The other label that the
/// controller adds, `controller-revision-hash`, is not known for a pod that does not exist.
pub(super) fn add_generation(pod: &mut Pod, daemon_set: &DaemonSet) {
    if let Some(generation) = template_generation(daemon_set) {
        pod.metadata.labels.insert(GENERATION_LABEL.into(), generation.to_string());
    }
}

/// The number of template changes, if the DaemonSet has the annotation.
pub(super) fn template_generation(daemon_set: &DaemonSet) -> Option<i64> {
    daemon_set.metadata.annotations.as_ref()?.get(GENERATION_ANNOTATION)?.parse().ok()
}
