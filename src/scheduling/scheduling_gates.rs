//! Gates that hold a pod back from the queue. Upstream:
//! `pkg/scheduler/framework/plugins/schedulinggates/scheduling_gates.go` `PreEnqueue`.

use super::{Attempt, Misfit, Outcome, Phase, Refusal};

/// Judges the attempt.
pub(super) fn filter(attempt: &Attempt<'_>) -> Outcome {
    let gates: Vec<String> = attempt.pod.spec.scheduling_gates.iter().map(|gate| gate.name.clone()).collect();
    if gates.is_empty() {
        return Outcome::Pass;
    }
    let scheduler = format!("waiting for scheduling gates: [{}]", gates.join(" "));
    let refusal = Refusal { misfit: Misfit::SchedulingGates { gates }, scheduler, may_preempt: false };
    Outcome::Fail { phase: Phase::PreEnqueue, refusals: vec![refusal] }
}
