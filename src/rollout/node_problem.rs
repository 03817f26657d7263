//! The problems of one node: why it is not done, and whether a problem remains until somebody intervenes.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::DaemonSet;

use super::blocker::{NodeProblem, Problem};
use super::crash_loop::{CRASHES, between_crashes};
use super::node_pods::{Availability, NodePods};
use crate::explain::{ImageProblem, ReadyStatus, Reason, State, events, pod as pod_state};
use crate::snapshot::PodSummary;

/// How long a new pod may be unready before this is a problem.
const USUAL_START: SignedDuration = SignedDuration::from_secs(60);
/// How long a pod may exist after its grace period before this is a problem: the kubelet kills its containers at the
/// end of the period and cleans up afterwards.
const USUAL_END: SignedDuration = SignedDuration::from_secs(10);
/// How long a node may be down before it counts as one that does not recover by itself. A restart of the kubelet or a
/// reboot usually takes less time. Kubernetes evicts pods from a node that is down after the same time, by default.
///
/// Upstream: `plugin/pkg/admission/defaulttolerationseconds/admission.go`.
const USUAL_OUTAGE: SignedDuration = SignedDuration::from_mins(5);
/// The pod that counts for the rollout, if it is not the one that coverage has already examined (the first pod of an
/// eligible node): the new pod if there is one, else the first.
fn pod_beside_row<'a>(site: &NodePods<'a>, availability: Availability<'_>) -> Option<&'a PodSummary> {
    let first = site.row.and_then(|row| row.pods.first().copied());
    let pod = site.new_pod(availability).or(first).or(site.terminating.first().copied())?;
    (!site.is_eligible || first != Some(pod)).then_some(pod)
}

/// The state and the reasons of a pod, without events.
fn status_of(pod: &PodSummary, site: &NodePods<'_>, availability: Availability<'_>) -> (State, Vec<Reason>) {
    pod_state::pod_state(pod, site.node, availability.min_ready_seconds, availability.snapshot.as_of)
}

/// The pod that counts, if events may explain its state and coverage does not already request them.
pub(super) fn pod_with_open_question<'a>(
    site: &NodePods<'a>,
    availability: Availability<'_>,
) -> Option<&'a PodSummary> {
    pod_beside_row(site, availability).filter(|pod| {
        let (state, reasons) = status_of(pod, site, availability);
        events::may_explain(state, &reasons)
    })
}

/// Why the pod that counts is not available: the new pod if there is one, else the first.
pub(super) fn reasons(site: &NodePods<'_>, availability: Availability<'_>) -> Vec<Reason> {
    let Some(pod) = pod_beside_row(site, availability) else {
        return site.row.map(|row| row.reasons.clone()).unwrap_or_default();
    };
    let (state, mut reasons) = status_of(pod, site, availability);
    if let (true, Some(events)) = (events::may_explain(state, &reasons), availability.snapshot.events.known()) {
        reasons.extend(events::newest_warning(events, &pod.metadata.uid));
    }
    reasons
}

pub(super) fn problems(
    site: &NodePods<'_>,
    reasons: &[Reason],
    daemon_set: &DaemonSet,
    availability: Availability<'_>,
) -> Vec<NodeProblem> {
    if let Some(pod) = site.new_pod(availability) {
        return match availability.is_available(pod) {
            true => Vec::new(),
            false => new_pod_problems(pod, reasons, daemon_set, availability),
        };
    }
    // The rollout replaces an old pod, whatever its problems are.
    if !site.old.is_empty() {
        return Vec::new();
    }
    site.terminating.first().and_then(|pod| terminating_problem(site, pod, availability)).into_iter().collect()
}

/// The problem of a terminating pod on a node without other pods. The node uses the budget until the pod is gone.
fn terminating_problem(site: &NodePods<'_>, pod: &PodSummary, availability: Availability<'_>) -> Option<NodeProblem> {
    let deadline = pod.metadata.deletion_timestamp?.timestamp();
    let is_late = availability.snapshot.as_of.duration_since(deadline) > USUAL_END;
    match site.down() {
        // Status `False` is reported by the kubelet, which may still terminate the pod within its grace period. With
        // `Unknown`, nothing is heard of the kubelet.
        Some(condition) if is_late || condition.status == "Unknown" => {
            let since = condition.last_transition_time.map(|time| time.timestamp());
            let reason = site.node.and_then(Reason::node_not_ready)?;
            let needs_intervention = is_down_for_long(since, availability);
            Some(NodeProblem { problem: Problem::old_pod(reason), needs_intervention })
        }
        None if is_late && site.node.is_some() => {
            let reason = Reason::stuck_terminating(pod, deadline, site.node);
            Some(NodeProblem { problem: Problem::old_pod(reason), needs_intervention: false })
        }
        _ => None,
    }
}

/// Whether the node has been down too long to expect that it recovers by itself.
fn is_down_for_long(since: Option<Timestamp>, availability: Availability<'_>) -> bool {
    since.is_some_and(|since| availability.snapshot.as_of.duration_since(since) >= USUAL_OUTAGE)
}

