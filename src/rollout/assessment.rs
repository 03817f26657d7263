//! Everything that is found out about one node of a rollout.

use super::blocker::{NodeProblem, Problem};
use super::budget::Strategy;
use super::node_pods::{Availability, NodePods};
use super::node_problem::{problems, reasons};
use super::node_progress::{BudgetUseReason, NodeStep};
use super::surge_conflict::SurgeConflicts;
use crate::coverage::Coverage;
use crate::explain::Reason;

/// Everything that is known about one node.
pub(super) struct NodeAssessment<'a> {
    pub(super) site: NodePods<'a>,
    pub(super) step: NodeStep,
    pub(super) budget_use: Option<BudgetUseReason>,
    pub(super) reasons: Vec<Reason>,
    pub(super) problems: Vec<NodeProblem>,
}

impl NodeAssessment<'_> {
    /// Whether the node remains as it is until something outside of the rollout changes.
    pub(super) fn needs_intervention(&self) -> bool {
        !self.budget_use.is_some_and(BudgetUseReason::is_replaced_anyway)
            && self.problems.iter().any(|problem| problem.needs_intervention)
    }
}

pub(super) fn assessments<'a>(
    node_pods: Vec<NodePods<'a>>,
    coverage: &'a Coverage<'a>,
    strategy: Strategy,
    rejections: &[NodeProblem],
    availability: Availability<'a>,
) -> Vec<NodeAssessment<'a>> {
    let is_surge = strategy.is_surge();
    let mut conflicts = SurgeConflicts::new(coverage, availability);
    let find = |site: NodePods<'a>| {
        let reasons = reasons(&site, availability);
        let mut found = problems(&site, &reasons, coverage.daemon_set, availability);
        if is_surge && let Some(problem) = conflicts.problem(&site) {
            // The scheduler's message is about the same conflict, and about all other nodes.
            found.retain(|problem| !matches!(problem.problem.reason, Reason::Unschedulable { .. }));
            found.push(problem);
        }
        if is_surge
            && site.node.is_none()
            && availability.snapshot.has_all_nodes
            && let Some(old) = site.only_outdated()
        {
            let pod = old.metadata.name.clone();
            let problem = Problem::old_pod(Reason::OldPodOnDeletedNode { pod });
            found.push(NodeProblem { problem, needs_intervention: false });
        }
        if site.needs_pod(is_surge) {
            found.extend_from_slice(rejections);
        }
        let is_failing = found.iter().any(|problem| problem.problem.is_failure());
        let (step, budget_use) = (site.step(availability, is_failing), site.budget_use(strategy, availability));
        NodeAssessment { site, step, budget_use, reasons, problems: found }
    };
    node_pods.into_iter().map(find).collect()
}
