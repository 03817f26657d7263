//! The nodes that make an expression true, as nodes and pods show them, and what makes a false alarm of each.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::alert::Alert;
use crate::coverage::{Coverage, NodeCoverage};
use crate::explain::{Reason, State};
use crate::placement::{Placement, PlacementFailure};
use crate::revision::{current_of, is_rollback};
use crate::rollout::{Phase, RolloutStatus, Strategy};
use crate::snapshot::{Node, Snapshot};

/// How long after it joined a node may still be starting its pods.
const JOINING: SignedDuration = SignedDuration::from_mins(10);

/// What a node contributes to an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum CauseType {
    /// The node is eligible and has no pod.
    Missing,
    /// The node is not eligible and has a pod.
    Misscheduled,
    /// The node is eligible, and its pod is not available.
    Unavailable,
    /// The node is eligible, and its pod is outdated.
    Outdated,
}

/// Why the DaemonSet is not at fault, although the expression is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum FalseAlarm {
    /// The node is down: its pod cannot be replaced, and is right again when the node is back.
    NodeDown,
    /// The node is cordoned, drained, in maintenance, or being deleted.
    NodeLeaving,
    /// The node joined less than 10 minutes ago.
    NodeJoined,
    /// The node is virtual: no pod of a DaemonSet runs on it.
    VirtualNode,
    /// A taint was added after the pod had started. The pod keeps running, and is available.
    PodKeepsRunning,
    /// The update strategy is `OnDelete`: outdated pods remain until they are deleted.
    AwaitingDeletion,
    /// The rollout makes progress.
    RolloutInProgress,
    /// `.status` is outdated: nodes and pods do not make the expression true.
    StatusOutdated,
}

/// One node that makes an expression true.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NodeCause<'a> {
    pub(crate) node: &'a str,
    pub(crate) cause_type: CauseType,
    /// The first pod on the node.
    pub(crate) pod: Option<&'a str>,
    pub(crate) state: State,
    /// Why; none for a pod that is only outdated, and if no object shows it.
    pub(crate) reason: Option<Reason>,
    /// Since when the node is like this at least, as far as objects show.
    pub(crate) since: Option<Timestamp>,
    /// Why this is a false alarm; `None` if it is right.
    pub(crate) false_alarm: Option<FalseAlarm>,
}

/// What is needed of the rest of the DaemonSet to assess a node.
struct CauseFinder<'a, 'r> {
    rollout: &'r RolloutStatus<'a>,
    /// Since when the current revision exists; `None` if it existed before and was not current.
    revision_created: Option<Timestamp>,
    now: Timestamp,
}

/// The nodes that make the expression of `alert` true. Empty if nodes or pods could not be read.
pub(super) fn causes<'a>(
    alert: Alert,
    coverage: &'a Coverage<'a>,
    rollout: &RolloutStatus<'a>,
    snapshot: &'a Snapshot,
) -> Vec<NodeCause<'a>> {
    let finder = CauseFinder { rollout, revision_created: revision_created(coverage, snapshot), now: snapshot.as_of };
    // The rows are in the order of the nodes.
    let nodes = snapshot.nodes.known().into_iter().flatten();
    let rows = coverage.rows.iter().zip(nodes);
    rows.filter_map(|(row, node)| finder.cause(alert, row, node)).collect()
}

/// Since when the current revision exists. A rollback makes an older revision the current one, at a time that no object
/// has.
fn revision_created(coverage: &Coverage<'_>, snapshot: &Snapshot) -> Option<Timestamp> {
    let revisions = snapshot.revisions.known()?;
    if is_rollback(coverage.daemon_set, revisions) {
        return None;
    }
    Some(current_of(coverage.daemon_set, revisions)?.metadata.creation_timestamp.as_ref()?.0)
}

