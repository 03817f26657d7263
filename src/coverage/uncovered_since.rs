//! Since when a node has no available pod of a DaemonSet.

use jiff::Timestamp;

use crate::explain::State;
use crate::snapshot::{Node, PodSummary};

/// The earliest time from which on the objects show that the node has no available pod: the last change of the pod's
/// condition `Ready`, or of the node's if that is later, or the pod's creation. `None` in healthy states, and if no object
/// has a time, as for a pod that was never created.
pub(super) fn uncovered_since(state: State, pod: Option<&PodSummary>, node: Option<&Node>) -> Option<Timestamp> {
    match state {
        State::Available | State::Ready | State::Excluded | State::Unknown => return None,
        State::Missing
        | State::Failed
        | State::NotReady
        | State::Pending
        | State::Succeeded
        | State::Terminating
        | State::Starting
        | State::Misscheduled => {}
    }
    let pod = pod?;
    match pod.condition("Ready") {
        Some(ready) if !ready.is_true() => ready.last_transition_time.map(|time| time.timestamp()),
        // A ready pod does not cover a node whose kubelet is silent.
        Some(_) => {
            let ready = node?.not_ready_condition()?;
            ready.last_transition_time.map(|time| time.timestamp())
        }
        None => pod.metadata.creation_timestamp.map(|time| time.timestamp()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn pod(conditions: serde_json::Value) -> PodSummary {
        serde_json::from_value(json!({
            "metadata": {"name": "p", "creationTimestamp": "2026-01-01T00:00:00Z"},
            "status": {"conditions": conditions}
        }))
        .unwrap()
    }

    fn at(text: &str) -> Option<Timestamp> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn uncovered_since_is_the_last_change_of_ready() {
        let not_ready =
            pod(json!([{"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T01:00:00Z"}]));
        assert_eq!(uncovered_since(State::NotReady, Some(&not_ready), None), at("2026-01-01T01:00:00Z"));
        let unscheduled = pod(json!([{"type": "PodScheduled", "status": "False"}]));
        assert_eq!(uncovered_since(State::Pending, Some(&unscheduled), None), at("2026-01-01T00:00:00Z"));
    }

    #[test]
    fn healthy_and_never_created_pods_have_no_time() {
        let ready = pod(json!([{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T01:00:00Z"}]));
        assert_eq!(uncovered_since(State::Available, Some(&ready), None), None);
        assert_eq!(uncovered_since(State::Terminating, Some(&ready), None), None);
        assert_eq!(uncovered_since(State::Missing, None, None), None);
    }
}
