//! The SchedulingGates plugin: gates that keep the pod out of the scheduling queue.
//!
//! The scheduler reports nothing about such a pod. The API server writes its `PodScheduled` condition when the pod is
//! created: `pkg/registry/core/pod/strategy.go` `applySchedulingGatedCondition`.
//!
//! Upstream: `pkg/scheduler/framework/plugins/schedulinggates/scheduling_gates.go` `PreEnqueue`.

use super::attempt::{Attempt, ExtensionPoint, FilterFailure, FilterResult, StatusCode};
use super::rejection::FilterRejection;
use crate::check_result::CheckResult;

pub(super) fn filter(attempt: &Attempt<'_>) -> FilterResult {
    let gates: Vec<String> = attempt.pod.spec.scheduling_gates.iter().map(|gate| gate.name.clone()).collect();
    if gates.is_empty() {
        return CheckResult::Pass;
    }
    let scheduler = "Scheduling is blocked due to non-empty scheduling gates";
    let rejection = FilterFailure::new(
        FilterRejection::SchedulingGates { gates },
        scheduler,
        StatusCode::UnschedulableAndUnresolvable,
    );
    CheckResult::Fail(vec![rejection.at(ExtensionPoint::PreEnqueue)])
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::filter_fixture::FilterFixture;

    fn check(gates: Value) -> FilterResult {
        filter(&FilterFixture::new(json!({ "schedulingGates": gates }), json!({})).attempt())
    }

    #[test]
    fn pod_without_gates_passes() {
        assert_eq!(check(json!([])), CheckResult::Pass);
    }

    #[test]
    fn gates_keep_pod_out_of_queue_by_name() {
        let rejection = FilterFailure::new(
            FilterRejection::SchedulingGates { gates: vec!["example.com/a".into(), "b".into()] },
            "Scheduling is blocked due to non-empty scheduling gates",
            StatusCode::UnschedulableAndUnresolvable,
        );
        let expected = CheckResult::Fail(vec![rejection.at(ExtensionPoint::PreEnqueue)]);
        assert_eq!(check(json!([{ "name": "example.com/a" }, { "name": "b" }])), expected);
    }
}
