//! The sentences and remedies of blockers.

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::json;

use crate::explain::{FailedBy, Reason};
use crate::render::command_line::CommandLine;
use crate::render::commands::merge_patch;
use crate::render::name_list::ListLength;
use crate::render::reason::{self, admission};
use crate::render::remedy::{Remedy, RemedyContext};
use crate::render::text::sanitize;
use crate::revision::is_current;
use crate::rollout::{Blocker, FaultDomain, Problem, ProblemType, RolloutStatus, Strategy};

/// The problem without details that differ between nodes. Safe text.
pub(super) fn summary(problem: &Problem) -> String {
    use ProblemType::{NewPod, OldPod, PodCreation};
    let text = match (problem.problem_type, &problem.reason) {
        (PodCreation, Reason::Rejected { rejection, .. }) => {
            format!("new pods are rejected: {}", admission::summary(rejection))
        }
        (PodCreation, reason) => format!("new pods are not created: {}", reason::summary(reason)),
        (OldPod, Reason::NodeNotReady { .. }) => "old pod cannot terminate (node not ready)".into(),
        (OldPod, Reason::StuckTerminating { .. }) => "old pod stuck Terminating".into(),
        (NewPod, Reason::NodeNotReady { .. }) => "node of the new pod not ready".into(),
        (NewPod, Reason::ImageError { reason, .. }) => format!("new pod cannot pull its image: {reason}"),
        (NewPod, Reason::CrashLoopBackOff { .. }) => "new pod crashing".into(),
        (NewPod, Reason::ContainerError { reason, .. }) => {
            format!("container of the new pod cannot be created: {reason}")
        }
        (NewPod, Reason::Unschedulable { .. }) => "new pod unschedulable".into(),
        (NewPod, Reason::SchedulingGated) => "new pod has a scheduling gate".into(),
        (NewPod, Reason::PodFailed { reason, .. }) if reason.is_empty() => "new pod failed".into(),
        (NewPod, Reason::PodFailed { reason, .. }) => format!("new pod failed: {reason}"),
        (NewPod, Reason::ContainersNotReady { .. } | Reason::ReadinessGatesNotReady { .. }) => {
            "new pod not ready".into()
        }
        (NewPod, warning) if warning.is_restarting_probe() => "new pod fails its probe".into(),
        (NewPod, Reason::Warning { reason, .. }) => format!("new pod does not start: {reason}"),
        // These name both pods, or the pod, themselves.
        (NewPod | OldPod, reason) => reason::summary(reason),
    };
    sanitize(&text)
}

/// The problem with its evidence. Safe text.
pub(crate) fn detail(problem: &Problem, now: Timestamp, names: ListLength) -> String {
    use ProblemType::{NewPod, OldPod, PodCreation};
    let evidence = || reason::detail(&problem.reason, now, names);
    let head = match (problem.problem_type, &problem.reason) {
        (PodCreation, _) => "new pods are rejected".to_owned(),
        (OldPod, Reason::NodeNotReady { .. }) => {
            "the old pod cannot terminate because the kubelet on its node is not responding".into()
        }
        (OldPod, Reason::StuckTerminating { .. }) => "the old pod does not terminate".into(),
        (NewPod, Reason::NodeNotReady { .. }) => "the node of the new pod is not ready".into(),
        (NewPod, Reason::ImageError { image: Some(image), .. }) => format!("the new pod cannot pull image {image}"),
        (NewPod, Reason::ImageError { image: None, .. }) => "the new pod cannot pull its image".into(),
        (NewPod, Reason::CrashLoopBackOff { .. }) => "the new pod is crashing".into(),
        (NewPod, Reason::ContainerError { .. }) => "a container of the new pod cannot be created".into(),
        (NewPod, Reason::Unschedulable { .. }) => "the new pod is not scheduled".into(),
        (NewPod, Reason::SchedulingGated) => return sanitize("the new pod has a scheduling gate"),
        (NewPod, Reason::PodFailed { .. }) => "the new pod failed".into(),
        (NewPod, Reason::ContainersNotReady { .. } | Reason::ReadinessGatesNotReady { .. }) => {
            "the new pod is running but not ready".into()
        }
        (NewPod, warning) if warning.is_restarting_probe() => "the new pod fails its probe".into(),
        (NewPod, Reason::Warning { .. }) => "the new pod does not start".into(),
        (NewPod | OldPod, _) => return evidence(),
    };
    format!("{}: {}", sanitize(&head), evidence())
}

