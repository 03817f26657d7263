//! The object and the time of an event.
//!
//! The two events APIs store the time in different fields.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;

/// The reason of the events in which the DaemonSet controller reports that it could not create a pod.
///
/// Upstream: `pkg/controller/controller_utils.go` `FailedCreatePodReason`.
pub(crate) const FAILED_CREATE: &str = "FailedCreate";

/// The reason of the events in which the DaemonSet controller reports that it deletes a failed pod.
///
/// Upstream: `pkg/controller/daemon/daemon_controller.go` `FailedDaemonPodReason`.
pub(crate) const FAILED_DAEMON_POD: &str = "FailedDaemonPod";

/// When the event occurred last, from whichever field the reporting client set.
pub(crate) fn last_seen(event: &Event) -> Option<Timestamp> {
    let series = event.series.as_ref().and_then(|series| series.last_observed_time.as_ref());
    series
        .map(|time| time.0)
        .or_else(|| event.last_timestamp.as_ref().map(|time| time.0))
        .or_else(|| event.event_time.as_ref().map(|time| time.0))
        .or_else(|| event.metadata.creation_timestamp.as_ref().map(|time| time.0))
}

/// The node whose kubelet reported the event; none if something else did.
pub(crate) fn kubelet_node(event: &Event) -> Option<&str> {
    let source = event.source.as_ref();
    let component = source.and_then(|source| source.component.as_deref()).or(event.reporting_component.as_deref());
    let host = source.and_then(|source| source.host.as_deref()).or(event.reporting_instance.as_deref());
    host.filter(|host| component == Some("kubelet") && !host.is_empty())
}

/// The uid of the involved object; empty if the event has none.
pub(crate) fn involved_uid(event: &Event) -> &str {
    event.involved_object.uid.as_deref().unwrap_or_default()
}

pub(crate) fn is_warning(event: &Event) -> bool {
    event.type_.as_deref() == Some("Warning")
}

pub(crate) fn is_failed_daemon_pod(event: &Event) -> bool {
    is_warning(event) && event.reason.as_deref() == Some(FAILED_DAEMON_POD)
}

pub(crate) fn is_failed_create(event: &Event) -> bool {
    is_warning(event) && event.reason.as_deref() == Some(FAILED_CREATE)
}
