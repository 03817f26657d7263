//! The sentences and remedies of blockers.

use jiff::Timestamp;

use crate::explain::Reason;
use crate::render::command_line::CommandLine;
use crate::render::name_list::ListLength;
use crate::render::reason::scheduling::without_surge_patch;
use crate::render::reason::{self, admission};
use crate::render::remedy::{Remedy, RemedyContext};
use crate::render::text::sanitize;
use crate::rollout::{Blocker, Cause, FaultDomain, RolloutStatus, Strategy, is_current};

/// The cause without details that differ between nodes. Safe text.
pub(super) fn summary(cause: &Cause) -> String {
    let text = match cause {
        Cause::CreatesRefused { rejection, .. } => format!("new pods are rejected: {}", admission::summary(rejection)),
        Cause::TerminatingOnDeadNode { .. } => "old pod cannot terminate (node not ready)".into(),
        Cause::TerminatingPastGrace { .. } => "old pod stuck Terminating".into(),
        Cause::NewPodOnDeadNode { .. } => "new pod cannot start (node not ready)".into(),
        Cause::BadImage { reason, .. } => format!("new pod cannot pull its image: {reason}"),
        Cause::CrashLoop { .. } => "new pod crashing".into(),
        Cause::ContainerConfig { reason, .. } => format!("container of the new pod cannot be created: {reason}"),
        Cause::SurgeHostPort { port, protocol } => format!("old and new pod need the same host port {port}/{protocol}"),
        Cause::SurgeOldPodOnDeletedNode { .. } => "old pod left on a deleted node".into(),
        Cause::NewPodUnschedulable { .. } => "new pod unschedulable".into(),
        Cause::NewPodGated => "new pod has a scheduling gate".into(),
        Cause::NewPodFailed { reason, .. } if reason.is_empty() => "new pod failed".into(),
        Cause::NewPodFailed { reason, .. } => format!("new pod failed: {reason}"),
        Cause::NewPodNotReady { .. } => "new pod not ready".into(),
        Cause::NewPodWarned { reason, .. } => format!("new pod does not start: {reason}"),
    };
    sanitize(&text)
}

/// The cause with its evidence. Safe text.
pub(crate) fn detail(cause: &Cause, now: Timestamp, names: ListLength) -> String {
    let text = match cause {
        Cause::CreatesRefused { .. } => return evidence(cause, "new pods are rejected", now, names),
        Cause::TerminatingOnDeadNode { .. } => {
            let head = "the old pod cannot terminate because the kubelet on its node is not responding";
            return evidence(cause, head, now, names);
        }
        Cause::TerminatingPastGrace { .. } => return evidence(cause, "the old pod does not terminate", now, names),
        Cause::NewPodOnDeadNode { .. } => return evidence(cause, "the new pod cannot start", now, names),
        Cause::BadImage { image, .. } => {
            let image = image.as_deref().map_or_else(|| "its image".to_owned(), |image| format!("image {image}"));
            return evidence(cause, &format!("the new pod cannot pull {image}"), now, names);
        }
        Cause::CrashLoop { .. } => return evidence(cause, "the new pod is crashing", now, names),
        Cause::ContainerConfig { .. } => {
            return evidence(cause, "a container of the new pod cannot be created", now, names);
        }
        Cause::SurgeHostPort { port, protocol } => format!(
            "the new pod needs host port {port}/{protocol}, which the old pod on the same node uses; with maxSurge \
             the old pod stays until the new one is available"
        ),
        Cause::SurgeOldPodOnDeletedNode { pod } => {
            format!("old pod {pod} is left on a deleted node; the controller does not continue until the pod is gone")
        }
        Cause::NewPodUnschedulable { .. } => return evidence(cause, "the new pod is not scheduled", now, names),
        Cause::NewPodFailed { .. } => return evidence(cause, "the new pod failed", now, names),
        Cause::NewPodNotReady { .. } => return evidence(cause, "the new pod is running but not ready", now, names),
        Cause::NewPodWarned { .. } => return evidence(cause, "the new pod does not start", now, names),
        Cause::NewPodGated => "the new pod has a scheduling gate".into(),
    };
    sanitize(&text)
}

fn evidence(cause: &Cause, head: &str, now: Timestamp, names: ListLength) -> String {
    match as_reason(cause) {
        Some(found) => format!("{}: {}", sanitize(head), reason::detail(&found, now, names)),
        None => sanitize(head),
    }
}

/// The equivalent reason for a single pod.
fn as_reason(cause: &Cause) -> Option<Reason> {
    Some(match cause.clone() {
        Cause::CreatesRefused { rejection, count, last_seen } => Reason::Rejected { rejection, count, last_seen },
        Cause::TerminatingOnDeadNode { reason, since } | Cause::NewPodOnDeadNode { reason, since } => {
            Reason::NodeNotReady { reason, since }
        }
        Cause::TerminatingPastGrace { deadline, finalizers } => Reason::StuckTerminating { deadline, finalizers },
        Cause::BadImage { container, reason, detail, .. } => Reason::ImageError { container, reason, detail },
        Cause::CrashLoop { container, restarts, last_exit } => {
            Reason::CrashLoopBackOff { container, restarts, last_exit }
        }
        Cause::ContainerConfig { container, reason, detail } => Reason::ContainerError { container, reason, detail },
        Cause::NewPodUnschedulable { scheduler } => Reason::Unschedulable { scheduler },
        Cause::NewPodGated => Reason::SchedulingGated,
        Cause::NewPodFailed { reason, detail } => Reason::PodFailed { reason, detail, disruption: None },
        Cause::NewPodNotReady { detail: Some(detail), .. } => Reason::ReadinessGatesNotReady { detail },
        Cause::NewPodNotReady { containers, detail: None } => Reason::ContainersNotReady { containers },
        Cause::NewPodWarned { reason, detail } => Reason::Warning { reason, detail, count: 1, last_seen: None },
        Cause::SurgeHostPort { .. } | Cause::SurgeOldPodOnDeletedNode { .. } => return None,
    })
}

