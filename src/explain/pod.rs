//! The state of a pod and its reasons, from the pod's own status.
//!
//! Upstream: `pkg/printers/internalversion/printers.go` `printPod` for the containers' reasons;
//! `pkg/api/pod/util.go` `IsPodReady`, `IsPodAvailable`.

#[cfg(test)]
mod tests;

use jiff::{SignedDuration, Timestamp};

use super::{Exit, FailedBy, ReadyStatus, Reason, State};
use crate::snapshot::pod_summary::{Condition, ContainerStatus, Terminated};
use crate::snapshot::{Node, PodSummary};

/// The kubelet's reasons for an image that cannot be pulled (`pkg/kubelet/images/types.go`).
const IMAGE_REASONS: [&str; 7] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "ImageInspectError",
    "RegistryUnavailable",
    "SignatureValidationFailed",
];
/// Waiting reasons of a container that starts normally.
const PASSING_REASONS: [&str; 3] = ["", "ContainerCreating", "PodInitializing"];

/// Whether the condition `Ready` is `True`, whatever the phase and even if the pod is being deleted.
pub(crate) fn is_ready(pod: &PodSummary) -> bool {
    pod.condition("Ready").is_some_and(Condition::is_true)
}

/// Whether the pod has been ready for at least `min_ready_seconds`.
pub(crate) fn is_available(pod: &PodSummary, min_ready_seconds: i32, now: Timestamp) -> bool {
    if !is_ready(pod) {
        return false;
    }
    if min_ready_seconds <= 0 {
        return true;
    }
    let wait = SignedDuration::from_secs(min_ready_seconds.into());
    ready_since(pod).is_some_and(|since| now.duration_since(since) >= wait)
}

fn ready_since(pod: &PodSummary) -> Option<Timestamp> {
    Some(pod.condition("Ready")?.last_transition_time?.timestamp())
}

/// The state of the pod with every reason for it. `node` is the node that the pod is bound to, if it is known.
pub(crate) fn pod_state(
    pod: &PodSummary,
    node: Option<&Node>,
    min_ready_seconds: i32,
    now: Timestamp,
) -> (State, Vec<Reason>) {
    if pod.is_terminating() {
        return (State::Terminating, terminating(pod, node, now));
    }
    match pod.status.phase.as_str() {
        "Failed" => return (State::Failed, vec![failed(pod)]),
        "Succeeded" => return (State::Succeeded, [Reason::PodSucceeded].into_iter().chain(exits(pod)).collect()),
        _ if pod.spec.node_name.is_empty() => return (State::Pending, vec![unscheduled(pod)]),
        _ => {}
    }
    if is_available(pod, min_ready_seconds, now) {
        return (State::Available, Vec::new());
    }
    if is_ready(pod) {
        let since = ready_since(pod);
        return (State::Ready, vec![Reason::MinReadySeconds { min_ready_seconds, since }]);
    }
    let node_trouble = node.and_then(Reason::node_not_ready);
    let container_trouble = troubles(pod);
    if node_trouble.is_some() || !container_trouble.is_empty() {
        // A kubelet that reports starts containers, so their trouble may be why the node is not ready.
        let is_silent = matches!(node_trouble, Some(Reason::NodeNotReady { status: ReadyStatus::Unknown, .. }));
        let reasons = match is_silent {
            true => node_trouble.into_iter().chain(container_trouble).collect(),
            false => container_trouble.into_iter().chain(node_trouble).collect(),
        };
        return (State::NotReady, reasons);
    }
    match progress(pod) {
        Some(progress) => (State::Starting, vec![progress]),
        None => (State::NotReady, vec![unready(pod)]),
    }
}

/// That a pod on the node that is not healthy never will be, because the node is virtual.
pub(crate) fn on_virtual_node(node: &Node, state: State) -> Option<Reason> {
    let is_concerned = match state {
        State::Missing | State::Failed | State::NotReady | State::Pending | State::Succeeded | State::Starting => true,
        State::Available
        | State::Ready
        | State::Excluded
        | State::Misscheduled
        | State::Terminating
        | State::Unknown => false,
    };
    node.virtual_node().filter(|_| is_concerned).map(|provider| Reason::VirtualNode { provider })
}

