//! Where each node of a rollout is, and which nodes use the budget.

use serde::Serialize;

use super::blocker::Problem;
use crate::coverage::NodeCoverage;
use crate::explain::Reason;

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
    pub(crate) problems: Vec<Problem>,
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
    #[serde(rename = "type")]
    pub(crate) reason: BudgetUseReason,
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

impl BudgetUseReason {
    /// Whether the controller itself ends the use of the budget, whatever the problem of the pod is.
    pub(super) fn is_replaced_anyway(self) -> bool {
        matches!(self, Self::OldUnavailable | Self::Duplicate)
    }
}