/// `new pod crashing on 3 nodes (a, b, c)`. Safe text.
pub(super) fn short_with_nodes(blocker: &Blocker<'_>, names: ListLength) -> String {
    format!("{}{}", summary(&blocker.problem), places(&blocker.nodes, names))
}

/// ` on 3 nodes (a, b, c)`; empty without nodes. Safe text.
pub(super) fn places(nodes: &[&str], names: ListLength) -> String {
    nodes_in_words(nodes, names).map(|nodes| format!(" on {nodes}")).unwrap_or_default()
}

/// `3 nodes (a, b, c)`; `None` without nodes. Safe text.
pub(super) fn nodes_in_words(nodes: &[&str], names: ListLength) -> Option<String> {
    match nodes {
        [] => None,
        [node] => Some(sanitize(node)),
        nodes => Some(format!("{} nodes ({})", nodes.len(), sanitize(&names.list(nodes)))),
    }
}

/// Remedies for all of the nodes, or for the first one as an example.
pub(in crate::render) fn remedies(blocker: &Blocker<'_>, rollout_status: &RolloutStatus<'_>) -> Vec<Remedy> {
    let namespace = rollout_status.daemon_set.metadata.namespace.as_deref().unwrap_or_default();
    let name = rollout_status.daemon_set.metadata.name.as_deref().unwrap_or_default();
    let node = blocker.nodes.first().copied().unwrap_or_default();
    let target = RemedyContext {
        node,
        namespace,
        daemon_set: name,
        pod: pod_on(rollout_status, node, blocker.problem.problem_type),
        is_failed: matches!(blocker.problem.reason, Reason::PodFailed { .. }),
        template: rollout_status.daemon_set.spec.template.spec.as_ref(),
        on_delete: rollout_status.strategy == Strategy::OnDelete,
        is_planned: false,
        is_cordoned: false,
        lacks_network: false,
        untolerated: &[],
        node_labels: rollout_status.nodes.iter().find(|progress| progress.node == node).and_then(|one| one.row.labels),
        owner_pods: &[],
    };
    let mut all = match (blocker.problem.problem_type, &blocker.problem.reason) {
        (ProblemType::OldPod, Reason::NodeNotReady { .. }) => release_old_pod(&target),
        (_, reason) => reason::remedies(reason, &target),
    };
    all.extend(widen_budget(blocker, rollout_status).map(|patch| {
        let budget = patch.budget;
        let text = format!(
            "set {} to {budget}, so that the rollout continues on the other nodes: {} used up by nodes that are down",
            patch.field,
            if patch.down == 1 { "1 place is".to_owned() } else { format!("{} places are", patch.down) }
        );
        let text = if patch.was_percentage { format!("{text} (a number, no longer a percentage)") } else { text };
        Remedy::run(text, [merge_patch(&target, &patch.merge())])
    }));
    if let Reason::Unschedulable { .. } | Reason::PodFailed { by: FailedBy::Kubelet, .. } = blocker.problem.reason {
        all.push(see_why_not(&target));
    }
    if blocker.problem.fault() == FaultDomain::Pod && has_earlier_revision(rollout_status) {
        all.push(Remedy::run(
            match target.on_delete {
                true => "roll back to the previous revision, and replace the pods that run the present one",
                false => "roll back to the previous revision",
            },
            [CommandLine::own_program("rollout undo").name(name).namespace(namespace)],
        ));
    }
    all.into_iter().map(Remedy::not_verified).collect()
}

/// Whether a previous revision certainly exists: a pod still runs it.
fn has_earlier_revision(rollout_status: &RolloutStatus<'_>) -> bool {
    let mut pods = rollout_status.nodes.iter().flat_map(|progress| &progress.row.pods);
    !rollout_status.is_rollback && pods.any(|pod| is_current(pod, rollout_status.revision) == Some(false))
}

/// The pod that a remedy refers to: the old one if it does not terminate, otherwise the new one.
fn pod_on<'a>(rollout_status: &RolloutStatus<'a>, node: &str, problem_type: ProblemType) -> Option<&'a str> {
    let wants_old = problem_type == ProblemType::OldPod;
    let row = rollout_status.nodes.iter().find(|progress| progress.node == node)?.row;
    let fits = |is_new: bool| is_new != wants_old;
    let of_age = row.pods.iter().find(|pod| is_current(pod, rollout_status.revision).is_some_and(fits));
    of_age.or(row.pods.first()).map(|pod| pod.metadata.name.as_str())
}

