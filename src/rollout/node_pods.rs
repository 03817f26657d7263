//! The pods of one node, sorted into new, old and terminating ones, as the rollout of the controller sees them.
//!
//! Upstream: `pkg/controller/daemon/update.go` `rollingUpdate`, `findUpdatedPodsOnNode`.

use std::collections::HashMap;

use k8s_openapi::api::apps::v1::DaemonSet;

use super::budget::Strategy;
use super::node_progress::{BudgetUseReason, NodeStep};
use crate::coverage::{Coverage, NodeCoverage};
use crate::explain::pod::is_available;
use crate::placement::Placement;
use crate::revision::{CurrentRevision, is_current};
use crate::snapshot::{Node, PodSummary, Snapshot};

/// The pods of the DaemonSet on one node. The node may be deleted.
#[derive(Debug)]
pub(crate) struct NodePods<'a> {
    pub(crate) name: &'a str,
    /// `None` if the node is deleted or nodes could not be read.
    pub(crate) node: Option<&'a Node>,
    /// `None` if the node is deleted.
    pub(crate) row: Option<&'a NodeCoverage<'a>>,
    /// Whether the node is eligible. If nodes could not be read, every node with a pod counts as eligible.
    pub(crate) is_eligible: bool,
    /// Up-to-date pods that are not terminating.
    pub(crate) new: Vec<&'a PodSummary>,
    /// Outdated pods that are not terminating.
    pub(crate) old: Vec<&'a PodSummary>,
    /// Terminating pods of any revision.
    pub(crate) terminating: Vec<&'a PodSummary>,
    /// Whether one of the terminating pods is outdated.
    pub(crate) has_outdated_terminating: bool,
}

/// Decides which pods are available, by `minReadySeconds` and the time of the snapshot.
#[derive(Clone, Copy)]
pub(crate) struct Availability<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) min_ready_seconds: i32,
    /// Whether all pods of the DaemonSet are known.
    pub(super) has_all_pods: bool,
}

impl<'a> Availability<'a> {
    pub(crate) fn new(daemon_set: &DaemonSet, snapshot: &'a Snapshot) -> Self {
        Self {
            snapshot,
            min_ready_seconds: daemon_set.spec.min_ready_seconds.unwrap_or_default(),
            has_all_pods: snapshot.missing_pods(daemon_set).is_none(),
        }
    }

    pub(crate) fn is_available(&self, pod: &PodSummary) -> bool {
        is_available(pod, self.min_ready_seconds, self.snapshot.as_of)
    }
}

/// All nodes of the rollout: eligible nodes, and all others with a pod, deleted ones included.
pub(crate) fn node_pods<'a>(coverage: &'a Coverage<'a>, snapshot: &'a Snapshot) -> Vec<NodePods<'a>> {
    let nodes: HashMap<&str, &Node> =
        snapshot.nodes.known().into_iter().flatten().map(|node| (node.metadata.name.as_str(), node)).collect();
    let rows = coverage.rows.iter().filter_map(|row| {
        let is_eligible = matches!(row.placement, Some(Placement::Run) | None);
        let site = NodePods::new(row.node, &row.pods, &coverage.revision);
        let site = NodePods { node: nodes.get(row.node).copied(), row: Some(row), is_eligible, ..site };
        (is_eligible || !row.pods.is_empty()).then_some(site)
    });
    let mut deleted_revisions: Vec<(&str, Vec<&PodSummary>)> = Vec::new();
    for pod in &coverage.unmapped_pods {
        // A pod without a target node counts nowhere.
        let Some(node) = pod.target_node() else { continue };
        match deleted_revisions.iter_mut().find(|(name, _)| *name == node) {
            Some((_, pods)) => pods.push(pod),
            None => deleted_revisions.push((node, vec![pod])),
        }
    }
    let deleted_revisions =
        deleted_revisions.into_iter().map(|(name, pods)| NodePods::new(name, &pods, &coverage.revision));
    rows.chain(deleted_revisions).collect()
}

