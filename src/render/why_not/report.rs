//! `-o json` and `-o yaml` of `why-not`.

use jiff::Timestamp;
use serde::Serialize;

use super::causes::Cause;
use super::{checked, owner_pods, target};
use crate::check_result::CheckResult;
use crate::explain::diagnosis::{Check, CheckName, CheckReason, Diagnosis, Stage, Verdict};
use crate::explain::log_excerpt::{ContainerRef, LogExcerpt, lines_of};
use crate::explain::{Reason, State};
use crate::placement::Placement;
use crate::render::name_list::ListLength;
use crate::render::preemption as words;
use crate::render::reason::detail;
use crate::render::remedy::Remedy;
use crate::render::structured::Head;
use crate::render::text::sanitize;
use crate::scheduling::preemption::Preemption;

/// `kind: WhyNotReport`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    node: &'a str,
    /// With a DaemonSet instead of a node: the cause that the node shares with others.
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<CauseView<'a>>,
    daemon_sets: Vec<DiagnosisView<'a>>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct CauseView<'a> {
    state: State,
    message: &'a str,
    /// The nodes with this cause.
    nodes: &'a [String],
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct DiagnosisView<'a> {
    namespace: &'a str,
    name: &'a str,
    placement: Placement,
    state: State,
    pod: Option<&'a str>,
    verdict: Verdict,
    checks: Vec<CheckView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    preemption: Option<PreemptionView<'a>>,
    /// What is not certain about a predicted pod.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    assumptions: &'a [String],
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct CheckView {
    stage: Stage,
    check: CheckName,
    result: ResultName,
    reasons: Vec<ReasonView>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(in crate::render) enum ResultName {
    Pass,
    Fail,
    /// Data that the check needs could not be read.
    Unknown,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ReasonView {
    #[serde(flatten)]
    reason: Reason,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    scheduler: Option<String>,
    /// The last lines that the container wrote before it ended.
    #[serde(rename = "previousLog", skip_serializing_if = "Vec::is_empty")]
    previous_log: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fix: Vec<Remedy>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct PreemptionView<'a> {
    #[serde(flatten)]
    preemption: &'a Preemption,
    message: String,
    /// The scheduler's message about preemption on the node.
    scheduler: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fix: Vec<Remedy>,
}

impl<'a> Report<'a> {
    pub(crate) fn new(
        node: &'a str,
        diagnoses: &'a [Diagnosis<'a>],
        logs: &'a [LogExcerpt],
        unknown: &'a [String],
        now: Timestamp,
    ) -> Self {
        let view = |diagnosis: &'a Diagnosis<'a>| {
            let owner_pods = owner_pods(diagnosis);
            let target = target(diagnosis, node, &owner_pods);
            let final_failure = diagnosis.final_failure().map(|(_, failure)| failure);
            let log_of = |reason: &Reason| match ContainerRef::explaining(reason, diagnosis) {
                Some(container) => lines_of(logs, &container).to_vec(),
                None => Vec::new(),
            };
            let fixes = |check: CheckName, reason: &CheckReason| match final_failure {
                Some(failure) if failure != reason => Vec::new(),
                _ => checked::of_reason(check, reason, diagnosis, &target),
            };
            DiagnosisView {
                namespace: diagnosis.namespace(),
                name: diagnosis.name(),
                placement: diagnosis.placement,
                state: diagnosis.state,
                pod: diagnosis.pod.map(|pod| pod.metadata.name.as_str()),
                verdict: diagnosis.verdict,
                checks: diagnosis.checks.iter().map(|check| check_view(check, &fixes, &log_of, now)).collect(),
                preemption: diagnosis.preemption.as_ref().map(|verdict| PreemptionView {
                    fix: if final_failure.is_some() {
                        Vec::new()
                    } else {
                        checked::of_preemption(verdict, diagnosis, &target)
                    },
                    ..preemption_view(verdict)
                }),
                assumptions: diagnosis.assumptions,
            }
        };
        Self {
            head: Head::new("WhyNotReport", now, unknown),
            node,
            cause: None,
            daemon_sets: diagnoses.iter().map(view).collect(),
        }
    }

    /// Adds the cause that the node shares with others.
    pub(crate) fn with_cause(self, cause: &'a Cause) -> Self {
        Self { cause: Some(CauseView { state: cause.state, message: &cause.text, nodes: &cause.nodes }), ..self }
    }
}

fn preemption_view(preemption: &Preemption) -> PreemptionView<'_> {
    PreemptionView {
        preemption,
        message: sanitize(&words::detail(preemption, ListLength::Handful)),
        scheduler: preemption.scheduler(),
        fix: Vec::new(),
    }
}

fn check_view(
    check: &Check,
    fixes: &impl Fn(CheckName, &CheckReason) -> Vec<Remedy>,
    log_of: &impl Fn(&Reason) -> Vec<String>,
    now: Timestamp,
) -> CheckView {
    let reason = |reason: &CheckReason| ReasonView {
        reason: reason.reason.clone(),
        message: detail(&reason.reason, now, ListLength::Handful),
        // A reason whose evidence is the scheduler's message already contains it.
        scheduler: reason.scheduler.clone(),
        previous_log: log_of(&reason.reason),
        fix: if check.result.is_fail() { fixes(check.name, reason) } else { Vec::new() },
    };
    CheckView {
        stage: check.stage,
        check: check.name,
        result: match check.result {
            CheckResult::Pass => ResultName::Pass,
            CheckResult::Fail(_) => ResultName::Fail,
            CheckResult::Unknown { .. } => ResultName::Unknown,
        },
        reasons: check.reasons().iter().map(reason).collect(),
    }
}
