//! How a rollout stands.
//!
//! Upstream: `pkg/controller/daemon/update.go` `rollingUpdate`;
//! `pkg/controller/daemon/daemon_controller.go` `updateDaemonSetStatus` for the numbers.

use k8s_openapi::api::apps::v1::DaemonSet;
use serde::Serialize;

use super::failed_create::rejected;
use super::node_pods::{Availability, NodePods, node_pods};
use super::node_problem::{NodeProblem, is_replaced_anyway, pod_with_open_question, problems, reasons};
use super::revision::is_rollback;
use super::stuck::{self, StuckProof};
use super::surge_ports::SurgePorts;
use super::{Blocker, Cause, CurrentRevision, Strategy};
use crate::coverage::{Coverage, NodeCoverage};
use crate::explain::Reason;
use crate::snapshot::{EventQuery, Generation, Snapshot};

/// A rollout at one moment.
#[derive(Clone, Debug)]
pub(crate) struct RolloutStatus<'a> {
    /// The DaemonSet.
    pub(crate) daemon_set: &'a DaemonSet,
    /// Its current revision.
    pub(crate) revision: &'a CurrentRevision,
    /// Its strategy, resolved.
    pub(crate) strategy: Strategy,
    /// Nodes on which a pod is wanted.
    pub(crate) desired: usize,
    /// Of these, nodes whose first pod runs the current revision, as `.status` counts them.
    pub(crate) updated: usize,
    /// Of these, nodes whose first pod is available, whichever revision it runs.
    pub(crate) available: usize,
    /// Of these, nodes on which a pod of the current revision is available.
    pub(crate) updated_available: usize,
    /// The nodes on which a pod is wanted, in the order of the nodes.
    pub(crate) nodes: Vec<NodeProgress<'a>>,
    /// Who spends the budget, wanted or not; empty under `OnDelete`.
    pub(crate) budget_used_by: Vec<BudgetUse<'a>>,
    /// Where the rollout is.
    pub(crate) phase: Phase,
    /// What holds it.
    pub(crate) blockers: Vec<Blocker<'a>>,
    /// Nodes on which none is wanted any more, that still have an old pod: `.status` does not count them.
    pub(crate) outdated_misscheduled: Vec<&'a str>,
    /// Whether today's template is one that the DaemonSet had before: the rollout is an undo.
    pub(crate) is_rollback: bool,
    /// What could not be read, in words. Without pods or revisions, the phase is `Unknown`.
    pub(crate) missing: Vec<&'a str>,
}

/// Where the rollout is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Phase {
    /// What would tell could not be read.
    Unknown,
    /// The controller has not looked at the newest spec.
    NotObserved,
    /// It goes on by itself, as far as can be told.
    Progressing,
    /// `OnDelete`: old pods are there until somebody deletes them.
    AwaitingDeletion,
    /// An available pod of the current revision on every node on which one is wanted.
    Complete,
    /// It does not go on until something outside of it changes.
    Stuck,
    /// The DaemonSet is being deleted, and the controller leaves it alone.
    Deleting,
}

/// Where a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub(crate) enum NodeStep {
    /// Nothing was done yet: an old pod, and no other.
    Outdated,
    /// A pod is wanted, and there is none.
    Waiting,
    /// The old pod is going, or both are there.
    Replacing,
    /// The new pod is not available yet.
    Starting,
    /// The new pod is in trouble.
    Failing,
    /// The new pod is available, and no old one is left.
    Done,
}

/// One node on which a pod is wanted.
#[derive(Clone, Debug)]
pub(crate) struct NodeProgress<'a> {
    /// The node's name.
    pub(crate) node: &'a str,
    /// Where it is.
    pub(crate) step: NodeStep,
    /// Why it is not done: of the new pod where there is one, else of the first.
    pub(crate) reasons: Vec<Reason>,
    /// What is the matter with its new pod, or with the old one that does not go.
    pub(crate) causes: Vec<Cause>,
    /// The node as coverage sees it.
    pub(crate) row: &'a NodeCoverage<'a>,
}

/// One node that counts against the budget.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BudgetUse<'a> {
    /// The node's name; it may be gone.
    pub(crate) node: &'a str,
    /// Why it counts.
    pub(crate) cause: BudgetUseReason,
    /// What is the matter with its pod.
    pub(crate) reasons: Vec<Reason>,
    /// Whether the node does not report as ready.
    pub(crate) node_down: bool,
    /// Whether it stays so until something outside of the rollout changes.
    pub(crate) needs_intervention: bool,
}

