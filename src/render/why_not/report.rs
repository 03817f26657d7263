//! `-o json` and `-o yaml`.

use jiff::Timestamp;
use serde::Serialize;

use super::{remedies, target};
use crate::explain::way::{Check, Finding, Outcome, Stage, Verdict, Way};
use crate::explain::{Reason, State};
use crate::placement::Placement;
use crate::render::names::ListLength;
use crate::render::preemption as words;
use crate::render::reason::sentence;
use crate::render::remedy::{Remedy, Target};
use crate::render::structured::Head;
use crate::render::text::safe;
use crate::scheduling::preemption::Preemption;

/// `kind: WhyNotReport`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    node: &'a str,
    daemon_sets: Vec<WayView<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WayView<'a> {
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
    doubts: &'a [String],
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
    pub(crate) fn of(node: &'a str, ways: &'a [Way<'a>], unknown: &'a [String], now: Timestamp) -> Self {
        let view = |way: &'a Way<'a>| {
            let target = target(way, node);
            WayView {
                namespace: way.namespace(),
                name: way.name(),
                placement: way.placement,
                state: way.state,
                pod: way.pod.map(|pod| pod.metadata.name.as_str()),
                verdict: way.verdict,
                checks: way.checks.iter().map(|check| check_view(check, &target, now)).collect(),
                preemption: way.preemption.as_ref().map(|verdict| preemption_view(verdict, &target)),
                doubts: way.doubts,
            }
        };
        Self { head: Head::of("WhyNotReport", now, unknown), node, daemon_sets: ways.iter().map(view).collect() }
    }
}

fn preemption_view<'a>(preemption: &'a Preemption, target: &Target<'_>) -> PreemptionView<'a> {
    PreemptionView {
        preemption,
        message: safe(&words::sentence(preemption, ListLength::Handful)),
        scheduler: preemption.scheduler(),
        fix: words::remedies(preemption, target),
    }
}

fn check_view<'a>(check: &'a Check, target: &Target<'_>, now: Timestamp) -> CheckView<'a> {
    let reason = |finding: &'a Finding| ReasonView {
        reason: &finding.reason,
        message: sentence(&finding.reason, now, ListLength::Handful),
        // Of a reason that holds the scheduler's words as its evidence, they are there already.
        scheduler: finding.scheduler.as_deref(),
        fix: if check.outcome == Outcome::Fail { remedies(&finding.reason, target) } else { Vec::new() },
    };
    CheckView {
        stage: check.stage,
        check: check.name,
        result: check.outcome,
        reasons: check.findings.iter().map(reason).collect(),
    }
}
