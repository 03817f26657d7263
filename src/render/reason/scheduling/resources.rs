//! The sentences and remedies of [`ResourceRejection`].

use super::resource_users::{is_own, move_off, name, some_of, tie_in_words, wait_for, without_surge};
use crate::render::commands::{set_request, strategic_patch};
use serde_json::{Value, json};

use crate::render::command_line::{CommandLine, valid};
use crate::render::name_list::ListLength;
use crate::render::remedy::{Remedy, RemedyContext};
use crate::render::text::pluralize;
use crate::scheduling::{LowerRequest, NodePod, ResourceRejection, ResourceUser};
use crate::snapshot::quantity::{Quantity, Rounding};

pub(super) fn summary(rejection: &ResourceRejection) -> String {
    match rejection {
        ResourceRejection::InsufficientResource { resource, .. } => format!("insufficient {resource}"),
        ResourceRejection::ExceedsAllocatable { resource, allocatable, .. } if allocatable.is_zero() => {
            format!("the node has no {resource}")
        }
        ResourceRejection::ExceedsAllocatable { resource, .. } => {
            format!("{resource} request exceeds the capacity of the node")
        }
        ResourceRejection::TooManyPods { .. } => "too many pods".into(),
    }
}

pub(super) fn detail(rejection: &ResourceRejection, names: ListLength) -> String {
    match rejection {
        ResourceRejection::InsufficientResource {
            resource, requested, used, allocatable, short_by, used_by, ..
        } => {
            let [requested, used, short_by] =
                [requested, used, short_by].map(|amount| amount_in_words(resource, *amount, Rounding::Up));
            let allocatable = amount_in_words(resource, *allocatable, Rounding::Down);
            let share = |holder: &ResourceUser| share_in_words(resource, holder);
            let used_by = some_of(used_by, names, share);
            let used_by = if used_by.is_empty() { used_by } else { format!(". Largest: {used_by}") };
            format!(
                "insufficient {resource}: requests {requested}; {used} of {allocatable} allocated; {short_by} \
                 short{used_by}"
            )
        }
        ResourceRejection::ExceedsAllocatable { resource, requested, allocatable, .. } => {
            let requested = amount_in_words(resource, *requested, Rounding::Up);
            match allocatable.is_zero() {
                true => format!("requests {requested} {resource}; the node has none"),
                false => {
                    let allocatable = amount_in_words(resource, *allocatable, Rounding::Down);
                    format!(
                        "requests {requested} {resource}; the whole node has only {allocatable}, so the pod can never \
                         fit"
                    )
                }
            }
        }
        ResourceRejection::TooManyPods { allocatable, .. } if allocatable.is_zero() => {
            "the node accepts no pods (allocatable pods: 0)".into()
        }
        ResourceRejection::TooManyPods { pods, allocatable, used_by } => {
            let leaving = used_by.iter().filter(|holder| holder.terminating).count();
            let leaving = if leaving == 0 { String::new() } else { format!(" ({leaving} of them Terminating)") };
            format!("too many pods: {pods} of {allocatable} pods on the node{leaving}")
        }
    }
}

pub(super) fn remedies(rejection: &ResourceRejection, target: &RemedyContext<'_>) -> Vec<Remedy> {
    match rejection {
        ResourceRejection::InsufficientResource { resource, short_by, used_by, reduce_to, .. } => {
            let mut remedies = free(resource, *short_by, used_by, target);
            remedies.extend(reduce_to.as_ref().map(|reduce_to| lower_request(resource, reduce_to, target)));
            remedies
        }
        ResourceRejection::ExceedsAllocatable { resource, allocatable, .. } if allocatable.is_zero() => {
            vec![node_without_resource(resource, target)]
        }
        ResourceRejection::ExceedsAllocatable { resource, allocatable, reduce_to, .. } => match reduce_to {
            Some(reduce_to) => vec![lower_request(resource, reduce_to, target)],
            None => {
                let most = amount_in_words(resource, *allocatable, Rounding::Down);
                vec![Remedy::text_only(format!(
                    "reduce the {resource} requests of several containers (the whole node has {most}, part of which \
                     is in use), or use larger nodes"
                ))]
            }
        },
        ResourceRejection::TooManyPods { allocatable, .. } if allocatable.is_zero() => {
            vec![Remedy::text_only("check maxPods and the logs of the kubelet: a working node accepts pods")]
        }
        ResourceRejection::TooManyPods { pods, allocatable, used_by } => {
            // No node has more pods than i64::MAX.
            let over = Quantity::whole(i64::try_from(*pods).unwrap_or(i64::MAX)) + Quantity::whole(1);
            let share = |node_pod: &NodePod| ResourceUser { node_pod: node_pod.clone(), amount: Quantity::whole(1) };
            let used_by: Vec<ResourceUser> = used_by.iter().map(share).collect();
            let mut remedies = free("pods", over.less(*allocatable), &used_by, target);
            remedies.push(Remedy::text_only(
                "raise maxPods in the kubelet configuration of the node, and restart the kubelet",
            ));
            remedies
        }
    }
}

