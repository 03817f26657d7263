//! Whether a rollout goes on by itself: a proof from what is there, and no matter of time.
//!
//! Upstream: `pkg/controller/daemon/update.go` `rollingUpdate` decides what the next step would be.

use super::node_pods::Availability;
use super::node_problem::NodeProblem;
use super::status::{NodeAssessment, NodeStep, Phase, needs_pod};
use super::{Blocker, Cause, Strategy};

/// Why the rollout does not go on; each alone is enough.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct StuckProof {
    /// A pod is wanted and refused, so that the controller does not come to the rollout.
    creates_refused: bool,
    /// New pods cannot come beside the old ones, for their ports.
    ports_clash: bool,
    /// Old pods are left to replace, and the whole budget is spent by nodes that stay as they are; or nothing is left
    /// but such nodes.
    nodes_last: bool,
}

impl StuckProof {
    pub(super) fn new(
        assessments: &[NodeAssessment<'_>],
        strategy: Strategy,
        rejections: &[NodeProblem],
        availability: Availability<'_>,
    ) -> Self {
        let eligible = || assessments.iter().filter(|assessment| assessment.site.is_eligible);
        let is_surge = matches!(strategy, Strategy::Surge { .. });
        let is_available = |assessment: &NodeAssessment<'_>| {
            assessment.site.only_outdated().is_some_and(|old| availability.is_available(old))
        };
        // Old pods that are not available are replaced whatever the budget says.
        let has_old_unavailable = assessments.iter().any(|f| f.site.only_outdated().is_some() && !is_available(f));
        let candidates = eligible().filter(|assessment| is_available(assessment)).count();
        let budget_used_by = assessments.iter().filter(|assessment| assessment.budget_use.is_some()).count();
        let spent_for_good = assessments.iter().filter(|f| f.budget_use.is_some() && f.needs_intervention()).count();
        let budget = strategy.budget().unwrap_or(usize::MAX);

        let needs_surge = is_surge && (has_old_unavailable || (candidates > 0 && budget_used_by < budget));
        let needs_pod = eligible().any(|assessment| needs_pod(&assessment.site, is_surge)) || needs_surge;
        let is_refused = rejections.iter().any(|rejection| rejection.needs_intervention);
        let ports_clash = eligible().any(|assessment| assessment.problems.iter().any(port_conflicts));

        let open = || eligible().filter(|assessment| assessment.step != NodeStep::Done && !is_available(assessment));
        let nodes_last = match candidates {
            0 => open().count() > 0 && open().all(NodeAssessment::needs_intervention),
            _ => strategy != Strategy::OnDelete && spent_for_good >= budget,
        };
        Self { creates_refused: needs_pod && is_refused, ports_clash, nodes_last: nodes_last && !has_old_unavailable }
    }

    pub(super) fn is_stuck(&self) -> bool {
        self.creates_refused || self.ports_clash || self.nodes_last
    }

    /// Whether a cause is one of those that the proof rests on.
    fn is_evidence(&self, problem: &NodeProblem) -> bool {
        problem.needs_intervention
            && match problem.cause {
                Cause::CreatesRefused { .. } => self.creates_refused,
                Cause::SurgeHostPort { .. } => self.ports_clash,
                _ => self.nodes_last,
            }
    }
}

fn port_conflicts(problem: &NodeProblem) -> bool {
    matches!(problem.cause, Cause::SurgeHostPort { .. })
}

/// Every cause once, with its nodes; what is certain first, then what most nodes have.
pub(super) fn blockers<'a>(
    assessments: &[NodeAssessment<'a>],
    rejections: &[NodeProblem],
    outlook: &StuckProof,
    phase: Phase,
) -> Vec<Blocker<'a>> {
    if matches!(phase, Phase::Unknown | Phase::Complete | Phase::Deleting) {
        return Vec::new();
    }
    let mut blockers: Vec<Blocker<'a>> = Vec::new();
    let mut add = |problem: &NodeProblem, node: Option<&'a str>| {
        let blocking = phase == Phase::Stuck && outlook.is_evidence(problem);
        let known = blockers.iter_mut().find(|blocker| blocker.cause.is_same(&problem.cause));
        let Some(blocker) = known else {
            let (cause, nodes) = (problem.cause.clone(), node.into_iter().collect());
            blockers.push(Blocker { cause, nodes, needs_intervention: problem.needs_intervention, blocking });
            return;
        };
        if let (Cause::CrashLoop { restarts, .. }, Cause::CrashLoop { restarts: more, .. }) =
            (&blocker.cause, &problem.cause)
            && more > restarts
        {
            blocker.cause = problem.cause.clone();
        }
        if problem.needs_intervention && !blocker.needs_intervention {
            // The evidence is that of the proof.
            blocker.cause = problem.cause.clone();
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
        let deleted_revisions =
            assessment.problems.iter().filter(|t| matches!(t.cause, Cause::SurgeOldPodOnDeletedNode { .. }));
        deleted_revisions.for_each(|problem| add(problem, Some(assessment.site.name)));
    }
    if outlook.creates_refused {
        // Under surge, the pod that is refused belongs to a node that still has its old one.
        let is_named = |rejection: &&NodeProblem| !assessments.iter().any(|f| f.problems.contains(rejection));
        rejections.iter().filter(is_named).for_each(|rejection| add(rejection, None));
    }
    blockers.sort_by_key(|blocker| (!blocker.blocking, std::cmp::Reverse(blocker.nodes.len())));
    blockers
}
