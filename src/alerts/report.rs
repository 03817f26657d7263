//! The alerts of one DaemonSet.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::alert::Alert;
use super::cause::{FalseAlarm, NodeCause, causes};
use super::duration::{status_changed, true_since};
use super::missed::{MissedAlert, missed};
use crate::coverage::{Counts, Coverage};
use crate::rollout::{Phase, RolloutStatus};
use crate::snapshot::{Generation, Snapshot};

/// The alerts of one DaemonSet.
#[derive(Clone, Debug)]
pub(crate) struct DaemonSetAlerts<'a> {
    pub(crate) coverage: &'a Coverage<'a>,
    pub(crate) rollout: &'a RolloutStatus<'a>,
    /// The numbers of `.status`, which the expressions read.
    pub(crate) status: Counts,
    /// When `.status` last changed; `None` if no object shows it.
    pub(crate) status_changed: Option<Timestamp>,
    /// How `.status` is outdated.
    pub(crate) lag: Option<StatusLag>,
    /// In the order of [`Alert::ALL`].
    pub(crate) active: Vec<ActiveAlert<'a>>,
    /// What should raise an alert and does not.
    pub(crate) missed: Vec<MissedAlert>,
}

/// An alert whose expression is true.
#[derive(Clone, Debug)]
pub(crate) struct ActiveAlert<'a> {
    pub(crate) alert: Alert,
    pub(crate) state: AlertState,
    /// Since when the expression is true at least; `None` if nothing is proven.
    pub(crate) since: Option<Timestamp>,
    pub(crate) verdict: Verdict,
    /// What makes a false alarm of it; empty if it is not one.
    pub(crate) false_alarms: Vec<FalseAlarm>,
    /// The nodes that make the expression true; empty if nodes or pods could not be read.
    pub(crate) causes: Vec<NodeCause<'a>>,
}

/// The state of an alert, in the terms of Prometheus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum AlertState {
    /// The expression is true, and it is proven that it has been for the time that the rule requires.
    Firing,
    /// The expression is true. It is not proven for how long: the alert may be firing already.
    Pending,
}

/// Whether an alert is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum Verdict {
    /// Something is wrong with the DaemonSet.
    Real,
    /// The expression is true, and nothing is wrong with the DaemonSet.
    FalseAlarm,
    /// Nodes, pods or revisions could not be read.
    Unknown,
}

/// How `.status` differs from what nodes and pods show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StatusLag {
    /// The controller has not observed the newest spec.
    NotObserved { generation: i64, observed: i64 },
    /// The controller would write other numbers.
    Differs,
}

/// Determines the alerts of a DaemonSet.
pub(crate) fn daemon_set_alerts<'a>(
    coverage: &'a Coverage<'a>,
    rollout: &'a RolloutStatus<'a>,
    snapshot: &'a Snapshot,
) -> DaemonSetAlerts<'a> {
    let status = Counts::of_status(coverage.daemon_set);
    let status_changed = status_changed(coverage.daemon_set);
    let active = Alert::ALL.into_iter().filter(|alert| alert.matches(&status)).map(|alert| {
        let since = true_since(alert, coverage.daemon_set, status_changed, snapshot.as_of);
        let causes = causes(alert, coverage, rollout, snapshot);
        let (verdict, false_alarms) = verdict(alert, coverage, rollout, &causes, snapshot);
        ActiveAlert { alert, state: state(alert, since, snapshot.as_of), since, verdict, false_alarms, causes }
    });
    DaemonSetAlerts {
        active: active.collect(),
        lag: lag(coverage, &status),
        missed: missed(coverage, rollout, &status, snapshot),
        coverage,
        rollout,
        status,
        status_changed,
    }
}

impl ActiveAlert<'_> {
    /// Since when the nodes are like this at least, as far as objects show. Before that, `.status` may have been
    /// different.
    pub(crate) fn cause_since(&self) -> Option<Timestamp> {
        self.causes.iter().filter_map(|cause| cause.since).min()
    }
}

/// Upstream: `github.com/prometheus/prometheus` `rules/alerting.go` `AlertingRule.Eval`: a pending alert fires at the first
/// evaluation at which it has been active for the duration of the rule.
fn state(alert: Alert, since: Option<Timestamp>, now: Timestamp) -> AlertState {
    let required = SignedDuration::from_mins(i64::from(alert.minutes()));
    match since.is_some_and(|since| now.duration_since(since) >= required) {
        true => AlertState::Firing,
        false => AlertState::Pending,
    }
}

fn verdict(
    alert: Alert,
    coverage: &Coverage<'_>,
    rollout: &RolloutStatus<'_>,
    causes: &[NodeCause<'_>],
    snapshot: &Snapshot,
) -> (Verdict, Vec<FalseAlarm>) {
    if snapshot.nodes.known().is_none() || snapshot.missing_pods(coverage.daemon_set).is_some() {
        return (Verdict::Unknown, Vec::new());
    }
    if causes.is_empty() {
        // Without revisions, the outdated pods may be the cause.
        return match coverage.is_revision_known() {
            true => (Verdict::FalseAlarm, vec![FalseAlarm::StatusOutdated]),
            false => (Verdict::Unknown, Vec::new()),
        };
    }
    let is_blocked =
        alert == Alert::KubeDaemonSetRolloutStuck && matches!(rollout.phase, Phase::Stuck | Phase::Blocked);
    let mut false_alarms: Vec<FalseAlarm> = causes.iter().filter_map(|cause| cause.false_alarm).collect();
    // Even if each node has an excuse, the rollout does not reach the others.
    if is_blocked || false_alarms.len() < causes.len() {
        return (Verdict::Real, Vec::new());
    }
    false_alarms.sort();
    false_alarms.dedup();
    (Verdict::FalseAlarm, false_alarms)
}

/// How `.status` is outdated.
fn lag(coverage: &Coverage<'_>, status: &Counts) -> Option<StatusLag> {
    let generation = Generation::new(coverage.daemon_set);
    if !generation.is_observed() {
        return Some(StatusLag::NotObserved { generation: generation.current, observed: generation.observed });
    }
    let computed = &coverage.counts;
    let differs = |computed: Option<usize>, written: Option<usize>| computed.is_some() && computed != written;
    let is_different = differs(computed.desired, status.desired)
        || differs(computed.current, status.current)
        || differs(computed.up_to_date, status.up_to_date)
        || differs(computed.available, status.available)
        || differs(computed.misscheduled, status.misscheduled);
    is_different.then_some(StatusLag::Differs)
}
