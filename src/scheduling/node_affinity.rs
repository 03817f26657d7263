//! Node selector and required node affinity. Upstream:
//! `pkg/scheduler/framework/plugins/nodeaffinity/node_affinity.go` `Filter`.

use super::{Attempt, Misfit, Outcome, Refusal};
use crate::placement::{Affinity, selector_obstacles};

/// Judges the attempt.
pub(super) fn filter(attempt: &Attempt<'_>) -> Outcome {
    let spec = &attempt.pod.spec;
    let of_affinity = spec.required_node_affinity().and_then(|terms| Affinity::of(terms).obstacle(attempt.node));
    let obstacles = selector_obstacles(&spec.node_selector, attempt.node).chain(of_affinity);
    let refusal = |obstacle| Refusal {
        misfit: Misfit::Placed(obstacle),
        scheduler: "node(s) didn't match Pod's node affinity/selector".into(),
        may_preempt: false,
    };
    Outcome::of(obstacles.map(refusal).collect())
}