/// How the pods that use the resource can free it.
fn free(resource: &str, short_by: Quantity, used_by: &[ResourceUser], target: &RemedyContext<'_>) -> Vec<Remedy> {
    let sum = |used_by: &[&ResourceUser]| used_by.iter().map(|holder| holder.amount).sum::<Quantity>();
    let leaving: Vec<&ResourceUser> = used_by.iter().filter(|holder| holder.node_pod.terminating).collect();
    let mut remedies = Vec::new();
    if !leaving.is_empty() {
        remedies.push(wait_for(&occupants(&leaving)));
    }
    if let Some(own) = used_by.iter().find(|holder| is_own(&holder.node_pod, target) && !holder.node_pod.terminating) {
        // Without the surge there is room for one pod: nothing else has to leave.
        remedies.push(without_surge(&own.node_pod, target));
        return remedies;
    }
    // Terminating pods free their share anyway.
    let short_by = short_by.less(sum(&leaving));
    if short_by.is_zero() {
        return remedies;
    }
    let amount = match resource {
        "pods" => format!("room for {}", pods(short_by)),
        _ => format!("{} of {resource}", amount_in_words(resource, short_by, Rounding::Up)),
    };
    let movable: Vec<&ResourceUser> = used_by.iter().filter(|holder| holder.node_pod.is_movable()).collect();
    match least_harmful(&movable, short_by) {
        Some(chosen) => remedies.push(move_off(&format!("free {amount}"), &occupants(&chosen), target)),
        None => remedies.push(without_movable_pods(resource, &amount, sum(&movable), used_by)),
    }
    remedies
}

/// For a node whose pods cannot be moved, or not enough of them.
fn without_movable_pods(resource: &str, amount: &str, movable: Quantity, used_by: &[ResourceUser]) -> Remedy {
    let is_tied = |holder: &&ResourceUser| !holder.node_pod.is_of_node() && holder.node_pod.tied_to_node.is_some();
    if let Some((tied, tie)) = used_by.iter().find(is_tied).and_then(|user| Some((user, user.node_pod.tied_to_node?))) {
        return Remedy::text_only(format!(
            "free {amount} on the node: {} can run elsewhere only if its template is changed ({}); or keep a \
             DaemonSet that this node does not need off it",
            name(&tied.node_pod),
            tie_in_words(tie)
        ));
    }
    if movable.is_zero() && used_by.iter().all(|user| user.node_pod.is_static()) {
        return Remedy::text_only(format!(
            "free {amount} on the node: all of it is used by static pods, so they or this pod must request less, or the \
             node must be larger"
        ));
    }
    let held = match (movable.is_zero(), resource) {
        (true, _) => "all of it is used by daemon pods and static pods".into(),
        (false, "pods") => {
            format!("only {} can be moved; the others are daemon pods and static pods", pods(movable))
        }
        (false, _) => {
            let freed = amount_in_words(resource, movable, Rounding::Down);
            format!("pods other than daemon pods and static pods use only {freed}")
        }
    };
    Remedy::text_only(format!(
        "free {amount} on the node: {held}, so exclude the node from a DaemonSet that it does not need"
    ))
}

/// Pods that are enough: those that a controller recreates and that are not critical, if possible.
fn least_harmful<'a>(movable: &[&'a ResourceUser], short_by: Quantity) -> Option<Vec<&'a ResourceUser>> {
    /// Pods from this priority on are critical for the cluster (`pkg/apis/scheduling` `SystemCriticalPriority`).
    const CRITICAL: i32 = 2_000_000_000;
    let is_recreated = |user: &&&'a ResourceUser| user.node_pod.owner.is_some();
    let is_plain = |user: &&&'a ResourceUser| user.node_pod.priority < CRITICAL;
    let plain: Vec<&'a ResourceUser> =
        movable.iter().filter(|user| is_recreated(user) && is_plain(user)).copied().collect();
    let recreated: Vec<&'a ResourceUser> = movable.iter().filter(|user| is_recreated(user)).copied().collect();
    let candidates = [plain.as_slice(), recreated.as_slice(), movable];
    candidates.into_iter().find_map(|candidates| min_matching(candidates, short_by))
}

fn occupants<'a>(used_by: &[&'a ResourceUser]) -> Vec<&'a NodePod> {
    used_by.iter().map(|holder| &holder.node_pod).collect()
}

fn pods(number: Quantity) -> String {
    pluralize(number.to_string().parse().unwrap_or(usize::MAX), "pod")
}

