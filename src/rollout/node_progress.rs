//! Where each node of a rollout is, and which nodes use the budget.

use serde::Serialize;

use super::blocker::Problem;
use crate::coverage::NodeCoverage;
use crate::explain::Reason;

/// How far a node is in the rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum NodeStep {
    /// The node has an old pod and no new one.
    Outdated,
    /// The node has no pod.
    Waiting,
    /// The only pod is terminating, or an old pod remains next to an available new one.
    Replacing,
    /// The new pod is not available yet. It may be slow.
    Starting,
    /// The new pod is not available and has a problem other than a slow start.
    Failing,
    /// The new pod is available and no old pod remains.
    Done,
}

/// One eligible node.
#[derive(Clone, Debug)]
pub(crate) struct NodeProgress<'a> {
    pub(crate) node: &'a str,
    pub(crate) step: NodeStep,
    /// Why it is not done: the reasons of the new pod if there is one, else of the first pod.
    pub(crate) reasons: Vec<Reason>,
    /// The problems of its new pod, or of an old pod that does not terminate.
    pub(crate) problems: Vec<Problem>,
    pub(crate) row: &'a NodeCoverage<'a>,
}

/// A node that uses the budget.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct BudgetUse<'a> {
    /// The node may be deleted.
    pub(crate) node: &'a str,
    #[serde(rename = "type")]
    pub(crate) reason: BudgetUseReason,
    /// The reasons of its pod.
    pub(crate) reasons: Vec<Reason>,
    /// Whether the Ready condition of the node is not `True`.
    pub(crate) node_down: bool,
    /// Whether it uses the budget until something outside of the rollout changes.
    pub(crate) needs_intervention: bool,
}

/// Why a node uses the budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum BudgetUseReason {
    /// The old pod is not available. The controller replaces it even without free budget.
    OldUnavailable,
    /// The new pod is not available.
    NewUnavailable,
    /// The node has no pod.
    Missing,
    /// The only pod is terminating.
    Terminating,
    /// More than one new pod, or more than one old pod. The controller deletes the extra ones.
    Duplicate,
    /// An old and a new pod; under surge only while the new one is not available.
    BothRevisions,
}

impl BudgetUseReason {
    /// Whether the controller itself ends this use of the budget, whatever the problem of the pod is.
    pub(super) fn is_replaced_anyway(self) -> bool {
        matches!(self, Self::OldUnavailable | Self::Duplicate)
    }
}
