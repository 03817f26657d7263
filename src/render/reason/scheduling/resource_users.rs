//! Pods that are in the way on a node, and how each kind of them gets out of it.

use serde_json::{Value, json};

use crate::render::command_line::CommandLine;
use crate::render::name_list::ListLength;
use crate::render::remedy::{Remedy, RemedyContext};
use crate::scheduling::NodePod;

/// How many are named before the rest is counted.
const NAMED: usize = 3;

/// `ns/pod`.
pub(in crate::render) fn name(node_pod: &NodePod) -> String {
    format!("{}/{}", node_pod.namespace, node_pod.pod)
}

/// The first few in words, the rest by their number.
pub(in crate::render) fn some_of<T>(all: &[T], names: ListLength, words: impl Fn(&T) -> String) -> String {
    names.join(all, NAMED, ", ", words)
}

/// Pods that could run on another node, taken off this one.
pub(in crate::render) fn move_off(what_for: &str, movable: &[&NodePod], target: &RemedyContext<'_>) -> Remedy {
    let names = some_of(movable, ListLength::Handful, |node_pod| name(node_pod));
    let (it, runs) = if movable.len() == 1 { ("it", "runs") } else { ("they", "run") };
    let is_made_anew = movable.iter().any(|node_pod| node_pod.owner.is_some());
    let delete = |node_pod: &&NodePod| CommandLine::in_namespace(&node_pod.namespace, "delete pod").name(&node_pod.pod);
    let deletes = movable.iter().map(delete);
    if !is_made_anew {
        let text = format!("{what_for}: delete {names}, which no controller makes anew, if {it} may be lost");
        return Remedy::run(text, deletes);
    }
    let text = format!(
        "{what_for}: move {names} off {}. Cordon the node first, or {it} may come back to it; daemon pods still come. \
         Uncordon it when {it} {runs} elsewhere",
        target.node
    );
    Remedy::run(text, std::iter::once(CommandLine::new("kubectl cordon").name(target.node)).chain(deletes))
}

/// Pods that are being deleted.
pub(in crate::render) fn wait_for(leaving: &[&NodePod]) -> Remedy {
    let names = some_of(leaving, ListLength::Handful, |node_pod| name(node_pod));
    match leaving {
        [_] => Remedy::say(format!("wait for {names}: it is being deleted, and counts until it is gone")),
        _ => Remedy::say(format!("wait for {names}: they are being deleted, and count until they are gone")),
    }
}

/// Whether the pod is one of the DaemonSet's own: the old one of a surge, as a node else has but one.
pub(in crate::render) fn is_own(node_pod: &NodePod, target: &RemedyContext<'_>) -> bool {
    let is_of = |kind: &str, name: &str| kind == "DaemonSet" && name == target.daemon_set;
    node_pod.namespace == target.namespace
        && node_pod.owner.as_ref().is_some_and(|owner| is_of(&owner.kind, &owner.name))
}

/// A surge that has no room for two pods on one node.
pub(in crate::render) fn without_surge(own: &NodePod, target: &RemedyContext<'_>) -> Remedy {
    let text = format!(
        "update without a surge: {} is this DaemonSet's own old pod, and stays until the new one is available",
        name(own)
    );
    Remedy::run(text, [patch_line(target, &without_surge_patch())])
}

/// The patch of a DaemonSet by which the old pod is deleted before the new one is created.
pub(in crate::render) fn without_surge_patch() -> Value {
    json!({ "spec": { "updateStrategy": { "rollingUpdate": { "maxSurge": 0, "maxUnavailable": 1 } } } })
}

/// `kubectl patch` on the DaemonSet.
pub(in crate::render) fn patch_line(target: &RemedyContext<'_>, patch: &Value) -> CommandLine {
    CommandLine::in_namespace(target.namespace, "patch daemonset").name(target.daemon_set).patch(patch)
}
