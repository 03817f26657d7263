//! The TaintToleration filter: taints that the pod does not tolerate.
//!
//! Upstream: `pkg/scheduler/framework/plugins/tainttoleration/taint_toleration.go` `Filter`.

use super::attempt::{Attempt, FilterFailure, FilterResult, StatusCode};
use super::rejection::FilterRejection;
use crate::check_result::CheckResult;
use crate::placement::{FeatureGates, PlacementFailure, tolerates};
use crate::snapshot::Taint;
use crate::snapshot::cluster_objects::KubeMinor;

/// Up to this version, the message has the first taint.
const NAMES_THE_TAINT: KubeMinor = KubeMinor(33);

pub(super) fn filter(attempt: &Attempt<'_>) -> FilterResult {
    let spec = &attempt.pod.spec;
    let gates = FeatureGates::implied_by(spec);
    let repels = |taint: &&Taint| {
        matches!(taint.effect.as_str(), "NoSchedule" | "NoExecute")
            && !spec.tolerations.iter().any(|toleration| tolerates(toleration, taint, gates))
    };
    let untolerated: Vec<&Taint> = attempt.node.spec.taints.iter().filter(repels).collect();
    let scheduler = match untolerated.first() {
        Some(Taint { key, value, .. }) if attempt.minor() <= NAMES_THE_TAINT => {
            format!("node(s) had untolerated taint {{{key}: {value}}}")
        }
        _ => "node(s) had untolerated taint(s)".into(),
    };
    let failure = |taint: &Taint| {
        let rejection = FilterRejection::Placed(PlacementFailure::Taint { taint: taint.clone() });
        FilterFailure::new(rejection, scheduler.clone(), StatusCode::UnschedulableAndUnresolvable)
    };
    CheckResult::from_reasons(untolerated.into_iter().map(failure).collect())
}
