//! The NodeAffinity filter: node selector and required node affinity.
//!
//! Upstream: `pkg/scheduler/framework/plugins/nodeaffinity/node_affinity.go` `Filter`.

use super::attempt::{Attempt, FilterFailure, FilterResult, StatusCode};
use super::rejection::FilterRejection;
use crate::check_result::CheckResult;
use crate::placement::{Affinity, selector_obstacles};

pub(super) fn filter(attempt: &Attempt<'_>) -> FilterResult {
    let spec = &attempt.pod.spec;
    let of_affinity = spec.required_node_affinity().and_then(|terms| Affinity::new(terms).failure(attempt.node));
    let failures = selector_obstacles(&spec.node_selector, attempt.node).chain(of_affinity);
    let rejection = |failure| {
        FilterFailure::new(
            FilterRejection::Placed(failure),
            "node(s) didn't match Pod's node affinity/selector",
            StatusCode::UnschedulableAndUnresolvable,
        )
    };
    CheckResult::from_reasons(failures.map(rejection).collect())
}
