//! The NodeUnschedulable filter: cordoned nodes.
//!
//! Upstream: `pkg/scheduler/framework/plugins/nodeunschedulable/node_unschedulable.go` `Filter`.

use super::attempt::{Attempt, FilterFailure, FilterResult, StatusCode};
use super::rejection::FilterRejection;
use crate::check_result::CheckResult;
use crate::placement::{FeatureGates, tolerates};
use crate::snapshot::Taint;

/// Daemon pods tolerate a cordon: the controller adds the toleration.
pub(super) fn filter(attempt: &Attempt<'_>) -> FilterResult {
    if !attempt.node.spec.unschedulable {
        return CheckResult::Pass;
    }
    let taint = Taint {
        key: "node.kubernetes.io/unschedulable".into(),
        effect: "NoSchedule".into(),
        value: String::new(),
        time_added: None,
    };
    let spec = &attempt.pod.spec;
    let gates = FeatureGates::implied_by(spec);
    if spec.tolerations.iter().any(|toleration| tolerates(toleration, &taint, gates)) {
        return CheckResult::Pass;
    }
    let scheduler = "node(s) were unschedulable";
    CheckResult::from_reasons(vec![FilterFailure::new(
        FilterRejection::NodeUnschedulable,
        scheduler,
        StatusCode::UnschedulableAndUnresolvable,
    )])
}