impl<'a> NodePods<'a> {
    fn new(name: &'a str, pods: &[&'a PodSummary], revision: &CurrentRevision) -> Self {
        let is_new = |pod: &PodSummary| is_current(pod, revision) == Some(true);
        let (terminating, live): (Vec<&PodSummary>, Vec<&PodSummary>) =
            pods.iter().copied().partition(|pod| pod.is_terminating());
        let (new, old) = live.into_iter().partition(|pod| is_new(pod));
        let has_outdated_terminating = terminating.iter().any(|pod| !is_new(pod));
        Self { name, node: None, row: None, is_eligible: false, new, old, terminating, has_outdated_terminating }
    }

    /// The old pod of a node that has no new pod. The controller deletes it within the budget if it is available, and
    /// at once if it is not.
    pub(crate) fn only_outdated(&self) -> Option<&'a PodSummary> {
        match (self.new.as_slice(), self.old.as_slice()) {
            ([], [old]) => Some(old),
            _ => None,
        }
    }

    /// The new pod that counts: an available one if there is one.
    pub(super) fn new_pod(&self, availability: Availability<'_>) -> Option<&'a PodSummary> {
        self.new.iter().find(|pod| availability.is_available(pod)).or(self.new.first()).copied()
    }

    /// Whether the controller is about to create a pod on the node even without a rollout.
    pub(super) fn needs_pod(&self, is_surge: bool) -> bool {
        self.is_eligible && self.new.is_empty() && self.old.is_empty() && (is_surge || self.terminating.is_empty())
    }

    /// Whether the node has an available new pod.
    pub(super) fn is_updated(&self, availability: Availability<'_>) -> bool {
        self.new_pod(availability).is_some_and(|pod| availability.is_available(pod))
    }

    /// Whether the node has an available new pod and no old one, not even a terminating one.
    pub(super) fn is_done(&self, availability: Availability<'_>) -> bool {
        self.is_updated(availability) && self.old.is_empty() && !self.has_outdated_terminating
    }

    /// The step of the node. `is_failing`: its new pod has a problem.
    pub(super) fn step(&self, availability: Availability<'_>, is_failing: bool) -> NodeStep {
        match (self.new.is_empty(), self.old.is_empty(), self.terminating.is_empty()) {
            (false, ..) if self.is_done(availability) => NodeStep::Done,
            (false, ..) if self.is_updated(availability) => NodeStep::Replacing,
            (false, ..) if is_failing => NodeStep::Failing,
            (false, ..) => NodeStep::Starting,
            (true, false, _) => NodeStep::Outdated,
            (true, true, false) => NodeStep::Replacing,
            (true, true, true) => NodeStep::Waiting,
        }
    }

    /// Why the node uses the budget, if it does. Under surge, only nodes with more than one pod use it: with two pods
    /// of one kind, or with an old pod and a new one that is not available.
    pub(crate) fn budget_use(&self, strategy: Strategy, availability: Availability<'_>) -> Option<BudgetUseReason> {
        if self.new.len() > 1 || self.old.len() > 1 {
            return (strategy != Strategy::OnDelete).then_some(BudgetUseReason::Duplicate);
        }
        match (strategy, self.new.first(), self.old.first()) {
            (Strategy::OnDelete, ..) => None,
            (Strategy::Surge { .. }, Some(new), Some(_)) => {
                (!availability.is_available(new)).then_some(BudgetUseReason::BothRevisions)
            }
            (Strategy::Surge { .. }, ..) => None,
            (Strategy::Rolling { .. }, Some(_), Some(_)) => Some(BudgetUseReason::BothRevisions),
            (Strategy::Rolling { .. }, Some(new), None) => {
                (!availability.is_available(new)).then_some(BudgetUseReason::NewUnavailable)
            }
            (Strategy::Rolling { .. }, None, Some(old)) => {
                (!availability.is_available(old)).then_some(BudgetUseReason::OldUnavailable)
            }
            // If not all pods could be read, it is unknown whether one is missing.
            (Strategy::Rolling { .. }, None, None) if !availability.has_all_pods => None,
            (Strategy::Rolling { .. }, None, None) if self.terminating.is_empty() => Some(BudgetUseReason::Missing),
            (Strategy::Rolling { .. }, None, None) => Some(BudgetUseReason::Terminating),
        }
    }

    /// The `Ready` condition of the node, if it is not `True`.
    pub(super) fn down(&self) -> Option<&'a crate::snapshot::node::NodeCondition> {
        self.node?.not_ready_condition()
    }
}
