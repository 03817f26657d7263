//! Which events a command needs. One [`EventQuery`] both builds the field selector for a live cluster and filters the
//! events of saved files, so that both give the same results.
//!
//! Code that uses an event in an explanation adds the involved object here. That decision must not depend on an event,
//! so that the query of a snapshot is the same before and after its events are read.

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::Event;

use super::Known;
use super::event::{FAILED_CREATE, involved_uid, is_failed_create, is_failed_daemon_pod, is_warning};

/// The objects whose events are used: all warnings about pods, and FailedCreate and FailedDaemonPod of DaemonSets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct EventQuery {
    daemon_sets: BTreeSet<String>,
    pods: BTreeSet<String>,
    /// DaemonSets whose failed pods the controller deletes.
    with_failed_pods: BTreeSet<String>,
}

/// What is requested from the API server: the narrowest of its field selectors that covers a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventFields {
    /// FailedCreate events of DaemonSets.
    DaemonSets,
    /// Warnings about pods.
    Pods,
    /// All warnings: a field selector has no "or", so this covers both.
    Warnings,
}

impl EventQuery {
    /// Adds the events that report why no pod of the DaemonSet could be created.
    pub(crate) fn add_daemon_set(&mut self, daemon_set: &DaemonSet) {
        self.daemon_sets.extend(daemon_set.metadata.uid.clone());
    }

    /// Adds the events that report that the controller deletes failed pods of the DaemonSet.
    pub(crate) fn add_failed_pods(&mut self, daemon_set: &DaemonSet) {
        self.with_failed_pods.extend(daemon_set.metadata.uid.clone());
    }

    /// Adds the warnings about the pod with this uid.
    pub(crate) fn add_pod(&mut self, uid: &str) {
        if !uid.is_empty() {
            self.pods.insert(uid.to_owned());
        }
    }

    /// Adds the objects of another query.
    pub(crate) fn extend(&mut self, other: Self) {
        self.daemon_sets.extend(other.daemon_sets);
        self.pods.extend(other.pods);
        self.with_failed_pods.extend(other.with_failed_pods);
    }

    /// Whether the query needs no events.
    pub(crate) fn is_empty(&self) -> bool {
        self.fields().is_none()
    }

    /// The field selector to use; none if no events are needed.
    pub(crate) fn fields(&self) -> Option<EventFields> {
        if !self.with_failed_pods.is_empty() {
            return Some(EventFields::Warnings);
        }
        match (self.daemon_sets.is_empty(), self.pods.is_empty()) {
            (true, true) => None,
            (false, true) => Some(EventFields::DaemonSets),
            (true, false) => Some(EventFields::Pods),
            (false, false) => Some(EventFields::Warnings),
        }
    }

    /// Whether the query needs the event.
    pub(crate) fn selects(&self, event: &Event) -> bool {
        let uid = involved_uid(event);
        (is_warning(event) && self.pods.contains(uid))
            || (is_failed_create(event) && self.daemon_sets.contains(uid))
            || (is_failed_daemon_pod(event) && self.with_failed_pods.contains(uid))
    }

    /// The events that the query needs. An empty query needs none, so its result is known even if events could not be
    /// read.
    pub(crate) fn select(&self, events: Known<Vec<Event>>) -> Known<Vec<Event>> {
        match events {
            Known::Known(mut events) => {
                events.retain(|event| self.selects(event));
                Known::Known(events)
            }
            Known::Unknown(_) if self.is_empty() => Known::Known(Vec::new()),
            unknown @ Known::Unknown(_) => unknown,
        }
    }
}

impl EventFields {
    /// The field selector as text.
    ///
    /// Upstream: `pkg/registry/core/event/strategy.go` `ToSelectableFields`.
    pub(crate) fn selector(self) -> String {
        match self {
            Self::DaemonSets => format!("type=Warning,reason={FAILED_CREATE},involvedObject.kind=DaemonSet"),
            Self::Pods => "type=Warning,involvedObject.kind=Pod".to_owned(),
            Self::Warnings => "type=Warning".to_owned(),
        }
    }

