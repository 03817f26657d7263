//! Taints. Upstream: `pkg/scheduler/framework/plugins/tainttoleration/taint_toleration.go` `Filter`.

use super::{Attempt, Misfit, Outcome, Refusal};
use crate::placement::{Gates, Obstacle, tolerates};
use crate::snapshot::Taint;
use crate::snapshot::facts::Minor;

/// Up to this version the refusal names the first taint.
const NAMES_THE_TAINT: Minor = Minor(33);

/// Judges the attempt.
pub(super) fn filter(attempt: &Attempt<'_>) -> Outcome {
    let spec = &attempt.pod.spec;
    let gates = Gates::implied_by(spec);
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
    let refusal = |taint: &Taint| Refusal {
        misfit: Misfit::Placed(Obstacle::Taint { taint: taint.clone() }),
        scheduler: scheduler.clone(),
        may_preempt: false,
    };
    Outcome::of(untolerated.into_iter().map(refusal).collect())
}