/// That the node of a pod that is not healthy is being maintained or drained, or deleted.
pub(crate) fn on_leaving_node(node: &Node, state: State) -> impl Iterator<Item = Reason> {
    let is_concerned = match state {
        State::Missing
        | State::Failed
        | State::NotReady
        | State::Pending
        | State::Succeeded
        | State::Starting
        | State::Terminating
        | State::Misscheduled => true,
        State::Available | State::Ready | State::Excluded | State::Unknown => false,
    };
    let maintenance = node.lifecycle_condition().filter(|_| is_concerned).map(|condition| Reason::NodeMaintenance {
        condition: condition.type_.clone(),
        reason: condition.reason.clone(),
        detail: condition.message.trim_end_matches('.').to_owned(),
        since: condition.last_transition_time.map(|time| time.timestamp()),
    });
    let deletion = node
        .metadata
        .deletion_timestamp
        .filter(|_| is_concerned)
        .map(|since| Reason::NodeDeleting { since: since.timestamp(), finalizers: node.metadata.finalizers.clone() });
    maintenance.into_iter().chain(deletion)
}

fn terminating(pod: &PodSummary, node: Option<&Node>, now: Timestamp) -> Vec<Reason> {
    // The timestamp is the end of the grace period, not the time of the request.
    let Some(deadline) = pod.metadata.deletion_timestamp.map(|time| time.timestamp()) else {
        return Vec::new();
    };
    if deadline >= now {
        return vec![Reason::Terminating { deadline }];
    }
    let stuck = Reason::stuck_terminating(pod, deadline, node);
    [stuck].into_iter().chain(node.and_then(Reason::node_not_ready)).collect()
}

fn failed(pod: &PodSummary) -> Reason {
    let ended = pod.status.container_statuses.iter().filter_map(terminated).find(|end| end.exit_code != 0);
    // A pod that ended by itself has no `status.reason`.
    let (by, reason, detail) = match (pod.status.reason.as_str(), ended) {
        ("", Some(end)) => {
            let detail = format!("a container exited with code {}", end.exit_code);
            (FailedBy::Containers, end.reason.to_string(), detail)
        }
        (reason, _) => (FailedBy::Kubelet, reason.to_owned(), pod.status.message.to_string()),
    };
    let disruption = pod.condition("DisruptionTarget").filter(|condition| condition.is_true());
    let disruption = disruption.map(|condition| condition.reason.to_string());
    Reason::PodFailed { reason, detail, by, disruption }
}

fn exits(pod: &PodSummary) -> Vec<Reason> {
    let with_end = |status: &ContainerStatus| Some(ended(status, terminated(status)?));
    pod.status.container_statuses.iter().filter_map(with_end).collect()
}

fn unscheduled(pod: &PodSummary) -> Reason {
    let Some(condition) = pod.condition("PodScheduled") else {
        return Reason::NotScheduled { scheduler_name: None };
    };
    let scheduler = condition.message.to_string();
    match condition.reason.as_str() {
        "SchedulingGated" => Reason::SchedulingGated,
        "SchedulerError" => Reason::SchedulerError { scheduler },
        "Unschedulable" => Reason::Unschedulable { scheduler },
        _ => Reason::NotScheduled { scheduler_name: None },
    }
}

/// Problems of containers. A failing init container blocks all other containers, so only its problem is reported.
fn troubles(pod: &PodSummary) -> Vec<Reason> {
    let init: Vec<Reason> =
        pod.status.init_container_statuses.iter().filter(|status| !is_complete(status)).filter_map(trouble).collect();
    if !init.is_empty() {
        return init;
    }
    pod.status.container_statuses.iter().filter_map(trouble).collect()
}

