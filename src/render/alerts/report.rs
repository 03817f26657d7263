//! `kind: AlertReport`.

use jiff::Timestamp;
use serde::Serialize;

use super::{causes, remedies, text};
use crate::alerts::{
    ActiveAlert, Alert, AlertState, CauseType, DaemonSetAlerts, FalseAlarm, MissedAlert, NodeCause, Verdict,
};
use crate::coverage::Counts;
use crate::explain::State;
use crate::render::name_list::ListLength;
use crate::render::reason_view::ReasonView;
use crate::render::remedy::Remedy;
use crate::render::structured::Head;
use crate::rollout::Phase;
use crate::snapshot::Generation;

/// `kind: AlertReport`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    /// The number of alerts that are firing.
    firing: usize,
    /// The number of alerts that are pending.
    pending: usize,
    daemon_sets: Vec<DaemonSetView<'a>>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct DaemonSetView<'a> {
    namespace: &'a str,
    name: &'a str,
    phase: Phase,
    /// The numbers of `.status`, which the alerts read.
    status: Counts,
    /// The numbers that the controller would write now, from nodes and pods.
    computed: Counts,
    /// When `.status` last changed; `null` if no object shows it.
    status_changed: Option<Timestamp>,
    generation: i64,
    observed_generation: i64,
    /// How `.status` is outdated.
    #[serde(skip_serializing_if = "Option::is_none")]
    outdated: Option<String>,
    alerts: Vec<AlertView<'a>>,
    /// What should raise an alert and does not.
    not_reported: Vec<MissedView<'a>>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct AlertView<'a> {
    alert: Alert,
    state: AlertState,
    /// After how many seconds the alert fires.
    for_seconds: u32,
    /// Since when the expression is true at least; `null` if nothing is proven.
    true_since: Option<Timestamp>,
    /// Since when the nodes have the cause at least; `null` if no object shows it.
    cause_since: Option<Timestamp>,
    verdict: Verdict,
    false_alarms: &'a [FalseAlarm],
    /// The verdict in words.
    message: String,
    causes: Vec<CauseView<'a>>,
    /// What ends the alert.
    fix: Vec<Remedy>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct CauseView<'a> {
    node: &'a str,
    #[serde(rename = "type")]
    cause_type: CauseType,
    pod: Option<&'a str>,
    state: State,
    /// Since when the node has the cause at least; `null` if no object shows it.
    since: Option<Timestamp>,
    /// Why it is a false alarm; `null` if it is not one.
    false_alarm: Option<FalseAlarm>,
    message: String,
    /// Absent for a pod that is only outdated.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<ReasonView<'a>>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct MissedView<'a> {
    #[serde(flatten)]
    missed: &'a MissedAlert,
    message: String,
}

impl<'a> Report<'a> {
    pub(crate) fn new(all: &'a [DaemonSetAlerts<'a>], unknown: &'a [String], now: Timestamp) -> Self {
        let count = |state| all.iter().flat_map(|of| &of.active).filter(|active| active.state == state).count();
        Self {
            head: Head::new("AlertReport", now, unknown),
            firing: count(AlertState::Firing),
            pending: count(AlertState::Pending),
            daemon_sets: all.iter().map(|of| daemon_set(of, now)).collect(),
        }
    }
}

fn daemon_set<'a>(of: &'a DaemonSetAlerts<'a>, now: Timestamp) -> DaemonSetView<'a> {
    let generation = Generation::new(of.coverage.daemon_set);
    let missed = |missed| MissedView { missed, message: text::missed(missed, of, now, ListLength::Handful) };
    DaemonSetView {
        namespace: of.coverage.namespace(),
        name: of.coverage.name(),
        phase: of.rollout.phase,
        status: of.status,
        computed: of.coverage.counts,
        status_changed: of.status_changed,
        generation: generation.current,
        observed_generation: generation.observed,
        outdated: text::lag(of, now),
        alerts: of.active.iter().map(|active| alert(active, of, now)).collect(),
        not_reported: of.missed.iter().map(missed).collect(),
    }
}

fn alert<'a>(active: &'a ActiveAlert<'a>, of: &DaemonSetAlerts<'_>, now: Timestamp) -> AlertView<'a> {
    AlertView {
        alert: active.alert,
        state: active.state,
        for_seconds: active.alert.minutes() * 60,
        true_since: active.since,
        cause_since: active.cause_since(),
        verdict: active.verdict,
        false_alarms: &active.false_alarms,
        message: text::verdict(active, of),
        causes: active.causes.iter().map(|one| cause(one, now)).collect(),
        fix: remedies::remedies(active, of),
    }
}

fn cause<'a>(cause: &'a NodeCause<'a>, now: Timestamp) -> CauseView<'a> {
    CauseView {
        node: cause.node,
        cause_type: cause.cause_type,
        pod: cause.pod,
        state: cause.state,
        since: cause.since,
        false_alarm: cause.false_alarm,
        message: causes::in_detail(cause, now, ListLength::Handful),
        reason: cause.reason.as_ref().map(|reason| ReasonView::new(reason, now)),
    }
}
