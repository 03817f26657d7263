//! `-o json` and `-o yaml`.

use jiff::Timestamp;
use serde::Serialize;

use super::{remedies, target};
use crate::explain::diagnosis::{Check, CheckReason, Diagnosis, Outcome, Stage, Verdict};
use crate::explain::{Reason, State};
use crate::placement::Placement;
use crate::render::name_list::ListLength;
use crate::render::preemption as words;
use crate::render::reason::detail;
use crate::render::remedy::{Remedy, RemedyContext};
use crate::render::structured::Head;
use crate::render::text::sanitize;
use crate::scheduling::preemption::Preemption;

/// `kind: WhyNotReport`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    node: &'a str,
    daemon_sets: Vec<DiagnosisView<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DiagnosisView<'a> {
    namespace: &'a str,
    name: &'a str,
    placement: Placement,
    state: State,
    pod: Option<&'a str>,
    verdict: Verdict,
    checks: Vec<CheckView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    preemption: Option<PreemptionView<'a>>,
    /// What is not certain of a pod that does not exist.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    assumptions: &'a [String],
}

#[derive(Serialize)]
struct CheckView<'a> {
    stage: Stage,
    check: &'static str,
    result: Outcome,
    reasons: Vec<ReasonView<'a>>,
}

#[derive(Serialize)]
struct ReasonView<'a> {
    #[serde(flatten)]
    reason: &'a Reason,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    scheduler: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fix: Vec<Remedy>,
}

#[derive(Serialize)]
struct PreemptionView<'a> {
    #[serde(flatten)]
    preemption: &'a Preemption,
    message: String,
    /// What the scheduler says of the node in its words about preemption.
    scheduler: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fix: Vec<Remedy>,
}

impl<'a> Report<'a> {
    /// The report on these ways.
    pub(crate) fn new(node: &'a str, diagnoses: &'a [Diagnosis<'a>], unknown: &'a [String], now: Timestamp) -> Self {
        let view = |diagnosis: &'a Diagnosis<'a>| {
            let target = target(diagnosis, node);
            DiagnosisView {
                namespace: diagnosis.namespace(),
                name: diagnosis.name(),
                placement: diagnosis.placement,
                state: diagnosis.state,
                pod: diagnosis.pod.map(|pod| pod.metadata.name.as_str()),
                verdict: diagnosis.verdict,
                checks: diagnosis.checks.iter().map(|check| check_view(check, &target, now)).collect(),
                preemption: diagnosis.preemption.as_ref().map(|verdict| preemption_view(verdict, &target)),
                assumptions: diagnosis.assumptions,
            }
        };
        Self { head: Head::new("WhyNotReport", now, unknown), node, daemon_sets: diagnoses.iter().map(view).collect() }
    }
}

fn preemption_view<'a>(preemption: &'a Preemption, target: &RemedyContext<'_>) -> PreemptionView<'a> {
    PreemptionView {
        preemption,
        message: sanitize(&words::detail(preemption, ListLength::Handful)),
        scheduler: preemption.scheduler(),
        fix: words::remedies(preemption, target),
    }
}

fn check_view<'a>(check: &'a Check, target: &RemedyContext<'_>, now: Timestamp) -> CheckView<'a> {
    let reason = |reason: &'a CheckReason| ReasonView {
        reason: &reason.reason,
        message: detail(&reason.reason, now, ListLength::Handful),
        // Of a reason that holds the scheduler's words as its evidence, they are there already.
        scheduler: reason.scheduler.as_deref(),
        fix: if check.outcome == Outcome::Fail { remedies(&reason.reason, target) } else { Vec::new() },
    };
    CheckView {
        stage: check.stage,
        check: check.name,
        result: check.outcome,
        reasons: check.reasons.iter().map(reason).collect(),
    }
}
