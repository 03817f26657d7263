//! The words of [`ResourceMisfit`].

use super::holders::{is_own, move_off, name, patch_line, some_of, wait_for, without_surge};
use serde_json::{Value, json};

use crate::render::command_line::{CommandLine, valid};
use crate::render::names::ListLength;
use crate::render::remedy::{Remedy, Target};
use crate::render::text::count;
use crate::scheduling::{Holder, LowerRequest, Occupant, ResourceMisfit};
use crate::snapshot::quantity::{Quantity, Rounding};

/// The cause without what differs between nodes.
pub(super) fn short(misfit: &ResourceMisfit) -> String {
    match misfit {
        ResourceMisfit::InsufficientResource { resource, .. } => format!("insufficient {resource}"),
        ResourceMisfit::ExceedsAllocatable { resource, allocatable, .. } if allocatable.is_zero() => {
            format!("the node has no {resource}")
        }
        ResourceMisfit::ExceedsAllocatable { resource, .. } => format!("requests more {resource} than the node has"),
        ResourceMisfit::TooManyPods { .. } => "too many pods".into(),
    }
}

/// The cause with its evidence.
pub(super) fn sentence(misfit: &ResourceMisfit, names: ListLength) -> String {
    match misfit {
        ResourceMisfit::InsufficientResource { resource, requested, used, allocatable, short_by, holders, .. } => {
            let [requested, used, short_by] =
                [requested, used, short_by].map(|amount| amount_in_words(resource, *amount, Rounding::Up));
            let allocatable = amount_in_words(resource, *allocatable, Rounding::Down);
            let share = |holder: &Holder| share_in_words(resource, holder);
            let holders = some_of(holders, names, share);
            let holders = if holders.is_empty() { holders } else { format!(": {holders}") };
            format!(
                "insufficient {resource}: {requested} requested, {used} of {allocatable} taken, short by \
                 {short_by}{holders}"
            )
        }
        ResourceMisfit::ExceedsAllocatable { resource, requested, allocatable, .. } => {
            let requested = amount_in_words(resource, *requested, Rounding::Up);
            match allocatable.is_zero() {
                true => format!("{requested} {resource} requested, and the node has none"),
                false => {
                    let allocatable = amount_in_words(resource, *allocatable, Rounding::Down);
                    format!("{requested} {resource} requested, and the whole node has {allocatable}: it can never fit")
                }
            }
        }
        ResourceMisfit::TooManyPods { allocatable, .. } if allocatable.is_zero() => {
            "the node takes no pods at all (allocatable pods: 0)".into()
        }
        ResourceMisfit::TooManyPods { pods, allocatable, holders } => {
            let leaving = holders.iter().filter(|holder| holder.terminating).count();
            let leaving = if leaving == 0 { String::new() } else { format!(", {leaving} of them being deleted") };
            format!("too many pods: the node takes {allocatable}, and has {pods}{leaving}")
        }
    }
}

/// What to do about it.
pub(super) fn remedies(misfit: &ResourceMisfit, target: &Target<'_>) -> Vec<Remedy> {
    match misfit {
        ResourceMisfit::InsufficientResource { resource, short_by, holders, lower, .. } => {
            let mut remedies = free(resource, *short_by, holders, target);
            remedies.extend(lower.as_ref().map(|lower| lower_request(resource, lower, target)));
            remedies
        }
        ResourceMisfit::ExceedsAllocatable { resource, allocatable, .. } if allocatable.is_zero() => {
            vec![none_at_all(resource, target)]
        }
        ResourceMisfit::ExceedsAllocatable { resource, allocatable, lower, .. } => match lower {
            Some(lower) => vec![lower_request(resource, lower, target)],
            None => {
                let most = amount_in_words(resource, *allocatable, Rounding::Down);
                vec![Remedy::say(format!(
                    "lower the requests of {resource} of several containers: the whole node has {most}, and what others hold \
                     of it is not free; or make the node larger"
                ))]
            }
        },
        ResourceMisfit::TooManyPods { allocatable, .. } if allocatable.is_zero() => {
            vec![Remedy::say("look at the kubelet's maxPods and its log: a node that works takes pods")]
        }
        ResourceMisfit::TooManyPods { pods, allocatable, holders } => {
            // More than fit in memory are on no node.
            let over = Quantity::whole(i64::try_from(*pods).unwrap_or(i64::MAX)) + Quantity::whole(1);
            let share = |occupant: &Occupant| Holder { occupant: occupant.clone(), amount: Quantity::whole(1) };
            let holders: Vec<Holder> = holders.iter().map(share).collect();
            let mut remedies = free("pods", over.less(*allocatable), &holders, target);
            remedies.push(Remedy::say("raise maxPods in the configuration of the node's kubelet, and restart it"));
            remedies
        }
    }
}

