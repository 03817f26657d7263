//! What an event is about, and when it happened.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;

/// The reason of the events by which the DaemonSet controller reports that a pod could not be created.
///
/// Upstream: `pkg/controller/controller_utils.go` `FailedCreatePodReason`.
pub(crate) const FAILED_CREATE: &str = "FailedCreate";

/// When the event happened last, in whichever field the reporting API left it.
pub(crate) fn last_seen(event: &Event) -> Option<Timestamp> {
    let series = event.series.as_ref().and_then(|series| series.last_observed_time.as_ref());
    series
        .map(|time| time.0)
        .or_else(|| event.last_timestamp.as_ref().map(|time| time.0))
        .or_else(|| event.event_time.as_ref().map(|time| time.0))
        .or_else(|| event.metadata.creation_timestamp.as_ref().map(|time| time.0))
}

/// The uid of the object that the event is about; empty where it states none.
pub(crate) fn involved_uid(event: &Event) -> &str {
    event.involved_object.uid.as_deref().unwrap_or_default()
}

/// Whether the event is of type `Warning`.
pub(crate) fn is_warning(event: &Event) -> bool {
    event.type_.as_deref() == Some("Warning")
}

/// Whether the event reports that a pod could not be created.
pub(crate) fn is_failed_create(event: &Event) -> bool {
    is_warning(event) && event.reason.as_deref() == Some(FAILED_CREATE)
}