    /// Whether the events of this selector include all events of the other one.
    pub(crate) fn covers(self, other: Self) -> bool {
        self == other || self.covers_all()
    }

    /// Whether the events of this selector include those of any query.
    pub(crate) fn covers_all(self) -> bool {
        self == Self::Warnings
    }

    /// The narrowest selector that covers both.
    pub(crate) fn union(self, other: Self) -> Self {
        if self == other { self } else { Self::Warnings }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::objects::{self, daemon_set};

    fn event(kind: &str, uid: &str, reason: &str, event_type: &str) -> Event {
        objects::event(kind, uid, reason, json!({ "type": event_type }))
    }

    fn query(daemon_sets: &[&str], pods: &[&str]) -> EventQuery {
        let mut query = EventQuery::default();
        for uid in daemon_sets {
            query.add_daemon_set(&daemon_set("ns", "d", json!({ "metadata": { "uid": uid } })));
        }
        pods.iter().for_each(|uid| query.add_pod(uid));
        query
    }

    #[test]
    fn event_query_selects_by_object_type_and_reason() {
        let query = query(&["ds"], &["pod"]);
        for (event, expected) in [
            (event("Pod", "pod", "FailedMount", "Warning"), true),
            (event("Pod", "pod", "Pulled", "Normal"), false),
            (event("Pod", "other", "FailedMount", "Warning"), false),
            (event("DaemonSet", "ds", "FailedCreate", "Warning"), true),
            (event("DaemonSet", "ds", "FailedDaemonPod", "Warning"), false),
            (event("DaemonSet", "ds", "SuccessfulCreate", "Normal"), false),
            (event("DaemonSet", "other", "FailedCreate", "Warning"), false),
        ] {
            assert_eq!(query.selects(&event), expected, "{event:?}");
        }
    }

    #[test]
    fn failed_pods_of_a_daemon_set_are_selected_on_request() {
        let mut query = query(&[], &["pod"]);
        query.add_failed_pods(&daemon_set("ns", "d", json!({ "metadata": { "uid": "ds" } })));
        assert!(query.selects(&event("DaemonSet", "ds", "FailedDaemonPod", "Warning")));
        assert!(!query.selects(&event("DaemonSet", "ds", "FailedCreate", "Warning")));
        assert!(!query.selects(&event("DaemonSet", "other", "FailedDaemonPod", "Warning")));
        assert_eq!(query.fields(), Some(EventFields::Warnings));
    }

    #[test]
    fn event_query_without_objects_misses_no_events() {
        let unknown = || Known::not_saved("the files contain no events");
        assert!(query(&[], &[]).is_empty());
        assert_eq!(query(&[], &[]).select(unknown()), Known::Known(Vec::new()));
        assert_eq!(query(&[], &["pod"]).select(unknown()), unknown());
        let events = Known::Known(vec![event("Pod", "pod", "FailedMount", "Warning")]);
        assert_eq!(query(&[], &[]).select(events), Known::Known(Vec::new()));
    }

    #[test]
    fn event_fields_are_the_narrowest_that_cover_a_query() {
        use EventFields::{DaemonSets, Pods, Warnings};
        let fields = |daemon_sets: &[&str], pods: &[&str]| query(daemon_sets, pods).fields();
        assert_eq!(fields(&[], &[]), None);
        assert_eq!(fields(&["ds"], &[]), Some(DaemonSets));
        assert_eq!(fields(&[], &["pod"]), Some(Pods));
        assert_eq!(fields(&["ds"], &["pod"]), Some(Warnings));
        assert_eq!(DaemonSets.selector(), "type=Warning,reason=FailedCreate,involvedObject.kind=DaemonSet");
        for (one, other, covers) in
            [(Pods, Pods, true), (Pods, DaemonSets, false), (Warnings, Pods, true), (Pods, Warnings, false)]
        {
            assert_eq!(one.covers(other), covers, "{one:?} {other:?}");
            assert!(one.union(other).covers(one) && one.union(other).covers(other));
        }
    }
}