fn new_pod_problems(
    pod: &PodSummary,
    reasons: &[Reason],
    daemon_set: &DaemonSet,
    availability: Availability<'_>,
) -> Vec<NodeProblem> {
    let down = reasons.iter().find_map(|reason| match reason {
        Reason::NodeNotReady { status, since, .. } => Some((
            *status,
            NodeProblem {
                problem: Problem::new_pod(reason.clone()),
                needs_intervention: is_down_for_long(*since, availability),
            },
        )),
        _ => None,
    });
    // If the kubelet does not report, the container statuses are outdated and prove nothing about the template.
    if let Some((ReadyStatus::Unknown, down)) = down {
        return vec![down];
    }
    let is_late = pod
        .metadata
        .creation_timestamp
        .is_some_and(|created| availability.snapshot.as_of.duration_since(created.timestamp()) > USUAL_START);
    let mut found: Vec<NodeProblem> =
        reasons.iter().filter_map(|reason| problem_from_reason(reason, is_late, daemon_set)).collect();
    let crashed = between_crashes(pod, availability.snapshot.as_of);
    if !crashed.is_empty() {
        // The crash loop, or the probe that causes it, is why the pod is not ready.
        found.retain(|problem| problem.problem.is_failure() || problem.problem.reason.is_restarting_probe());
    }
    // The current state of a container takes precedence over its earlier crashes.
    let is_named =
        |crash: &NodeProblem| found.iter().any(|problem| problem.problem.container() == crash.problem.container());
    let crashed: Vec<NodeProblem> = crashed.into_iter().filter(|crash| !is_named(crash)).collect();
    found.extend(crashed);
    match down {
        // The kubelet reports, and the containers have no problem: the node is the cause. Otherwise the containers may
        // be why the node is not ready, as those of a network plugin.
        Some((_, down)) if !found.iter().any(|problem| problem.problem.is_failure()) => vec![down],
        _ => found,
    }
}

/// Maps a reason of the new pod to a problem. A state that is normal during a start is a problem only if `is_late`.
fn problem_from_reason(reason: &Reason, is_late: bool, daemon_set: &DaemonSet) -> Option<NodeProblem> {
    let (reason, needs_intervention) = match reason.clone() {
        Reason::ImageError { container, reason, detail, .. } => {
            let needs_intervention = ImageProblem::new(&reason, &detail).is_permanent();
            let image = image_of(&container, daemon_set);
            (Reason::ImageError { container, image, reason, detail }, needs_intervention)
        }
        Reason::CrashLoopBackOff { restarts, .. } => (reason.clone(), restarts >= CRASHES),
        // Between its end and the next start it is the same loop.
        Reason::ContainerTerminated { container, restarts, last_exit } => {
            let reason = Reason::CrashLoopBackOff { container, restarts, last_exit: Some(last_exit) };
            (reason, restarts >= CRASHES)
        }
        Reason::ContainerError { reason: code, .. } => (reason.clone(), code == "CreateContainerConfigError"),
        Reason::Unschedulable { .. } | Reason::SchedulingGated | Reason::PodFailed { .. } => (reason.clone(), false),
        Reason::ContainersNotReady { .. } | Reason::ReadinessGatesNotReady { .. } | Reason::Warning { .. }
            if is_late || reason.is_restarting_probe() =>
        {
            (reason.clone(), false)
        }
        // What a new pod does not have, what passes by itself, and what is reported elsewhere.
        Reason::ContainersNotReady { .. }
        | Reason::ReadinessGatesNotReady { .. }
        | Reason::Warning { .. }
        | Reason::NotCreated
        | Reason::NotObserved { .. }
        | Reason::NoLongerUnschedulable { .. }
        | Reason::SchedulerError { .. }
        | Reason::NotScheduled { .. }
        | Reason::NotKnown { .. }
        | Reason::NodePressure { .. }
        | Reason::TaintEviction { .. }
        | Reason::PodSucceeded
        | Reason::Initializing { .. }
        | Reason::ContainerCreating
        | Reason::NotSeenByKubelet
        | Reason::NodeNotReady { .. }
        | Reason::VirtualNode { .. }
        | Reason::NodeDeleting { .. }
        | Reason::NodeMaintenance { .. }
        | Reason::MinReadySeconds { .. }
        | Reason::Terminating { .. }
        | Reason::DaemonSetDeleting { .. }
        | Reason::StuckTerminating { .. }
        | Reason::SurgeHostPortConflict { .. }
        | Reason::SurgeAntiAffinityConflict
        | Reason::OldPodOnDeletedNode { .. }
        | Reason::ExtraPods { .. }
        | Reason::NotEligible(_)
        | Reason::Rejected { .. }
        | Reason::FilterRejection(_) => return None,
    };
    Some(NodeProblem { problem: Problem::new_pod(reason), needs_intervention })
}

fn image_of(container: &str, daemon_set: &DaemonSet) -> Option<String> {
    let spec = daemon_set.spec.template.spec.as_ref()?;
    let containers = spec.containers.iter().chain(spec.init_containers.iter().flatten());
    containers.filter(|candidate| candidate.name == container).find_map(|container| container.image.clone())
}
