//! The NodeName filter: `spec.nodeName`.
//!
//! Upstream: `pkg/scheduler/framework/plugins/nodename/node_name.go` `Fits`.

use super::attempt::{Attempt, FilterFailure, FilterResult, StatusCode};
use super::rejection::FilterRejection;
use crate::check_result::CheckResult;
use crate::placement::PlacementFailure;

pub(super) fn filter(attempt: &Attempt<'_>) -> FilterResult {
    let required = &attempt.pod.spec.node_name;
    if required.is_empty() || *required == attempt.node.metadata.name {
        return CheckResult::Pass;
    }
    CheckResult::from_reasons(vec![FilterFailure::new(
        FilterRejection::Placed(PlacementFailure::NodeName { required: required.clone() }),
        "node(s) didn't match the requested node name",
        StatusCode::UnschedulableAndUnresolvable,
    )])
}