/// A container that ended with 0 and was restarted this often is in trouble: it ends again and again.
const ENDS: i32 = 3;

/// Whether it ended with 0: an init container is done then, and any other container of a daemon should not end.
fn is_complete(status: &ContainerStatus) -> bool {
    let end = status.state.as_ref().and_then(|state| state.terminated.as_ref());
    end.is_some_and(|end| end.exit_code == 0 && end.signal == 0)
}

fn trouble(status: &ContainerStatus) -> Option<Reason> {
    let state = status.state.as_ref()?;
    if let Some(end) = &state.terminated {
        let is_trouble = !is_complete(status) || status.restart_count >= ENDS;
        return is_trouble.then(|| ended(status, end));
    }
    let waiting = state.waiting.as_ref()?;
    let container = status.name.to_string();
    let (reason, detail) = (waiting.reason.to_string(), waiting.message.to_string());
    match waiting.reason.as_str() {
        "CrashLoopBackOff" => Some(Reason::CrashLoopBackOff {
            container,
            restarts: status.restart_count,
            last_exit: status.last_state.as_ref().and_then(|last| last.terminated.as_deref()).map(exit),
        }),
        passing if PASSING_REASONS.contains(&passing) => None,
        image if IMAGE_REASONS.contains(&image) => Some(Reason::ImageError { container, image: None, reason, detail }),
        _ => Some(Reason::ContainerError { container, reason, detail }),
    }
}

fn terminated(status: &ContainerStatus) -> Option<&Terminated> {
    status.state.as_ref()?.terminated.as_deref()
}

fn ended(status: &ContainerStatus, end: &Terminated) -> Reason {
    Reason::ContainerTerminated {
        container: status.name.to_string(),
        restarts: status.restart_count,
        last_exit: exit(end),
    }
}

pub(crate) fn exit(end: &Terminated) -> Exit {
    Exit {
        exit_code: end.exit_code,
        signal: end.signal,
        reason: end.reason.to_string(),
        message: end.message.to_string(),
    }
}

/// The progress of a pod without problems whose containers do not all run yet.
fn progress(pod: &PodSummary) -> Option<Reason> {
    let total = pod.spec.init_containers.len();
    let is_initialized = pod.condition("Initialized").is_some_and(Condition::is_true);
    if pod.status.container_statuses.is_empty() && pod.status.init_container_statuses.is_empty() {
        return Some(Reason::NotSeenByKubelet);
    }
    if total > 0 && !is_initialized {
        let done =
            pod.spec.init_containers.iter().take_while(|init| is_done(pod, &init.name, init.is_sidecar())).count();
        let current = pod.spec.init_containers.get(done);
        let status = current.and_then(|init| pod.status.init_container_statuses.iter().find(|s| s.name == init.name));
        let container = status.filter(|status| status.is_running()).map(|status| status.name.to_string());
        return Some(Reason::Initializing { done, total, container });
    }
    (!pod.status.container_statuses.iter().all(ContainerStatus::is_running)).then_some(Reason::ContainerCreating)
}

/// An ordinary init container is done when it exited with 0, a sidecar when it has started.
fn is_done(pod: &PodSummary, name: &str, is_sidecar: bool) -> bool {
    let status = pod.status.init_container_statuses.iter().find(|status| status.name == name);
    status.is_some_and(|status| match is_sidecar {
        true => status.started == Some(true),
        false => terminated(status).is_some_and(|end| end.exit_code == 0),
    })
}

/// Why the pod is not ready, although all containers run.
fn unready(pod: &PodSummary) -> Reason {
    let condition = pod.condition("Ready");
    if let Some(condition) = condition.filter(|condition| condition.reason == "ReadinessGatesNotReady") {
        return Reason::ReadinessGatesNotReady { detail: condition.message.to_string() };
    }
    let unready = pod.status.container_statuses.iter().filter(|status| !status.ready);
    Reason::ContainersNotReady { containers: unready.map(|status| status.name.to_string()).collect() }
}
