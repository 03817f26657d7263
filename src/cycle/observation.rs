//! The observation of a DaemonSet and its nodes at one moment: which nodes are eligible, unavailable or down, and which
//! pods are outdated.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

use super::cordon_mark::{CORDONED_FOR, cordon_mark};
use super::requirement::Requirement;
use crate::coverage::{Coverage, NodeCoverage, compute_coverage};
use crate::explain::Reason;
use crate::explain::pod::is_available;
use crate::placement::{Placement, PlacementFailure};
use crate::revision::{is_current, revision_of};
use crate::rollout::{FaultDomain, NodeProgress, Problem, RolloutStatus, rollout_status};
use crate::snapshot::{DaemonSetName, Generation, Node, NodeCondition, PodSummary, Snapshot};

pub(crate) struct Observation<'a> {
    pub(crate) coverage: &'a Coverage<'a>,
    /// The problems of new pods.
    pub(crate) status: &'a RolloutStatus<'a>,
    /// The time of the snapshot.
    pub(crate) now: Timestamp,
    /// In the order of the snapshot.
    nodes: Vec<NodeView<'a>>,
    by_node: HashMap<&'a str, usize>,
    /// The DaemonSets of `--require`.
    requirements: Vec<Requirement<'a>>,
}

/// The snapshot of a DaemonSet of `--require`: the DaemonSet, its pods and its revisions.
pub(crate) type RequiredSnapshot<'s> = (&'s DaemonSetName, &'s Snapshot);

/// One node with the pods of the DaemonSet.
pub(super) struct NodeView<'a> {
    pub(super) row: &'a NodeCoverage<'a>,
    node: Option<&'a Node>,
    uid: &'a str,
    min_ready_seconds: i32,
    now: Timestamp,
    /// A run has cordoned the node for this DaemonSet.
    is_marked: bool,
}

pub(super) struct NodeOutage<'a> {
    pub(super) reason: &'a str,
    pub(super) since: Option<Timestamp>,
}

impl Observation<'_> {
    /// Observes the first DaemonSet of the snapshot; `None` without a DaemonSet.
    pub(crate) fn at<T>(
        snapshot: &Snapshot,
        required: &[RequiredSnapshot<'_>],
        see: impl FnOnce(&Observation<'_>) -> T,
    ) -> Option<T> {
        let coverages = compute_coverage(snapshot);
        let coverage = coverages.first()?;
        let status = rollout_status(coverage, snapshot);
        Some(see(&Observation::new(coverage, &status, snapshot, required)))
    }
}

impl<'a> Observation<'a> {
    fn new(
        coverage: &'a Coverage<'a>,
        status: &'a RolloutStatus<'a>,
        snapshot: &'a Snapshot,
        required: &[RequiredSnapshot<'a>],
    ) -> Self {
        let nodes: HashMap<&str, &Node> =
            snapshot.nodes.known().into_iter().flatten().map(|node| (node.metadata.name.as_str(), node)).collect();
        let uid = coverage.daemon_set.metadata.uid.as_deref().unwrap_or_default();
        let min_ready_seconds = coverage.daemon_set.spec.min_ready_seconds.unwrap_or_default();
        let now = snapshot.as_of;
        let mark = cordon_mark(coverage.namespace(), coverage.name());
        let is_marked = |row: &NodeCoverage<'_>| row.labels.and_then(|labels| labels.get(CORDONED_FOR)) == Some(&mark);
        let node_view = |row| NodeView {
            row,
            node: nodes.get(row.node).copied(),
            uid,
            min_ready_seconds,
            now,
            is_marked: is_marked(row),
        };
        let nodes: Vec<NodeView<'a>> = coverage.rows.iter().map(node_view).collect();
        let by_node = nodes.iter().enumerate().map(|(index, node_view)| (node_view.row.node, index)).collect();
        let requirements = required.iter().map(|(name, snapshot)| Requirement::new(name, snapshot)).collect();
        Self { coverage, status, now, nodes, by_node, requirements }
    }

    /// The hash of the current template; `None` until the controller has observed it and created the revision.
    pub(super) fn revision(&self) -> Option<&'a str> {
        let daemon_set = self.coverage.daemon_set;
        let revision = self.coverage.revision.hash.known()?.as_deref();
        revision.filter(|_| Generation::new(daemon_set).is_observed())
    }

    /// Whether the controller has observed the current template and created its revision.
    pub(crate) fn is_observed(&self) -> bool {
        self.revision().is_some()
    }

    /// All nodes, in the order of the snapshot.
    pub(super) fn nodes(&self) -> &[NodeView<'a>] {
        &self.nodes
    }

    /// `None` if the node is deleted.
    pub(super) fn node_view(&self, node: &str) -> Option<&NodeView<'a>> {
        self.by_node.get(node).and_then(|index| self.nodes.get(*index))
    }

    /// The number of eligible nodes.
    pub(crate) fn desired(&self) -> usize {
        self.nodes.iter().filter(|node_view| node_view.is_eligible()).count()
    }

    /// The nodes with a pod of this revision that is not terminating; none without a revision.
    pub(crate) fn nodes_with_revision(&self, hash: Option<&str>) -> BTreeSet<String> {
        let runs_it =
            |view: &&NodeView<'_>| view.live().any(|pod| hash.is_some() && revision_of(&pod.metadata.labels) == hash);
        self.nodes.iter().filter(runs_it).map(|view| view.row.node.to_owned()).collect()
    }

    /// The eligible nodes without an available pod.
    pub(crate) fn unavailable(&self) -> impl Iterator<Item = &'a str> {
        self.nodes.iter().filter(|node_view| node_view.is_unavailable()).map(|node_view| node_view.row.node)
    }

    /// `None` if the node is not eligible.
    pub(crate) fn progress(&self, node: &str) -> Option<&'a NodeProgress<'a>> {
        self.status.nodes.iter().find(|progress| progress.node == node)
    }

    /// The problem that proves that the new pod of the node needs intervention. A node that is down proves nothing
    /// about the pod: it may be rebooting.
    pub(super) fn lasting_problem(&self, node: &str) -> Option<&'a Problem> {
        let lasting = self
            .status
            .blockers
            .iter()
            .filter(|blocker| blocker.needs_intervention && blocker.problem.fault() != FaultDomain::Node);
        lasting.filter(|blocker| blocker.nodes.contains(&node)).map(|blocker| &blocker.problem).next()
    }

    /// The first DaemonSet of `--require` whose pod on the node is not current or not available.
    pub(super) fn unmet_requirement(&self, node: &str) -> Option<&'a DaemonSetName> {
        self.requirements.iter().find_map(|requirement| requirement.unmet_on(node))
    }

    /// Whether the pod is outdated.
    pub(super) fn is_outdated(&self, pod: &PodSummary) -> bool {
        is_current(pod, &self.coverage.revision) == Some(false)
    }
}

