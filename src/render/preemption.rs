//! The sentences and remedies of [`Preemption`]. The caller makes the text safe for a terminal.

use super::commands::{create_priority_class, strategic_patch};
use super::reason::scheduling::{name, some_of};
use serde_json::{Value, json};

use super::command_line::valid;
use super::name_list::ListLength;
use super::remedy::{Remedy, RemedyContext};
use crate::scheduling::preemption::{Preemption, RequiredPriority};
use crate::scheduling::{NodePod, TiedToNode};

pub(super) fn detail(preemption: &Preemption, names: ListLength) -> String {
    match preemption {
        Preemption::NotNeeded => "no preemption needed".into(),
        Preemption::NotTried => "no preemption while the pod has scheduling gates".into(),
        Preemption::NotHelpful => {
            "preemption cannot help: the node would reject the pod even without other pods".into()
        }
        Preemption::Never { .. } => "no preemption: the pod has preemptionPolicy Never".into(),
        Preemption::UnderWay { victims } => {
            format!("preemption in progress: waiting for {} to terminate", some_of(victims, names, name))
        }
        Preemption::NoVictims { .. } => {
            "preemption cannot help at this priority: no pod on the node has a lower one".into()
        }
        Preemption::NotEnough { candidates, remains, .. } => {
            let who = match candidates.as_slice() {
                [one] => format!("{}, the only pod with a lower priority", name(one)),
                several => format!("all {} pods with a lower priority", several.len()),
            };
            format!(
                "preemption cannot help: even without {who}, the node would reject the pod: {}",
                names.list(remains)
            )
        }
        Preemption::Possible { victims, equals } => {
            let instead = match equals.as_slice() {
                [] => String::new(),
                equals => format!(
                    ", or instead of one of them {}, with the same priority and start time",
                    some_of(equals, names, name)
                ),
            };
            format!(
                "preemption can help: the scheduler would evict {}{instead}",
                some_of(victims, names, with_priority)
            )
        }
        Preemption::Unknown { missing } => format!("unknown whether preemption can help: {missing}"),
    }
}

/// What makes preemption possible.
pub(super) fn remedies(preemption: &Preemption, target: &RemedyContext<'_>) -> Vec<Remedy> {
    match preemption {
        Preemption::Never { required_priority: Some(required_priority) } => {
            vec![raise(required_priority, Policy::Never, target)]
        }
        Preemption::NoVictims { required_priority: Some(required_priority) }
        | Preemption::NotEnough { required_priority: Some(required_priority), .. } => {
            vec![raise(required_priority, Policy::PreemptLowerPriority, target)]
        }
        Preemption::Never { required_priority: None }
        | Preemption::NoVictims { required_priority: None }
        | Preemption::NotEnough { required_priority: None, .. }
        | Preemption::NotNeeded
        | Preemption::NotTried
        | Preemption::NotHelpful
        | Preemption::UnderWay { .. }
        | Preemption::Possible { .. }
        | Preemption::Unknown { .. } => Vec::new(),
    }
}

/// `preemptionPolicy` of the pod.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Policy {
    Never,
    PreemptLowerPriority,
}

fn raise(required_priority: &RequiredPriority, policy: Policy, target: &RemedyContext<'_>) -> Remedy {
    let RequiredPriority { priority, class, victims } = required_priority;
    let is_tied = |victim: &&NodePod| {
        victim.owner.is_some() && matches!(victim.tied_to_node, Some(TiedToNode::NodeSelector | TiedToNode::Volume))
    };
    let tied: Vec<&NodePod> = victims.iter().filter(is_tied).collect();
    let bare: Vec<&NodePod> = victims.iter().filter(|victim| victim.owner.is_none()).collect();
    let victims = some_of(victims, ListLength::Handful, with_priority);
    let patch = |class: &str| {
        let mut spec = json!({ "priorityClassName": class });
        if policy == Policy::Never {
            // The API server rejects a preemptionPolicy that differs from that of the PriorityClass.
            spec["preemptionPolicy"] = Value::Null;
        }
        let patch = json!({ "spec": { "template": { "spec": spec } } });
        strategic_patch(target, &patch).only_if(valid::is_object_name(class))
    };
    let names = |pods: &[&NodePod]| some_of(pods, ListLength::Handful, |pod| name(pod));
    let mut only_if = String::new();
    if !tied.is_empty() {
        only_if = format!("only if {} may stop, which no other node can run: ", names(&tied));
    }
    if !bare.is_empty() {
        only_if.push_str(&format!("only if {} may be lost, which nothing creates again: ", names(&bare)));
    }
    let effect = format!(
        "preemption then evicts {victims} on this node, and may evict pods on other nodes ({})",
        target.rollout_note()
    );
    match class {
        Some(class) => {
            let text = format!("{only_if}set priorityClassName {class} (a priority of {priority} is enough): {effect}");
            Remedy::run(text, [patch(class)])
        }
        None => {
            let name = target.daemon_set;
            let create = create_priority_class(name, *priority);
            let text =
                format!("{only_if}create a PriorityClass with a value of at least {priority}, and use it: {effect}");
            Remedy::run(text, [create, patch(name)])
        }
    }
}

fn with_priority(node_pod: &NodePod) -> String {
    format!("{} (priority {})", name(node_pod), node_pod.priority)
}

#[cfg(test)]
mod tests;
