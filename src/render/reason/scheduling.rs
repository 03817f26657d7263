//! The words of what a scheduler's filter refuses. Not made safe yet: that is for the caller, once for all.

mod affinity;
mod devices;
mod ports;
mod resource_users;
mod resources;
mod spread;
mod volumes;

pub(in crate::render) use resource_users::{name, patch_line, some_of, without_surge_patch};

use super::{placement_detail, placement_summary};
use crate::render::command_line::CommandLine;
use crate::render::name_list::{HANDFUL, ListLength};
use crate::render::remedy::{Remedy, RemedyContext};
use crate::scheduling::FilterRejection;
use serde_json::json;

/// The cause without what differs between nodes, so that equal causes read equal.
pub(in crate::render) fn summary(rejection: &FilterRejection) -> String {
    match rejection {
        FilterRejection::SchedulingGates { .. } => "a scheduling gate is not lifted".into(),
        FilterRejection::NodeUnschedulable => "the node is cordoned".into(),
        FilterRejection::NodeDeclaredFeatures { features } => {
            format!("the node lacks features: {}", ListLength::Handful.list(features))
        }
        FilterRejection::Placed(failure) => placement_summary(failure),
        FilterRejection::Ports(rejection) => ports::summary(rejection),
        FilterRejection::Resources(rejection) => resources::summary(rejection),
        FilterRejection::Volumes(rejection) => volumes::summary(rejection),
        FilterRejection::Affinity(rejection) => affinity::summary(rejection),
        FilterRejection::Spread(rejection) => spread::summary(rejection),
        FilterRejection::Devices(rejection) => devices::summary(rejection),
    }
}

/// The cause with its evidence.
pub(in crate::render) fn detail(rejection: &FilterRejection, names: ListLength) -> String {
    match rejection {
        FilterRejection::SchedulingGates { gates } => {
            let noun = if gates.len() == 1 { "scheduling gate" } else { "scheduling gates" };
            format!("held by the {noun} {}: no scheduler looks at the pod", names.list(gates))
        }
        FilterRejection::NodeUnschedulable => "the node is cordoned, and the pod does not tolerate that".into(),
        FilterRejection::NodeDeclaredFeatures { features } => {
            format!("the pod asks for what the node's kubelet does not declare: {}", names.list(features))
        }
        FilterRejection::Placed(failure) => placement_detail(failure, names),
        FilterRejection::Ports(rejection) => ports::detail(rejection, names),
        FilterRejection::Resources(rejection) => resources::detail(rejection, names),
        FilterRejection::Volumes(rejection) => volumes::detail(rejection, names),
        FilterRejection::Affinity(rejection) => affinity::detail(rejection, names),
        FilterRejection::Spread(rejection) => spread::detail(rejection),
        FilterRejection::Devices(rejection) => devices::detail(rejection, names),
    }
}

/// What to do about it.
pub(in crate::render) fn remedies(rejection: &FilterRejection, target: &RemedyContext<'_>) -> Vec<Remedy> {
    match rejection {
        FilterRejection::SchedulingGates { .. } => lift_gates(target),
        FilterRejection::NodeDeclaredFeatures { features } => declare_features(features, target),
        FilterRejection::NodeUnschedulable | FilterRejection::Placed(_) => Vec::new(),
        FilterRejection::Ports(rejection) => ports::remedies(rejection, target),
        FilterRejection::Resources(rejection) => resources::remedies(rejection, target),
        FilterRejection::Volumes(rejection) => volumes::remedies(rejection, target),
        FilterRejection::Affinity(rejection) => affinity::remedies(rejection, target),
        FilterRejection::Spread(rejection) => spread::remedies(rejection, target),
        FilterRejection::Devices(rejection) => devices::remedies(rejection, target),
    }
}

/// Gates are only ever taken from a pod. The template that sets them, or the webhook, sets them again on the next one.
fn lift_gates(target: &RemedyContext<'_>) -> Vec<Remedy> {
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
fn declare_features(features: &[String], target: &RemedyContext<'_>) -> Vec<Remedy> {
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

    const TARGET: RemedyContext<'_> = RemedyContext::named("n1", "a", "agent", Some("agent-x"));

    fn lines(rejection: &FilterRejection, target: &RemedyContext<'_>) -> Vec<String> {
        remedies(rejection, target).iter().flat_map(|remedy| remedy.lines().to_vec()).collect()
    }

    #[test]
    fn gates_are_lifted_from_the_pod_and_from_the_template() {
        let gates = FilterRejection::SchedulingGates { gates: vec!["example.com/a".into()] };
        assert_eq!(
            detail(&gates, ListLength::Handful),
            "held by the scheduling gate example.com/a: no scheduler looks at the pod"
        );
        let patch =
            r#"kubectl -n a patch pod agent-x --type=json -p '[{"op":"remove","path":"/spec/schedulingGates"}]'"#;
        assert_eq!(lines(&gates, &TARGET), [patch, "kubectl -n a edit daemonset agent"]);
        // Before there is a pod, only the template can be changed.
        assert_eq!(lines(&gates, &RemedyContext { pod: None, ..TARGET }), ["kubectl -n a edit daemonset agent"]);
    }

    #[test]
    fn features_are_a_matter_of_the_kubelet_or_of_the_template() {
        let features =
            FilterRejection::NodeDeclaredFeatures { features: vec!["UserNamespacesHostNetworkSupport".into()] };
        assert_eq!(
            detail(&features, ListLength::Handful),
            "the pod asks for what the node's kubelet does not declare: UserNamespacesHostNetworkSupport"
        );
        assert_eq!(
            lines(&features, &TARGET),
            ["kubectl get node n1 -o jsonpath='{.status.declaredFeatures}'", "kubectl -n a edit daemonset agent"]
        );
        assert!(remedies(&features, &TARGET)[1].text.contains("hostUsers: false"));
    }
}
