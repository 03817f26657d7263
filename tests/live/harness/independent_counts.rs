//! A second implementation of the DaemonSet counts, which shares no code with the program. When a test of the counts
//! fails, it shows whether the program or the controller differs.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{ControllerRevision, DaemonSet};
use k8s_openapi::api::core::v1::{Node, NodeSelectorTerm, Pod, Toleration};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::harness::client::failed;
use crate::harness::control_plane::ControlPlane;

/// The counts of every DaemonSet, as a CoverageReport.
pub(crate) async fn report(plane: &ControlPlane) -> Result<Value, Failed> {
    let nodes: Vec<Node> = plane.list().await?;
    let pods: Vec<Pod> = plane.list().await?;
    let revisions: Vec<ControllerRevision> = plane.list().await?;
    let mut reports = Vec::new();
    for set in plane.list::<DaemonSet>().await? {
        let hash = current_hash(&set, &revisions)?;
        let mut by_node: BTreeMap<&str, Vec<&Pod>> = BTreeMap::new();
        for pod in
            pods.iter().filter(|pod| pod.owner_references().iter().any(|owner| Some(&owner.uid) == set.uid().as_ref()))
        {
            let done = matches!(phase(pod), "Failed" | "Succeeded") && pod.metadata.deletion_timestamp.is_some();
            if let Some(node) = target_node(pod).filter(|_| !done) {
                by_node.entry(node).or_default().push(pod);
            }
        }
        let (mut desired, mut current, mut ready, mut updated, mut available, mut misscheduled) = (0, 0, 0, 0, 0, 0);
        let mut listed = Vec::new();
        for node in &nodes {
            let name = node.name_any();
            let runs = should_run(&set, node);
            let first = by_node.get_mut(name.as_str()).and_then(|pods| {
                pods.sort_by_key(|pod| (has_no_node(pod), pod.creation_timestamp().map(|time| time.0), pod.name_any()));
                pods.first().copied()
            });
            desired += u32::from(runs);
            misscheduled += u32::from(!runs && first.is_some());
            let Some(pod) = first.filter(|_| runs) else {
                continue;
            };
            current += 1;
            updated += u32::from(pod.labels().get("controller-revision-hash") == Some(&hash));
            let since = ready_since(pod);
            ready += u32::from(since.is_some());
            let least = set.spec.min_ready_seconds.unwrap_or(0);
            let long = since.is_some_and(|since| least == 0 || since.elapsed_seconds() >= i64::from(least));
            available += u32::from(long);
            if !long {
                listed.push(json!({"node": name, "pod": pod.name_any()}));
            }
        }
        reports.push(json!({
            "namespace": set.namespace(), "name": set.name_any(),
            "desired": desired, "current": current, "ready": ready,
            "upToDate": updated, "available": available, "unavailable": desired - available,
            "misscheduled": misscheduled, "nodes": listed,
        }));
    }
    Ok(json!({"apiVersion": "kubectl-ds/v1", "kind": "CoverageReport", "daemonSets": reports}))
}

trait Elapsed {
    fn elapsed_seconds(&self) -> i64;
}

impl Elapsed for Time {
    fn elapsed_seconds(&self) -> i64 {
        jiff::Timestamp::now().duration_since(self.0).as_secs()
    }
}

/// Sorts pods without a node last.
fn has_no_node(pod: &Pod) -> bool {
    pod.spec.as_ref().is_none_or(|spec| spec.node_name.is_none())
}

fn phase(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default()
}

fn ready_since(pod: &Pod) -> Option<Time> {
    let conditions = pod.status.as_ref()?.conditions.as_deref()?;
    let ready = conditions.iter().find(|condition| condition.type_ == "Ready")?;
    ready.last_transition_time.clone().filter(|_| ready.status == "True")
}

/// The node that a pod is bound to, or that its required node affinity pins it to.
pub(crate) fn target_node(pod: &Pod) -> Option<&str> {
    let spec = pod.spec.as_ref()?;
    if let Some(node) = spec.node_name.as_deref() {
        return Some(node);
    }
    let affinity = spec.affinity.as_ref()?.node_affinity.as_ref()?;
    let required = affinity.required_during_scheduling_ignored_during_execution.as_ref()?;
    let mut fields = required.node_selector_terms.iter().flat_map(|term| term.match_fields.iter().flatten());
    fields
        .find(|field| field.key == "metadata.name" && field.operator == "In")?
        .values
        .as_ref()?
        .first()
        .map(String::as_str)
}

