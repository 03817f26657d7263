//! Converts events of the group `events.k8s.io` to events of the core group. The API server stores one object and
//! serves it in both groups, with different field names.
//!
//! Upstream: `pkg/apis/events/v1/conversion.go` `Convert_v1_Event_To_core_Event`, and the same for `v1beta1`.

use k8s_openapi::api::core::v1::{Event, EventSeries, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta, Time};
use serde::Deserialize;

/// The versions of the group with this format.
pub(super) const API_VERSIONS: [&str; 2] = ["events.k8s.io/v1", "events.k8s.io/v1beta1"];

/// An event of one of these versions.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct EventV1 {
    metadata: ObjectMeta,
    regarding: ObjectReference,
    related: Option<ObjectReference>,
    reason: Option<String>,
    note: Option<String>,
    #[serde(rename = "type")]
    event_type: Option<String>,
    action: Option<String>,
    event_time: Option<MicroTime>,
    series: Option<EventSeries>,
    deprecated_count: Option<i32>,
    deprecated_first_timestamp: Option<Time>,
    deprecated_last_timestamp: Option<Time>,
    deprecated_source: Option<EventSource>,
    reporting_controller: Option<String>,
    reporting_instance: Option<String>,
}

impl From<EventV1> for Event {
    fn from(event: EventV1) -> Self {
        Self {
            metadata: event.metadata,
            involved_object: event.regarding,
            related: event.related,
            reason: event.reason,
            message: event.note,
            type_: event.event_type,
            action: event.action,
            event_time: event.event_time,
            series: event.series,
            count: event.deprecated_count,
            first_timestamp: event.deprecated_first_timestamp,
            last_timestamp: event.deprecated_last_timestamp,
            source: event.deprecated_source,
            reporting_component: event.reporting_controller,
            reporting_instance: event.reporting_instance,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    #[test]
    fn event_v1_converts_to_the_core_event() {
        let object = json!({ "kind": "Pod", "namespace": "n", "name": "p", "uid": "u" });
        let metadata = json!({ "namespace": "n", "name": "p.1", "uid": "e" });
        let (first, last) = ("2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z");
        let micro = "2026-01-01T01:00:00.000001Z";
        let source = json!({ "component": "kubelet", "host": "n1" });
        let series = json!({ "count": 72, "lastObservedTime": micro });
        let new = json!({
            "metadata": metadata, "regarding": object, "related": object, "reason": "FailedMount", "note": "words",
            "type": "Warning", "action": "Mount", "eventTime": micro, "series": series, "deprecatedCount": 3,
            "deprecatedFirstTimestamp": first, "deprecatedLastTimestamp": last, "deprecatedSource": source,
            "reportingController": "kubelet", "reportingInstance": "n1",
        });
        let core = json!({
            "metadata": metadata, "involvedObject": object, "related": object, "reason": "FailedMount",
            "message": "words", "type": "Warning", "action": "Mount", "eventTime": micro, "series": series, "count": 3,
            "firstTimestamp": first, "lastTimestamp": last, "source": source, "reportingComponent": "kubelet",
            "reportingInstance": "n1",
        });
        let converted = Event::from(serde_json::from_value::<EventV1>(new).unwrap());
        assert_eq!(converted, serde_json::from_value::<Event>(core).unwrap());
    }
}
