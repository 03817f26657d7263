//! The sentences and remedies of pods that a filter of the scheduler rejects. The caller makes the text safe for a
//! terminal.

mod affinity;
mod devices;
mod ports;
mod resource_users;
mod resources;
mod spread;
mod volumes;

pub(in crate::render) use resource_users::{name, some_of, without_surge_patch};

use super::placement;
use crate::render::command_line::CommandLine;
use crate::render::commands::remove_scheduling_gates;
use crate::render::name_list::{HANDFUL, ListLength};
use crate::render::remedy::{Remedy, RemedyContext};
use crate::scheduling::FilterRejection;

/// The cause without details that differ between nodes, so that equal causes have equal text.
pub(in crate::render) fn summary(rejection: &FilterRejection) -> String {
    match rejection {
        FilterRejection::SchedulingGates { .. } => "scheduling gate not removed".into(),
        FilterRejection::NodeUnschedulable => "node is cordoned".into(),
        FilterRejection::NodeDeclaredFeatures { features } => {
            format!("node does not declare features: {}", ListLength::Handful.list(features))
        }
        FilterRejection::Placed(failure) => placement::summary(failure),
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
            format!("blocked by {noun} {}: the scheduler does not process the pod", names.list(gates))
        }
        FilterRejection::NodeUnschedulable => "the node is cordoned, and the pod does not tolerate it".into(),
        FilterRejection::NodeDeclaredFeatures { features } => {
            format!("the pod requires features that the kubelet does not declare: {}", names.list(features))
        }
        FilterRejection::Placed(failure) => placement::detail(failure, names),
        FilterRejection::Ports(rejection) => ports::detail(rejection, names),
        FilterRejection::Resources(rejection) => resources::detail(rejection, names),
        FilterRejection::Volumes(rejection) => volumes::detail(rejection, names),
        FilterRejection::Affinity(rejection) => affinity::detail(rejection, names),
        FilterRejection::Spread(rejection) => spread::detail(rejection),
        FilterRejection::Devices(rejection) => devices::detail(rejection, names),
    }
}

pub(in crate::render) fn remedies(rejection: &FilterRejection, target: &RemedyContext<'_>) -> Vec<Remedy> {
    match rejection {
        FilterRejection::SchedulingGates { .. } => lift_gates(target),
        FilterRejection::NodeDeclaredFeatures { features } => declare_features(features, target),
        // The controller's check has the remedies, unless it passes: then admission changed the pod.
        FilterRejection::Placed(failure) => placement::added_by_admission(failure, target),
        FilterRejection::NodeUnschedulable => Vec::new(),
        FilterRejection::Ports(rejection) => ports::remedies(rejection, target),
        FilterRejection::Resources(rejection) => resources::remedies(rejection, target),
        FilterRejection::Volumes(rejection) => volumes::remedies(rejection, target),
        FilterRejection::Affinity(rejection) => affinity::remedies(rejection, target),
        FilterRejection::Spread(rejection) => spread::remedies(rejection, target),
        FilterRejection::Devices(rejection) => devices::remedies(rejection, target),
    }
}

/// Gates can only be removed from a pod. The template or webhook that sets them also sets them on the next pod.
fn lift_gates(target: &RemedyContext<'_>) -> Vec<Remedy> {
    let mut remedies = vec![Remedy::text_only("check the logs of the controller that should remove the gate")];
    if let Some(pod) = target.pod {
        let line = remove_scheduling_gates(target.namespace, pod);
        remedies
            .push(Remedy::run("remove the gates of this pod manually, if nothing else has to happen first", [line]));
    }
    remedies.push(Remedy::run(
        "remove schedulingGates from the template, if it sets them: otherwise each new pod is blocked again",
        [target.edit()],
    ));
    remedies
}

/// The kubelet declares its own features. Editing the Node does not add any.
fn declare_features(features: &[String], target: &RemedyContext<'_>) -> Vec<Remedy> {
    let names = ListLength::Handful.list(features);
    let look = CommandLine::new("kubectl get node").name(target.node);
    let look = look.words("-o jsonpath='{.status.declaredFeatures}'");
    let uses = features.iter().map(|feature| match feature.as_str() {
        "RestartAllContainersOnContainerExits" => "the restart rule RestartAllContainers".to_owned(),
        "UserNamespacesHostNetworkSupport" => "hostUsers: false with hostNetwork".to_owned(),
        other => format!("the use of {other}"),
    });
    let uses: Vec<String> = uses.collect();
    vec![
        Remedy::run(
            format!(
                "update or configure the kubelet and the container runtime of the node, so that it declares {names}; \
                 see the declared features"
            ),
            [look],
        ),
        Remedy::run(
            format!("remove {} from the template", ListLength::Handful.join(&uses, HANDFUL, " and ", String::clone)),
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
    fn gates_are_removed_from_the_pod_and_from_the_template() {
        let gates = FilterRejection::SchedulingGates { gates: vec!["example.com/a".into()] };
        assert_eq!(
            detail(&gates, ListLength::Handful),
            "blocked by scheduling gate example.com/a: the scheduler does not process the pod"
        );
        let patch =
            r#"kubectl -n a patch pod agent-x --type=json -p '[{"op":"remove","path":"/spec/schedulingGates"}]'"#;
        assert_eq!(lines(&gates, &TARGET), [patch, "kubectl -n a edit daemonset agent"]);
        // Without a pod, only the template can be changed.
        assert_eq!(lines(&gates, &RemedyContext { pod: None, ..TARGET }), ["kubectl -n a edit daemonset agent"]);
    }

    #[test]
    fn missing_feature_is_fixed_in_kubelet_or_template() {
        let features =
            FilterRejection::NodeDeclaredFeatures { features: vec!["UserNamespacesHostNetworkSupport".into()] };
        assert_eq!(
            detail(&features, ListLength::Handful),
            "the pod requires features that the kubelet does not declare: UserNamespacesHostNetworkSupport"
        );
        assert_eq!(
            lines(&features, &TARGET),
            ["kubectl get node n1 -o jsonpath='{.status.declaredFeatures}'", "kubectl -n a edit daemonset agent"]
        );
        assert!(remedies(&features, &TARGET)[1].text.contains("hostUsers: false"));
    }
}