/// Why a node counts against the budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum BudgetUseReason {
    /// An old pod that is not available; it is replaced whatever the budget says.
    OldUnavailable,
    /// A new pod that is not available.
    NewUnavailable,
    /// A pod is wanted, and there is none.
    Missing,
    /// There is none but one that is being deleted.
    Terminating,
    /// Two pods of the same age.
    Duplicate,
    /// An old and a new one.
    BothRevisions,
}

/// A site with all that is known about it.
pub(super) struct NodeAssessment<'a> {
    pub(super) site: NodePods<'a>,
    pub(super) step: NodeStep,
    pub(super) budget_use: Option<BudgetUseReason>,
    pub(super) reasons: Vec<Reason>,
    pub(super) problems: Vec<NodeProblem>,
}

impl NodeAssessment<'_> {
    /// Whether the node stays as it is until something outside of the rollout changes.
    pub(super) fn needs_intervention(&self) -> bool {
        !is_replaced_anyway(self.budget_use) && self.problems.iter().any(|problem| problem.needs_intervention)
    }
}

/// How the rollout of a DaemonSet stands.
pub(crate) fn rollout_status<'a>(coverage: &'a Coverage<'a>, snapshot: &'a Snapshot) -> RolloutStatus<'a> {
    let daemon_set = coverage.daemon_set;
    let availability =
        Availability { snapshot, min_ready_seconds: daemon_set.spec.min_ready_seconds.unwrap_or_default() };
    let node_pods = node_pods(coverage, snapshot);
    let desired = desired(coverage, &node_pods);
    let strategy = Strategy::new(daemon_set, desired);
    let rejections = match may_be_refused(&node_pods, strategy, availability) {
        true => rejected(coverage, &node_pods, availability),
        false => Vec::new(),
    };
    let assessments = assessments(node_pods, coverage, strategy, &rejections, availability);

    let first_pods = || {
        let eligible = assessments.iter().filter(|assessment| assessment.site.is_eligible);
        eligible.filter_map(|assessment| assessment.site.row)
    };
    let is_old = |site: &NodePods<'_>| !site.is_eligible && (!site.old.is_empty() || site.has_outdated_terminating);
    let outlook = StuckProof::new(&assessments, strategy, &rejections, availability);
    let phase = phase(coverage, snapshot, desired, strategy, &assessments, &outlook);
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
        blockers: stuck::blockers(&assessments, &rejections, &outlook, phase),
        outdated_misscheduled: assessments.iter().filter(|f| is_old(&f.site)).map(|f| f.site.name).collect(),
        is_rollback: snapshot.revisions.known().is_some_and(|revisions| is_rollback(daemon_set, revisions)),
        missing: missing(coverage, snapshot),
        nodes: assessments.into_iter().filter_map(progress).collect(),
    }
}

/// What could not be read. Revisions are missed only where nothing else tells which pods are up to date.
fn missing<'a>(coverage: &Coverage<'_>, snapshot: &'a Snapshot) -> Vec<&'a str> {
    let revisions = snapshot.revisions.missing().filter(|_| !coverage.is_revision_known());
    [snapshot.nodes.missing(), snapshot.pods.missing(), revisions].into_iter().flatten().collect()
}

/// The events that may say more about a rollout: the same whether they were read or not.
pub(crate) fn event_query(coverage: &Coverage<'_>, snapshot: &Snapshot) -> EventQuery {
    let min_ready_seconds = coverage.daemon_set.spec.min_ready_seconds.unwrap_or_default();
    let availability = Availability { snapshot, min_ready_seconds };
    let node_pods = node_pods(coverage, snapshot);
    let strategy = Strategy::new(coverage.daemon_set, desired(coverage, &node_pods));
    let mut query = coverage.event_query();
    if may_be_refused(&node_pods, strategy, availability) {
        query.add_daemon_set(coverage.daemon_set);
    }
    for pod in node_pods.iter().filter_map(|site| pod_with_open_question(site, availability)) {
        query.add_pod(&pod.metadata.uid);
    }
    query
}

