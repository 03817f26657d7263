//! The words of what a scheduler's filter refuses. Not made safe yet: that is for the caller, once for all.

mod affinity;
mod devices;
mod holders;
mod ports;
mod resources;
mod spread;
mod volumes;

pub(super) use holders::{name, patch_line, some_of, without_surge_patch};

use super::command_line::CommandLine;
use super::names::{HANDFUL, ListLength};
use super::reason::{obstacle_in_full, obstacle_in_short};
use super::remedy::{Remedy, Target};
use crate::scheduling::Misfit;
use serde_json::json;

/// The cause without what differs between nodes, so that equal causes read equal.
pub(super) fn short(misfit: &Misfit) -> String {
    match misfit {
        Misfit::SchedulingGates { .. } => "a scheduling gate is not lifted".into(),
        Misfit::NodeUnschedulable => "the node is cordoned".into(),
        Misfit::NodeDeclaredFeatures { features } => {
            format!("the node lacks features: {}", ListLength::Handful.list(features))
        }
        Misfit::Placed(obstacle) => obstacle_in_short(obstacle),
        Misfit::Ports(misfit) => ports::short(misfit),
        Misfit::Resources(misfit) => resources::short(misfit),
        Misfit::Volumes(misfit) => volumes::short(misfit),
        Misfit::Affinity(misfit) => affinity::short(misfit),
        Misfit::Spread(misfit) => spread::short(misfit),
        Misfit::Devices(misfit) => devices::short(misfit),
    }
}

/// The cause with its evidence.
pub(super) fn sentence(misfit: &Misfit, names: ListLength) -> String {
    match misfit {
        Misfit::SchedulingGates { gates } => {
            let noun = if gates.len() == 1 { "scheduling gate" } else { "scheduling gates" };
            format!("held by the {noun} {}: no scheduler looks at the pod", names.list(gates))
        }
        Misfit::NodeUnschedulable => "the node is cordoned, and the pod does not tolerate that".into(),
        Misfit::NodeDeclaredFeatures { features } => {
            format!("the pod asks for what the node's kubelet does not declare: {}", names.list(features))
        }
        Misfit::Placed(obstacle) => obstacle_in_full(obstacle, names),
        Misfit::Ports(misfit) => ports::sentence(misfit, names),
        Misfit::Resources(misfit) => resources::sentence(misfit, names),
        Misfit::Volumes(misfit) => volumes::sentence(misfit, names),
        Misfit::Affinity(misfit) => affinity::sentence(misfit, names),
        Misfit::Spread(misfit) => spread::sentence(misfit),
        Misfit::Devices(misfit) => devices::sentence(misfit, names),
    }
}

/// What to do about it.
pub(super) fn remedies(misfit: &Misfit, target: &Target<'_>) -> Vec<Remedy> {
    match misfit {
        Misfit::SchedulingGates { .. } => lift_gates(target),
        Misfit::NodeDeclaredFeatures { features } => declare_features(features, target),
        Misfit::NodeUnschedulable | Misfit::Placed(_) => Vec::new(),
        Misfit::Ports(misfit) => ports::remedies(misfit, target),
        Misfit::Resources(misfit) => resources::remedies(misfit, target),
        Misfit::Volumes(misfit) => volumes::remedies(misfit, target),
        Misfit::Affinity(misfit) => affinity::remedies(misfit, target),
        Misfit::Spread(misfit) => spread::remedies(misfit, target),
        Misfit::Devices(misfit) => devices::remedies(misfit, target),
    }
}

/// Gates are only ever taken from a pod. The template that sets them, or the webhook, sets them again on the next one.
fn lift_gates(target: &Target<'_>) -> Vec<Remedy> {
    let mut remedies = vec![Remedy::say("look at the log of the controller that is to lift the gate")];
    if target.pod.is_some() {
        let patch = json!([{ "op": "remove", "path": "/spec/schedulingGates" }]);
        let line = target.about_pod("patch pod").words("--type=json").patch(&patch);
        remedies.push(Remedy::run("lift the gates of this pod by hand, if nothing else is to happen first", [line]));
    }
    remedies.push(Remedy::run(
        "drop schedulingGates from the template, if it has them: else every new pod is held again",
        [target.edit()],
    ));
    remedies
}

/// A kubelet declares by itself what it can do; nothing that is written to the node makes it do more.
fn declare_features(features: &[String], target: &Target<'_>) -> Vec<Remedy> {
    let names = ListLength::Handful.list(features);
    let look = CommandLine::new("kubectl get node").name(target.node);
    let look = look.words("-o jsonpath='{.status.declaredFeatures}'");
    let uses = features.iter().map(|feature| match feature.as_str() {
        "RestartAllContainersOnContainerExits" => "the restart rule RestartAllContainers".to_owned(),
        "UserNamespacesHostNetworkSupport" => "hostUsers: false on the host's network".to_owned(),
        other => format!("what needs {other}"),
    });
    let uses: Vec<String> = uses.collect();
    vec![
        Remedy::run(
            format!(
                "update or configure the node's kubelet and container runtime so that it declares {names}; what it declares now"
            ),
            [look],
        ),
        Remedy::run(
            format!("drop {} from the template", ListLength::Handful.join(&uses, HANDFUL, " and ", String::clone)),
            [target.edit()],
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: Target<'_> = Target::named("n1", "a", "agent", Some("agent-x"));

    fn lines(misfit: &Misfit, target: &Target<'_>) -> Vec<String> {
        remedies(misfit, target).iter().flat_map(|remedy| remedy.lines().to_vec()).collect()
    }

    #[test]
    fn gates_are_lifted_from_the_pod_and_from_the_template() {
        let gates = Misfit::SchedulingGates { gates: vec!["example.com/a".into()] };
        assert_eq!(
            sentence(&gates, ListLength::Handful),
            "held by the scheduling gate example.com/a: no scheduler looks at the pod"
        );
        let patch =
            r#"kubectl -n a patch pod agent-x --type=json -p '[{"op":"remove","path":"/spec/schedulingGates"}]'"#;
        assert_eq!(lines(&gates, &TARGET), [patch, "kubectl -n a edit daemonset agent"]);
        // Before there is a pod, only the template can be changed.
        assert_eq!(lines(&gates, &Target { pod: None, ..TARGET }), ["kubectl -n a edit daemonset agent"]);
    }

    #[test]
    fn features_are_a_matter_of_the_kubelet_or_of_the_template() {
        let features = Misfit::NodeDeclaredFeatures { features: vec!["UserNamespacesHostNetworkSupport".into()] };
        assert_eq!(
            sentence(&features, ListLength::Handful),
            "the pod asks for what the node's kubelet does not declare: UserNamespacesHostNetworkSupport"
        );
        assert_eq!(
            lines(&features, &TARGET),
            ["kubectl get node n1 -o jsonpath='{.status.declaredFeatures}'", "kubectl -n a edit daemonset agent"]
        );
        assert!(remedies(&features, &TARGET)[1].text.contains("hostUsers: false"));
    }
}