/// The smallest single pod that is enough, or else as few pods as possible. `None` if all of them are not enough. The
/// input is sorted by share, the largest first.
fn min_matching<'a>(movable: &[&'a ResourceUser], short_by: Quantity) -> Option<Vec<&'a ResourceUser>> {
    if let Some(alone) = movable.iter().rev().find(|holder| holder.amount >= short_by) {
        return Some(vec![alone]);
    }
    let mut freed = Quantity::ZERO;
    let mut chosen = Vec::new();
    for holder in movable {
        freed += holder.amount;
        chosen.push(*holder);
        if freed >= short_by {
            return Some(chosen);
        }
    }
    None
}

/// A command that sets a request that fits. It applies to all nodes, because a DaemonSet has one template.
fn lower_request(resource: &str, reduce_to: &LowerRequest, target: &RemedyContext<'_>) -> Remedy {
    let LowerRequest { container, init, request } = reduce_to;
    if let Some(container) = container.as_ref().filter(|container| !is_in_template(container, target)) {
        return Remedy::text_only(format!(
            "reduce the {resource} request of container {container} where it comes from: it is not in the template, \
             admission added it (a webhook or a policy)"
        ));
    }
    let in_template = container.as_ref().and_then(|container| request_in_template(container, resource, target));
    if let (Some(container), Some(_)) = (container, in_template.filter(|own| own <= request)) {
        return Remedy::text_only(format!(
            "reduce the {resource} request of container {container} where it comes from: the template requests less, \
             admission changed it (a VerticalPodAutoscaler, a webhook or a policy)"
        ));
    }
    let amount = match is_bytes(resource) {
        true => request.in_bytes(),
        false => request.to_string(),
    };
    // Extended resources and huge pages require limits equal to the requests.
    let has_equal_limit = !matches!(resource, "cpu" | "memory" | "ephemeral-storage");
    let share = json!({ resource: amount });
    let resources = match has_equal_limit {
        true => json!({ "requests": share, "limits": share }),
        false => json!({ "requests": share }),
    };
    let patch_of = |spec: Value| {
        let line = strategic_patch(target, &json!({ "spec": { "template": { "spec": spec } } }));
        line.only_if(valid::is_qualified_name(resource))
    };
    let (whose, line) = match container {
        None => ("of the pod as a whole".to_owned(), patch_of(json!({ "resources": resources }))),
        Some(container) if *init => {
            let line = patch_of(json!({ "initContainers": [{ "name": container, "resources": resources }] }));
            (format!("of init container {container}"), line.only_if(valid::is_label_name(container)))
        }
        Some(container) => {
            let line = set_request(target, container, resource, &amount, has_equal_limit);
            (format!("of container {container}"), line)
        }
    };
    let effect = target.rollout_note();
    Remedy::run(
        format!("reduce the {resource} request {whose} to {amount} or less ({effect})"),
        target.commands_reaching_existing_pod(line),
    )
}

/// The request of a container of the template.
fn request_in_template(container: &str, resource: &str, target: &RemedyContext<'_>) -> Option<Quantity> {
    let template = target.template?;
    let mut all = template.containers.iter().chain(template.init_containers.iter().flatten());
    let requests = all.find(|own| own.name == container)?.resources.as_ref()?.requests.as_ref()?;
    requests.get(resource)?.0.parse().ok()
}

/// Whether the template has the container, or is not known.
fn is_in_template(container: &str, target: &RemedyContext<'_>) -> bool {
    let Some(template) = target.template else { return true };
    let all = template.containers.iter().chain(template.init_containers.iter().flatten());
    all.into_iter().any(|own| own.name == container)
}

/// For a resource that the node does not have.
fn node_without_resource(resource: &str, target: &RemedyContext<'_>) -> Remedy {
    if resource.starts_with("hugepages-") {
        return Remedy::text_only(format!(
            "allocate huge pages of that size on {}, and restart its kubelet",
            target.node
        ));
    }
    if matches!(resource, "cpu" | "memory" | "ephemeral-storage") {
        return Remedy::text_only(format!("check the kubelet of {}: it reports no {resource}", target.node));
    }
    let text = format!(
        "run the device plugin that provides {resource} on {}; if the node has no such device, exclude the node with a \
         node selector; see the resources of the node",
        target.node
    );
    let line = CommandLine::new("kubectl get node").name(target.node).words("-o jsonpath='{.status.allocatable}'");
    Remedy::run(text, [line])
}

fn share_in_words(resource: &str, holder: &ResourceUser) -> String {
    let state = match (holder.node_pod.nominated, holder.node_pod.terminating) {
        (true, _) => " (nominated for this node)",
        (_, true) => " (Terminating)",
        _ => "",
    };
    format!("{} {}{state}", name(&holder.node_pod), amount_in_words(resource, holder.amount, Rounding::Up))
}

fn amount_in_words(resource: &str, amount: Quantity, rounding: Rounding) -> String {
    match is_bytes(resource) {
        true => amount.in_round_bytes(rounding),
        false => amount.to_string(),
    }
}

fn is_bytes(resource: &str) -> bool {
    matches!(resource, "memory" | "ephemeral-storage") || resource.starts_with("hugepages-")
}

#[cfg(test)]
mod tests;