/// How the pods that hold the resource could let go of it.
fn free(resource: &str, short_by: Quantity, holders: &[Holder], target: &Target<'_>) -> Vec<Remedy> {
    let sum = |holders: &[&Holder]| holders.iter().map(|holder| holder.amount).sum::<Quantity>();
    let leaving: Vec<&Holder> = holders.iter().filter(|holder| holder.occupant.terminating).collect();
    let mut remedies = Vec::new();
    if !leaving.is_empty() {
        remedies.push(wait_for(&occupants(&leaving)));
    }
    if let Some(own) = holders.iter().find(|holder| is_own(&holder.occupant, target) && !holder.occupant.terminating) {
        remedies.push(without_surge(&own.occupant, target));
    }
    // What is leaving anyway counts towards it.
    let short_by = short_by.less(sum(&leaving));
    if short_by.is_zero() {
        return remedies;
    }
    let amount = match resource {
        "pods" => format!("room for {}", pods(short_by)),
        _ => format!("{} of {resource}", amount_in_words(resource, short_by, Rounding::Up)),
    };
    let movable: Vec<&Holder> = holders.iter().filter(|holder| holder.occupant.is_movable()).collect();
    match fewest(&movable, short_by) {
        Some(chosen) => {
            remedies.push(move_off(&format!("free {amount}"), &occupants(&chosen), target));
        }
        None => {
            let held = match (movable.is_empty(), resource) {
                (true, _) => "daemon pods and static pods hold all of it".into(),
                (false, "pods") => {
                    format!("only {} could give way, the others are daemon pods and static pods", pods(sum(&movable)))
                }
                (false, _) => {
                    let freed = amount_in_words(resource, sum(&movable), Rounding::Down);
                    format!("what is no daemon pod and no static pod could give up only {freed}")
                }
            };
            remedies.push(Remedy::say(format!(
                "free {amount} on the node: {held}, so keep a DaemonSet off the node that it does not need"
            )));
        }
    }
    remedies
}

fn occupants<'a>(holders: &[&'a Holder]) -> Vec<&'a Occupant> {
    holders.iter().map(|holder| &holder.occupant).collect()
}

fn pods(number: Quantity) -> String {
    count(number.to_string().parse().unwrap_or(usize::MAX), "pod")
}

/// As few as will do, and of those that do alone the smallest; none if all together do not. They come with the
/// greatest share first.
fn fewest<'a>(movable: &[&'a Holder], short_by: Quantity) -> Option<Vec<&'a Holder>> {
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

/// A request that fits, as a line: it holds for every node, as a DaemonSet has one template.
fn lower_request(resource: &str, lower: &LowerRequest, target: &Target<'_>) -> Remedy {
    let LowerRequest { container, init, request } = lower;
    let amount = match is_bytes(resource) {
        true => request.in_bytes(),
        false => request.to_string(),
    };
    // What cannot be shared is limited to what is requested.
    let has_equal_limit = !matches!(resource, "cpu" | "memory" | "ephemeral-storage");
    let share = json!({ resource: amount });
    let resources = match has_equal_limit {
        true => json!({ "requests": share, "limits": share }),
        false => json!({ "requests": share }),
    };
    let patch_of = |spec: Value| {
        let line = patch_line(target, &json!({ "spec": { "template": { "spec": spec } } }));
        line.only_if(valid::is_qualified_name(resource))
    };
    let (whose, line) = match container {
        None => ("of the pod as a whole".to_owned(), patch_of(json!({ "resources": resources }))),
        Some(container) if *init => {
            let line = patch_of(json!({ "initContainers": [{ "name": container, "resources": resources }] }));
            (format!("of init container {container}"), line.only_if(valid::is_label_name(container)))
        }
        Some(container) => {
            let line = CommandLine::in_namespace(target.namespace, "set resources")
                .name_within("daemonset/", target.daemon_set, "")
                .container(container)
                .amounts("--requests", [(resource, amount.as_str())]);
            let line = match has_equal_limit {
                true => line.amounts("--limits", [(resource, amount.as_str())]),
                false => line,
            };
            (format!("of container {container}"), line)
        }
    };
    let effect = target.effect();
    Remedy::run(format!("lower the {resource} request {whose} to at most {amount}; {effect}"), target.reaching(line))
}

/// A resource that the node does not know.
fn none_at_all(resource: &str, target: &Target<'_>) -> Remedy {
    if resource.starts_with("hugepages-") {
        return Remedy::say(format!("reserve huge pages of that size on {}, and restart its kubelet", target.node));
    }
    if matches!(resource, "cpu" | "memory" | "ephemeral-storage") {
        return Remedy::say(format!("look at the kubelet of {}: it reports no {resource}", target.node));
    }
    let text = format!(
        "run the device plugin that provides {resource} on {}; if the node has no such device, keep the DaemonSet off \
         it with a node selector. What the node has:",
        target.node
    );
    let line = CommandLine::new("kubectl get node").name(target.node).words("-o jsonpath='{.status.allocatable}'");
    Remedy::run(text, [line])
}

fn share_in_words(resource: &str, holder: &Holder) -> String {
    let state = match (holder.occupant.nominated, holder.occupant.terminating) {
        (true, _) => " (nominated for this node)",
        (_, true) => " (being deleted)",
        _ => "",
    };
    format!("{} {}{state}", name(&holder.occupant), amount_in_words(resource, holder.amount, Rounding::Up))
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
