//! Since when an expression is true: a lower bound of the duration that never exceeds the real one.
//!
//! The expressions read `.status` only, and the API server records in `managedFields` when `.status` last changed: what is
//! true of it now has been true since then. It may have been true for longer, with other numbers, which no object shows.
//!
//! Example: a pod has been misscheduled for 2 hours. 4 minutes ago another pod became ready, which changed
//! `numberReady`. Only the last 4 minutes are proven.
//!
//! Upstream: `apimachinery/pkg/util/managedfields/internal/managedfieldsupdater.go` `Update` sets the time of an entry only
//! if the request changed a field; `pkg/registry/apps/daemonset/strategy.go` `daemonSetStatusStrategy`: only requests to the
//! subresource change `.status`.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::DaemonSet;

use super::alert::Alert;
use crate::coverage::Counts;
use crate::snapshot::Generation;

/// The window in which `KubeDaemonSetRolloutStuck` requires that the number of updated pods does not change:
/// `changes(kube_daemonset_status_updated_number_scheduled[5m]) == 0`.
const WITHOUT_CHANGE: SignedDuration = SignedDuration::from_mins(5);

/// The manager in which the API server merges old entries of `managedFields`. Their subresource is lost.
///
/// Upstream: `apimachinery/pkg/util/managedfields/internal/capmanagers.go`.
const MERGED_ENTRIES: &str = "ancient-changes";

/// When `.status` last changed. `None` if the object has no `managedFields`, as in the output of `kubectl get` without
/// `--show-managed-fields`.
pub(super) fn status_changed(daemon_set: &DaemonSet) -> Option<Timestamp> {
    let entries = || daemon_set.metadata.managed_fields.iter().flatten();
    if entries().any(|entry| entry.manager.as_deref() == Some(MERGED_ENTRIES)) {
        return None;
    }
    let of_status = entries().filter(|entry| entry.subresource.as_deref() == Some("status"));
    // Without its time, an entry may be the newest one.
    let times: Option<Vec<Timestamp>> = of_status.map(|entry| Some(entry.time.as_ref()?.0)).collect();
    times?.into_iter().max()
}

/// Since when the expression of an alert that `.status` makes true is true at least. `None` if nothing is proven.
///
/// `KubeDaemonSetRolloutStuck` also requires that the number of updated pods did not change for [`WITHOUT_CHANGE`]. What
/// the last write of `.status` changed is not known, so it may have been that number: the proof begins later by this time.
pub(super) fn true_since(
    alert: Alert,
    daemon_set: &DaemonSet,
    changed: Option<Timestamp>,
    now: Timestamp,
) -> Option<Timestamp> {
    let changed = changed?;
    let since = match alert {
        Alert::KubeDaemonSetMisScheduled | Alert::KubeDaemonSetNotScheduled => changed,
        Alert::KubeDaemonSetRolloutStuck if may_omit_a_change(daemon_set) => return None,
        Alert::KubeDaemonSetRolloutStuck => changed.checked_add(WITHOUT_CHANGE).ok()?,
    };
    (since <= now).then_some(since)
}

/// Whether a change to 0 updated pods may have left no time: a field that becomes 0 is omitted, and a request that only
/// removes fields does not set the time of its entry. Together with the number, the controller writes the observed
/// generation, so that this can only be if that is outdated.
fn may_omit_a_change(daemon_set: &DaemonSet) -> bool {
    Counts::of_status(daemon_set).up_to_date == Some(0) && !Generation::new(daemon_set).is_observed()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::objects;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn daemon_set(managed_fields: Value, status: Value) -> DaemonSet {
        objects::daemon_set(
            "ns",
            "agent",
            json!({ "metadata": { "generation": 2, "managedFields": managed_fields }, "status": status }),
        )
    }

    fn entry(manager: &str, subresource: Option<&str>, time: &str) -> Value {
        json!({ "manager": manager, "operation": "Update", "subresource": subresource, "time": time })
    }

    const T1: &str = "2026-01-01T10:00:00Z";
    const T2: &str = "2026-01-01T11:00:00Z";
    const T3: &str = "2026-01-01T12:00:00Z";

    #[test]
    fn only_the_newest_write_of_the_status_counts() {
        let both = json!([
            entry("kube-controller-manager", Some("status"), T1),
            entry("other", Some("status"), T2),
            entry("kubectl", None, T3),
        ]);
        assert_eq!(status_changed(&daemon_set(both, Value::Null)), Some(at(T2)));
        assert_eq!(status_changed(&daemon_set(json!([entry("kubectl", None, T3)]), Value::Null)), None);
        assert_eq!(status_changed(&daemon_set(json!([]), Value::Null)), None);
    }

    #[test]
    fn entries_that_may_hide_a_write_prove_nothing() {
        let known = || entry("kube-controller-manager", Some("status"), T1);
        let untimed = json!({ "manager": "other", "operation": "Update", "subresource": "status" });
        assert_eq!(status_changed(&daemon_set(json!([known(), untimed]), Value::Null)), None);
        let merged = entry("ancient-changes", None, T1);
        assert_eq!(status_changed(&daemon_set(json!([known(), merged]), Value::Null)), None);
    }

    #[test]
    fn stuck_rollout_is_proven_five_minutes_later() {
        let set = daemon_set(json!([]), json!({ "observedGeneration": 2, "updatedNumberScheduled": 1 }));
        let since = |alert, now: &str| true_since(alert, &set, Some(at(T1)), at(now));
        assert_eq!(since(Alert::KubeDaemonSetMisScheduled, T2), Some(at(T1)));
        assert_eq!(since(Alert::KubeDaemonSetNotScheduled, T1), Some(at(T1)));
        assert_eq!(since(Alert::KubeDaemonSetRolloutStuck, T2), Some(at("2026-01-01T10:05:00Z")));
        assert_eq!(since(Alert::KubeDaemonSetRolloutStuck, "2026-01-01T10:04:59Z"), None);
        assert_eq!(true_since(Alert::KubeDaemonSetMisScheduled, &set, None, at(T2)), None);
    }

    #[test]
    fn change_to_zero_updated_pods_may_have_no_time() {
        let stuck = |status: Value| {
            let set = daemon_set(json!([]), status);
            true_since(Alert::KubeDaemonSetRolloutStuck, &set, Some(at(T1)), at(T2))
        };
        assert_eq!(stuck(json!({ "observedGeneration": 1 })), None);
        assert!(stuck(json!({ "observedGeneration": 2 })).is_some());
        assert!(stuck(json!({ "observedGeneration": 1, "updatedNumberScheduled": 1 })).is_some());
    }
}
