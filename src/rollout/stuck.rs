//! Proves that a rollout is stuck: no action of the controller can complete it. The proof uses the state of the
//! cluster, never the time without progress, and misses some stuck rollouts rather than reporting one that continues.
//!
//! Upstream: `pkg/controller/daemon/update.go` `rollingUpdate` decides which pods to delete or create next.
//!
//! Example with `maxUnavailable: 1`: on n1, the new pod crashes in a loop, and n2 and n3 have available old pods. n1 is
//! unavailable and uses the budget, 1 of 1. The controller deletes an available old pod only while the budget is not
//! used up, so n2 and n3 wait for n1. n1 needs intervention: the rollout is stuck, and the crash loop is the evidence.
//!
//! It is not stuck in these cases:
//! - `maxUnavailable: 2`: n1 uses 1 of 2, so n2 or n3 is next. When both are done, only n1 remains: now it is stuck.
//! - The old pod on n2 is not available: the controller deletes it even without free budget.
//! - The new pod on n1 is only slow: it may become available.

use super::assessment::NodeAssessment;
use super::blocker::{Blocker, NodeProblem, ProblemType};
use super::budget::Strategy;
use super::node_pods::Availability;
use super::node_progress::NodeStep;
use super::phase::Phase;
use crate::explain::Reason;

/// Why the rollout cannot continue. Each reason alone is sufficient.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct StuckProof {
    /// The API server rejects a pod that the controller has to create. The error ends each sync before the rollout.
    creation_rejected: bool,
    /// Under surge, new pods cannot be scheduled next to the old ones, because of host ports or an anti-affinity.
    pods_conflict: bool,
    /// Nodes that need intervention use the whole budget while other nodes wait for it, or only such nodes remain.
    remaining_nodes_blocked: bool,
}

impl StuckProof {
    pub(super) fn new(
        assessments: &[NodeAssessment<'_>],
        strategy: Strategy,
        rejections: &[NodeProblem],
        availability: Availability<'_>,
    ) -> Self {
        let eligible = || assessments.iter().filter(|assessment| assessment.site.is_eligible);
        let is_surge = strategy.is_surge();
        let is_available = |assessment: &NodeAssessment<'_>| {
            assessment.site.only_outdated().is_some_and(|old| availability.is_available(old))
        };
        // The controller replaces unavailable old pods even without free budget, so that something still happens.
        let has_old_unavailable = assessments.iter().any(|f| f.site.only_outdated().is_some() && !is_available(f));
        // Nodes that wait for free budget.
        let candidates = eligible().filter(|assessment| is_available(assessment)).count();
        let budget_used_by = assessments.iter().filter(|assessment| assessment.budget_use.is_some()).count();
        let used_for_good = assessments.iter().filter(|f| f.budget_use.is_some() && f.needs_intervention()).count();
        let budget = strategy.budget().unwrap_or(usize::MAX);

        let needs_surge = is_surge && (has_old_unavailable || (candidates > 0 && budget_used_by < budget));
        let needs_pod = eligible().any(|assessment| assessment.site.needs_pod(is_surge)) || needs_surge;
        let is_rejected = rejections.iter().any(|rejection| rejection.needs_intervention);
        let pods_conflict = eligible().any(|assessment| assessment.problems.iter().any(conflicts_with_old_pod));

        let open = || eligible().filter(|assessment| assessment.step != NodeStep::Done && !is_available(assessment));
        let remaining_nodes_blocked = match candidates {
            0 => open().count() > 0 && open().all(NodeAssessment::needs_intervention),
            _ => strategy != Strategy::OnDelete && used_for_good >= budget,
        };
        Self {
            creation_rejected: needs_pod && is_rejected,
            pods_conflict,
            remaining_nodes_blocked: remaining_nodes_blocked && !has_old_unavailable,
        }
    }

    pub(super) fn is_stuck(&self) -> bool {
        self.creation_rejected || self.pods_conflict || self.remaining_nodes_blocked
    }

    /// Whether the problem is part of the proof.
    fn is_evidence(&self, problem: &NodeProblem) -> bool {
        problem.needs_intervention
            && match problem.problem.problem_type {
                ProblemType::PodCreation => self.creation_rejected,
                ProblemType::NewPod if conflicts_with_old_pod(problem) => self.pods_conflict,
                ProblemType::NewPod | ProblemType::OldPod => self.remaining_nodes_blocked,
            }
    }
}

fn conflicts_with_old_pod(problem: &NodeProblem) -> bool {
    matches!(problem.problem.reason, Reason::SurgeHostPortConflict { .. } | Reason::SurgeAntiAffinityConflict)
}

/// A rejection of new pods, where it is not known which nodes need one.
fn of_whole_rollout<'a>(rejection: &NodeProblem) -> Blocker<'a> {
    Blocker {
        problem: rejection.problem.clone(),
        nodes: Vec::new(),
        needs_intervention: rejection.needs_intervention,
        blocking: false,
    }
}

/// Each blocker once, with its nodes: first those that block the whole rollout, then by the number of nodes,
/// descending.
pub(super) fn blockers<'a>(
    assessments: &[NodeAssessment<'a>],
    rejections: &[NodeProblem],
    proof: &StuckProof,
    phase: Phase,
) -> Vec<Blocker<'a>> {
    if matches!(phase, Phase::Complete | Phase::Deleting) {
        return Vec::new();
    }
    if phase == Phase::Unknown {
        return rejections.iter().map(of_whole_rollout).collect();
    }
    let mut blockers: Vec<Blocker<'a>> = Vec::new();
    let mut add = |problem: &NodeProblem, node: Option<&'a str>| {
        let blocking = phase == Phase::Stuck && proof.is_evidence(problem);
        let known = blockers.iter_mut().find(|blocker| blocker.problem.has_same_cause(&problem.problem));
        let Some(blocker) = known else {
            let (nodes, needs_intervention) = (node.into_iter().collect(), problem.needs_intervention);
            blockers.push(Blocker { problem: problem.problem.clone(), nodes, needs_intervention, blocking });
            return;
        };
        if let (Reason::CrashLoopBackOff { restarts, .. }, Reason::CrashLoopBackOff { restarts: more, .. }) =
            (&blocker.problem.reason, &problem.problem.reason)
            && more > restarts
        {
            blocker.problem = problem.problem.clone();
        }
        if problem.needs_intervention && !blocker.needs_intervention {
            // The evidence has to support the proof.
            blocker.problem = problem.problem.clone();
        }
        blocker.nodes.extend(node);
        blocker.needs_intervention |= problem.needs_intervention;
        blocker.blocking |= blocking;
    };
    for assessment in
        assessments.iter().filter(|assessment| assessment.budget_use.is_some() || assessment.site.is_eligible)
    {
        assessment.problems.iter().for_each(|problem| add(problem, Some(assessment.site.name)));
    }
    for assessment in assessments.iter().filter(|f| f.budget_use.is_none() && !f.site.is_eligible) {
        let on_deleted_node =
            assessment.problems.iter().filter(|t| matches!(t.problem.reason, Reason::OldPodOnDeletedNode { .. }));
        on_deleted_node.for_each(|problem| add(problem, Some(assessment.site.name)));
    }
    if proof.creation_rejected {
        // Under surge, a rejected pod is for a node that has its old pod, so that no node has this problem.
        let is_named = |rejection: &&NodeProblem| !assessments.iter().any(|f| f.problems.contains(rejection));
        rejections.iter().filter(is_named).for_each(|rejection| add(rejection, None));
    }
    blockers.sort_by_key(|blocker| (!blocker.blocking, std::cmp::Reverse(blocker.nodes.len())));
    blockers
}
