//! A pod that names its node. Upstream: `pkg/scheduler/framework/plugins/nodename/node_name.go` `Fits`.

use super::{Attempt, FilterFailure, FilterRejection, Outcome};
use crate::placement::PlacementFailure;

/// Judges the attempt.
pub(super) fn filter(attempt: &Attempt<'_>) -> Outcome {
    let wanted = &attempt.pod.spec.node_name;
    if wanted.is_empty() || *wanted == attempt.node.metadata.name {
        return Outcome::Pass;
    }
    Outcome::from_rejections(vec![FilterFailure {
        rejection: FilterRejection::Placed(PlacementFailure::NodeName { wanted: wanted.clone() }),
        scheduler: "node(s) didn't match the requested node name".into(),
        may_preempt: false,
    }])
}
