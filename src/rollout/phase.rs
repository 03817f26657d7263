//! The phase of a rollout.

use serde::Serialize;

use super::assessment::NodeAssessment;
use super::blocker::ProblemType;
use super::budget::Strategy;
use super::node_progress::{BudgetUseReason, NodeStep};
use crate::coverage::Coverage;
use crate::snapshot::{Generation, Snapshot};

/// Where the rollout is. The first phase that applies counts; the head of `rollout` lists them in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum Phase {
    /// The objects that it depends on could not be read.
    Unknown,
    /// The controller has not observed the newest spec.
    NotObserved,
    /// It continues by itself, as far as can be predicted.
    Progressing,
    /// `OnDelete`: outdated pods remain until they are deleted.
    AwaitingDeletion,
    /// Every node has a pod of the current revision, and those that are not available have a problem.
    Degraded,
    /// Outdated pods remain and no node makes progress. It may recover.
    Blocked,
    /// It cannot complete without intervention; this is proven.
    Stuck,
    /// Every eligible node has an available pod of the current revision.
    Complete,
    /// The DaemonSet is being deleted, and the controller ignores it.
    Deleting,
}

/// The phase of a rollout. `is_stuck` is the result of the proof in `stuck`.
pub(super) fn phase(
    coverage: &Coverage<'_>,
    snapshot: &Snapshot,
    desired: usize,
    strategy: Strategy,
    assessments: &[NodeAssessment<'_>],
    is_stuck: bool,
) -> Phase {
    let eligible = || assessments.iter().filter(|assessment| assessment.site.is_eligible);
    let at = |step| eligible().filter(|assessment| assessment.step == step).count();
    if !coverage.is_revision_known() || snapshot.missing_pods(coverage.daemon_set).is_some() {
        return Phase::Unknown;
    }
    if coverage.daemon_set.metadata.deletion_timestamp.is_some() {
        return Phase::Deleting;
    }
    if !coverage.revision.exists() || !Generation::new(coverage.daemon_set).is_observed() {
        return Phase::NotObserved;
    }
    let outdated = at(NodeStep::Outdated);
    // Nodes that could not be read may be in progress.
    let is_incomplete = eligible().count() < desired;
    if at(NodeStep::Done) >= desired {
        Phase::Complete
    } else if strategy == Strategy::OnDelete && outdated > 0 {
        Phase::AwaitingDeletion
    } else if is_stuck {
        Phase::Stuck
    } else if is_moving(assessments, strategy, outdated) || is_incomplete {
        Phase::Progressing
    } else if eligible().all(|assessment| has_new_pod(assessment.step)) {
        Phase::Degraded
    } else {
        Phase::Blocked
    }
}

/// Whether a node makes progress, or the controller is about to start one.
fn is_moving(assessments: &[NodeAssessment<'_>], strategy: Strategy, outdated: usize) -> bool {
    let is_in_progress = |assessment: &NodeAssessment<'_>| {
        // A slow node still makes progress.
        let is_failing = assessment.problems.iter().any(|problem| problem.problem.is_failure());
        !matches!(assessment.step, NodeStep::Outdated | NodeStep::Done) && !is_failing
    };
    let is_replaced =
        |assessment: &NodeAssessment<'_>| assessment.budget_use.is_some_and(BudgetUseReason::is_replaced_anyway);
    let used = assessments.iter().filter(|assessment| assessment.budget_use.is_some()).count();
    let has_budget = strategy.budget().is_some_and(|budget| used < budget);
    let is_rejected = assessments
        .iter()
        .flat_map(|assessment| &assessment.problems)
        .any(|problem| problem.problem.problem_type == ProblemType::PodCreation);
    let counts = |assessment: &&NodeAssessment<'_>| assessment.site.is_eligible || assessment.budget_use.is_some();
    assessments.iter().filter(counts).any(is_in_progress)
        || assessments.iter().any(is_replaced)
        || (outdated > 0 && has_budget && !is_rejected)
}

fn has_new_pod(step: NodeStep) -> bool {
    match step {
        NodeStep::Done | NodeStep::Failing | NodeStep::Starting => true,
        NodeStep::Outdated | NodeStep::Waiting | NodeStep::Replacing => false,
    }
}
