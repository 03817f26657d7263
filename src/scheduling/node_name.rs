//! A pod that names its node. Upstream: `pkg/scheduler/framework/plugins/nodename/node_name.go` `Fits`.

use super::{Attempt, Misfit, Outcome, Refusal};
use crate::placement::Obstacle;

/// Judges the attempt.
pub(super) fn filter(attempt: &Attempt<'_>) -> Outcome {
    let wanted = &attempt.pod.spec.node_name;
    if wanted.is_empty() || *wanted == attempt.node.metadata.name {
        return Outcome::Pass;
    }
    Outcome::of(vec![Refusal {
        misfit: Misfit::Placed(Obstacle::NodeName { wanted: wanted.clone() }),
        scheduler: "node(s) didn't match the requested node name".into(),
        may_preempt: false,
    }])
}
