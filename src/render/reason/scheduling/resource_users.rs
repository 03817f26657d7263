//! Remedies for pods that use a resource of the node, by the kind of their owner.

use serde_json::{Value, json};

use crate::render::command_line::CommandLine;
use crate::render::name_list::{HANDFUL_OF_LONG, ListLength};
use crate::render::remedy::{Remedy, RemedyContext};
use crate::scheduling::NodePod;

/// `ns/pod`.
pub(in crate::render) fn name(node_pod: &NodePod) -> String {
    format!("{}/{}", node_pod.namespace, node_pod.pod)
}

/// The first few, and the number of the rest.
pub(in crate::render) fn some_of<T>(all: &[T], names: ListLength, words: impl Fn(&T) -> String) -> String {
    names.join(all, HANDFUL_OF_LONG, ", ", words)
}

/// Moves pods that can run on another node.
pub(super) fn move_off(what_for: &str, movable: &[&NodePod], target: &RemedyContext<'_>) -> Remedy {
    let names = some_of(movable, ListLength::Handful, |node_pod| name(node_pod));
    let (pods, are, them) = if movable.len() == 1 { ("the pod", "is", "it") } else { ("the pods", "are", "them") };
    let is_made_anew = movable.iter().any(|node_pod| node_pod.owner.is_some());
    let delete = |node_pod: &&NodePod| CommandLine::in_namespace(&node_pod.namespace, "delete pod").name(&node_pod.pod);
    let deletes = movable.iter().map(delete);
    if !is_made_anew {
        let text = format!("{what_for}: delete {names} (no controller will recreate {them}), if you can lose {them}");
        return Remedy::run(text, deletes);
    }
    let text = format!(
        "{what_for}: move {names} off {}. Cordon the node first so that {pods} {are} rescheduled elsewhere (DaemonSet \
         pods ignore cordons); uncordon it afterwards",
        target.node
    );
    Remedy::run(text, std::iter::once(CommandLine::new("kubectl cordon").name(target.node)).chain(deletes))
}

pub(super) fn wait_for(leaving: &[&NodePod]) -> Remedy {
    let names = some_of(leaving, ListLength::Handful, |node_pod| name(node_pod));
    match leaving {
        [_] => Remedy::text_only(format!("wait for {names} to terminate: it counts until it is gone")),
        _ => Remedy::text_only(format!("wait for {names} to terminate: they count until they are gone")),
    }
}

/// Whether the pod belongs to the DaemonSet itself: with a surge, the old pod still runs on the node.
pub(super) fn is_own(node_pod: &NodePod, target: &RemedyContext<'_>) -> bool {
    let is_of = |kind: &str, name: &str| kind == "DaemonSet" && name == target.daemon_set;
    node_pod.namespace == target.namespace
        && node_pod.owner.as_ref().is_some_and(|owner| is_of(&owner.kind, &owner.name))
}

/// For a surge on a node without room for two pods.
pub(super) fn without_surge(own: &NodePod, target: &RemedyContext<'_>) -> Remedy {
    let text = format!(
        "set maxSurge to 0: {} is the old pod of this DaemonSet, and stays until the new one is available",
        name(own)
    );
    Remedy::run(text, [patch_line(target, &without_surge_patch())])
}

/// With this patch, the controller deletes the old pod before it creates the new one.
pub(in crate::render) fn without_surge_patch() -> Value {
    json!({ "spec": { "updateStrategy": { "rollingUpdate": { "maxSurge": 0, "maxUnavailable": 1 } } } })
}

pub(in crate::render) fn patch_line(target: &RemedyContext<'_>, patch: &Value) -> CommandLine {
    CommandLine::in_namespace(target.namespace, "patch daemonset").name(target.daemon_set).patch(patch)
}