/// The hash of the revision with the current template.
fn current_hash(set: &DaemonSet, revisions: &[ControllerRevision]) -> Result<String, Failed> {
    let template = serde_json::to_value(&set.spec.template).map_err(failed)?;
    let owned = revisions
        .iter()
        .filter(|revision| revision.owner_references().iter().any(|owner| Some(&owner.uid) == set.uid().as_ref()));
    let newest = owned.max_by_key(|revision| revision.revision);
    let newest = newest.ok_or_else(|| failed(format!("{} has no revision", set.name_any())))?;
    let mut data = serde_json::to_value(&newest.data).map_err(failed)?["spec"]["template"].take();
    if let Some(map) = data.as_object_mut() {
        map.remove("$patch");
    }
    // A round trip through the type drops the same empty fields on both sides.
    let data: k8s_openapi::api::core::v1::PodTemplateSpec = serde_json::from_value(data).map_err(failed)?;
    if serde_json::to_value(data).map_err(failed)? != template {
        return Err(failed(format!("the newest revision of {} differs from its template", set.name_any())));
    }
    Ok(newest.labels().get("controller-revision-hash").cloned().unwrap_or_default())
}

/// The controller's rule: `NodeShouldRunDaemonPod` in `pkg/controller/daemon/daemon_controller.go`.
fn should_run(set: &DaemonSet, node: &Node) -> bool {
    let Some(pod) = &set.spec.template.spec else {
        return false;
    };
    let name = node.name_any();
    if pod.node_name.as_ref().is_some_and(|required| !required.is_empty() && *required != name) {
        return false;
    }
    let labels = node.labels();
    if !pod.node_selector.iter().flatten().all(|(key, value)| labels.get(key) == Some(value)) {
        return false;
    }
    let affinity = pod.affinity.as_ref().and_then(|affinity| affinity.node_affinity.as_ref());
    let required = affinity.and_then(|affinity| affinity.required_during_scheduling_ignored_during_execution.as_ref());
    if required.is_some_and(|required| !required.node_selector_terms.iter().any(|term| term_matches(term, node))) {
        return false;
    }
    let mut tolerations = pod.tolerations.clone().unwrap_or_default();
    let mut automatic = vec![
        ("not-ready", "NoExecute"),
        ("unreachable", "NoExecute"),
        ("disk-pressure", "NoSchedule"),
        ("memory-pressure", "NoSchedule"),
        ("pid-pressure", "NoSchedule"),
        ("unschedulable", "NoSchedule"),
    ];
    if pod.host_network == Some(true) {
        automatic.push(("network-unavailable", "NoSchedule"));
    }
    tolerations.extend(automatic.into_iter().map(|(key, effect)| Toleration {
        key: Some(format!("node.kubernetes.io/{key}")),
        operator: Some("Exists".into()),
        effect: Some(effect.into()),
        ..Toleration::default()
    }));
    let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_deref()).unwrap_or_default();
    taints.iter().filter(|taint| taint.effect != "PreferNoSchedule").all(|taint| {
        tolerations.iter().any(|toleration| {
            let text = |field: &Option<String>| field.clone().unwrap_or_default();
            let (key, effect, operator) = (text(&toleration.key), text(&toleration.effect), text(&toleration.operator));
            (effect.is_empty() || effect == taint.effect)
                && (key.is_empty() || key == taint.key)
                && (operator == "Exists"
                    || matches!(operator.as_str(), "" | "Equal") && text(&toleration.value) == text(&taint.value))
        })
    })
}

fn term_matches(term: &NodeSelectorTerm, node: &Node) -> bool {
    let (expressions, fields) = (term.match_expressions.as_deref(), term.match_fields.as_deref());
    let (expressions, fields) = (expressions.unwrap_or_default(), fields.unwrap_or_default());
    let name = node.name_any();
    (!expressions.is_empty() || !fields.is_empty())
        && expressions.iter().all(|one| {
            let values = one.values.as_deref().unwrap_or_default();
            let label = node.labels().get(&one.key);
            let number = |text: &String| text.parse::<i64>().ok();
            let both = || Some((number(label?)?, number(values.first()?)?));
            match one.operator.as_str() {
                "In" => label.is_some_and(|label| values.contains(label)),
                "NotIn" => label.is_none_or(|label| !values.contains(label)),
                "Exists" => label.is_some(),
                "DoesNotExist" => label.is_none(),
                "Gt" => both().is_some_and(|(label, bound)| label > bound),
                "Lt" => both().is_some_and(|(label, bound)| label < bound),
                _ => false,
            }
        })
        && fields.iter().all(|one| {
            let named = one.values.iter().flatten().any(|value| *value == name);
            named == (one.operator == "In")
        })
}
