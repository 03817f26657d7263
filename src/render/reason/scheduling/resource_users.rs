//! Remedies for pods that use a resource of the node, by the kind of their owner.

use serde_json::{Value, json};

use crate::render::command_line::CommandLine;
use crate::render::commands::{cordon, evict_pod, strategic_patch, uncordon};
use crate::render::name_list::{HANDFUL_OF_LONG, ListLength};
use crate::render::remedy::{Remedy, RemedyContext};
use crate::scheduling::{NodePod, TiedToNode};

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
    let pods: Vec<(&str, &str)> =
        movable.iter().map(|node_pod| (node_pod.namespace.as_str(), node_pod.pod.as_str())).collect();
    if movable.iter().all(|node_pod| node_pod.owner.is_none()) {
        let them = if movable.len() == 1 { "it" } else { "them" };
        let what = format!("{what_for}: evict {names} (no controller will recreate {them}), if you can lose {them}");
        return moving(&what, &pods, target);
    }
    moving(&format!("{what_for}: move {names} off {}, if another node has room", target.node), &pods, target)
}

/// Moves pods to another node: they are evicted, which respects PodDisruptionBudgets, while the node is cordoned. It is
/// uncordoned once the daemon pod has its place, unless it was cordoned before.
///
/// A pod that the kubelet rejected never gets its place: it is deleted once the others are gone, and the controller
/// creates a new one at once (`pkg/controller/daemon/daemon_controller.go` `failedPodsBackoff` delays only the
/// controller's own deletions).
pub(super) fn moving(what: &str, pods: &[(&str, &str)], target: &RemedyContext<'_>) -> Remedy {
    let text = format!(
        "{what}. The node is cordoned meanwhile, so that no other pod takes the place (daemon pods ignore cordons)"
    );
    if target.pod.is_none() {
        // Before the pod exists, nothing would take the place.
        return Remedy::text_only(text);
    }
    let cordon = (!target.is_cordoned).then(|| cordon(target.node));
    let until_gone = |(namespace, pod): &(&str, &str)| {
        CommandLine::in_namespace(namespace, "wait --for=delete --timeout=5m pod").name(pod)
    };
    let mut commands: Vec<CommandLine> = cordon.into_iter().collect();
    commands.extend(pods.iter().map(|(namespace, pod)| evict_pod(namespace, pod)));
    match target.is_failed {
        true => commands.extend(pods.iter().map(until_gone).chain([target.delete_pod()])),
        false => commands.push(target.about_pod("wait --for=condition=PodScheduled --timeout=5m pod")),
    }
    commands.extend((!target.is_cordoned).then(|| uncordon(target.node)));
    Remedy::run(text, commands)
}

/// Why a pod cannot be moved off its node, for use after a colon.
pub(super) fn tie_in_words(tied: TiedToNode) -> &'static str {
    match tied {
        TiedToNode::ToleratesCordon => "it tolerates cordons, so that it may come back to the node",
        TiedToNode::NodeSelector => "its node selector or node affinity names this node",
        TiedToNode::Volume => "its volume may exist only on this node",
    }
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
        "set maxSurge to 0: {} is the old pod of this DaemonSet, and stays until the new one is available. Each node is \
         without the pod while it is replaced",
        name(own)
    );
    Remedy::run(text, [strategic_patch(target, &without_surge_patch())])
}

/// With this patch, the controller deletes the old pod before it creates the new one.
pub(in crate::render) fn without_surge_patch() -> Value {
    json!({ "spec": { "updateStrategy": { "rollingUpdate": { "maxSurge": 0, "maxUnavailable": 1 } } } })
}
