//! Which pods a run removes, or which nodes it prepares, at the same time.

use std::collections::BTreeSet;

use super::{CanaryGate, Run};
use crate::cycle::decision::{PodRef, Removal};
use crate::cycle::node_task::NodeTask;
use crate::cycle::observation::Observation;
use crate::snapshot::PodSummary;

/// The most pods that are removed at the same time. An API server handles 200 modifying requests at a time by default
/// (`--max-mutating-requests-inflight`), and others need some of them.
const MOST_AT_ONCE: usize = 100;

/// How much of the budget is used up.
struct BudgetUse<'l> {
    /// How many nodes may be unavailable.
    budget: usize,
    used_by: BTreeSet<&'l str>,
}

impl Run {
    /// The pods to remove now, at most [`MOST_AT_ONCE`]: first those of nodes in progress, then those of the next nodes.
    pub(super) fn removals<'l>(&'l self, observation: &'l Observation<'l>) -> Vec<Removal> {
        let mut budget = self.budget_use(observation);
        let mut removals = self.retries(observation, &budget);
        if !self.policy.steps.prepares() {
            removals.extend(self.starts_within(observation, &mut budget));
        }
        removals.truncate(MOST_AT_ONCE);
        removals
    }

    /// Nodes in progress that still have a pod to replace: the removal was lost or rejected, or there is a second pod.
    /// They already count as used budget, so any number of them can be retried together.
    fn retries(&self, observation: &Observation<'_>, budget: &BudgetUse<'_>) -> Vec<Removal> {
        let retry = |task: &NodeTask| {
            let pod =
                task.removable(observation).filter(|_| task.work().is_some_and(|work| !work.is_hook_running()))?;
            let refused = task.work().and_then(|work| work.refused.as_ref());
            let may_retry = refused.is_none_or(|refused| refused.retry <= observation.now);
            let is_unavailable = observation.node_view(&task.node).is_some_and(|node| node.is_unavailable());
            let others = budget.used_by.len() - usize::from(!is_unavailable);
            let has_room = others < budget.budget;
            (may_retry && (has_room || task.has_no_ready_pod(observation))).then(|| removal(task, pod, has_room))
        };
        self.in_progress().filter_map(retry).collect()
    }

    /// Starts the next nodes, as far as the budget and the canary allow it. Each node counts as used budget for those
    /// after it.
    ///
    /// A pod that is not ready may be replaced even if the budget is used up: its node is already unavailable.
    ///
    /// Example with a budget of 2: n1 is in progress, n7 is unavailable, and the outdated pod on n4 is not ready, so
    /// that three nodes count ([`unavailable_or_in_progress`](Self::unavailable_or_in_progress)). n2 with an available
    /// pod has to wait. n4 may start: it is already one of the three. But if its pod became ready before the request
    /// arrives, the removal would increase the number from 2 to 3. The request therefore contains the observed
    /// resourceVersion, and the API server rejects it if the pod has changed. Then n1 and n4 are in progress, 2 of 2,
    /// and no other node may start, ready or not.
    fn starts_within<'l>(&'l self, observation: &'l Observation<'l>, budget: &mut BudgetUse<'l>) -> Vec<Removal> {
        let mut in_progress = self.in_progress().count();
        // Nodes of an earlier run use the budget, and are not part of the canary.
        let unfinished = self.in_progress().filter(|task| task.is_unfinished).count();
        let most = match self.gate {
            CanaryGate::Open => budget.budget,
            CanaryGate::Canary(size) => budget.budget.min((size + unfinished).saturating_sub(self.replaced())),
            CanaryGate::Soak { until, .. } if until <= observation.now => budget.budget,
            CanaryGate::Soak { .. } => 0,
        };
        let mut starts = Vec::new();
        for task in self.candidates(observation) {
            if in_progress >= most {
                break;
            }
            let has_room = budget.used_by.len() < budget.budget;
            if observation.unmet_requirement(&task.node).is_none()
                && let Some(pod) = task.removable(observation)
                && (has_room || task.has_no_ready_pod(observation))
            {
                starts.push(removal(task, pod, has_room));
                budget.used_by.insert(&task.node);
                in_progress += 1;
            }
        }
        starts
    }

    /// The nodes to start now.
    pub(super) fn starts(&self, observation: &Observation<'_>) -> Vec<Removal> {
        self.starts_within(observation, &mut self.budget_use(observation))
    }

    fn budget_use<'l>(&'l self, observation: &'l Observation<'l>) -> BudgetUse<'l> {
        BudgetUse { budget: self.budget(observation), used_by: self.unavailable_or_in_progress(observation) }
    }
}

fn removal(task: &NodeTask, pod: &PodSummary, has_room: bool) -> Removal {
    let unchanged = (!has_room).then(|| pod.metadata.resource_version.clone());
    Removal { node: task.node.clone(), pod: PodRef::from_pod(pod), unchanged }
}
