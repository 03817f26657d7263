//! The words of what holds a rollout, and what to do about it.

use jiff::Timestamp;

use crate::explain::Reason;
use crate::render::command_line::CommandLine;
use crate::render::name_list::ListLength;
use crate::render::reason::scheduling::without_surge_patch;
use crate::render::reason::{self, admission};
use crate::render::remedy::{Remedy, RemedyContext};
use crate::render::text::sanitize;
use crate::rollout::{Blocker, Cause, FaultDomain, RolloutStatus, Strategy, is_current};

/// The cause without what differs between nodes. Safe text.
pub(super) fn summary(cause: &Cause) -> String {
    let text = match cause {
        Cause::CreatesRefused { rejection, .. } => format!("new pods are refused: {}", admission::summary(rejection)),
        Cause::TerminatingOnDeadNode { .. } => "the old pod cannot go: its node is down".into(),
        Cause::TerminatingPastGrace { .. } => "the old pod does not go".into(),
        Cause::NewPodOnDeadNode { .. } => "the node is down".into(),
        Cause::BadImage { reason, .. } => format!("the new pod's image cannot be had: {reason}"),
        Cause::CrashLoop { .. } => "the new pod crashes".into(),
        Cause::ContainerConfig { reason, .. } => format!("the new pod's container cannot be made: {reason}"),
        Cause::SurgeHostPort { port, protocol } => format!("old and new pod want the same host port {port}/{protocol}"),
        Cause::SurgeOldPodOnDeletedNode { .. } => "an old pod is left on a node that was deleted".into(),
        Cause::NewPodUnschedulable { .. } => "the scheduler finds no room for the new pod".into(),
        Cause::NewPodGated => "a scheduling gate is on the new pod".into(),
        Cause::NewPodFailed { reason, .. } if reason.is_empty() => "the new pod fails".into(),
        Cause::NewPodFailed { reason, .. } => format!("the new pod fails: {reason}"),
        Cause::NewPodNotReady { .. } => "the new pod does not get ready".into(),
        Cause::NewPodWarned { reason, .. } => format!("the new pod does not come up: {reason}"),
    };
    sanitize(&text)
}

/// The cause with its evidence. Safe text.
pub(crate) fn detail(cause: &Cause, now: Timestamp, names: ListLength) -> String {
    let text = match cause {
        Cause::CreatesRefused { .. } => return evidence(cause, "new pods are refused", now, names),
        Cause::TerminatingOnDeadNode { .. } => {
            return evidence(cause, "the old pod cannot go, as nobody on its node answers", now, names);
        }
        Cause::TerminatingPastGrace { .. } => return evidence(cause, "the old pod does not go", now, names),
        Cause::NewPodOnDeadNode { .. } => return evidence(cause, "the new pod cannot come up", now, names),
        Cause::BadImage { image, .. } => {
            let image = image.as_deref().map(|image| format!(" {image}")).unwrap_or_default();
            return evidence(cause, &format!("the new pod's image{image} cannot be had"), now, names);
        }
        Cause::CrashLoop { .. } => return evidence(cause, "the new pod crashes", now, names),
        Cause::ContainerConfig { .. } => return evidence(cause, "the new pod's container cannot be made", now, names),
        Cause::SurgeHostPort { port, protocol } => format!(
            "the new pod wants host port {port}/{protocol}, which the old pod beside it has, and with maxSurge the old \
             one goes only when the new one is available"
        ),
        Cause::SurgeOldPodOnDeletedNode { pod } => format!(
            "the old pod {pod} is left on a node that was deleted, and the controller stops at it until it is gone"
        ),
        Cause::NewPodUnschedulable { .. } => return evidence(cause, "the new pod gets no node", now, names),
        Cause::NewPodFailed { .. } => return evidence(cause, "the new pod fails", now, names),
        Cause::NewPodNotReady { .. } => return evidence(cause, "the new pod runs and does not get ready", now, names),
        Cause::NewPodWarned { .. } => return evidence(cause, "the new pod does not come up", now, names),
        Cause::NewPodGated => return summary(cause),
    };
    sanitize(&text)
}

fn evidence(cause: &Cause, head: &str, now: Timestamp, names: ListLength) -> String {
    match as_reason(cause) {
        Some(found) => format!("{}: {}", sanitize(head), reason::detail(&found, now, names)),
        None => sanitize(head),
    }
}

/// The reason that the same thing is for one pod.
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

/// ` on 3 nodes (a, b, c)`; nothing where it concerns no node in particular.
pub(super) fn places(nodes: &[&str], names: ListLength) -> String {
    match nodes {
        [] => String::new(),
        [node] => format!(" on {}", sanitize(node)),
        nodes => format!(" on {} nodes ({})", nodes.len(), sanitize(&names.list(nodes))),
    }
}

/// What to do about it: it works for all of the nodes, or shows the way on the first.
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
        // What a new pod of the same template would meet again is no remedy, and is said above.
        Some(found) if !matches!(blocker.cause, Cause::TerminatingOnDeadNode { .. }) => {
            all.extend(reason::remedies(&found, &target));
        }
        _ => {}
    }
    if blocker.cause.fault() == FaultDomain::Pod && has_earlier_revision(rollout_status) {
        all.push(Remedy::run(
            "go back to the revision before",
            [CommandLine::in_namespace(namespace, "rollout undo").name_within("daemonset/", name, "")],
        ));
    }
    all
}

/// Whether there is a revision to go back to, for sure: a pod still runs it.
fn has_earlier_revision(rollout_status: &RolloutStatus<'_>) -> bool {
    let mut pods = rollout_status.nodes.iter().flat_map(|progress| &progress.row.pods);
    !rollout_status.is_rollback && pods.any(|pod| is_current(pod, rollout_status.revision) == Some(false))
}

/// The pod that a remedy speaks of: the old one where that does not go, else the new one.
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
                Remedy::run("bring the node's kubelet back", [target.describe_node()]),
                Remedy::run(
                    "delete the node, if its machine is gone for good: its pods go with it",
                    [CommandLine::new("kubectl delete node").name(target.node)],
                ),
            ];
            all.extend(target.pod.map(|pod| {
                Remedy::run("delete the pod by force, if it is sure that nothing of it runs any more", by_force(pod))
            }));
            all
        }
        Cause::SurgeHostPort { .. } => vec![Remedy::run(
            "replace the pods one after the other: delete the old one before the new one is made",
            [CommandLine::in_namespace(target.namespace, "patch daemonset")
                .name(target.daemon_set)
                .words("--type=merge")
                .patch(&without_surge_patch())],
        )],
        Cause::SurgeOldPodOnDeletedNode { pod } => {
            vec![Remedy::run("delete the pod; the garbage collector does so too after a while", by_force(pod))]
        }
        Cause::NewPodUnschedulable { .. } => vec![Remedy::run(
            "see every obstacle on the node, and what to do about it",
            [CommandLine::own_program("why-not").name(target.node).namespace(target.namespace).name(target.daemon_set)],
        )],
        _ => Vec::new(),
    }
}
