//! The words of [`Preemption`]. Not made safe yet: that is for the caller, once for all.

use super::reason::scheduling::{name, patch_line, some_of};
use serde_json::{Value, json};

use super::command_line::{CommandLine, valid};
use super::name_list::ListLength;
use super::remedy::{Remedy, RemedyContext};
use crate::scheduling::NodePod;
use crate::scheduling::preemption::{Preemption, RequiredPriority};

/// What preemption does for the pod.
pub(super) fn detail(preemption: &Preemption, names: ListLength) -> String {
    match preemption {
        Preemption::NotNeeded => "no preemption needed".into(),
        Preemption::NotTried => "no preemption as long as the pod is held back".into(),
        Preemption::NotHelpful => "preemption cannot help: without other pods the node would refuse it too".into(),
        Preemption::Never { .. } => "no preemption: the pod has preemptionPolicy Never".into(),
        Preemption::UnderWay { victims } => {
            format!("preemption has made room: waiting until {} is gone", some_of(victims, names, name))
        }
        Preemption::NoVictims { .. } => "preemption cannot help: no pod on the node has a lower priority".into(),
        Preemption::NotEnough { candidates, remains, .. } => {
            let who = match candidates.as_slice() {
                [one] => format!("{}, the one pod of lower priority,", name(one)),
                several => format!("the {} pods of lower priority", several.len()),
            };
            format!("preemption cannot help: without {who} it would still be: {}", names.list(remains))
        }
        Preemption::Possible { victims } => {
            format!("preemption can make room: the scheduler evicts {}", some_of(victims, names, with_priority))
        }
        Preemption::Unknown { missing } => format!("whether preemption can help is not known: {missing}"),
    }
}

/// What to do for preemption to help.
pub(super) fn remedies(preemption: &Preemption, target: &RemedyContext<'_>) -> Vec<Remedy> {
    match preemption {
        Preemption::Never { required_priority: Some(required_priority) } => {
            vec![raise(required_priority, true, target)]
        }
        Preemption::NoVictims { required_priority: Some(required_priority) }
        | Preemption::NotEnough { required_priority: Some(required_priority), .. } => {
            vec![raise(required_priority, false, target)]
        }
        _ => Vec::new(),
    }
}

fn raise(required_priority: &RequiredPriority, is_never: bool, target: &RemedyContext<'_>) -> Remedy {
    let RequiredPriority { priority, class, victims } = required_priority;
    let victims = some_of(victims, ListLength::Handful, with_priority);
    let patch = |class: &str| {
        let mut spec = json!({ "priorityClassName": class });
        if is_never {
            // A policy in the template that is not the class's own is refused by the API server.
            spec["preemptionPolicy"] = Value::Null;
        }
        let patch = json!({ "spec": { "template": { "spec": spec } } });
        patch_line(target, &patch).only_if(valid::is_object_name(class))
    };
    let effect = format!("preemption then evicts {victims} here, and may evict others on other nodes");
    match class {
        Some(class) => {
            let text = format!("set priorityClassName {class}, as a priority of {priority} is enough: {effect}");
            Remedy::run(text, [patch(class)])
        }
        None => {
            let name = target.daemon_set;
            let create = CommandLine::new("kubectl create priorityclass").name(name).number("--value", *priority);
            let text = format!("give the pods a priority of at least {priority}: {effect}");
            Remedy::run(text, [create, patch(name)])
        }
    }
}

fn with_priority(node_pod: &NodePod) -> String {
    format!("{} (priority {})", name(node_pod), node_pod.priority)
}

#[cfg(test)]
mod tests;
