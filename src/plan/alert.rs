//! The alerts of kubernetes-mixin that fire after the change.
//!
//! Upstream: `github.com/kubernetes-monitoring/kubernetes-mixin` `alerts/apps_alerts.libsonnet`: the expressions read the
//! counts of `.status`.

use serde::Serialize;

use crate::coverage::Counts;

/// An alert that fires because of the change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[expect(clippy::enum_variant_names, reason = "the names of the alerts")]
pub(crate) enum Alert {
    /// After 15 minutes: pods run on nodes that are not eligible.
    KubeDaemonSetMisScheduled,
    /// After 10 minutes: eligible nodes have no pod object.
    KubeDaemonSetNotScheduled,
    /// After 15 minutes: pods are not available, not up to date or misscheduled, and nothing changes.
    KubeDaemonSetRolloutStuck,
}

impl Alert {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::KubeDaemonSetMisScheduled => "KubeDaemonSetMisScheduled",
            Self::KubeDaemonSetNotScheduled => "KubeDaemonSetNotScheduled",
            Self::KubeDaemonSetRolloutStuck => "KubeDaemonSetRolloutStuck",
        }
    }

    /// After how many minutes it fires.
    pub(crate) fn minutes(self) -> u32 {
        match self {
            Self::KubeDaemonSetMisScheduled | Self::KubeDaemonSetRolloutStuck => 15,
            Self::KubeDaemonSetNotScheduled => 10,
        }
    }
}

/// The alerts for these counts that did not fire for the counts before.
pub(super) fn alerts(before: Option<Counts>, after: Counts, is_blocked: bool) -> Vec<Alert> {
    let mut alerts = firing(after, is_blocked);
    let fired = before.map(|before| firing(before, false)).unwrap_or_default();
    alerts.retain(|alert| !fired.contains(alert));
    alerts
}

fn firing(counts: Counts, is_blocked: bool) -> Vec<Alert> {
    let is_less = |part: Option<usize>| part.zip(counts.desired).is_some_and(|(part, desired)| part < desired);
    let is_misscheduled = counts.misscheduled.is_some_and(|pods| pods > 0);
    let is_stuck = is_misscheduled
        || is_blocked
        || is_less(counts.current)
        || is_less(counts.up_to_date)
        || is_less(counts.available);
    [
        (Alert::KubeDaemonSetMisScheduled, is_misscheduled),
        (Alert::KubeDaemonSetNotScheduled, is_less(counts.current)),
        (Alert::KubeDaemonSetRolloutStuck, is_stuck),
    ]
    .into_iter()
    .filter_map(|(alert, fires)| fires.then_some(alert))
    .collect()
}
