//! Node selector and required node affinity. Upstream:
//! `pkg/scheduler/framework/plugins/nodeaffinity/node_affinity.go` `Filter`.

use super::{Attempt, FilterFailure, FilterRejection, Outcome};
use crate::placement::{Affinity, selector_obstacles};

/// Judges the attempt.
pub(super) fn filter(attempt: &Attempt<'_>) -> Outcome {
    let spec = &attempt.pod.spec;
    let of_affinity = spec.required_node_affinity().and_then(|terms| Affinity::new(terms).failure(attempt.node));
    let failures = selector_obstacles(&spec.node_selector, attempt.node).chain(of_affinity);
    let rejection = |failure| FilterFailure {
        rejection: FilterRejection::Placed(failure),
        scheduler: "node(s) didn't match Pod's node affinity/selector".into(),
        may_preempt: false,
    };
    Outcome::from_rejections(failures.map(rejection).collect())
}