/// `new pod crashing on 3 nodes (a, b, c)`. Safe text.
pub(super) fn short_with_nodes(blocker: &Blocker<'_>, names: ListLength) -> String {
    format!("{}{}", summary(&blocker.cause), places(&blocker.nodes, names))
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
pub(super) fn remedies(blocker: &Blocker<'_>, rollout_status: &RolloutStatus<'_>) -> Vec<Remedy> {
    let namespace = rollout_status.daemon_set.metadata.namespace.as_deref().unwrap_or_default();
    let name = rollout_status.daemon_set.metadata.name.as_deref().unwrap_or_default();
    let node = blocker.nodes.first().copied().unwrap_or_default();
    let target = RemedyContext {
        node,
        namespace,
        daemon_set: name,
        pod: pod_on(rollout_status, node, &blocker.cause),
        template: rollout_status.daemon_set.spec.template.spec.as_ref(),
        on_delete: rollout_status.strategy == Strategy::OnDelete,
        is_planned: false,
        untolerated: &[],
    };
    let mut all = own_remedies(&blocker.cause, &target);
    match as_reason(&blocker.cause) {
        Some(Reason::Rejected { rejection, .. }) => all.extend(admission::remedies(&rejection, &target)),
        // The remedies of `own_remedies` replace those of the reason.
        Some(found) if !matches!(blocker.cause, Cause::TerminatingOnDeadNode { .. }) => {
            all.extend(reason::remedies(&found, &target));
        }
        _ => {}
    }
    if blocker.cause.fault() == FaultDomain::Pod && has_earlier_revision(rollout_status) {
        all.push(Remedy::run(
            "roll back to the previous revision",
            [CommandLine::in_namespace(namespace, "rollout undo").name_within("daemonset/", name, "")],
        ));
    }
    all
}

/// Whether a previous revision certainly exists: a pod still runs it.
fn has_earlier_revision(rollout_status: &RolloutStatus<'_>) -> bool {
    let mut pods = rollout_status.nodes.iter().flat_map(|progress| &progress.row.pods);
    !rollout_status.is_rollback && pods.any(|pod| is_current(pod, rollout_status.revision) == Some(false))
}

/// The pod that a remedy refers to: the old one if it does not terminate, otherwise the new one.
fn pod_on<'a>(rollout_status: &RolloutStatus<'a>, node: &str, cause: &Cause) -> Option<&'a str> {
    let wants_old = matches!(cause, Cause::TerminatingOnDeadNode { .. } | Cause::TerminatingPastGrace { .. });
    let row = rollout_status.nodes.iter().find(|progress| progress.node == node)?.row;
    let fits = |is_new: bool| is_new != wants_old;
    let of_age = row.pods.iter().find(|pod| is_current(pod, rollout_status.revision).is_some_and(fits));
    of_age.or(row.pods.first()).map(|pod| pod.metadata.name.as_str())
}

fn own_remedies(cause: &Cause, target: &RemedyContext<'_>) -> Vec<Remedy> {
    let by_force = |pod: &str| {
        let line = CommandLine::in_namespace(target.namespace, "delete pod").name(pod);
        [line.words("--force --grace-period=0")]
    };
    match cause {
        Cause::TerminatingOnDeadNode { .. } => {
            let mut all = vec![
                Remedy::run("recover the kubelet on the node", [target.describe_node()]),
                Remedy::run(
                    "delete the Node if its machine is permanently gone; its pods are then deleted too",
                    [CommandLine::new("kubectl delete node").name(target.node)],
                ),
            ];
            all.extend(target.pod.map(|pod| {
                Remedy::run("force-delete the pod, only if you are sure it is no longer running", by_force(pod))
            }));
            all
        }
        Cause::SurgeHostPort { .. } => vec![Remedy::run(
            "set maxSurge to 0, so that the old pod is deleted before the new one is created",
            [CommandLine::in_namespace(target.namespace, "patch daemonset")
                .name(target.daemon_set)
                .words("--type=merge")
                .patch(&without_surge_patch())],
        )],
        Cause::SurgeOldPodOnDeletedNode { pod } => {
            vec![Remedy::run("force-delete the pod, or wait for the pod garbage collector to delete it", by_force(pod))]
        }
        Cause::NewPodUnschedulable { .. } => vec![Remedy::run(
            "see all obstacles on the node, and how to fix them",
            [CommandLine::own_program("why-not").name(target.node).namespace(target.namespace).name(target.daemon_set)],
        )],
        _ => Vec::new(),
    }
}