impl<'a> NodeView<'a> {
    /// Pods that are not terminating.
    pub(super) fn live(&self) -> impl Iterator<Item = &'a PodSummary> {
        self.row.pods.iter().copied().filter(|pod| !pod.is_terminating())
    }

    /// Whether a run has cordoned the node for this DaemonSet, and not uncordoned it yet.
    pub(super) fn is_marked(&self) -> bool {
        self.is_marked
    }

    /// Whether the DaemonSet controls the pod. An orphan that it may adopt does not count.
    pub(super) fn owns(&self, pod: &PodSummary) -> bool {
        pod.metadata.controller().is_some_and(|owner| owner.uid == self.uid)
    }

    /// Whether the node is eligible.
    pub(super) fn is_eligible(&self) -> bool {
        self.row.placement == Some(Placement::Run)
    }

    pub(super) fn is_available(&self, pod: &PodSummary) -> bool {
        is_available(pod, self.min_ready_seconds, self.now)
    }

    /// Whether the node is eligible and has no available pod. A terminating pod does not count.
    pub(super) fn is_unavailable(&self) -> bool {
        self.is_eligible() && !self.live().any(|pod| self.is_available(pod))
    }

    /// Why the node is down, if it is: by its Ready condition, or by the taint of the node lifecycle controller. Either
    /// may come first.
    pub(super) fn down(&self) -> Option<NodeOutage<'a>> {
        let node = self.node?;
        let ready = node.not_ready_condition();
        let by_condition = ready.map(|condition| NodeOutage {
            reason: &condition.reason,
            since: condition.last_transition_time.map(|time| time.timestamp()),
        });
        let taint = || node.spec.taints.iter().find(|taint| taint.is_node_lifecycle_taint());
        let by_taint = || {
            taint().map(|taint| NodeOutage { reason: &taint.key, since: taint.time_added.map(|time| time.timestamp()) })
        };
        by_condition.or_else(by_taint)
    }

    /// The condition that shows that the node is being maintained or drained, if it is.
    pub(super) fn lifecycle_condition(&self) -> Option<&'a NodeCondition> {
        self.node?.lifecycle_condition()
    }

    /// Whether nothing but the taints of a node that is down excludes the node.
    pub(super) fn is_eligible_when_ready(&self) -> bool {
        let excludes = |reason: &Reason| match reason {
            Reason::NotEligible(PlacementFailure::Taint { taint }) => !taint.is_node_lifecycle_taint(),
            reason => matches!(reason, Reason::NotEligible(_)),
        };
        !self.row.reasons.iter().any(excludes)
    }

    pub(super) fn created(&self) -> Option<Timestamp> {
        self.row.created()
    }

    /// When the next ready pod becomes available, because it has been ready for `minReadySeconds`.
    pub(super) fn next_available_at(&self) -> Option<Timestamp> {
        let ready_since = |pod: &PodSummary| {
            let condition = pod.condition("Ready").filter(|condition| condition.is_true())?;
            condition.last_transition_time.map(|time| time.timestamp())
        };
        let wait = jiff::SignedDuration::from_secs(self.min_ready_seconds.into());
        let due = self.live().filter_map(ready_since).filter_map(|since| since.checked_add(wait).ok());
        due.filter(|due| *due > self.now).min()
    }
}
