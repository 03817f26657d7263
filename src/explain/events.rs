//! Reads the evidence in warning events.
//!
//! Upstream: `pkg/controller/controller_utils.go` `createPods` (FailedCreate on the DaemonSet); kubelet and volume
//! controllers (warnings on the pod).

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::Event;

use super::{Reason, State};
use crate::admission::FailedCreateEvent;
use crate::snapshot::event::{involved_uid, is_failed_create, is_failed_daemon_pod, is_warning, last_seen};

/// The controller waits at most 15 minutes until it deletes the next failed pod of a node
/// (`pkg/controller/daemon/daemon_controller.go` `failedPodsBackoff`); some minutes more until it is reported.
const FAILED_PODS_BACKOFF: SignedDuration = SignedDuration::from_mins(20);
/// The exit codes of a container that the kubelet ended: with SIGKILL, with SIGTERM, and after it handled SIGTERM.
const EXITS_OF_ENDED: [i32; 3] = [137, 143, 0];

/// Whether a warning event can say more about a pod than its status: the pod is starting or not ready, and every reason
/// is transitional. `reasons` are those of the status alone.
pub(crate) fn may_explain(state: State, reasons: &[Reason]) -> bool {
    matches!(state, State::Starting | State::NotReady)
        && (reasons.iter().all(Reason::is_transitional) || reasons.iter().any(may_have_been_ended))
}

/// Whether the kubelet may have ended the container: the events tell whether a probe was the cause.
fn may_have_been_ended(reason: &Reason) -> bool {
    match reason {
        Reason::CrashLoopBackOff { last_exit: Some(exit), .. }
        | Reason::ContainerTerminated { last_exit: exit, .. } => {
            EXITS_OF_ENDED.contains(&exit.exit_code) && exit.reason != "OOMKilled"
        }
        _ => false,
    }
}

/// Whether the controller counted no pods: then its events about rejections are evidence even if pods are unknown.
pub(crate) fn status_counts_no_pods(daemon_set: &DaemonSet) -> bool {
    daemon_set.status.as_ref().is_some_and(|status| status.current_number_scheduled == 0)
}

/// The newest event that reports why a pod of the DaemonSet with this uid could not be created.
pub(crate) fn failed_create(events: &[Event], daemon_set_uid: &str) -> Option<FailedCreateEvent> {
    let event = newest(events, daemon_set_uid, is_failed_create)?;
    let message = event.message.as_deref().unwrap_or_default();
    // The client library aggregates similar events under this prefix; the message after it is the newest one.
    let message = message.strip_prefix("(combined from similar events): ").unwrap_or(message);
    Some(FailedCreateEvent {
        text: message.strip_prefix("Error creating: ").unwrap_or(message).to_owned(),
        count: count(event),
        last_seen: last_seen(event),
    })
}

/// The warning about the pod with this uid that says most: the newest one, but a probe that restarts the container before
/// one that only makes it not ready, which fails just the same while the container is down. That the kubelet waits before
/// the next attempt is known from the status of the container, and says nothing about the cause.
pub(crate) fn newest_warning(events: &[Event], pod_uid: &str) -> Option<Reason> {
    let is_informative = |event: &Event| is_warning(event) && event.reason.as_deref() != Some("BackOff");
    let newest_one = warning(newest(events, pod_uid, is_informative)?);
    let is_of_probe = matches!(&newest_one, Reason::Warning { reason, .. } if reason == "Unhealthy");
    let is_restarting = |event: &Event| is_informative(event) && warning(event).is_restarting_probe();
    let restarting = || newest(events, pod_uid, is_restarting).map(warning);
    Some(if is_of_probe { restarting().unwrap_or(newest_one) } else { newest_one })
}

fn warning(event: &Event) -> Reason {
    Reason::Warning {
        reason: event.reason.clone().unwrap_or_default(),
        detail: event.message.clone().unwrap_or_default(),
        count: count(event),
        last_seen: last_seen(event),
    }
}

/// That the controller deletes failed pods of the DaemonSet on the node again and again: the newest such event, with the
/// number of all. An event for several nodes ("combined from similar events") names only one of them, and is not counted.
///
/// Upstream: `pkg/controller/daemon/daemon_controller.go` `podsShouldBeOnNode`.
pub(crate) fn failed_pods(events: &[Event], daemon_set_uid: &str, node: &str, now: Timestamp) -> Option<Reason> {
    let end = format!(" on node {node}, will try to kill it");
    let is_of_node = |event: &Event| {
        let message = event.message.as_deref().unwrap_or_default();
        is_failed_daemon_pod(event) && message.starts_with("Found failed daemon pod ") && message.ends_with(&end)
    };
    let latest = newest(events, daemon_set_uid, is_of_node)?;
    let is_recent = last_seen(latest).is_some_and(|seen| now.duration_since(seen) < FAILED_PODS_BACKOFF);
    let all = events.iter().filter(|event| involved_uid(event) == daemon_set_uid && is_of_node(event)).map(count);
    let count = all.fold(0, i32::saturating_add);
    is_recent.then(|| match warning(latest) {
        Reason::Warning { reason, detail, last_seen, .. } => Reason::Warning { reason, detail, count, last_seen },
        other => other,
    })
}

/// When the scheduler last reported that it found no node for the pod with this uid
/// (`pkg/scheduler/schedule_one.go` `handleSchedulingFailure`).
pub(crate) fn failed_scheduling(events: &[Event], pod_uid: &str) -> Option<Timestamp> {
    let is_of_scheduler = |event: &Event| event.reason.as_deref() == Some("FailedScheduling");
    last_seen(newest(events, pod_uid, is_of_scheduler)?)
}

fn newest<'e>(events: &'e [Event], uid: &str, wanted: impl Fn(&Event) -> bool) -> Option<&'e Event> {
    events
        .iter()
        .filter(|event| !uid.is_empty() && involved_uid(event) == uid)
        .filter(|event| wanted(event))
        .max_by_key(|event| last_seen(event))
}

/// The number of occurrences: the legacy events API has it in `count`, the new one in `series.count`.
fn count(event: &Event) -> i32 {
    let series = event.series.as_ref().and_then(|series| series.count);
    series.or(event.count).unwrap_or(1).max(1)
}