impl<'a> CauseFinder<'a, '_> {
    fn cause(&self, alert: Alert, row: &NodeCoverage<'a>, node: &Node) -> Option<NodeCause<'a>> {
        let cause_type = cause_type(row).filter(|cause_type| concerns(alert, *cause_type))?;
        let reason = match cause_type {
            CauseType::Outdated => None,
            CauseType::Missing | CauseType::Misscheduled | CauseType::Unavailable => Reason::leading(&row.reasons),
        };
        Some(NodeCause {
            node: row.node,
            cause_type,
            pod: row.pods.first().map(|pod| pod.metadata.name.as_str()),
            state: row.state,
            reason: reason.cloned(),
            since: self.since(cause_type, row, node),
            false_alarm: self.false_alarm(cause_type, row, node),
        })
    }

    /// A lower bound: the latest of the times at which a part of the cause began. `None` if a part has no time.
    fn since(&self, cause_type: CauseType, row: &NodeCoverage<'_>, node: &Node) -> Option<Timestamp> {
        let created = row.created();
        let since = match cause_type {
            CauseType::Missing => None,
            CauseType::Unavailable => row.uncovered_since.max(created),
            CauseType::Outdated => created.zip(self.revision_created).map(|(pod, revision)| pod.max(revision)),
            // Of a taint, only the time of the condition that caused it is known.
            CauseType::Misscheduled if is_down(node) && only_by_lifecycle_taints(row) => {
                created.zip(not_ready_since(node)).map(|(pod, node)| pod.max(node))
            }
            CauseType::Misscheduled => None,
        };
        since.filter(|since| *since <= self.now)
    }

    fn false_alarm(&self, cause_type: CauseType, row: &NodeCoverage<'_>, node: &Node) -> Option<FalseAlarm> {
        let of_node = || self.of_node(node);
        match cause_type {
            CauseType::Misscheduled => misscheduled(row, node),
            CauseType::Missing => of_node().filter(|excuse| is_excused(*excuse, row)),
            CauseType::Unavailable if is_down(node) => Some(FalseAlarm::NodeDown),
            CauseType::Unavailable => {
                of_node().filter(|excuse| is_excused(*excuse, row)).or_else(|| self.of_rollout(row))
            }
            CauseType::Outdated if self.rollout.strategy == Strategy::OnDelete => Some(FalseAlarm::AwaitingDeletion),
            CauseType::Outdated => self.of_rollout(row),
        }
    }

    fn of_node(&self, node: &Node) -> Option<FalseAlarm> {
        let created = node.metadata.creation_timestamp.map(|time| time.timestamp());
        let is_new = created.is_some_and(|created| self.now.duration_since(created) < JOINING);
        if node.virtual_node().is_some() {
            Some(FalseAlarm::VirtualNode)
        } else if is_leaving(node) {
            Some(FalseAlarm::NodeLeaving)
        } else {
            is_new.then_some(FalseAlarm::NodeJoined)
        }
    }

    /// A pod that is outdated, or starts, in a rollout that makes progress.
    fn of_rollout(&self, row: &NodeCoverage<'_>) -> Option<FalseAlarm> {
        let is_usual = matches!(row.state, State::Available | State::Ready | State::Starting | State::Terminating);
        (is_usual && self.rollout.phase == Phase::Progressing).then_some(FalseAlarm::RolloutInProgress)
    }
}

/// Whether what the node does explains the state of its pod. A new node takes time to start a pod; it does not make a
/// container crash.
fn is_excused(excuse: FalseAlarm, row: &NodeCoverage<'_>) -> bool {
    let is_usual = |reason: &Reason| reason.is_transitional() || matches!(reason, Reason::NotCreated);
    excuse != FalseAlarm::NodeJoined || Reason::leading(&row.reasons).is_none_or(is_usual)
}

/// A pod that stays on a node that is not eligible.
fn misscheduled(row: &NodeCoverage<'_>, node: &Node) -> Option<FalseAlarm> {
    if is_down(node) && only_by_lifecycle_taints(row) {
        Some(FalseAlarm::NodeDown)
    } else if is_leaving(node) {
        Some(FalseAlarm::NodeLeaving)
    } else {
        (only_by_taints(row, |_| true) && row.is_available).then_some(FalseAlarm::PodKeepsRunning)
    }
}

/// What the node contributes, the worst first: a pod that is not available and outdated is not available.
fn cause_type(row: &NodeCoverage<'_>) -> Option<CauseType> {
    match (row.placement?, row.pods.is_empty()) {
        (Placement::Run, true) => Some(CauseType::Missing),
        (Placement::Run, false) if !row.is_available => Some(CauseType::Unavailable),
        (Placement::Run, false) => (row.up_to_date == Some(false)).then_some(CauseType::Outdated),
        (_, true) => None,
        (_, false) => Some(CauseType::Misscheduled),
    }
}

/// Whether the expression of the alert reads the number that the cause changes.
fn concerns(alert: Alert, cause_type: CauseType) -> bool {
    match alert {
        Alert::KubeDaemonSetRolloutStuck => true,
        Alert::KubeDaemonSetNotScheduled => cause_type == CauseType::Missing,
        Alert::KubeDaemonSetMisScheduled => cause_type == CauseType::Misscheduled,
    }
}

fn only_by_lifecycle_taints(row: &NodeCoverage<'_>) -> bool {
    only_by_taints(row, crate::snapshot::Taint::is_node_lifecycle_taint)
}

/// Whether the node is not eligible, and only because of such taints.
fn only_by_taints(row: &NodeCoverage<'_>, is_meant: impl Fn(&crate::snapshot::Taint) -> bool) -> bool {
    let mut failures = row.reasons.iter().filter_map(|reason| match reason {
        Reason::NotEligible(failure) => Some(failure),
        _ => None,
    });
    failures.all(|failure| match failure {
        PlacementFailure::Taint { taint } => is_meant(taint),
        _ => false,
    })
}

fn is_down(node: &Node) -> bool {
    node.not_ready_condition().is_some()
}

fn not_ready_since(node: &Node) -> Option<Timestamp> {
    Some(node.not_ready_condition()?.last_transition_time?.timestamp())
}

/// Whether the node is cordoned, drained, in maintenance, or being deleted.
fn is_leaving(node: &Node) -> bool {
    node.spec.unschedulable || node.metadata.deletion_timestamp.is_some() || node.lifecycle_condition().is_some()
}
