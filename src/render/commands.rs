//! Commands that change a cluster, each with the [`Change`] that it makes: what is checked is what is printed.

use serde_json::{Value, json};

use super::command_line::CommandLine;
use super::remedy::RemedyContext;
use crate::change::{Change, NodeEdit, Patch, PodEdit};

/// `kubectl patch daemonset` with a JSON patch (RFC 6902).
pub(crate) fn json_patch(target: &RemedyContext<'_>, patch: &Value) -> CommandLine {
    let line = patch_line(target).words("--type=json").patch(patch);
    line.changing(daemon_set(target, Patch::Json(patch.clone())))
}

/// `kubectl patch daemonset` with a JSON merge patch (RFC 7386).
pub(crate) fn merge_patch(target: &RemedyContext<'_>, patch: &Value) -> CommandLine {
    let line = patch_line(target).words("--type=merge").patch(patch);
    line.changing(daemon_set(target, Patch::Merge(patch.clone())))
}

/// `kubectl patch daemonset` with a strategic merge patch.
pub(crate) fn strategic_patch(target: &RemedyContext<'_>, patch: &Value) -> CommandLine {
    patch_line(target).patch(patch).changing(daemon_set(target, Patch::Strategic(patch.clone())))
}

fn patch_line(target: &RemedyContext<'_>) -> CommandLine {
    CommandLine::in_namespace(target.namespace, "patch daemonset").name(target.daemon_set)
}

fn daemon_set(target: &RemedyContext<'_>, patch: Patch) -> Change {
    Change::DaemonSet { namespace: target.namespace.to_owned(), name: target.daemon_set.to_owned(), patch }
}

/// `kubectl set resources` with one amount of one container; `limit` also sets the limit.
pub(crate) fn set_request(
    target: &RemedyContext<'_>,
    container: &str,
    resource: &str,
    amount: &str,
    limit: bool,
) -> CommandLine {
    let line = CommandLine::in_namespace(target.namespace, "set resources")
        .name_within("daemonset/", target.daemon_set, "")
        .container(container)
        .amounts("--requests", [(resource, amount)]);
    let line = if limit { line.amounts("--limits", [(resource, amount)]) } else { line };
    let share = json!({ resource: amount });
    let resources = match limit {
        true => json!({ "requests": share, "limits": share }),
        false => json!({ "requests": share }),
    };
    let containers = json!([{ "name": container, "resources": resources }]);
    let patch = json!({ "spec": { "template": { "spec": { "containers": containers } } } });
    line.changing(daemon_set(target, Patch::Strategic(patch)))
}

/// Changes the DaemonSet outside of its template: the controller tries again, and updates `.status`.
pub(crate) fn retry(namespace: &str, daemon_set: &str) -> CommandLine {
    CommandLine::in_namespace(namespace, "annotate ds")
        .name(daemon_set)
        .words("--overwrite kubectl-ds/tried-again=\"$(date +%s)\"")
        .changing(Change::Retry)
}

/// `kubectl label node`. A label without a value is removed. `overwrite` replaces existing values.
pub(crate) fn label_node(node: &str, labels: &[(&str, Option<&str>)], overwrite: bool) -> CommandLine {
    let line =
        labels.iter().fold(CommandLine::new("kubectl label node").name(node), |line, (key, value)| match value {
            Some(value) => line.label(key, value),
            None => line.without_label(key),
        });
    let line = if overwrite { line.words("--overwrite") } else { line };
    let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), value.map(str::to_owned))).collect();
    line.changing(of_node(node, NodeEdit::Labels(labels)))
}

pub(crate) fn remove_taint(node: &str, key: &str, effect: &str) -> CommandLine {
    let line = CommandLine::new("kubectl taint node").name(node).without_taint(key, effect);
    line.changing(of_node(node, NodeEdit::RemoveTaint { key: key.to_owned(), effect: effect.to_owned() }))
}

pub(crate) fn cordon(node: &str) -> CommandLine {
    CommandLine::new("kubectl cordon").name(node).changing(of_node(node, NodeEdit::Cordon))
}

pub(crate) fn uncordon(node: &str) -> CommandLine {
    CommandLine::new("kubectl uncordon").name(node).changing(of_node(node, NodeEdit::Uncordon))
}

fn of_node(node: &str, edit: NodeEdit) -> Change {
    Change::Node { name: node.to_owned(), edit }
}

/// Evicts the pod, which unlike a deletion respects PodDisruptionBudgets. kubectl has no command for the eviction of one
/// pod, so the line sends the request of `kubectl drain`.
pub(crate) fn evict_pod(namespace: &str, pod: &str) -> CommandLine {
    CommandLine::eviction(namespace, pod).changing(of_pod(namespace, pod, PodEdit::Evict))
}

pub(crate) fn remove_scheduling_gates(namespace: &str, pod: &str) -> CommandLine {
    let patch = json!([{ "op": "remove", "path": "/spec/schedulingGates" }]);
    let line = CommandLine::in_namespace(namespace, "patch pod").name(pod).words("--type=json").patch(&patch);
    line.changing(of_pod(namespace, pod, PodEdit::RemoveSchedulingGates))
}

fn of_pod(namespace: &str, pod: &str, edit: PodEdit) -> Change {
    Change::Pod { namespace: namespace.to_owned(), name: pod.to_owned(), edit }
}

/// `kubectl patch resourcequota` with new limits.
pub(crate) fn set_quota(namespace: &str, quota: &str, hard: Vec<(String, String)>) -> CommandLine {
    let amounts: serde_json::Map<String, Value> =
        hard.iter().map(|(resource, amount)| (resource.clone(), Value::from(amount.as_str()))).collect();
    let line = CommandLine::in_namespace(namespace, "patch resourcequota").name(quota).words("--type=merge");
    let line = line.patch(&json!({ "spec": { "hard": amounts } }));
    line.changing(Change::Quota { namespace: namespace.to_owned(), name: quota.to_owned(), hard })
}

pub(crate) fn create_service_account(namespace: &str, name: &str) -> CommandLine {
    let line = CommandLine::in_namespace(namespace, "create serviceaccount").name(name);
    line.changing(Change::ServiceAccount { namespace: namespace.to_owned(), name: name.to_owned() })
}

pub(crate) fn create_priority_class(name: &str, value: i32) -> CommandLine {
    let line = CommandLine::new("kubectl create priorityclass").name(name).number("--value", value);
    line.changing(Change::PriorityClass { name: name.to_owned(), value })
}
