//! `kind: PlanReport`.

use jiff::Timestamp;
use serde::Serialize;

use super::{PlanContext, text};
use crate::admission::AdmissionPlugin;
use crate::alerts::Alert;
use crate::check_result::CheckResult;
use crate::coverage::Counts;
use crate::explain::diagnosis::CheckReason;
use crate::explain::{Reason, State};
use crate::placement::Placement;
use crate::plan::{
    AdmissionForecast, Assumption, DaemonSetPlan, Finding, NodeAction, NodePlan, ObjectEffect, Plan, RolloutForecast,
    Severity,
};
use crate::render::name_list::ListLength;
use crate::render::reason::detail;
use crate::render::structured::Head;
use crate::render::why_not::ResultName;
use crate::rollout::{Strategy, TemplateChange};
use crate::scheduling::preemption::Preemption;

/// `kind: PlanReport`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    /// How the API server's defaults and webhooks were determined; absent if the plan has no manifests.
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'static str>,
    /// Whether something goes wrong: a blocked rollout, a rejected pod, or one without a place.
    has_problem: bool,
    /// Whether a node that has a pod has none after the change.
    has_loss: bool,
    daemon_sets: Vec<DaemonSetView<'a>>,
    assumptions: Vec<AssumptionView<'a>>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct DaemonSetView<'a> {
    namespace: &'a str,
    name: &'a str,
    change: ObjectEffect,
    template_changed: bool,
    template_changes: &'a [TemplateChange],
    /// The number of the earlier revision with the same template; `null` if there is none.
    earlier_revision: Option<i64>,
    strategy: Strategy,
    /// `null` for a new DaemonSet.
    before: Option<Counts>,
    after: Counts,
    rollout: &'a RolloutForecast,
    admission: Vec<AdmissionView>,
    findings: Vec<FindingView<'a>>,
    /// The alerts of kubernetes-mixin that fire because of the change.
    alerts: &'a [Alert],
    nodes: Vec<NodeView<'a>>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct AdmissionView {
    check: AdmissionPlugin,
    result: ResultName,
    /// How many of the new pods are rejected.
    rejected: usize,
    reasons: Vec<ReasonView>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct FindingView<'a> {
    severity: Severity,
    #[serde(flatten)]
    finding: &'a Finding,
    message: String,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct AssumptionView<'a> {
    #[serde(flatten)]
    assumption: &'a Assumption,
    message: String,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct NodeView<'a> {
    node: &'a str,
    /// `null` if the node or the DaemonSet does not exist yet.
    before: Option<BeforeView<'a>>,
    after: AfterView<'a>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct BeforeView<'a> {
    placement: Option<Placement>,
    state: State,
    pod: Option<&'a str>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct AfterView<'a> {
    /// `null` if the node does not exist any more, or could not be read.
    placement: Option<Placement>,
    action: NodeAction,
    /// Whether the new or waiting pod gets its place; `null` if there is none, or if that is not known.
    schedulable: Option<bool>,
    /// Whether the result depends on one of the assumptions about an order.
    assumed: bool,
    /// Whether it is an effect of the change, and does not happen anyway.
    effect: bool,
    reasons: Vec<ReasonView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    preemption: Option<&'a Preemption>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ReasonView {
    #[serde(flatten)]
    reason: Reason,
    message: String,
    /// The message of the scheduler.
    #[serde(skip_serializing_if = "Option::is_none")]
    scheduler: Option<String>,
}

impl<'a> Report<'a> {
    pub(crate) fn new(plan: &'a Plan, context: &PlanContext, unknown: &'a [String], now: Timestamp) -> Self {
        let assumption = |assumption: &'a Assumption| AssumptionView {
            assumption,
            message: text::assumption(assumption, ListLength::Handful)
                .unwrap_or_else(|| text::usual_assumption(assumption).to_owned()),
        };
        Self {
            head: Head::new("PlanReport", now, unknown),
            method: context.method,
            has_problem: plan.has_problem(),
            has_loss: plan.has_loss(),
            daemon_sets: plan.daemon_sets.iter().map(|one| daemon_set(one, now)).collect(),
            assumptions: plan.assumptions.iter().map(assumption).collect(),
        }
    }
}

fn daemon_set(one: &DaemonSetPlan, now: Timestamp) -> DaemonSetView<'_> {
    let finding = |finding| FindingView {
        severity: Finding::severity(finding),
        finding,
        message: text::finding(finding, one, ListLength::Handful),
    };
    DaemonSetView {
        namespace: &one.namespace,
        name: &one.name,
        change: one.effect,
        template_changed: !one.template_changes.is_empty(),
        template_changes: &one.template_changes,
        earlier_revision: one.earlier_revision,
        strategy: one.strategy,
        before: one.before,
        after: one.after,
        rollout: &one.rollout,
        admission: one.admission.iter().map(|forecast| admission(forecast, now)).collect(),
        findings: one.findings.iter().map(finding).collect(),
        alerts: &one.alerts,
        nodes: one.nodes.iter().map(|one| node(one, now)).collect(),
    }
}

fn admission(forecast: &AdmissionForecast, now: Timestamp) -> AdmissionView {
    let (result, reasons) = match &forecast.result {
        CheckResult::Pass => (ResultName::Pass, Vec::new()),
        CheckResult::Fail(reasons) => (ResultName::Fail, reasons.clone()),
        CheckResult::Unknown { missing } => {
            let reason = Reason::NotKnown { missing: missing.to_string() };
            (ResultName::Unknown, vec![CheckReason { reason, scheduler: None }])
        }
    };
    let reasons = reasons.iter().map(|one| reason(one, now)).collect();
    AdmissionView { check: forecast.plugin, result, rejected: forecast.rejected, reasons }
}

fn reason(reason: &CheckReason, now: Timestamp) -> ReasonView {
    ReasonView {
        message: detail(&reason.reason, now, ListLength::Handful),
        reason: reason.reason.clone(),
        scheduler: reason.scheduler.clone(),
    }
}

fn node(one: &NodePlan, now: Timestamp) -> NodeView<'_> {
    NodeView {
        node: &one.node,
        before: one.before.as_ref().map(|before| BeforeView {
            placement: before.placement,
            state: before.state,
            pod: before.pod.as_deref(),
        }),
        after: AfterView {
            placement: one.placement,
            action: one.action,
            schedulable: one.schedulable,
            assumed: one.is_assumed,
            effect: one.is_effect,
            reasons: one.reasons.iter().map(|one| reason(one, now)).collect(),
            preemption: one.preemption.as_ref(),
        },
    }
}