/// Whether the controller is about to make a pod. With a surge, every node may still have its old pod, and be well,
/// while the new ones are refused beside them.
fn may_be_refused(node_pods: &[NodePods<'_>], strategy: Strategy, availability: Availability<'_>) -> bool {
    let is_surge = matches!(strategy, Strategy::Surge { .. });
    // Where pods could not be read, none is missing for sure.
    availability.snapshot.pods.known().is_some()
        && node_pods.iter().any(|site| needs_pod(site, is_surge) || (is_surge && site.only_outdated().is_some()))
}

/// Without nodes, the number is the controller's own.
fn desired(coverage: &Coverage<'_>, node_pods: &[NodePods<'_>]) -> usize {
    let status = || coverage.daemon_set.status.as_ref().map(|status| status.desired_number_scheduled);
    let with_pods = || node_pods.iter().filter(|site| site.is_eligible).count();
    let told = || status().and_then(|desired| usize::try_from(desired).ok());
    coverage.counts.desired.or_else(told).unwrap_or_else(with_pods)
}

fn assessments<'a>(
    node_pods: Vec<NodePods<'a>>,
    coverage: &'a Coverage<'a>,
    strategy: Strategy,
    rejections: &[NodeProblem],
    availability: Availability<'a>,
) -> Vec<NodeAssessment<'a>> {
    let is_surge = matches!(strategy, Strategy::Surge { .. });
    let mut ports = SurgePorts::new(coverage, availability);
    let find = |site: NodePods<'a>| {
        let reasons = reasons(&site, availability);
        let mut found = problems(&site, &reasons, coverage.daemon_set, availability);
        if is_surge && let Some(problem) = ports.problem(&site) {
            // The scheduler's words about it, and about all other nodes, add nothing.
            found.retain(|problem| !matches!(problem.cause, Cause::NewPodUnschedulable { .. }));
            found.push(problem);
        }
        if is_surge
            && site.node.is_none()
            && availability.snapshot.has_all_nodes
            && let Some(old) = site.only_outdated()
        {
            let pod = old.metadata.name.clone();
            found.push(NodeProblem { cause: Cause::SurgeOldPodOnDeletedNode { pod }, needs_intervention: false });
        }
        if needs_pod(&site, is_surge) {
            found.extend_from_slice(rejections);
        }
        let is_failing = found.iter().any(|problem| problem.cause.is_failure());
        let (step, budget_use) = (site.step(availability, is_failing), site.budget_use(strategy, availability));
        NodeAssessment { site, step, budget_use, reasons, problems: found }
    };
    node_pods.into_iter().map(find).collect()
}

/// Whether the controller is about to make a pod, apart from the rollout.
pub(super) fn needs_pod(site: &NodePods<'_>, is_surge: bool) -> bool {
    site.is_eligible && site.new.is_empty() && site.old.is_empty() && (is_surge || site.terminating.is_empty())
}

fn budget_use<'a>(assessment: &NodeAssessment<'a>) -> Option<BudgetUse<'a>> {
    Some(BudgetUse {
        node: assessment.site.name,
        cause: assessment.budget_use?,
        reasons: assessment.reasons.clone(),
        node_down: assessment.site.down().is_some(),
        needs_intervention: assessment.needs_intervention(),
    })
}

fn progress(assessment: NodeAssessment<'_>) -> Option<NodeProgress<'_>> {
    let NodeAssessment { site, step, reasons, problems, .. } = assessment;
    let row = site.row.filter(|_| site.is_eligible)?;
    let causes = problems.into_iter().map(|problem| problem.cause).collect();
    Some(NodeProgress { node: site.name, step, reasons, causes, row })
}

fn phase(
    coverage: &Coverage<'_>,
    snapshot: &Snapshot,
    desired: usize,
    strategy: Strategy,
    assessments: &[NodeAssessment<'_>],
    outlook: &StuckProof,
) -> Phase {
    let daemon_set = coverage.daemon_set;
    let eligible = |step| assessments.iter().filter(|f| f.site.is_eligible && f.step == step).count();
    if !coverage.is_revision_known() || snapshot.pods.known().is_none() {
        return Phase::Unknown;
    }
    if daemon_set.metadata.deletion_timestamp.is_some() {
        return Phase::Deleting;
    }
    if !coverage.revision.exists() || !Generation::new(daemon_set).is_observed() {
        return Phase::NotObserved;
    }
    match strategy {
        _ if eligible(NodeStep::Done) >= desired => Phase::Complete,
        Strategy::OnDelete if eligible(NodeStep::Outdated) > 0 => Phase::AwaitingDeletion,
        _ if outlook.is_stuck() => Phase::Stuck,
        _ => Phase::Progressing,
    }
}
