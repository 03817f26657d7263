//! The alerts that fire because of a change.

use crate::alerts::Alert;
use crate::coverage::Counts;

/// The alerts for these counts that did not fire for the counts before. A blocked rollout fires `RolloutStuck`.
pub(super) fn new_alerts(before: Option<Counts>, after: Counts, is_blocked: bool) -> Vec<Alert> {
    let fires = |alert: Alert| alert.matches(&after) || is_blocked && alert == Alert::KubeDaemonSetRolloutStuck;
    let fired = |alert: Alert| before.is_some_and(|before| alert.matches(&before));
    let mut alerts = Alert::ALL.to_vec();
    alerts.retain(|alert| fires(*alert) && !fired(*alert));
    // As in the reports: by name.
    alerts.sort();
    alerts
}
