//! Combines the problems, the budget and the counts of all nodes into the status of a rollout at one moment.
//!
//! Upstream: `pkg/controller/daemon/update.go` `rollingUpdate`;
//! `pkg/controller/daemon/daemon_controller.go` `updateDaemonSetStatus` for the numbers.

use k8s_openapi::api::apps::v1::DaemonSet;

use super::assessment::{NodeAssessment, assessments};
use super::blocker::Blocker;
use super::budget::Strategy;
use super::failed_create::rejected;
use super::node_pods::{Availability, NodePods, node_pods};
use super::node_problem::pod_with_open_question;
use super::node_progress::{BudgetUse, NodeProgress};
use super::phase::{Phase, phase};
use super::stuck::{self, StuckProof};
use crate::coverage::{Coverage, compute_coverage};
use crate::explain::events::status_counts_no_pods;
use crate::revision::{CurrentRevision, is_rollback};
use crate::snapshot::{EventQuery, Missing, Snapshot};

/// A rollout at one moment.
#[derive(Clone, Debug)]
pub(crate) struct RolloutStatus<'a> {
    pub(crate) daemon_set: &'a DaemonSet,
    pub(crate) revision: &'a CurrentRevision,
    /// Resolved against `desired`.
    pub(crate) strategy: Strategy,
    /// Eligible nodes.
    pub(crate) desired: usize,
    /// Of these, nodes whose first pod is up to date, as `.status` counts them.
    pub(crate) updated: usize,
    /// Of these, nodes whose first pod is available, whatever its revision.
    pub(crate) available: usize,
    /// Of these, nodes with an available up-to-date pod.
    pub(crate) updated_available: usize,
    /// The eligible nodes, in the order of the snapshot.
    pub(crate) nodes: Vec<NodeProgress<'a>>,
    /// The nodes that use the budget, eligible or not; empty under `OnDelete`.
    pub(crate) budget_used_by: Vec<BudgetUse<'a>>,
    pub(crate) phase: Phase,
    pub(crate) blockers: Vec<Blocker<'a>>,
    /// Nodes that are not eligible and still have an outdated pod. `.status` does not count them.
    pub(crate) outdated_misscheduled: Vec<&'a str>,
    /// Whether the rollout is a rollback: the DaemonSet had the current template before.
    pub(crate) is_rollback: bool,
    /// Messages about objects that could not be read. Without pods or revisions, the phase is `Unknown`.
    pub(crate) missing: Vec<&'a Missing>,
}

/// Computes the status of a rollout.
pub(crate) fn rollout_status<'a>(coverage: &'a Coverage<'a>, snapshot: &'a Snapshot) -> RolloutStatus<'a> {
    let daemon_set = coverage.daemon_set;
    let availability = Availability::new(daemon_set, snapshot);
    let node_pods = node_pods(coverage, snapshot);
    let desired = desired(coverage, &node_pods);
    let strategy = Strategy::new(daemon_set, desired);
    let rejections = match may_be_rejected(&node_pods, daemon_set, strategy, availability) {
        true => rejected(coverage, &node_pods, availability),
        false => Vec::new(),
    };
    let assessments = assessments(node_pods, coverage, strategy, &rejections, availability);

    let first_pods = || {
        let eligible = assessments.iter().filter(|assessment| assessment.site.is_eligible);
        eligible.filter_map(|assessment| assessment.site.row)
    };
    let is_old = |site: &NodePods<'_>| !site.is_eligible && (!site.old.is_empty() || site.has_outdated_terminating);
    let proof = StuckProof::new(&assessments, strategy, &rejections, availability);
    let phase = phase(coverage, snapshot, desired, strategy, &assessments, proof.is_stuck());
    RolloutStatus {
        daemon_set,
        revision: &coverage.revision,
        strategy,
        desired,
        updated: first_pods().filter(|row| row.up_to_date == Some(true)).count(),
        available: first_pods().filter(|row| row.is_available).count(),
        updated_available: assessments.iter().filter(|f| f.site.is_eligible && f.site.is_updated(availability)).count(),
        budget_used_by: assessments.iter().filter_map(budget_use).collect(),
        phase,
        blockers: stuck::blockers(&assessments, &rejections, &proof, phase),
        outdated_misscheduled: assessments.iter().filter(|f| is_old(&f.site)).map(|f| f.site.name).collect(),
        is_rollback: snapshot.revisions.known().is_some_and(|revisions| is_rollback(daemon_set, revisions)),
        missing: missing(coverage, snapshot),
        nodes: assessments.into_iter().filter_map(progress).collect(),
    }
}

