//! Cordoned nodes. Upstream: `pkg/scheduler/framework/plugins/nodeunschedulable/node_unschedulable.go` `Filter`.

use super::{Attempt, FilterFailure, FilterRejection, Outcome};
use crate::placement::{FeatureGates, tolerates};
use crate::snapshot::Taint;

/// Judges the attempt. Pods of a DaemonSet tolerate it: the controller has seen to that.
pub(super) fn filter(attempt: &Attempt<'_>) -> Outcome {
    if !attempt.node.spec.unschedulable {
        return Outcome::Pass;
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
        return Outcome::Pass;
    }
    let scheduler = "node(s) were unschedulable".into();
    Outcome::from_rejections(vec![FilterFailure {
        rejection: FilterRejection::NodeUnschedulable,
        scheduler,
        may_preempt: false,
    }])
}