/// The pod stays in the API until its kubelet confirms that it has ended. It is not deleted by force: on an eligible node
/// the controller would create the next one, which cannot start either.
fn release_old_pod(target: &RemedyContext<'_>) -> Vec<Remedy> {
    vec![
        Remedy::run("recover the kubelet on the node", [target.describe_node()]),
        Remedy::run(
            "delete the Node if its machine is permanently gone; its pods are then deleted too",
            [CommandLine::new("kubectl delete node").name(target.node)],
        ),
    ]
}

/// A larger budget for a rollout whose budget is used up by nodes that are down.
struct WiderBudget {
    field: &'static str,
    /// The places that nodes that are down use up.
    down: usize,
    budget: usize,
    was_percentage: bool,
}

impl WiderBudget {
    fn merge(&self) -> serde_json::Value {
        json!({ "spec": { "updateStrategy": { "rollingUpdate": { self.field: self.budget } } } })
    }
}

/// The budget with which as many other nodes are replaced at a time as the present one is meant to allow.
fn widen_budget(blocker: &Blocker<'_>, rollout_status: &RolloutStatus<'_>) -> Option<WiderBudget> {
    let (field, budget) = match rollout_status.strategy {
        Strategy::Rolling { max_unavailable } => ("maxUnavailable", max_unavailable),
        Strategy::Surge { max_surge } => ("maxSurge", max_surge),
        Strategy::OnDelete => return None,
    };
    let down = rollout_status.budget_used_by.iter().filter(|used| used.node_down).count();
    let is_about_the_node = matches!(blocker.problem.reason, Reason::NodeNotReady { .. });
    // With no outdated pod left there is nothing to continue with, and the new budget would outlast the rollout.
    let is_left = rollout_status.updated < rollout_status.desired;
    (blocker.blocking && is_about_the_node && is_left && down >= budget).then(|| WiderBudget {
        field,
        down,
        budget: budget + down,
        was_percentage: is_percentage(rollout_status.daemon_set, field),
    })
}

/// Whether the field of the update strategy is a percentage.
fn is_percentage(daemon_set: &DaemonSet, field: &str) -> bool {
    let rolling = daemon_set.spec.update_strategy.as_ref().and_then(|strategy| strategy.rolling_update.as_ref());
    let value = rolling.and_then(|rolling| match field {
        "maxSurge" => rolling.max_surge.as_ref(),
        _ => rolling.max_unavailable.as_ref(),
    });
    matches!(value, Some(IntOrString::String(_)))
}

fn see_why_not(target: &RemedyContext<'_>) -> Remedy {
    let why_not = CommandLine::own_program("why-not").name(target.node).namespace(target.namespace);
    Remedy::run("see all obstacles on the node, and how to fix them", [why_not.name(target.daemon_set)])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::rollout_fixture::RolloutFixture;

    /// The lines of the remedies of the first blocker.
    fn lines(rollout: &RolloutFixture) -> Vec<String> {
        rollout.status_of(|rollout_status| {
            let remedies = remedies(&rollout_status.blockers[0], rollout_status);
            remedies.iter().flat_map(|remedy| remedy.lines().to_vec()).collect()
        })
    }

    fn healthy() -> Value {
        json!({ "status": crate::testing::objects::ready_status() })
    }

    /// The budget is used up by nodes that are down. A forced deletion would not help: the pod would come back.
    #[test]
    fn budget_of_dead_nodes_is_widened() {
        let terminating = json!({ "metadata": { "deletionTimestamp": "2026-01-02T11:00:00Z" } });
        let rollout = RolloutFixture::rolling(4, json!(1)).node_down(1, false).pod(1, "old", terminating);
        let lines = lines(&rollout.pods(2..=4, "old", &healthy()));
        let wider = r#"kubectl -n ns patch daemonset d --type=merge -p '{"spec":{"updateStrategy":{"rollingUpdate":{"maxUnavailable":2}}}}'"#;
        assert!(lines.contains(&wider.to_owned()), "{lines:#?}");
        assert!(!lines.iter().any(|line| line.contains("--force")), "{lines:#?}");
    }
}