/// What could not be read. Missing revisions matter only if up-to-date pods cannot be identified otherwise.
fn missing<'a>(coverage: &Coverage<'_>, snapshot: &'a Snapshot) -> Vec<&'a Missing> {
    let revisions = snapshot.revisions.missing().filter(|_| !coverage.is_revision_known());
    [snapshot.nodes.missing(), snapshot.missing_pods(coverage.daemon_set), revisions].into_iter().flatten().collect()
}

/// The events that may add reasons. The result does not depend on the events in the snapshot, so that it can be
/// computed before they are read.
pub(crate) fn event_query(coverage: &Coverage<'_>, snapshot: &Snapshot) -> EventQuery {
    let availability = Availability::new(coverage.daemon_set, snapshot);
    let node_pods = node_pods(coverage, snapshot);
    let strategy = Strategy::new(coverage.daemon_set, desired(coverage, &node_pods));
    let mut query = coverage.event_query();
    if may_be_rejected(&node_pods, coverage.daemon_set, strategy, availability) {
        query.add_daemon_set(coverage.daemon_set);
    }
    for pod in node_pods.iter().filter_map(|site| pod_with_open_question(site, availability)) {
        query.add_pod(&pod.metadata.uid);
    }
    query
}

/// The events that may explain the rollout of any of the DaemonSets.
pub(crate) fn event_query_of_all(snapshot: &Snapshot) -> EventQuery {
    let mut query = EventQuery::default();
    compute_coverage(snapshot).iter().for_each(|coverage| query.extend(event_query(coverage, snapshot)));
    query
}

/// Whether the controller is about to create a pod, which the API server may reject. Under surge, this is possible even
/// if every node has a healthy old pod.
fn may_be_rejected(
    node_pods: &[NodePods<'_>],
    daemon_set: &DaemonSet,
    strategy: Strategy,
    availability: Availability<'_>,
) -> bool {
    let is_surge = strategy.is_surge();
    // If not all pods could be read, it is unknown whether a node needs one, unless the controller counts none.
    (availability.has_all_pods || status_counts_no_pods(daemon_set))
        && node_pods.iter().any(|site| site.needs_pod(is_surge) || (is_surge && site.only_outdated().is_some()))
}

/// The number of eligible nodes. If nodes could not be read, the number in `.status`, else the number of nodes with
/// pods.
fn desired(coverage: &Coverage<'_>, node_pods: &[NodePods<'_>]) -> usize {
    let status = || coverage.daemon_set.status.as_ref().map(|status| status.desired_number_scheduled);
    let with_pods = || node_pods.iter().filter(|site| site.is_eligible).count();
    let from_status = || status().and_then(|desired| usize::try_from(desired).ok());
    coverage.counts.desired.or_else(from_status).unwrap_or_else(with_pods)
}

fn budget_use<'a>(assessment: &NodeAssessment<'a>) -> Option<BudgetUse<'a>> {
    Some(BudgetUse {
        node: assessment.site.name,
        reason: assessment.budget_use?,
        reasons: assessment.reasons.clone(),
        node_down: assessment.site.down().is_some(),
        needs_intervention: assessment.needs_intervention(),
    })
}

fn progress(assessment: NodeAssessment<'_>) -> Option<NodeProgress<'_>> {
    let NodeAssessment { site, step, reasons, problems, .. } = assessment;
    let row = site.row.filter(|_| site.is_eligible)?;
    let problems = problems.into_iter().map(|problem| problem.problem).collect();
    Some(NodeProgress { node: site.name, step, reasons, problems, row })
}
